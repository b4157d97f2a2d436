/* SPDX-License-Identifier: MIT
 * Claim: a front end that rewrites what it has sent, lies about its indices,
 * takes its grants back or storms with events that nobody asked for loses its
 * own disk at most; its neighbour on the same worker is served, and the worker
 * holds no more of anything for it. (Floods: disk-flood.c.)
 * Source: ARCHITECTURE.md; XSA-155, XSA-331, XSA-332.
 * Mechanism: vbdd-disk processes whose guests are this test; what is to happen
 * at the same time happens in a second thread, which is one of the guests. */
#include <pthread.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "tests/unit/disk-rig.h"

enum { SLOTS = 32, PAGES = 11, HALF = 1024 /* sectors */ };

static const char *const no_arguments[] = { NULL };

static struct rig rig;
static struct rig_guest hostile, neighbour;

static void open_both(const char *engine, enum blkif_abi abi)
{
    rig_open(&rig, engine, no_arguments);
    rig_guest_open(&rig, &hostile, RIG_DOMID, abi);
    rig_guest_open(&rig, &neighbour, RIG_DOMID + 1, BLKIF_ABI_NATIVE);
    /* the last to come is served first, so the neighbour must not be it */
    REQUIRE(rig_connect(&rig, &neighbour, RIG_DOMID + 1, 2) == 0);
    REQUIRE(rig_connect(&rig, &hostile, RIG_DOMID, 1) == 0);
}

static void close_both(void)
{
    CHECK_EQ(rig_disconnect(&rig, &hostile, 1), 0);
    CHECK_EQ(rig_disconnect(&rig, &neighbour, 2), 0);
    rig_guest_close(&hostile);
    rig_guest_close(&neighbour);
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK_EQ(rig_stats(&rig).bytes_in_flight, 0);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* Writes a block in the upper half of the disk and reads it back: 2 requests,
 * both as they should be, or false. */
static bool write_and_read(struct rig_guest *guest, unsigned n)
{
    char *page = rig_frame(guest, RIG_DATA_FRAME);
    struct blkif_wire_request r = rig_request(guest, BLKIF_OP_WRITE,
                                              HALF + n % 100 * 8, 1, false);
    bool is_right;

    memset(page, (int)(n % 251), LOCAL_PAGE_BYTES);
    is_right = rig_do(guest, r) == BLKIF_RSP_OKAY;
    memset(page, 0xff, LOCAL_PAGE_BYTES);
    r.operation = BLKIF_OP_READ;
    is_right = is_right && rig_do(guest, r) == BLKIF_RSP_OKAY &&
               page[0] == (char)(n % 251) && page[4095] == page[0];
    rig_end_grants(guest, &r);
    return is_right;
}

static volatile uint32_t *shared_word(struct rig_guest *guest, size_t byte)
{
    return (volatile uint32_t *)(void *)(rig_frame(guest, RIG_RING_FRAME) +
                                         byte);
}

#define INDEX(guest, field)                                                  \
    shared_word((guest), offsetof(struct blkif_sring, field))

/* The worker has given the ring up, and its neighbour does not notice. */
static void expect_broken(void)
{
    unsigned right = 0;

    local_event_notify(hostile.local, hostile.queues[0].port);
    CHECK(rig_is_told(&rig, MESSAGE_BROKEN));
    CHECK_EQ(rig.told.vbd, 1);
    for (unsigned i = 0; i < 20 && right == i; i++) {
        for (unsigned n = 0; n < 100; n++)
            local_event_notify(hostile.local, hostile.queues[0].port);
        right += write_and_read(&neighbour, i);
    }
    CHECK_EQ(right, 20);
    CHECK_EQ(rig.nr_told, 1);
}

/* --- rewriting what has been sent ---------------------------------------- */

/* Every word that is ever written into a slot says what it is, since a
 * request's words and those of its answer take each other's place. */
enum { HEADER = 0x4ead, ID_LOW = 0x1d10, ID_HIGH = 0x1dc0ffee,
       PADDING = 0x3add, GRANTS = 8 };

struct scribbler {
    pthread_t thread;
    bool stop, pause, has_paused; /* atomic */
    bool indices;                 /* those as well; fixed while it runs */
    uint32_t grefs[GRANTS];
    uint64_t seed;
    unsigned long written;
};

static uint32_t any(struct scribbler *s)
{
    s->seed = s->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(s->seed >> 33);
}

static uint32_t any_header(struct scribbler *s)
{
    static const uint8_t operations[] = {
        BLKIF_OP_READ, BLKIF_OP_WRITE, BLKIF_OP_READ, BLKIF_OP_WRITE,
        BLKIF_OP_WRITE_BARRIER, BLKIF_OP_FLUSH_DISKCACHE, BLKIF_OP_DISCARD,
        BLKIF_OP_INDIRECT, 77 };
    uint32_t operation = operations[any(s) % sizeof operations];
    uint32_t segments = any(s) % 4 ? 1 + any(s) % 3 : any(s) % 256;

    return operation | segments << 8 | (uint32_t)HEADER << 16;
}

/* The request's words: header, (padding,) id, sector, segments. */
static uint32_t any_word(struct scribbler *s, unsigned at)
{
    unsigned id = hostile.abi == BLKIF_ABI_X86_32 ? 1 : 2;

    if (at == 0)
        return any_header(s);
    if (at < id)
        return PADDING;
    if (at == id)
        return (uint32_t)ID_LOW << 16 | (any(s) & 0xffff);
    if (at == id + 1)
        return ID_HIGH;
    if (at == id + 2)
        return any(s) % (HALF - PAGES * 8); /* the upper is the neighbour's */
    if (at == id + 3)
        return any(s) % 8 ? 0 : any(s);
    if ((at - id) % 2 == 0) /* of a segment */
        return any(s) % 8 ? s->grefs[any(s) % GRANTS] : any(s);
    return any(s) % 2 ? 7u << 8 : any(s); /* first and last sector */
}

static size_t slot_byte(unsigned slot)
{
    return 64 + slot * (hostile.abi == BLKIF_ABI_X86_32 ? 108u : 112u);
}

static void scribble_word(struct scribbler *s, unsigned slot, unsigned word)
{
    __atomic_store_n(shared_word(&hostile, slot_byte(slot) + word * 4),
                     any_word(s, word), __ATOMIC_RELAXED);
    s->written++;
}

static void *scribble(void *context)
{
    struct scribbler *s = context;

    while (!__atomic_load_n(&s->stop, __ATOMIC_SEQ_CST)) {
        if (__atomic_load_n(&s->pause, __ATOMIC_SEQ_CST)) {
            __atomic_store_n(&s->has_paused, true, __ATOMIC_SEQ_CST);
            usleep(100);
            continue;
        }
        __atomic_store_n(&s->has_paused, false, __ATOMIC_SEQ_CST);
        if (s->indices && any(s) % 64 == 0)
            __atomic_store_n(shared_word(&hostile, any(s) % 4 * 4),
                             any(s) % 2 ? any(s) % 64 : any(s),
                             __ATOMIC_RELAXED);
        scribble_word(s, any(s) % SLOTS, any(s) % 27);
    }
    return NULL;
}

static void scribble_pause(struct scribbler *s, bool pause)
{
    __atomic_store_n(&s->pause, pause, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&s->has_paused, __ATOMIC_SEQ_CST) != pause)
        usleep(100);
}

/* A word that we wrote, or that an answer to what we wrote has there. */
static bool word_is_known(unsigned at, uint32_t word)
{
    uint32_t status = word >> 16;

    if (word >> 16 == HEADER || word >> 16 == ID_LOW || word == ID_HIGH ||
        word == PADDING)
        return true;
    return at == 2 && (word >> 8 & 0xff) == 0 &&
           (status == 0 || status == 0xffff || status == 0xfffe);
}

/* Which of the answers are still there to be seen, with a whole id. */
static unsigned check_answers(void)
{
    unsigned whole = 0;

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        uint32_t words[3];

        for (unsigned at = 0; at < 3; at++) {
            words[at] = *shared_word(&hostile, slot_byte(slot) + at * 4);
            if (!CHECK(word_is_known(at, words[at])))
                NOTE("slot %u, word %u: %08x", slot, at, words[at]);
        }
        whole += words[0] >> 16 == ID_LOW && words[1] == ID_HIGH;
    }
    return whole;
}

/* Half may be written to, half only read; the last is of no page at all. */
static void grant_some(struct scribbler *s)
{
    for (unsigned i = 0; i < GRANTS; i++) {
        int32_t gref = local_grant_access(hostile.local, 0, i == GRANTS - 1
                                          ? RIG_FRAMES + 5
                                          : RIG_DATA_FRAME + i, i % 2);
        REQUIRE(gref > 0);
        s->grefs[i] = (uint32_t)gref;
    }
    memset(rig_frame(&hostile, RIG_DATA_FRAME), 0xa5,
           (RIG_FRAMES - RIG_DATA_FRAME) * (size_t)LOCAL_PAGE_BYTES);
}

/* No frame but those that may be written to has been. */
static unsigned wrong_frames(void)
{
    unsigned wrong = 0;

    for (unsigned frame = RIG_DATA_FRAME; frame < RIG_FRAMES; frame++) {
        const char *page = rig_frame(&hostile, frame);
        bool writable = frame < RIG_DATA_FRAME + GRANTS &&
                        (frame - RIG_DATA_FRAME) % 2 == 0;

        wrong += !writable && ((unsigned char)page[0] != 0xa5 ||
                               memcmp(page, page + 1, LOCAL_PAGE_BYTES - 1));
    }
    return wrong;
}

/* A ring full of whatever the slots hold just now; returns how many of the
 * answers could be read. */
static unsigned scribble_round(struct scribbler *s, uint64_t put)
{
    uint64_t end = host_now_us() + 20000000;
    unsigned whole;

    hostile.queues[0].ring.req_prod += SLOTS;
    rig_push(&hostile);
    while (rig_stats(&rig).responses + rig_stats(&rig).in_flight < put &&
           host_now_us() < end)
        ;
    scribble_pause(s, true); /* what is answered from now on, stays */
    while (__atomic_load_n(INDEX(&hostile, rsp_prod), __ATOMIC_ACQUIRE) !=
               hostile.queues[0].ring.req_prod && host_now_us() < end)
        usleep(500);
    CHECK_EQ(*INDEX(&hostile, rsp_prod), hostile.queues[0].ring.req_prod);
    hostile.queues[0].ring.rsp_cons = hostile.queues[0].ring.req_prod;
    whole = check_answers();
    scribble_pause(s, false);
    return whole;
}

static void scribble_on(enum blkif_abi abi)
{
    struct scribbler s = { .seed = tap_seed() };
    unsigned rounds = (unsigned)tap_scaled(25), whole = 0, right = 0;

    open_both("delay:read=20ms,write=20ms/mem:size=1M", abi);
    grant_some(&s);
    for (unsigned slot = 0; slot < SLOTS; slot++)
        for (unsigned word = 0; word < 27; word++)
            scribble_word(&s, slot, word);
    REQUIRE(pthread_create(&s.thread, NULL, scribble, &s) == 0);
    for (unsigned i = 0; i < rounds; i++) {
        whole += scribble_round(&s, i * (SLOTS + 2u) + SLOTS);
        right += write_and_read(&neighbour, i);
        CHECK(rig_is_settled(&rig, (i + 1) * (SLOTS + 2u), 0));
    }
    NOTE("%lu words were written; %u of %u answers could be read", s.written,
         whole, rounds * SLOTS);
    CHECK_EQ(right, rounds);
    CHECK_EQ(rig.nr_told, 0); /* no index has lied yet */
    /* and now the indices as well */
    scribble_pause(&s, true);
    s.indices = true;
    scribble_pause(&s, false);
    expect_broken();
    __atomic_store_n(&s.stop, true, __ATOMIC_SEQ_CST);
    pthread_join(s.thread, NULL);
    CHECK_EQ(wrong_frames(), 0);
    close_both();
}

static void check_scribble(void)
{
    scribble_on(BLKIF_ABI_NATIVE);
    scribble_on(BLKIF_ABI_X86_32);
}

/* --- indices ------------------------------------------------------------- */

static void check_backwards(void)
{
    struct blkif_wire_response responses[4];
    struct blkif_wire_request r;

    /* behind what has been answered */
    open_both("mem:size=1M", BLKIF_ABI_NATIVE);
    for (unsigned i = 0; i < 4; i++)
        CHECK(write_and_read(&hostile, i));
    __atomic_store_n(INDEX(&hostile, req_prod), 6, __ATOMIC_SEQ_CST);
    expect_broken();
    close_both();
    /* behind what is in flight, which is answered all the same */
    open_both("delay:write=100ms/mem:size=1M", BLKIF_ABI_NATIVE);
    r = rig_request(&hostile, BLKIF_OP_WRITE, 0, 1, true);
    for (unsigned i = 0; i < 4; i++)
        front_ring_put(&hostile.queues[0].ring, &r);
    rig_push(&hostile);
    CHECK(rig_is_settled(&rig, 4, 4));
    __atomic_store_n(INDEX(&hostile, req_prod), 3, __ATOMIC_SEQ_CST);
    expect_broken();
    CHECK_EQ(rig_wait(&hostile, responses, 4, 10), 4);
    rig_end_grants(&hostile, &r);
    close_both();
}

/* What the front end writes there concerns nobody but itself. */
static void check_response_producer(void)
{
    static const uint32_t lies[] = { 0, 5, 31, 32, 33, 1000, 0x7fffffff,
                                     0x80000000, 0xfffffff0, 0xffffffff };
    struct blkif_wire_response response;
    struct blkif_wire_request r;

    open_both("mem:size=1M", BLKIF_ABI_NATIVE);
    r = rig_request(&hostile, BLKIF_OP_READ, 0, 1, false);
    for (unsigned i = 0; i < 100; i++) {
        r.id = i;
        front_ring_put(&hostile.queues[0].ring, &r);
        __atomic_store_n(INDEX(&hostile, rsp_prod), lies[i % 10],
                         __ATOMIC_SEQ_CST);
        front_ring_push(&hostile.queues[0].ring);
        local_event_notify(hostile.local, hostile.queues[0].port);
        CHECK(rig_is_settled(&rig, i + 1, 0)); /* the event may not come */
        CHECK_EQ(*INDEX(&hostile, rsp_prod), i + 1);
        CHECK_EQ(front_ring_take(&hostile.queues[0].ring, &response, 1), 1);
        CHECK_EQ(response.id, i);
        CHECK_EQ(response.status, BLKIF_RSP_OKAY);
    }
    rig_end_grants(&hostile, &r);
    CHECK(write_and_read(&neighbour, 1));
    CHECK_EQ(rig.nr_told, 0);
    close_both();
}

/* The disk's content becomes the ring's. */
static void check_ring_as_data(void)
{
    struct blkif_wire_request r;

    open_both("mem:size=1M", BLKIF_ABI_NATIVE);
    r = rig_request(&hostile, BLKIF_OP_WRITE, 0, 1, false);
    memset(rig_frame(&hostile, RIG_DATA_FRAME), 0xfe, LOCAL_PAGE_BYTES);
    CHECK_EQ(rig_do(&hostile, r), BLKIF_RSP_OKAY);
    rig_end_grants(&hostile, &r);
    r.operation = BLKIF_OP_READ;
    r.segments[0].gref = hostile.queues[0].grefs[0];
    front_ring_put(&hostile.queues[0].ring, &r);
    rig_push(&hostile);
    expect_broken();
    close_both();
}

/* --- grants -------------------------------------------------------------- */

static void check_revoked(void)
{
    struct blkif_wire_response responses[SLOTS];
    struct blkif_wire_request sent[SLOTS];
    unsigned touched = 0;

    open_both("delay:read=100ms,write=100ms/mem:size=1M", BLKIF_ABI_NATIVE);
    memset(rig_frame(&hostile, RIG_DATA_FRAME), 0xa5,
           SLOTS * (size_t)LOCAL_PAGE_BYTES);
    for (unsigned i = 0; i < SLOTS; i++) { /* reads and writes by turns */
        sent[i] = rig_request_at(&hostile, i % 2 ? BLKIF_OP_WRITE
                                                 : BLKIF_OP_READ,
                                 i * 8, RIG_DATA_FRAME + i, 1, false);
        sent[i].id = i;
        front_ring_put(&hostile.queues[0].ring, &sent[i]);
    }
    rig_push(&hostile);
    CHECK(rig_is_settled(&rig, SLOTS, SLOTS));
    /* half of each; the ring itself it cannot take back */
    for (unsigned i = 0; i < SLOTS; i++)
        if (i % 4 < 2)
            rig_end_grants(&hostile, &sent[i]);
    CHECK_EQ(local_grant_end(hostile.local, hostile.queues[0].grefs[0]),
             -EBUSY);
    CHECK_EQ(rig_wait(&hostile, responses, SLOTS, 10), SLOTS);
    for (unsigned n = 0; n < SLOTS; n++) {
        unsigned i = (unsigned)responses[n].id;

        if (!CHECK(i < SLOTS))
            continue;
        /* a write had its data long before */
        CHECK_EQ(responses[n].status, i % 4 == 0 ? BLKIF_RSP_ERROR
                                                 : BLKIF_RSP_OKAY);
        touched += i % 4 == 0 &&
                   rig_frame(&hostile, RIG_DATA_FRAME + i)[0] != (char)0xa5;
        if (i % 4 >= 2)
            rig_end_grants(&hostile, &sent[i]);
    }
    CHECK_EQ(touched, 0);
    CHECK(write_and_read(&neighbour, 1));
    close_both();
}

struct toggler {
    pthread_t thread;
    bool stop; /* atomic */
    const struct blkif_wire_request *request;
    unsigned long times;
};

/* Takes grants back and gives them again, as fast as it can. */
static void *toggle(void *context)
{
    struct toggler *t = context;
    struct grant_entry_v1 *table = (void *)rig_frame(&hostile, 0);

    while (!__atomic_load_n(&t->stop, __ATOMIC_SEQ_CST))
        for (unsigned i = 0; i < t->request->nr_segments; i++) {
            uint16_t *flags = &table[t->request->segments[i].gref].flags;
            uint16_t granted = GTF_permit_access, none = GTF_invalid;

            if (__atomic_compare_exchange_n(flags, &granted, GTF_invalid,
                                            false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST))
                t->times++;
            else
                __atomic_compare_exchange_n(flags, &none, GTF_permit_access,
                                            false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_SEQ_CST);
        }
    for (unsigned i = 0; i < t->request->nr_segments; i++)
        __atomic_fetch_or(&table[t->request->segments[i].gref].flags,
                          GTF_permit_access, __ATOMIC_SEQ_CST);
    return NULL;
}

static void check_toggled(void)
{
    struct blkif_wire_request r;
    struct toggler t = { .request = &r };
    unsigned statuses[2] = { 0 }, wrong = 0;

    open_both("mem:size=1M", BLKIF_ABI_NATIVE);
    r = rig_request(&hostile, BLKIF_OP_READ, 0, 4, false);
    REQUIRE(pthread_create(&t.thread, NULL, toggle, &t) == 0);
    for (unsigned i = 0; i < tap_scaled(2000); i++) {
        int status;

        r.operation = i % 2 ? BLKIF_OP_WRITE : BLKIF_OP_READ;
        status = rig_do(&hostile, r);
        if (!CHECK(status == BLKIF_RSP_OKAY || status == BLKIF_RSP_ERROR))
            break;
        statuses[status == BLKIF_RSP_OKAY]++;
        if (i % 100 == 0)
            wrong += !write_and_read(&neighbour, i);
    }
    __atomic_store_n(&t.stop, true, __ATOMIC_SEQ_CST);
    pthread_join(t.thread, NULL);
    NOTE("%u OK, %u ERROR while the grants went %lu times", statuses[1],
         statuses[0], t.times);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(rig.nr_told, 0);
    CHECK_EQ(rig_do(&hostile, r), BLKIF_RSP_OKAY);
    rig_end_grants(&hostile, &r);
    close_both();
}

/* --- events -------------------------------------------------------------- */

static void check_unconnected(void)
{
    struct rig_guest third;
    uint64_t before;
    int port;

    open_both("mem:size=1M", BLKIF_ABI_NATIVE);
    rig_guest_open(&rig, &third, RIG_DOMID + 2, BLKIF_ABI_NATIVE);
    port = local_event_alloc_unbound(third.local, 0);
    REQUIRE(port > 0);
    CHECK(write_and_read(&neighbour, 1));
    CHECK_EQ(rig_disconnect(&rig, &hostile, 1), 0);
    rig_stats(&rig);
    before = rig_stats(&rig).events_taken;
    for (unsigned i = 0; i < 100000; i++)
        local_event_notify(third.local, (uint32_t)port);
    CHECK_EQ(rig_stats(&rig).events_taken, before);
    CHECK(write_and_read(&neighbour, 2));
    /* one that was connected and whose other end has gone */
    REQUIRE(rig_connect(&rig, &hostile, RIG_DOMID, 1) == 0);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_DISCONNECT,
                                             .vbd = 1 }).error, 0);
    rig_stats(&rig);
    before = rig_stats(&rig).events_taken;
    for (unsigned i = 0; i < 100000; i++)
        local_event_notify(hostile.local, hostile.queues[0].port);
    CHECK_EQ(rig_stats(&rig).events_taken, before);
    local_event_close(hostile.local, hostile.queues[0].port);
    CHECK_EQ(local_grant_end(hostile.local, hostile.queues[0].grefs[0]), 0);
    /* and neither is the worse for it */
    REQUIRE(rig_connect(&rig, &hostile, RIG_DOMID, 1) == 0);
    CHECK(write_and_read(&hostile, 3));
    rig_guest_close(&third);
    close_both();
}

int main(void)
{
    TEST("requests and indices rewritten while they are read cost that ring",
         check_scribble);
    TEST("a request producer index that goes back costs that ring",
         check_backwards);
    TEST("what the front end writes into rsp_prod is never believed",
         check_response_producer);
    TEST("a ring that is its own data costs that ring", check_ring_as_data);
    TEST("grants that are taken back in mid-I/O cost the reads into them",
         check_revoked);
    TEST("grants that come and go cost only the requests that they fail",
         check_toggled);
    TEST("a storm of events on a port without a vbd is not heard",
         check_unconnected);
    return tap_done();
}
