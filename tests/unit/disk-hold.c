/* SPDX-License-Identifier: MIT
 * Claim: a worker that is told to hold its rings, or that loses its supervisor,
 * takes nothing more, answers what it has taken, writes down where each ring
 * stands and ends; the next one goes on just there, without being kicked, and
 * kicks once itself. No request is lost or done twice, whatever the layout, the
 * number of queues and pages, and however full the ring. One that is killed
 * leaves no seal. What fail-stop holds stays held, and write-through stays. A
 * guest that uses the time to forge its indices breaks its own ring only.
 * Source: docs/COHERENCY.md, "When vbdd is away"; C8, C15.
 * Mechanism: two real vbdd-disk, one after the other, on the rings of one guest
 * of the stand-in; delay, error and log engines. */
#include <signal.h>

#include "tests/unit/disk-rig.h"

static struct rig rig;
static struct rig_guest guest;
static char target[64];
static int record;
static unsigned put[BLKIF_MAX_QUEUES];

/* --- a worker, and the next ----------------------------------------------- */

static const char *const *arguments(const char *option)
{
    static const char *argv[5];

    argv[0] = "--target", argv[1] = target, argv[2] = "--buffered";
    argv[3] = option;
    return argv;
}

static bool is_sealed(int fd)
{
    return rig_record_standing(fd).seal == MESSAGE_STANDING_SEAL;
}

/* standing: NULL for a new ring. */
static struct message connect_ring(struct rig_guest *of, uint32_t number,
                                   int fd,
                                   const struct message_standing *standing)
{
    return rig_connect_held(&rig, of, RIG_DOMID + number - 1, number, fd,
                            standing);
}

static void start(const char *engine, enum blkif_abi abi, unsigned queues,
                  unsigned pages)
{
    int fd;

    strcpy(target, "/var/tmp/vbdd-disk-hold.XXXXXX");
    fd = mkstemp(target);
    REQUIRE(fd >= 0 && ftruncate(fd, 16 << 20) == 0);
    close(fd);
    memset(put, 0, sizeof put);
    record = rig_record_new();
    rig_open(&rig, engine, arguments(NULL));
    rig_guest_open(&rig, &guest, RIG_DOMID, abi);
    rig_make_rings(&guest, queues, pages);
    CHECK_EQ(connect_ring(&guest, 1, record, NULL).error, 0);
    CHECK(!is_sealed(record));
}

/* Told to, or left alone. */
static int hold(bool is_told)
{
    int error = 0;

    if (is_told)
        error = rig_ask(&rig, (struct message){ .type = MESSAGE_HOLD }).error;
    rig_await_end(&rig, 0);
    return error;
}

static struct message go_on(const char *engine, const char *option)
{
    struct message_standing standing = rig_record_standing(record);

    rig_restart_worker(&rig, engine, arguments(option));
    return connect_ring(&guest, 1, record, &standing);
}

static void stop(int error)
{
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), error);
    close(record);
    unlink(target);
}

/* --- requests ------------------------------------------------------------- */

static struct blkif_wire_request put_on(unsigned n, uint8_t operation,
                                        unsigned page)
{
    struct blkif_wire_request r = rig_request_at(
        &guest, operation, page * 8, RIG_DATA_FRAME + page,
        operation != BLKIF_OP_FLUSH_DISKCACHE, false);

    front_ring_put(&guest.queues[n].ring, &r);
    put[n]++;
    return r;
}

static void expect(unsigned n, unsigned nr, int status)
{
    static struct blkif_wire_response responses[1024];

    CHECK_EQ(rig_wait_on(&guest, n, responses, nr, 20), nr);
    for (unsigned i = 0; i < nr; i++)
        CHECK_EQ(responses[i].status, status);
}

static void expect_standing(unsigned held)
{
    struct message_standing standing = rig_record_standing(record);

    CHECK(is_sealed(record));
    for (unsigned n = 0; n < guest.nr_queues; n++) {
        CHECK_EQ(standing.queues[n].req_cons, put[n]);
        CHECK_EQ(standing.queues[n].rsp_prod, put[n] - (n ? 0 : held));
    }
}

/* --- going on ------------------------------------------------------------- */

/* Page `page` of the disk as the target's file has it. */
static bool file_has(unsigned page, char byte)
{
    char bytes[LOCAL_PAGE_BYTES];
    int fd = open(target, O_RDONLY);
    bool is_right = pread(fd, bytes, sizeof bytes,
                          (off_t)page * LOCAL_PAGE_BYTES) == sizeof bytes;

    close(fd);
    for (unsigned i = 0; i < sizeof bytes && is_right; i++)
        is_right = bytes[i] == byte;
    return is_right;
}

/* One page of the disk for each slot; each round writes other bytes. */
static void write_page(unsigned n, unsigned page, unsigned round,
                       struct blkif_wire_request *request)
{
    memset(rig_frame(&guest, RIG_DATA_FRAME + page), (int)(1 + round),
           LOCAL_PAGE_BYTES);
    *request = put_on(n, BLKIF_OP_WRITE, page);
}

enum { IN_FLIGHT = 5 };

/* Some in flight when it is held, all other slots filled while nobody is
 * there; three rounds, so that the indices have gone around. */
static void go_around(unsigned queues, bool is_told)
{
    static struct blkif_wire_request requests[512];
    unsigned slots = guest.queues[0].ring.slots, page, total = queues * slots;

    REQUIRE(total <= 512);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned n = 0; n < queues; n++) {
            for (unsigned i = 0; i < IN_FLIGHT; i++) {
                page = n * slots + i;
                write_page(n, page, round, &requests[page]);
            }
            rig_push_on(&guest, n);
        }
        CHECK(rig_is_settled(&rig, (round ? total : 0) + queues * IN_FLIGHT,
                             queues * IN_FLIGHT));
        CHECK_EQ(hold(is_told), 0);
        expect_standing(0);
        for (unsigned n = 0; n < queues; n++) {
            expect(n, IN_FLIGHT, BLKIF_RSP_OKAY);
            for (unsigned i = IN_FLIGHT; i < slots; i++) {
                page = n * slots + i;
                write_page(n, page, round, &requests[page]);
            }
            for (unsigned i = 0; i < IN_FLIGHT; i++) {
                rig_end_grants(&guest, &requests[n * slots + i]);
                CHECK(file_has(n * slots + i, (char)(1 + round)));
                write_page(n, n * slots + i, round, &requests[n * slots + i]);
            }
            front_ring_push(&guest.queues[n].ring); /* the kick is lost */
        }
        CHECK_EQ(go_on("delay:write=50ms/aio", NULL).error, 0);
        CHECK(!is_sealed(record));
        for (unsigned n = 0; n < queues; n++)
            expect(n, slots, BLKIF_RSP_OKAY);
        for (page = 0; page < total; page++) {
            rig_end_grants(&guest, &requests[page]);
            CHECK(file_has(page, (char)(1 + round)));
        }
        CHECK_EQ(rig_stats(&rig).requests[BLKIF_OP_WRITE], total);
    }
}

static void check_all_kinds(void)
{
    static const struct {
        unsigned queues, pages;
    } shapes[] = { { 1, 1 }, { 4, 1 }, { 1, 8 }, { 2, 4 } };

    for (unsigned abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        for (unsigned i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            start("delay:write=50ms/aio", (enum blkif_abi)abi,
                  shapes[i].queues, shapes[i].pages);
            go_around(shapes[i].queues, i % 2 == 0);
            stop(0);
        }
    }
}

/* Nothing is taken from the moment on at which it is told to hold; but what was
 * taken is carried out, also the second write to the same page, which has not
 * been at the engine yet. */
static void check_nothing_taken(void)
{
    struct blkif_wire_request first, again, second;
    struct message message = { .type = MESSAGE_PAUSE, .vbd = 1 };
    uint32_t tag, pause;

    start("delay:write=300ms/aio", BLKIF_ABI_NATIVE, 1, 1);
    write_page(0, 0, 0, &first);
    write_page(0, 0, 0, &again);
    rig_push(&guest);
    CHECK(rig_is_settled(&rig, 2, 2));
    pause = rig_send(&rig, message);
    tag = rig_send(&rig, (struct message){ .type = MESSAGE_HOLD });
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_HOLD }).error,
             -EBUSY);
    CHECK_EQ(rig_reply(&rig, pause).error, -ESHUTDOWN);
    CHECK_EQ(rig_ask(&rig, message).error, -ESHUTDOWN);
    message.type = MESSAGE_DISCONNECT;
    CHECK_EQ(rig_ask(&rig, message).error, -ESHUTDOWN);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_DETACH }).error,
             -EBUSY);
    CHECK_EQ(connect_ring(&guest, 2, record, NULL).error, -ESHUTDOWN);
    write_page(0, 1, 0, &second);
    rig_push(&guest);
    CHECK(!rig_has_reply(&rig, tag));
    CHECK_EQ(rig_reply(&rig, tag).error, 0);
    rig_await_end(&rig, 0);
    put[0]--; /* the last one was not taken */
    expect_standing(0);
    expect(0, 2, BLKIF_RSP_OKAY);
    CHECK(!file_has(1, 1));
    CHECK_EQ(go_on("aio", NULL).error, 0);
    expect(0, 1, BLKIF_RSP_OKAY);
    CHECK(file_has(1, 1));
    rig_end_grants(&guest, &first);
    rig_end_grants(&guest, &again);
    rig_end_grants(&guest, &second);
    stop(0);
}

/* The front end may have been told of an answer by nobody. */
static void check_one_kick(void)
{
    uint32_t ports[8];

    start("aio", BLKIF_ABI_NATIVE, 2, 1);
    CHECK_EQ(hold(true), 0);
    local_event_take(guest.local, ports, 8);
    CHECK_EQ(local_event_take(guest.local, ports, 8), 0);
    CHECK_EQ(go_on("aio", NULL).error, 0);
    CHECK_EQ(local_event_take(guest.local, ports, 8), 2);
    CHECK_EQ(rig_stats(&rig).responses, 0);
    stop(0);
}

static void check_killed(void)
{
    struct blkif_wire_request r;

    start("aio", BLKIF_ABI_NATIVE, 1, 1);
    CHECK_EQ(hold(true), 0);
    CHECK_EQ(go_on("delay:write=300ms/aio", NULL).error, 0);
    write_page(0, 0, 0, &r);
    rig_push(&guest);
    CHECK(rig_is_settled(&rig, 1, 1));
    kill(rig.worker, SIGKILL);
    rig_await_end(&rig, SIGKILL);
    CHECK(!is_sealed(record));
    rig_end_grants(&guest, &r);
    rig_end_rings(&guest);
    rig_guest_close(&guest);
    CHECK_EQ(local_server_stop(&rig.server), 0);
    close(record);
    unlink(target);
}

/* --- C8 ------------------------------------------------------------------- */

static void check_fail_stop(bool is_told)
{
    static const struct blkif_wire_request flush = {
        .operation = BLKIF_OP_FLUSH_DISKCACHE, .id = 77 };
    unsigned slots;
    struct blkif_wire_request r;

    start("error:flush=EIO/aio", BLKIF_ABI_NATIVE, 1, 1);
    slots = guest.queues[0].ring.slots;
    put_on(0, BLKIF_OP_FLUSH_DISKCACHE, 0);
    rig_push(&guest);
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    CHECK_EQ(hold(is_told), is_told ? -EIO : 0);
    expect_standing(1);
    CHECK(rig_record_standing(record).is_fail_stopped);
    CHECK_EQ(go_on("aio", "--fail-stopped").error, 0);
    CHECK_EQ(rig_vbd_stats(&rig, 1).queues[0].in_flight, 1);
    write_page(0, 0, 0, &r);
    rig_push(&guest);
    expect(0, 1, BLKIF_RSP_ERROR);
    rig_end_grants(&guest, &r);
    /* every slot but that of the one that is held */
    for (unsigned i = 0; i < slots - 1; i++)
        front_ring_put(&guest.queues[0].ring, &flush);
    rig_push(&guest);
    CHECK(rig_is_settled(&rig, slots, slots - 1));
    CHECK_EQ(rig_vbd_stats(&rig, 1).queues[0].in_flight, slots);
    stop(-EIO);
}

static void check_fail_stop_told(void)
{
    check_fail_stop(true);
}

static void check_fail_stop_alone(void)
{
    check_fail_stop(false);
}

/* A BARRIER that is held has a buffer, which goes with it. */
static void check_held_data(void)
{
    struct blkif_wire_request r;

    start("error:flush=EIO/aio", BLKIF_ABI_NATIVE, 1, 1);
    r = put_on(0, BLKIF_OP_WRITE_BARRIER, 0);
    rig_push(&guest);
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    CHECK_EQ(hold(true), -EIO);
    rig_end_grants(&guest, &r);
    expect_standing(1);
    CHECK_EQ(go_on("aio", "--fail-stopped").error, 0);
    stop(-EIO);
}

/* It is the flush of the hold that fails, and nobody is there to be told. */
static void check_last_flush(void)
{
    struct blkif_wire_request r;

    start("error:flush=EIO/aio", BLKIF_ABI_NATIVE, 1, 1);
    write_page(0, 0, 0, &r);
    rig_push(&guest);
    expect(0, 1, BLKIF_RSP_OKAY);
    rig_end_grants(&guest, &r);
    CHECK_EQ(rig.nr_told, 0);
    hold(false);
    expect_standing(0);
    CHECK(rig_record_standing(record).is_fail_stopped);
    CHECK_EQ(go_on("aio", "--fail-stopped").error, 0);
    stop(-EIO);
}

static void check_write_through(void)
{
    struct blkif_wire_request r;

    start("aio", BLKIF_ABI_NATIVE, 1, 1);
    CHECK_EQ(hold(true), 0);
    CHECK(!rig_record_standing(record).is_write_through);
    CHECK_EQ(go_on("aio", NULL).error, 0);
    r = rig_request(&guest, BLKIF_OP_WRITE_BARRIER, 1 << 20, 1, false);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR); /* behind the end */
    put[0]++;
    rig_end_grants(&guest, &r);
    CHECK_EQ(rig_vbd_stats(&rig, 1).is_write_through, 1);
    CHECK_EQ(hold(false), 0);
    expect_standing(0);
    CHECK(rig_record_standing(record).is_write_through);
    CHECK_EQ(go_on("aio", NULL).error, 0);
    CHECK_EQ(rig_vbd_stats(&rig, 1).is_write_through, 1);
    stop(0);
}

/* --- hostile guests, and records ------------------------------------------ */

static struct blkif_sring *header_of(struct rig_guest *of)
{
    return (struct blkif_sring *)rig_frame(of, RIG_RING_FRAME);
}

/* The other guest's ring stays whole. */
static void check_forged_request(void)
{
    struct rig_guest other;
    struct message_standing standing;
    int other_record = rig_record_new();
    struct blkif_wire_request r;

    start("aio", BLKIF_ABI_NATIVE, 1, 1);
    rig_guest_open(&rig, &other, RIG_DOMID + 1, BLKIF_ABI_X86_32);
    rig_make_rings(&other, 1, 1);
    CHECK_EQ(connect_ring(&other, 2, other_record, NULL).error, 0);
    CHECK_EQ(hold(true), 0);
    CHECK(is_sealed(other_record));
    standing = rig_record_standing(other_record);
    header_of(&guest)->req_prod += guest.queues[0].ring.slots + 1;
    CHECK_EQ(go_on("aio", NULL).error, 0);
    CHECK_EQ(connect_ring(&other, 2, other_record, &standing).error, 0);
    CHECK(rig_is_told(&rig, MESSAGE_BROKEN));
    CHECK_EQ(rig.told.vbd, 1);
    r = rig_request(&other, BLKIF_OP_WRITE, 0, 1, true);
    CHECK_EQ(rig_do(&other, r), BLKIF_RSP_OKAY);
    rig_end_grants(&other, &r);
    /* a ring that broke the protocol is not held */
    CHECK_EQ(hold(true), 0);
    CHECK(!is_sealed(record));
    CHECK(is_sealed(other_record));
    rig_end_rings(&other);
    rig_guest_close(&other);
    rig_end_rings(&guest);
    rig_guest_close(&guest);
    CHECK_EQ(local_server_stop(&rig.server), 0);
    close(other_record);
    close(record);
    unlink(target);
}

/* The guest's next kernel has made its ring where the last one's was. */
static void check_new_ring(void)
{
    struct blkif_wire_request r;

    start("aio", BLKIF_ABI_NATIVE, 2, 1);
    for (unsigned round = 0; round < 2; round++) {
        CHECK_EQ(hold(true), 0);
        front_ring_init(&guest.queues[1].ring,
                        guest.queues[1].ring.shared, 1, BLKIF_ABI_NATIVE);
        put[1] = 0;
        if (round == 0) { /* the last one's had not answered anything yet */
            CHECK_EQ(go_on("aio", NULL).error, 0);
            write_page(1, 0, 0, &r);
            rig_push_on(&guest, 1);
            expect(1, 1, BLKIF_RSP_OKAY);
            rig_end_grants(&guest, &r);
        }
    }
    CHECK_EQ(go_on("aio", NULL).error, -ESTALE);
    CHECK(is_sealed(record));
    CHECK_EQ(rig_stats(&rig).requests[BLKIF_OP_WRITE], 0);
    rig_end_rings(&guest);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
    close(record);
    unlink(target);
}

/* What the ring says of responses is at most a reason not to go on: nothing old
 * is done again, nothing new skipped. */
static void check_forged_response(void)
{
    struct message_standing standing;
    struct blkif_wire_request r[2];

    start("aio", BLKIF_ABI_NATIVE, 1, 1);
    for (unsigned i = 0; i < 2; i++) {
        write_page(0, i, i, &r[i]);
        rig_push(&guest);
        expect(0, 1, BLKIF_RSP_OKAY);
    }
    CHECK_EQ(hold(true), 0);
    expect_standing(0);
    standing = rig_record_standing(record);
    header_of(&guest)->rsp_prod = 1;
    CHECK_EQ(go_on("aio", NULL).error, -ESTALE);
    header_of(&guest)->rsp_prod = 2;
    CHECK_EQ(connect_ring(&guest, 1, record, &standing).error, 0);
    header_of(&guest)->rsp_prod = 0;
    CHECK(rig_is_settled(&rig, 0, 0));
    header_of(&guest)->rsp_prod = 2;
    rig_end_grants(&guest, &r[0]);
    write_page(0, 0, 5, &r[0]);
    rig_push(&guest);
    expect(0, 1, BLKIF_RSP_OKAY);
    CHECK_EQ(header_of(&guest)->rsp_prod, 3);
    CHECK_EQ(rig_stats(&rig).requests[BLKIF_OP_WRITE], 1);
    CHECK(file_has(0, 6));
    rig_end_grants(&guest, &r[0]);
    rig_end_grants(&guest, &r[1]);
    stop(0);
}

/* More held than the ring has slots; and no descriptor that can be written. */
static void check_impossible(void)
{
    struct message_standing standing;
    struct message reply;
    int read_only;

    start("aio", BLKIF_ABI_NATIVE, 1, 1);
    CHECK_EQ(hold(true), 0);
    standing = rig_record_standing(record);
    standing.queues[0].req_cons = guest.queues[0].ring.slots + 1;
    REQUIRE(pwrite(record, &standing, sizeof standing,
                   offsetof(struct hold, standing)) == sizeof standing);
    reply = go_on("aio", NULL);
    CHECK_EQ(reply.error, -EINVAL);
    CHECK(strstr(reply.text, "go on with the ring") != NULL);
    standing.queues[0].req_cons = 0;
    read_only = open("/dev/zero", O_RDONLY);
    reply = connect_ring(&guest, 1, read_only, &standing);
    CHECK_EQ(reply.error, -EBADF);
    CHECK(strstr(reply.text, "seal") != NULL);
    close(read_only);
    CHECK_EQ(connect_ring(&guest, 1, record, &standing).error, 0);
    stop(0);
}

int main(void)
{
    TEST("held rings of all kinds are gone on with, full of requests",
         check_all_kinds);
    TEST("nothing is taken from a ring that is to be held",
         check_nothing_taken);
    TEST("a front end is kicked once", check_one_kick);
    TEST("a worker that is killed leaves no seal", check_killed);
    TEST("what fail-stop holds stays held", check_fail_stop_told);
    TEST("also when there is no supervisor", check_fail_stop_alone);
    TEST("and what it holds is freed with its data", check_held_data);
    TEST("a last flush that fails is in the record", check_last_flush);
    TEST("write-through stays", check_write_through);
    TEST("a new ring at the same place is not gone on with", check_new_ring);
    TEST("a forged request index breaks that ring and no other",
         check_forged_request);
    TEST("a forged response index is not believed", check_forged_response);
    TEST("what cannot be is refused", check_impossible);
    return tap_done();
}
