/* SPDX-License-Identifier: MIT
 * A history in a file, as text. Four kinds of lines begin it:
 *
 *     vbdverify-history 1
 *     run 305419896             the run's number in its stamps
 *     range 2958208 4096        first sector, number of sectors
 *     path ring 1               one for each path, 0, 1, ... in this order
 *
 * Each line after that is an event, and its place among them the event's
 * number:
 *
 *     i SLOT PATH KIND SECTOR COUNT SEQUENCE MICROSECOND
 *     a SLOT OUTCOME MICROSECOND VALUE...
 *
 * An operation is invoked in a slot, and the slot is free when it is answered.
 * KIND is a letter: Read, Write, Fua write, Zero, Discard, fLush, Barrier.
 * OUTCOME is ok or failed. What a READ has found follows: WRITER.SEQUENCE (the
 * writer is the path's number + 1), 0 for zeros; xN: N times in a row. */
#ifndef VBDD_VBDVERIFY_HISTORY_H
#define VBDD_VBDVERIFY_HISTORY_H

#include <stdio.h>

#include "tools/vbdverify/operation.h"

struct history;

/* NULL: it has been said. */
struct history *history_create(const char *file, uint32_t run, uint64_t sector,
                               uint64_t nr_sectors, const char *const *names,
                               unsigned nr_paths);
void history_invoke(struct history *history, unsigned slot,
                    const struct operation *operation, uint64_t at_us);
void history_answer(struct history *history, unsigned slot,
                    const struct operation *operation, enum outcome outcome,
                    const uint64_t *values, uint64_t at_us);
/* False when not all of it was written, and it has been said. */
bool history_close(struct history *history);

enum { HISTORY_PATHS = 64, HISTORY_NAME_BYTES = 32, HISTORY_SLOTS = 65536,
       HISTORY_SECTORS = 65535 };

/* What begins it. */
struct history_head {
    uint32_t run;
    uint64_t sector, nr_sectors;
    char names[HISTORY_PATHS][HISTORY_NAME_BYTES];
    unsigned nr_paths;
};

struct history_event {
    bool is_answer;
    unsigned slot;
    struct operation operation; /* of an invocation */
    enum outcome outcome;
    uint64_t at_us;
    uint64_t values[HISTORY_SECTORS]; /* nr_values of them */
    unsigned nr_values;
};

/* Reading one that may be from anywhere: every line is judged, but that
 * answers fit their invocations is the caller's to see. NULL: said. */
struct history *history_open(const char *file, struct history_head *head);
/* 1, 0 at the end, -1 when it has said what is wrong with a line. */
int history_next(struct history *history, struct history_event *event);
/* Says what is wrong with the line that was read last. */
void history_blame(const struct history *history, const char *what);

#endif
