/* SPDX-License-Identifier: MIT
 * Percentiles of a latency histogram. */
#include "backend/supervisor/percentile.h"

/* 2^(index/2). */
static uint64_t edge_us(unsigned index)
{
    uint64_t whole = 1ull << (index / 2);

    return index % 2 ? (uint64_t)((double)whole * 1.41421356) : whole;
}

uint64_t percentile_us(const uint64_t buckets[MESSAGE_LATENCY_BUCKETS],
                       unsigned per_mille)
{
    double total = 0, below = 0;

    for (unsigned i = 0; i < MESSAGE_LATENCY_BUCKETS; i++)
        total += (double)buckets[i];
    if (total == 0)
        return 0;
    for (unsigned i = 0; i < MESSAGE_LATENCY_BUCKETS; i++) {
        below += (double)buckets[i];
        if (buckets[i] && below * 1000 >= total * per_mille)
            return edge_us(i + 1);
    }
    return edge_us(MESSAGE_LATENCY_BUCKETS);
}
