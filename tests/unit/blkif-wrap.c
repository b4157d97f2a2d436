/* SPDX-License-Identifier: MIT
 * Claim: rings of every order carry what is put on them over the wrap of the
 * indices at 2^32, between both ends of ours in every ABI, empty, full and
 * with anything in flight; and a peer whose producer index makes no sense is
 * refused wherever the indices stand (XSA-155's family;
 * RING_REQUEST_PROD_OVERFLOW). Source: xen/io/ring.h; xen/io/blkif.h for
 * ring-page-order, whose slots Linux counts the same way. Mechanism: rings
 * whose indices are set to just below 2^32, each message unlike any other;
 * hostile indices, all of them around the ring's length on a ring of one page,
 * the boundaries on longer ones. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "tests/unit/tap.h"

enum { MOST_SLOTS = 512 };

/* Sixteen pages, the longest ring, and one that must stay as it is. */
static union {
    uint8_t bytes[(BLKIF_MAX_RING_PAGES + 1) * BLKIF_PAGE_BYTES];
    uint64_t align;
    struct blkif_sring sring;
} ring;
static struct blkif_wire_request got[2 * MOST_SLOTS];
static struct blkif_wire_response responses[2 * MOST_SLOTS];

/* Calls check for every order in every ABI. */
static void each_ring(void (*check)(enum blkif_abi abi, uint32_t pages))
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (uint32_t pages = 1; pages <= BLKIF_MAX_RING_PAGES; pages *= 2)
            check((enum blkif_abi)abi, pages);
}

/* A front end's new ring, and both ends' indices moved on to start. */
static void make_rings(struct front_ring *front, struct back_ring *back,
                       enum blkif_abi abi, uint32_t pages, uint32_t start)
{
    memset(&ring, 0xee, sizeof(ring));
    front_ring_init(front, &ring, pages, abi);
    back_ring_init(back, &ring, pages, abi);
    front->req_prod = front->rsp_cons = start;
    back->req_cons = back->rsp_prod = start;
    ring.sring.req_prod = ring.sring.rsp_prod = start;
    ring.sring.req_event = ring.sring.rsp_event = start + 1;
}

/* --- slots ---------------------------------------------------------------- */

static void check_slots(void)
{
    static const uint32_t slots_of_order[] = { 32, 64, 128, 256, 512 };

    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (unsigned order = 0; order < 5; order++)
            CHECK_EQ(ring_slots((enum blkif_abi)abi, 1u << order),
                     slots_of_order[order]);
}

/* --- both ends ------------------------------------------------------------ */

/* Message n: it fills a slot of any ABI to its end, so that slots which
 * overlap, or are mixed up, are seen. */
static struct blkif_wire_request request_of(uint32_t n)
{
    struct blkif_wire_request request = {
        .operation = BLKIF_OP_WRITE, .nr_segments = BLKIF_WIRE_SEGMENTS,
        .handle = (uint16_t)n, .id = UINT64_C(0x0123456700000000) + n,
        .sector = UINT64_C(0x89abcdef00000000) + n };

    for (unsigned i = 0; i < BLKIF_WIRE_SEGMENTS; i++)
        request.segments[i] =
            (struct blkif_wire_segment){ n * 16 + i, (uint8_t)n, 7 };
    return request;
}

static int16_t status_of(uint32_t n)
{
    return (int16_t)(n * 7);
}

static void check_request(const struct blkif_wire_request *request,
                          uint32_t n)
{
    struct blkif_wire_request want = request_of(n);

    CHECK(request->operation == want.operation &&
          request->nr_segments == want.nr_segments &&
          request->handle == want.handle && request->id == want.id &&
          request->sector == want.sector);
    for (unsigned i = 0; i < BLKIF_WIRE_SEGMENTS; i++)
        CHECK(request->segments[i].gref == want.segments[i].gref &&
              request->segments[i].first_sector == (uint8_t)n &&
              request->segments[i].last_sector == 7);
}

struct ends {
    struct front_ring front;
    struct back_ring back;
    uint32_t sent, taken, answered, heard; /* messages so far */
};

static void send_requests(struct ends *ends, uint32_t nr)
{
    for (; nr > 0; nr--) {
        struct blkif_wire_request request = request_of(ends->sent++);

        front_ring_put(&ends->front, &request);
    }
    front_ring_push(&ends->front);
}

static void take_requests(struct ends *ends, uint32_t nr)
{
    CHECK_EQ(back_ring_take(&ends->back, got, nr), nr);
    for (uint32_t i = 0; i < nr; i++)
        check_request(&got[i], ends->taken++);
}

static void answer_requests(struct ends *ends, uint32_t nr)
{
    for (; nr > 0; nr--, ends->answered++)
        back_ring_put(&ends->back, request_of(ends->answered).id,
                      BLKIF_OP_WRITE, status_of(ends->answered));
    back_ring_push(&ends->back);
}

static void hear_responses(struct ends *ends, uint32_t nr)
{
    CHECK_EQ(front_ring_take(&ends->front, responses, nr), nr);
    for (uint32_t i = 0; i < nr; i++, ends->heard++)
        CHECK(responses[i].id == request_of(ends->heard).id &&
              responses[i].operation == BLKIF_OP_WRITE &&
              responses[i].status == status_of(ends->heard));
}

/* Once around the wrap with `waiting` requests not taken, `working` taken,
 * `done` answered and not heard of, all the time. */
static void check_flight(enum blkif_abi abi, uint32_t pages, uint32_t waiting,
                         uint32_t working, uint32_t done)
{
    struct ends ends = { .sent = 0 };
    uint32_t slots = ring_slots(abi, pages), all = waiting + working + done;
    uint32_t step = all < slots ? slots - all : 0, laps = 0;

    make_rings(&ends.front, &ends.back, abi, pages, 0u - slots - 5);
    send_requests(&ends, all);
    take_requests(&ends, working + done);
    answer_requests(&ends, done);
    if (step == 0) { /* full: one must go before another comes */
        hear_responses(&ends, done);
        step = done;
        all -= done;
    }
    for (; ends.sent < 3 * slots; laps++) {
        CHECK_EQ(front_ring_free(&ends.front), slots - all);
        send_requests(&ends, step);
        take_requests(&ends, step);
        answer_requests(&ends, step);
        hear_responses(&ends, step);
    }
    CHECK(laps > 0 && ends.front.rsp_cons < 4 * slots);
    CHECK(!back_ring_has_requests(&ends.back) == (waiting == 0));
    CHECK_EQ(ring.bytes[pages * BLKIF_PAGE_BYTES], 0xee);
}

static void check_flights_of(enum blkif_abi abi, uint32_t pages)
{
    uint32_t slots = ring_slots(abi, pages);

    check_flight(abi, pages, 0, 0, 0);
    check_flight(abi, pages, slots / 2, 0, 0);
    check_flight(abi, pages, 0, slots / 2, 0);
    check_flight(abi, pages, 0, 0, slots / 2);
    check_flight(abi, pages, slots / 4, slots / 4, slots / 4);
    check_flight(abi, pages, 1, 1, slots - 3);
    check_flight(abi, pages, 0, slots - 1, 0);
    check_flight(abi, pages, 0, slots - 1, 1);
    check_flight(abi, pages, 0, 0, slots);
}

static void check_flights(void)
{
    each_ring(check_flights_of);
}

/* A full ring whose slots straddle the wrap, wherever; nothing is written past
 * the last slot. */
static void check_full_of(enum blkif_abi abi, uint32_t pages)
{
    uint32_t slots = ring_slots(abi, pages);
    size_t end = 64 + (size_t)slots * (abi == BLKIF_ABI_X86_32 ? 108 : 112);

    for (uint32_t before = 0; before <= slots; before += slots / 16) {
        struct ends ends = { .sent = 0 };

        make_rings(&ends.front, &ends.back, abi, pages, 0u - before);
        send_requests(&ends, slots);
        CHECK_EQ(front_ring_free(&ends.front), 0);
        take_requests(&ends, slots / 2 + 1);
        take_requests(&ends, slots / 2 - 1);
        CHECK_EQ(back_ring_take(&ends.back, got, 1), 0);
        answer_requests(&ends, slots);
        hear_responses(&ends, slots / 2 - 1);
        hear_responses(&ends, slots / 2 + 1);
        CHECK_EQ(front_ring_take(&ends.front, responses, 1), 0);
        CHECK_EQ(ring.bytes[end], 0xee);
    }
    CHECK(end <= (size_t)pages * BLKIF_PAGE_BYTES);
}

static void check_full(void)
{
    each_ring(check_full_of);
}

/* --- hostile peers -------------------------------------------------------- */

/* A front end that has had `answered` of `taken` requests answered claims to
 * have put `claim` more. */
static void claim_requests(enum blkif_abi abi, uint32_t pages, uint32_t taken,
                           uint32_t answered, int64_t claim)
{
    const uint32_t start = UINT32_MAX - 20;
    struct back_ring back;
    int64_t room = ring_slots(abi, pages) - (int64_t)(taken - answered);
    int64_t want = claim < 0 || claim > room ? -EPROTO : claim;

    back_ring_init(&back, &ring, pages, abi);
    back.req_cons = start + taken;
    back.rsp_prod = start + answered;
    ring.sring.req_prod = back.req_cons + (uint32_t)claim;
    CHECK_EQ(back_ring_has_requests(&back), claim != 0);
    CHECK_EQ(back_ring_final_check(&back), claim != 0);
    CHECK_EQ(back_ring_take(&back, got, 2 * MOST_SLOTS), want);
    CHECK_EQ(back.req_cons - start - taken, want < 0 ? 0 : want);
}

/* A back end claims to have answered `claim` of the `asked` requests. */
static void claim_responses(enum blkif_abi abi, uint32_t pages,
                            uint32_t asked, int64_t claim)
{
    struct front_ring front;
    struct back_ring back;
    int64_t want = claim < 0 || claim > asked ? -EPROTO : claim;

    make_rings(&front, &back, abi, pages, UINT32_MAX - 15);
    front.req_prod += asked;
    ring.sring.rsp_prod = front.rsp_cons + (uint32_t)claim;
    CHECK_EQ(front_ring_final_check(&front), claim != 0);
    CHECK_EQ(front_ring_take(&front, responses, 2 * MOST_SLOTS), want);
    CHECK_EQ(front_ring_free(&front),
             front.slots - asked + (want < 0 ? 0 : (uint32_t)want));
}

static void check_hostile_front(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (uint32_t taken = 0; taken <= 32; taken++)
            for (uint32_t answered = 0; answered <= taken; answered++)
                for (int claim = -70; claim <= 70; claim++)
                    claim_requests((enum blkif_abi)abi, 1, taken, answered,
                                   claim);
}

static void check_hostile_back(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (uint32_t asked = 0; asked <= 32; asked++)
            for (int claim = -70; claim <= 70; claim++)
                claim_responses((enum blkif_abi)abi, 1, asked, claim);
}

static void check_hostile_of(enum blkif_abi abi, uint32_t pages)
{
    const uint32_t slots = ring_slots(abi, pages);
    const uint32_t amounts[] = { 0, 1, slots / 2, slots - 1, slots };
    const int64_t bases[] = { 0, slots / 2, slots, 2 * slots, INT32_MAX,
                              -(int64_t)slots, INT32_MIN };

    for (unsigned a = 0; a < 5; a++)
        for (unsigned base = 0; base < sizeof(bases) / sizeof(*bases); base++)
            for (int more = -2; more <= 2; more++) {
                int64_t claim = bases[base] + more;

                claim_responses(abi, pages, amounts[a], claim);
                for (unsigned b = 0; b <= a; b++)
                    claim_requests(abi, pages, amounts[a], amounts[b], claim);
            }
}

static void check_hostile_long(void)
{
    each_ring(check_hostile_of);
}

int main(void)
{
    TEST("a ring of order 0 to 4 has 32 to 512 slots", check_slots);
    TEST("nothing is lost or mixed up over the wrap of the indices, whatever "
         "is in flight", check_flights);
    TEST("a full ring over the wrap ends within its last slot", check_full);
    TEST("a front end's producer index past the ring, or gone back, is "
         "refused", check_hostile_front);
    TEST("a back end's producer index past what was asked is refused",
         check_hostile_back);
    TEST("so they are on rings of any order, also from far away",
         check_hostile_long);
    return tap_done();
}
