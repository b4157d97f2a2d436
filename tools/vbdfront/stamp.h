/* SPDX-License-Identifier: MIT
 * Sectors that say who they are: a sector that is lost, stale, torn or in the
 * wrong place is recognised. */
#ifndef VBDD_VBDFRONT_STAMP_H
#define VBDD_VBDFRONT_STAMP_H

#include <stdbool.h>
#include <stdint.h>

enum { STAMP_BYTES = 512 };

/* Fills one sector: its number, the seed, a filling that follows from both,
 * and a checksum of all that. Little-endian on any machine. */
void stamp_make(uint8_t sector_data[STAMP_BYTES], uint64_t sector,
                uint64_t seed);

enum stamp_result {
    STAMP_GOOD,
    STAMP_NONE,         /* no stamp, or torn */
    STAMP_OTHER_SECTOR, /* a whole stamp, of another sector */
    STAMP_OTHER_SEED,   /* a whole stamp of this sector, of another run */
};
/* found: the number or the seed that was there instead. */
enum stamp_result stamp_check(const uint8_t sector_data[STAMP_BYTES],
                              uint64_t sector, uint64_t seed,
                              uint64_t *found);

#endif
