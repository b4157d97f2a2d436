/* SPDX-License-Identifier: MIT
 * The stamp that tells who wrote a sector, when, and where it belongs. A
 * sector of 512 bytes is the same 32-byte stamp 16 times over, so that a torn
 * one shows, and so that 16-bit code can make and judge it with string
 * instructions. Little-endian on any machine. */
#ifndef VBDD_STAMP_H
#define VBDD_STAMP_H

#include <stdbool.h>
#include <stdint.h>

enum { STAMP_BYTES = 32, STAMP_SECTOR_BYTES = 512, STAMP_COPIES = 16 };

struct stamp {
    uint32_t magic;    /* STAMP_MAGIC */
    uint32_t writer;   /* who: a number of the run's own */
    uint64_t sequence; /* which write of that writer, from 1 */
    uint64_t sector;   /* where, in 512-byte sectors */
    uint32_t run;      /* of one run; tells yesterday's stamps from today's */
    uint32_t checksum; /* CRC-32 (IEEE) of the 28 bytes before it */
};
#define STAMP_MAGIC UINT32_C(0x44444256) /* "VBDD" */

enum stamp_state {
    STAMP_GOOD,
    STAMP_ZEROS,   /* the whole sector is zeros */
    STAMP_TORN,    /* valid stamps, but not all the same */
    STAMP_FOREIGN, /* anything else */
};

/* Puts the checksum in and fills the sector. */
void stamp_fill(uint8_t sector_data[STAMP_SECTOR_BYTES],
                const struct stamp *stamp);
/* *stamp: of the first copy that is valid, in GOOD and TORN. GOOD does not
 * mean that the sector or the run is the right one: the caller compares. */
enum stamp_state stamp_look(const uint8_t sector_data[STAMP_SECTOR_BYTES],
                            struct stamp *stamp);
/* The 32 bytes alone, as they go over a serial line. */
void stamp_put(uint8_t bytes[STAMP_BYTES], const struct stamp *stamp);
bool stamp_get(const uint8_t bytes[STAMP_BYTES], struct stamp *stamp);

#endif
