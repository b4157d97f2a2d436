/* SPDX-License-Identifier: MIT
 * A log-linear histogram: 32 buckets to each power of two, so a value is kept
 * with an error of at most 1/32. */
#ifndef VBDD_VBDFRONT_HISTOGRAM_H
#define VBDD_VBDFRONT_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 60 * 32 };

struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t nr, max;
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The value that part (0 to 1) of all values do not exceed, rounded up to its
 * bucket's end, but never past the largest; 0 when there are none. */
uint64_t histogram_percentile(const struct histogram *histogram, double part);

#endif
