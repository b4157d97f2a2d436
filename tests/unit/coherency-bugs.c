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

static void try_bug(enum coherency_bug bug, const char *name)
{
    struct sim_report report;

    coherency_set_bug(bug);
    sim_run(seed, ENOUGH_OPERATIONS, &report);
    coherency_set_bug(COHERENCY_BUG_NONE);
    NOTE("%s: after %llu operations: %s", name,
         (unsigned long long)report.operations, report.verdict);
    CHECK(report.verdict[0]);
}

static void check_each_bug(void)
{
    static const char *const names[COHERENCY_BUG_COUNT] = {
        [COHERENCY_BUG_JOIN_RUNNING_FLUSH] = "a flush joins a running one",
        [COHERENCY_BUG_FLUSH_PER_CLIENT] = "a flush covers its own client",
        [COHERENCY_BUG_ACK_BEFORE_WRITE] = "a write is answered when begun",
        [COHERENCY_BUG_BARRIER_NO_DRAIN] = "a barrier does not drain",
        [COHERENCY_BUG_LOST_WAITER] = "a waiter is forgotten",
        [COHERENCY_BUG_READ_OVERTAKES] = "a read overtakes a write",
        [COHERENCY_BUG_WRONG_MERGE] = "a merge reads the wrong block",
        [COHERENCY_BUG_NO_WRITE_THROUGH] = "write-through does nothing",
        [COHERENCY_BUG_BARRIER_NOT_DURABLE] = "a barrier's data is volatile",
        [COHERENCY_BUG_IGNORE_FUA] = "FUA is ignored",
        [COHERENCY_BUG_BARRIER_NO_GATE] = "later writes pass a barrier",
        [COHERENCY_BUG_EARLY_RELEASE] = "a range is released too early",
        [COHERENCY_BUG_FLUSH_FAILURE_IGNORED] = "a failed flush is OK",
        [COHERENCY_BUG_PART_ERROR_LOST] = "the error of a part is lost",
        [COHERENCY_BUG_ZERO_NO_MERGE] = "a zero takes whole blocks",
        [COHERENCY_BUG_ZERO_IS_DURABLE] = "a durable zero is volatile",
        [COHERENCY_BUG_EDGE_UNLOCKED] = "an edge is let go when it is read",
        [COHERENCY_BUG_EDGE_READ_EARLY] = "an edge is read before its turn",
        [COHERENCY_BUG_STALE_EDGE] = "the last edge is not read",
    };

    for (int bug = COHERENCY_BUG_NONE + 1; bug < COHERENCY_BUG_COUNT; bug++)
        try_bug((enum coherency_bug)bug, names[bug]);
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
    TEST("each bug that is switched on is found", check_each_bug);
    TEST("with none switched on nothing is found", check_no_bug);
    return tap_done();
}
