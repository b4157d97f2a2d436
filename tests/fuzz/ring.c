/* SPDX-License-Identifier: MIT
 * Claim: whatever the other end does to the ring while we read it, at most a
 * ring full of messages comes out, no word of a slot is read twice, nothing is
 * touched outside of the ring, and what the validator accepts lies within the
 * disk and within its pages. Source: XSA-155; ring.h, blkif.h.
 * Mechanism: a hostile writer: each load of a shared word gets whatever
 * libFuzzer's next bytes say, also a word that was loaded before. The bytes are
 * which end we are, ABI, order, limits, where the indices stand; then what we
 * do, one byte each, with the answers of the writer between. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/model.h"

enum { MOST_SLOTS = 512, HEADER_BYTES = 64 };

static struct fuzz_input input;
static uint32_t *page; /* as long as the ring */
static size_t ring_bytes;
static uint32_t index_now; /* that the next producer index is counted from */
static bool is_new;        /* a front end makes it */
static size_t our_producer, our_event; /* what we may write in the header */
static uint32_t round_now; /* of taking messages */
static uint32_t rounds[BLKIF_MAX_RING_PAGES * BLKIF_PAGE_BYTES /
                       sizeof(uint32_t)]; /* in which a word was loaded */
static struct blkif_wire_request requests[MOST_SLOTS + 1];
static struct blkif_wire_response responses[MOST_SLOTS + 1];

static size_t offset_of(const volatile uint32_t *word)
{
    size_t offset = (size_t)((const volatile uint8_t *)word -
                             (const volatile uint8_t *)page);

    MUST(offset < ring_bytes && offset % sizeof(*word) == 0);
    return offset;
}

uint32_t ring_test_load(const volatile uint32_t *word, int order);
uint32_t ring_test_load(const volatile uint32_t *word, int order)
{
    size_t offset = offset_of(word);

    (void)order;
    if (offset < HEADER_BYTES)
        return index_now + (uint32_t)fuzz_varied(&input);
    MUST(rounds[offset / sizeof(*word)] != round_now);
    rounds[offset / sizeof(*word)] = round_now;
    return (uint32_t)fuzz_number(&input, sizeof(*word));
}

void ring_test_store(volatile uint32_t *word, uint32_t value, int order);
void ring_test_store(volatile uint32_t *word, uint32_t value, int order)
{
    size_t offset = offset_of(word);

    (void)order;
    MUST(is_new || offset >= HEADER_BYTES || offset == our_producer ||
         offset == our_event);
    *word = value;
}

/* --- we are the back end -------------------------------------------------- */

static void judge(const struct blkif_wire_request *request,
                  const struct blkif_limits *limits)
{
    static struct blkif_wire_segment
        descriptors[BLKIF_MAX_INDIRECT_SEGMENTS];
    struct blkif_io io;

    if (blkif_validate(request, limits, &io) != BLKIF_ACCEPTED)
        return;
    if (io.is_indirect) {
        MUST(io.nr_segments <= BLKIF_MAX_INDIRECT_SEGMENTS);
        for (uint32_t i = 0; i < io.nr_segments; i++) {
            descriptors[i].first_sector = fuzz_byte(&input);
            descriptors[i].last_sector = fuzz_byte(&input);
        }
        if (blkif_validate_indirect(descriptors, limits, &io) !=
            BLKIF_ACCEPTED)
            return;
    }
    model_check(&io, limits);
    model_execute(&io, io.is_indirect ? descriptors : io.segments, limits);
}

static void take_requests(struct back_ring *ring,
                          const struct blkif_limits *limits)
{
    unsigned max = fuzz_byte(&input) * 4u;
    uint32_t owed = ring->req_cons - ring->rsp_prod, before = ring->req_cons;
    int nr;

    round_now++;
    max = max < MOST_SLOTS ? max : MOST_SLOTS;
    nr = back_ring_take(ring, requests, max);
    MUST(ring->req_cons - before == (nr < 0 ? 0 : (uint32_t)nr));
    MUST(nr <= (int)max && owed + (nr < 0 ? 0 : (uint32_t)nr) <= ring->slots);
    for (int i = 0; i < nr; i++)
        judge(&requests[i], limits);
}

static void be_back(enum blkif_abi abi, uint32_t pages, uint32_t start)
{
    struct blkif_limits limits = model_limits(&input);
    struct back_ring ring;

    our_producer = offsetof(struct blkif_sring, rsp_prod);
    our_event = offsetof(struct blkif_sring, req_event);
    back_ring_init(&ring, page, pages, abi);
    ring.req_cons = ring.rsp_prod = start;
    while (input.left > 0) {
        uint8_t step = fuzz_byte(&input);

        index_now = ring.req_cons;
        if (step % 4 == 0) {
            take_requests(&ring, &limits);
        } else if (step % 4 == 1) {
            for (step /= 4; step > 0 && ring.rsp_prod != ring.req_cons; step--)
                back_ring_put(&ring, step, step, step);
        } else if (step % 4 == 2) {
            back_ring_push(&ring);
        } else {
            back_ring_has_requests(&ring);
            back_ring_final_check(&ring);
        }
    }
}

/* --- we are the front end ------------------------------------------------- */

static void take_responses(struct front_ring *ring)
{
    unsigned max = fuzz_byte(&input) * 4u;
    uint32_t asked = ring->req_prod - ring->rsp_cons;
    uint32_t free_before = front_ring_free(ring);
    int nr;

    round_now++;
    max = max < MOST_SLOTS ? max : MOST_SLOTS;
    nr = front_ring_take(ring, responses, max);
    MUST(nr <= (int)max && nr <= (int)asked);
    MUST(front_ring_free(ring) - free_before ==
         (nr < 0 ? 0 : (uint32_t)nr));
}

static void be_front(enum blkif_abi abi, uint32_t pages, uint32_t start)
{
    struct front_ring ring;

    is_new = true;
    front_ring_init(&ring, page, pages, abi);
    is_new = false;
    our_producer = offsetof(struct blkif_sring, req_prod);
    our_event = offsetof(struct blkif_sring, rsp_event);
    ring.req_prod = ring.rsp_cons = start;
    while (input.left > 0) {
        uint8_t step = fuzz_byte(&input);

        index_now = ring.rsp_cons;
        if (step % 4 == 0) {
            take_responses(&ring);
        } else if (step % 4 == 1) {
            for (step /= 4; step > 0 && front_ring_free(&ring) > 0; step--)
                front_ring_put(&ring, &(struct blkif_wire_request){
                                          .operation = step % 8,
                                          .nr_segments = step });
        } else if (step % 4 == 2) {
            front_ring_push(&ring);
        } else {
            front_ring_final_check(&ring);
        }
        MUST(front_ring_free(&ring) <= ring.slots);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t first;
    uint32_t pages, start;
    enum blkif_abi abi;

    input = (struct fuzz_input){ data, size };
    first = fuzz_byte(&input);
    abi = (enum blkif_abi)(first % BLKIF_ABI_COUNT);
    pages = 1u << (first / BLKIF_ABI_COUNT % 5);
    start = 0 - (uint32_t)fuzz_varied(&input);
    ring_bytes = pages * (size_t)BLKIF_PAGE_BYTES;
    page = malloc(ring_bytes);
    MUST(page);
    memset(page, 0, ring_bytes);
    memset(rounds, 0, ring_bytes);
    round_now = 0;
    if (first & 128)
        be_front(abi, pages, start);
    else
        be_back(abi, pages, start);
    free(page);
    return 0;
}
