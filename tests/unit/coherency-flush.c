/* SPDX-License-Identifier: MIT
 * Claim: a failed flush is never reported in a way that a guest takes for
 * success. Source: COHERENCY.md C8 (Linux blkfront turns an error on an empty
 * FLUSH into success). Mechanism: two ring clients and an honest one on a
 * disk whose engine and clock are moved by hand. */
#include "tests/unit/coherency-hand.h"

enum { B = 4096, MS = 1000 };

static struct hand hand;
static struct coherency_client *ring, *ring2, *honest;

static void start(void)
{
    hand_start(&hand);
    ring = hand_ring(&hand);
    ring2 = hand_ring(&hand);
    honest = hand_client(&hand, COHERENCY_CLIENT_HONEST);
}

static void open_block_device(void)
{
    hand_prepare(&hand, 512);
    start();
}

static void finish(void)
{
    hand_finish_all(&hand);
    coherency_client_close(ring, NULL, NULL);
    coherency_client_close(ring2, NULL, NULL);
    coherency_client_close(honest, NULL, NULL);
    CHECK_EQ(hand_stats(&hand).in_flight, 0);
    CHECK_EQ(hand.timer_at_us, 0);
    hand_close(&hand);
}

static bool is_stopped(void)
{
    CHECK_EQ(hand.fail_stops, hand_stats(&hand).is_fail_stopped);
    return hand_stats(&hand).is_fail_stopped;
}

/* --- retries --- */

static void check_retry_succeeds(void)
{
    struct ask *flush, *barrier, *write;

    open_block_device();
    flush = ask_flush(&hand, ring);
    barrier = ask_empty(&hand, ring2, COHERENCY_BARRIER);
    hand_finish_flush(&hand, -EIO);
    CHECK_EQ(hand.count, 0);
    CHECK_EQ(hand.warnings, 1);
    write = ask_write(&hand, ring, 0, B, 'w'); /* goes on meanwhile */
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(write, 0));
    hand_pass(&hand, 10 * MS);
    CHECK_EQ(hand.count, 1);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(flush, 0) && ask_got(barrier, 0));
    CHECK_EQ(hand.warnings, 2); /* it works again */
    CHECK(!is_stopped());
    CHECK_EQ(hand_stats(&hand).flush_failures, 1);
    finish();
}

static void check_back_off(void)
{
    static const unsigned waits_ms[] = {10,  20,  40,   80,   160,
                                        320, 640, 1000, 1000, 1000};
    unsigned i;

    open_block_device();
    ask_flush(&hand, ring);
    for (i = 0; i < sizeof(waits_ms) / sizeof(*waits_ms); i++) {
        hand_finish_flush(&hand, -ETIMEDOUT);
        CHECK_EQ(hand.timer_at_us, hand.now_us + waits_ms[i] * MS);
        hand_pass(&hand, waits_ms[i] * MS - 1);
        CHECK_EQ(hand.count, 0);
        hand_pass(&hand, 1);
        CHECK_EQ(hand.count, 1);
    }
    hand_finish_flush(&hand, 0);
    /* The next series begins at 10 ms again. */
    ask_flush(&hand, ring);
    hand_finish_flush(&hand, -EIO);
    CHECK_EQ(hand.timer_at_us, hand.now_us + 10 * MS);
    hand_pass(&hand, 10 * MS);
    finish();
}

static void check_all_join_the_retry(void)
{
    struct ask *first, *joined, *late;

    open_block_device();
    first = ask_flush(&hand, ring);
    hand_finish_flush(&hand, -EIO);
    joined = ask_flush(&hand, ring2);
    CHECK_EQ(hand.count, 0); /* it does not make an attempt of its own */
    hand_pass(&hand, 10 * MS);
    late = ask_flush(&hand, ring2);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(first, 0) && ask_got(joined, 0) && ask_is_open(late));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(late, 0));
    CHECK_EQ(hand_stats(&hand).engine_flushes, 3);
    finish();
}

/* Fails every flush until the disk stops or span_us is over. Returns how long
 * that took. */
static uint64_t fail_for(uint64_t span_us)
{
    uint64_t start_us = hand.now_us, end_us = start_us + span_us;

    while (!hand_stats(&hand).is_fail_stopped) {
        if (hand_has(&hand, ENGINE_FLUSH, 0))
            hand_finish_flush(&hand, -EIO);
        else if (hand.timer_at_us && hand.timer_at_us <= end_us)
            hand_pass(&hand, hand.timer_at_us - hand.now_us);
        else
            break;
    }
    if (!hand_stats(&hand).is_fail_stopped)
        hand_pass(&hand, end_us - hand.now_us);
    return hand.now_us - start_us;
}

static void check_retries_end(void)
{
    struct ask *flush;

    open_block_device();
    flush = ask_flush(&hand, ring);
    CHECK_EQ(fail_for(3600ull * SECOND_US), 30 * SECOND_US);
    CHECK(is_stopped());
    CHECK(ask_is_open(flush));
    CHECK(strstr(hand.sentence, "30000 ms"));
    NOTE("%s", hand.sentence);
    finish();
}

static void check_forever(void)
{
    struct ask *flush;

    hand_prepare(&hand, 512);
    hand.config.flush_retry_us = UINT64_MAX;
    start();
    flush = ask_flush(&hand, ring);
    fail_for(86400ull * SECOND_US);
    CHECK(!is_stopped() && ask_is_open(flush));
    CHECK(hand_stats(&hand).flush_failures > 80000);
    hand_pass(&hand, SECOND_US);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(flush, 0));
    finish();
}

/* --- what is tried again --- */

static void check_which_errors(void)
{
    static const struct {
        int error;
        bool is_tried_again;
    } errors[] = {
        {EIO, true},     {EAGAIN, true},    {EINTR, true},
        {EBUSY, true},   {ENOMEM, true},    {ETIMEDOUT, true},
        {ENOLINK, true}, {EREMOTEIO, true}, {ENOSPC, false},
        {EDQUOT, false}, {EROFS, false},    {EBADF, false},
        {EINVAL, false}, {ENODEV, false},   {EOPNOTSUPP, false},
    };
    unsigned i, can_retry;

    for (i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
        for (can_retry = 0; can_retry < 2; can_retry++) {
            hand_prepare(&hand, 512);
            hand.engine.info.flush_retry = can_retry;
            start();
            ask_flush(&hand, ring);
            hand_finish_flush(&hand, -errors[i].error);
            CHECK_EQ(is_stopped(), !(can_retry && errors[i].is_tried_again));
            hand_pass(&hand, 10 * MS);
            finish();
        }
    }
}

/* --- fail-stop --- */

static void check_fail_stop(void)
{
    struct ask *at_engine, *reading, *behind, *fua, *flush, *flush2, *told,
        *drained, *gated;

    hand_prepare(&hand, 512);
    hand.engine.info.flush_retry = false; /* a file */
    hand.engine.info.can_fua = false;
    start();
    at_engine = ask_write(&hand, ring, 0, B, 'w');
    reading = ask_read(&hand, honest, B, B);
    behind = ask_read(&hand, ring2, 0, B);
    drained = ask_put(&hand, ring, COHERENCY_BARRIER, 2 * B, B, 'b');
    gated = ask_write(&hand, ring, 3 * B, B, 'g');
    fua = ask_make(&hand, COHERENCY_WRITE, 4 * B, B, 0);
    fua->request.flags = COHERENCY_FUA;
    flush = ask_flush(&hand, ring);
    ask_send(ring2, fua);
    hand_finish(&hand, ENGINE_WRITE, 4 * B, 0);
    flush2 = ask_flush(&hand, ring2);
    told = ask_flush(&hand, honest);
    hand_finish_flush(&hand, -EIO);

    CHECK(is_stopped());
    NOTE("%s", hand.sentence);
    CHECK(ask_got(behind, -EIO) && ask_got(gated, -EIO));
    CHECK(ask_got(fua, -EIO)); /* written, but will not be durable */
    CHECK(ask_got(told, -EIO));
    CHECK(ask_is_open(flush) && ask_is_open(flush2) && ask_is_open(drained));
    /* What is at the engine keeps its own result. */
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    hand_finish(&hand, ENGINE_READ, B, -ENODEV);
    CHECK(ask_got(at_engine, 0) && ask_got(reading, -ENODEV));
    CHECK_EQ(hand.count, 0);
    CHECK_EQ(hand_stats(&hand).in_flight, 3);
    finish();
}

/* Nothing goes to the engine, and rings are not told of flushes. */
static void check_stopped_disk(void)
{
    uint32_t in_flight = hand_stats(&hand).in_flight;
    struct ask *held[4], *told;
    unsigned i;

    CHECK(ask_got(ask_read(&hand, ring, 0, B), -EIO));
    CHECK(ask_got(ask_write(&hand, ring, 0, B, 'w'), -EIO));
    CHECK(ask_got(ask_discard(&hand, ring2, 0, 0, B), -EIO));
    CHECK(ask_got(ask_discard(&hand, ring2, 0, 0, 512), -EIO));
    CHECK(ask_got(ask_write(&hand, honest, 0, B, 'w'), -EIO));
    told = ask_flush(&hand, honest);
    CHECK(ask_got(told, -EIO));
    told = ask_put(&hand, honest, COHERENCY_BARRIER, 0, B, 'b');
    CHECK(ask_got(told, -EIO));
    held[0] = ask_flush(&hand, ring);
    held[1] = ask_empty(&hand, ring, COHERENCY_BARRIER);
    held[2] = ask_put(&hand, ring, COHERENCY_FLUSH, 0, B, 'f');
    held[3] = ask_put(&hand, ring, COHERENCY_BARRIER, 1, B, 'b');
    CHECK_EQ(hand.count, 0);
    CHECK_EQ(hand_stats(&hand).in_flight, in_flight + 4);
    for (i = 0; i < 4; i++)
        CHECK(ask_is_open(held[i]));
    coherency_client_close(ring, NULL, NULL);
    for (i = 0; i < 4; i++)
        CHECK(ask_got(held[i], -ECANCELED));
    ring = hand_ring(&hand); /* a new front end finds the same */
    CHECK(ask_is_open(ask_flush(&hand, ring)));
    CHECK(ask_got(ask_read(&hand, ring, 0, B), -EIO));
}

static void check_after_fail_stop(void)
{
    open_block_device();
    ask_flush(&hand, ring2);
    hand_finish_flush(&hand, -ENOSPC);
    CHECK(is_stopped());
    check_stopped_disk();
    CHECK_EQ(hand.fail_stops, 1);
    finish();
}

static void check_start_fail_stopped(void)
{
    hand_prepare(&hand, 512);
    hand.config.start_fail_stopped = true;
    start();
    CHECK(hand_stats(&hand).is_fail_stopped);
    check_stopped_disk();
    CHECK_EQ(hand.fail_stops, 0); /* whoever asked for it knows */
    finish();
}

static void close_the_disk(void *context)
{
    ++*(unsigned *)context;
    coherency_close(hand.disk);
    hand.disk = NULL;
}

static unsigned closed;

static void close_everything(void *context, const char *sentence)
{
    hand_fail_stop(context, sentence);
    coherency_client_close(ring, NULL, NULL);
    coherency_client_close(ring2, NULL, NULL);
    coherency_client_close(honest, close_the_disk, &closed);
    CHECK_EQ(closed, 0); /* not under the feet of who is calling */
}

static void check_close_from_fail_stop(void)
{
    struct ask *flush, *told;

    open_block_device();
    hand.environment.fail_stop = close_everything;
    closed = 0;
    flush = ask_flush(&hand, ring);
    told = ask_flush(&hand, honest);
    hand_finish_flush(&hand, -ENOSPC);
    CHECK(ask_got(flush, -ECANCELED) && ask_got(told, -ECANCELED));
    CHECK_EQ(closed, 1);
    hand_close(&hand);
}

static void check_barrier_at_the_engine(void)
{
    struct ask *barrier, *fua;

    open_block_device();
    barrier = ask_put(&hand, ring, COHERENCY_BARRIER, 0, B, 'b');
    fua = ask_make(&hand, COHERENCY_WRITE, B, B, 0);
    fua->request.flags = COHERENCY_FUA;
    ask_send(ring2, fua);
    hand_finish_flush(&hand, 0);
    ask_flush(&hand, ring2);
    hand_finish_flush(&hand, -ENOSPC);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_is_open(barrier));
    hand_finish(&hand, ENGINE_WRITE, B, 0);
    CHECK(ask_got(fua, 0)); /* the engine said that it is durable */
    finish();
}

static void check_closed_barrier_at_the_engine(void)
{
    struct ask *barrier;

    open_block_device();
    barrier = ask_put(&hand, ring, COHERENCY_BARRIER, 0, B, 'b');
    hand_finish_flush(&hand, 0);
    ask_flush(&hand, ring2);
    hand_finish_flush(&hand, -ENOSPC);
    coherency_client_close(ring, NULL, NULL);
    CHECK(ask_is_open(barrier));
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(barrier, -ECANCELED));
    ring = hand_ring(&hand);
    finish();
}

static void check_merge_stops_between_read_and_write(void)
{
    struct ask *write;

    hand_prepare(&hand, 4096);
    start();
    write = ask_write(&hand, ring, 512, 512, 'w');
    ask_flush(&hand, ring2);
    hand_finish_flush(&hand, -ENOSPC);
    CHECK(ask_is_open(write));
    hand_finish(&hand, ENGINE_READ, 0, 0);
    CHECK(ask_got(write, -EIO) && hand.count == 0);
    finish();
}

/* --- honest clients --- */

static void check_honest_is_told(void)
{
    struct ask *flush, *told, *later;

    open_block_device();
    flush = ask_flush(&hand, ring);
    told = ask_flush(&hand, honest);
    hand_finish_flush(&hand, -EIO);
    fail_for(2 * SECOND_US);
    later = ask_flush(&hand, honest);
    fail_for(3 * SECOND_US - 1);
    CHECK(ask_is_open(told));
    fail_for(1);
    CHECK(ask_got(told, -EIO));
    fail_for(2 * SECOND_US - 1);
    CHECK(ask_is_open(later)); /* it came later */
    fail_for(1);
    CHECK(ask_got(later, -EIO));
    CHECK(!coherency_client_is_write_through(honest));
    CHECK(ask_is_open(flush) && !is_stopped()); /* for it retries go on */
    hand_pass(&hand, SECOND_US);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(flush, 0));
    finish();
}

static void check_honest_fua_is_told(void)
{
    struct ask *fua;

    hand_prepare(&hand, 512);
    hand.engine.info.can_fua = false;
    start();
    fua = ask_make(&hand, COHERENCY_WRITE, 0, B, 0);
    fua->request.flags = COHERENCY_FUA;
    ask_send(honest, fua);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    fail_for(6 * SECOND_US);
    CHECK(ask_got(fua, -EIO));
    hand_pass(&hand, SECOND_US);
    finish();
}

static void check_series_ends_when_nobody_waits(void)
{
    struct ask *flush;

    open_block_device();
    flush = ask_flush(&hand, honest);
    hand_finish_flush(&hand, -EIO);
    fail_for(7 * SECOND_US);
    CHECK(ask_got(flush, -EIO));
    CHECK(hand.count == 0 && hand.timer_at_us == 0);
    hand_pass(&hand, 3600ull * SECOND_US);
    flush = ask_flush(&hand, ring);
    CHECK_EQ(hand.count, 1);
    hand_finish_flush(&hand, -EIO);
    CHECK(!is_stopped()); /* it has its own 30 s */
    hand_pass(&hand, 10 * MS);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(flush, 0));
    finish();
}

static void count_call(void *context)
{
    ++*(unsigned *)context;
}

static void check_hanging_attempt(void)
{
    struct ask *told;
    unsigned idle = 0;

    open_block_device();
    told = ask_flush(&hand, honest);
    hand_finish_flush(&hand, -EIO);
    hand_pass(&hand, 10 * MS);
    CHECK_EQ(hand.count, 1); /* the attempt hangs */
    hand_pass(&hand, 5 * SECOND_US);
    CHECK(ask_got(told, -EIO));
    coherency_client_close(honest, count_call, &idle);
    CHECK_EQ(idle, 1); /* nor does its end wait for the attempt */
    hand_finish_flush(&hand, 0);
    honest = hand_client(&hand, COHERENCY_CLIENT_HONEST);
    finish();
}

/* --- write-through --- */

/* All that a client in write-through writes is durable before it is done. */
static void check_is_write_through(struct coherency_client *client)
{
    struct ask *write;

    CHECK(coherency_client_is_write_through(client));
    write = ask_write(&hand, client, 8 * B, B, 't');
    if (hand.engine.info.can_fua)
        CHECK_EQ(hand.at_engine[hand.count - 1]->flags, ENGINE_FUA);
    hand_finish(&hand, ENGINE_WRITE, 8 * B, 0);
    if (!hand.engine.info.can_fua) {
        CHECK(ask_is_open(write));
        hand_finish_flush(&hand, 0);
    }
    CHECK(ask_got(write, 0));
}

static void try_failing_data(enum coherency_op op, bool can_fua)
{
    struct ask *failing, *running;

    hand_prepare(&hand, 512);
    hand.engine.info.can_fua = can_fua;
    start();
    failing = ask_put(&hand, ring, op, 0, B, 'f');
    hand_finish_flush(&hand, 0);
    running = op == COHERENCY_FLUSH ? ask_write(&hand, ring, B, B, 'r') : NULL;
    hand_finish(&hand, ENGINE_WRITE, 0, -EIO);
    CHECK(ask_is_open(failing)); /* first what it was told is made durable */
    CHECK(coherency_client_is_write_through(ring));
    CHECK(!coherency_client_is_write_through(ring2));
    if (running) {
        /* Had begun without FUA: it needs a flush, and not the running one. */
        hand_finish(&hand, ENGINE_WRITE, B, 0);
        CHECK(ask_is_open(running));
    }
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(failing, -EIO));
    if (running) {
        CHECK(ask_is_open(running));
        hand_finish_flush(&hand, 0);
        CHECK(ask_got(running, 0));
    }
    check_is_write_through(ring);
    finish();
}

static void check_failing_data(void)
{
    try_failing_data(COHERENCY_FLUSH, true);
    try_failing_data(COHERENCY_FLUSH, false);
    try_failing_data(COHERENCY_BARRIER, true);
    try_failing_data(COHERENCY_BARRIER, false);
}

static void check_failing_data_and_stop(void)
{
    struct ask *failing;

    open_block_device();
    failing = ask_put(&hand, ring, COHERENCY_BARRIER, 0, B, 'b');
    hand_finish_flush(&hand, 0);
    hand_finish(&hand, ENGINE_WRITE, 0, -EIO);
    hand_finish_flush(&hand, -ENOSPC);
    CHECK(is_stopped());
    CHECK(ask_is_open(failing));
    coherency_client_close(ring, NULL, NULL);
    CHECK(ask_got(failing, -ECANCELED));
    ring = hand_ring(&hand);
    finish();
}

static void check_refused_barrier(void)
{
    struct ask *barrier;

    open_block_device();
    barrier = ask_put(&hand, ring, COHERENCY_BARRIER, HAND_BYTES, B, 'b');
    CHECK(ask_is_open(barrier));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(barrier, -EINVAL));
    check_is_write_through(ring);
    finish();
}

static void check_set_write_through(void)
{
    struct ask *running;

    open_block_device();
    running = ask_write(&hand, ring, 0, B, 'r');
    CHECK_EQ(hand.at_engine[0]->flags, 0);
    coherency_client_set_write_through(ring);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_is_open(running));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(running, 0));
    check_is_write_through(ring);
    CHECK(!coherency_client_is_write_through(ring2));
    finish();
}

int main(void)
{
    TEST("a transient failure is tried again and then answered OK",
         check_retry_succeeds);
    TEST("retries come after 10 ms, doubling to a second", check_back_off);
    TEST("who comes during retries joins the next", check_all_join_the_retry);
    TEST("after the last retry the disk stops, and says so", check_retries_end);
    TEST("`forever` is for ever", check_forever);
    TEST("a file, and an error that says that data is lost, stop the disk "
         "at once",
         check_which_errors);
    TEST("fail-stop ends what waits, holds rings' flushes, and leaves the "
         "engine its results",
         check_fail_stop);
    TEST("a stopped disk serves nothing and answers no ring's flush",
         check_after_fail_stop);
    TEST("a disk may start stopped", check_start_fail_stopped);
    TEST("everything may be closed from fail_stop()",
         check_close_from_fail_stop);
    TEST("a barrier whose data ends after fail-stop is held",
         check_barrier_at_the_engine);
    TEST("nor is it answered when its client is closed",
         check_closed_barrier_at_the_engine);
    TEST("a merge that has only read does not write in fail-stop",
         check_merge_stops_between_read_and_write);
    TEST("an honest client is told in time, retries go on for others",
         check_honest_is_told);
    TEST("an honest client's FUA write is told in time, too",
         check_honest_fua_is_told);
    TEST("retries end when nobody waits, and begin anew",
         check_series_ends_when_nobody_waits);
    TEST("an attempt that hangs keeps no honest client waiting",
         check_hanging_attempt);
    TEST("a failed FLUSH or BARRIER with data means write-through, and is "
         "answered after a flush",
         check_failing_data);
    TEST("if that flush stops the disk, the answer is held",
         check_failing_data_and_stop);
    TEST("a refused BARRIER means write-through", check_refused_barrier);
    TEST("write-through covers the write that is running",
         check_set_write_through);
    return tap_done();
}
