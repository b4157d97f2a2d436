/* SPDX-License-Identifier: MIT
 * Claim: each NBD command does to the disk what the protocol says, for any
 * byte range, up to 32 MiB and in pieces, on a file and in memory, with
 * structured and with simple replies; and a read-only disk stays as it is.
 * Source: proto.md "Transmission phase"; C2, C7, C9, C13, C14.
 * Mechanism: a real vbdd-disk, a raw client, data stamped by its place. */
#include "tests/unit/nbd-rig.h"

enum { DISK = 64 << 20, LARGE = 32 << 20, FILE_BYTES = 48 << 20,
       PIECE = 512 << 10 };

static uint8_t *data, *shadow;
static struct nbd_client client;

static uint32_t write_at(uint64_t offset, uint32_t length, unsigned seed,
                         uint16_t flags)
{
    nbd_stamp(data, offset, length, seed);
    return nbd_client_do(&client, NBD_WIRE_CMD_WRITE, flags, offset, length,
                         data);
}

static bool is_stamped(uint64_t offset, uint32_t length, unsigned seed)
{
    memset(data, 0xee, length);
    return CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, offset,
                                  length, data), 0) &&
           CHECK_EQ(nbd_differences(data, offset, length, seed), 0);
}

static bool is_zero(uint64_t offset, uint32_t length)
{
    uint32_t wrong = 0;

    memset(data, 0xee, length);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, offset, length,
                           data), 0);
    for (uint32_t i = 0; i < length; i++)
        wrong += data[i] != 0;
    return CHECK_EQ(wrong, 0);
}

/* A client that leaves, a disk that is detached, and nothing left behind. */
static void close_all(void)
{
    struct message_stats stats;

    CHECK(nbd_client_close(&client));
    CHECK(nbd_rig_has_clients(0));
    stats = rig_stats(&rig);
    CHECK_EQ(stats.in_flight, 0);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_writes(void)
{
    CHECK_EQ(write_at(0, 4096, 1, 0), 0);
    CHECK_EQ(write_at(512, 512, 2, 0), 0);
    CHECK_EQ(write_at(8192, 65536, 3, NBD_WIRE_FLAG_FUA), 0);
    CHECK_EQ(nbd_client_flush(&client), 0);
    is_stamped(0, 512, 1);
    is_stamped(512, 512, 2);
    is_stamped(1024, 3072, 1);
    is_stamped(8192, 65536, 3);
    /* any byte */
    CHECK_EQ(write_at(100001, 1, 4, 0), 0);
    CHECK_EQ(write_at(100003, 70000, 5, 0), 0);
    is_stamped(100001, 1, 4);
    is_stamped(100003, 70000, 5);
    /* its last byte, and behind it */
    CHECK_EQ(write_at(client.size_bytes - 1, 1, 6, 0), 0);
    is_stamped(client.size_bytes - 1, 1, 6);
    CHECK_EQ(write_at(client.size_bytes - 1, 2, 6, 0), NBD_WIRE_ENOSPC);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, client.size_bytes,
                           1, data), NBD_WIRE_EINVAL);
}

static void check_zeroes(void)
{
    CHECK_EQ(write_at(1 << 20, 1 << 20, 7, 0), 0);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, 0,
                           (1 << 20) + 4096, 65536, NULL), 0);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES,
                           NBD_WIRE_FLAG_NO_HOLE | NBD_WIRE_FLAG_FUA,
                           (1 << 20) + 200003, 10, NULL), 0);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES,
                           NBD_WIRE_FLAG_FAST_ZERO, (1 << 20) + 409600, 8192,
                           NULL), 0);
    is_stamped(1 << 20, 4096, 7);
    is_zero((1 << 20) + 4096, 65536);
    is_stamped((1 << 20) + 4096 + 65536, 100000, 7);
    is_stamped((1 << 20) + 200000, 3, 7);
    is_zero((1 << 20) + 200003, 10);
    is_stamped((1 << 20) + 200013, 1000, 7);
    is_zero((1 << 20) + 409600, 8192);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_TRIM, NBD_WIRE_FLAG_FUA,
                           (1 << 20) + 524288, 65536, NULL), 0);
    is_stamped((1 << 20) + 524288 - 4096, 4096, 7);
    is_stamped((1 << 20) + 524288 + 65536, 4096, 7);
    /* the whole disk is no long request */
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_CACHE, 0, 0,
                           (uint32_t)client.size_bytes, NULL), 0);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, 0, 0,
                           (uint32_t)client.size_bytes, NULL), 0);
    is_zero(0, LARGE);
}

/* The longest requests, with edges that are no block's. */
static void check_large(void)
{
    uint64_t before = nbd_rig_stats().bytes_written;

    CHECK_EQ(write_at(4096, LARGE, 8, 0), 0);
    is_stamped(4096, LARGE, 8);
    CHECK_EQ(write_at(12345, LARGE - 1, 9, NBD_WIRE_FLAG_FUA), 0);
    is_stamped(12345, LARGE - 1, 9);
    is_stamped(12345 - 300, 300, 8);
    CHECK_EQ(nbd_rig_stats().bytes_written - before, 2 * LARGE - 1);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, 0, LARGE + 1, data),
             NBD_WIRE_EINVAL);
}

/* Random ranges against a copy in the test's memory. */
static void check_random(void)
{
    enum { AREA = 3 << 20 };
    unsigned nr = (unsigned)tap_scaled(3000), wrong = 0;

    srandom((unsigned)tap_seed());
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, 0, 0, AREA,
                           NULL), 0);
    memset(shadow, 0, AREA);
    for (unsigned i = 0; i < nr && wrong == 0; i++) {
        uint32_t most = random() % 16 == 0 ? 2 << 20 : 20000;
        uint32_t length = 1 + (uint32_t)random() % most;
        uint64_t offset = (uint64_t)random() % (AREA - length);

        switch (random() % 4) {
        case 0:
            nbd_stamp(shadow + offset, offset, length, i);
            wrong += write_at(offset, length, i, 0) != 0;
            break;
        case 1:
            memset(shadow + offset, 0, length);
            wrong += nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, 0,
                                   offset, length, NULL) != 0;
            break;
        default:
            wrong += nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, offset,
                                   length, data) != 0 ||
                     memcmp(data, shadow + offset, length) != 0;
        }
        if (wrong)
            NOTE("request %u: %u bytes at %llu", i, length,
                 (unsigned long long)offset);
    }
    CHECK_EQ(wrong, 0);
}

static void check_all_on(const char *engine, bool is_file)
{
    for (unsigned is_structured = 0; is_structured < 2; is_structured++) {
        if (is_file)
            nbd_rig_open_file(engine, DISK);
        else
            nbd_rig_open(engine, NULL);
        nbd_client_open(&client, nbd_path, is_structured);
        CHECK_EQ(client.size_bytes, DISK);
        check_writes();
        check_zeroes();
        check_large();
        check_random();
        close_all();
    }
}

static void check_file(void)
{
    check_all_on("aio", true);
}

static void check_memory(void)
{
    check_all_on("mem:size=64M", false);
    check_all_on("mem:size=64M,block=4096", false);
}

/* --- pieces --------------------------------------------------------------- */

static struct nbd_client_answer read_pieces(uint64_t offset, uint32_t length,
                                            uint16_t flags)
{
    struct nbd_client_answer answer;

    nbd_client_ask(&client, NBD_WIRE_CMD_READ, flags, offset, length);
    answer = nbd_client_answer(&client, offset, data, length);
    if (!answer.error)
        CHECK_EQ(nbd_differences(data, offset, length, 1), 0);
    return answer;
}

static void check_pieces(void)
{
    struct nbd_client_answer answer;

    nbd_rig_open("mem:size=64M", NULL);
    nbd_client_open(&client, nbd_path, true);
    for (uint64_t at = 0; at < DISK; at += LARGE)
        CHECK_EQ(write_at(at, LARGE, 1, 0), 0);
    answer = read_pieces(0, 4 * PIECE, 0);
    CHECK_EQ(answer.data_chunks, 4);
    CHECK_EQ(answer.chunks, 4); /* the last one ends it */
    answer = read_pieces(100, 4 * PIECE, 0);
    CHECK_EQ(answer.data_chunks, 5);
    answer = read_pieces(1, LARGE, 0);
    CHECK_EQ(answer.data_chunks, LARGE / PIECE + 1);
    answer = read_pieces(4095, PIECE, NBD_WIRE_FLAG_DF);
    CHECK_EQ(answer.error, 0);
    CHECK_EQ(answer.chunks, 1);
    answer = read_pieces(0, PIECE + 1, NBD_WIRE_FLAG_DF);
    CHECK_EQ(answer.error, NBD_WIRE_EOVERFLOW);
    CHECK_EQ(answer.chunks, 1);
    close_all();
}

/* The smallest allowance there is: 256 KiB, in pieces of 64 KiB. */
static void check_small_budget(void)
{
    static const char *const arguments[] = { "--byte-budget", "65536", NULL };
    struct nbd_client_answer answer;

    for (unsigned is_structured = 0; is_structured < 2; is_structured++) {
        nbd_rig_open("mem:size=64M", arguments);
        nbd_client_open(&client, nbd_path, is_structured);
        CHECK_EQ(write_at(0, LARGE, 1, 0), 0);
        answer = read_pieces(1000, LARGE - 1000, 0);
        CHECK_EQ(answer.error, 0);
        if (is_structured) {
            CHECK_EQ(answer.data_chunks, LARGE / 65536);
            answer = read_pieces(4095, 65536, NBD_WIRE_FLAG_DF);
            CHECK_EQ(answer.error, 0);
        }
        close_all();
    }
}

/* --- BLOCK_STATUS --------------------------------------------------------- */

struct extent { uint32_t length, state; };

/* Returns how many extents there are. */
static unsigned ask_extents(uint64_t offset, uint32_t length, uint16_t flags,
                            struct extent *extents)
{
    struct nbd_client_reply reply;
    uint32_t context;
    unsigned nr;

    REQUIRE(nbd_client_ask(&client, NBD_WIRE_CMD_BLOCK_STATUS, flags, offset,
                           length) && nbd_client_next(&client, &reply));
    REQUIRE(reply.type == NBD_WIRE_CHUNK_BLOCK_STATUS);
    CHECK(reply.flags & NBD_WIRE_CHUNK_DONE);
    CHECK_EQ(reply.cookie, client.cookie);
    REQUIRE(nbd_client_read(&client, &context, sizeof context));
    CHECK_EQ(be32toh(context), 1);
    nr = (reply.length - 4) / 8;
    REQUIRE(nr > 0 && nr <= 64);
    REQUIRE(nbd_client_read(&client, extents, nr * sizeof *extents));
    for (unsigned i = 0; i < nr; i++) {
        extents[i].length = be32toh(extents[i].length);
        extents[i].state = be32toh(extents[i].state);
    }
    return nr;
}

static void check_extents(void)
{
    enum { HOLE = NBD_WIRE_STATE_HOLE | NBD_WIRE_STATE_ZERO, STEP = 65536 };
    struct extent extents[64];

    nbd_rig_open_file("aio", FILE_BYTES);
    nbd_client_open(&client, nbd_path, true);
    CHECK_EQ(ask_extents(0, FILE_BYTES, 0, extents), 1);
    CHECK_EQ(extents[0].length, FILE_BYTES);
    CHECK_EQ(extents[0].state, HOLE);
    CHECK_EQ(write_at(STEP, STEP, 1, 0), 0);
    CHECK_EQ(write_at(2 * STEP, STEP, 1, 0), 0);
    CHECK_EQ(ask_extents(0, FILE_BYTES, 0, extents), 3);
    CHECK_EQ(extents[0].length, STEP);
    CHECK_EQ(extents[0].state, HOLE);
    CHECK_EQ(extents[1].length, 2 * STEP);
    CHECK_EQ(extents[1].state, 0);
    CHECK_EQ(extents[2].length, FILE_BYTES - 3 * STEP);
    CHECK_EQ(ask_extents(STEP + 5, FILE_BYTES - STEP - 5,
                         NBD_WIRE_FLAG_REQ_ONE, extents), 1);
    CHECK_EQ(extents[0].length, 2 * STEP - 5);
    CHECK_EQ(extents[0].state, 0);
    CHECK_EQ(ask_extents(STEP + 5, 7, 0, extents), 1);
    CHECK_EQ(extents[0].length, 7);
    /* so many that they are not all told at once */
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(write_at((uint64_t)(4 + 2 * i) * STEP, STEP, 1, 0), 0);
    CHECK_EQ(ask_extents(4 * STEP, FILE_BYTES - 4 * STEP, 0, extents), 64);
    close_all();
    /* no structured replies, no BLOCK_STATUS */
    nbd_rig_open("mem:size=1M", NULL);
    nbd_client_open(&client, nbd_path, false);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_BLOCK_STATUS, 0, 0, 4096,
                           NULL), NBD_WIRE_EINVAL);
    close_all();
}

/* --- read-only, and what is not offered ----------------------------------- */

static void check_read_only(void)
{
    static const char *const arguments[] = { "--target", nbd_target,
                                             "--read-only", NULL };

    nbd_rig_make_file(nbd_target, FILE_BYTES);
    nbd_rig_open("aio", arguments);
    for (unsigned is_structured = 0; is_structured < 2; is_structured++) {
        nbd_client_open(&client, nbd_path, is_structured);
        CHECK(client.flags & NBD_WIRE_READ_ONLY);
        CHECK(!(client.flags & (NBD_WIRE_SEND_TRIM |
                                NBD_WIRE_SEND_WRITE_ZEROES)));
        CHECK_EQ(write_at(0, 1 << 20, 1, 0), NBD_WIRE_EPERM);
        CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, 0, 0, 512,
                               NULL), NBD_WIRE_EPERM);
        CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_TRIM, 0, 0, 512, NULL),
                 NBD_WIRE_EPERM);
        CHECK_EQ(nbd_client_flush(&client), 0);
        is_zero(0, 1 << 20);
        CHECK_EQ(nbd_rig_stats().clients[0].is_read_only, 1);
        CHECK(nbd_client_close(&client));
        CHECK(nbd_rig_has_clients(0));
    }
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_flags(void)
{
    enum { ALWAYS = NBD_WIRE_HAS_FLAGS | NBD_WIRE_SEND_FLUSH |
                    NBD_WIRE_SEND_FUA | NBD_WIRE_SEND_CACHE |
                    NBD_WIRE_SEND_WRITE_ZEROES | NBD_WIRE_CAN_MULTI_CONN };

    nbd_rig_open_file("aio", FILE_BYTES);
    nbd_client_open(&client, nbd_path, true);
    CHECK_EQ(client.flags, ALWAYS | NBD_WIRE_SEND_DF | NBD_WIRE_SEND_TRIM |
                               NBD_WIRE_SEND_FAST_ZERO);
    close_all();
    nbd_rig_open("mem:size=1M", NULL);
    nbd_client_open(&client, nbd_path, false);
    CHECK_EQ(client.flags & ALWAYS, ALWAYS);
    CHECK(!(client.flags & (NBD_WIRE_SEND_DF | NBD_WIRE_READ_ONLY)));
    /* nothing of what is unknown is done */
    CHECK_EQ(nbd_client_do(&client, 77, 0, 0, 512, NULL), NBD_WIRE_EINVAL);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_FLUSH, 1 << 14, 0, 0, NULL),
             NBD_WIRE_EINVAL);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, 0, 0, NULL),
             NBD_WIRE_EINVAL);
    CHECK_EQ(nbd_client_flush(&client), 0);
    close_all();
}

int main(void)
{
    data = malloc(LARGE + 4096);
    shadow = malloc(4 << 20);
    REQUIRE(data && shadow);
    nbd_rig_files();
    TEST("all commands, any range, up to 32 MiB, on a file", check_file);
    TEST("the same in memory, with blocks of 512 and of 4096 bytes",
         check_memory);
    TEST("a long read is a chunk a piece, and DF is one", check_pieces);
    TEST("32 MiB go both ways through the smallest allowance",
         check_small_budget);
    TEST("BLOCK_STATUS tells data from holes", check_extents);
    TEST("a read-only disk is not written to", check_read_only);
    TEST("what is offered is what can be done", check_flags);
    nbd_rig_remove_files();
    free(data);
    free(shadow);
    return tap_done();
}
