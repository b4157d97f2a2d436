/* SPDX-License-Identifier: MIT
 * The stamp: words of 64 bits; 0 the sector, 1 the seed, 2 to 62 the filling,
 * 63 the checksum (FNV-1a over the words before it). */
#include "tools/vbdfront/stamp.h"

enum { WORDS = STAMP_BYTES / 8, LAST = WORDS - 1 };

static uint64_t get_word(const uint8_t *data, unsigned index)
{
    uint64_t word = 0;

    for (unsigned i = 8; i-- > 0;)
        word = word << 8 | data[index * 8 + i];
    return word;
}

static void put_word(uint8_t *data, unsigned index, uint64_t word)
{
    for (unsigned i = 0; i < 8; i++, word >>= 8)
        data[index * 8 + i] = (uint8_t)word;
}

static uint64_t checksum(const uint8_t *data)
{
    uint64_t sum = 0xcbf29ce484222325ull;

    for (unsigned i = 0; i < LAST; i++)
        sum = (sum ^ get_word(data, i)) * 0x100000001b3ull;
    return sum;
}

void stamp_make(uint8_t sector_data[STAMP_BYTES], uint64_t sector,
                uint64_t seed)
{
    uint64_t filling = sector * 0x9e3779b97f4a7c15ull ^ seed;

    put_word(sector_data, 0, sector);
    put_word(sector_data, 1, seed);
    for (unsigned i = 2; i < LAST; i++) {
        filling = filling * 6364136223846793005ull + 1442695040888963407ull;
        put_word(sector_data, i, filling);
    }
    put_word(sector_data, LAST, checksum(sector_data));
}

enum stamp_result stamp_check(const uint8_t sector_data[STAMP_BYTES],
                              uint64_t sector, uint64_t seed, uint64_t *found)
{
    if (get_word(sector_data, LAST) != checksum(sector_data))
        return STAMP_NONE;
    *found = get_word(sector_data, 0);
    if (*found != sector)
        return STAMP_OTHER_SECTOR;
    *found = get_word(sector_data, 1);
    return *found == seed ? STAMP_GOOD : STAMP_OTHER_SEED;
}
