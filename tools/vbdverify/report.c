/* SPDX-License-Identifier: MIT
 * What is printed: the first violations, and the table at the end. */
#include "tools/vbdverify/vbdverify.h"

enum { SHOWN = 5 };

void report_violation(void *context, enum violation violation,
                      uint64_t sector, const char *sentence)
{
    static unsigned shown;

    (void)context;
    (void)violation;
    (void)sector;
    if (shown++ < SHOWN)
        printf("%s\n", sentence);
    else if (shown == SHOWN + 1)
        printf("... and more, which are counted only.\n");
    fflush(stdout);
}

static uint64_t total(const struct check_path_stats *stats)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < OPERATION_KINDS; i++)
        sum += stats->operations[i];
    return sum;
}

static void print_row(const char *name, const struct check_path_stats *stats)
{
    const uint64_t *of = stats->operations;

    printf("%-12s %11llu %10llu %10llu %9llu %9llu %11llu %10llu %8llu\n",
           name, (unsigned long long)total(stats),
           (unsigned long long)of[OPERATION_READ],
           (unsigned long long)(of[OPERATION_WRITE] + of[OPERATION_FUA] +
                                of[OPERATION_ZERO] + of[OPERATION_DISCARD]),
           (unsigned long long)of[OPERATION_FLUSH],
           (unsigned long long)of[OPERATION_BARRIER],
           (unsigned long long)stats->judged,
           (unsigned long long)stats->overlaps,
           (unsigned long long)stats->failed);
}

static void print_violations(const struct check_stats *stats)
{
    static const char *const names[VIOLATION_KINDS] = {
        [VIOLATION_STALE] = "C3, stale or going back",
        [VIOLATION_UNWRITTEN] = "C3, never written",
        [VIOLATION_LOST] = "C5, lost after a FLUSH",
        [VIOLATION_BARRIER] = "C6, lost before a BARRIER",
        [VIOLATION_FUA] = "C7, lost with FUA or in a BARRIER",
        [VIOLATION_IMAGE] = "C3, in the image, though gone" };

    for (unsigned i = 0; i < VIOLATION_KINDS; i++) {
        if (stats->violations[i])
            printf("  %llu of %s\n", (unsigned long long)stats->violations[i],
                   names[i]);
    }
}

void report_summary(const struct check_stats *stats,
                    const char *const *names, unsigned nr_paths,
                    uint64_t took_us)
{
    struct check_path_stats sum = { .overlaps = stats->overlaps };
    double seconds = (double)(took_us ? took_us : 1) / 1e6;

    printf("%-12s %11s %10s %10s %9s %9s %11s %10s %8s\n", "path",
           "operations", "reads", "writes", "flushes", "barriers",
           "sectors", "overlaps", "failed");
    for (unsigned i = 0; i < nr_paths; i++) {
        const struct check_path_stats *path = &stats->paths[i];

        print_row(names[i], path);
        for (unsigned k = 0; k < OPERATION_KINDS; k++)
            sum.operations[k] += path->operations[k];
        sum.judged += path->judged;
        sum.failed += path->failed;
    }
    print_row("all", &sum);
    printf("%llu operations in %.2f s: %.0f a second\n",
           (unsigned long long)total(&sum), seconds,
           (double)total(&sum) / seconds);
    printf("%llu violations\n", (unsigned long long)stats->nr_violations);
    print_violations(stats);
}
