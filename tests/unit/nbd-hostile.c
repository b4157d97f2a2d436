/* SPDX-License-Identifier: MIT
 * Claim: an NBD client that stops reading, stops in the middle of a write,
 * floods, talks nonsense or goes away harms nobody: what it had sent runs,
 * nothing else is touched, it holds no more than its allowance, and a ring and
 * another client beside it are served as if it were not there.
 * Source: nbd.h (memory); proto.md "Termination"; C2, C3.
 * Mechanism: a real vbdd-disk; the test plays all of them and counts. */
#include <pthread.h>

#include "tests/unit/nbd-rig.h"
#include "tests/unit/process.h"

enum {
    MIB = 1 << 20,
    PIECE = 512 << 10,
    ALLOWANCE_KIB = 2048,
    ARENA_KIB = 2048, /* buffers come in these, huge pages perhaps */
    NEIGHBOURLY = 200,
};

static uint8_t data[5 * MIB];
static struct nbd_client hostile, client;
static struct rig_guest guest;

static void open_neighbours(const char *engine)
{
    nbd_rig_open(engine, NULL);
    nbd_client_open(&client, nbd_path, true);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
}

static void close_neighbours(void)
{
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK(nbd_client_close(&client));
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK_EQ(rig_detach(&rig), 0);
}

static bool ring_works(unsigned seed)
{
    struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_WRITE, 0, 2,
                                              false);
    bool works;

    rig_stamp(&guest, 2, seed);
    works = rig_do(&guest, r) == BLKIF_RSP_OKAY;
    memset(rig_frame(&guest, RIG_DATA_FRAME), 0, 8192);
    r.operation = BLKIF_OP_READ;
    works = works && rig_do(&guest, r) == BLKIF_RSP_OKAY &&
            rig_differences(&guest, 2, seed) == 0;
    rig_end_grants(&guest, &r);
    return works;
}

static bool client_works(unsigned seed)
{
    static uint8_t buffer[20000];

    nbd_stamp(buffer, 77777, sizeof buffer, seed);
    if (nbd_client_do(&client, NBD_WIRE_CMD_WRITE, 0, 77777, sizeof buffer,
                      buffer))
        return false;
    memset(buffer, 0, sizeof buffer);
    return nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, 77777, sizeof buffer,
                         buffer) == 0 &&
           nbd_differences(buffer, 77777, sizeof buffer, seed) == 0 &&
           nbd_client_flush(&client) == 0;
}

/* Both go through all of that. */
static void check_neighbours(void)
{
    unsigned right = 0, nr = (unsigned)tap_scaled(NEIGHBOURLY);

    for (unsigned i = 0; i < nr && right == i; i++)
        right += ring_works(i) && client_works(i);
    CHECK_EQ(right, nr);
}

/* --- clients that stop ---------------------------------------------------- */

/* As much as the socket takes. */
static unsigned send_reads(struct nbd_client *c, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        nbd_client_ask(c, NBD_WIRE_CMD_READ, 0, 0, MIB);
    return nr;
}

/* What the worker does between two questions is the second question, and
 * perhaps to look after its buffers. */
static void check_quiet(void)
{
    struct message_stats before = rig_stats(&rig), after;

    usleep(500000);
    after = rig_stats(&rig);
    CHECK(after.wakeups - before.wakeups <= 2);
}

static void check_stalled_reader(void)
{
    enum { READS = 200 };
    struct nbd_client_reply reply;
    struct nbd_client_answer answer = { 0 };
    unsigned ended = 0;
    long growth;

    open_neighbours("mem:size=16M");
    nbd_stamp(data, 0, MIB, 1);
    check_neighbours();
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE, 0, 4 * MIB, MIB, data),
             0);
    growth = process_rss_kib(rig.worker);
    nbd_client_open(&hostile, nbd_path, true);
    send_reads(&hostile, READS);
    check_neighbours();
    growth = process_rss_kib(rig.worker) - growth;
    NOTE("RSS of the worker grew by %ld KiB", growth);
    if (!process_is_instrumented())
        CHECK(growth < ALLOWANCE_KIB + ARENA_KIB);
    check_quiet();
    CHECK(nbd_rig_stats().clients[1].in_flight <= 64);
    /* it was asleep, not dead */
    while (ended < READS && nbd_client_next(&hostile, &reply))
        ended += !nbd_client_take(&hostile, &reply, 0, data, MIB, &answer);
    CHECK_EQ(ended, READS);
    CHECK_EQ(answer.error, 0);
    CHECK(nbd_client_close(&hostile));
    close_neighbours();
}

/* One that stops reading and never begins again. */
static void check_dead_reader(void)
{
    open_neighbours("mem:size=16M");
    for (unsigned is_structured = 0; is_structured < 2; is_structured++) {
        nbd_client_open(&hostile, nbd_path, is_structured);
        send_reads(&hostile, 200);
        check_neighbours();
        nbd_client_drop(&hostile);
        CHECK(nbd_rig_has_clients(1));
    }
    CHECK_EQ(nbd_rig_stats().lost, 2);
    close_neighbours();
}

/* The disk of the length from the offset on is as the seed has it. */
static bool is_stamped(uint64_t offset, uint32_t length, unsigned seed)
{
    return nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, offset, length,
                         data) == 0 &&
           nbd_differences(data, offset, length, seed) == 0;
}

static void check_stalled_writer(void)
{
    enum { AT = 4 * MIB, SENT = PIECE + 100000 };

    open_neighbours("mem:size=16M");
    nbd_stamp(data, AT, 2 * MIB, 1);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE, 0, AT, 2 * MIB, data),
             0);
    nbd_client_open(&hostile, nbd_path, true);
    nbd_stamp(data, AT, 2 * MIB, 2);
    nbd_client_ask(&hostile, NBD_WIRE_CMD_WRITE, 0, AT, 2 * MIB);
    CHECK(nbd_client_write(&hostile, data, SENT));
    check_neighbours();
    /* what has not arrived holds nobody up there either */
    CHECK(is_stamped(AT + PIECE, MIB, 1));
    nbd_client_drop(&hostile);
    CHECK(nbd_rig_has_clients(1));
    CHECK(is_stamped(AT, PIECE, 2));
    CHECK(is_stamped(AT + PIECE, 2 * MIB - PIECE, 1));
    CHECK_EQ(nbd_rig_stats().lost, 1);
    close_neighbours();
}

/* Cut off after any number of bytes. */
static void check_cut(void)
{
    enum { NR = 60, AT = 8 * MIB };
    unsigned whole = 0;

    open_neighbours("delay:write=1ms/mem:size=16M");
    srandom((unsigned)tap_seed());
    for (unsigned i = 0; i < NR; i++) {
        uint32_t length = 1 + (uint32_t)random() % (2 * MIB);

        nbd_client_open(&hostile, nbd_path, i % 2);
        nbd_stamp(data, AT, length, i);
        nbd_client_ask(&hostile, NBD_WIRE_CMD_WRITE, 0, AT, length);
        nbd_client_write(&hostile, data, (uint32_t)random() % (length + 1));
        nbd_client_drop(&hostile);
        CHECK(ring_works(i) && client_works(i));
        whole += nbd_rig_has_clients(1);
    }
    CHECK_EQ(whole, NR);
    CHECK_EQ(nbd_rig_stats().lost, NR);
    close_neighbours();
}

/* --- floods --------------------------------------------------------------- */

static bool flood_goes_on;

/* Nonsense, and answers that need no disk. */
static void *flood(void *context)
{
    static const uint16_t types[] = { 77, NBD_WIRE_CMD_CACHE,
                                      NBD_WIRE_CMD_WRITE, NBD_WIRE_CMD_READ };
    static uint8_t payload[600];
    struct nbd_client *c = context;

    for (unsigned i = 0; __atomic_load_n(&flood_goes_on, __ATOMIC_RELAXED);
         i++) {
        uint16_t type = types[i % 4];

        /* the WRITE is refused: it is far behind the end */
        if (!nbd_client_ask(c, type, 0, type == NBD_WIRE_CMD_WRITE ? 1ull << 40
                                                                   : 0, 600) ||
            (type == NBD_WIRE_CMD_WRITE &&
             !nbd_client_write(c, payload, sizeof payload)))
            break;
    }
    return NULL;
}

static void *drain(void *context)
{
    struct nbd_client *c = context;
    struct nbd_client_reply reply;
    struct nbd_client_answer answer;
    static uint8_t buffer[600];

    while (nbd_client_next(c, &reply))
        nbd_client_take(c, &reply, 0, buffer, sizeof buffer, &answer);
    return NULL;
}

static void check_flood(void)
{
    pthread_t threads[2];
    struct message_nbd_stats stats;

    open_neighbours("mem:size=16M");
    nbd_client_open(&hostile, nbd_path, true);
    flood_goes_on = true;
    REQUIRE(pthread_create(&threads[0], NULL, flood, &hostile) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, drain, &hostile) == 0);
    check_neighbours();
    stats = nbd_rig_stats();
    NOTE("%llu requests of the flood meanwhile",
         (unsigned long long)stats.clients[1].requests);
    CHECK(stats.clients[1].in_flight <= 64);
    CHECK(stats.errors[NBD_WIRE_CMD_WRITE] > 0);
    __atomic_store_n(&flood_goes_on, false, __ATOMIC_RELAXED);
    shutdown(hostile.fd, SHUT_RDWR);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    nbd_client_drop(&hostile);
    CHECK(nbd_rig_has_clients(1));
    close_neighbours();
}

/* All of it is there when the worker goes on; it takes one message of the
 * supervisor's before a round and the next one after it. */
static void check_questions(void)
{
    enum { QUESTIONS = 64, ROUNDS = 4 /* before sockets are looked at */ };
    struct message ask = { .type = MESSAGE_NBD_STATS }, reply;
    uint32_t tags[2];

    nbd_rig_open("mem:size=16M", NULL);
    nbd_client_open(&hostile, nbd_path, true);
    CHECK(nbd_rig_has_clients(1));
    rig_stop_worker(&rig);
    for (unsigned i = 0; i < QUESTIONS; i++)
        nbd_client_ask(&hostile, NBD_WIRE_CMD_BLOCK_STATUS, 0, 0, 16 * MIB);
    for (unsigned i = 0; i < 2; i++)
        tags[i] = rig_send(&rig, ask);
    kill(rig.worker, SIGCONT);
    rig_reply(&rig, tags[0]);
    reply = rig_reply(&rig, tags[1]);
    NOTE("%llu of %d questions taken in the rounds between",
         (unsigned long long)
             reply.nbd_stats.requests[NBD_WIRE_CMD_BLOCK_STATUS], QUESTIONS);
    CHECK(reply.nbd_stats.requests[NBD_WIRE_CMD_BLOCK_STATUS] <= ROUNDS + 1);
    while (nbd_rig_stats().requests[NBD_WIRE_CMD_BLOCK_STATUS] < QUESTIONS)
        usleep(1000); /* and nobody has to remind it */
    nbd_client_drop(&hostile);
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_detach(&rig), 0);
}

/* One byte at a time. */
static void check_dribble(void)
{
    struct nbd_wire_request request = {
        .magic = htobe32(NBD_WIRE_REQUEST_MAGIC),
        .type = htobe16(NBD_WIRE_CMD_WRITE), .cookie = htobe64(1),
        .offset = htobe64(1000), .length = htobe32(600),
    };
    const uint32_t flags = htobe32(NBD_WIRE_FIXED_NEWSTYLE);
    const char *bytes = (const char *)&request;
    uint8_t greeting[18];

    open_neighbours("mem:size=16M");
    nbd_client_connect(&hostile, nbd_path);
    CHECK(nbd_client_read(&hostile, greeting, sizeof greeting));
    for (unsigned i = 0; i < sizeof flags; i++)
        CHECK(nbd_client_write(&hostile, (const char *)&flags + i, 1));
    CHECK_EQ(nbd_client_go(&hostile), NBD_WIRE_REP_ACK);
    for (unsigned i = 0; i < sizeof request; i++)
        CHECK(nbd_client_write(&hostile, bytes + i, 1));
    nbd_stamp(data, 1000, 600, 3);
    for (unsigned i = 0; i < 600; i++)
        CHECK(nbd_client_write(&hostile, data + i, 1));
    hostile.cookie = 1;
    CHECK_EQ(nbd_client_answer(&hostile, 0, NULL, 0).error, 0);
    CHECK(is_stamped(1000, 600, 3));
    CHECK(nbd_client_close(&hostile));
    close_neighbours();
}

/* --- nonsense ------------------------------------------------------------- */

static void send_bytes(const void *bytes, size_t nr_bytes)
{
    nbd_client_write(&hostile, bytes, nr_bytes);
    CHECK(nbd_client_is_hung_up_on(&hostile));
    nbd_client_drop(&hostile);
}

static void check_nonsense(void)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

    open_neighbours("mem:size=16M");
    nbd_client_connect(&hostile, nbd_path);
    CHECK(nbd_client_greet(&hostile));
    send_bytes(get, sizeof get);
    nbd_client_open(&hostile, nbd_path, true);
    send_bytes(get, sizeof get);
    nbd_client_open(&hostile, nbd_path, true);
    nbd_client_ask(&hostile, NBD_WIRE_CMD_WRITE, 0, 0, (32 << 20) + 1);
    CHECK(nbd_client_is_hung_up_on(&hostile));
    nbd_client_drop(&hostile);
    /* a reply is no request; what was asked before it is answered */
    nbd_client_open(&hostile, nbd_path, true);
    nbd_client_ask(&hostile, NBD_WIRE_CMD_FLUSH, 0, 0, 0);
    nbd_client_write(&hostile, data, sizeof(struct nbd_wire_request));
    CHECK_EQ(nbd_client_answer(&hostile, 0, NULL, 0).error, 0);
    CHECK(nbd_client_is_hung_up_on(&hostile));
    nbd_client_drop(&hostile);
    CHECK(nbd_rig_has_clients(1));
    CHECK_EQ(nbd_rig_stats().lost, 3);
    check_neighbours();
    close_neighbours();
}

/* --- how many there are --------------------------------------------------- */

static void check_too_many(void)
{
    struct nbd_client clients[15], one_more;

    open_neighbours("mem:size=16M");
    for (unsigned i = 0; i < 15; i++) /* half of them say nothing */
        if (i % 2)
            nbd_client_connect(&clients[i], nbd_path);
        else
            nbd_client_open(&clients[i], nbd_path, true);
    for (unsigned i = 0; i < 50; i++) {
        nbd_client_connect(&one_more, nbd_path);
        CHECK(nbd_client_is_hung_up_on(&one_more));
        nbd_client_drop(&one_more);
    }
    CHECK_EQ(nbd_rig_stats().nr_clients, 16);
    CHECK_EQ(nbd_rig_stats().accepted, 16);
    check_neighbours();
    nbd_client_drop(&clients[1]);
    CHECK(nbd_rig_has_clients(15));
    nbd_client_open(&one_more, nbd_path, true);
    CHECK(nbd_client_close(&one_more));
    for (unsigned i = 0; i < 15; i++)
        if (i != 1)
            nbd_client_drop(&clients[i]);
    CHECK(nbd_rig_has_clients(1));
    close_neighbours();
}

static void check_idle(void)
{
    struct nbd_client clients[4];

    nbd_rig_open("mem:size=16M", NULL);
    for (unsigned i = 0; i < 4; i++)
        if (i == 0)
            nbd_client_connect(&clients[i], nbd_path);
        else
            nbd_client_open(&clients[i], nbd_path, true);
    check_quiet();
    for (unsigned i = 0; i < 4; i++)
        nbd_client_drop(&clients[i]);
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_detach(&rig), 0);
}

int main(void)
{
    nbd_rig_files();
    TEST("a client that stops reading holds its allowance and nobody up",
         check_stalled_reader);
    TEST("one that stops reading and dies leaves nothing behind",
         check_dead_reader);
    TEST("one that stops in a write holds nobody up, and what came is written",
         check_stalled_writer);
    TEST("writes that are cut off anywhere harm nobody", check_cut);
    TEST("a flood leaves its neighbours their part", check_flood);
    TEST("who asks where data is has one answer a round", check_questions);
    TEST("requests may come a byte at a time", check_dribble);
    TEST("who talks nonsense is hung up on", check_nonsense);
    TEST("the seventeenth is hung up on, and may come again", check_too_many);
    TEST("clients that do nothing cost nothing", check_idle);
    nbd_rig_remove_files();
    return tap_done();
}
