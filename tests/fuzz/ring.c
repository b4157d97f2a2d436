/* SPDX-License-Identifier: MIT
 * Claim: whatever a front end puts into a shared ring page, what comes out is
 * at most a ring full of requests, and what the validator accepts lies within
 * the disk and within its pages.
 * Source: XSA-155; blkif.h.
 * Mechanism: libFuzzer's bytes are ABI, limits and the whole page. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "common/blkif/validate.h"

enum { MOST_SLOTS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_accepted(const struct blkif_io *io,
                           const struct blkif_limits *limits)
{
    uint64_t sectors = 0;

    assert(io->nr_sectors <= limits->nr_sectors &&
           io->sector <= limits->nr_sectors - io->nr_sectors);
    assert(!limits->read_only || io->operation == BLKIF_OP_READ ||
           io->nr_sectors == 0);
    if (io->operation == BLKIF_OP_DISCARD)
        return;
    assert(io->nr_segments <= BLKIF_WIRE_SEGMENTS);
    for (uint32_t i = 0; i < io->nr_segments; i++) {
        const struct blkif_wire_segment *s = &io->segments[i];

        assert(s->first_sector <= s->last_sector && s->last_sector < 8);
        sectors += s->last_sector - s->first_sector + 1u;
    }
    assert(sectors == io->nr_sectors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint32_t page[BLKIF_PAGE_BYTES / sizeof(uint32_t)];
    struct blkif_wire_request requests[MOST_SLOTS];
    struct blkif_limits limits;
    struct back_ring ring;
    struct blkif_io io;
    int taken;

    if (size < 4)
        return 0;
    limits = (struct blkif_limits){
        .nr_sectors = (uint64_t)data[1] << (data[2] % 56),
        .sector_alignment = data[3] & 1 ? 8 : 1, .read_only = data[3] & 2,
        .has_barrier = data[3] & 4, .has_flush = data[3] & 8,
        .has_discard = data[3] & 16, .has_secure = data[3] & 32 };
    memset(page, 0, sizeof page);
    memcpy(page, data + 4, size - 4 < sizeof page ? size - 4 : sizeof page);
    back_ring_init(&ring, page, 1, (enum blkif_abi)(data[0] % BLKIF_ABI_COUNT));
    taken = back_ring_take(&ring, requests, MOST_SLOTS);
    assert(taken <= (int)ring.slots);
    for (int i = 0; i < taken; i++) {
        if (blkif_validate(&requests[i], &limits, &io) == BLKIF_ACCEPTED)
            check_accepted(&io, &limits);
        back_ring_put(&ring, requests[i].id, requests[i].operation, 0);
    }
    back_ring_push(&ring);
    back_ring_final_check(&ring);
    return 0;
}
