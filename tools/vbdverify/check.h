/* SPDX-License-Identifier: MIT
 * The checker: it is told of each operation when it is invoked and when it is
 * answered, and reports what cannot be. Pure: no I/O, no clock.
 *
 * C3: each sector is an atomic register whose first value is zeros, and each
 * write has a value of its own. The operations that have to do with one value,
 * its write and the reads of it, are a cluster. They follow each other without
 * a gap in any order that explains the history, so cluster A comes before
 * cluster B when any operation of A was answered before any one of B was
 * invoked, that is, A's first answer before B's last invocation. The history
 * can be explained if and only if no two clusters come before each other
 * (Gibbons and Korach, Testing Shared Memories, 1997).
 *
 * A write that failed, or was never answered, is a cluster only once a read
 * has returned it. A read of zeros where there has been a ZERO is held against
 * each write of zeros alone: that it may have been one of them is all that can
 * be known. A sector that was discarded is not judged until it is rewritten.
 *
 * A cluster is forgotten when another one lies wholly after it and was first
 * answered before all that is in flight on the sector was invoked: whatever
 * comes would conflict with that one, too. So the memory is some clusters a
 * sector, and 40 bytes a write.
 *
 * C5 to C7: check_image(). */
#ifndef VBDD_VBDVERIFY_CHECK_H
#define VBDD_VBDVERIFY_CHECK_H

#include "tools/vbdverify/operation.h"

enum { CHECK_MAX_PATHS = 64, CHECK_SENTENCE_BYTES = 1024 };

enum violation {
    VIOLATION_STALE,     /* C3: what was read, others show to be gone */
    VIOLATION_UNWRITTEN, /* C3: nobody has written this */
    VIOLATION_LOST,      /* C5: not in the image, though flushed */
    VIOLATION_BARRIER,   /* C6: not in the image, though before a BARRIER */
    VIOLATION_FUA,       /* C7: not in the image, though FUA or a BARRIER's */
    VIOLATION_IMAGE,     /* C3: what the image holds, no order explains */
};
enum { VIOLATION_KINDS = 6 };

struct check_config {
    unsigned nr_paths;
    const char *const *names; /* of the paths: "nbd 2"; borrowed */
    uint64_t sector, nr_sectors;
    bool has_image; /* there will be one: remember what it may hold */
    /* The sentence is complete, and gone after the call. */
    void (*report)(void *context, enum violation violation,
                   uint64_t sector, const char *sentence);
    void *context;
};

struct check_path_stats {
    uint64_t operations[OPERATION_KINDS], failed;
    uint64_t judged, unjudged; /* sectors of reads */
    uint64_t overlaps; /* with other paths' operations that were in flight on
                          some of the same sectors, one of both a change */
};

struct check_stats {
    struct check_path_stats paths[CHECK_MAX_PATHS];
    uint64_t overlaps; /* pairs */
    uint64_t violations[VIOLATION_KINDS], nr_violations;
    uint64_t events;
};

struct check;

/* 0 or -ENOMEM. */
int check_open(const struct check_config *config, struct check **check);
void check_close(struct check *check);

/* Borrows it until it is answered. Invocations of one path's changes are in
 * the order of their sequence. */
void check_invoke(struct check *check, struct operation *operation,
                  uint64_t now_us);
/* values: what a READ that is OK has found in each of its sectors. An
 * operation whose path was lost is never answered. */
void check_answer(struct check *check, struct operation *operation,
                  enum outcome outcome, const uint64_t *values,
                  uint64_t now_us);

/* What was left after a crash, a value for each sector of the range. At last:
 * an unanswered BARRIER counts as answered from here on when something that
 * came after it is there. Each sector holds a value that some order puts
 * behind no write that is durable: FUA, a BARRIER's, answered before a FLUSH
 * or BARRIER was invoked that was answered well, or before such a BARRIER on
 * the same path. */
void check_image(struct check *check, const uint64_t *values);

const struct check_stats *check_get_stats(const struct check *check);

/* "FUA write" */
const char *operation_name(enum operation_kind kind);

#endif
