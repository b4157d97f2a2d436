/* SPDX-License-Identifier: MIT
 * A simulated world around the coherency layer: an engine with a volatile
 * cache that completes in any order and fails now and then, a clock, four
 * clients that write over each other, and crashes that are looked at without
 * stopping. The model judges all that is seen. */
#ifndef VBDD_TESTS_COHERENCY_SIM_H
#define VBDD_TESTS_COHERENCY_SIM_H

#include <stdint.h>

struct sim_report {
    uint64_t operations; /* accepted, until the verdict */
    uint64_t reads_judged, crashes_judged, engine_flushes, flush_failures,
        merged, waited, held, reopened, fail_stops, zeroes,
        resizes;
    uint64_t odd; /* requests that are not whole sectors */
    char verdict[160]; /* "" : no promise was broken */
};

/* Runs worlds of different make, one after the other, until that many
 * operations have been accepted or a promise is broken. */
void sim_run(uint64_t seed, uint64_t operations, struct sim_report *report);

#endif
