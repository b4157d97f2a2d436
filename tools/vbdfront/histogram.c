/* SPDX-License-Identifier: MIT
 * Values below 32 have a bucket each; above, the bucket is the power of two
 * and the five bits below the highest. */
#include "tools/vbdfront/histogram.h"

enum { BITS = 5, SUB = 1 << BITS };

static unsigned bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < SUB)
        return (unsigned)value;
    shift = 63u - BITS - (unsigned)__builtin_clzll(value);
    return (shift + 1) * SUB + (unsigned)((value >> shift) - SUB);
}

static uint64_t bucket_end(unsigned bucket)
{
    unsigned shift;

    if (bucket < SUB)
        return bucket;
    shift = bucket / SUB - 1;
    return ((uint64_t)(bucket % SUB + SUB) << shift) +
           ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->buckets[bucket_of(value)]++;
    histogram->nr++;
    if (value > histogram->max)
        histogram->max = value;
}

uint64_t histogram_percentile(const struct histogram *histogram, double part)
{
    double wanted = part * (double)histogram->nr;
    uint64_t seen = 0, end;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen == 0 || (double)seen < wanted)
            continue;
        end = bucket_end(i);
        return end < histogram->max ? end : histogram->max;
    }
    return histogram->max;
}
