/* SPDX-License-Identifier: MIT
 * Every rule about a request, in one place and before anything is done with
 * it. Pure. */
#ifndef VBDD_BLKIF_VALIDATE_H
#define VBDD_BLKIF_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/blkif/wire.h"

/* What this ring may ask for. */
struct blkif_limits {
    uint64_t nr_sectors;        /* of the disk, 512 bytes each */
    uint32_t sector_alignment;  /* in 512-byte units: sector-size / 512; 1 on
                                   a disk whose sector-size is 512; a power
                                   of two */
    bool read_only;
    bool has_barrier, has_flush, has_discard; /* as advertised */
    bool has_secure;            /* "discard-secure" */
    uint32_t max_indirect_segments; /* 0: indirect was not advertised; at most
                                       BLKIF_MAX_INDIRECT_SEGMENTS */
};

/* The reasons for a refusal; blkif_refusal_text() has a sentence for each. */
enum blkif_refusal {
    BLKIF_ACCEPTED,
    BLKIF_UNKNOWN_OPERATION,   /* EOPNOTSUPP */
    BLKIF_NOT_ADVERTISED,      /* EOPNOTSUPP */
    BLKIF_NO_SEGMENTS,         /* READ, WRITE with none; DISCARD of nothing */
    BLKIF_TOO_MANY_SEGMENTS,   /* more than 11, or than was advertised */
    BLKIF_BAD_INDIRECT,        /* an indirect request for another operation
                                  than READ or WRITE */
    BLKIF_SEGMENT_BACKWARDS,   /* last < first */
    BLKIF_SEGMENT_PAST_PAGE,   /* last >= 8 (XSA-155's neighbour) */
    BLKIF_UNALIGNED,           /* against sector_alignment */
    BLKIF_BEYOND_END,          /* sector + count > nr_sectors, or wraps */
    BLKIF_READ_ONLY,
    BLKIF_REFUSAL_COUNT
};

/* A request that has been judged; shares nothing with the ring. */
struct blkif_io {
    uint8_t operation;     /* READ WRITE WRITE_BARRIER FLUSH_DISKCACHE ...,
                              never INDIRECT */
    bool is_indirect;      /* READ or WRITE with its segments elsewhere */
    bool is_secure;        /* DISCARD only; never without has_secure */
    uint64_t id;
    uint64_t sector;       /* 0 for an empty FLUSH or BARRIER, whatever the
                              ring said (Windows puts a number there) */
    uint64_t nr_sectors;   /* of the segments together, or to discard; 0 for
                              an empty FLUSH or BARRIER */
    uint32_t nr_segments;
    struct blkif_wire_segment segments[BLKIF_WIRE_SEGMENTS]; /* unless
                                                                is_indirect */
    uint32_t indirect_gref; /* is_indirect: where they are, from offset 0 */
};

/* Fills in *io, whole (segments: those that are used), when it returns
 * BLKIF_ACCEPTED; else *io means nothing. Of an indirect request only the
 * request itself has been judged then: nr_sectors is 0 until
 * blkif_validate_indirect() has accepted its segments too. */
enum blkif_refusal blkif_validate(const struct blkif_wire_request *request,
                                  const struct blkif_limits *limits,
                                  struct blkif_io *io);
/* The second half for an indirect request: segments are a private copy of
 * io->nr_segments descriptors out of the page io->indirect_gref (XSA-155: the
 * page is shared, so it is copied once, and the copy is what is judged and
 * executed). Completes *io. */
enum blkif_refusal
blkif_validate_indirect(const struct blkif_wire_segment *segments,
                        const struct blkif_limits *limits,
                        struct blkif_io *io);
/* What a response to the request gives as its operation: an indirect one's is
 * that of the operation inside (as Linux's two ends have it). */
uint8_t blkif_response_operation(const struct blkif_wire_request *request);
/* The wire status of a refusal: BLKIF_RSP_ERROR or BLKIF_RSP_EOPNOTSUPP. */
int16_t blkif_refusal_status(enum blkif_refusal refusal);
const char *blkif_refusal_text(enum blkif_refusal refusal);

#endif
