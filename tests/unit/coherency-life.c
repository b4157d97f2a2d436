/* SPDX-License-Identifier: MIT
 * Claim: each request is answered once, whatever its client does, and no
 * chain of requests becomes a chain of stack frames. Source: coherency.h,
 * COHERENCY.md C9, C15. Mechanism: a disk whose engine is moved by hand. */
#include "tests/unit/coherency-hand.h"

enum { B = 4096, MANY = 100 * 1000 };

static struct hand hand;
static struct coherency_client *a, *b;

static void two_clients(void)
{
    hand_open(&hand, 512);
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

static void count_call(void *context)
{
    ++*(unsigned *)context;
}

/* --- refusals --- */

static int refusal(enum coherency_op op, uint64_t offset_bytes,
                   uint64_t length_bytes)
{
    struct ask *ask =
        ask_make(&hand, op, offset_bytes,
                 length_bytes < HAND_BYTES ? length_bytes : 512, 0);

    ask->request.length_bytes = length_bytes;
    ask_send(a, ask);
    CHECK_EQ(ask->answers, 1);
    return ask->error;
}

static void check_bad_ranges(void)
{
    enum coherency_op op;

    two_clients();
    for (op = COHERENCY_READ; op <= COHERENCY_ZERO; op++) {
        if (op == COHERENCY_FLUSH || op == COHERENCY_BARRIER)
            continue;
        CHECK_EQ(refusal(op, 0, 0), -EINVAL);
        CHECK_EQ(refusal(op, 1, 0), -EINVAL);
        CHECK_EQ(refusal(op, HAND_BYTES - 1, 2), -EINVAL);
        CHECK_EQ(refusal(op, 1, UINT64_MAX), -EINVAL);
        CHECK_EQ(refusal(op, HAND_BYTES, 512), -EINVAL);
        CHECK_EQ(refusal(op, HAND_BYTES - 512, 1024), -EINVAL);
        CHECK_EQ(refusal(op, 512, UINT64_MAX - 511), -EINVAL);
        CHECK_EQ(refusal(op, UINT64_MAX - 511, 512), -EINVAL);
    }
    CHECK_EQ(hand.count, 0);
    CHECK_EQ(hand_stats(&hand).errors[COHERENCY_READ], 8);
    finish();
}

static int ask_extent(uint64_t offset_bytes, uint64_t *length_bytes,
                      bool *is_hole)
{
    return coherency_extent(hand.disk, offset_bytes, length_bytes, is_hole);
}

static void check_extents(void)
{
    uint64_t length_bytes = 100;
    bool is_hole;

    two_clients();
    hand.extent_bytes = 1000;
    CHECK_EQ(ask_extent(950, &length_bytes, &is_hole), 0);
    CHECK(length_bytes == 50 && !is_hole);
    length_bytes = HAND_BYTES;
    CHECK_EQ(ask_extent(1001, &length_bytes, &is_hole), 0);
    CHECK(length_bytes == HAND_BYTES - 1001 && is_hole);
    CHECK_EQ(ask_extent(HAND_BYTES, &length_bytes, &is_hole), -EINVAL);
    length_bytes = 0;
    CHECK_EQ(ask_extent(0, &length_bytes, &is_hole), -EINVAL);
    length_bytes = 1;
    hand.extent_error = -ENOMEM;
    CHECK_EQ(ask_extent(0, &length_bytes, &is_hole), -ENOMEM);
    finish();
    hand_prepare(&hand, 512);
    hand.config.start_fail_stopped = true;
    hand_start(&hand);
    CHECK_EQ(ask_extent(0, &length_bytes, &is_hole), -EIO);
    hand_close(&hand);
}

static void check_discard_where_there_is_none(void)
{
    two_clients();
    hand.engine.info.can_secure = false;
    CHECK(ask_got(ask_discard(&hand, a, COHERENCY_SECURE, 0, B), -EOPNOTSUPP));
    hand.engine.info.can_secure = true;
    CHECK(ask_got(ask_discard(&hand, a, COHERENCY_SECURE, 0, 513), -EINVAL));
    hand.engine.info.can_discard = false;
    CHECK(ask_got(ask_discard(&hand, a, 0, 0, B), -EOPNOTSUPP));
    finish();

    hand_open(&hand, B);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    CHECK(ask_got(ask_discard(&hand, a, COHERENCY_SECURE, 512, B), -EINVAL));
    finish();
}

static void check_nothing_is_written(void)
{
    struct ask *flush;
    enum coherency_op op;

    for (op = COHERENCY_WRITE; op <= COHERENCY_BARRIER; op++)
        CHECK(ask_got(ask_put(&hand, a, op, 0, B, 'w'), -EROFS));
    CHECK(ask_got(ask_discard(&hand, a, 0, 0, B), -EROFS));
    CHECK(!coherency_client_is_write_through(a));
    ask_read(&hand, a, 0, B);
    CHECK(hand_has(&hand, ENGINE_READ, 0));
    hand_finish_all(&hand);
    flush = ask_flush(&hand, a);
    hand_finish_all(&hand);
    CHECK(ask_got(flush, 0));
    flush = ask_empty(&hand, a, COHERENCY_BARRIER);
    hand_finish_all(&hand);
    CHECK(ask_got(flush, 0));
}

static void check_read_only(void)
{
    struct ask *write;

    hand_open(&hand, 512);
    REQUIRE(coherency_client_open(hand.disk, COHERENCY_CLIENT_RING, true, &a) ==
            0);
    b = hand_ring(&hand);
    check_nothing_is_written();
    /* What others wrote is flushed for a client that only reads, too. */
    CHECK_EQ(hand_stats(&hand).engine_flushes, 2);
    write = ask_write(&hand, b, 0, B, 'w');
    hand_finish_all(&hand);
    CHECK(ask_got(write, 0));
    finish();

    hand_prepare(&hand, 512);
    hand.config.read_only = true;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    check_nothing_is_written();
    finish();

    hand_prepare(&hand, 512);
    hand.engine.info.read_only = true;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    check_nothing_is_written();
    CHECK_EQ(hand_stats(&hand).engine_flushes, 0);
    finish();
}

/* --- closing --- */

static void check_close(void)
{
    struct ask *running, *waiting, *gated, *barrier, *flush, *other;
    unsigned idle = 0;

    two_clients();
    running = ask_write(&hand, a, 0, B, 'w');
    waiting = ask_read(&hand, a, 0, B);
    barrier = ask_empty(&hand, a, COHERENCY_BARRIER);
    gated = ask_write(&hand, a, B, B, 'g');
    flush = ask_flush(&hand, a);
    other = ask_read(&hand, b, B, B); /* behind the gated write */
    CHECK_EQ(hand.count, 2);
    coherency_client_close(a, count_call, &idle);
    CHECK(ask_got(waiting, -ECANCELED) && ask_got(barrier, -ECANCELED) &&
          ask_got(gated, -ECANCELED));
    CHECK(ask_is_open(running) && ask_is_open(flush) && idle == 0);
    CHECK(hand_has(&hand, ENGINE_READ, B)); /* the other goes on */
    hand_finish(&hand, ENGINE_READ, B, 0);
    CHECK(ask_got(other, 0));
    hand_finish(&hand, ENGINE_WRITE, 0, -ENOSPC);
    CHECK(ask_got(running, -ENOSPC) && idle == 0);
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(flush, 0) && idle == 1);
    CHECK_EQ(hand_stats(&hand).in_flight, 0);
    a = hand_ring(&hand);
    finish();
}

static void check_close_beside_flushes(void)
{
    unsigned idle_a = 0, idle_b = 0;
    struct ask *flush;

    two_clients();
    flush = ask_flush(&hand, b);
    coherency_client_close(a, count_call, &idle_a);
    CHECK_EQ(idle_a, 1);
    coherency_client_close(b, count_call, &idle_b);
    CHECK_EQ(idle_b, 0); /* the last one waits for what is at the engine */
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(flush, 0) && idle_b == 1);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    finish();
}

static void check_close_between_parts(void)
{
    struct ask *write, *fua;
    unsigned idle = 0;

    two_clients();
    hand.engine.info.max_bytes = B;
    hand.engine.info.can_fua = false;
    write = ask_write(&hand, a, 0, 2 * B, 'w');
    fua = ask_make(&hand, COHERENCY_WRITE, 2 * B, B, 0);
    fua->request.flags = COHERENCY_FUA;
    ask_send(a, fua);
    coherency_client_close(a, count_call, &idle);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(write, -ECANCELED));
    hand_finish(&hand, ENGINE_WRITE, 2 * B, 0);
    CHECK(ask_got(fua, -ECANCELED)); /* written, but not durable */
    CHECK(hand.count == 0 && idle == 1);
    a = hand_ring(&hand);
    finish();
}

static void close_the_disk(void *context)
{
    ++*(unsigned *)context;
    coherency_close(hand.disk);
    hand.disk = NULL;
}

static void check_idle_closes_the_disk(void)
{
    unsigned closed = 0;

    two_clients();
    coherency_client_close(b, NULL, NULL);
    ask_read(&hand, a, 0, B);
    ask_flush(&hand, a);
    coherency_client_close(a, close_the_disk, &closed);
    CHECK_EQ(closed, 0);
    hand_finish_all(&hand);
    CHECK_EQ(closed, 1);
    hand_close(&hand);
}

static void close_from_done(struct coherency_request *request, int error)
{
    struct ask *ask = request->owner;
    unsigned *closed = (unsigned *)(void *)ask->memory;

    ask->answers++;
    ask->error = error;
    coherency_client_close(a, close_the_disk, closed);
    CHECK_EQ(*closed, 0); /* not while its own answer is being given */
}

static void check_close_from_done(void)
{
    struct ask *ask, *waiting;
    unsigned *closed;

    two_clients();
    coherency_client_close(b, NULL, NULL);
    ask = ask_make(&hand, COHERENCY_WRITE, 0, B, 0);
    closed = (unsigned *)(void *)ask->memory;
    ask->request.done = close_from_done;
    ask_send(a, ask);
    waiting = ask_read(&hand, a, 0, B);
    hand.memory[0] = 0;
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(ask, 0));
    CHECK(ask_got(waiting, -ECANCELED));
    CHECK_EQ(*closed, 1);
    hand_close(&hand);
}

/* --- depth --- */

static struct ask **many_writes(void)
{
    struct ask **asks = calloc(MANY, sizeof(*asks));
    unsigned i;

    REQUIRE(asks);
    for (i = 0; i < tap_scaled(MANY); i++) {
        asks[i] = ask_make(&hand, COHERENCY_WRITE, 0, 512, 0);
        ask_send(a, asks[i]);
    }
    return asks;
}

static unsigned count_got(struct ask **asks, int error)
{
    unsigned i, got = 0;

    for (i = 0; i < tap_scaled(MANY); i++)
        got += ask_got(asks[i], error);
    return got;
}

static void check_deep_chain_runs(void)
{
    struct ask **asks;

    two_clients();
    asks = many_writes();
    CHECK_EQ(hand.count, 1);
    hand_finish_all(&hand);
    CHECK_EQ(count_got(asks, 0), tap_scaled(MANY));
    free(asks);
    finish();
}

static void check_deep_chain_is_closed(void)
{
    struct ask **asks;

    two_clients();
    asks = many_writes();
    coherency_client_close(a, NULL, NULL);
    CHECK_EQ(count_got(asks, -ECANCELED), tap_scaled(MANY) - 1);
    hand_finish_all(&hand);
    CHECK(ask_got(asks[0], 0));
    free(asks);
    a = hand_ring(&hand);
    finish();
}

static void check_deep_chain_is_stopped(void)
{
    struct ask **asks;

    two_clients();
    asks = many_writes();
    ask_flush(&hand, b);
    hand_finish_flush(&hand, -ENOSPC);
    CHECK_EQ(count_got(asks, -EIO), tap_scaled(MANY) - 1);
    hand_finish_all(&hand);
    CHECK(ask_got(asks[0], 0));
    free(asks);
    finish();
}

static unsigned resubmissions;

static void resubmit(struct coherency_request *request, int error)
{
    (void)error;
    if (resubmissions++ < tap_scaled(MANY))
        coherency_submit(a, request);
}

static void check_refused_again_and_again(void)
{
    struct ask *ask;

    two_clients();
    ask = ask_make(&hand, COHERENCY_READ, HAND_BYTES, 512, 0);
    ask->request.done = resubmit;
    resubmissions = 0;
    ask_send(a, ask);
    CHECK_EQ(resubmissions, tap_scaled(MANY) + 1);
    finish();
}

int main(void)
{
    TEST("a range that is no part of the disk is refused", check_bad_ranges);
    TEST("extents end with the disk, and there are none in fail-stop",
         check_extents);
    TEST("C10: a discard that the engine cannot do is refused",
         check_discard_where_there_is_none);
    TEST("C9: nothing is written through what is read-only (XSA-142, XSA-266)",
         check_read_only);
    TEST("a closed client's requests end at once, or with the engine",
         check_close);
    TEST("a closed client does not wait for the flushes of others",
         check_close_beside_flushes);
    TEST("what would still have to be done after a close is cancelled",
         check_close_between_parts);
    TEST("the last client's idle() may close the disk",
         check_idle_closes_the_disk);
    TEST("a client may be closed from done()", check_close_from_done);
    TEST("100,000 writes of one block run one after the other",
         check_deep_chain_runs);
    TEST("100,000 that wait are cancelled", check_deep_chain_is_closed);
    TEST("100,000 that wait are ended by fail-stop",
         check_deep_chain_is_stopped);
    TEST("done() may submit again, 100,000 times",
         check_refused_again_and_again);
    return tap_done();
}
