/* SPDX-License-Identifier: MIT
 * Claim: copied, mapped or kept mapped, a guest's pages get and give the same
 * data; each grant's own status decides about its request alone (XSA-361,
 * XSA-362, XSA-365); pages are kept within the bound, given back when idle,
 * and after a disconnect or a connect that failed half-way the worker has
 * nothing of the guest mapped (XSA-371).
 * Source: blkif.h, feature-persistent; backend/disk/transfer.h.
 * Mechanism: a real vbdd-disk, over the stand-in, which refuses to end a grant
 * that is mapped; what is mapped is also read from /proc. */
#include "tests/unit/disk-rig.h"

enum { PAGE = LOCAL_PAGE_BYTES, NO_GRANT = LOCAL_MAX_GRANTS - 1 };

static const char *const no_arguments[] = { NULL };
static const char *const names[MESSAGE_GRANTS_COUNT] = { "copy", "map",
                                                         "persistent" };

static struct rig rig;
static struct rig_guest guest;

static void open_as(enum message_grants grants, uint32_t max,
                    const char *engine)
{
    rig_open(&rig, engine, no_arguments);
    rig.wish.max_indirect_segments = BLKIF_MAX_INDIRECT_SEGMENTS;
    rig.wish.grants = grants;
    rig.wish.max_persistent_grants = max;
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
}

static void close_it(void)
{
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* Areas of guests' memory that the worker has mapped. (The stand-in's client
 * maps each guest's memory once, whole, besides.) */
static unsigned areas(void)
{
    char path[64], line[512];
    unsigned n = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/maps", (int)rig.worker);
    file = fopen(path, "r");
    REQUIRE(file);
    while (fgets(line, sizeof line, file))
        n += strstr(line, "memfd:guest") != NULL;
    fclose(file);
    return n;
}

/* --- data ----------------------------------------------------------------- */

static void move_direct(void)
{
    struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_WRITE, 16, 11,
                                              false);

    rig_stamp(&guest, 11, 5);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    rig_stamp(&guest, 11, 6);
    r.operation = BLKIF_OP_READ;
    r.segments[4].first_sector = 2; /* and part of a page */
    r.segments[4].last_sector = 5;
    r.segments[4].gref = r.segments[3].gref;
    r.nr_segments = 5;
    memset(rig_frame(&guest, RIG_DATA_FRAME + 4), 0x5a, PAGE);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_differences(&guest, 3, 5), 0);
    /* two segments of one page: the later one is written over the first */
    unsigned wrong = 0;
    for (unsigned i = 0; i < PAGE; i++) {
        bool is_second = i >= 1024 && i < 3072;
        unsigned at = is_second ? 4 * PAGE + i - 1024 : 3 * PAGE + i;
        wrong += rig_frame(&guest, RIG_DATA_FRAME + 3)[i] !=
                 rig_stamp_at(at, 5);
        wrong += rig_frame(&guest, RIG_DATA_FRAME + 4)[i] != 0x5a;
    }
    CHECK_EQ(wrong, 0);
}

static void move_indirect(void)
{
    struct blkif_wire_request r = rig_indirect(&guest, BLKIF_OP_WRITE, 0, 256,
                                               false);

    rig_stamp(&guest, 256, 7);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    rig_stamp(&guest, 256, 8);
    r.indirect_operation = BLKIF_OP_READ;
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_differences(&guest, 256, 7), 0);
}

static void check_data(void)
{
    for (unsigned mode = 0; mode < MESSAGE_GRANTS_COUNT; mode++) {
        open_as((enum message_grants)mode, 128, "mem:size=2M");
        move_direct();
        move_indirect();
        struct message_vbd_stats stats = rig_vbd_stats(&rig, 1);
        NOTE("%s: %u pages kept; %llu hits, %llu misses, %llu evictions",
             names[mode], stats.persistent_grants,
             (unsigned long long)stats.persistent_hits,
             (unsigned long long)stats.persistent_misses,
             (unsigned long long)stats.persistent_evictions);
        CHECK_EQ(stats.grants, mode);
        CHECK_EQ(stats.persistent_grants,
                 mode == MESSAGE_GRANTS_PERSISTENT ? 128 : 0);
        close_it();
    }
}

/* --- what goes wrong ------------------------------------------------------ */

/* A bad grant among good requests, all in one drain. */
static void fail_one(enum message_grants mode)
{
    struct blkif_wire_response responses[8];
    struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_WRITE, 0, 8,
                                              false);
    unsigned wrong = 0;

    for (unsigned i = 0; i < 8; i++) {
        struct blkif_wire_request one = r;

        one.id = i;
        one.sector = i * 64;
        if (i == 3 || i == 5)
            one.operation = BLKIF_OP_READ;
        if (i == 2 || i == 5)
            one.segments[i].gref = NO_GRANT;
        front_ring_put(&guest.queues[0].ring, &one);
    }
    rig_push(&guest);
    CHECK_EQ(rig_wait(&guest, responses, 8, 10), 8);
    for (unsigned i = 0; i < 8; i++)
        wrong += responses[i].status !=
                 (responses[i].id == 2 || responses[i].id == 5
                      ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
    if (!CHECK_EQ(wrong, 0))
        NOTE("%s", names[mode]);
    /* nothing is mapped but what is kept, so that all can be taken back */
    for (unsigned i = 0; i < 8; i++)
        CHECK_EQ(local_grant_end(guest.local, r.segments[i].gref),
                 mode == MESSAGE_GRANTS_PERSISTENT ? -EBUSY : 0);
}

/* Granted, used, taken back, used again: an error, unless it is kept mapped
 * (and then the guest cannot take it back). */
static void use_revoked(enum message_grants mode)
{
    struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_READ, 0, 2,
                                              false);
    bool is_kept = mode == MESSAGE_GRANTS_PERSISTENT;

    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    CHECK_EQ(local_grant_end(guest.local, r.segments[1].gref),
             is_kept ? -EBUSY : 0);
    CHECK_EQ(rig_do(&guest, r), is_kept ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
}

/* A read goes into no page that was granted for reading only, whatever the
 * mode; a write comes out of it all the same. */
static void use_read_only(void)
{
    struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_WRITE, 0, 2,
                                              true);
    uint32_t kept = rig_vbd_stats(&rig, 1).persistent_grants;

    rig_stamp(&guest, 2, 11);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    rig_stamp(&guest, 2, 12);
    r.operation = BLKIF_OP_READ;
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
    CHECK_EQ(rig_differences(&guest, 2, 12), 0);
    rig_end_grants(&guest, &r);
    CHECK_EQ(rig_vbd_stats(&rig, 1).persistent_grants, kept);
    r = rig_request(&guest, BLKIF_OP_READ, 0, 2, false);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_differences(&guest, 2, 11), 0);
}

static void check_bad_grants(void)
{
    for (unsigned mode = 0; mode < MESSAGE_GRANTS_COUNT; mode++) {
        unsigned before;

        open_as((enum message_grants)mode, 64, "mem:size=2M");
        before = areas();
        fail_one((enum message_grants)mode);
        use_revoked((enum message_grants)mode);
        use_read_only();
        CHECK_EQ(areas() > before, mode == MESSAGE_GRANTS_PERSISTENT);
        CHECK_EQ(rig_stats(&rig).in_flight, 0);
        close_it();
    }
}

/* --- the bound ------------------------------------------------------------ */

enum { BOUND = 16, GRANTED = 64 };

/* Four times as many pages as may be kept, one request after the other. */
static void check_bound(void)
{
    struct blkif_wire_request r[GRANTED / 8];
    struct message_vbd_stats stats;
    unsigned before, most = 0, busy = 0;

    open_as(MESSAGE_GRANTS_PERSISTENT, BOUND, "mem:size=2M");
    before = areas();
    for (unsigned i = 0; i < GRANTED / 8; i++)
        r[i] = rig_request_at(&guest, BLKIF_OP_READ, i * 64,
                              RIG_DATA_FRAME + i * 8, 8, false);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < GRANTED / 8; i++) {
            CHECK_EQ(rig_do(&guest, r[i]), BLKIF_RSP_OKAY);
            stats = rig_vbd_stats(&rig, 1);
            most = stats.persistent_grants > most ? stats.persistent_grants
                                                  : most;
            CHECK(areas() - before <= BOUND);
        }
    }
    CHECK_EQ(most, BOUND);
    CHECK_EQ(stats.max_persistent_grants, BOUND);
    CHECK_EQ(stats.persistent_hits + stats.persistent_misses, 3 * GRANTED);
    CHECK_EQ(stats.persistent_evictions, 3 * GRANTED - BOUND);
    /* the last two requests' are kept: nothing new is mapped for them */
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(rig_do(&guest, r[GRANTED / 8 - 1 - i % 2]), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_vbd_stats(&rig, 1).persistent_hits, 80);
    CHECK_EQ(rig_vbd_stats(&rig, 1).persistent_evictions,
             stats.persistent_evictions);
    for (unsigned i = 0; i < GRANTED / 8; i++)
        for (unsigned n = 0; n < 8; n++)
            busy += local_grant_end(guest.local, r[i].segments[n].gref) ==
                    -EBUSY;
    CHECK_EQ(busy, BOUND);
    close_it();
}

/* Room for none at all: everything is copied. */
static void check_no_room(void)
{
    struct blkif_wire_request r;

    open_as(MESSAGE_GRANTS_PERSISTENT, 0, "mem:size=2M");
    r = rig_request(&guest, BLKIF_OP_READ, 0, 8, false);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_vbd_stats(&rig, 1).persistent_misses, 8);
    rig_end_grants(&guest, &r);
    close_it();
}

/* What is used goes on being kept; what is not, is given back in time. */
static void check_idle(void)
{
    struct blkif_wire_request used, idle;
    uint64_t end;

    open_as(MESSAGE_GRANTS_PERSISTENT, 64, "mem:size=2M");
    used = rig_request(&guest, BLKIF_OP_READ, 0, 4, false);
    idle = rig_request_at(&guest, BLKIF_OP_READ, 0, RIG_DATA_FRAME + 4, 8,
                          false);
    CHECK_EQ(rig_do(&guest, idle), BLKIF_RSP_OKAY);
    for (end = host_now_us() + 12000000; host_now_us() < end; ) {
        CHECK_EQ(rig_do(&guest, used), BLKIF_RSP_OKAY);
        if (rig_vbd_stats(&rig, 1).persistent_grants == 4)
            break;
        usleep(20000);
    }
    rig_end_grants(&guest, &idle);
    CHECK_EQ(rig_vbd_stats(&rig, 1).persistent_misses, 12);
    for (end = host_now_us() + 12000000; host_now_us() < end &&
         rig_vbd_stats(&rig, 1).persistent_grants; )
        usleep(50000);
    rig_end_grants(&guest, &used);
    CHECK_EQ(rig_vbd_stats(&rig, 1).persistent_evictions, 0);
    close_it();
}

/* --- ways out ------------------------------------------------------------- */

static void check_ways_out(void)
{
    struct blkif_wire_request r;
    unsigned before;

    open_as(MESSAGE_GRANTS_PERSISTENT, 64, "delay:read=100ms/mem:size=2M");
    before = areas(); /* one ring */
    for (uint32_t number = 1; number <= 20; number++) {
        r = rig_request(&guest, BLKIF_OP_WRITE, 0, 11, false);
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
        CHECK_EQ(rig_vbd_stats(&rig, number).persistent_grants, 11);
        r.operation = BLKIF_OP_READ; /* and one in flight */
        front_ring_put(&guest.queues[0].ring, &r);
        rig_push(&guest);
        CHECK_EQ(rig_disconnect(&rig, &guest, number), 0);
        rig_end_grants(&guest, &r);
        CHECK(areas() <= before - 1);
        REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, number + 1) == 0);
    }
    CHECK_EQ(areas(), before);
    /* the guest dies with pages of its kept */
    r = rig_request(&guest, BLKIF_OP_WRITE, 0, 11, false);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    rig_guest_close(&guest);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_DISCONNECT,
                                             .vbd = 21 }).error, 0);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* A page of the third ring is not granted, is for reading only, or its port
 * is nobody's: what the first two had is given back, and they can be used. */
static void check_bad_connect(void)
{
    struct message reply;
    uint32_t good;
    unsigned before;

    open_as(MESSAGE_GRANTS_PERSISTENT, 64, "mem:size=2M");
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    before = areas();
    rig_make_rings(&guest, 4, 4);
    for (unsigned i = 0; i < 3; i++) {
        struct rig_queue *third = &guest.queues[2];
        uint32_t *field = i < 2 ? &third->grefs[3 - i] : &third->port;
        int32_t read_only = local_grant_access(guest.local, 0, 20, true);
        const uint32_t bad[] = { NO_GRANT, (uint32_t)read_only, 12345 };

        good = *field;
        *field = bad[i];
        reply = rig_connect_rings(&rig, &guest, RIG_DOMID, 2);
        *field = good;
        CHECK(reply.error < 0);
        CHECK(strstr(reply.text, i < 2 ? "map the ring" : "event channel") !=
              NULL);
        CHECK_EQ(areas(), before);
        CHECK_EQ(rig_stats(&rig).vbds, 0);
        CHECK_EQ(local_grant_end(guest.local, (uint32_t)read_only), 0);
    }
    /* and now as it should be: the same grants, the same ports */
    CHECK_EQ(rig_connect_rings(&rig, &guest, RIG_DOMID, 1).error, 0);
    for (unsigned n = 0; n < 4; n++) {
        struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_READ, 0, 1,
                                                  false);
        CHECK_EQ(rig_do_on(&guest, n, r), BLKIF_RSP_OKAY);
    }
    close_it();
}

static void check_bad_numbers(void)
{
    static const struct { uint32_t sector_bytes, segments, grants, max; }
    rows[] = {
        { 0, 0, 0, 0 }, { 1024, 0, 0, 0 }, { 4097, 0, 0, 0 },
        { 512, 257, 0, 0 }, { 512, 0, 3, 0 }, { 512, 0, 2, 65537 },
        { 4096, 0, 0, 0 }, /* the disk is not a multiple of it */
    };

    open_as(MESSAGE_GRANTS_COPY, 0, "mem:size=1049088");
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct message reply;

        rig.wish.sector_bytes = rows[i].sector_bytes;
        rig.wish.max_indirect_segments = rows[i].segments;
        rig.wish.grants = rows[i].grants;
        rig.wish.max_persistent_grants = rows[i].max;
        reply = rig_connect_rings(&rig, &guest, RIG_DOMID, 2);
        CHECK_EQ(reply.error, -EINVAL);
        CHECK(reply.text[0] != 0);
    }
    close_it();
}

int main(void)
{
    TEST("copied, mapped or kept mapped, the data is the same", check_data);
    TEST("a bad grant costs its request, in each mode (XSA-361, 362, 365)",
         check_bad_grants);
    TEST("no more pages are kept than may be, the latest ones", check_bound);
    TEST("where none may be kept they are copied", check_no_room);
    TEST("pages that are idle are given back, others are not", check_idle);
    TEST("nothing is mapped after a disconnect or a death (XSA-371)",
         check_ways_out);
    TEST("a connect that fails half-way leaves nothing behind (XSA-371)",
         check_bad_connect);
    TEST("a connect with numbers that cannot be is refused",
         check_bad_numbers);
    return tap_done();
}
