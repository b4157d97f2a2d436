/* SPDX-License-Identifier: MIT
 * XenStore: the queues' nodes, which say all that the back end must know before
 * it takes the rings. */
#include "frontend/private.h"

#include <xen/io/protocols.h>

enum {
    PREFIX_BYTES = 16, /* "queue-3/" */
    LEAF_BYTES = 64,
};

static const char order_leaf[] = "ring-page-order";

static const uint8_t own_keys[] = {
    VBDFRONT_KEY_NUM_QUEUES, VBDFRONT_KEY_PERSISTENT,
    VBDFRONT_KEY_NUM_RING_PAGES, VBDFRONT_KEY_RING_PAGE_ORDER,
    VBDFRONT_KEY_QUEUES, VBDFRONT_KEY_PROTOCOL, VBDFRONT_KEY_END,
};
const struct vbdfront_habits front_own_habits = { .keys = own_keys };

/* --- what holds for all queues ------------------------------------------- */

/* An earlier user, who may have been another driver, may have left the node:
 * then it is written in any case. */
static int write_choice(struct vbdfront *front, const char *leaf,
                        uint32_t number, bool is_needed)
{
    if (!is_needed && !front_has_node(front, leaf))
        return 0;
    return front_write_number(front, leaf, number);
}

static uint32_t ring_page_order(const struct vbdfront *front)
{
    uint32_t order = 0;

    while (1u << order < front->info.ring_pages)
        order++;
    return order;
}

static const char *protocol_text(enum vbdfront_abi abi)
{
    switch (abi) {
    case VBDFRONT_ABI_X86_32:
        return XEN_IO_PROTO_ABI_X86_32;
    case VBDFRONT_ABI_X86_64:
        return XEN_IO_PROTO_ABI_X86_64;
    case VBDFRONT_ABI_NATIVE:
        break;
    }
    return XEN_IO_PROTO_ABI_NATIVE;
}

static int write_others(struct vbdfront *front)
{
    const char *const *at = front->habits->others;
    int error = 0;

    for (; *at && !error; at += 2)
        error = front_write_node(front, at[0], at[1]);
    return error;
}

/* --- what is each queue's own -------------------------------------------- */

/* leaf is of the queue's own directory, which is the device's when there is
 * but one queue. */
static int write_of_queue(struct vbdfront *front, uint32_t queue,
                          const char *leaf, uint32_t number)
{
    char prefix[PREFIX_BYTES] = "", path[LEAF_BYTES];

    if (front->nr_queues > 1)
        front_text_format(prefix, sizeof prefix, "queue-%u/", queue);
    front_text_format(path, sizeof path, "%s%s", prefix, leaf);
    return front_write_number(front, path, number);
}

/* A single page is ring-ref. Where ring-page-order says that it is single, some
 * back ends look for ring-ref0. */
static int write_ring(struct vbdfront *front, uint32_t i)
{
    const struct front_queue *queue = &front->queues[i];
    bool has_order = queue->nr_ring_pages > 1 ||
                     front_has_node(front, order_leaf);
    char leaf[LEAF_BYTES];
    int error = 0;

    if (queue->nr_ring_pages == 1)
        error = write_of_queue(front, i, "ring-ref", queue->ring_grants[0]);
    for (uint32_t page = 0;
         has_order && page < queue->nr_ring_pages && !error; page++) {
        front_text_format(leaf, sizeof leaf, "ring-ref%u", page);
        error = write_of_queue(front, i, leaf, queue->ring_grants[page]);
    }
    return error;
}

static int write_queues(struct vbdfront *front, bool has_rings,
                        bool has_events)
{
    int error = 0;

    for (uint32_t i = 0; i < front->nr_queues && !error; i++) {
        if (has_rings)
            error = write_ring(front, i);
        if (has_events && !error)
            error = write_of_queue(front, i, "event-channel",
                                   front->queues[i].event_port);
    }
    return error;
}

/* --- all ----------------------------------------------------------------- */

static int write_key(struct vbdfront *front, enum vbdfront_key key)
{
    const struct vbdfront_habits *habits = front->habits;
    const struct vbdfront_info *info = &front->info;
    bool is_larger = info->ring_pages > 1;

    switch (key) {
    case VBDFRONT_KEY_NUM_QUEUES:
        return write_choice(front, "multi-queue-num-queues", info->nr_queues,
                            info->nr_queues > 1 || habits->says_queues);
    case VBDFRONT_KEY_PERSISTENT:
        return write_choice(front, "feature-persistent",
                            front->config.use_persistent,
                            front->config.use_persistent ||
                                habits->says_persistent);
    case VBDFRONT_KEY_RING_PAGE_ORDER:
        return write_choice(front, order_leaf, ring_page_order(front),
                            is_larger);
    case VBDFRONT_KEY_NUM_RING_PAGES: /* it must not contradict the order */
        return write_choice(front, "num-ring-pages", info->ring_pages,
                            is_larger && habits->says_pages);
    case VBDFRONT_KEY_RING_REFS:
        return write_queues(front, true, false);
    case VBDFRONT_KEY_EVENT_CHANNELS:
        return write_queues(front, false, true);
    case VBDFRONT_KEY_QUEUES:
        return write_queues(front, true, true);
    case VBDFRONT_KEY_PROTOCOL:
        return front_write_node(front, "protocol",
                                protocol_text(front->config.abi));
    case VBDFRONT_KEY_OTHERS:
        return write_others(front);
    case VBDFRONT_KEY_END:
        break;
    }
    return 0;
}

int front_publish_queues(struct vbdfront *front)
{
    const uint8_t *key = front->habits->keys;
    int error = 0;

    for (; *key != VBDFRONT_KEY_END && !error; key++)
        error = write_key(front, (enum vbdfront_key)*key);
    return error;
}
