/* SPDX-License-Identifier: MIT
 * Percentiles of a latency histogram. */
#include "backend/supervisor/percentile.h"

uint64_t percentile_edge_us(unsigned index)
{
    uint64_t whole = 1ull << (index / 2);

    if (index == 0)
        return 0; /* the first bucket also has what took less */
    /* 2^(index/2), rounded up: the square root of 2 is never whole */
    return index % 2 ? (uint64_t)((double)whole * 1.4142135623730951) + 1
                     : whole;
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
            return percentile_edge_us(i + 1);
    }
    return percentile_edge_us(MESSAGE_LATENCY_BUCKETS);
}
