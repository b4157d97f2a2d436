/* SPDX-License-Identifier: MIT
 * The shared ring, both ends. Every access to shared memory is one of the two
 * functions below, on a whole 32-bit word, so that each byte is read once and
 * in an order that is written down; the producer indices pass the contents of
 * slots on (release, acquire), and where ring.h has a full barrier between
 * writing one index and reading another, both are sequentially consistent. */
#include "common/blkif/ring.h"

#include <xen/io/blkif.h>

#include "common/blkif/abi.h"
#include "common/blkif/error.h"

enum { RING_HEADER_BYTES = 64 };
_Static_assert(offsetof(struct blkif_sring, ring) == RING_HEADER_BYTES,
               "ring.h");

#ifdef RING_ACCESS_BY_TEST
/* The tests count accesses, and decide what a word holds (tests/unit/
 * blkif-reads.c, blkif-wakeup.c). */
uint32_t ring_test_load(const volatile uint32_t *word, int order);
void ring_test_store(volatile uint32_t *word, uint32_t value, int order);
#define shared_load(word, order) ring_test_load((word), (order))
#define shared_store(word, value, order)                                     \
    ring_test_store((word), (value), (order))
#else
#define shared_load(word, order) __atomic_load_n((word), (order))
#define shared_store(word, value, order)                                     \
    __atomic_store_n((word), (value), (order))
#endif

static volatile struct blkif_sring *shared_header(volatile void *shared)
{
    return shared;
}

static volatile uint32_t *shared_slot(volatile void *shared, uint32_t slots,
                                      enum blkif_abi abi, uint32_t index)
{
    return (volatile uint32_t *)((volatile uint8_t *)shared +
                                 RING_HEADER_BYTES +
                                 (size_t)(index & (slots - 1)) *
                                     abi_request_bytes(abi));
}

static void read_slot(const volatile uint32_t *shared, uint32_t bytes,
                      struct abi_slot *slot)
{
    for (uint32_t i = 0; i < bytes / sizeof(*shared); i++)
        slot->words[i] = shared_load(&shared[i], __ATOMIC_RELAXED);
}

static void write_slot(volatile uint32_t *shared, uint32_t bytes,
                       const struct abi_slot *slot)
{
    for (uint32_t i = 0; i < bytes / sizeof(*shared); i++)
        shared_store(&shared[i], slot->words[i], __ATOMIC_RELAXED);
}

/* Publishes a producer index; true when the peer's event index lies in what
 * was published now. The peer writes its event index and then looks at the
 * producer index (final_check): one of both must see the other's write. */
static bool publish(volatile uint32_t *producer, volatile uint32_t *event,
                    uint32_t index)
{
    uint32_t old = shared_load(producer, __ATOMIC_RELAXED);

    shared_store(producer, index, __ATOMIC_SEQ_CST);
    return index - shared_load(event, __ATOMIC_SEQ_CST) < index - old;
}

/* Before sleeping: is there something beyond index, or if not, will the peer
 * notify us? */
static bool final_check(volatile uint32_t *producer, volatile uint32_t *event,
                        uint32_t index)
{
    if (shared_load(producer, __ATOMIC_ACQUIRE) != index)
        return true;
    shared_store(event, index + 1, __ATOMIC_SEQ_CST);
    return shared_load(producer, __ATOMIC_SEQ_CST) != index;
}

uint32_t ring_slots(enum blkif_abi abi, uint32_t nr_pages)
{
    uint32_t fit = (nr_pages * BLKIF_PAGE_BYTES - RING_HEADER_BYTES) /
                   abi_request_bytes(abi);
    uint32_t slots = 1;

    while (slots <= fit / 2)
        slots *= 2;
    return slots;
}

void front_ring_init(struct front_ring *ring, volatile void *shared,
                     uint32_t nr_pages, enum blkif_abi abi)
{
    volatile struct blkif_sring *header = shared_header(shared);
    volatile uint32_t *words = shared;

    for (uint32_t i = 0; i < RING_HEADER_BYTES / sizeof(*words); i++)
        shared_store(&words[i], 0, __ATOMIC_RELAXED);
    shared_store(&header->req_event, 1, __ATOMIC_RELAXED);
    shared_store(&header->rsp_event, 1, __ATOMIC_RELAXED);
    *ring = (struct front_ring){
        .shared = shared, .abi = abi, .slots = ring_slots(abi, nr_pages) };
}

void back_ring_init(struct back_ring *ring, volatile void *shared,
                    uint32_t nr_pages, enum blkif_abi abi)
{
    *ring = (struct back_ring){
        .shared = shared, .abi = abi, .slots = ring_slots(abi, nr_pages) };
}

bool back_ring_is_new_since(const struct back_ring *ring, uint32_t rsp_prod)
{
    return shared_load(&shared_header(ring->shared)->rsp_prod,
                       __ATOMIC_RELAXED) != rsp_prod;
}

bool back_ring_resume(struct back_ring *ring, uint32_t req_cons,
                      uint32_t rsp_prod)
{
    ring->req_cons = req_cons;
    ring->rsp_prod = rsp_prod;
    return req_cons - rsp_prod <= ring->slots;
}

int back_ring_take(struct back_ring *ring, struct blkif_wire_request *requests,
                   unsigned max)
{
    uint32_t room = ring->slots - (ring->req_cons - ring->rsp_prod);
    uint32_t nr = shared_load(&shared_header(ring->shared)->req_prod,
                              __ATOMIC_ACQUIRE) - ring->req_cons;
    struct abi_slot slot;

    if (nr > room) /* too far ahead, or gone back */
        return -BLKIF_EPROTO;
    if (nr > max)
        nr = max;
    for (uint32_t i = 0; i < nr; i++) {
        read_slot(shared_slot(ring->shared, ring->slots, ring->abi,
                              ring->req_cons++),
                  abi_request_bytes(ring->abi), &slot);
        abi_decode_request(ring->abi, &slot, &requests[i]);
    }
    return (int)nr;
}

bool back_ring_final_check(struct back_ring *ring)
{
    volatile struct blkif_sring *header = shared_header(ring->shared);

    return final_check(&header->req_prod, &header->req_event, ring->req_cons);
}

bool back_ring_has_requests(const struct back_ring *ring)
{
    return shared_load(&shared_header(ring->shared)->req_prod,
                       __ATOMIC_ACQUIRE) != ring->req_cons;
}

void back_ring_put(struct back_ring *ring, uint64_t id, uint8_t operation,
                   int16_t status)
{
    const struct blkif_wire_response response = {
        .id = id, .operation = operation, .status = status };
    struct abi_slot slot;
    uint32_t bytes = abi_encode_response(ring->abi, &response, &slot);

    write_slot(shared_slot(ring->shared, ring->slots, ring->abi,
                           ring->rsp_prod++), bytes, &slot);
}

bool back_ring_push(struct back_ring *ring)
{
    volatile struct blkif_sring *header = shared_header(ring->shared);

    return publish(&header->rsp_prod, &header->rsp_event, ring->rsp_prod);
}

uint32_t front_ring_free(const struct front_ring *ring)
{
    return ring->slots - (ring->req_prod - ring->rsp_cons);
}

void front_ring_put(struct front_ring *ring,
                    const struct blkif_wire_request *request)
{
    struct abi_slot slot;
    uint32_t bytes = abi_encode_request(ring->abi, request, &slot);

    write_slot(shared_slot(ring->shared, ring->slots, ring->abi,
                           ring->req_prod++), bytes, &slot);
}

bool front_ring_push(struct front_ring *ring)
{
    volatile struct blkif_sring *header = shared_header(ring->shared);

    return publish(&header->req_prod, &header->req_event, ring->req_prod);
}

int front_ring_take(struct front_ring *ring,
                    struct blkif_wire_response *responses, unsigned max)
{
    uint32_t asked = ring->req_prod - ring->rsp_cons;
    uint32_t nr = shared_load(&shared_header(ring->shared)->rsp_prod,
                              __ATOMIC_ACQUIRE) - ring->rsp_cons;
    struct abi_slot slot;

    if (nr > asked) /* too far ahead, or gone back */
        return -BLKIF_EPROTO;
    if (nr > max)
        nr = max;
    for (uint32_t i = 0; i < nr; i++) {
        read_slot(shared_slot(ring->shared, ring->slots, ring->abi,
                              ring->rsp_cons++),
                  abi_response_bytes(ring->abi), &slot);
        abi_decode_response(ring->abi, &slot, &responses[i]);
    }
    return (int)nr;
}

bool front_ring_final_check(struct front_ring *ring)
{
    volatile struct blkif_sring *header = shared_header(ring->shared);

    return final_check(&header->rsp_prod, &header->rsp_event, ring->rsp_cons);
}
