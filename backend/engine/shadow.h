/* SPDX-License-Identifier: MIT
 * Blocks of a disk that are kept in memory, at the place that they have on the
 * disk. Offsets are bytes, ends lie behind the last byte, both on blocks. */
#ifndef VBDD_ENGINE_SHADOW_H
#define VBDD_ENGINE_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

struct shadow {
    uint64_t size_bytes; /* of the disk; what lies behind cannot be kept */
    uint64_t kept_bytes; /* of the blocks that are kept */
    uint32_t block_bytes;
    char *data;     /* of the whole disk; of what is not kept without meaning */
    uint64_t *kept; /* a bit for each block */
};

/* 0 or -ENOMEM; nothing is kept. Memory is used as blocks are kept. */
int shadow_open(struct shadow *shadow, uint64_t size_bytes,
                uint32_t block_bytes);
/* Also of one that is all zero, or could not be opened. */
void shadow_close(struct shadow *shadow);

bool shadow_is_kept(const struct shadow *shadow, uint64_t at);
/* Where, behind `at`, kept turns into not kept or the other way; or end. */
uint64_t shadow_same_until(const struct shadow *shadow, uint64_t at,
                           uint64_t end);
/* data: NULL for zeros. */
void shadow_keep(struct shadow *shadow, uint64_t start, uint64_t end,
                 const void *data);
void shadow_forget(struct shadow *shadow, uint64_t start, uint64_t end);
/* Forgets, block by block, what is still the same as data. */
void shadow_forget_same(struct shadow *shadow, uint64_t start, uint64_t end,
                        const char *data);
/* Puts what is kept over data; other bytes of it stay. */
void shadow_overlay(const struct shadow *shadow, uint64_t start, uint64_t end,
                    char *data);

#endif
