/* SPDX-License-Identifier: MIT
 * Claim: what the engine cannot take as it is, is merged, copied or taken
 * apart, and nobody can tell. Source: COHERENCY.md C13, C15. Mechanism: bytes on
 * a disk of 4096-byte blocks whose engine is moved by hand; posix_memalign()
 * is made to fail. */
#include <stddef.h>

#include "tests/unit/coherency-hand.h"

enum { B = 4096 };

static struct hand hand;
static struct coherency_client *a, *b;
static unsigned failing_allocations;
static size_t largest_allocation;

int __real_posix_memalign(void **memory, size_t align, size_t size);
int __wrap_posix_memalign(void **memory, size_t align, size_t size);

int __wrap_posix_memalign(void **memory, size_t align, size_t size)
{
    if (failing_allocations > 0) {
        failing_allocations--;
        return ENOMEM;
    }
    if (size > largest_allocation)
        largest_allocation = size;
    return __real_posix_memalign(memory, align, size);
}

static void blocks_of_4096(uint32_t max_bytes)
{
    unsigned i;

    hand_prepare(&hand, B);
    hand.engine.info.max_bytes = max_bytes;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    for (i = 0; i < HAND_BYTES; i++)
        hand.memory[i] = 'o';
}

static void finish(void)
{
    hand_finish_all(&hand);
    coherency_client_close(a, NULL, NULL);
    coherency_client_close(b, NULL, NULL);
    hand_close(&hand);
}

/* The disk is `fill` in [from, to) and old everywhere else. */
static bool only_this_is_new(unsigned from, unsigned to, char fill)
{
    unsigned i;

    for (i = 0; i < HAND_BYTES; i++)
        if (hand.memory[i] != (i >= from && i < to ? fill : 'o'))
            return false;
    return true;
}

static void check_every_misfit(void)
{
    unsigned first, count, max_blocks, tried = 0;

    for (max_blocks = 1; max_blocks <= 4; max_blocks *= 2) {
        for (first = 0; first < 10; first++) {
            for (count = 1; count < 40; count++) {
                struct ask *write, *read;

                blocks_of_4096(max_blocks * B);
                write = ask_write(&hand, a, first * 512, count * 512, 'n');
                hand_finish_all(&hand);
                read = ask_read(&hand, a, first * 512, count * 512);
                hand_finish_all(&hand);
                tried +=
                    ask_got(write, 0) && ask_got(read, 0) &&
                    only_this_is_new(first * 512, (first + count) * 512, 'n') &&
                    memcmp(read->memory, write->memory, count * 512) == 0;
                finish();
            }
        }
    }
    CHECK_EQ(tried, 3 * 10 * 39);
}

/* One write and one read of it, anywhere, from memory as badly placed. Returns
 * whether that changed these bytes of disk and memory, and no other. */
static bool misfit_is_nowhere_seen(unsigned offset, unsigned length,
                                   unsigned misalign)
{
    struct ask *write = ask_make(&hand, COHERENCY_WRITE, offset, length,
                                 misalign);
    struct ask *read = ask_make(&hand, COHERENCY_READ, offset, length,
                                misalign);
    unsigned sum = 0;

    memset(write->request.data, 'n', length);
    ask_send(a, write);
    hand_finish_all(&hand);
    ask_send(a, read);
    hand_finish_all(&hand);
    for (unsigned i = 0; i < misalign + length + 100; i++)
        sum += read->memory[i] == 'n';
    return ask_got(write, 0) && ask_got(read, 0) && sum == length &&
           only_this_is_new(offset, offset + length, 'n') &&
           memcmp(read->request.data, write->request.data, length) == 0;
}

static void check_bytes(void)
{
    static const unsigned places[] = {0, 1, 511, 512, 513, 2048, 4095, 4096,
                                      4097, 8191, 12288, 20001};
    enum { PLACES = sizeof(places) / sizeof(*places) };
    unsigned wrong = 0;

    for (unsigned i = 0; i < 9 * PLACES * PLACES; i++) {
        unsigned offset = places[i / 9 % PLACES];
        unsigned length = places[i / 9 / PLACES] + 1;
        unsigned misaligns[3] = {0, offset % 512, 8};

        blocks_of_4096(B << i % 3);
        if (!misfit_is_nowhere_seen(offset, length, misaligns[i / 3 % 3])) {
            NOTE("%u bytes at %u in parts of %u blocks, memory %u off", length,
                 offset, 1u << i % 3, misaligns[i / 3 % 3]);
            wrong++;
        }
        finish();
    }
    CHECK_EQ(wrong, 0);
}

static void check_neighbours(void)
{
    struct ask *left, *right;

    blocks_of_4096(1 << 20);
    left = ask_write(&hand, a, 0, 512, 'l');
    right = ask_write(&hand, b, 512, 512, 'r');
    CHECK_EQ(hand.count, 1); /* one merge after the other */
    hand_finish_all(&hand);
    CHECK(ask_got(left, 0) && ask_got(right, 0));
    CHECK(hand.memory[0] == 'l' && hand.memory[511] == 'l');
    CHECK(hand.memory[512] == 'r' && hand.memory[1023] == 'r');
    CHECK_EQ(hand.memory[1024], 'o');
    CHECK_EQ(hand_stats(&hand).merged, 2);
    CHECK_EQ(hand_stats(&hand).bytes_written, 1024);
    finish();
}

static void check_edges_only(void)
{
    struct ask *write;

    blocks_of_4096(1 << 20);
    write = ask_write(&hand, a, 512, 4 * B, 'w'); /* half of 0 and of 4 */
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == B);
    hand_finish(&hand, ENGINE_READ, 0, 0);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == 3 * B);
    CHECK(hand.at_engine[0]->data == write->memory + B - 512);
    hand_finish(&hand, ENGINE_WRITE, B, 0);
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == B);
    hand_finish(&hand, ENGINE_READ, 4 * B, 0);
    hand_finish(&hand, ENGINE_WRITE, 4 * B, 0);
    CHECK(ask_got(write, 0) && only_this_is_new(512, 512 + 4 * B, 'w'));
    CHECK_EQ(hand_stats(&hand).merged, 1);
    CHECK_EQ(hand_stats(&hand).bytes_copied, B);
    finish();
}

/* Nothing lies between two halves: both blocks are written at once. */
static void check_two_halves(void)
{
    struct ask *write;

    blocks_of_4096(1 << 20);
    write = ask_write(&hand, a, 512, B, 'w');
    hand_finish(&hand, ENGINE_READ, 0, 0);
    hand_finish(&hand, ENGINE_READ, B, 0);
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == 2 * B);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(write, 0) && only_this_is_new(512, 512 + B, 'w'));
    finish();
}

enum { MIB = 1 << 20 };

/* An odd MiB whose memory is `misalign` behind an aligned address, there and
 * back; returns how much of it was copied, both ways. */
static uint64_t copied_of_a_mib(uint32_t block_bytes, uint32_t memory_align,
                                uint64_t offset, unsigned misalign)
{
    struct ask *write, *read;
    uint64_t copied_bytes;

    hand_prepare(&hand, block_bytes);
    free(hand.memory);
    hand.engine.info.size_bytes = hand.memory_bytes = 2 * MIB;
    hand.memory = calloc(1, 2 * MIB);
    REQUIRE(hand.memory);
    hand.engine.info.memory_align = memory_align;
    hand.engine.info.max_bytes = MIB / 4;
    hand_start(&hand);
    a = hand_ring(&hand);
    b = hand_ring(&hand);
    write = ask_make(&hand, COHERENCY_WRITE, offset, MIB, misalign);
    read = ask_make(&hand, COHERENCY_READ, offset, MIB, misalign);
    for (unsigned i = 0; i < MIB; i++)
        ((char *)write->request.data)[i] = (char)(i * 2654435761u >> 24);
    ask_send(a, write);
    hand_finish_all(&hand);
    CHECK(memcmp(hand.memory + offset, write->request.data, MIB) == 0);
    copied_bytes = hand_stats(&hand).bytes_copied;
    ask_send(a, read);
    hand_finish_all(&hand);
    CHECK(memcmp(read->request.data, write->request.data, MIB) == 0);
    CHECK_EQ(hand_stats(&hand).bytes_copied, 2 * copied_bytes);
    finish();
    return copied_bytes;
}

static void check_copies_edges_only(void)
{
    largest_allocation = 0;
    /* The edges, to the byte: from the offset to the next block, and back. */
    CHECK_EQ(copied_of_a_mib(512, 512, 1000, 1000 % 512), 512);
    CHECK_EQ(copied_of_a_mib(B, 512, 1000, 1000 % 512), B);
    CHECK_EQ(copied_of_a_mib(B, 1, 5000, 77), B);
    CHECK_EQ(largest_allocation, B);
    CHECK_EQ(copied_of_a_mib(512, 512, 1024, 0), 0);
    /* Memory that is pickier than the disk: the same data, up to an address
     * that is aligned. */
    CHECK_EQ(copied_of_a_mib(512, B, 1000, 1000), B - 512);
    CHECK_EQ(copied_of_a_mib(512, B, 1024, 0), 0);
    CHECK_EQ(copied_of_a_mib(512, B, 1000, B - 24), 512);
    /* And where no block is aligned, all. */
    CHECK_EQ(copied_of_a_mib(512, 512, 1024, 8), MIB);
    CHECK_EQ(copied_of_a_mib(512, B, 1000, 1001), MIB);
}

static void check_whole_blocks_are_not_touched(void)
{
    struct ask *ask;

    blocks_of_4096(1 << 20);
    ask = ask_write(&hand, a, B, 2 * B, 'w');
    CHECK(hand.at_engine[0]->data == ask->request.data);
    ask = ask_read(&hand, a, 4 * B, B);
    CHECK(hand.at_engine[1]->data == ask->request.data);
    CHECK_EQ(hand_stats(&hand).merged, 0);
    finish();
}

static void check_misaligned_data(void)
{
    struct ask *ask;

    blocks_of_4096(1 << 20);
    ask = ask_make(&hand, COHERENCY_WRITE, B, B, 8);
    memset(ask->request.data, 'm', B);
    ask_send(a, ask);
    CHECK(hand.count == 1 && hand.at_engine[0]->op == ENGINE_WRITE);
    hand_finish_all(&hand);
    CHECK(ask_got(ask, 0) && only_this_is_new(B, 2 * B, 'm'));
    CHECK_EQ(hand_stats(&hand).merged, 0);
    ask = ask_send(a, ask_make(&hand, COHERENCY_READ, B, B, 8));
    hand_finish_all(&hand);
    CHECK(ask_got(ask, 0) && ask->memory[7] == 0 && ask->memory[8] == 'm' &&
          ask->memory[8 + B - 1] == 'm' && ask->memory[8 + B] == 0);
    finish();
}

static void check_barrier_merges(void)
{
    struct ask *barrier;

    blocks_of_4096(1 << 20);
    barrier = ask_put(&hand, a, COHERENCY_BARRIER, 512, 512, 'b');
    hand_finish_flush(&hand, 0);
    hand_finish(&hand, ENGINE_READ, 0, 0);
    CHECK_EQ(hand.at_engine[0]->flags, ENGINE_FUA);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    CHECK(ask_got(barrier, 0) && only_this_is_new(512, 1024, 'b'));
    finish();
}

static void check_failing_edge(void)
{
    struct ask *write, *next;

    blocks_of_4096(1 << 20);
    write = ask_write(&hand, a, 512, 512, 'w');
    next = ask_write(&hand, b, 0, 512, 'n');
    hand_finish(&hand, ENGINE_READ, 0, -EIO);
    CHECK(ask_got(write, -EIO));
    hand_finish_all(&hand);
    CHECK(ask_got(next, 0) && only_this_is_new(0, 512, 'n'));
    finish();
}

static void check_parts(void)
{
    struct ask *write, *read;

    blocks_of_4096(2 * B);
    write = ask_write(&hand, a, 0, 5 * B, 'w');
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == 2 * B);
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    hand_finish(&hand, ENGINE_WRITE, 2 * B, 0);
    CHECK(hand.count == 1 && hand.at_engine[0]->length_bytes == B);
    CHECK(ask_is_open(write));
    hand_finish(&hand, ENGINE_WRITE, 4 * B, 0);
    CHECK(ask_got(write, 0) && only_this_is_new(0, 5 * B, 'w'));
    read = ask_read(&hand, a, 0, 6 * B);
    hand_finish_all(&hand);
    CHECK(read->memory[5 * B - 1] == 'w' && read->memory[5 * B] == 'o');
    finish();
}

static void check_first_error_wins(void)
{
    struct ask *write;

    blocks_of_4096(2 * B);
    write = ask_write(&hand, a, 0, 6 * B, 'w');
    hand_finish(&hand, ENGINE_WRITE, 0, 0);
    hand_finish(&hand, ENGINE_WRITE, 2 * B, -ENOSPC);
    CHECK(ask_got(write, -ENOSPC));
    CHECK_EQ(hand.count, 0);
    CHECK_EQ(hand_stats(&hand).bytes_written, 0);
    CHECK_EQ(hand_stats(&hand).errors[COHERENCY_WRITE], 1);
    finish();
}

static void check_no_memory(void)
{
    struct ask *write, *barrier, *other;

    blocks_of_4096(1 << 20);
    failing_allocations = 1;
    write = ask_write(&hand, a, 512, 512, 'w');
    other = ask_write(&hand, b, 512, 512, 'x');
    CHECK(ask_got(write, -ENOMEM));
    hand_finish_all(&hand);
    CHECK(ask_got(other, 0) && only_this_is_new(512, 1024, 'x'));

    failing_allocations = 1;
    barrier = ask_put(&hand, a, COHERENCY_BARRIER, 512, 512, 'b');
    hand_finish_flush(&hand, 0);
    CHECK(ask_is_open(barrier)); /* C8: not before one more flush */
    CHECK(coherency_client_is_write_through(a));
    hand_finish_flush(&hand, 0);
    CHECK(ask_got(barrier, -ENOMEM));
    finish();
}

int main(void)
{
    TEST("C13: every misfit in blocks and parts reads back, and only that "
         "changes",
         check_every_misfit);
    TEST("C13, C15: so does every misfit in bytes and memory", check_bytes);
    TEST("C13: a sub-block write keeps its neighbour's bytes under a "
         "concurrent neighbour write",
         check_neighbours);
    TEST("C13: only blocks that a write covers but half are read",
         check_edges_only);
    TEST("C13: two halves of blocks are read one by one and written at once",
         check_two_halves);
    TEST("an unaligned MiB copies its two edges alone",
         check_copies_edges_only);
    TEST("whole blocks in aligned memory are not copied",
         check_whole_blocks_are_not_touched);
    TEST("data that the engine cannot take is copied", check_misaligned_data);
    TEST("C6, C13: the data of a barrier is merged and durable",
         check_barrier_merges);
    TEST("C13: a write whose block cannot be read fails and frees the block",
         check_failing_edge);
    TEST("C15: a request larger than the engine takes goes in parts",
         check_parts);
    TEST("C15: the first error of a part is the request's, and the last part",
         check_first_error_wins);
    TEST("no memory for a copy fails that request alone", check_no_memory);
    return tap_done();
}
