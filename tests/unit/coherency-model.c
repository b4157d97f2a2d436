/* SPDX-License-Identifier: MIT
 * Claim: whatever clients do, to sectors or odd bytes, in whatever order the engine completes and
 * whatever fails, every read, answer and crash is one that C2-C8, C10, C13
 * and C14 allow, and nothing waits for ever. Source: COHERENCY.md, the same.
 * Mechanism: a simulated world (coherency-sim.h), a model of what is allowed
 * (coherency-model.h), a seed. */
#include "tests/unit/coherency-sim.h"
#include "tests/unit/tap.h"

static void check_a_million_operations(void)
{
    struct sim_report report;

    sim_run(tap_seed(), tap_scaled(1000 * 1000), &report);
    NOTE("%llu operations: %llu reads and %llu crashes judged",
         (unsigned long long)report.operations,
         (unsigned long long)report.reads_judged,
         (unsigned long long)report.crashes_judged);
    NOTE("%llu requests were not whole sectors",
         (unsigned long long)report.odd);
    NOTE("%llu engine flushes, %llu failed; %llu merges, %llu waits; "
         "%llu fail-stops, %llu held; clients opened or closed %llu times",
         (unsigned long long)report.engine_flushes,
         (unsigned long long)report.flush_failures,
         (unsigned long long)report.merged, (unsigned long long)report.waited,
         (unsigned long long)report.fail_stops, (unsigned long long)report.held,
         (unsigned long long)report.reopened);
    CHECK_STR(report.verdict, "");
    /* That nothing was found proves nothing where nothing was tried. */
    CHECK(report.reads_judged > report.operations / 10);
    CHECK(report.crashes_judged > report.operations / 100);
    CHECK(report.engine_flushes > report.operations / 100);
    CHECK(report.zeroes > report.operations / 100 && report.resizes > 0);
    CHECK(report.odd > report.operations / 20);
    CHECK(report.merged > 0 && report.waited > report.operations / 20);
}

int main(void)
{
    TEST("no run of random requests, failures and crashes breaks a promise",
         check_a_million_operations);
    return tap_done();
}
