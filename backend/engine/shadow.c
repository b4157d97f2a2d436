/* SPDX-License-Identifier: MIT
 * What of a disk is kept in memory: an image of it that is never there as a
 * whole, and a bit for each block. */
#include "backend/engine/shadow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int shadow_open(struct shadow *shadow, uint64_t size_bytes,
                uint32_t block_bytes)
{
    shadow->size_bytes = size_bytes;
    shadow->block_bytes = block_bytes;
    shadow->kept = calloc(size_bytes / block_bytes / 64 + 1,
                          sizeof *shadow->kept);
    if (!shadow->kept)
        return -ENOMEM;
    shadow->data = mmap(NULL, (size_t)size_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (shadow->data != MAP_FAILED)
        return 0;
    shadow->data = NULL;
    return -ENOMEM;
}

void shadow_close(struct shadow *shadow)
{
    if (shadow->data)
        munmap(shadow->data, (size_t)shadow->size_bytes);
    free(shadow->kept);
}

bool shadow_is_kept(const struct shadow *shadow, uint64_t at)
{
    uint64_t block = at / shadow->block_bytes;

    return at < shadow->size_bytes &&
           shadow->kept[block / 64] >> block % 64 & 1;
}

uint64_t shadow_same_until(const struct shadow *shadow, uint64_t at,
                           uint64_t end)
{
    const bool is_kept = shadow_is_kept(shadow, at);
    const uint64_t all_the_same = is_kept ? UINT64_MAX : 0;
    uint64_t block = at / shadow->block_bytes;

    while (at < end && shadow_is_kept(shadow, at) == is_kept) {
        bool is_long;

        if (at >= shadow->size_bytes)
            return end;
        is_long = block % 64 == 0 && shadow->kept[block / 64] == all_the_same;
        block += is_long ? 64 : 1;
        at = block * shadow->block_bytes;
    }
    return at < end ? at : end;
}

static void flip(struct shadow *shadow, uint64_t at)
{
    uint64_t block = at / shadow->block_bytes;

    shadow->kept[block / 64] ^= 1ull << block % 64;
}

void shadow_keep(struct shadow *shadow, uint64_t start, uint64_t end,
                 const void *data)
{
    if (data)
        memcpy(shadow->data + start, data, end - start);
    else
        memset(shadow->data + start, 0, end - start);
    for (uint64_t at = start; at < end; at += shadow->block_bytes) {
        if (shadow_is_kept(shadow, at))
            continue;
        flip(shadow, at);
        shadow->kept_bytes += shadow->block_bytes;
    }
}

void shadow_forget(struct shadow *shadow, uint64_t start, uint64_t end)
{
    for (uint64_t at = start; at < end; at += shadow->block_bytes) {
        if (!shadow_is_kept(shadow, at))
            continue;
        flip(shadow, at);
        shadow->kept_bytes -= shadow->block_bytes;
        if (shadow->kept_bytes == 0)
            madvise(shadow->data, (size_t)shadow->size_bytes, MADV_DONTNEED);
    }
}

void shadow_forget_same(struct shadow *shadow, uint64_t start, uint64_t end,
                        const char *data)
{
    const uint32_t block = shadow->block_bytes;

    for (uint64_t at = start; at < end; at += block, data += block)
        if (memcmp(shadow->data + at, data, block) == 0)
            shadow_forget(shadow, at, at + block);
}

void shadow_overlay(const struct shadow *shadow, uint64_t start, uint64_t end,
                    char *data)
{
    for (uint64_t at = start, until; at < end; at = until) {
        until = shadow_same_until(shadow, at, end);
        if (shadow_is_kept(shadow, at))
            memcpy(data + (at - start), shadow->data + at, until - at);
    }
}
