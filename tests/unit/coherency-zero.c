/* SPDX-License-Identifier: MIT
 * Claim: a ZERO is a write: it changes exactly its sectors, goes in parts of
 * at most 64 MiB which are let go one by one, and is durable where that was
 * asked for; what it may not do or cannot do fast is refused.
 * Source: COHERENCY.md C4, C7, C9, C10, C13. Mechanism: a disk of 4096-byte
 * blocks whose engine is moved by hand. */
#include "tests/unit/coherency-hand.h"

enum { B = 4096, PART = ENGINE_LONG_BYTES };

static struct hand hand;
static struct coherency_client *a, *b;

static void start(void)
{
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    memset(hand.memory, 'o', HAND_BYTES);
}

static void two_clients(void)
{
    hand_prepare(&hand, B);
    start();
}

static void finish(void)
{
    hand_finish_all(&hand);
    coherency_client_close(a, NULL, NULL);
    coherency_client_close(b, NULL, NULL);
    hand_close(&hand);
}

static struct ask *ask_zero(unsigned flags, uint64_t offset_bytes,
                            uint64_t length_bytes)
{
    return ask_clear(&hand, a, COHERENCY_ZERO, flags, offset_bytes,
                     length_bytes);
}

static bool only_this_is_zero(unsigned from, unsigned to)
{
    for (unsigned i = 0; i < HAND_BYTES; i++)
        if (hand.memory[i] != (i >= from && i < to ? 0 : 'o'))
            return false;
    return true;
}

static void check_every_misfit(void)
{
    for (unsigned first = 0; first < 10; first++) {
        for (unsigned count = 1; count < 40; count++) {
            bool is_misfit = first % 8 || (first + count) % 8;
            struct ask *zero;

            two_clients();
            zero = ask_zero(0, first * 512, count * 512);
            hand_finish_all(&hand);
            if (!CHECK(ask_got(zero, 0) &&
                       only_this_is_zero(first * 512, (first + count) * 512)))
                NOTE("%u sectors from %u on", count, first);
            CHECK_EQ(hand_stats(&hand).merged, is_misfit);
            CHECK_EQ(hand_stats(&hand).bytes_zeroed, count * 512);
            finish();
        }
    }
}

/* The ends are merged, what lies between them is one ZERO. */
static void check_steps(void)
{
    struct ask *zero;

    two_clients();
    zero = ask_zero(COHERENCY_NO_HOLE | COHERENCY_FAST, 512, 4 * B);
    hand_finish(&hand, ENGINE_READ, 0, 0);
    CHECK_EQ(hand.at_engine[0]->length_bytes, B);
    CHECK_EQ(hand.at_engine[0]->flags, 0);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == 3 * B);
    CHECK_EQ(hand.at_engine[0]->flags, ENGINE_NO_HOLE | ENGINE_FAST);
    hand_finish(&hand, ENGINE_ZERO, B, 0);
    hand_finish(&hand, ENGINE_READ, 4 * B, 0);
    CHECK(ask_is_open(zero));
    hand_finish(&hand, ENGINE_WRITE, 4 * B, 0);
    CHECK(ask_got(zero, 0));
    CHECK_EQ(hand.count, 0);
    finish();
}

static void check_parts(void)
{
    struct ask *zero, *behind, *after;

    hand_prepare(&hand, B);
    hand.engine.info.size_bytes = 4 * (uint64_t)PART;
    start();
    zero = ask_zero(COHERENCY_FUA, 0, 3 * (uint64_t)PART - B);
    behind = ask_write(&hand, b, 0, B, 'b');
    after = ask_write(&hand, b, PART, B, 'a');
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == PART);
    hand_finish(&hand, ENGINE_ZERO, 0, 0);
    /* The first part is free; the second still comes before the write. */
    CHECK(hand_has(&hand, ENGINE_WRITE, 0));
    CHECK(!hand_has(&hand, ENGINE_WRITE, PART));
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(behind, 0));
    hand_finish(&hand, ENGINE_ZERO, PART, 0);
    hand_finish(&hand, ENGINE_WRITE, PART, 0);
    CHECK(ask_got(after, 0));
    CHECK_EQ(hand.at_engine[0]->length_bytes, PART - B);
    hand_finish(&hand, ENGINE_ZERO, 2 * (uint64_t)PART, 0);
    CHECK(ask_is_open(zero)); /* one flush for all of it (C7) */
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(zero, 0));
    CHECK_EQ(hand_stats(&hand).engine_flushes, 1);
    finish();
}

static void check_durable(void)
{
    struct ask *zero;

    two_clients();
    zero = ask_zero(0, 0, B);
    hand_finish(&hand, ENGINE_ZERO, 0, 0);
    CHECK(ask_got(zero, 0));
    zero = ask_zero(COHERENCY_FUA, 512, 512); /* a merge, and nothing else */
    hand_finish(&hand, ENGINE_READ, 0, 0);
    CHECK_EQ(hand.at_engine[0]->flags, ENGINE_FUA);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(zero, 0));
    CHECK_EQ(hand_stats(&hand).engine_flushes, 0);
    coherency_client_set_write_through(a); /* C8 */
    zero = ask_zero(0, 0, B);
    hand_finish(&hand, ENGINE_ZERO, 0, 0);
    CHECK(ask_is_open(zero));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(zero, 0));
    finish();
}

static void check_failures(void)
{
    struct ask *zero;

    two_clients();
    zero = ask_zero(COHERENCY_FAST, 0, B);
    hand_finish(&hand, ENGINE_ZERO, 0, -EOPNOTSUPP);
    CHECK(ask_got(zero, -EOPNOTSUPP));
    zero = ask_zero(0, 512, 2 * B);
    hand_finish(&hand, ENGINE_READ, 0, -EIO);
    CHECK(ask_got(zero, -EIO));
    zero = ask_zero(0, 512, 3 * B);
    hand_finish(&hand, ENGINE_READ, 0, 0);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    hand_finish(&hand, ENGINE_ZERO, B, -EIO);
    CHECK(ask_got(zero, -EIO)); /* and the last block is left alone */
    CHECK_EQ(hand.count, 0);
    CHECK_EQ(hand_stats(&hand).errors[COHERENCY_ZERO], 3);
    CHECK_EQ(hand_stats(&hand).bytes_zeroed, 0);
    finish();
}

static void check_refusals(void)
{
    hand_prepare(&hand, B);
    hand.engine.info.can_zero_fast = false;
    start();
    CHECK(ask_got(ask_zero(COHERENCY_FAST, 0, B), -EOPNOTSUPP));
    CHECK_EQ(hand.count, 0);
    ask_zero(0, 0, B);
    CHECK_EQ(hand.count, 1);
    finish();
    hand_prepare(&hand, B);
    hand.config.read_only = true;
    start();
    CHECK(ask_got(ask_zero(0, 0, B), -EROFS));
    finish();
}

int main(void)
{
    TEST("C13: a ZERO of any sectors changes those and no other",
         check_every_misfit);
    TEST("C13: only blocks that a ZERO covers but half are read", check_steps);
    TEST("C4, C7: a ZERO goes in parts of 64 MiB, each let go when it is done, "
         "and one flush", check_parts);
    TEST("C7, C8: a ZERO is durable where it has to be", check_durable);
    TEST("C15: the first error of a part is the request's, and the last part",
         check_failures);
    TEST("C9: what may not be, or not be fast, is refused", check_refusals);
    return tap_done();
}
