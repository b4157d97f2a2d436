/* SPDX-License-Identifier: MIT
 * Claim: a flush that fails is never answered in a way that a guest takes for
 * success, on any ring of the disk: no empty FLUSH or BARRIER gets anything
 * but OK. While it is retried the others wait; in fail-stop READ, WRITE and
 * DISCARD get ERROR, FLUSH and BARRIER nothing, the supervisor is told once,
 * and a disconnect gives back what is held.
 * Source: C8.
 * Mechanism: a real vbdd-disk on a real file with two vbds of two guests; the
 * error engine fails flushes while a file exists, and says whether a retry has
 * a meaning (as on a block device) or not (as on a file). */
#include "tests/unit/disk-rig.h"

enum { SIDES = 2, REQUESTS = 9 };

static char target[128], failing[128], journal[128];

struct side {
    struct rig_guest guest;
    struct blkif_wire_request sent[64];
    int status[64]; /* by id; 99: not answered */
    unsigned nr_sent;
};

static struct rig rig;
static struct side sides[SIDES];
static uint64_t put; /* on all rings */

static void make_file(const char *path, off_t bytes)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && ftruncate(fd, bytes) == 0);
    close(fd);
}

static void connect_side(unsigned i, uint32_t number)
{
    struct rig_guest guest = sides[i].guest;

    sides[i] = (struct side){ .guest = guest };
    REQUIRE(rig_connect(&rig, &sides[i].guest, RIG_DOMID + i, number) == 0);
}

static void open_sides(const char *engine, const char *option,
                       const char *value)
{
    const char *const arguments[] = { "--target", target, option, value,
                                      NULL };

    make_file(target, 1 << 20);
    unlink(failing);
    put = 0;
    rig_open(&rig, engine, arguments);
    rig.wish.has_discard = true;
    for (unsigned i = 0; i < SIDES; i++) {
        rig_guest_open(&rig, &sides[i].guest, RIG_DOMID + i,
                       i ? BLKIF_ABI_X86_32 : BLKIF_ABI_NATIVE);
        connect_side(i, 1 + i);
    }
}

/* Puts a request on the ring; its id. Its page is stamped if it has one. */
static unsigned ask_for(struct side *side, uint8_t operation, uint64_t sector,
                        unsigned pages)
{
    unsigned id = side->nr_sent++, frame = RIG_DATA_FRAME + id;
    bool is_read = operation == BLKIF_OP_READ;

    side->sent[id] = rig_request_at(&side->guest, operation, sector, frame,
                                    pages, !is_read);
    side->sent[id].id = id;
    side->sent[id].nr_sectors = 8; /* of a DISCARD */
    if (pages)
        memset(rig_frame(&side->guest, frame), is_read ? 0xa5 : 'A' + (int)id,
               LOCAL_PAGE_BYTES);
    side->status[id] = 99;
    front_ring_put(&side->guest.queues[0].ring, &side->sent[id]);
    put++;
    return id;
}

/* Takes what has been answered until now. */
static void collect(struct side *side)
{
    struct blkif_wire_response responses[32];
    int nr = front_ring_take(&side->guest.queues[0].ring, responses, 32);

    CHECK(nr >= 0);
    for (int i = 0; i < nr; i++) {
        if (!CHECK(responses[i].id < side->nr_sent) ||
            !CHECK_EQ(side->status[responses[i].id], 99))
            continue;
        CHECK_EQ(responses[i].operation, side->sent[responses[i].id].operation);
        side->status[responses[i].id] = responses[i].status;
    }
}

/* Waits until all is answered but so many requests. */
static void settle(unsigned unanswered)
{
    for (unsigned i = 0; i < SIDES; i++)
        rig_push(&sides[i].guest);
    CHECK(rig_is_settled(&rig, put, unanswered));
    for (unsigned i = 0; i < SIDES; i++)
        collect(&sides[i]);
}

enum { OK = BLKIF_RSP_OKAY, ERROR = BLKIF_RSP_ERROR, NONE = 99,
       EITHER = 98 /* OK or ERROR: the disk stopped before or after it */ };

static void expect(const int *wanted, unsigned nr)
{
    for (unsigned i = 0; i < SIDES; i++)
        for (unsigned id = 0; id < nr; id++) {
            int status = sides[i].status[id];

            if (!CHECK(wanted[id] == EITHER ? status == OK || status == ERROR
                                            : status == wanted[id]))
                NOTE("side %u, request %u: status %d", i, id, status);
        }
}

/* All kinds on both rings, each side in sectors of its own. */
static void send_mixture(void)
{
    for (unsigned i = 0; i < SIDES; i++) {
        uint64_t base = i * 1024;

        ask_for(&sides[i], BLKIF_OP_WRITE, base, 1);
        ask_for(&sides[i], BLKIF_OP_READ, base, 1);
        ask_for(&sides[i], BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
        ask_for(&sides[i], BLKIF_OP_FLUSH_DISKCACHE, base + 8, 1);
        ask_for(&sides[i], BLKIF_OP_READ, base, 1);
        ask_for(&sides[i], BLKIF_OP_WRITE_BARRIER, 0, 0);
        ask_for(&sides[i], BLKIF_OP_WRITE, base + 16, 1);
        ask_for(&sides[i], BLKIF_OP_WRITE_BARRIER, base + 24, 1);
        ask_for(&sides[i], BLKIF_OP_READ, base + 32, 1);
    }
}

/* Nothing that is held is answered later, and all pages come back. */
static void disconnect_side(unsigned i, uint32_t number)
{
    struct side *side = &sides[i];
    struct blkif_wire_response response;

    CHECK_EQ(rig_disconnect(&rig, &side->guest, number), 0);
    CHECK_EQ(front_ring_take(&side->guest.queues[0].ring, &response, 1), 0);
    for (unsigned id = 0; id < side->nr_sent; id++)
        if (side->sent[id].operation != BLKIF_OP_DISCARD)
            rig_end_grants(&side->guest, &side->sent[id]);
}

static void check_nothing_held(void)
{
    struct message_stats stats = rig_stats(&rig);

    CHECK_EQ(stats.in_flight, 0);
    CHECK_EQ(stats.bytes_in_flight, 0);
    CHECK_EQ(stats.vbds, 0);
}

/* error: of the detach. */
static void close_sides(uint32_t number, int error)
{
    struct message reply;

    for (unsigned i = 0; i < SIDES; i++)
        disconnect_side(i, number + i);
    check_nothing_held();
    for (unsigned i = 0; i < SIDES; i++)
        rig_guest_close(&sides[i].guest);
    reply = rig_end_worker(&rig);
    CHECK_EQ(reply.error, error);
    if (error && !CHECK(strstr(reply.text, "could not flush")))
        NOTE("it said: %s", reply.text);
    CHECK_EQ(local_server_stop(&rig.server), 0);
    unlink(failing);
}

static char byte_of_target(uint64_t sector)
{
    int fd = open(target, O_RDONLY);
    char byte = 0;

    REQUIRE(pread(fd, &byte, 1, (off_t)sector * 512) == 1);
    close(fd);
    return byte;
}

static void check_transient(void)
{
    static const int during[REQUESTS] = { OK, OK, NONE, NONE, OK,
                                          NONE, NONE, NONE, OK };
    static const int after[REQUESTS] = { OK, OK, OK, OK, OK, OK, OK, OK, OK };
    char engine[256];

    snprintf(engine, sizeof engine, "error:flush=EIO,file='%s',retry=yes/aio",
             failing);
    open_sides(engine, "--flush-retry", "60000000");
    make_file(failing, 0);
    send_mixture();
    settle(2 * 5);
    for (unsigned i = 0; i < 10000 && rig_stats(&rig).flush_failures < 4; i++)
        usleep(1000);
    CHECK(rig_stats(&rig).flush_failures >= 4);
    settle(2 * 5);
    expect(during, REQUESTS);
    unlink(failing);
    settle(0);
    expect(after, REQUESTS);
    CHECK_EQ(rig.nr_told, 0);
    CHECK_EQ(rig_stats(&rig).is_fail_stopped, 0);
    for (unsigned i = 0; i < SIDES; i++) {
        CHECK_EQ(byte_of_target(i * 1024), 'A');
        CHECK_EQ(byte_of_target(i * 1024 + 8), 'A' + 3);
        CHECK_EQ(byte_of_target(i * 1024 + 16), 'A' + 6);
        CHECK_EQ(byte_of_target(i * 1024 + 24), 'A' + 7);
    }
    close_sides(1, 0);
}

/* What fail-stop does to every kind of request, on rings that hold `held`
 * already; returns how many are held then. */
static unsigned probe_fail_stop(unsigned held)
{
    static const int answers[8] = { ERROR, ERROR, ERROR, NONE, NONE,
                                    NONE, NONE, ERROR };

    for (unsigned i = 0; i < SIDES; i++) {
        struct side *side = &sides[i];
        unsigned first = side->nr_sent;

        ask_for(side, BLKIF_OP_READ, 0, 1);
        ask_for(side, BLKIF_OP_WRITE, 0, 1);
        ask_for(side, BLKIF_OP_DISCARD, 0, 0);
        ask_for(side, BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
        ask_for(side, BLKIF_OP_WRITE_BARRIER, 0, 0);
        ask_for(side, BLKIF_OP_WRITE_BARRIER, 40, 1);
        /* refused for a reason of its own, here a range that is not there */
        ask_for(side, BLKIF_OP_FLUSH_DISKCACHE, 1 << 20, 1);
        ask_for(side, BLKIF_OP_READ, 0, 1);
        held += 4;
        settle(held);
        for (unsigned n = 0; n < 8; n++)
            if (!CHECK_EQ(side->status[first + n], answers[n]))
                NOTE("side %u, request %u of the probe", i, n);
        CHECK_EQ((unsigned char)rig_frame(&side->guest,
                                          RIG_DATA_FRAME + first)[0], 0xa5);
    }
    return held;
}

/* From the mixture's answers to the end. */
static void live_in_fail_stop(const int *answers, unsigned held)
{
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    settle(held);
    expect(answers, REQUESTS);
    held = probe_fail_stop(held);
    CHECK_EQ(rig_stats(&rig).is_fail_stopped, 1);
    /* it does not heal by itself, nor by a new front end */
    unlink(failing);
    probe_fail_stop(held);
    disconnect_side(1, 2);
    disconnect_side(0, 1);
    check_nothing_held();
    put = rig_stats(&rig).responses;
    connect_side(0, 3);
    connect_side(1, 4);
    probe_fail_stop(0);
    CHECK_EQ(rig.nr_told, 1);
    close_sides(3, -EIO);
}

static void fail_for_good(const char *parameters, bool is_retried)
{
    static const int answers[REQUESTS] = { EITHER, EITHER, NONE, NONE, EITHER,
                                           NONE, ERROR, NONE, EITHER };
    char engine[256];

    snprintf(engine, sizeof engine, "error:file='%s',%s/aio", failing,
             parameters);
    open_sides(engine, "--flush-retry", "50000");
    make_file(failing, 0);
    send_mixture();
    settle(2 * 4);
    CHECK_EQ(rig_stats(&rig).flush_failures > 1, is_retried);
    live_in_fail_stop(answers, 2 * 4);
}

static void check_permanent(void)
{
    fail_for_good("flush=EIO,retry=yes", true);
}

static void check_stale(void)
{
    fail_for_good("flush=EIO,retry=no", false);
    fail_for_good("flush=ENOSPC,retry=yes", false);
}

static void check_start_stopped(void)
{
    static const char *const arguments[] = { "--fail-stopped", NULL };

    make_file(target, 1 << 20);
    open_sides("aio", arguments[0], NULL);
    CHECK_EQ(rig_stats(&rig).is_fail_stopped, 1);
    probe_fail_stop(0);
    CHECK_EQ(rig.nr_told, 0); /* the supervisor knows */
    CHECK_EQ(byte_of_target(0), 0);
    close_sides(1, -EIO);
}

/* What is held for ever has the whole budget. */
static void check_budget(void)
{
    open_sides("error:flush=EIO,retry=no/aio", "--byte-budget", "4096");
    ask_for(&sides[0], BLKIF_OP_WRITE_BARRIER, 0, 1);
    settle(1);
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    probe_fail_stop(1);
    CHECK_EQ(rig_stats(&rig).bytes_in_flight, 4096);
    close_sides(1, -EIO);
}

/* --- FLUSH and BARRIER whose data cannot be written ---------------------- */

/* Lines of the engine's log that contain what. */
static unsigned occurrences(const char *what)
{
    return rig_occurrences(journal, what);
}

static void check_bad_data(void)
{
    static const uint8_t operations[] = { BLKIF_OP_FLUSH_DISKCACHE,
                                          BLKIF_OP_WRITE_BARRIER };
    char engine[256];

    snprintf(engine, sizeof engine,
             "log:file='%s'/error:write=EIO,range=512K+4K/aio", journal);
    for (unsigned i = 0; i < 2; i++) {
        make_file(journal, 0);
        open_sides(engine, NULL, NULL);
        ask_for(&sides[0], BLKIF_OP_WRITE, 0, 1);
        settle(0);
        CHECK_EQ(occurrences(" FUA "), 0);
        ask_for(&sides[0], operations[i], 1024, 1);
        settle(0);
        CHECK_EQ(sides[0].status[0], OK);
        CHECK_EQ(sides[0].status[1], ERROR);
        CHECK(occurrences(" FLUSH ") > 0);
        /* it will not flush any more: now each write is durable; its
         * neighbour has been told nothing and goes on as before */
        unsigned before = occurrences(" FUA ");
        ask_for(&sides[1], BLKIF_OP_WRITE, 8, 1);
        settle(0);
        CHECK_EQ(occurrences(" FUA "), before);
        ask_for(&sides[0], BLKIF_OP_WRITE, 16, 1);
        settle(0);
        CHECK(occurrences(" FUA ") > before);
        CHECK_EQ(rig.nr_told, 0);
        close_sides(1, 0);
    }
    unlink(journal);
}

/* The failing answer wants a flush in front of it, and there is none. */
static void check_bad_data_and_flush(void)
{
    open_sides("error:write=EIO,range=512K+4K/error:flush=EIO,after=1,retry=no/"
               "aio", NULL, NULL);
    ask_for(&sides[0], BLKIF_OP_WRITE, 0, 1);
    ask_for(&sides[0], BLKIF_OP_WRITE_BARRIER, 1024, 1);
    settle(1);
    CHECK_EQ(sides[0].status[0], OK);
    CHECK_EQ(sides[0].status[1], NONE);
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    probe_fail_stop(1);
    CHECK_EQ(rig.nr_told, 1);
    close_sides(1, -EIO);
}

int main(void)
{
    char folder[96];
    const char *where = getenv("VBDD_TEST_DIR");

    snprintf(folder, sizeof folder, "%.60s/vbdd-disk-fail.XXXXXX",
             where ? where : "/var/tmp");
    REQUIRE(mkdtemp(folder));
    snprintf(target, sizeof target, "%s/target", folder);
    snprintf(failing, sizeof failing, "%s/failing", folder);
    snprintf(journal, sizeof journal, "%s/journal", folder);
    TEST("while flushes fail for a while what needs one waits, on both rings",
         check_transient);
    TEST("a flush that fails for longer than is retried stops the disk once",
         check_permanent);
    TEST("a flush whose retry would lie stops the disk at once", check_stale);
    TEST("a disk that starts fail-stopped is", check_start_stopped);
    TEST("what is held in fail-stop keeps no other request from its answer",
         check_budget);
    TEST("a FLUSH or BARRIER that fails by its data costs its vbd the cache",
         check_bad_data);
    TEST("its failing answer is not given when the flush before it fails",
         check_bad_data_and_flush);
    unlink(target);
    rmdir(folder);
    return tap_done();
}
