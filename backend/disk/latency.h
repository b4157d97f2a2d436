/* SPDX-License-Identifier: MIT
 * Latency histograms as message.h carries them: bucket i counts what took
 * [2^(i/2), 2^((i+1)/2)) microseconds; the first also what took less, the
 * last also what took more. */
#ifndef VBDD_DISK_LATENCY_H
#define VBDD_DISK_LATENCY_H

#include <stdint.h>

#include "backend/control/message.h"

static inline unsigned latency_bucket(uint64_t us)
{
    unsigned log2, bucket;

    if (us < 2)
        return 0;
    if (us >> 31)
        return MESSAGE_LATENCY_BUCKETS - 1;
    log2 = 63 - (unsigned)__builtin_clzll(us);
    /* past the square root of 2 times 2^log2? */
    bucket = 2 * log2 + (us * us >> (2 * log2 + 1) ? 1 : 0);
    return bucket < MESSAGE_LATENCY_BUCKETS ? bucket
                                            : MESSAGE_LATENCY_BUCKETS - 1;
}

static inline void latency_add(uint64_t *buckets, uint64_t us)
{
    buckets[latency_bucket(us)]++;
}

#endif
