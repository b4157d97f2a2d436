/* SPDX-License-Identifier: MIT
 * Percentiles of a latency histogram (message.h says how it is cut). Pure. */
#ifndef VBDD_SUPERVISOR_PERCENTILE_H
#define VBDD_SUPERVISOR_PERCENTILE_H

#include <stdint.h>

#include "backend/control/message.h"

/* Bucket index has the answers that took percentile_edge_us(index) to
 * percentile_edge_us(index + 1) - 1 whole microseconds. */
uint64_t percentile_edge_us(unsigned index);

/* The upper end, in microseconds, of the bucket in which the per_mille-th
 * (1..1000) of all answers lies: that many took less. 0 when there are none. */
uint64_t percentile_us(const uint64_t buckets[MESSAGE_LATENCY_BUCKETS],
                       unsigned per_mille);

#endif
