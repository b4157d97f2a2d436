/* SPDX-License-Identifier: MIT
 * Claim: what a peer wrote is copied once: no byte of a slot is read twice, no
 * index is read more often than ring.h looks at it, and indices are accessed
 * in the order that makes a slot's contents visible (law 2 of the design;
 * XSA-155, a double fetch from this very ring). Mechanism: a build of ring.c
 * whose accesses to shared memory all come here and are counted by byte. */
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "tests/unit/tap.h"

enum { RING_BYTES = BLKIF_MAX_RING_PAGES * BLKIF_PAGE_BYTES,
       MOST_SLOTS = 512 };

static union {
    uint8_t bytes[RING_BYTES];
    struct blkif_sring sring;
    uint64_t align;
} pages;
static struct blkif_wire_request requests[MOST_SLOTS];
static unsigned loads[RING_BYTES], stores[RING_BYTES];

static size_t offset_of(const volatile uint32_t *word)
{
    size_t offset = (size_t)((const volatile uint8_t *)word - pages.bytes);

    REQUIRE(offset <= sizeof(pages) - sizeof(*word));
    CHECK_EQ(offset % sizeof(*word), 0);
    return offset;
}

static int is_producer(size_t offset)
{
    return offset == offsetof(struct blkif_sring, req_prod) ||
           offset == offsetof(struct blkif_sring, rsp_prod);
}

static bool is_strict; /* the header is being made otherwise */

uint32_t ring_test_load(const volatile uint32_t *word, int order);
uint32_t ring_test_load(const volatile uint32_t *word, int order)
{
    size_t offset = offset_of(word);

    for (size_t i = 0; i < sizeof(*word); i++)
        loads[offset + i]++;
    (void)order;
    return *word;
}

void ring_test_store(volatile uint32_t *word, uint32_t value, int order);
void ring_test_store(volatile uint32_t *word, uint32_t value, int order)
{
    size_t offset = offset_of(word);

    for (size_t i = 0; i < sizeof(*word); i++)
        stores[offset + i]++;
    if (is_strict && offset < 64) /* an index */
        CHECK_EQ(order, __ATOMIC_SEQ_CST);
    *word = value;
}

static void forget(void)
{
    memset(loads, 0, sizeof(loads));
    memset(stores, 0, sizeof(stores));
}

/* Everything in [from, to) was loaded `in` times, everything else that is not
 * the header never. */
static void check_loads(size_t from, size_t to, unsigned in)
{
    unsigned wrong = 0;

    for (size_t i = 64; i < sizeof(pages); i++)
        wrong += loads[i] != (i >= from && i < to ? in : 0);
    CHECK_EQ(wrong, 0);
}

static unsigned header_loads(void)
{
    unsigned sum = 0;

    for (size_t i = 0; i < 64; i += 4)
        sum += loads[i];
    return sum;
}

static const size_t request_bytes[] = { sizeof(struct blkif_request), 108,
                                        112 };
static const size_t response_bytes[] = { sizeof(struct blkif_response), 12,
                                         16 };

/* Whatever is asked for, the whole slot is read, each byte once. */
static void check_taken(enum blkif_abi abi, unsigned nr_pages, unsigned nr,
                        uint8_t operation)
{
    struct back_ring back;

    memset(&pages, 0xff, sizeof(pages));
    for (unsigned i = 0; i < nr; i++)
        pages.bytes[64 + i * request_bytes[abi]] = operation;
    back_ring_init(&back, &pages, nr_pages, abi);
    pages.sring.req_prod = nr;
    forget();
    CHECK_EQ(back_ring_take(&back, requests, MOST_SLOTS), (int)nr);
    check_loads(64, 64 + nr * request_bytes[abi], 1);
    CHECK_EQ(loads[offsetof(struct blkif_sring, req_prod)], 1);
    CHECK_EQ(header_loads(), 1);
    CHECK_EQ(requests[nr - 1].operation, operation);
}

/* Rings of one page, and of several, where slots lie across pages. */
static void check_requests_of(enum blkif_abi abi, uint8_t operation)
{
    is_strict = true;
    for (unsigned nr = 1; nr <= 32; nr++)
        check_taken(abi, 1, nr, operation);
    for (unsigned nr_pages = 2; nr_pages <= BLKIF_MAX_RING_PAGES;
         nr_pages *= 2)
        check_taken(abi, nr_pages, ring_slots(abi, nr_pages), operation);
}

static void check_requests(void)
{
    static const uint8_t operations[] = {
        BLKIF_OP_READ, BLKIF_OP_WRITE, BLKIF_OP_WRITE_BARRIER,
        BLKIF_OP_FLUSH_DISKCACHE, BLKIF_OP_DISCARD, BLKIF_OP_INDIRECT, 255 };

    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (unsigned i = 0; i < sizeof(operations); i++)
            check_requests_of((enum blkif_abi)abi, operations[i]);
}

/* What the reads were of: the number of segments that is judged is the one
 * that is used, though the shared one has changed since. */
static void check_copies(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        struct front_ring front;
        struct back_ring back;
        struct blkif_wire_request request = {
            .operation = BLKIF_OP_INDIRECT, .nr_indirect_segments = 256,
            .indirect_operation = BLKIF_OP_READ, .indirect_grefs = { 8, 9 } };

        is_strict = false;
        front_ring_init(&front, &pages, 1, (enum blkif_abi)abi);
        back_ring_init(&back, &pages, 1, (enum blkif_abi)abi);
        front_ring_put(&front, &request);
        front_ring_push(&front);
        CHECK_EQ(back_ring_take(&back, requests, 1), 1);
        memset(&pages, 0xff, sizeof(pages));
        CHECK(requests[0].operation == BLKIF_OP_INDIRECT &&
              requests[0].nr_indirect_segments == 256 &&
              requests[0].indirect_operation == BLKIF_OP_READ &&
              requests[0].indirect_grefs[1] == 9);
    }
}

/* All that a ring of so many pages has room for. */
static void check_answered(enum blkif_abi abi, unsigned nr_pages)
{
    static struct blkif_wire_response responses[MOST_SLOTS];
    unsigned stride = (unsigned)request_bytes[abi], wrong = 0;
    struct front_ring front;

    is_strict = false;
    front_ring_init(&front, &pages, nr_pages, abi);
    is_strict = true;
    front.req_prod = pages.sring.rsp_prod = front.slots;
    forget();
    CHECK_EQ(front_ring_take(&front, responses, MOST_SLOTS),
             (int)front.slots);
    for (unsigned i = 64; i < sizeof(pages); i++)
        wrong += loads[i] != ((i - 64) / stride < front.slots &&
                              (i - 64) % stride < response_bytes[abi]);
    CHECK_EQ(wrong, 0);
    CHECK_EQ(loads[offsetof(struct blkif_sring, rsp_prod)], 1);
    CHECK_EQ(header_loads(), 1);
}

static void check_responses(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (unsigned nr_pages = 1; nr_pages <= BLKIF_MAX_RING_PAGES;
             nr_pages *= 2)
            check_answered((enum blkif_abi)abi, nr_pages);
}

/* A request of `request`, and a response; both are written once and whole. */
static void check_writer(struct front_ring *front, struct back_ring *back,
                         const struct blkif_wire_request *request,
                         size_t meaning)
{
    is_strict = false;
    front_ring_init(front, &pages, 1, BLKIF_ABI_NATIVE);
    is_strict = true;
    back_ring_init(back, &pages, 1, BLKIF_ABI_NATIVE);
    forget();
    front_ring_put(front, request);
    back_ring_put(back, 1, 2, 3);
    CHECK_EQ(header_loads(), 0);
    check_loads(0, 0, 0);
    for (size_t i = 0; i < sizeof(pages); i++)
        CHECK_EQ(stores[i], (i >= 64 && i < 64 + meaning) +
                            (i >= 64 && i < 64 + response_bytes[0]));
}

static void check_writers(void)
{
    struct front_ring front;
    struct back_ring back;

    check_writer(&front, &back,
                 &(struct blkif_wire_request){
                     .operation = BLKIF_OP_INDIRECT },
                 offsetof(blkif_request_indirect_t, indirect_grefs) + 32);
    check_writer(&front, &back,
                 &(struct blkif_wire_request){
                     .operation = BLKIF_OP_DISCARD },
                 offsetof(blkif_request_discard_t, nr_sectors) + 8);
    check_writer(&front, &back,
                 &(struct blkif_wire_request){ .nr_segments = 11 },
                 request_bytes[0]);
    front_ring_push(&front);
    CHECK_EQ(header_loads(), 2); /* the old producer index and the event */
    forget();
    back_ring_push(&back);
    CHECK_EQ(header_loads(), 2);
    check_loads(0, 0, 0);
    forget();
    CHECK(back_ring_final_check(&back));
    CHECK_EQ(header_loads(), 1);
    forget();
    back.req_cons = pages.sring.req_prod;
    CHECK(!back_ring_final_check(&back));
    CHECK_EQ(header_loads(), 2); /* before and after asking for an event */
    for (size_t i = 0; i < 64; i += 4)
        CHECK(!is_producer(i) || stores[i] == 0);
}

int main(void)
{
    TEST("each byte of a taken request is read once, the index once "
         "(XSA-155)", check_requests);
    TEST("what was taken is a copy", check_copies);
    TEST("each byte of a taken response is read once, the index once",
         check_responses);
    TEST("writing an entry reads nothing, and a byte is written once",
         check_writers);
    return tap_done();
}
