/* SPDX-License-Identifier: MIT
 * Claim: an indirect request of 1 to 256 segments moves exactly its data; its
 * descriptors are read once, so that whoever changes them afterwards changes
 * nothing (XSA-155); whatever is wrong with it costs it and nothing else, and
 * is answered for the operation inside. A drain of them costs no more batches
 * than one of direct requests.
 * Source: blkif.h, BLKIF_OP_INDIRECT; C8, C15; DESIGN.md, the data path.
 * Mechanism: a real vbdd-disk, over the stand-in. */
#include "tests/unit/disk-rig.h"

enum { MOST = BLKIF_MAX_INDIRECT_SEGMENTS, PAGE = LOCAL_PAGE_BYTES };

static const char *const no_arguments[] = { NULL };

static struct rig rig;
static struct rig_guest guest;

static void open_with(const char *engine, const char *const *arguments,
                      enum blkif_abi abi)
{
    rig_open(&rig, engine, arguments);
    rig.wish.max_indirect_segments = MOST;
    rig_guest_open(&rig, &guest, RIG_DOMID, abi);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
}

static void close_it(void)
{
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK_EQ(rig_stats(&rig).bytes_in_flight, 0);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* --- data ----------------------------------------------------------------- */

/* Segment i of n gets some of the sectors of its page, at an odd place. The
 * number of sectors is the same in every shape, where they lie is not. */
static unsigned shape(unsigned nr, unsigned shape)
{
    struct blkif_request_segment *segments = rig_descriptors(&guest);
    unsigned sectors = 0;

    for (unsigned i = 0; i < nr; i++) {
        unsigned length = 1 + (i * 5 + nr) % 8;
        unsigned first = (i * 3 + shape) % (9 - length);

        segments[i].first_sect = (uint8_t)first;
        segments[i].last_sect = (uint8_t)(first + length - 1);
        sectors += length;
    }
    return sectors;
}

/* Writes what position the request's bytes have in it into the pages (and 0x5a
 * everywhere else), or counts where that is not what is in them. */
static unsigned go_through(unsigned nr, unsigned seed, bool write)
{
    const struct blkif_request_segment *segments = rig_descriptors(&guest);
    unsigned at = 0, wrong = 0;

    for (unsigned i = 0; i < nr; i++) {
        char *page = rig_frame(&guest, RIG_DATA_FRAME + i);

        for (unsigned byte = 0; byte < PAGE; byte++) {
            bool inside = byte / 512 >= segments[i].first_sect &&
                          byte / 512 <= segments[i].last_sect;
            char want = inside ? rig_stamp_at(at++, seed) : 0x5a;

            wrong += !write && page[byte] != want;
            if (write)
                page[byte] = want;
        }
    }
    return wrong;
}

static void move(unsigned nr)
{
    struct blkif_wire_request r = rig_indirect(&guest, BLKIF_OP_WRITE, nr, nr,
                                               false);

    shape(nr, 1);
    go_through(nr, nr, true);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    memset(rig_frame(&guest, RIG_DATA_FRAME), 0x5a, nr * (size_t)PAGE);
    r.indirect_operation = BLKIF_OP_READ;
    shape(nr, 2);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    if (!CHECK_EQ(go_through(nr, nr, false), 0))
        NOTE("%u segments", nr);
    rig_end_indirect(&guest, &r, RIG_DESCRIPTOR_FRAME, nr);
}

static void check_sizes(void)
{
    uint64_t bytes = 0;

    for (unsigned abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        open_with("mem:size=2M", no_arguments, (enum blkif_abi)abi);
        bytes = 0;
        for (unsigned nr = 1 + abi; nr <= MOST; nr += BLKIF_ABI_COUNT) {
            move(nr);
            bytes += shape(nr, 0) * 512ull;
        }
        move(MOST);
        bytes += shape(MOST, 0) * 512ull;
        CHECK_EQ(rig_stats(&rig).bytes_written, bytes);
        CHECK_EQ(rig_stats(&rig).bytes_read, bytes);
        CHECK_EQ(rig_stats(&rig).errors[BLKIF_OP_READ], 0);
        CHECK_EQ(rig_vbd_stats(&rig, 1).queues[0].indirect_requests,
                 rig_vbd_stats(&rig, 1).queues[0].requests);
        close_it();
    }
}

/* --- what is wrong with a request ----------------------------------------- */

/* Sent with 256 good segments; what a row says is then changed. */
struct lie {
    const char *what;
    uint8_t operation;
    uint16_t nr;
    uint64_t sector;
    uint32_t page_gref;               /* else the good one */
    uint8_t last_first, last_last;    /* of the last segment; 0, 0: 0..7 */
    uint32_t last_gref;
    int status;
};

enum { SECTORS = (2 << 20) / 512, NO_GRANT = LOCAL_MAX_GRANTS - 1 };

static const struct lie lies[] = {
    { "nothing", BLKIF_OP_READ, 256, 0, 0, 0, 0, 0, BLKIF_RSP_OKAY },
    { "nothing", BLKIF_OP_WRITE, 1, 0, 0, 0, 0, 0, BLKIF_RSP_OKAY },
    { "0 segments", BLKIF_OP_READ, 0, 0, 0, 0, 0, 0, BLKIF_RSP_ERROR },
    { "257 segments", BLKIF_OP_READ, 257, 0, 0, 0, 0, 0, BLKIF_RSP_ERROR },
    { "65535 segments", BLKIF_OP_WRITE, 65535, 0, 0, 0, 0, 0,
      BLKIF_RSP_ERROR },
    { "a page that is not granted", BLKIF_OP_READ, 256, 0, NO_GRANT, 0, 0, 0,
      BLKIF_RSP_ERROR },
    { "a page that no table has", BLKIF_OP_WRITE, 256, 0, UINT32_MAX, 0, 0, 0,
      BLKIF_RSP_ERROR },
    { "the last segment backwards", BLKIF_OP_READ, 256, 0, 0, 5, 4, 0,
      BLKIF_RSP_ERROR },
    { "the last segment past its page", BLKIF_OP_WRITE, 256, 0, 0, 0, 8, 0,
      BLKIF_RSP_ERROR },
    { "the last segment to 255", BLKIF_OP_READ, 256, 0, 0, 0, 255, 0,
      BLKIF_RSP_ERROR },
    { "the last segment not granted", BLKIF_OP_READ, 256, 0, 0, 0, 0, NO_GRANT,
      BLKIF_RSP_ERROR },
    { "the last segment not granted", BLKIF_OP_WRITE, 256, 0, 0, 0, 0,
      NO_GRANT, BLKIF_RSP_ERROR },
    { "one sector beyond the end", BLKIF_OP_READ, 256, SECTORS - 2047, 0, 0, 0,
      0, BLKIF_RSP_ERROR },
    { "just the end", BLKIF_OP_READ, 256, SECTORS - 2048, 0, 0, 0, 0,
      BLKIF_RSP_OKAY },
    { "an end that wraps", BLKIF_OP_WRITE, 256, UINT64_MAX - 2000, 0, 0, 0, 0,
      BLKIF_RSP_ERROR },
    { "DISCARD inside", BLKIF_OP_DISCARD, 256, 0, 0, 0, 0, 0,
      BLKIF_RSP_ERROR },
    { "INDIRECT inside", BLKIF_OP_INDIRECT, 256, 0, 0, 0, 0, 0,
      BLKIF_RSP_ERROR },
    { "200 inside", 200, 256, 0, 0, 0, 0, 0, BLKIF_RSP_ERROR },
};

static void tell(const struct lie *lie, const struct blkif_wire_request *good)
{
    struct blkif_request_segment *last = &rig_descriptors(&guest)[MOST - 1];
    const struct blkif_request_segment was = *last;
    struct blkif_wire_request r = *good;

    r.indirect_operation = lie->operation;
    r.nr_indirect_segments = lie->nr;
    r.sector = lie->sector;
    if (lie->page_gref)
        r.indirect_grefs[0] = lie->page_gref;
    if (lie->last_first || lie->last_last) {
        last->first_sect = lie->last_first;
        last->last_sect = lie->last_last;
    }
    if (lie->last_gref)
        last->gref = lie->last_gref;
    if (!CHECK_EQ(rig_do(&guest, r), lie->status))
        NOTE("%s", lie->what);
    *last = was;
}

static void check_lies(void)
{
    struct blkif_wire_request r;

    open_with("mem:size=2M", no_arguments, BLKIF_ABI_X86_32);
    r = rig_indirect(&guest, BLKIF_OP_READ, 0, MOST, false);
    for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++)
        tell(&lies[i], &r);
    rig_end_indirect(&guest, &r, RIG_DESCRIPTOR_FRAME, MOST);
    /* no row but the good ones counts as data moved */
    CHECK_EQ(rig_stats(&rig).bytes_read, 2 * MOST * PAGE);
    CHECK_EQ(rig_stats(&rig).bytes_written, PAGE);
    CHECK_EQ(rig_vbd_stats(&rig, 1).is_write_through, 0);
    close_it();
}

/* What was not advertised is not there, and neither is more of it. */
static void check_limits(void)
{
    struct blkif_wire_request r;

    open_with("mem:size=2M", no_arguments, BLKIF_ABI_NATIVE);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig.wish.max_indirect_segments = 32;
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    r = rig_indirect(&guest, BLKIF_OP_READ, 0, 33, false);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
    r.nr_indirect_segments = 32;
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig.wish.max_indirect_segments = 0;
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_EOPNOTSUPP);
    rig_end_indirect(&guest, &r, RIG_DESCRIPTOR_FRAME, 33);
    close_it();
}

static void check_read_only(void)
{
    static const char *const arguments[] = { "--read-only", NULL };
    struct blkif_wire_request r;

    open_with("mem:size=2M", arguments, BLKIF_ABI_NATIVE);
    r = rig_indirect(&guest, BLKIF_OP_WRITE, 0, 20, false);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
    r.indirect_operation = BLKIF_OP_READ;
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    rig_end_indirect(&guest, &r, RIG_DESCRIPTOR_FRAME, 20);
    close_it();
}

/* To Linux a failed FLUSH or BARRIER is the end of flushing, whatever it came
 * in (C8). */
static void check_flush_inside(void)
{
    static const uint8_t operations[] = { BLKIF_OP_FLUSH_DISKCACHE,
                                          BLKIF_OP_WRITE_BARRIER };
    char path[] = "/tmp/vbdd-engine-log.XXXXXX", engine[128];
    struct blkif_wire_request r;

    for (unsigned i = 0; i < 2; i++) {
        strcpy(path, "/tmp/vbdd-engine-log.XXXXXX");
        close(mkstemp(path));
        snprintf(engine, sizeof engine, "log:file='%s'/mem:size=2M", path);
        open_with(engine, no_arguments, BLKIF_ABI_NATIVE);
        r = rig_indirect(&guest, BLKIF_OP_WRITE, 0, 12, false);
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
        CHECK_EQ(rig_occurrences(path, " FLUSH "), 0);
        r.indirect_operation = operations[i];
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
        CHECK(rig_occurrences(path, " FLUSH ") > 0);
        CHECK_EQ(rig_vbd_stats(&rig, 1).is_write_through, 1);
        r.indirect_operation = BLKIF_OP_WRITE;
        CHECK_EQ(rig_occurrences(path, " FUA "), 0);
        CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
        CHECK(rig_occurrences(path, " FUA ") > 0);
        rig_end_indirect(&guest, &r, RIG_DESCRIPTOR_FRAME, 12);
        close_it();
        unlink(path);
    }
}

/* --- when descriptors change ---------------------------------------------- */

/* The reads have been taken and are at the engine: from here on descriptors
 * that speak of other pages, or of none, change nothing (XSA-155). */
static void check_changed(void)
{
    struct blkif_wire_response response;
    struct blkif_wire_request r;
    struct blkif_request_segment *segments;
    unsigned touched = 0;

    open_with("delay:read=100ms/mem:size=2M", no_arguments, BLKIF_ABI_NATIVE);
    r = rig_indirect(&guest, BLKIF_OP_WRITE, 0, MOST, false);
    rig_stamp(&guest, MOST, 3);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    rig_stamp(&guest, MOST, 4);
    r.indirect_operation = BLKIF_OP_READ;
    r.id = 7;
    front_ring_put(&guest.queues[0].ring, &r);
    rig_push(&guest);
    CHECK(rig_is_settled(&rig, 2, 1));
    segments = rig_descriptors(&guest);
    uint32_t decoy = (uint32_t)local_grant_access(guest.local, 0,
                                                  RIG_DATA_FRAME + MOST, false);
    uint32_t was[MOST];
    for (unsigned i = 0; i < MOST; i++) {
        was[i] = segments[i].gref;
        segments[i].gref = i % 2 ? decoy : NO_GRANT;
        segments[i].last_sect = 255;
    }
    CHECK_EQ(rig_wait(&guest, &response, 1, 10), 1);
    CHECK_EQ(response.status, BLKIF_RSP_OKAY);
    CHECK_EQ(rig_differences(&guest, MOST, 3), 0);
    for (unsigned i = 0; i < PAGE; i++)
        touched += rig_frame(&guest, RIG_DATA_FRAME + MOST)[i] != 0;
    CHECK_EQ(touched, 0);
    CHECK_EQ(local_grant_end(guest.local, decoy), 0);
    for (unsigned i = 0; i < MOST; i++)
        segments[i].gref = was[i];
    rig_end_indirect(&guest, &r, RIG_DESCRIPTOR_FRAME, MOST);
    close_it();
}

/* --- batches -------------------------------------------------------------- */

enum { SLOTS = 32, EACH = 8 };

/* 32 indirect requests of 8 pages, one of them bad, in one push. */
static void check_batch(void)
{
    struct blkif_wire_response responses[SLOTS];
    struct blkif_wire_request r[SLOTS];
    struct message_vbd_stats before, after;
    uint64_t calls;
    unsigned bad = 0;

    open_with("mem:size=2M", no_arguments, BLKIF_ABI_NATIVE);
    for (unsigned i = 0; i < SLOTS; i++) {
        r[i] = rig_indirect_at(&guest, i % 2 ? BLKIF_OP_READ : BLKIF_OP_WRITE,
                               i * EACH * 8, RIG_DESCRIPTOR_FRAME + i,
                               RIG_DATA_FRAME + i * EACH, EACH, false);
        r[i].id = i;
        front_ring_put(&guest.queues[0].ring, &r[i]);
    }
    struct blkif_request_segment *segment =
        (void *)rig_frame(&guest, RIG_DESCRIPTOR_FRAME + 9);
    uint32_t was = segment[3].gref;
    segment[3].gref = NO_GRANT;
    before = rig_vbd_stats(&rig, 1);
    calls = rig_stats(&rig).system_calls;
    rig_push(&guest);
    CHECK_EQ(rig_wait(&guest, responses, SLOTS, 10), SLOTS);
    for (unsigned i = 0; i < SLOTS; i++)
        bad += responses[i].status != (responses[i].id == 9 ? BLKIF_RSP_ERROR
                                                            : BLKIF_RSP_OKAY);
    CHECK_EQ(bad, 0);
    after = rig_vbd_stats(&rig, 1);
    CHECK_EQ(after.queues[0].take_batches - before.queues[0].take_batches, 1);
    CHECK_EQ(after.queues[0].answer_batches -
             before.queues[0].answer_batches, 1);
    CHECK_EQ(after.queues[0].notifies_sent - before.queues[0].notifies_sent,
             1);
    calls = rig_stats(&rig).system_calls - calls;
    NOTE("%u indirect requests of %u pages: %llu system calls", SLOTS, EACH,
         (unsigned long long)calls);
    CHECK(calls <= 12);
    segment[3].gref = was;
    for (unsigned i = 0; i < SLOTS; i++)
        rig_end_indirect(&guest, &r[i], RIG_DESCRIPTOR_FRAME + i, EACH);
    close_it();
}

/* --- the byte budget ------------------------------------------------------ */

/* Takes what is answered, and puts one request on the ring if it has room;
 * returns how many answers there were. */
static unsigned keep_busy(struct rig_guest *busy,
                          const struct blkif_wire_request *request)
{
    struct blkif_wire_response responses[SLOTS];
    int nr = front_ring_take(&busy->queues[0].ring, responses, SLOTS);

    CHECK(nr >= 0);
    if (request && front_ring_free(&busy->queues[0].ring)) {
        front_ring_put(&busy->queues[0].ring, request);
        rig_push(busy);
    }
    return (unsigned)nr;
}

/* What may need 1 MiB waits until there is 1 MiB; those who need less, and
 * never leave so much free, do not live on what it waits for. */
static void check_budget(void)
{
    static const char *const arguments[] = { "--byte-budget", "1048576", NULL };
    struct blkif_wire_request many, one;
    uint64_t end = host_now_us() + 10000000, most = 0;
    struct rig_guest busy;
    unsigned answered = 0, others = 0;

    open_with("delay:read=10ms/mem:size=2M", arguments, BLKIF_ABI_NATIVE);
    rig.wish.max_indirect_segments = 0;
    rig_guest_open(&rig, &busy, RIG_DOMID + 1, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &busy, RIG_DOMID + 1, 2) == 0);
    many = rig_request(&busy, BLKIF_OP_READ, 0, 1, false);
    one = rig_indirect(&guest, BLKIF_OP_READ, 0, MOST, false);
    for (unsigned i = 0; i < SLOTS; i++) {
        others += keep_busy(&busy, &many);
        usleep(300);
    }
    for (unsigned i = 0; i < 4; i++)
        front_ring_put(&guest.queues[0].ring, &one);
    rig_push(&guest);
    while (answered < 4 && host_now_us() < end) {
        uint64_t now = rig_stats(&rig).bytes_in_flight;

        most = now > most ? now : most;
        others += keep_busy(&busy, &many);
        answered += keep_busy(&guest, NULL);
        usleep(300);
    }
    NOTE("%u answers of the other; most bytes in flight: %llu of 1048576",
         others, (unsigned long long)most);
    CHECK_EQ(answered, 4);
    CHECK(most > 0 && most <= 1 << 20);
    CHECK_EQ(rig_stats(&rig).errors[BLKIF_OP_READ], 0);
    for (end = host_now_us() + 10000000; rig_stats(&rig).in_flight > 0 &&
         host_now_us() < end; )
        usleep(1000);
    rig_end_grants(&busy, &many);
    rig_end_indirect(&guest, &one, RIG_DESCRIPTOR_FRAME, MOST);
    CHECK_EQ(rig_disconnect(&rig, &busy, 2), 0);
    rig_guest_close(&busy);
    close_it();
}

int main(void)
{
    TEST("indirect requests of 1 to 256 segments move exactly their data",
         check_sizes);
    TEST("whatever is wrong with an indirect request costs it, and only it",
         check_lies);
    TEST("as many segments are taken as were advertised", check_limits);
    TEST("an indirect WRITE does not get round a read-only disk (XSA-142)",
         check_read_only);
    TEST("an indirect FLUSH or BARRIER is refused, and not for success",
         check_flush_inside);
    TEST("descriptors that change after they were taken change nothing "
         "(XSA-155)", check_changed);
    TEST("a drain of indirect requests is one batch", check_batch);
    TEST("an indirect request waits for its megabyte, and gets it",
         check_budget);
    return tap_done();
}
