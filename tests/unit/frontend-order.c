/* SPDX-License-Identifier: MIT
 * Claim: what a front end must ask for so that a back end that keeps C5, C6
 * and C7 keeps them for FLUSH, BARRIER and FUA of any length, whichever of the
 * two features it offers; and an EOPNOTSUPP never switches anything off
 * silently. Mechanism: the real core over a fake port; the order of the
 * requests on the ring is asserted, each step against held answers. */
#include "tests/unit/frontend-disk.h"

/* --- flush, barrier, FUA ------------------------------------------------ */

static void check_flush(void)
{
    start_usual();
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    CHECK_EQ(world.last.nr_segments, 0);
    CHECK_EQ(world.last.sector, 0);
    CHECK_LOG(F);
    stop();
    start_with("0", "1");
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    CHECK_LOG(B);
    stop();
    start_with("0", "0");
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), -EOPNOTSUPP);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 0, 8, buffer),
             -EOPNOTSUPP);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, VBDFRONT_FUA, 0, 8, buffer),
             -EOPNOTSUPP);
    CHECK_EQ(world.nr_log, 0);
    stop();
}

static void check_flush_stays_on(void)
{
    start_usual();
    world.status = BLKIF_RSP_EOPNOTSUPP;
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), -EOPNOTSUPP);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), -EOPNOTSUPP);
    world.status = BLKIF_RSP_OKAY;
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    CHECK_LOG(F, F, F);
    stop();
}

static void check_fua(void)
{
    start_usual();
    world.holds = true;
    submit(0, VBDFRONT_WRITE, VBDFRONT_FUA, 0, 2 * 88, buffer);
    submit(1, VBDFRONT_READ, 0, 0, 1, buffer);
    turn();
    CHECK_LOG(W, W, R); /* the flush waits for both, the read for none */
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
    CHECK_EQ(world.nr_log, 0);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
    CHECK_LOG(F);
    CHECK_EQ(results[0], UNDONE);
    CHECK_EQ(world.held[1].operation, F);
    fake_answer_held(&world, 1, BLKIF_RSP_OKAY);
    turn();
    CHECK_EQ(results[0], 0);
    CHECK_EQ(results[1], UNDONE);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    stop();
    start_with("0", "1");
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, VBDFRONT_FUA, 0, 8, buffer),
             0);
    CHECK_LOG(W, B);
    stop();
}

static void check_failed_fua(void)
{
    start_usual();
    world.status = BLKIF_RSP_ERROR;
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, VBDFRONT_FUA, 0, 8, buffer),
             -EIO);
    CHECK_LOG(W); /* a flush would be of no use */
    stop();
}

static void check_barrier(void)
{
    start_usual();
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 0, 0, NULL), 0);
    CHECK_LOG(B);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 8, 88, buffer), 0);
    CHECK_LOG(B);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 8, 89, buffer), 0);
    CHECK_LOG(B, B);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 8, 4 * 88, buffer), 0);
    CHECK_LOG(B, W, W, B);
    stop();
}

static void check_emulated_barrier(void)
{
    start_with("1", "0");
    world.holds = true;
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(1, VBDFRONT_WRITE, VBDFRONT_FUA, 8, 8, buffer);
    submit(2, VBDFRONT_BARRIER, 0, 100, 2 * 88, buffer + 4096);
    submit(3, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    CHECK_LOG(W, W); /* drain... */
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
    CHECK_EQ(world.nr_log, 0);
    answer_all();
    CHECK_LOG(F); /* ...of all: the FUA write's own flush is before us */
    CHECK_EQ(results[1], UNDONE);
    answer_all();
    CHECK_EQ(results[1], 0);
    CHECK_LOG(F);
    answer_all();
    CHECK_LOG(W, W);
    CHECK_EQ(results[3], UNDONE);
    answer_all();
    CHECK_LOG(F);
    CHECK_EQ(results[2], UNDONE);
    answer_all();
    CHECK_EQ(results[2], 0);
    CHECK_LOG(W); /* and only now what came after */
    answer_all();
    CHECK_EQ(results[3], 0);
    submit(4, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(5, VBDFRONT_BARRIER, 0, 0, 0, NULL);
    submit(6, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    CHECK_LOG(W);
    answer_all();
    CHECK_LOG(F);
    answer_all();
    CHECK_LOG(W);
    answer_all();
    CHECK_EQ(results[6], 0);
    stop();
}

static void check_failed_emulated_barrier(void)
{
    start_with("1", "0");
    world.holds = true;
    submit(0, VBDFRONT_BARRIER, 0, 0, 40 * 88, buffer);
    submit(1, VBDFRONT_READ, 0, 0, 8, buffer);
    turn();
    answer_all();
    CHECK_EQ(world.nr_held, 32);
    fake_answer_held(&world, 3, BLKIF_RSP_ERROR);
    turn();
    CHECK_EQ(world.nr_held, 31);
    answer_all();
    CHECK_EQ(results[0], -EIO);
    CHECK_EQ(world.log[world.nr_log - 1], R); /* the queue goes on */
    answer_all();
    CHECK_EQ(results[1], 0);
    stop();
}

int main(void)
{
    TEST("a flush is what the back end offers", check_flush);
    TEST("a flush that is not supported is said so each time",
         check_flush_stays_on);
    TEST("a FUA write is durable before it is done (C7)", check_fua);
    TEST("a failed FUA write is not flushed", check_failed_fua);
    TEST("a barrier of many parts begins and ends with one (C6)",
         check_barrier);
    TEST("a barrier without feature-barrier is drain, flush, write, flush",
         check_emulated_barrier);
    TEST("a failed barrier of our own lets the queue go on",
         check_failed_emulated_barrier);
    return tap_done();
}
