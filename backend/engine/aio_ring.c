/* SPDX-License-Identifier: MIT
 * Taking libaio completions in user space. The io_context_t that io_setup(2)
 * hands out is the address of a ring which the kernel maps into the process;
 * its layout, magic number and features are those of fs/aio.c, unchanged
 * since Linux 2.6. The kernel reads head only to see how much room there is,
 * so that moving it here is all that io_getevents(2) would have done. */
#include "backend/engine/aio.h"

enum { RING_COMPAT_FEATURES = 1, RING_INCOMPAT_FEATURES = 0 };
static const unsigned ring_magic = 0xa10a10a1;

struct aio_ring *aio_ring_of(io_context_t context)
{
    struct aio_ring *ring = (struct aio_ring *)context;

    if (ring->magic != ring_magic ||
        ring->compat_features != RING_COMPAT_FEATURES ||
        ring->incompat_features != RING_INCOMPAT_FEATURES ||
        ring->header_length != sizeof *ring || ring->slots == 0 ||
        ring->head >= ring->slots || ring->tail >= ring->slots)
        return NULL;
    return ring;
}

unsigned aio_ring_count(const struct aio_ring *ring)
{
    unsigned head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);
    unsigned tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

    return tail >= head ? tail - head : tail + ring->slots - head;
}

/* Acquire on tail: the event was written before tail moved past it. Release
 * on head: the event has been copied before its slot is free again. */
bool aio_ring_take(struct aio_ring *ring, struct io_event *event)
{
    unsigned head = __atomic_load_n(&ring->head, __ATOMIC_RELAXED);

    if (head == __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE))
        return false;
    *event = ring->events[head];
    head = head + 1 == ring->slots ? 0 : head + 1;
    __atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
    return true;
}
