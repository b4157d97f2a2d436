/* SPDX-License-Identifier: MIT
 * Claim: the model test would notice. Source: COHERENCY.md C2-C8, C13, C15.
 * Mechanism: the same run as coherency-model.c over a library into which
 * one-line bugs are compiled; each is switched on in turn and must be found,
 * and the run without any must find nothing. */
#include "backend/coherency/coherency.h"
#include "tests/unit/coherency-sim.h"
#include "tests/unit/tap.h"

enum { ENOUGH_OPERATIONS = 200 * 1000 };

static uint64_t seed;

static void try_bug(enum coherency_bug bug)
{
    struct sim_report report;

    coherency_set_bug(bug);
    sim_run(seed, ENOUGH_OPERATIONS, &report);
    coherency_set_bug(COHERENCY_BUG_NONE);
    NOTE("%s: after %llu operations: %s", coherency_bug_sentence(bug),
         (unsigned long long)report.operations, report.verdict);
    CHECK(report.verdict[0]);
}

static void check_each_bug(void)
{
    for (int bug = COHERENCY_BUG_NONE + 1; bug < COHERENCY_BUG_COUNT; bug++)
        try_bug((enum coherency_bug)bug);
}

static void check_names(void)
{
    for (int bug = COHERENCY_BUG_NONE; bug < COHERENCY_BUG_COUNT; bug++) {
        REQUIRE(coherency_bug_name((enum coherency_bug)bug));
        CHECK_EQ(coherency_find_bug(coherency_bug_name(
            (enum coherency_bug)bug)), bug);
    }
    CHECK_EQ(coherency_find_bug("no such bug"), COHERENCY_BUG_COUNT);
}

static void check_no_bug(void)
{
    struct sim_report report;

    sim_run(seed, tap_scaled(ENOUGH_OPERATIONS), &report);
    CHECK_STR(report.verdict, "");
}

int main(void)
{
    seed = tap_seed();
    TEST("each bug has a name of its own", check_names);
    TEST("each bug that is switched on is found", check_each_bug);
    TEST("with none switched on nothing is found", check_no_bug);
    return tap_done();
}
