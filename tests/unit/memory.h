/* SPDX-License-Identifier: MIT
 * What a process holds: memory, descriptors, mappings. */
#ifndef VBDD_TESTS_MEMORY_H
#define VBDD_TESTS_MEMORY_H

#include <dirent.h>
#include <stdio.h>
#include <sys/types.h>

#include "tests/unit/tap.h"

/* What AddressSanitizer keeps for itself is no figure of ours. */
#if defined(__SANITIZE_ADDRESS__)
enum { MEMORY_IS_SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { MEMORY_IS_SANITIZED = 1 };
#else
enum { MEMORY_IS_SANITIZED = 0 };
#endif
#else
enum { MEMORY_IS_SANITIZED = 0 };
#endif

static inline long memory_rss_kib(pid_t pid)
{
    char path[64], line[256];
    long kib = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    file = fopen(path, "r");
    REQUIRE(file);
    while (kib < 0 && fgets(line, sizeof line, file))
        sscanf(line, "Rss: %ld", &kib);
    fclose(file);
    REQUIRE(kib >= 0);
    return kib;
}

#endif
