/* SPDX-License-Identifier: MIT
 * The stamp: made, and judged. */
#include "tools/stamp/stamp.h"

#include <endian.h>
#include <string.h>

enum { CHECKED_BYTES = 28 };

/* As it lies on the disk: little-endian. */
union wire {
    struct stamp stamp;
    uint8_t bytes[STAMP_BYTES];
};
_Static_assert(sizeof(struct stamp) == STAMP_BYTES, "no padding");
_Static_assert(STAMP_COPIES * STAMP_BYTES == STAMP_SECTOR_BYTES, "no rest");

/* CRC-32 as IEEE 802.3 has it, a byte at a time. */
static uint32_t checksum(const uint8_t bytes[CHECKED_BYTES])
{
    static uint32_t table[256];
    uint32_t sum = UINT32_MAX;

    for (uint32_t i = 0; !table[255] && i < 256; i++) {
        uint32_t entry = i;

        for (unsigned bit = 0; bit < 8; bit++)
            entry = entry >> 1 ^ (entry & 1 ? UINT32_C(0xedb88320) : 0);
        table[i] = entry;
    }
    for (unsigned i = 0; i < CHECKED_BYTES; i++)
        sum = table[(sum ^ bytes[i]) & 0xff] ^ sum >> 8;
    return ~sum;
}

void stamp_put(uint8_t bytes[STAMP_BYTES], const struct stamp *stamp)
{
    union wire wire = { .stamp = {
        .magic = htole32(STAMP_MAGIC), .writer = htole32(stamp->writer),
        .sequence = htole64(stamp->sequence),
        .sector = htole64(stamp->sector), .run = htole32(stamp->run) } };

    wire.stamp.checksum = htole32(checksum(wire.bytes));
    memcpy(bytes, wire.bytes, STAMP_BYTES);
}

bool stamp_get(const uint8_t bytes[STAMP_BYTES], struct stamp *stamp)
{
    union wire wire;

    memcpy(wire.bytes, bytes, STAMP_BYTES);
    *stamp = (struct stamp){
        .magic = le32toh(wire.stamp.magic),
        .writer = le32toh(wire.stamp.writer),
        .sequence = le64toh(wire.stamp.sequence),
        .sector = le64toh(wire.stamp.sector),
        .run = le32toh(wire.stamp.run),
        .checksum = le32toh(wire.stamp.checksum),
    };
    return stamp->magic == STAMP_MAGIC && stamp->checksum == checksum(bytes);
}

void stamp_fill(uint8_t sector_data[STAMP_SECTOR_BYTES],
                const struct stamp *stamp)
{
    stamp_put(sector_data, stamp);
    for (unsigned i = 1; i < STAMP_COPIES; i++)
        memcpy(sector_data + i * STAMP_BYTES, sector_data, STAMP_BYTES);
}

/* Each copy is the same as the one before it. */
static bool is_uniform(const uint8_t *sector_data)
{
    return memcmp(sector_data, sector_data + STAMP_BYTES,
                  STAMP_SECTOR_BYTES - STAMP_BYTES) == 0;
}

enum stamp_state stamp_look(const uint8_t sector_data[STAMP_SECTOR_BYTES],
                            struct stamp *stamp)
{
    static const uint8_t zeros[STAMP_BYTES];
    bool uniform = is_uniform(sector_data);

    for (unsigned i = 0; i < (uniform ? 1 : STAMP_COPIES); i++) {
        if (stamp_get(sector_data + i * STAMP_BYTES, stamp))
            return uniform ? STAMP_GOOD : STAMP_TORN;
    }
    return uniform && memcmp(sector_data, zeros, STAMP_BYTES) == 0
               ? STAMP_ZEROS : STAMP_FOREIGN;
}
