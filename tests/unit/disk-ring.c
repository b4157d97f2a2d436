/* SPDX-License-Identifier: MIT
 * Claim: the worker moves data for all three ABIs; each response speaks of
 * exactly its request (C15); what a guest gets wrong costs that request, what
 * it lies about costs its ring, and nothing else; every grant, port and page
 * comes back on every way out.
 * Source: blkif.h, C8, C15; XSA-155, 361, 371.
 * Mechanism: a real vbdd-disk process whose supervisor and guest are this
 * test, over the stand-in. */
#include "tests/unit/disk-rig.h"

static const char *const no_arguments[] = { NULL };

static void move_data(enum blkif_abi abi)
{
    struct rig rig;
    struct rig_guest guest;
    struct blkif_wire_request write, read;

    rig_open(&rig, "mem:size=1M", no_arguments);
    rig_guest_open(&rig, &guest, RIG_DOMID, abi);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    for (unsigned pages = 1; pages <= 11; pages += 5) {
        write = rig_request(&guest, BLKIF_OP_WRITE, 8, pages, true);
        rig_stamp(&guest, pages, pages);
        CHECK_EQ(rig_do(&guest, write), BLKIF_RSP_OKAY);
        rig_end_grants(&guest, &write);
        rig_stamp(&guest, pages, 99);
        read = rig_request(&guest, BLKIF_OP_READ, 8, pages, false);
        CHECK_EQ(rig_do(&guest, read), BLKIF_RSP_OKAY);
        rig_end_grants(&guest, &read);
        CHECK_EQ(rig_differences(&guest, pages, pages), 0);
    }
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_abis(void)
{
    move_data(BLKIF_ABI_NATIVE);
    move_data(BLKIF_ABI_X86_32);
    move_data(BLKIF_ABI_X86_64);
}

static void check_exact(void)
{
    struct rig rig;
    struct rig_guest guest;
    struct blkif_wire_request good, bad;

    rig_open(&rig, "mem:size=1M", no_arguments);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    good = rig_request(&guest, BLKIF_OP_WRITE, 0, 4, true);
    rig_stamp(&guest, 4, 1);
    CHECK_EQ(rig_do(&guest, good), BLKIF_RSP_OKAY);

    /* one foreign grant among four: the whole request, and it alone */
    bad = good;
    bad.segments[2].gref = LOCAL_MAX_GRANTS + 7;
    rig_stamp(&guest, 4, 2);
    CHECK_EQ(rig_do(&guest, bad), BLKIF_RSP_ERROR);
    rig_end_grants(&guest, &good);

    /* a read into pages that were granted read-only writes nothing */
    bad = rig_request(&guest, BLKIF_OP_READ, 0, 4, true);
    rig_stamp(&guest, 4, 3);
    CHECK_EQ(rig_do(&guest, bad), BLKIF_RSP_ERROR);
    CHECK_EQ(rig_differences(&guest, 4, 3), 0);
    rig_end_grants(&guest, &bad);

    /* part of a page: not a byte more is written than was asked for */
    good = rig_request(&guest, BLKIF_OP_READ, 0, 1, false);
    good.segments[0].first_sector = 2;
    good.segments[0].last_sector = 4;
    rig_stamp(&guest, 1, 4);
    CHECK_EQ(rig_do(&guest, good), BLKIF_RSP_OKAY);
    char *page = rig_frame(&guest, RIG_DATA_FRAME);
    unsigned wrong = 0;
    for (unsigned i = 0; i < 4096; i++) {
        bool inside = i >= 1024 && i < 2560;
        unsigned j = i - 1024; /* sectors 0..2 of the disk */
        wrong += page[i] != (inside ? (char)(31 + j / 512 + j * 7)
                                    : (char)(4 * 31 + i / 512 + i * 7));
    }
    CHECK_EQ(wrong, 0);
    rig_end_grants(&guest, &good);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_refusals(void)
{
    struct rig rig;
    struct rig_guest guest;
    struct blkif_wire_request r;
    unsigned row = 0;
    static const struct {
        uint8_t operation, nr_segments, first, last;
        uint64_t sector;
        int status;
    } rows[] = {
        { BLKIF_OP_READ, 0, 0, 7, 0, BLKIF_RSP_ERROR },
        { BLKIF_OP_WRITE, 0, 0, 7, 0, BLKIF_RSP_ERROR },
        { BLKIF_OP_READ, 12, 0, 7, 0, BLKIF_RSP_ERROR },
        { BLKIF_OP_WRITE, 255, 0, 7, 0, BLKIF_RSP_ERROR },
        { BLKIF_OP_READ, 1, 5, 4, 0, BLKIF_RSP_ERROR },
        { BLKIF_OP_READ, 1, 0, 8, 0, BLKIF_RSP_ERROR },
        { BLKIF_OP_READ, 1, 0, 255, 0, BLKIF_RSP_ERROR },
        { BLKIF_OP_READ, 1, 0, 7, 2041, BLKIF_RSP_ERROR },
        { BLKIF_OP_WRITE, 1, 0, 7, 2048, BLKIF_RSP_ERROR },
        { BLKIF_OP_READ, 1, 0, 7, UINT64_MAX - 3, BLKIF_RSP_ERROR },
        { BLKIF_OP_RESERVED_1, 1, 0, 7, 0, BLKIF_RSP_EOPNOTSUPP },
        { BLKIF_OP_DISCARD, 0, 0, 7, 0, BLKIF_RSP_EOPNOTSUPP },
        { BLKIF_OP_INDIRECT, 1, 0, 7, 0, BLKIF_RSP_EOPNOTSUPP },
        { 200, 1, 0, 7, 0, BLKIF_RSP_EOPNOTSUPP },
        { BLKIF_OP_FLUSH_DISKCACHE, 0, 0, 7, 0, BLKIF_RSP_OKAY },
        { BLKIF_OP_WRITE_BARRIER, 0, 0, 7, UINT64_MAX, BLKIF_RSP_OKAY },
        { BLKIF_OP_READ, 1, 0, 7, 2040, BLKIF_RSP_OKAY },
    };

    rig_open(&rig, "mem:size=1M", no_arguments);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    r = rig_request(&guest, BLKIF_OP_READ, 0, 1, false);
    for (; row < sizeof rows / sizeof *rows; row++) {
        r.operation = rows[row].operation;
        r.nr_segments = rows[row].nr_segments;
        r.segments[0].first_sector = rows[row].first;
        r.segments[0].last_sector = rows[row].last;
        r.sector = rows[row].sector;
        r.id = row;
        if (!CHECK_EQ(rig_do(&guest, r), rows[row].status))
            NOTE("row %u", row);
    }
    r.nr_segments = 1;
    rig_end_grants(&guest, &r);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_producer_jump(void)
{
    struct rig rig;
    struct rig_guest liar, neighbour;
    struct blkif_wire_request r;
    volatile struct blkif_sring *shared;

    rig_open(&rig, "mem:size=1M", no_arguments);
    rig_guest_open(&rig, &liar, RIG_DOMID, BLKIF_ABI_NATIVE);
    rig_guest_open(&rig, &neighbour, RIG_DOMID + 1, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &liar, RIG_DOMID, 1) == 0);
    REQUIRE(rig_connect(&rig, &neighbour, RIG_DOMID + 1, 2) == 0);
    shared = (volatile void *)rig_frame(&liar, RIG_RING_FRAME);
    shared->req_prod = 1000;
    local_event_notify(liar.local, liar.queues[0].port);
    CHECK(rig_is_told(&rig, MESSAGE_BROKEN));
    CHECK_EQ(rig.told.vbd, 1);
    CHECK(strstr(rig.told.text, "ring") != NULL);
    r = rig_request(&neighbour, BLKIF_OP_WRITE, 0, 1, true);
    CHECK_EQ(rig_do(&neighbour, r), BLKIF_RSP_OKAY);
    rig_end_grants(&neighbour, &r);
    CHECK_EQ(rig_disconnect(&rig, &liar, 1), 0);
    /* and may try again, honestly */
    CHECK_EQ(rig_connect(&rig, &liar, RIG_DOMID, 3), 0);
    r = rig_request(&liar, BLKIF_OP_READ, 0, 1, false);
    CHECK_EQ(rig_do(&liar, r), BLKIF_RSP_OKAY);
    rig_end_grants(&liar, &r);
    CHECK_EQ(rig_disconnect(&rig, &liar, 3), 0);
    CHECK_EQ(rig_disconnect(&rig, &neighbour, 2), 0);
    rig_guest_close(&liar);
    rig_guest_close(&neighbour);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_write_through(void)
{
    static const uint8_t operations[] = { BLKIF_OP_FLUSH_DISKCACHE,
                                          BLKIF_OP_WRITE_BARRIER };
    char path[] = "/tmp/vbdd-engine-log.XXXXXX", engine[128];
    struct blkif_wire_request r;
    struct rig rig;
    struct rig_guest guest;

    for (unsigned i = 0; i < 2; i++) {
        close(mkstemp(path));
        snprintf(engine, sizeof engine, "log:file='%s'/mem:size=1M", path);
        rig_open(&rig, engine, no_arguments);
        rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
        REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
        r = rig_request(&guest, BLKIF_OP_WRITE, 0, 1, true);
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
        CHECK_EQ(rig_occurrences(path, " FUA "), 0);
        CHECK_EQ(rig_occurrences(path, " FLUSH "), 0);
        /* a FLUSH or BARRIER that fails: a bad grant */
        r.operation = operations[i];
        r.segments[0].gref++;
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
        r.segments[0].gref--;
        /* what had been acknowledged was made durable before the answer */
        CHECK(rig_occurrences(path, " FLUSH ") > 0);
        r.operation = BLKIF_OP_WRITE;
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
        CHECK(rig_occurrences(path, " FUA ") > 0);
        rig_end_grants(&guest, &r);
        /* until the front end reconnects */
        CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
        unsigned before = rig_occurrences(path, " FUA ");
        CHECK_EQ(rig_connect(&rig, &guest, RIG_DOMID, 2), 0);
        r = rig_request(&guest, BLKIF_OP_WRITE, 0, 1, true);
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
        CHECK_EQ(rig_occurrences(path, " FUA "), before);
        rig_end_grants(&guest, &r);
        CHECK_EQ(rig_disconnect(&rig, &guest, 2), 0);
        rig_guest_close(&guest);
        CHECK_EQ(rig_detach(&rig), 0);
        unlink(path);
        strcpy(path, "/tmp/vbdd-engine-log.XXXXXX");
    }
}

static void check_disconnect_in_flight(void)
{
    struct blkif_wire_request r;
    struct rig rig;
    struct rig_guest guest;

    rig_open(&rig, "delay:write=300ms/mem:size=1M", no_arguments);
    for (uint32_t number = 1; number <= 3; number++) {
        rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
        REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, number) == 0);
        r = rig_request(&guest, BLKIF_OP_WRITE, 0, 8, true);
        for (unsigned i = 0; i < 32; i++) {
            r.id = i; /* the same block: one runs, the others wait */
            front_ring_put(&guest.queues[0].ring, &r);
        }
        rig_push(&guest);
        for (unsigned i = 0; i < 100 && rig_stats(&rig).in_flight < 32; i++)
            usleep(10000);
        CHECK_EQ(rig_stats(&rig).in_flight, 32);
        if (number == 2) { /* the guest dies instead */
            rig_guest_close(&guest);
            CHECK_EQ(rig_ask(&rig, (struct message){
                .type = MESSAGE_DISCONNECT, .vbd = number }).error, 0);
        } else {
            CHECK_EQ(rig_disconnect(&rig, &guest, number), 0);
            rig_end_grants(&guest, &r);
            rig_guest_close(&guest);
        }
        CHECK_EQ(rig_stats(&rig).in_flight, 0);
        CHECK_EQ(rig_stats(&rig).vbds, 0);
        CHECK_EQ(rig_stats(&rig).bytes_in_flight, 0);
    }
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_budget(void)
{
    static const char *const arguments[] = { "--byte-budget", "65536", NULL };
    struct blkif_wire_response responses[32];
    struct blkif_wire_request r;
    struct rig rig;
    struct rig_guest guest;
    uint64_t most = 0;

    rig_open(&rig, "delay:read=20ms/mem:size=1M", arguments);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    r = rig_request(&guest, BLKIF_OP_READ, 0, 11, false);
    for (unsigned i = 0; i < 32; i++) {
        r.id = i;
        front_ring_put(&guest.queues[0].ring, &r);
    }
    rig_push(&guest);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t now = rig_stats(&rig).bytes_in_flight;
        most = now > most ? now : most;
        usleep(5000);
    }
    CHECK_EQ(rig_wait(&guest, responses, 32, 10), 32);
    for (unsigned i = 0; i < 32; i++)
        CHECK_EQ(responses[i].status, BLKIF_RSP_OKAY);
    NOTE("most bytes in flight: %llu of 65536", (unsigned long long)most);
    CHECK(most > 0 && most <= 65536);
    /* it sleeps until an answer makes room, and does not spin */
    NOTE("system calls for 32 reads: %llu",
         (unsigned long long)rig_stats(&rig).system_calls);
    CHECK(rig_stats(&rig).system_calls < 2000);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_end_grants(&guest, &r);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_turns(void)
{
    static const char *const arguments[] = { "--byte-budget", "45056", NULL };
    static struct blkif_wire_response responses[32];
    struct blkif_wire_request many, one;
    struct rig rig;
    struct rig_guest greedy, modest;
    int before;

    rig_open(&rig, "delay:read=10ms/mem:size=1M", arguments);
    rig_guest_open(&rig, &greedy, RIG_DOMID, BLKIF_ABI_NATIVE);
    rig_guest_open(&rig, &modest, RIG_DOMID + 1, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &modest, RIG_DOMID + 1, 2) == 0);
    REQUIRE(rig_connect(&rig, &greedy, RIG_DOMID, 1) == 0);
    many = rig_request(&greedy, BLKIF_OP_READ, 0, 11, false);
    one = rig_request(&modest, BLKIF_OP_READ, 0, 11, false);
    for (unsigned i = 0; i < 32; i++)
        front_ring_put(&greedy.queues[0].ring, &many);
    rig_push(&greedy);
    CHECK_EQ(rig_do(&modest, one), BLKIF_RSP_OKAY);
    before = front_ring_take(&greedy.queues[0].ring, responses, 32);
    NOTE("the greedy guest had %d of 32 answers before the other's", before);
    CHECK(before >= 0 && before <= 8);
    CHECK_EQ(rig_wait(&greedy, responses, 32 - (unsigned)before, 10),
             32 - before);
    rig_end_grants(&greedy, &many);
    rig_end_grants(&modest, &one);
    CHECK_EQ(rig_disconnect(&rig, &greedy, 1), 0);
    CHECK_EQ(rig_disconnect(&rig, &modest, 2), 0);
    rig_guest_close(&greedy);
    rig_guest_close(&modest);
    CHECK_EQ(rig_detach(&rig), 0);
}

static void check_discard(void)
{
    struct rig rig;
    struct rig_guest guest;
    struct blkif_wire_request write, read, discard = {
        .operation = BLKIF_OP_DISCARD, .sector = 8, .nr_sectors = 16 };

    rig_open(&rig, "mem:size=1M", no_arguments);
    rig.wish.has_discard = true;
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_X86_32);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    write = rig_request(&guest, BLKIF_OP_WRITE, 0, 4, true);
    rig_stamp(&guest, 4, 5);
    CHECK_EQ(rig_do(&guest, write), BLKIF_RSP_OKAY);
    rig_end_grants(&guest, &write);
    CHECK_EQ(rig_do(&guest, discard), BLKIF_RSP_OKAY);
    read = rig_request(&guest, BLKIF_OP_READ, 0, 4, false);
    CHECK_EQ(rig_do(&guest, read), BLKIF_RSP_OKAY);
    rig_end_grants(&guest, &read);
    /* its neighbours stay; what it covered may be anything (C10) */
    CHECK_EQ(rig_differences(&guest, 1, 5), 0);
    rig_stamp(&guest, 3, 5);
    CHECK_EQ(rig_differences(&guest, 4, 5), 0);
    discard.nr_sectors = UINT64_MAX - 4;
    CHECK_EQ(rig_do(&guest, discard), BLKIF_RSP_ERROR);
    discard.nr_sectors = 0;
    CHECK_EQ(rig_do(&guest, discard), BLKIF_RSP_ERROR);
    CHECK_EQ(rig_stats(&rig).bytes_written, 4 * 4096);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* Linux takes EOPNOTSUPP for a FLUSH or BARRIER as a success (C8), and no
 * answer at all as a disk that hangs. */
static void check_engine_refusals(void)
{
    static const char *const engines[] = { "error:write=EOPNOTSUPP/mem:size=1M",
                                           "error:write=ECANCELED/mem:size=1M" };
    static const uint8_t operations[] = { BLKIF_OP_WRITE,
                                          BLKIF_OP_WRITE_BARRIER,
                                          BLKIF_OP_FLUSH_DISKCACHE };
    struct blkif_wire_request r;
    struct rig rig;
    struct rig_guest guest;

    for (unsigned i = 0; i < 2; i++) {
        rig_open(&rig, engines[i], no_arguments);
        rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
        REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
        r = rig_request(&guest, BLKIF_OP_WRITE, 0, 1, true);
        for (unsigned n = 0; n < 3; n++) {
            r.operation = operations[n];
            CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
        }
        rig_end_grants(&guest, &r);
        CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
        rig_guest_close(&guest);
        CHECK_EQ(rig_detach(&rig), 0);
    }
}

/* Until a new supervisor can take a worker over, one without supervisor gives
 * its rings back, flushes and ends, so that the target is free (C12). */
static void check_orphan(void)
{
    struct blkif_wire_request r;
    struct rig rig;
    struct rig_guest guest;
    int status = -1;

    rig_open(&rig, "delay:write=200ms/mem:size=1M", no_arguments);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    r = rig_request(&guest, BLKIF_OP_WRITE, 0, 1, true);
    front_ring_put(&guest.queues[0].ring, &r);
    rig_push(&guest);
    close(rig.control);
    CHECK_EQ(waitpid(rig.worker, &status, 0), rig.worker);
    CHECK_EQ(status, 0);
    CHECK_EQ(local_grant_end(guest.local, guest.queues[0].grefs[0]), 0);
    rig_end_grants(&guest, &r);
    rig_guest_close(&guest);
    CHECK_EQ(local_server_stop(&rig.server), 0);
}

static void check_bad_connect(void)
{
    struct message connect = { .type = MESSAGE_CONNECT, .vbd = 1,
        .connect = { .domid = RIG_DOMID, .nr_queues = 1,
                     .queues = { { 1, 1, { 8 } } } } };
    struct rig rig;
    struct rig_guest guest;

    rig_open(&rig, "mem:size=1M", no_arguments);
    CHECK(rig_ask(&rig, connect).error != 0); /* no such domain */
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    CHECK(rig_ask(&rig, connect).error != 0); /* nothing granted */
    connect.connect.queues[0].grefs[0] =
        (uint32_t)local_grant_access(guest.local, 0, RIG_RING_FRAME, false);
    CHECK(rig_ask(&rig, connect).error != 0); /* no such port */
    CHECK_EQ(local_grant_end(guest.local, connect.connect.queues[0].grefs[0]),
             0); /* given back on the way out */
    connect.connect.nr_queues = 0;
    CHECK_EQ(rig_ask(&rig, connect).error, -EINVAL);
    connect.connect.nr_queues = 5;
    CHECK_EQ(rig_ask(&rig, connect).error, -EINVAL);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = 77 }).error, -EINVAL);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_DISCONNECT,
                                             .vbd = 9 }).error, 0);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_DETACH }).error,
             -EBUSY);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

int main(void)
{
    TEST("data moves for the native, the 32-bit and the 64-bit ABI",
         check_abis);
    TEST("a response speaks of exactly its request", check_exact);
    TEST("each illegal request gets its documented status", check_refusals);
    TEST("a lying producer index costs that ring and no other",
         check_producer_jump);
    TEST("after a failed FLUSH or BARRIER a vbd is served write-through",
         check_write_through);
    TEST("disconnect and death with 32 requests in flight give all back",
         check_disconnect_in_flight);
    TEST("a worker without supervisor gives all back and ends", check_orphan);
    TEST("no more bytes are in flight than the budget allows", check_budget);
    TEST("at the byte budget's limit each vbd has its turn", check_turns);
    TEST("DISCARD is served where it was advertised, exactly",
         check_discard);
    TEST("what an engine does not know is an error to the guest, not "
         "EOPNOTSUPP", check_engine_refusals);
    TEST("a connect that cannot be is refused and leaves nothing behind",
         check_bad_connect);
    return tap_done();
}
