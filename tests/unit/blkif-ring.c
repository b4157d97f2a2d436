/* SPDX-License-Identifier: MIT
 * Claim: both ends of the ring do what xen/io/ring.h's macros do, bit for bit,
 * in every ABI and over the wrap of the indices, and a peer whose producer
 * index makes no sense is refused (XSA-155's family; RING_REQUEST_PROD_
 * OVERFLOW). Source: xen/io/ring.h, blkif.h. Mechanism: the macros themselves
 * as an oracle for the native layout, in step with our functions on a second
 * page; bytes written by hand from the i386 and x86-64 psABIs for the others;
 * hostile indices. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#define mb() __sync_synchronize()
#define rmb() __sync_synchronize()
#define wmb() __sync_synchronize()
#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "tests/unit/tap.h"

static const char *const abi_names[] = { "native", "x86_32", "x86_64" };

/* Sixteen pages: the longest ring. Twice, for the oracle. */
union pages {
    uint8_t bytes[BLKIF_MAX_RING_PAGES * BLKIF_PAGE_BYTES];
    uint64_t align;
    struct blkif_sring sring;
};
static union pages ours, theirs;
/* What was taken. */
static struct blkif_wire_request got[80], sent[16];
static struct blkif_wire_response responses[80];

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

static struct blkif_wire_request random_request(void)
{
    struct blkif_wire_request request = {
        .operation = (uint8_t)random_below(4),
        .nr_segments = (uint8_t)random_below(12),
        .handle = (uint16_t)random_below(65536),
        .id = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(99),
        .sector = (uint64_t)random_below(UINT32_MAX) << 8 };

    for (unsigned i = 0; i < request.nr_segments; i++)
        request.segments[i] = (struct blkif_wire_segment){
            .gref = random_below(UINT32_MAX),
            .first_sector = (uint8_t)random_below(256),
            .last_sector = (uint8_t)random_below(256) };
    return request;
}

/* Equal in all that has a meaning. */
static int same_request(const struct blkif_wire_request *a,
                        const struct blkif_wire_request *b)
{
    unsigned nr = a->operation == BLKIF_OP_DISCARD ? 0 : a->nr_segments;

    for (unsigned i = 0; i < nr; i++)
        if (a->segments[i].gref != b->segments[i].gref ||
            a->segments[i].first_sector != b->segments[i].first_sector ||
            a->segments[i].last_sector != b->segments[i].last_sector)
            return 0;
    return a->operation == b->operation && a->nr_segments == b->nr_segments &&
           a->handle == b->handle && a->id == b->id &&
           a->sector == b->sector && a->nr_sectors == b->nr_sectors;
}

static void check_slots(void)
{
    for (uint32_t pages = 1; pages <= BLKIF_MAX_RING_PAGES; pages *= 2) {
        blkif_front_ring_t xen;

        XEN_FRONT_RING_INIT(&xen, &theirs.sring, pages * 4096);
        for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
            CHECK_EQ(ring_slots((enum blkif_abi)abi, pages), 32 * pages);
        CHECK_EQ(ring_slots(BLKIF_ABI_NATIVE, pages), RING_SIZE(&xen));
    }
    CHECK_EQ(ring_slots(BLKIF_ABI_NATIVE, 3), 64);
}

/* A front end's new ring, and both ends' indices moved on to start. */
static void make_rings(struct front_ring *front, struct back_ring *back,
                       enum blkif_abi abi, uint32_t pages, uint32_t start)
{
    memset(&ours, 0xee, sizeof(ours));
    front_ring_init(front, &ours, pages, abi);
    back_ring_init(back, &ours, pages, abi);
    front->req_prod = front->rsp_cons = start;
    back->req_cons = back->rsp_prod = start;
    ours.sring.req_prod = ours.sring.rsp_prod = start;
    ours.sring.req_event = ours.sring.rsp_event = start + 1;
}

static void check_init(void)
{
    struct front_ring front;
    struct back_ring back;

    memset(&ours, 0xee, sizeof(ours));
    memset(&theirs, 0xee, sizeof(theirs));
    front_ring_init(&front, &ours, 1, BLKIF_ABI_NATIVE);
    SHARED_RING_INIT(&theirs.sring);
    CHECK(memcmp(&ours, &theirs, sizeof(ours)) == 0);
    CHECK_EQ(front_ring_free(&front), 32);
    back_ring_init(&back, &ours, 1, BLKIF_ABI_NATIVE);
    CHECK(memcmp(&ours, &theirs, sizeof(ours)) == 0);
    CHECK(!back_ring_has_requests(&back));
}

/* --- in step with the macros ---------------------------------------------- */

struct step {
    struct front_ring front;
    struct back_ring back;
    blkif_front_ring_t xen_front;
    blkif_back_ring_t xen_back;
    uint64_t owed[32]; /* ids taken by the back end and not yet answered */
    unsigned nr_owed;
};

/* A front end that writes what it uses, as Linux' does. */
static void xen_put_request(blkif_front_ring_t *ring,
                            const struct blkif_wire_request *request)
{
    blkif_request_t *slot = RING_GET_REQUEST(ring, ring->req_prod_pvt);

    memset(slot, 0, offsetof(blkif_request_t, seg[request->nr_segments]));
    slot->operation = request->operation;
    slot->nr_segments = request->nr_segments;
    slot->handle = request->handle;
    slot->id = request->id;
    slot->sector_number = request->sector;
    for (unsigned i = 0; i < request->nr_segments; i++) {
        slot->seg[i].gref = request->segments[i].gref;
        slot->seg[i].first_sect = request->segments[i].first_sector;
        slot->seg[i].last_sect = request->segments[i].last_sector;
    }
    ring->req_prod_pvt++;
}

static void step_put_requests(struct step *step)
{
    unsigned nr = random_below(5);

    CHECK_EQ(front_ring_free(&step->front),
             RING_FREE_REQUESTS(&step->xen_front));
    while (nr-- && front_ring_free(&step->front)) {
        struct blkif_wire_request request = random_request();

        front_ring_put(&step->front, &request);
        xen_put_request(&step->xen_front, &request);
    }
}

static void step_push_requests(struct step *step)
{
    int notify;

    RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&step->xen_front, notify);
    CHECK_EQ(front_ring_push(&step->front), notify);
}

static void step_take_requests(struct step *step)
{
    int max = (int)random_below(9);
    int nr = back_ring_take(&step->back, got, (unsigned)max);
    int want = (int)RING_HAS_UNCONSUMED_REQUESTS(&step->xen_back);

    CHECK_EQ(nr, want < max ? want : max);
    for (int i = 0; i < nr; i++) {
        blkif_request_t xen;
        struct blkif_wire_request copy;

        RING_COPY_REQUEST(&step->xen_back, step->xen_back.req_cons++, &xen);
        copy = (struct blkif_wire_request){
            .operation = xen.operation, .nr_segments = xen.nr_segments,
            .handle = xen.handle, .id = xen.id, .sector = xen.sector_number };
        memcpy(copy.segments, xen.seg, sizeof(copy.segments));
        CHECK(same_request(&copy, &got[i]));
        step->owed[step->nr_owed++] = xen.id;
    }
}

static void step_put_responses(struct step *step)
{
    unsigned nr = random_below(5);

    while (nr-- && step->nr_owed) {
        unsigned which = random_below(step->nr_owed);
        blkif_response_t *slot = RING_GET_RESPONSE(
            &step->xen_back, step->xen_back.rsp_prod_pvt);
        int16_t status = (int16_t)-random_below(3);

        memset(slot, 0, sizeof(*slot));
        slot->id = step->owed[which];
        slot->operation = 1;
        slot->status = status;
        step->xen_back.rsp_prod_pvt++;
        back_ring_put(&step->back, step->owed[which], 1, status);
        step->owed[which] = step->owed[--step->nr_owed];
    }
}

static void step_push_responses(struct step *step)
{
    int notify;

    RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&step->xen_back, notify);
    CHECK_EQ(back_ring_push(&step->back), notify);
}

static void step_take_responses(struct step *step)
{
    int max = (int)random_below(9);
    int nr = front_ring_take(&step->front, responses, (unsigned)max);
    int want = (int)RING_HAS_UNCONSUMED_RESPONSES(&step->xen_front);

    CHECK_EQ(nr, want < max ? want : max);
    for (int i = 0; i < nr; i++) {
        blkif_response_t xen;

        RING_COPY_RESPONSE(&step->xen_front, step->xen_front.rsp_cons++,
                           &xen);
        CHECK(xen.id == responses[i].id &&
              xen.operation == responses[i].operation &&
              xen.status == responses[i].status);
    }
}

static void step_final_checks(struct step *step)
{
    int more;

    CHECK_EQ(back_ring_has_requests(&step->back),
             RING_HAS_UNCONSUMED_REQUESTS(&step->xen_back) != 0);
    if (random_below(2)) {
        RING_FINAL_CHECK_FOR_REQUESTS(&step->xen_back, more);
        CHECK_EQ(back_ring_final_check(&step->back), more != 0);
    } else {
        RING_FINAL_CHECK_FOR_RESPONSES(&step->xen_front, more);
        CHECK_EQ(front_ring_final_check(&step->front), more != 0);
    }
}

static void check_in_step(void)
{
    static void (*const steps[])(struct step *) = {
        step_put_requests, step_push_requests, step_take_requests,
        step_put_responses, step_push_responses, step_take_responses,
        step_final_checks };
    const uint32_t start = 0u - 1000; /* wraps soon */
    struct step step = { .nr_owed = 0 };

    make_rings(&step.front, &step.back, BLKIF_ABI_NATIVE, 1, start);
    memcpy(&theirs, &ours, sizeof(theirs));
    FRONT_RING_ATTACH(&step.xen_front, &theirs.sring, start, 4096);
    BACK_RING_ATTACH(&step.xen_back, &theirs.sring, start, 4096);
    random_state = tap_seed() * 2 + 1;
    for (unsigned long i = tap_scaled(200000); i > 0; i--) {
        steps[random_below(sizeof(steps) / sizeof(steps[0]))](&step);
        if (!CHECK(memcmp(&ours, &theirs, 4096) == 0))
            return;
    }
    CHECK((int32_t)step.front.rsp_cons > 0 || tap_scaled(100) < 100);
}

/* --- bytes by hand -------------------------------------------------------- */

static struct blkif_wire_request golden_request(void)
{
    struct blkif_wire_request request = {
        .operation = BLKIF_OP_WRITE, .nr_segments = 2, .handle = 0xca10,
        .id = 0x0102030405060708, .sector = 0x1112131415161718 };

    request.segments[0] = (struct blkif_wire_segment){ 0x21222324, 1, 7 };
    request.segments[1] = (struct blkif_wire_segment){ 0x31323334, 0, 3 };
    return request;
}

static const uint8_t golden_32[] = {
    1, 2, 0x10, 0xca, 8, 7, 6, 5, 4, 3, 2, 1,
    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
    0x24, 0x23, 0x22, 0x21, 1, 7, 0, 0, 0x34, 0x33, 0x32, 0x31, 0, 3, 0, 0 };
static const uint8_t golden_64[] = {
    1, 2, 0x10, 0xca, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1,
    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11,
    0x24, 0x23, 0x22, 0x21, 1, 7, 0, 0, 0x34, 0x33, 0x32, 0x31, 0, 3, 0, 0 };
static const uint8_t golden_response_32[] = {
    8, 7, 6, 5, 4, 3, 2, 1, 1, 0, 0xfe, 0xff };
static const uint8_t golden_response_64[] = {
    8, 7, 6, 5, 4, 3, 2, 1, 1, 0, 0xfe, 0xff, 0, 0, 0, 0 };

static void check_golden(enum blkif_abi abi, const uint8_t *request_bytes,
                         size_t request_size, size_t slot_size,
                         const uint8_t *response_bytes, size_t response_size)
{
    struct front_ring front;
    struct back_ring back;
    struct blkif_wire_request request = golden_request();
    uint8_t *slot = ours.bytes + 64 + 3 * slot_size;

    make_rings(&front, &back, abi, 1, 3);
    front_ring_put(&front, &request);
    front_ring_push(&front);
    CHECK(memcmp(slot, request_bytes, request_size) == 0);
    CHECK_EQ(slot[-1], 0xee);
    CHECK_EQ(slot[request_size], 0xee); /* no more than is used */
    CHECK_EQ(back_ring_take(&back, got, 1), 1);
    CHECK(same_request(&got[0], &request));
    memset(slot, 0xee, slot_size);
    back_ring_put(&back, got[0].id, got[0].operation, BLKIF_RSP_EOPNOTSUPP);
    back_ring_push(&back);
    CHECK(memcmp(slot, response_bytes, response_size) == 0);
    CHECK_EQ(slot[-1], 0xee);
    CHECK_EQ(slot[response_size], 0xee);
    CHECK_EQ(front_ring_take(&front, responses, 1), 1);
    CHECK(responses[0].id == request.id && responses[0].operation == 1 &&
          responses[0].status == BLKIF_RSP_EOPNOTSUPP);
}

static void check_golden_bytes(void)
{
    check_golden(BLKIF_ABI_X86_32, golden_32, sizeof(golden_32), 108,
                 golden_response_32, sizeof(golden_response_32));
    check_golden(BLKIF_ABI_X86_64, golden_64, sizeof(golden_64), 112,
                 golden_response_64, sizeof(golden_response_64));
}

static void check_discard(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        struct front_ring front;
        struct back_ring back;
        struct blkif_wire_request request = {
            .operation = BLKIF_OP_DISCARD, .nr_segments = 1, .handle = 5,
            .id = 77, .sector = 88, .nr_sectors = UINT64_C(0x123456789a) };
        size_t at = abi == BLKIF_ABI_X86_32 ? 20 : 24;
        const uint8_t bytes[] = { 0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0 };

        memset(got, 0xff, sizeof(got));
        make_rings(&front, &back, (enum blkif_abi)abi, 1, 0);
        front_ring_put(&front, &request);
        front_ring_push(&front);
        CHECK(memcmp(ours.bytes + 64 + at, bytes, sizeof(bytes)) == 0);
        CHECK_EQ(back_ring_take(&back, got, 1), 1);
        CHECK(same_request(&got[0], &request));
        CHECK_EQ(got[0].segments[0].gref, 0);
    }
}

/* --- both ends of ours ---------------------------------------------------- */

static void check_wrap_of(enum blkif_abi abi, uint32_t pages)
{
    struct front_ring front;
    struct back_ring back;
    uint32_t slots = ring_slots(abi, pages);

    make_rings(&front, &back, abi, pages, 0u - 5 * slots - 7);
    for (uint32_t lap = 0; lap < 20 * slots; lap += 16) {
        for (int i = 0; i < 16; i++) {
            sent[i] = random_request();
            front_ring_put(&front, &sent[i]);
        }
        front_ring_push(&front);
        CHECK_EQ(back_ring_take(&back, got, 7), 7); /* in two batches */
        CHECK_EQ(back_ring_take(&back, got + 7, 16), 9);
        CHECK_EQ(back_ring_take(&back, got, 16), 0);
        for (int i = 0; i < 16; i++) {
            CHECK(same_request(&sent[i], &got[i]));
            back_ring_put(&back, got[i].id, got[i].operation, (int16_t)-i);
        }
        back_ring_push(&back);
        CHECK_EQ(front_ring_take(&front, responses, 5), 5);
        CHECK_EQ(front_ring_take(&front, responses + 5, 16), 11);
        for (int i = 0; i < 16; i++)
            CHECK(responses[i].id == sent[i].id &&
                  responses[i].status == -i);
        CHECK_EQ(front_ring_free(&front), front.slots);
    }
}

static void check_wrap(void)
{
    random_state = tap_seed() * 2 + 1;
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (uint32_t pages = 1; pages <= BLKIF_MAX_RING_PAGES; pages *= 4)
            check_wrap_of((enum blkif_abi)abi, pages);
}

static void check_full(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        struct front_ring front;
        struct back_ring back;
        struct blkif_wire_request request = golden_request();
        uint8_t *end;

        make_rings(&front, &back, (enum blkif_abi)abi, 1, UINT32_MAX - 3);
        end = ours.bytes + 64 + 32 * (abi == BLKIF_ABI_X86_32 ? 108 : 112);
        for (unsigned i = 0; i < 32; i++) {
            request.id = i;
            front_ring_put(&front, &request);
        }
        CHECK_EQ(front_ring_free(&front), 0);
        front_ring_push(&front);
        CHECK_EQ(back_ring_take(&back, got, 99), 32);
        for (unsigned i = 0; i < 32; i++) {
            CHECK_EQ(got[i].id, i);
            back_ring_put(&back, i, 1, 0);
        }
        CHECK_EQ(end[0], 0xee);
        CHECK(end <= ours.bytes + 4096);
    }
}

/* --- notification --- */

/* The peer asked for an event at index `event`; we publish old+1..new. */
static void check_notify_rule(void)
{
    static const uint32_t starts[] = { 0, 5, UINT32_MAX - 2, 0x7fffffff };

    for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++)
        for (unsigned nr = 0; nr <= 4; nr++)
            for (unsigned event = 0; event <= 8; event++) {
                struct front_ring front;
                struct back_ring back;
                struct blkif_wire_request request = golden_request();
                bool want = event >= 1 && event <= nr;

                make_rings(&front, &back, BLKIF_ABI_NATIVE, 1, starts[s]);
                ours.sring.req_event = starts[s] + event;
                ours.sring.rsp_event = starts[s] + event;
                for (unsigned i = 0; i < nr; i++)
                    front_ring_put(&front, &request);
                CHECK_EQ(front_ring_push(&front), want);
                for (unsigned i = 0; i < nr; i++)
                    back_ring_put(&back, 1, 1, 0);
                CHECK_EQ(back_ring_push(&back), want);
                CHECK_EQ(ours.sring.req_prod, starts[s] + nr);
                CHECK_EQ(ours.sring.rsp_prod, starts[s] + nr);
            }
}

/* --- hostile peers --- */

static void check_hostile_front(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (unsigned taken = 0; taken <= 32; taken++)
            for (unsigned answered = 0; answered <= taken; answered++)
                for (int claim = -70; claim <= 70; claim++) {
                    struct back_ring back;
                    uint32_t start = UINT32_MAX - 20;
                    int room = 32 - (int)(taken - answered);
                    int want = claim < 0 || claim > room ? -EPROTO : claim;

                    back_ring_init(&back, &ours, 1, (enum blkif_abi)abi);
                    back.req_cons = start + taken;
                    back.rsp_prod = start + answered;
                    ours.sring.req_prod = back.req_cons + (uint32_t)claim;
                    CHECK_EQ(back_ring_has_requests(&back), claim != 0);
                    CHECK_EQ(back_ring_final_check(&back), claim != 0);
                    CHECK_EQ(back_ring_take(&back, got, 70), want);
                    CHECK_EQ(back.req_cons - start - taken,
                             want < 0 ? 0 : want);
                }
}

static void check_hostile_back(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (unsigned asked = 0; asked <= 32; asked++)
            for (int claim = -70; claim <= 70; claim++) {
                struct front_ring front;
                struct back_ring back;
                int want = claim < 0 || claim > (int)asked ? -EPROTO : claim;

                make_rings(&front, &back, (enum blkif_abi)abi, 1,
                           UINT32_MAX - 15);
                front.req_prod += asked;
                ours.sring.rsp_prod = front.rsp_cons + (uint32_t)claim;
                CHECK_EQ(front_ring_final_check(&front), claim != 0);
                CHECK_EQ(front_ring_take(&front, responses, 70), want);
                CHECK_EQ(front_ring_free(&front),
                         32 - asked + (want < 0 ? 0 : (unsigned)want));
            }
}

static void check_hostile_far(void)
{
    static const uint32_t claims[] = { 33, 0x7fffffff, 0x80000000,
                                       0x80000021, UINT32_MAX };

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        struct front_ring front;
        struct back_ring back;

        make_rings(&front, &back, BLKIF_ABI_NATIVE, 1, 0);
        ours.sring.req_prod = ours.sring.rsp_prod = claims[i];
        CHECK_EQ(back_ring_take(&back, got, 32), -EPROTO);
        CHECK_EQ(front_ring_take(&front, responses, 32), -EPROTO);
    }
}

int main(void)
{
    NOTE("ABIs: %s %s %s", abi_names[0], abi_names[1], abi_names[2]);
    TEST("a ring has as many slots as ring.h says", check_slots);
    TEST("a new ring's header is ring.h's, and a back end leaves it alone",
         check_init);
    TEST("in step with ring.h's macros, every byte and answer is the same",
         check_in_step);
    TEST("entries of both x86 ABIs have the bytes of their psABI",
         check_golden_bytes);
    TEST("a discard carries its length where segments would be",
         check_discard);
    TEST("nothing is lost or mixed up over the wrap of the indices",
         check_wrap);
    TEST("a full ring of any ABI ends within its page", check_full);
    TEST("a push notifies exactly when the event index is in what it adds",
         check_notify_rule);
    TEST("a front end's producer index past the ring, or gone back, is "
         "refused", check_hostile_front);
    TEST("a back end's producer index past what was asked is refused",
         check_hostile_back);
    TEST("an index from far away is refused", check_hostile_far);
    return tap_done();
}
