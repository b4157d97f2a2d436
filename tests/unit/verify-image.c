/* SPDX-License-Identifier: MIT
 * Claim: a crash image that has lost what a FLUSH, a BARRIER or FUA had made
 * durable is found out, with the promise that was broken; one that has lost
 * what nobody was promised is accepted.
 * Source: C5, C6, C7, C10 of docs/COHERENCY.md.
 * Mechanism: histories made by hand, each judged against several images. */
#include "tests/unit/verify-rig.h"

enum { RING, NBD, INT13 };

static uint64_t left[RIG_SECTORS];

static void crash(void)
{
    check_image(check, left);
}

static void legal(uint64_t value)
{
    left[0] = value;
    crash();
    if (!CHECK_EQ(rig_violations(), 0))
        NOTE("%s", rig_sentence);
}

static void illegal(uint64_t value, enum violation violation,
                    const char *words)
{
    left[0] = value;
    crash();
    CHECK_EQ(rig_violations(), 1);
    CHECK_EQ(rig_violation, violation);
    if (!CHECK(strstr(rig_sentence, words) != NULL))
        NOTE("%s", rig_sentence);
}

static void open_rig(void)
{
    rig_open(true);
    memset(left, 0, sizeof left);
}

/* --- C5 ------------------------------------------------------------------- */

/* The FLUSH comes by another path than the writes. */
static uint64_t flushed(uint64_t *first)
{
    uint64_t second;

    open_rig();
    *first = do_write(OPERATION_WRITE, RING);
    second = do_write(OPERATION_WRITE, INT13);
    do_write(OPERATION_FLUSH, NBD);
    return second;
}

static void check_flush(void)
{
    uint64_t first, second = flushed(&first);
    struct operation *write;

    legal(second);
    flushed(&first);
    illegal(first, VIOLATION_LOST,
            "C5: sector 2958215: the image holds ring 1's write 1, older than "
            "what was durable: int13 1's write 1 had been answered at event 4 "
            "(0.004 ms), before nbd 1's FLUSH was invoked at event 5 (0.005 "
            "ms), which was carried out; and it is newer, for int13 1's write "
            "1 was invoked at event 3 (0.003 ms), after ring 1's write 1 had "
            "been answered at event 2 (0.002 ms).");
    flushed(&first);
    illegal(VALUE_ZEROS, VIOLATION_LOST, "the zeros of the start, older");
    flushed(&first);
    write = begin(OPERATION_WRITE, RING); /* unanswered: may be there */
    legal(value_of_operation(write));
    flushed(&first);
    illegal(VALUE_OF(VALUE_TORN, 0), VIOLATION_UNWRITTEN, "image holds a torn");
}

/* What no FLUSH has covered may be lost. */
static void check_unflushed(void)
{
    struct operation *write, *flush;
    uint64_t value;

    for (unsigned turn = 0; turn < 3; turn++) {
        open_rig();
        write = begin(OPERATION_WRITE, RING);
        flush = begin(OPERATION_FLUSH, NBD);
        value = end(write, OUTCOME_OK); /* after the FLUSH was invoked */
        end(flush, OUTCOME_OK);
        if (turn == 1)
            end(begin(OPERATION_FLUSH, NBD), OUTCOME_FAILED);
        if (turn == 2)
            begin(OPERATION_FLUSH, RING);
        legal(VALUE_ZEROS);
        legal(value);
    }
}

/* Durable is the register, not the order of answers: a read has shown which
 * of two writes was last, and that one need not be the durable one. */
static void check_order_counts(void)
{
    struct operation *one, *two;

    for (unsigned turn = 0; turn < 2; turn++) {
        open_rig();
        one = begin(OPERATION_WRITE, RING);
        two = begin(OPERATION_FUA, NBD);
        end(two, OUTCOME_OK);
        end(one, OUTCOME_OK);
        do_read(INT13, value_of_operation(turn ? one : two));
        if (turn)
            legal(value_of_operation(one));
        else
            illegal(value_of_operation(one), VIOLATION_FUA,
                    "a read of nbd 1's FUA write 1 by int13 1 was invoked");
    }
}

/* One write comes before another only because of a third between them. */
static void check_order_by_a_third(void)
{
    struct operation *first, *last;
    uint64_t between;

    open_rig();
    first = begin(OPERATION_WRITE, RING);
    between = do_write(OPERATION_WRITE, NBD);
    last = begin(OPERATION_FUA, INT13); /* after that one */
    end(first, OUTCOME_OK);
    do_read(NBD, between);              /* so first came before it */
    end(last, OUTCOME_OK);
    legal(value_of_operation(last));
    illegal(value_of_operation(first), VIOLATION_FUA,
            "int13 1's FUA write 1 is durable");
}

/* --- C6 ------------------------------------------------------------------- */

/* The write was not answered when the BARRIER was invoked. */
static void begin_barrier(struct operation **write,
                          struct operation **barrier, unsigned path)
{
    open_rig();
    *write = begin(OPERATION_WRITE, RING);
    *barrier = begin_at(OPERATION_BARRIER, path, 1, 1);
    end(*write, OUTCOME_OK);
}

static void check_barrier(void)
{
    struct operation *write, *barrier;

    begin_barrier(&write, &barrier, RING);
    left[1] = end(barrier, OUTCOME_OK);
    illegal(VALUE_ZEROS, VIOLATION_BARRIER,
            "C6: sector 2958215: the image holds the zeros of the start, "
            "older than what was durable: ring 1's write 1 had been invoked "
            "at event 1 (0.001 ms), before ring 1's BARRIER 2 was invoked at "
            "event 2");
    begin_barrier(&write, &barrier, NBD); /* another vbd's: not ordered */
    left[1] = end(barrier, OUTCOME_OK);
    legal(VALUE_ZEROS);
    begin_barrier(&write, &barrier, RING);
    end(barrier, OUTCOME_FAILED);
    legal(VALUE_ZEROS);
    begin_barrier(&write, &barrier, RING);
    legal(VALUE_ZEROS); /* not answered */
}

/* Nobody was told of the BARRIER's end, but what came after it is there. */
static void check_passed_barrier(void)
{
    struct operation *write, *barrier;

    begin_barrier(&write, &barrier, RING);
    left[2] = value_of_operation(begin_at(OPERATION_WRITE, RING, 2, 1));
    left[1] = value_of_operation(barrier);
    illegal(VALUE_ZEROS, VIOLATION_BARRIER, "C6: sector 2958215");

    begin_barrier(&write, &barrier, RING);
    left[2] = value_of_operation(begin_at(OPERATION_WRITE, RING, 2, 1));
    illegal(value_of_operation(write), VIOLATION_FUA,
            "C7: sector 2958216: the image holds the zeros of the start, "
            "older than what was durable: ring 1's BARRIER 2 is durable by "
            "itself");
}

/* --- C7, C3, C10 ---------------------------------------------------------- */

static void check_fua(void)
{
    open_rig();
    do_write(OPERATION_FUA, NBD);
    illegal(VALUE_ZEROS, VIOLATION_FUA,
            "nbd 1's FUA write 1 is durable by itself, and was answered at "
            "event 2 (0.002 ms).");
    open_rig();
    end(begin(OPERATION_FUA, NBD), OUTCOME_FAILED);
    begin(OPERATION_FUA, RING);
    legal(VALUE_ZEROS);
}

/* A write that failed, and was missed by a read, is not in the image. */
static void check_failed(void)
{
    struct operation *write;

    open_rig();
    write = begin(OPERATION_WRITE, RING);
    end(write, OUTCOME_FAILED);
    legal(value_of_operation(write));
    open_rig();
    write = begin(OPERATION_WRITE, RING);
    end(write, OUTCOME_FAILED);
    do_read(NBD, VALUE_ZEROS);
    illegal(value_of_operation(write), VIOLATION_IMAGE,
            "the image holds ring 1's write 1, which cannot");
}

static void check_discards(void)
{
    uint64_t before;

    for (unsigned turn = 0; turn < 3; turn++) {
        open_rig();
        before = do_write(OPERATION_FUA, RING);
        do_write(OPERATION_DISCARD, RING);
        if (turn)
            do_write(OPERATION_WRITE, NBD);
        if (turn == 2) {
            do_write(OPERATION_FLUSH, NBD);
            illegal(before, VIOLATION_LOST, "ring 1's FUA write 1, older");
        } else {
            legal(VALUE_OF(VALUE_FOREIGN, 0));
        }
    }
}

static void check_zeros(void)
{
    open_rig();
    do_write(OPERATION_FUA, RING);
    do_write(OPERATION_ZERO, NBD);
    legal(VALUE_ZEROS);
    do_write(OPERATION_FUA, INT13);
    illegal(VALUE_ZEROS, VIOLATION_FUA, "int13 1's FUA write 1 is durable");
    open_rig();
    do_write(OPERATION_FUA, RING);
    begin(OPERATION_ZERO, NBD); /* unanswered */
    legal(VALUE_ZEROS);
}

/* Of thousands of writes what was durable is remembered. */
static void check_long(void)
{
    uint64_t durable, lost = 0;

    open_rig();
    for (unsigned i = 0; i < 60; i++) {
        nr_operations = 0;
        lost = do_write(OPERATION_WRITE, NBD);
    }
    durable = do_write(OPERATION_FUA, RING);
    for (unsigned i = 0; i < 1000; i++) {
        nr_operations = 0;
        do_write(OPERATION_WRITE, NBD);
    }
    legal(durable);
    illegal(lost, VIOLATION_FUA, "the image holds nbd 1's write 60, older");
}

int main(void)
{
    TEST("C5: a FLUSH of any path covers what was answered", check_flush);
    TEST("what no FLUSH covers may be lost", check_unflushed);
    TEST("reads show which write was last", check_order_counts);
    TEST("order goes by a third write, too", check_order_by_a_third);
    TEST("C6: a BARRIER covers what its path began before", check_barrier);
    TEST("C6: what comes after a BARRIER shows that it was over",
         check_passed_barrier);
    TEST("C7: FUA is durable by itself", check_fua);
    TEST("a failed write that was missed is not in the image", check_failed);
    TEST("a discarded sector may hold anything until a write is durable",
         check_discards);
    TEST("zeros that were written may be there", check_zeros);
    TEST("what was durable is remembered for long", check_long);
    check_close(check);
    return tap_done();
}
