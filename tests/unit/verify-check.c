/* SPDX-License-Identifier: MIT
 * Claim: the checker finds each way in which a sector can break C3, names who
 * and when, and accepts every history that some order explains, however odd.
 * Source: C3 and C10 of docs/COHERENCY.md; tools/vbdverify/check.h.
 * Mechanism: histories made by hand, event by event. */
#include "tests/unit/verify-rig.h"

enum { RING, NBD, INT13 };

/* The history so far is legal. */
static void legal(void)
{
    if (!CHECK_EQ(rig_violations(), 0))
        NOTE("%s", rig_sentence);
}

/* Its last event was one violation more, of this kind, whose sentence has
 * these words. */
static void illegal(enum violation violation, const char *words)
{
    static uint64_t before;

    if (rig_violations() == 1)
        before = 0;
    CHECK_EQ(rig_violations(), ++before);
    CHECK_EQ(rig_violation, violation);
    if (!CHECK(strstr(rig_sentence, words) != NULL))
        NOTE("%s", rig_sentence);
}

/* --- what is legal -------------------------------------------------------- */

static void check_plain(void)
{
    rig_open(false);
    do_read(RING, VALUE_ZEROS);
    do_read(NBD, do_write(OPERATION_WRITE, RING));
    do_read(RING, do_write(OPERATION_FUA, INT13));
    do_read(RING, do_write(OPERATION_BARRIER, RING));
    legal();
    CHECK_EQ(check_get_stats(check)->paths[RING].judged, 3);
    CHECK_EQ(check_get_stats(check)->paths[NBD].operations[OPERATION_READ],
             1);
    CHECK_EQ(check_get_stats(check)->overlaps, 0);
}

/* Two writes at once may have happened in either order, but in one. */
static void check_either_order(void)
{
    for (unsigned turn = 0; turn < 2; turn++) {
        struct operation *writes[2];
        uint64_t values[2];

        rig_open(false);
        writes[0] = begin(OPERATION_WRITE, RING);
        writes[1] = begin(OPERATION_WRITE, NBD);
        values[turn] = end(writes[turn], OUTCOME_OK);
        values[!turn] = end(writes[!turn], OUTCOME_OK);
        do_read(RING, values[0]);
        do_read(INT13, values[0]);
        legal();
        do_read(INT13, values[1]);
        illegal(VIOLATION_STALE, turn ? "int13 1 read" : "nbd 1's write 1");
        do_read(INT13, values[0]);
        CHECK_EQ(rig_violations(), 1); /* one glitch is one violation */
        CHECK_EQ(check_get_stats(check)->overlaps, 1);
        CHECK_EQ(check_get_stats(check)->paths[NBD].overlaps, 1);
    }
}

/* A read that overlaps a write sees it or not; once seen, it stays. */
static void check_read_beside_write(void)
{
    struct operation *write, *slow, *read;

    rig_open(false);
    slow = begin(OPERATION_READ, INT13);
    write = begin(OPERATION_WRITE, RING);
    read = begin(OPERATION_READ, NBD);
    do_read(NBD, VALUE_ZEROS);
    end_read(read, value_of_operation(write));
    do_read(NBD, value_of_operation(write));
    end_read(slow, VALUE_ZEROS); /* it may have been first of all */
    legal();
    do_read(NBD, VALUE_ZEROS);
    illegal(VIOLATION_STALE, "nbd 1 read, from event 10 (0.010 ms) to event "
            "11 (0.011 ms), the zeros of the start");
    end(write, OUTCOME_OK);
    do_read(NBD, value_of_operation(write));
    CHECK_EQ(rig_violations(), 1);
}

/* A read may return what was overwritten while it ran, however long it ran. */
static void check_slow_read(void)
{
    struct operation *slow;
    uint64_t old;

    rig_open(false);
    old = do_write(OPERATION_WRITE, RING);
    slow = begin(OPERATION_READ, INT13);
    for (unsigned i = 0; i < 100; i++)
        do_read(NBD, do_write(OPERATION_WRITE, RING));
    end_read(slow, old);
    legal();
    do_read(INT13, old);
    illegal(VIOLATION_STALE, "int13 1 read, from event 405 (0.405 ms) to "
            "event 406 (0.406 ms), ring 1's write 1");
}

static void check_failed_write(void)
{
    struct operation *write;

    rig_open(false);
    write = begin(OPERATION_WRITE, RING);
    end(write, OUTCOME_FAILED);
    do_write(OPERATION_WRITE, NBD); /* nobody has seen the failed one */
    legal();

    rig_open(false);
    write = begin(OPERATION_WRITE, RING);
    end(write, OUTCOME_FAILED);
    do_read(NBD, value_of_operation(write));
    do_read(INT13, value_of_operation(write)); /* it appears later, to stay */
    legal();
    do_read(NBD, VALUE_ZEROS);
    illegal(VIOLATION_STALE, "the zeros of the start, which cannot");
}

/* A failed write was there before it failed, or never. */
static void check_failed_write_comes(void)
{
    struct operation *write;

    rig_open(false);
    write = begin(OPERATION_WRITE, RING);
    end(write, OUTCOME_FAILED);
    do_read(NBD, VALUE_ZEROS);
    legal();
    do_read(NBD, value_of_operation(write));
    illegal(VIOLATION_STALE, "ring 1's write 1, which cannot have been there "
            "any more: a read of the zeros of the start by nbd 1 was invoked "
            "at event 3");
}

/* An unanswered one may come at any time, and then stays. */
static void check_unanswered_write(void)
{
    struct operation *write;
    uint64_t other;

    rig_open(false);
    write = begin(OPERATION_WRITE, RING);
    do_read(NBD, VALUE_ZEROS);
    other = do_write(OPERATION_WRITE, NBD);
    do_read(NBD, other);
    do_read(NBD, value_of_operation(write));
    do_read(INT13, value_of_operation(write));
    legal();
    do_read(INT13, other);
    illegal(VIOLATION_STALE, "int13 1 read");
}

/* It was seen before it failed, and before many others; then it was there, and
 * is no more. */
static void check_failed_is_remembered(void)
{
    struct operation *write, *other;

    for (unsigned nr = 0; nr < 40; nr++) {
        rig_open(false);
        write = begin(OPERATION_WRITE, RING);
        do_read(NBD, value_of_operation(write));
        for (unsigned i = 0; i < nr; i++)
            do_write(OPERATION_WRITE, NBD);
        other = begin(OPERATION_WRITE, INT13);
        end(write, OUTCOME_FAILED);
        end(other, OUTCOME_OK);
        legal();
        do_read(NBD, value_of_operation(write));
        illegal(VIOLATION_STALE, "nbd 1 read");
    }
}

static void check_overlaps(void)
{
    struct operation *read, *write;

    rig_open(false);
    read = begin_at(OPERATION_READ, RING, 0, 2);
    do_read(NBD, VALUE_ZEROS);                       /* two reads */
    end(begin_at(OPERATION_WRITE, RING, 0, 1), OUTCOME_OK); /* one path */
    end(begin_at(OPERATION_WRITE, NBD, 2, 1), OUTCOME_OK);  /* elsewhere */
    do_write(OPERATION_FLUSH, NBD);
    CHECK_EQ(check_get_stats(check)->overlaps, 0);
    write = begin_at(OPERATION_WRITE, NBD, 1, 2);
    end(begin_at(OPERATION_READ, INT13, 2, 1), OUTCOME_FAILED);
    CHECK_EQ(check_get_stats(check)->overlaps, 2);
    CHECK_EQ(check_get_stats(check)->paths[NBD].overlaps, 2);
    CHECK_EQ(check_get_stats(check)->paths[RING].overlaps, 1);
    end(write, OUTCOME_OK);
    end(read, OUTCOME_FAILED);
}

/* --- what is not ---------------------------------------------------------- */

static void check_stale(void)
{
    uint64_t old, new;

    rig_open(false);
    old = do_write(OPERATION_WRITE, INT13);
    new = do_write(OPERATION_WRITE, NBD);
    do_read(RING, old);
    illegal(VIOLATION_STALE,
            "C3: sector 2958215: ring 1 read, from event 5 (0.005 ms) to "
            "event 6 (0.006 ms), int13 1's write 1, which cannot have been "
            "there any more: nbd 1's write 1 had been answered at event 4 "
            "(0.004 ms), before this read was invoked at event 5 (0.005 ms); "
            "and it is newer, for nbd 1's write 1 was invoked at event 3 "
            "(0.003 ms), after int13 1's write 1 had been answered at event 2 "
            "(0.002 ms).");
    CHECK_EQ(rig_sector, RIG_SECTOR);
    do_read(RING, new);
    CHECK_EQ(rig_violations(), 1);
}

/* Both reads overlap the write; the later one of them must not miss it. */
static void check_going_back(void)
{
    struct operation *write;
    uint64_t old;

    rig_open(false);
    old = do_write(OPERATION_WRITE, RING);
    write = begin(OPERATION_WRITE, NBD);
    do_read(INT13, value_of_operation(write));
    do_read(RING, old);
    illegal(VIOLATION_STALE, "a read of nbd 1's write 1 by int13 1 had been "
            "answered at event 5 (0.005 ms), before this read was invoked");
    end(write, OUTCOME_OK);
}

static void check_unwritten(void)
{
    static const struct {
        uint64_t value;
        const char *words;
    } rows[] = {
        { VALUE_OF(VALUE_TORN, 0), "a torn sector" },
        { VALUE_OF(VALUE_MISPLACED, 77), "what belongs to sector 77." },
        { VALUE_OF(VALUE_OTHER_RUN, 0), "what another run has left" },
        { VALUE_OF(VALUE_FOREIGN, 0), "neither zeros nor" },
        { VALUE_OF(RING + 1, 2), "the stamp of writer 1, sequence 2, which "
                                 "nobody has written there." },
        { VALUE_OF(RIG_PATHS + 1, 1), "the stamp of writer 4" },
        { VALUE_OF(RING + 1, 0), "the stamp of writer 1, sequence 0" },
        { VALUE_OF(NBD + 1, 1), "the stamp of writer 2, sequence 1" },
    };

    rig_open(false);
    do_write(OPERATION_WRITE, RING);
    end(begin_at(OPERATION_WRITE, NBD, 1, 2), OUTCOME_OK); /* elsewhere */
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        do_read(INT13, rows[i].value);
        illegal(VIOLATION_UNWRITTEN, rows[i].words);
    }
}

/* Each sector of an operation is judged by itself. */
static void check_sectors(void)
{
    struct operation *read;
    uint64_t one, two, values[RIG_SECTORS];

    rig_open(false);
    one = end(begin_at(OPERATION_WRITE, RING, 0, 4), OUTCOME_OK);
    two = end(begin_at(OPERATION_WRITE, NBD, 1, 2), OUTCOME_OK);
    read = begin_at(OPERATION_READ, INT13, 0, 4);
    values[0] = values[3] = one;
    values[1] = values[2] = two;
    check_answer(check, read, OUTCOME_OK, values, rig_now());
    legal();
    read = begin_at(OPERATION_READ, INT13, 0, 4);
    values[2] = one;
    check_answer(check, read, OUTCOME_OK, values, rig_now());
    illegal(VIOLATION_STALE, "sector 2958217: int13 1 read");
    read = begin_at(OPERATION_READ, INT13, 0, 4);
    check_answer(check, read, OUTCOME_FAILED, NULL, rig_now());
    CHECK_EQ(rig_violations(), 1);
    CHECK_EQ(check_get_stats(check)->paths[INT13].failed, 1);
}

/* --- discards and zeros --------------------------------------------------- */

static void check_discard(void)
{
    struct operation *discard, *write, *late;
    uint64_t before, new;

    rig_open(false);
    before = do_write(OPERATION_WRITE, RING);
    discard = begin(OPERATION_DISCARD, RING);
    do_read(NBD, VALUE_ZEROS);
    write = begin(OPERATION_WRITE, NBD); /* may be before the DISCARD */
    end(discard, OUTCOME_OK);
    end(write, OUTCOME_OK);
    do_read(NBD, before);
    do_read(NBD, VALUE_OF(VALUE_FOREIGN, 0));
    CHECK_EQ(check_get_stats(check)->paths[NBD].unjudged, 3);
    late = begin(OPERATION_READ, INT13);
    new = do_write(OPERATION_WRITE, RING); /* rewritten */
    end_read(late, VALUE_OF(VALUE_TORN, 0));
    do_read(NBD, new);
    legal();
    CHECK_EQ(check_get_stats(check)->paths[NBD].judged, 1);
    do_read(NBD, before);
    illegal(VIOLATION_STALE, "ring 1's write 1, which cannot");
}

static void check_zero(void)
{
    struct operation *zero;
    uint64_t value;

    rig_open(false);
    value = do_write(OPERATION_WRITE, RING);
    zero = begin(OPERATION_ZERO, NBD);
    do_read(RING, value);
    do_read(RING, VALUE_ZEROS);
    end(zero, OUTCOME_OK);
    do_read(RING, VALUE_ZEROS);
    legal();
    do_read(RING, value);
    illegal(VIOLATION_STALE, "nbd 1's write of zeros 1 had been answered");
    do_write(OPERATION_WRITE, RING);
    do_read(INT13, VALUE_ZEROS);
    illegal(VIOLATION_STALE, "nbd 1's write of zeros 1, which cannot");
}

/* -------------------------------------------------------------------------- */

int main(void)
{
    TEST("what is written is read, on whatever path", check_plain);
    TEST("writes at once happen in either order, and in one",
         check_either_order);
    TEST("a read beside a write sees it or not, and nobody goes back",
         check_read_beside_write);
    TEST("a slow read may return what it began with", check_slow_read);
    TEST("a failed write is there, or is not", check_failed_write);
    TEST("a failed write that was missed does not come later",
         check_failed_write_comes);
    TEST("an unanswered write may come late, and stays",
         check_unanswered_write);
    TEST("a failed write that was seen is remembered",
         check_failed_is_remembered);
    TEST("overlaps of paths are counted, if one of both changes something",
         check_overlaps);
    TEST("a stale read is explained: who, what, when", check_stale);
    TEST("reads that go back are found", check_going_back);
    TEST("what nobody has written is found", check_unwritten);
    TEST("each sector is judged by itself", check_sectors);
    TEST("a discarded sector holds anything until it is rewritten",
         check_discard);
    TEST("zeros that were written are zeros", check_zero);
    check_close(check);
    return tap_done();
}
