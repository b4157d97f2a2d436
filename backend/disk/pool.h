/* SPDX-License-Identifier: MIT
 * Page-aligned buffers for data on its way, out of 2 MiB arenas. Arenas are
 * made on demand, given huge pages where there are any, and go back to the
 * kernel whole, never in part: a huge page is never split. Loop thread only. */
#ifndef VBDD_DISK_POOL_H
#define VBDD_DISK_POOL_H

#include <stdbool.h>
#include <stddef.h>

enum { POOL_ARENA_BYTES = 2 << 20, POOL_PAGE_BYTES = 4096 };

struct pool_arena;

struct pool {
    struct pool_arena *arenas;
    size_t used_bytes, arena_bytes; /* handed out; mapped */
};

/* A buffer of at least `bytes` (1 byte to one arena), contents undefined: an
 * owner writes it before a guest can read it. NULL: no memory. */
void *pool_alloc(struct pool *pool, size_t bytes);
/* bytes as in pool_alloc(). NULL is allowed. */
void pool_free(struct pool *pool, void *buffer, size_t bytes);
/* Unmaps the arenas that have been idle since the last call; true while any
 * arena is left, so that the caller knows to call again. */
bool pool_trim(struct pool *pool);
/* Every buffer must have been freed. */
void pool_close(struct pool *pool);

#endif
