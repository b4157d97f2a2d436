/* SPDX-License-Identifier: MIT
 * Buffers: first fit over a bitmap of pages in each arena. Most requests are a
 * few pages, and a few dozen are alive, so the first word or two of the first
 * arena nearly always have room; the largest, indirect ones are 256 pages, half
 * an arena, and the byte budget bounds how many arenas are looked at. */
#include "backend/disk/pool.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ARENA_PAGES = POOL_ARENA_BYTES / POOL_PAGE_BYTES,
       ARENA_WORDS = ARENA_PAGES / 64 };

struct pool_arena {
    struct pool_arena *next;
    char *memory;
    uint64_t taken[ARENA_WORDS]; /* a bit a page */
    unsigned taken_pages;
    bool was_idle; /* at the last trim */
};

static unsigned pages_of(size_t bytes)
{
    return (unsigned)((bytes + POOL_PAGE_BYTES - 1) / POOL_PAGE_BYTES);
}

static bool page_is_taken(const struct pool_arena *arena, unsigned page)
{
    return arena->taken[page / 64] >> page % 64 & 1;
}

static void mark_pages(struct pool_arena *arena, unsigned first, unsigned nr)
{
    for (unsigned page = first; page < first + nr; page++)
        arena->taken[page / 64] ^= UINT64_C(1) << page % 64;
}

/* The first page of a free run of nr pages, or -1. */
static int find_run(const struct pool_arena *arena, unsigned nr)
{
    unsigned run = 0;

    if (ARENA_PAGES - arena->taken_pages < nr)
        return -1;
    for (unsigned page = 0; page < ARENA_PAGES; page++) {
        if (run == 0 && page % 64 == 0 && arena->taken[page / 64] == ~0ull)
            page += 63; /* a full word */
        else if (page_is_taken(arena, page))
            run = 0;
        else if (++run == nr)
            return (int)(page + 1 - nr);
    }
    return -1;
}

/* Memory aligned to its own size, so that it can be one huge page. */
static char *map_arena(void)
{
    size_t size = 2 * (size_t)POOL_ARENA_BYTES;
    char *raw = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    char *aligned;

    if (raw == MAP_FAILED)
        return NULL;
    aligned = (char *)(((uintptr_t)raw + POOL_ARENA_BYTES - 1) &
                       ~(uintptr_t)(POOL_ARENA_BYTES - 1));
    if (aligned > raw)
        munmap(raw, (size_t)(aligned - raw));
    munmap(aligned + POOL_ARENA_BYTES,
           size - POOL_ARENA_BYTES - (size_t)(aligned - raw));
    return aligned;
}

static struct pool_arena *add_arena(struct pool *pool)
{
    struct pool_arena *arena = calloc(1, sizeof *arena);

    if (!arena)
        return NULL;
    arena->memory = map_arena();
    if (!arena->memory) {
        free(arena);
        return NULL;
    }
    /* Only where the first arena is already busy: a disk that is hardly used
     * must not cost a whole huge page. */
    if (pool->arenas)
        madvise(arena->memory, POOL_ARENA_BYTES, MADV_HUGEPAGE);
    else
        madvise(arena->memory, POOL_ARENA_BYTES, MADV_NOHUGEPAGE);
    /* At the end: the oldest arena is filled first, later ones get idle. */
    struct pool_arena **tail = &pool->arenas;
    while (*tail)
        tail = &(*tail)->next;
    *tail = arena;
    pool->arena_bytes += POOL_ARENA_BYTES;
    return arena;
}

void *pool_alloc(struct pool *pool, size_t bytes)
{
    unsigned nr = pages_of(bytes);
    struct pool_arena *arena;
    int first = -1;

    assert(nr > 0 && nr <= ARENA_PAGES);
    for (arena = pool->arenas; arena; arena = arena->next) {
        first = find_run(arena, nr);
        if (first >= 0)
            break;
    }
    if (!arena) {
        arena = add_arena(pool);
        if (!arena)
            return NULL;
        first = 0;
    }
    mark_pages(arena, (unsigned)first, nr);
    arena->taken_pages += nr;
    arena->was_idle = false;
    pool->used_bytes += (size_t)nr * POOL_PAGE_BYTES;
    return arena->memory + (size_t)first * POOL_PAGE_BYTES;
}

void pool_free(struct pool *pool, void *buffer, size_t bytes)
{
    unsigned nr = pages_of(bytes);
    struct pool_arena *arena = pool->arenas;

    if (!buffer)
        return;
    while (arena && ((uintptr_t)buffer ^ (uintptr_t)arena->memory) >=
                        POOL_ARENA_BYTES)
        arena = arena->next;
    assert(arena);
    unsigned first = (unsigned)(((char *)buffer - arena->memory) /
                                POOL_PAGE_BYTES);
    assert(page_is_taken(arena, first));
    mark_pages(arena, first, nr);
    arena->taken_pages -= nr;
    pool->used_bytes -= (size_t)nr * POOL_PAGE_BYTES;
}

static void free_arena(struct pool *pool, struct pool_arena **link)
{
    struct pool_arena *arena = *link;

    *link = arena->next;
    munmap(arena->memory, POOL_ARENA_BYTES);
    pool->arena_bytes -= POOL_ARENA_BYTES;
    free(arena);
}

bool pool_trim(struct pool *pool)
{
    struct pool_arena **link = &pool->arenas;

    while (*link) {
        if ((*link)->taken_pages == 0 && (*link)->was_idle) {
            free_arena(pool, link);
        } else {
            (*link)->was_idle = (*link)->taken_pages == 0;
            link = &(*link)->next;
        }
    }
    return pool->arenas != NULL;
}

void pool_close(struct pool *pool)
{
    assert(pool->used_bytes == 0);
    while (pool->arenas)
        free_arena(pool, &pool->arenas);
}
