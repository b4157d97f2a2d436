/* SPDX-License-Identifier: MIT
 * Claim: data buffers never overlap, are page-aligned, and the arenas behind
 * them go back to the kernel whole once they have been idle for two trims.
 * Source: ARCHITECTURE.md (buffers).
 * Mechanism: random allocations, each filled with its own number and looked
 * at again before it is freed; the pool's own account compared with ours. */
#include "backend/disk/latency.h"
#include "backend/disk/pool.h"
#include "tests/unit/tap.h"

enum { SLOTS = 600, STEPS = 200000 };

static struct {
    unsigned char *data;
    size_t bytes;
    unsigned char mark;
} slots[SLOTS];

static uint64_t state;

static unsigned below(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state >> 33) % n);
}

static void fill(unsigned i, struct pool *pool)
{
    slots[i].bytes = below(20) ? 1 + below(11 * 4096) : 1 + below(2 << 20);
    slots[i].data = pool_alloc(pool, slots[i].bytes);
    slots[i].mark = (unsigned char)below(256);
    CHECK(slots[i].data != NULL);
    CHECK((uintptr_t)slots[i].data % 4096 == 0);
    memset(slots[i].data, slots[i].mark, slots[i].bytes);
}

static void drop(unsigned i, struct pool *pool)
{
    size_t wrong = 0;

    for (size_t n = 0; n < slots[i].bytes; n += 512)
        wrong += slots[i].data[n] != slots[i].mark;
    wrong += slots[i].data[slots[i].bytes - 1] != slots[i].mark;
    CHECK_EQ(wrong, 0);
    pool_free(pool, slots[i].data, slots[i].bytes);
    slots[i].data = NULL;
}

static void check_buffers(void)
{
    struct pool pool = { 0 };

    state = tap_seed();
    for (unsigned long step = tap_scaled(STEPS); step > 0; step--) {
        unsigned i = below(SLOTS);

        if (slots[i].data)
            drop(i, &pool);
        else if (below(3) == 0)
            fill(i, &pool);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (slots[i].data)
            drop(i, &pool);
    CHECK_EQ(pool.used_bytes, 0);
    NOTE("most memory mapped at the end: %zu KiB", pool.arena_bytes / 1024);
    pool_close(&pool);
}

static void check_trim(void)
{
    struct pool pool = { 0 };
    void *held = pool_alloc(&pool, 4096);
    void *big = pool_alloc(&pool, 2 << 20);

    CHECK_EQ(pool.arena_bytes, 2 * POOL_ARENA_BYTES);
    CHECK(pool_trim(&pool));
    CHECK_EQ(pool.arena_bytes, 2 * POOL_ARENA_BYTES);
    pool_free(&pool, big, 2 << 20);
    CHECK(pool_trim(&pool)); /* seen idle */
    CHECK_EQ(pool.arena_bytes, 2 * POOL_ARENA_BYTES);
    CHECK(pool_trim(&pool)); /* still idle: gone */
    CHECK_EQ(pool.arena_bytes, POOL_ARENA_BYTES);
    pool_free(&pool, held, 4096);
    held = pool_alloc(&pool, 4096); /* used between trims: stays */
    pool_free(&pool, held, 4096);
    CHECK(pool_trim(&pool));
    CHECK(!pool_trim(&pool));
    CHECK_EQ(pool.arena_bytes, 0);
    pool_close(&pool);
}

static void check_latency(void)
{
    CHECK_EQ(latency_bucket(0), 0);
    CHECK_EQ(latency_bucket(1), 0);
    CHECK_EQ(latency_bucket(2), 2);
    CHECK_EQ(latency_bucket(3), 3); /* 2 * sqrt(2) is 2.83 */
    CHECK_EQ(latency_bucket(4), 4);
    CHECK_EQ(latency_bucket(5), 4);
    CHECK_EQ(latency_bucket(6), 5); /* 5.66 */
    CHECK_EQ(latency_bucket(UINT64_MAX), MESSAGE_LATENCY_BUCKETS - 1);
    for (uint64_t us = 1; us < 1 << 20; us++)
        if (latency_bucket(us) < latency_bucket(us - 1))
            CHECK(!"a longer time in an earlier bucket");
}

int main(void)
{
    TEST("buffers do not overlap, and all of them come back", check_buffers);
    TEST("an arena that is idle for two trims is unmapped, others stay",
         check_trim);
    TEST("latency buckets are half powers of two and ascend", check_latency);
    return tap_done();
}
