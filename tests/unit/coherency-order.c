/* SPDX-License-Identifier: MIT
 * Claim: requests wait for what they must and for nothing else. Source:
 * COHERENCY.md C2-C7 and C10. Mechanism: one scenario for each sentence of the
 * promises, on a disk whose engine is moved by hand (coherency-hand.h). */
#include "tests/unit/coherency-hand.h"

enum { B = 4096, PART = 64 << 20 };

static struct hand hand;
static struct coherency_client *a, *b;

static void two_clients(uint32_t block_bytes)
{
    hand_open(&hand, block_bytes);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
}

static void finish(void)
{
    hand_finish_all(&hand);
    coherency_client_close(a, NULL, NULL);
    coherency_client_close(b, NULL, NULL);
    hand_close(&hand);
}

/* --- C2, C3, C4 --- */

static void check_write_is_answered_late(void)
{
    struct ask *write;

    two_clients(512);
    write = ask_write(&hand, a, 0, B, 'w');
    CHECK(ask_is_open(write));
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(write, 0));
    write = ask_write(&hand, a, 0, B, 'x');
    hand_finish(&hand, ENGINE_WRITE, 0, -ENOSPC);
    CHECK(ask_got(write, -ENOSPC));
    finish();
}

static void check_order_on_one_block(void)
{
    struct ask *first, *read, *second;

    two_clients(512);
    first = ask_write(&hand, a, 0, B, '1');
    read = ask_read(&hand, b, 0, B);
    second = ask_write(&hand, a, 0, B, '2');
    CHECK_EQ(hand.count, 1);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(first, 0));
    CHECK_EQ(hand.count, 1);
    hand_finish(&hand, ENGINE_READ, 0, 0);
    CHECK(ask_got(read, 0) && read->memory[0] == '1');
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(second, 0));
    CHECK_EQ(hand_stats(&hand).waited, 2);
    finish();
}

static void check_reads_run_together(void)
{
    two_clients(512);
    ask_read(&hand, a, 0, 2 * B);
    ask_read(&hand, b, B, 2 * B);
    CHECK_EQ(hand.count, 2);
    finish();
}

static void check_disjoint_never_wait(void)
{
    struct ask *late;

    two_clients(512);
    ask_write(&hand, a, 0, 512, 'a');
    ask_write(&hand, b, 512, 512, 'b');
    ask_read(&hand, a, 1024, 512);
    ask_discard(&hand, b, 0, B, B);
    CHECK_EQ(hand.count, 4);
    /* Not behind one that waits, either. */
    late = ask_write(&hand, a, 0, 1024, 'c');
    ask_write(&hand, b, 2 * B, B, 'd');
    CHECK_EQ(hand.count, 5);
    CHECK(ask_is_open(late));
    CHECK_EQ(hand_stats(&hand).waited, 1);
    finish();
}

static void check_sectors_of_one_block(void)
{
    two_clients(B);
    ask_read(&hand, a, 0, 512);
    ask_write(&hand, b, 1024, 512, 'w');
    CHECK_EQ(hand.count, 1); /* the merge has not begun to read */
    finish();
}

static void check_wakes_own_waiters_only(void)
{
    struct ask *waiter = NULL, *own;
    uint64_t steps;
    unsigned i;

    two_clients(512);
    ask_write(&hand, a, 0, B, 'w');
    for (i = 0; i < 1000; i++)
        waiter = ask_read(&hand, a, 0, B);
    ask_write(&hand, a, B, B, 'w');
    own = ask_read(&hand, b, B, B);
    CHECK_EQ(hand.count, 2);
    steps = hand_stats(&hand).tree_steps;
    hand_finish(&hand, ENGINE_WRITE, B, 0);
    CHECK(hand_has(&hand, ENGINE_READ, B));
    CHECK_EQ(hand.count, 2);
    CHECK(hand_stats(&hand).tree_steps - steps < 40);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK_EQ(hand.count, 1001);
    hand_finish_all(&hand);
    CHECK(ask_got(own, 0) && ask_got(waiter, 0));
    finish();
}

static void check_first_come_first_served(void)
{
    unsigned i;

    two_clients(512);
    ask_write(&hand, a, 0, 8 * B, 'w');
    for (i = 0; i < 8; i++)
        ask_write(&hand, i % 2 ? a : b, (7 - i) * B, B, 'x');
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK_EQ(hand.count, 8);
    for (i = 0; i < 8; i++)
        CHECK_EQ(hand.at_engine[i]->offset_bytes, (7 - i) * B);
    finish();
}

static void check_latest_conflict_is_not_the_only_one(void)
{
    struct ask *wide;

    two_clients(512);
    ask_read(&hand, a, 0, B);
    ask_read(&hand, a, B, B);
    ask_read(&hand, a, 2 * B, B);
    wide = ask_write(&hand, b, 0, 3 * B, 'w');
    hand_finish(&hand, ENGINE_READ, 2 * B, 0);
    hand_finish(&hand, ENGINE_READ, 0, 0);
    CHECK_EQ(hand.count, 1); /* still behind the middle one */
    hand_finish(&hand, ENGINE_READ, B, 0);
    CHECK(hand_has(&hand, ENGINE_WRITE, 0));
    hand_finish_all(&hand);
    CHECK(ask_got(wide, 0));
    finish();
}

/* --- C5 --- */

static void check_flush_joins_no_running_one(void)
{
    struct ask *first, *second, *third;

    two_clients(512);
    first = ask_flush(&hand, a);
    CHECK_EQ(hand.count, 1);
    second = ask_flush(&hand, a);
    third = ask_flush(&hand, b);
    CHECK_EQ(hand.count, 1);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(first, 0));
    CHECK(ask_is_open(second) && ask_is_open(third));
    CHECK_EQ(hand.count, 1); /* one for both */
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(second, 0) && ask_got(third, 0));
    CHECK_EQ(hand_stats(&hand).engine_flushes, 2);
    finish();
}

static void check_flush_waits_for_no_write(void)
{
    struct ask *flush;

    two_clients(512);
    ask_write(&hand, a, 0, B, 'w');
    flush = ask_flush(&hand, a);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(flush, 0));
    finish();
}

/* --- C6 --- */

static void check_barrier_holds_later_writes(void)
{
    struct ask *barrier;

    two_clients(512);
    ask_write(&hand, a, 0, B, '0');
    barrier = ask_put(&hand, a, COHERENCY_BARRIER, B, B, '1');
    ask_write(&hand, a, 2 * B, B, '2');
    ask_discard(&hand, a, 0, 3 * B, B);
    ask_read(&hand, a, 4 * B, B);
    ask_write(&hand, b, 5 * B, B, '5');
    CHECK(hand_has(&hand, ENGINE_READ, 4 * B));  /* reads pass */
    CHECK(hand_has(&hand, ENGINE_WRITE, 5 * B)); /* and other clients */
    CHECK_EQ(hand.count, 3); /* drain: only the write before it runs */
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(hand_has(&hand, ENGINE_FLUSH, 0));
    CHECK_EQ(hand.count, 3); /* not its data yet */
    hand_finish_flush(&hand, 0);
    CHECK(hand_has(&hand, ENGINE_WRITE, B));
    CHECK_EQ(hand.at_engine[hand_find(&hand, ENGINE_WRITE, B)]->flags,
             ENGINE_FUA);
    CHECK(!hand_has(&hand, ENGINE_WRITE, 2 * B));
    hand_finish(&hand, ENGINE_WRITE, B, 0);
    CHECK(ask_got(barrier, 0));
    CHECK(hand_has(&hand, ENGINE_WRITE, 2 * B));
    CHECK(hand_has(&hand, ENGINE_DISCARD, 3 * B));
    finish();
}

static void check_barriers_in_a_row(void)
{
    struct ask *first, *second;

    two_clients(512);
    first = ask_empty(&hand, a, COHERENCY_BARRIER);
    ask_write(&hand, a, 0, B, '0');
    ask_write(&hand, a, B, B, '1');
    second = ask_empty(&hand, a, COHERENCY_BARRIER);
    ask_write(&hand, a, 2 * B, B, '2');
    CHECK_EQ(hand.count, 1);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(first, 0));
    CHECK(hand_has(&hand, ENGINE_WRITE, 0) && hand_has(&hand, ENGINE_WRITE, B));
    CHECK_EQ(hand.count, 2); /* the two between them */
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK_EQ(hand.count, 1);
    hand_finish(&hand, ENGINE_WRITE, B, 0);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(second, 0));
    CHECK(hand_has(&hand, ENGINE_WRITE, 2 * B));
    finish();
}

static void check_flush_with_data_holds_nobody(void)
{
    struct ask *flush;

    two_clients(512);
    ask_write(&hand, a, 0, B, '0');
    flush = ask_put(&hand, a, COHERENCY_FLUSH, B, B, '1');
    ask_write(&hand, a, 2 * B, B, '2');
    CHECK(hand_has(&hand, ENGINE_WRITE, 2 * B));
    CHECK(!hand_has(&hand, ENGINE_FLUSH, 0)); /* it drains */
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    hand_finish_flush(&hand, 0);
    hand_finish(&hand, ENGINE_WRITE, B, 0);
    CHECK(ask_got(flush, 0));
    CHECK(hand_has(&hand, ENGINE_WRITE, 2 * B));
    finish();
}

static void check_gated_write_keeps_its_place(void)
{
    struct ask *read;

    two_clients(512);
    ask_empty(&hand, a, COHERENCY_BARRIER);
    ask_write(&hand, a, 0, B, 'g'); /* held at the gate */
    read = ask_read(&hand, b, 0, B);
    CHECK(!hand_has(&hand, ENGINE_READ, 0));
    hand_finish_all(&hand);
    CHECK(ask_got(read, 0) && read->memory[0] == 'g');
    finish();
}

static void check_barrier_data_without_fua(void)
{
    struct ask *barrier;

    hand_prepare(&hand, 512);
    hand.engine.info.can_fua = false;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    barrier = ask_put(&hand, a, COHERENCY_BARRIER, 0, B, 'b');
    hand_finish_flush(&hand, 0);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_is_open(barrier));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(barrier, 0));
    finish();
}

/* --- C7 --- */

static struct ask *ask_fua(uint64_t offset_bytes)
{
    struct ask *ask = ask_make(&hand, COHERENCY_WRITE, offset_bytes, B, 0);

    ask->request.flags = COHERENCY_FUA;
    return ask_send(a, ask);
}

static void check_fua(void)
{
    struct ask *write, *discard, *read;

    two_clients(512);
    write = ask_fua(0);
    CHECK_EQ(hand.at_engine[0]->flags, ENGINE_FUA);
    hand_finish_all(&hand);
    CHECK(ask_got(write, 0));
    CHECK_EQ(hand_stats(&hand).engine_flushes, 0);
    discard = ask_discard(&hand, a, COHERENCY_FUA, 0, B);
    hand_finish(&hand, ENGINE_DISCARD, 0, 0);
    CHECK(ask_is_open(discard));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(discard, 0));
    discard = ask_discard(&hand, a, COHERENCY_SECURE, 0, B);
    hand_finish(&hand, ENGINE_DISCARD, 0, 0);
    CHECK(ask_is_open(discard));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(discard, 0));
    CHECK_EQ(hand_stats(&hand).engine_flushes, 2);

    hand.engine.info.can_fua = false;
    ask_flush(&hand, b); /* is running: too early for the write below */
    write = ask_fua(0);
    CHECK_EQ(hand.at_engine[1]->flags, 0);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    hand_finish_flush(&hand, 0);
    CHECK(ask_is_open(write));
    /* Its blocks are free: what is in them is settled. */
    read = ask_read(&hand, b, 0, B);
    hand_finish(&hand, ENGINE_READ, 0, 0);
    CHECK(ask_got(read, 0));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(write, 0));
    finish();
}

/* --- C10 --- */

static void check_discard_in_parts(void)
{
    struct ask *discard, *barrier, *behind, *after;

    hand_prepare(&hand, 512);
    hand.engine.info.size_bytes = 4 * (uint64_t)PART;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    discard = ask_discard(&hand, a, 0, 0, 3 * (uint64_t)PART - B);
    barrier = ask_empty(&hand, a, COHERENCY_BARRIER);
    behind = ask_write(&hand, b, 0, B, 'b');
    after = ask_write(&hand, b, PART, B, 'a');
    CHECK_EQ(hand.count, 1);
    CHECK_EQ(hand.at_engine[0]->length_bytes, PART);
    hand_finish(&hand, ENGINE_DISCARD, 0, 0);
    /* The first part is free; the second still comes before the write. */
    CHECK(hand_has(&hand, ENGINE_WRITE, 0));
    CHECK(!hand_has(&hand, ENGINE_WRITE, PART));
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(behind, 0));
    hand_finish(&hand, ENGINE_DISCARD, PART, 0);
    CHECK_EQ(hand.count, 2);
    CHECK_EQ(hand.at_engine[1]->length_bytes, PART - B);
    hand_finish(&hand, ENGINE_WRITE, PART, 0);
    CHECK(ask_got(after, 0));
    CHECK(!hand_has(&hand, ENGINE_FLUSH, 0)); /* one write for the barrier */
    hand_finish(&hand, ENGINE_DISCARD, 2 * (uint64_t)PART, 0);
    CHECK(ask_got(discard, 0));
    CHECK(hand_has(&hand, ENGINE_FLUSH, 0));
    hand_finish_all(&hand);
    CHECK(ask_got(barrier, 0));
    CHECK_EQ(hand_stats(&hand).bytes_discarded, 3 * (uint64_t)PART - B);
    finish();
}

static void check_failed_discard_stops(void)
{
    struct ask *discard;

    hand_prepare(&hand, 512);
    hand.engine.info.size_bytes = 4 * (uint64_t)PART;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    discard = ask_discard(&hand, a, 0, 0, 2 * (uint64_t)PART);
    hand_finish(&hand, ENGINE_DISCARD, 0, -EIO);
    CHECK(ask_got(discard, -EIO));
    CHECK_EQ(hand.count, 0);
    finish();
}

static void check_discard_leaves_edges(void)
{
    struct ask *ask;

    hand_prepare(&hand, 512);
    hand.engine.info.discard_granularity_bytes = 16 * 1024;
    hand.engine.info.discard_alignment_bytes = B;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    ask_discard(&hand, a, 0, 512, 64 * 1024);
    CHECK_EQ(hand.count, 1);
    CHECK_EQ(hand.at_engine[0]->offset_bytes, B);
    CHECK_EQ(hand.at_engine[0]->length_bytes, 48 * 1024);
    /* The edges are not touched, so nobody there waits. */
    ask_write(&hand, b, 512, B - 512, 'e');
    CHECK_EQ(hand.count, 2);
    hand_finish_all(&hand);
    ask = ask_discard(&hand, a, 0, 2 * B, 2 * B);
    CHECK(ask_got(ask, 0)); /* no whole granule */
    ask = ask_discard(&hand, a, 0, 0, B);
    CHECK(ask_got(ask, 0));
    CHECK_EQ(hand.count, 0);
    ask = ask_discard(&hand, a, COHERENCY_SECURE, 512, B);
    CHECK_EQ(hand.at_engine[0]->offset_bytes, 512);
    CHECK_EQ(hand.at_engine[0]->length_bytes, B);
    CHECK_EQ(hand.at_engine[0]->flags, ENGINE_SECURE);
    finish();
}

static void check_granules_larger_than_a_part(void)
{
    two_clients(512);
    hand.engine.info.size_bytes = 8 * (uint64_t)PART;
    hand.engine.info.discard_granularity_bytes = 2 * PART;
    ask_discard(&hand, a, 0, 512, 5 * (uint64_t)PART);
    CHECK_EQ(hand.at_engine[0]->offset_bytes, 2 * (uint64_t)PART);
    CHECK_EQ(hand.at_engine[0]->length_bytes, PART);
    hand_finish_all(&hand);
    hand.engine.info.discard_granularity_bytes = 48 << 20;
    ask_discard(&hand, a, 0, 0, 96 << 20);
    CHECK_EQ(hand.at_engine[0]->length_bytes, 48 << 20);
    finish();
}

int main(void)
{
    TEST("C2: a write is answered when the engine has completed it",
         check_write_is_answered_late);
    TEST("C3, C4: requests on one block run in the order of acceptance",
         check_order_on_one_block);
    TEST("C4: reads of one block run together", check_reads_run_together);
    TEST("C4: requests that share no block never wait for each other",
         check_disjoint_never_wait);
    TEST("C4: sectors of one block are one block", check_sectors_of_one_block);
    TEST("C4: releasing a range wakes its own waiters and nobody else",
         check_wakes_own_waiters_only);
    TEST("C4: waiters are served first come, first served",
         check_first_come_first_served);
    TEST("C4: who is woken waits on for another conflict",
         check_latest_conflict_is_not_the_only_one);
    TEST("C5: a flush does not join one that is running; waiting ones share",
         check_flush_joins_no_running_one);
    TEST("C5: a flush does not wait for writes under way",
         check_flush_waits_for_no_write);
    TEST("C6: later writes wait for a barrier; reads and others do not",
         check_barrier_holds_later_writes);
    TEST("C6: each barrier holds what comes after it", check_barriers_in_a_row);
    TEST("C6: a flush with data drains, and holds nobody",
         check_flush_with_data_holds_nobody);
    TEST("C4, C6: a write held at a gate keeps its place in the order",
         check_gated_write_keeps_its_place);
    TEST("C6: without FUA a barrier's data takes a second flush",
         check_barrier_data_without_fua);
    TEST("C7: FUA is the engine's, or a flush that starts after the write",
         check_fua);
    TEST("C10: a discard in parts frees each when done, and keeps its order",
         check_discard_in_parts);
    TEST("C10: a discard ends with the first part that fails",
         check_failed_discard_stops);
    TEST("C10: a discard leaves its edges alone, a secure one has none",
         check_discard_leaves_edges);
    TEST("C10: parts end with a granule where one fits",
         check_granules_larger_than_a_part);
    return tap_done();
}
