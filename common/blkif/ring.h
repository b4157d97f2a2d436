/* SPDX-License-Identifier: MIT
 * The shared ring, both ends (xen/io/ring.h says what the indices mean).
 * Indices run freely over 32 bits; a slot is an index modulo the ring's size.
 * Shared memory is touched in this file and its .c only, and each shared byte
 * is read once: what comes out is a private copy in the native layout.
 * Pure: no malloc, no libc beyond mem*. Not thread-safe. */
#ifndef VBDD_BLKIF_RING_H
#define VBDD_BLKIF_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/blkif/limits.h"
#include "common/blkif/wire.h"

/* The layouts of the ring's entries (blkif.h "protocol" node). On x86-64 the
 * native one is x86_64's; on i386 x86_32's. */
enum blkif_abi { BLKIF_ABI_NATIVE, BLKIF_ABI_X86_32, BLKIF_ABI_X86_64 };
enum { BLKIF_ABI_COUNT = 3 };

/* Number of slots of a ring of nr_pages contiguous pages: a power of two. */
uint32_t ring_slots(enum blkif_abi abi, uint32_t nr_pages);

/* A back end's view of one ring. */
struct back_ring {
    volatile void *shared; /* nr_pages contiguous pages; borrowed */
    enum blkif_abi abi;
    uint32_t slots;
    uint32_t req_cons;     /* requests taken */
    uint32_t rsp_prod;     /* responses written; published by push */
};

/* A front end's view of one ring. Always the native layout, unless a test
 * asks for another. */
struct front_ring {
    volatile void *shared;
    enum blkif_abi abi;
    uint32_t slots;
    uint32_t req_prod;     /* requests written; published by push */
    uint32_t rsp_cons;     /* responses taken */
};

/* A front end makes the ring: zeroes the header, sets both event indices to
 * 1. A back end attaches to one that has been made (indices from 0). */
void front_ring_init(struct front_ring *ring, volatile void *shared,
                     uint32_t nr_pages, enum blkif_abi abi);
void back_ring_init(struct back_ring *ring, volatile void *shared,
                    uint32_t nr_pages, enum blkif_abi abi);
/* Is this not the ring on which an earlier back end had published rsp_prod
 * responses? Only a back end writes that index, and a new ring begins at 0, so
 * that the answer is right whenever the front end is honest, and a no does no
 * harm where the earlier one had published none. */
bool back_ring_is_new_since(const struct back_ring *ring, uint32_t rsp_prod);
/* Instead: goes on where an earlier back end stopped, which had taken the
 * requests up to req_cons and published rsp_prod responses. What lies between
 * is never answered, and takes up room. False when that is more than the ring
 * has: it cannot be so. */
bool back_ring_resume(struct back_ring *ring, uint32_t req_cons,
                      uint32_t rsp_prod);

/* Copies out at most max requests. Returns how many; -EPROTO when the
 * producer index is further ahead than the ring is long (or than responses
 * owed allow: req_prod - rsp_prod > slots), or has gone back behind what was
 * taken: the ring is broken for good. */
int back_ring_take(struct back_ring *ring, struct blkif_wire_request *requests,
                   unsigned max);
/* True when there is more to take. Otherwise asks for an event at the next
 * request (req_event) and looks once more (the final check of ring.h), so
 * that it may be answered by sleeping. An overflow counts as more. */
bool back_ring_final_check(struct back_ring *ring);
/* True when there is more to take now, without asking for an event. */
bool back_ring_has_requests(const struct back_ring *ring);
/* Writes a response into the next slot, padding zeroed (XSA-216). The caller
 * answers each taken request once, so there is always room. */
void back_ring_put(struct back_ring *ring, uint64_t id, uint8_t operation,
                   int16_t status);
/* Publishes what was put; true when the front end asked to be notified. */
bool back_ring_push(struct back_ring *ring);

/* Free slots for requests. */
uint32_t front_ring_free(const struct front_ring *ring);
/* Writes a request into the next slot; front_ring_free() must not be 0. */
void front_ring_put(struct front_ring *ring,
                    const struct blkif_wire_request *request);
bool front_ring_push(struct front_ring *ring);
/* Copies out at most max responses; returns how many; -EPROTO when the
 * producer index claims more than was asked, or has gone back (first of the
 * four checks). */
int front_ring_take(struct front_ring *ring,
                    struct blkif_wire_response *responses, unsigned max);
bool front_ring_final_check(struct front_ring *ring);

#endif
