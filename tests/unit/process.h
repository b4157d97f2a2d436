/* SPDX-License-Identifier: MIT
 * What a process holds, as the kernel says. */
#ifndef VBDD_TESTS_PROCESS_H
#define VBDD_TESTS_PROCESS_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "tests/unit/tap.h"

#if defined(__SANITIZE_ADDRESS__)
enum { PROCESS_IS_SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { PROCESS_IS_SANITIZED = 1 };
#else
enum { PROCESS_IS_SANITIZED = 0 };
#endif
#else
enum { PROCESS_IS_SANITIZED = 0 };
#endif

/* AddressSanitizer and valgrind map memory of their own and keep what is
 * freed: then there are no figures of ours. */
static inline bool process_is_instrumented(void)
{
    return PROCESS_IS_SANITIZED || getenv("VALGRIND");
}

static inline FILE *process_open(pid_t pid, const char *name)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    file = fopen(path, "r");
    REQUIRE(file);
    return file;
}

static inline long process_rss_kib(pid_t pid)
{
    FILE *file = process_open(pid, "smaps_rollup");
    char line[256];
    long kib = -1;

    while (kib < 0 && fgets(line, sizeof line, file))
        sscanf(line, "Rss: %ld", &kib);
    fclose(file);
    REQUIRE(kib >= 0);
    return kib;
}

static inline unsigned process_maps(pid_t pid)
{
    FILE *file = process_open(pid, "maps");
    unsigned lines = 0;
    int c;

    while ((c = getc(file)) != EOF)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static inline unsigned process_fds(pid_t pid)
{
    char path[64];
    unsigned nr = 0;
    DIR *dir;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    dir = opendir(path);
    REQUIRE(dir);
    while (readdir(dir))
        nr++;
    closedir(dir);
    return nr - 2; /* . and .. */
}

/* Those that nobody has waited for count as well. */
static inline unsigned process_children(pid_t pid)
{
    char name[64];
    unsigned nr = 0;
    FILE *file;

    snprintf(name, sizeof name, "task/%d/children", (int)pid);
    file = process_open(pid, name);
    while (fscanf(file, "%*d") != EOF)
        nr++;
    fclose(file);
    return nr;
}

#endif
