/* SPDX-License-Identifier: MIT
 * Private copies of what goes over the ring, in one layout for all ABIs. The
 * fields mean what xen/io/blkif.h says. Nothing here has been judged yet:
 * validate.h does that. */
#ifndef VBDD_BLKIF_WIRE_H
#define VBDD_BLKIF_WIRE_H

#include <stdint.h>

enum { BLKIF_WIRE_SEGMENTS = 11 }; /* BLKIF_MAX_SEGMENTS_PER_REQUEST */

struct blkif_wire_segment {
    uint32_t gref;
    uint8_t first_sector, last_sector; /* in the page, inclusive */
};

struct blkif_wire_request {
    uint8_t operation;
    uint8_t nr_segments; /* DISCARD: the flag byte */
    uint16_t handle;
    uint64_t id;
    uint64_t sector;
    uint64_t nr_sectors; /* DISCARD only, else 0 */
    struct blkif_wire_segment segments[BLKIF_WIRE_SEGMENTS];
};

struct blkif_wire_response {
    uint64_t id;
    uint8_t operation;
    int16_t status;
};

#endif
