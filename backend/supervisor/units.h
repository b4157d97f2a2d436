/* SPDX-License-Identifier: MIT
 * Numbers, durations and sizes as people write them ("30s", "32M"). Pure. */
#ifndef VBDD_SUPERVISOR_UNITS_H
#define VBDD_SUPERVISOR_UNITS_H

#include <stdint.h>

/* So large that it never ends, so small that adding it to a clock's reading
 * does not wrap. */
#define UNITS_FOREVER_US ((uint64_t)INT64_MAX)

/* "500ms", "30s", "5min", "forever". 0 or -EINVAL. */
int units_parse_duration(const char *text, uint64_t *us);
/* "4": digits and nothing else. 0 or -EINVAL. */
int units_parse_count(const char *text, uint64_t *count);
/* "4096", "512K", "32M", "1G" (powers of 1024). 0 or -EINVAL. */
int units_parse_bytes(const char *text, uint64_t *bytes);

#endif
