/* SPDX-License-Identifier: MIT
 * Claim: from the moment a vbd is paused nothing more is taken from it; the
 * pause is answered when what had been taken is answered and durable, or says
 * that it is not; a resume goes on with what the ring holds by then, and needs
 * no event for it; a disconnect, a second pause or the loss of the supervisor
 * may come at any time. Other vbds do not notice.
 * Source: backend/control/message.h, MESSAGE_PAUSE; DESIGN.md, the control
 * path; C5, C8.
 * Mechanism: a real vbdd-disk, over the stand-in; the log engine tells when
 * what was flushed, the error engine fails flushes while a file exists. */
#include "tests/unit/disk-rig.h"

enum { PENDING = 8 };

static const char *const no_arguments[] = { NULL };
static const struct message pause_it = { .type = MESSAGE_PAUSE, .vbd = 1 };
static const struct message resume_it = { .type = MESSAGE_RESUME, .vbd = 1 };

static struct rig rig;
static struct rig_guest guest;
static char journal[64], failing[64];
static uint64_t put;

static void make_name(char *path)
{
    strcpy(path, "/tmp/vbdd-disk-pause.XXXXXX");
    close(mkstemp(path));
}

/* below: the engines under the log. */
static void open_with(const char *below, const char *const *arguments)
{
    char engine[256];

    make_name(journal);
    put = 0;
    snprintf(engine, sizeof engine, "log:file='%s'/%s", journal, below);
    rig_open(&rig, engine, arguments);
    rig.wish.nr_queues = 2;
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
}

static void close_it(void)
{
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
    unlink(journal);
}

static struct blkif_wire_request put_on(unsigned queue, uint8_t operation,
                                        unsigned page, unsigned pages)
{
    struct blkif_wire_request r = rig_request_at(
        &guest, operation, page * 8, RIG_DATA_FRAME + page, pages, false);

    front_ring_put(&guest.queues[queue].ring, &r);
    rig_push_on(&guest, queue);
    put++;
    return r;
}

/* The lines of the journal where the last flush begins and where the last
 * write ends. */
static void last_lines(unsigned *flush, unsigned *write)
{
    char line[256];
    unsigned n = 0;
    FILE *file = fopen(journal, "r");

    REQUIRE(file);
    *flush = *write = 0;
    while (fgets(line, sizeof line, file)) {
        n++;
        if (line[0] == 'C' && strstr(line, " WRITE "))
            *write = n;
        if (line[0] == 'S' && strstr(line, " FLUSH "))
            *flush = n;
    }
    fclose(file);
}

static void expect_durable(void)
{
    unsigned flush, write;

    last_lines(&flush, &write);
    CHECK(flush > write && write > 0);
}

static void expect_answers(unsigned queue, unsigned nr)
{
    struct blkif_wire_response responses[32];

    CHECK_EQ(rig_wait_on(&guest, queue, responses, nr, 10), nr);
    for (unsigned i = 0; i < nr; i++)
        CHECK_EQ(responses[i].status, BLKIF_RSP_OKAY);
}

/* --- pause and resume ----------------------------------------------------- */

static void check_pause(void)
{
    struct blkif_wire_request r[PENDING], more[2];
    struct message reply;
    uint32_t tag;

    open_with("delay:write=100ms/mem:size=1M", no_arguments);
    for (unsigned i = 0; i < PENDING; i++)
        r[i] = put_on(i % 2, BLKIF_OP_WRITE, i, 1);
    CHECK(rig_is_settled(&rig, put, PENDING));
    tag = rig_send(&rig, pause_it);
    CHECK_EQ(rig_vbd_stats(&rig, 1).is_paused, 1);
    /* from here on nothing is taken, whether events come or not */
    for (unsigned n = 0; n < 2; n++)
        more[n] = put_on(n, BLKIF_OP_WRITE, 20 + n, 1);
    reply = rig_reply(&rig, tag);
    CHECK_EQ(reply.error, 0);
    CHECK_STR(reply.text, "");
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK_EQ(rig_stats(&rig).responses, PENDING);
    expect_durable();
    for (unsigned n = 0; n < 2; n++) {
        expect_answers(n, PENDING / 2);
        for (unsigned i = 0; i < 20; i++)
            local_event_notify(guest.local, guest.queues[n].port);
    }
    CHECK_EQ(rig_stats(&rig).responses, PENDING);
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK_EQ(rig_ask(&rig, resume_it).error, 0);
    for (unsigned n = 0; n < 2; n++) {
        expect_answers(n, 1);
        rig_end_grants(&guest, &more[n]);
    }
    CHECK_EQ(rig_vbd_stats(&rig, 1).is_paused, 0);
    for (unsigned i = 0; i < PENDING; i++)
        rig_end_grants(&guest, &r[i]);
    close_it();
}

/* It waits for what comes, and does not look for it all the time. */
static void check_quiet(void)
{
    struct blkif_wire_request r;
    uint64_t calls;

    open_with("mem:size=1M", no_arguments);
    CHECK_EQ(rig_ask(&rig, pause_it).error, 0);
    r = put_on(0, BLKIF_OP_WRITE, 0, 1);
    calls = rig_stats(&rig).system_calls;
    usleep(300000);
    calls = rig_stats(&rig).system_calls - calls;
    CHECK(calls < 20);
    CHECK_EQ(rig_ask(&rig, resume_it).error, 0);
    expect_answers(0, 1);
    CHECK_EQ(rig_ask(&rig, resume_it).error, 0); /* was not paused: as good */
    rig_end_grants(&guest, &r);
    close_it();
}

static void check_twice(void)
{
    struct blkif_wire_request r;
    struct message reply;
    uint32_t tags[5];
    uint64_t flushes;

    open_with("delay:write=200ms/mem:size=1M", no_arguments);
    r = put_on(1, BLKIF_OP_WRITE, 0, 1);
    CHECK(rig_is_settled(&rig, put, 1));
    for (unsigned i = 0; i < 5; i++)
        tags[i] = rig_send(&rig, pause_it);
    CHECK_EQ(rig_reply(&rig, tags[4]).error, -EBUSY); /* there are limits */
    CHECK(!rig_has_reply(&rig, tags[0]));
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(rig_reply(&rig, tags[i]).error, 0);
    expect_durable();
    flushes = rig_stats(&rig).engine_flushes;
    CHECK_EQ(flushes, 1);
    reply = rig_ask(&rig, pause_it);
    CHECK_EQ(reply.error, 0);
    CHECK_EQ(rig_stats(&rig).engine_flushes, flushes); /* at once */
    expect_answers(1, 1);
    rig_end_grants(&guest, &r);
    close_it();
}

/* --- ways out ------------------------------------------------------------- */

static void check_disconnect_paused(void)
{
    open_with("mem:size=1M", no_arguments);
    CHECK_EQ(rig_ask(&rig, pause_it).error, 0);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    CHECK_EQ(rig_ask(&rig, pause_it).error, -ENOENT);
    CHECK_EQ(rig_ask(&rig, resume_it).error, -ENOENT);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    CHECK_EQ(rig_vbd_stats(&rig, 1).is_paused, 0);
    CHECK_EQ(rig_do(&guest, (struct blkif_wire_request){
        .operation = BLKIF_OP_FLUSH_DISKCACHE }), BLKIF_RSP_OKAY);
    close_it();
}

/* While it drains, and while it flushes. */
static void check_disconnect_pausing(void)
{
    static const char *const engines[] = { "delay:write=200ms/mem:size=1M",
                                           "delay:flush=200ms/mem:size=1M" };
    struct blkif_wire_request r;
    struct message reply;
    uint32_t tag;

    for (unsigned i = 0; i < 2; i++) {
        open_with(engines[i], no_arguments);
        r = put_on(0, BLKIF_OP_WRITE, 0, 1);
        if (i == 0)
            CHECK(rig_is_settled(&rig, put, 1));
        else
            expect_answers(0, 1);
        tag = rig_send(&rig, pause_it);
        for (unsigned n = 0; i == 1 && n < 1000 &&
             rig_stats(&rig).engine_flushes == 0; n++)
            usleep(1000);
        CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
        reply = rig_reply(&rig, tag);
        CHECK_EQ(reply.error, -ESHUTDOWN);
        CHECK(strstr(reply.text, "disconnected") != NULL);
        rig_end_grants(&guest, &r);
        REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
        close_it();
    }
}

static void check_resume_pausing(void)
{
    struct blkif_wire_request r, more;
    uint32_t tag, again;

    open_with("delay:flush=200ms/mem:size=1M", no_arguments);
    r = put_on(0, BLKIF_OP_WRITE, 0, 1);
    expect_answers(0, 1);
    tag = rig_send(&rig, pause_it);
    for (unsigned n = 0; n < 1000 && rig_stats(&rig).engine_flushes == 0; n++)
        usleep(1000);
    CHECK_EQ(rig_ask(&rig, resume_it).error, 0);
    CHECK_EQ(rig_reply(&rig, tag).error, -ECANCELED);
    more = put_on(1, BLKIF_OP_WRITE, 1, 1);
    expect_answers(1, 1);
    /* the flush of the first pause may still run: it is not the second's */
    again = rig_send(&rig, pause_it);
    CHECK_EQ(rig_reply(&rig, again).error, 0);
    expect_durable();
    rig_end_grants(&guest, &r);
    rig_end_grants(&guest, &more);
    close_it();
}

static void check_orphan(void)
{
    struct blkif_wire_request r;
    int status = -1;

    open_with("delay:write=100ms,flush=100ms/mem:size=1M", no_arguments);
    r = put_on(0, BLKIF_OP_WRITE, 0, 1);
    CHECK(rig_is_settled(&rig, put, 1));
    rig_send(&rig, pause_it);
    close(rig.control);
    CHECK_EQ(waitpid(rig.worker, &status, 0), rig.worker);
    CHECK_EQ(status, 0);
    CHECK_EQ(rig_end_rings(&guest), 0);
    rig_end_grants(&guest, &r);
    rig_guest_close(&guest);
    CHECK_EQ(local_server_stop(&rig.server), 0);
    unlink(journal);
}

/* --- flushes that fail ---------------------------------------------------- */

/* No retry has a meaning here: the disk fail-stops, and says so. */
static void check_failure(void)
{
    struct blkif_wire_request r;
    struct message reply;

    open_with("error:flush=EIO/mem:size=1M", no_arguments);
    r = put_on(0, BLKIF_OP_WRITE, 0, 1);
    expect_answers(0, 1);
    for (unsigned i = 0; i < 2; i++) { /* asked again, it is no better */
        reply = rig_ask(&rig, pause_it);
        CHECK_EQ(reply.error, -EIO);
        CHECK(strstr(reply.text, "durable") != NULL);
        CHECK_EQ(rig_vbd_stats(&rig, 1).is_paused, 1);
    }
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    rig_end_grants(&guest, &r);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), -EIO);
    unlink(journal);
}

/* In fail-stop a FLUSH is held for ever (C8); a pause does not wait for it. */
static void check_held(void)
{
    struct message reply;

    open_with("error:flush=EIO/mem:size=1M", no_arguments);
    put_on(0, BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    CHECK(rig_is_settled(&rig, put, 1));
    reply = rig_ask(&rig, pause_it);
    CHECK_EQ(reply.error, -EIO);
    CHECK_EQ(rig_stats(&rig).in_flight, 1);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), -EIO);
    unlink(journal);
}

/* A failure that passes is none: the answer waits for it. */
static void check_retry(void)
{
    struct blkif_wire_request r;
    char below[160];
    uint32_t tag;

    make_name(failing);
    snprintf(below, sizeof below, "error:flush=EIO,retry=yes,file='%s'/"
             "mem:size=1M", failing);
    open_with(below, no_arguments);
    r = put_on(0, BLKIF_OP_WRITE, 0, 1);
    expect_answers(0, 1);
    tag = rig_send(&rig, pause_it);
    for (unsigned n = 0; n < 5000 && rig_stats(&rig).flush_failures < 2; n++)
        usleep(1000);
    CHECK(rig_stats(&rig).flush_failures >= 2);
    CHECK(!rig_has_reply(&rig, tag));
    unlink(failing);
    CHECK_EQ(rig_reply(&rig, tag).error, 0);
    expect_durable();
    rig_end_grants(&guest, &r);
    close_it();
}

/* --- others --------------------------------------------------------------- */

static void check_neighbour(void)
{
    struct blkif_wire_request r;
    struct rig_guest other;

    open_with("mem:size=1M", no_arguments);
    rig_guest_open(&rig, &other, RIG_DOMID + 1, BLKIF_ABI_X86_32);
    REQUIRE(rig_connect(&rig, &other, RIG_DOMID + 1, 2) == 0);
    CHECK_EQ(rig_ask(&rig, pause_it).error, 0);
    CHECK_EQ(rig_vbd_stats(&rig, 2).is_paused, 0);
    r = rig_request(&other, BLKIF_OP_WRITE, 0, 1, true);
    CHECK_EQ(rig_do(&other, r), BLKIF_RSP_OKAY);
    rig_end_grants(&other, &r);
    CHECK_EQ(rig_disconnect(&rig, &other, 2), 0);
    rig_guest_close(&other);
    close_it();
}

int main(void)
{
    TEST("a pause is answered when all is durable, and a resume goes on",
         check_pause);
    TEST("a paused vbd costs nothing", check_quiet);
    TEST("a second pause is answered with the first, or at once", check_twice);
    TEST("a paused vbd can be disconnected", check_disconnect_paused);
    TEST("so can one whose pause has not come to its end",
         check_disconnect_pausing);
    TEST("a resume ends a pause that has not come to its end",
         check_resume_pausing);
    TEST("a worker that loses its supervisor while pausing ends in order",
         check_orphan);
    TEST("a pause whose flush fails says so", check_failure);
    TEST("a pause does not wait for what fail-stop holds", check_held);
    TEST("a failure that passes delays the answer", check_retry);
    TEST("other vbds are served meanwhile", check_neighbour);
    return tap_done();
}
