/* SPDX-License-Identifier: MIT
 * Numbers with a unit. */
#include "backend/supervisor/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *suffix;
    uint64_t factor;
};

static int parse(const char *text, const struct unit *units, unsigned nr,
                 uint64_t *value)
{
    unsigned long long number;
    char *end;

    if (*text < '0' || *text > '9') /* strtoull() would take a sign */
        return -EINVAL;
    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno)
        return -EINVAL;
    for (unsigned i = 0; i < nr; i++) {
        if (strcmp(end, units[i].suffix) != 0)
            continue;
        if (number > UINT64_MAX / 2 / units[i].factor)
            return -EINVAL;
        *value = number * units[i].factor;
        return 0;
    }
    return -EINVAL;
}

int units_parse_count(const char *text, uint64_t *count)
{
    static const struct unit none = { "", 1 };

    return parse(text, &none, 1, count);
}

int units_parse_duration(const char *text, uint64_t *us)
{
    static const struct unit units[] = {
        { "ms", 1000 }, { "s", 1000000 }, { "min", 60000000 },
    };

    if (strcmp(text, "forever") == 0) {
        *us = UNITS_FOREVER_US;
        return 0;
    }
    return parse(text, units, sizeof units / sizeof *units, us);
}

int units_parse_bytes(const char *text, uint64_t *bytes)
{
    static const struct unit units[] = {
        { "", 1 }, { "K", 1 << 10 }, { "M", 1 << 20 }, { "G", 1 << 30 },
    };

    return parse(text, units, sizeof units / sizeof *units, bytes);
}
