/* SPDX-License-Identifier: MIT
 * How a long discard is split: a back end frees whole extents only, so each
 * part but the last ends where an extent does. */
#include "frontend/private.h"

/* 1 GiB: other requests need not wait long behind one part. */
enum { MAX_PART_SECTORS = 1 << 21 };

/* Bit by bit: a division of 64 bits would need the compiler's library on a
 * 32-bit guest. */
static uint32_t remainder_of(uint64_t number, uint32_t divisor)
{
    uint64_t remainder = 0;

    for (unsigned bit = 64; bit-- > 0;) {
        remainder = remainder << 1 | (number >> bit & 1);
        if (remainder >= divisor)
            remainder -= divisor;
    }
    return (uint32_t)remainder;
}

uint32_t front_discard_part(const struct vbdfront_info *info, uint64_t sector,
                            uint32_t nr_sectors)
{
    uint32_t extent = info->discard_granularity / BLKIF_SECTOR_BYTES;
    uint32_t first = info->discard_alignment / BLKIF_SECTOR_BYTES;
    uint32_t beyond;

    if (nr_sectors <= MAX_PART_SECTORS)
        return nr_sectors;
    /* of the extent in which the part would end */
    beyond = remainder_of(sector + MAX_PART_SECTORS + extent -
                              remainder_of(first, extent), extent);
    return beyond < MAX_PART_SECTORS ? MAX_PART_SECTORS - beyond
                                     : (uint32_t)MAX_PART_SECTORS;
}
