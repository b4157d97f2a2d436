/* SPDX-License-Identifier: MIT
 * A disk and a guest's page that are exactly as long as they are, so that a
 * sanitizer sees who goes past an end. What the validator accepts is executed
 * on them. */
#ifndef VBDD_TESTS_FUZZ_MODEL_H
#define VBDD_TESTS_FUZZ_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/limits.h"
#include "common/blkif/validate.h"
#include "tests/fuzz/fuzz.h"

enum { MODEL_MOST_SECTORS = 2048 }; /* of a disk that has memory */

static inline struct blkif_limits model_limits(struct fuzz_input *input)
{
    uint8_t flags = fuzz_byte(input), indirect = fuzz_byte(input);
    uint64_t sectors = fuzz_varied(input);
    struct blkif_limits limits = {
        .nr_sectors = sectors > UINT32_MAX ? sectors & ~UINT64_C(7)
                                           : sectors * 8,
        .sector_alignment = flags & 1 ? 8 : 1, .read_only = flags & 2,
        .has_barrier = flags & 4, .has_flush = flags & 8,
        .has_discard = flags & 16, .has_secure = flags & 32,
        .max_indirect_segments = flags & 64 ? indirect + 1u : 0 };

    return limits;
}

/* Moves the data of one segment between its page and the disk. */
static inline void model_move(const struct blkif_io *io,
                              const struct blkif_wire_segment *segment,
                              uint8_t *page, uint8_t *disk)
{
    uint8_t *data = page + segment->first_sector * BLKIF_SECTOR_BYTES;
    size_t bytes = (size_t)(segment->last_sector - segment->first_sector + 1) *
                   BLKIF_SECTOR_BYTES;

    if (io->operation == BLKIF_OP_READ)
        memcpy(data, disk, bytes);
    else
        memcpy(disk, data, bytes);
}

/* Executes what was accepted; segments are io->nr_segments, judged. */
static inline void model_execute(const struct blkif_io *io,
                                 const struct blkif_wire_segment *segments,
                                 const struct blkif_limits *limits)
{
    bool has_memory = limits->nr_sectors > 0 &&
                      limits->nr_sectors <= MODEL_MOST_SECTORS;
    size_t disk_bytes = (size_t)limits->nr_sectors * BLKIF_SECTOR_BYTES;
    uint64_t sector = io->sector;
    uint8_t *page = malloc(BLKIF_PAGE_BYTES);
    uint8_t *disk = has_memory ? malloc(disk_bytes) : NULL;

    MUST(page && (disk || !has_memory));
    memset(page, 0, BLKIF_PAGE_BYTES);
    for (uint32_t i = 0; i < io->nr_segments; i++) {
        MUST(segments[i].first_sector <= segments[i].last_sector);
        MUST((segments[i].first_sector | (segments[i].last_sector + 1)) %
                 limits->sector_alignment == 0);
        MUST(sector < limits->nr_sectors);
        if (has_memory)
            model_move(io, &segments[i], page,
                       disk + sector * BLKIF_SECTOR_BYTES);
        else
            memset(page + segments[i].first_sector * BLKIF_SECTOR_BYTES, 1,
                   (size_t)(segments[i].last_sector + 1 -
                            segments[i].first_sector) * BLKIF_SECTOR_BYTES);
        sector += segments[i].last_sector - segments[i].first_sector + 1u;
    }
    if (io->nr_segments > 0)
        MUST(sector - io->sector == io->nr_sectors);
    free(page);
    free(disk);
}

/* What must be true of all that was accepted. */
static inline void model_check(const struct blkif_io *io,
                               const struct blkif_limits *limits)
{
    MUST(io->nr_sectors <= limits->nr_sectors &&
         io->sector <= limits->nr_sectors - io->nr_sectors);
    MUST((io->sector | io->nr_sectors) % limits->sector_alignment == 0);
    MUST(!limits->read_only || io->operation == BLKIF_OP_READ ||
         io->nr_sectors == 0);
    MUST(io->operation <= BLKIF_OP_FLUSH_DISKCACHE ||
         io->operation == BLKIF_OP_DISCARD);
    MUST(io->operation != BLKIF_OP_WRITE_BARRIER || limits->has_barrier);
    MUST(io->operation != BLKIF_OP_FLUSH_DISKCACHE || limits->has_flush);
    MUST(io->operation != BLKIF_OP_DISCARD || limits->has_discard);
    MUST(!io->is_secure || (limits->has_secure &&
                            io->operation == BLKIF_OP_DISCARD));
    MUST(io->nr_segments <= (io->is_indirect ? limits->max_indirect_segments
                                             : BLKIF_WIRE_SEGMENTS));
}

#endif
