/* SPDX-License-Identifier: MIT
 * What a path is asked to do, and what a sector was seen to hold. Time is one
 * counter for all paths, which ticks at each event: when an operation is
 * invoked (before the path gets it) and when it is answered (after the path
 * has given it back). */
#ifndef VBDD_VBDVERIFY_OPERATION_H
#define VBDD_VBDVERIFY_OPERATION_H

#include <stdbool.h>
#include <stdint.h>

enum operation_kind {
    OPERATION_READ,
    OPERATION_WRITE,
    OPERATION_FUA,     /* a WRITE that is durable once it is answered (C7) */
    OPERATION_ZERO,    /* a WRITE of zeros */
    OPERATION_DISCARD, /* C10: the sectors hold anything until rewritten */
    OPERATION_FLUSH,   /* C5 */
    OPERATION_BARRIER, /* C6, with or without data */
};
enum { OPERATION_KINDS = 7 };

enum outcome {
    OUTCOME_OPEN,   /* no answer, perhaps never */
    OUTCOME_OK,
    OUTCOME_FAILED, /* each of its sectors is old or new */
};

/* Sectors are 512 bytes always. */
struct operation {
    enum operation_kind kind;
    unsigned path;       /* an index */
    uint64_t sector;
    uint32_t nr_sectors; /* 0: FLUSH, an empty BARRIER */
    uint64_t sequence;   /* what changes sectors: 1, 2, ... on its path;
                            others: 0 */
    /* The rest is the checker's. */
    enum outcome outcome;
    uint64_t invoked, answered; /* events; UINT64_MAX: not yet */
    uint64_t invoked_us, answered_us;
    unsigned in_flight;  /* its place in the checker's table */
};

static inline bool operation_changes(const struct operation *operation)
{
    return operation->nr_sectors > 0 && operation->kind != OPERATION_READ;
}

/* --- values --------------------------------------------------------------- */

/* What a sector holds, in one word: who wrote it (the path's index + 1) and
 * the write's sequence. No two writes have the same. */
enum { VALUE_SEQUENCE_BITS = 48 };
#define VALUE_OF(writer, sequence)                                           \
    ((uint64_t)(writer) << VALUE_SEQUENCE_BITS | (sequence))
#define VALUE_ZEROS UINT64_C(0)

/* In place of a writer: what no write of this run can have left. */
enum {
    VALUE_MISPLACED = 0xfffc, /* the stamp of another sector: its number is
                                 the sequence */
    VALUE_OTHER_RUN = 0xfffd,
    VALUE_FOREIGN = 0xfffe,   /* no stamp */
    VALUE_TORN = 0xffff,      /* the sequence: of the first that is whole */
};

static inline unsigned value_writer(uint64_t value)
{
    return (unsigned)(value >> VALUE_SEQUENCE_BITS);
}

static inline uint64_t value_sequence(uint64_t value)
{
    return value & (VALUE_OF(1, 0) - 1);
}

static inline uint64_t value_of_operation(const struct operation *operation)
{
    return VALUE_OF(operation->path + 1, operation->sequence);
}

#endif
