/* SPDX-License-Identifier: MIT
 * Private copies of what goes over the ring, in one layout for all ABIs. The
 * fields mean what xen/io/blkif.h says. Nothing here has been judged yet:
 * validate.h does that. */
#ifndef VBDD_BLKIF_WIRE_H
#define VBDD_BLKIF_WIRE_H

#include <stdint.h>

enum {
    BLKIF_WIRE_SEGMENTS = 11,      /* BLKIF_MAX_SEGMENTS_PER_REQUEST */
    BLKIF_WIRE_INDIRECT_PAGES = 8, /* BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST */
};

/* As in a request, and as in an indirect page. */
struct blkif_wire_segment {
    uint32_t gref;
    uint8_t first_sector, last_sector; /* in the page, inclusive */
};

struct blkif_wire_request {
    uint8_t operation;
    uint8_t nr_segments; /* DISCARD: the flag byte; INDIRECT: 0 */
    uint16_t handle;
    uint8_t indirect_operation;    /* INDIRECT only, else 0 */
    uint16_t nr_indirect_segments; /* INDIRECT only, else 0 */
    uint64_t id;
    uint64_t sector;
    uint64_t nr_sectors; /* DISCARD only, else 0 */
    union {
        struct blkif_wire_segment segments[BLKIF_WIRE_SEGMENTS];
        uint32_t indirect_grefs[BLKIF_WIRE_INDIRECT_PAGES]; /* INDIRECT */
    };
};

struct blkif_wire_response {
    uint64_t id;
    uint8_t operation;
    int16_t status;
};

#endif
