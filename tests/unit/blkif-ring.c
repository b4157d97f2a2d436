/* SPDX-License-Identifier: MIT
 * Claim: both ends of the ring do what xen/io/ring.h's macros do, bit for bit,
 * on rings of 1 to 16 pages and over the wrap of the indices. Source:
 * xen/io/ring.h, blkif.h. Mechanism: the macros themselves as an oracle for
 * the native layout, in step with our functions on a second ring; bytes
 * written by hand from the i386 and x86-64 psABIs for the others. */
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
enum { MOST_SLOTS = 512 };
static struct blkif_wire_request got[MOST_SLOTS];
static struct blkif_wire_response responses[MOST_SLOTS];

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
        .operation = (uint8_t)random_below(7),
        .handle = (uint16_t)random_below(65536),
        .id = (uint64_t)random_below(UINT32_MAX) << 32 | random_below(99),
        .sector = (uint64_t)random_below(UINT32_MAX) << 8 };

    if (request.operation == BLKIF_OP_INDIRECT) {
        request.indirect_operation = (uint8_t)random_below(256);
        request.nr_indirect_segments = (uint16_t)random_below(65536);
        for (unsigned i = 0; i < BLKIF_WIRE_INDIRECT_PAGES; i++)
            request.indirect_grefs[i] = random_below(UINT32_MAX);
        return request;
    }
    request.nr_segments = (uint8_t)random_below(12);
    if (request.operation == BLKIF_OP_DISCARD) {
        request.nr_sectors = (uint64_t)random_below(UINT32_MAX) << 8;
        return request;
    }
    for (unsigned i = 0; i < request.nr_segments; i++)
        request.segments[i] = (struct blkif_wire_segment){
            .gref = random_below(UINT32_MAX),
            .first_sector = (uint8_t)random_below(256),
            .last_sector = (uint8_t)random_below(256) };
    return request;
}

static int same_segments(const struct blkif_wire_request *a,
                         const struct blkif_wire_request *b)
{
    for (unsigned i = 0; i < a->nr_segments; i++)
        if (a->segments[i].gref != b->segments[i].gref ||
            a->segments[i].first_sector != b->segments[i].first_sector ||
            a->segments[i].last_sector != b->segments[i].last_sector)
            return 0;
    return 1;
}

/* Equal in all that has a meaning. */
static int same_request(const struct blkif_wire_request *a,
                        const struct blkif_wire_request *b)
{
    if (a->operation != b->operation || a->nr_segments != b->nr_segments ||
        a->handle != b->handle || a->id != b->id || a->sector != b->sector)
        return 0;
    if (a->operation == BLKIF_OP_DISCARD)
        return a->nr_sectors == b->nr_sectors;
    if (a->operation == BLKIF_OP_INDIRECT)
        return a->indirect_operation == b->indirect_operation &&
               a->nr_indirect_segments == b->nr_indirect_segments &&
               memcmp(a->indirect_grefs, b->indirect_grefs,
                      sizeof(a->indirect_grefs)) == 0;
    return same_segments(a, b);
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

static struct step {
    unsigned most; /* messages at a time */
    struct front_ring front;
    struct back_ring back;
    blkif_front_ring_t xen_front;
    blkif_back_ring_t xen_back;
    uint64_t owed[MOST_SLOTS]; /* ids taken by the back end and not yet answered */
    unsigned nr_owed;
} the_step;

static void xen_put_indirect(blkif_request_indirect_t *slot,
                             const struct blkif_wire_request *request)
{
    memset(slot, 0, offsetof(blkif_request_indirect_t, indirect_grefs) +
                        sizeof(slot->indirect_grefs));
    slot->operation = request->operation;
    slot->indirect_op = request->indirect_operation;
    slot->nr_segments = request->nr_indirect_segments;
    slot->id = request->id;
    slot->sector_number = request->sector;
    slot->handle = request->handle;
    memcpy(slot->indirect_grefs, request->indirect_grefs,
           sizeof(slot->indirect_grefs));
}

static void xen_put_discard(blkif_request_discard_t *slot,
                            const struct blkif_wire_request *request)
{
    memset(slot, 0, sizeof(*slot));
    slot->operation = request->operation;
    slot->flag = request->nr_segments;
    slot->handle = request->handle;
    slot->id = request->id;
    slot->sector_number = request->sector;
    slot->nr_sectors = request->nr_sectors;
}

static void xen_put_segments(blkif_request_t *slot,
                             const struct blkif_wire_request *request)
{
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
}

/* A front end that writes what it uses, as Linux' does. */
static void xen_put_request(blkif_front_ring_t *ring,
                            const struct blkif_wire_request *request)
{
    void *slot = RING_GET_REQUEST(ring, ring->req_prod_pvt);

    if (request->operation == BLKIF_OP_INDIRECT)
        xen_put_indirect(slot, request);
    else if (request->operation == BLKIF_OP_DISCARD)
        xen_put_discard(slot, request);
    else
        xen_put_segments(slot, request);
    ring->req_prod_pvt++;
}

/* What the header's structs say about a slot. */
static struct blkif_wire_request xen_decode(const blkif_request_t *xen)
{
    struct blkif_wire_request request = {
        .operation = xen->operation, .nr_segments = xen->nr_segments,
        .handle = xen->handle, .id = xen->id, .sector = xen->sector_number };

    if (xen->operation == BLKIF_OP_INDIRECT) {
        const blkif_request_indirect_t *indirect = (const void *)xen;

        request.nr_segments = 0;
        request.handle = indirect->handle;
        request.indirect_operation = indirect->indirect_op;
        request.nr_indirect_segments = indirect->nr_segments;
        memcpy(request.indirect_grefs, indirect->indirect_grefs,
               sizeof(request.indirect_grefs));
    } else if (xen->operation == BLKIF_OP_DISCARD) {
        const blkif_request_discard_t *discard = (const void *)xen;

        request.nr_sectors = discard->nr_sectors;
    } else {
        memcpy(request.segments, xen->seg, sizeof(request.segments));
    }
    return request;
}

static void step_put_requests(struct step *step)
{
    unsigned nr = random_below(step->most + 1);

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
    int max = (int)random_below(2 * step->most + 1);
    int nr = back_ring_take(&step->back, got, (unsigned)max);
    int want = (int)RING_HAS_UNCONSUMED_REQUESTS(&step->xen_back);

    CHECK_EQ(nr, want < max ? want : max);
    for (int i = 0; i < nr; i++) {
        blkif_request_t xen;
        struct blkif_wire_request copy;

        RING_COPY_REQUEST(&step->xen_back, step->xen_back.req_cons++, &xen);
        copy = xen_decode(&xen);
        CHECK(same_request(&copy, &got[i]));
        step->owed[step->nr_owed++] = xen.id;
    }
}

static void step_put_responses(struct step *step)
{
    unsigned nr = random_below(step->most + 1);

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
    int max = (int)random_below(2 * step->most + 1);
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

static void check_in_step_of(uint32_t pages)
{
    static void (*const steps[])(struct step *) = {
        step_put_requests, step_push_requests, step_take_requests,
        step_put_responses, step_push_responses, step_take_responses,
        step_final_checks };
    const size_t bytes = pages * BLKIF_PAGE_BYTES;
    const uint32_t start = 0u - 1000; /* wraps soon */
    struct step *step = &the_step;

    *step = (struct step){ .most = 4 * pages };
    make_rings(&step->front, &step->back, BLKIF_ABI_NATIVE, pages, start);
    memcpy(&theirs, &ours, sizeof(theirs));
    FRONT_RING_ATTACH(&step->xen_front, &theirs.sring, start, bytes);
    BACK_RING_ATTACH(&step->xen_back, &theirs.sring, start, bytes);
    for (unsigned long i = tap_scaled(50000); i > 0; i--) {
        steps[random_below(sizeof(steps) / sizeof(steps[0]))](step);
        if (!CHECK(memcmp(&ours, &theirs, bytes) == 0))
            return;
    }
    CHECK((int32_t)step->front.rsp_cons > 0 || tap_scaled(100) < 100);
}

static void check_in_step(void)
{
    random_state = tap_seed() * 2 + 1;
    for (uint32_t pages = 1; pages <= BLKIF_MAX_RING_PAGES; pages *= 2)
        check_in_step_of(pages);
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

int main(void)
{
    NOTE("ABIs: %s %s %s", abi_names[0], abi_names[1], abi_names[2]);
    TEST("a ring has as many slots as ring.h says", check_slots);
    TEST("a new ring's header is ring.h's, and a back end leaves it alone",
         check_init);
    TEST("in step with ring.h's macros, every byte and answer is the same",
         check_in_step);
    TEST("entries of both x86 ABIs have the bytes of their psABI (XSA-216)",
         check_golden_bytes);
    TEST("a discard carries its length where segments would be",
         check_discard);
    TEST("a push notifies exactly when the event index is in what it adds",
         check_notify_rule);
    return tap_done();
}
