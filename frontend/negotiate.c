/* SPDX-License-Identifier: MIT
 * XenStore: who the back end is, the two ends' states, and what both agree on
 * before there is a ring (blkif.h has the list of nodes). */
#include "frontend/private.h"

#include <xen/io/protocols.h>

enum {
    STATE_BYTES = 32,    /* more than any state has digits */
    LAST_DOMID = 0x7fef, /* DOMID_FIRST_RESERVED - 1 */
    PREFIX_BYTES = 16,   /* "queue-3/" */
    LEAF_BYTES = 64,
};

/* --- the back end -------------------------------------------------------- */

static void backend_state_path(const struct vbdfront *front,
                               char path[2 * FRONT_PATH_BYTES])
{
    front_text_format(path, 2 * FRONT_PATH_BYTES, "%s/state", front->backend);
}

int front_find_backend(struct vbdfront *front)
{
    char path[2 * FRONT_PATH_BYTES];
    uint64_t domid, device = 0, trusted = 1;
    int error = front_read_node(front, front->node, "backend",
                                front->backend, sizeof front->backend);

    if (error == -XEN_ENOENT)
        return front_fail(front, error, "there is no device %s", front->node);
    if (error < 0)
        return front_fail(front, error, "%s/backend cannot be read (error %u)",
                          front->node, (unsigned)-error);
    error = front_read_number(front, front->node, "backend-id", false,
                              LAST_DOMID, &domid);
    if (!error)
        error = front_read_number(front, front->node, "virtual-device", true,
                                  UINT32_MAX, &device);
    if (!error)
        error = front_read_number(front, front->node, "trusted", true, 1,
                                  &trusted);
    if (error)
        return error;
    front->info.is_untrusted = front->config.is_untrusted || !trusted;
    front->backend_id = (uint32_t)domid;
    front->handle = (uint16_t)device; /* what fits, as Linux does */
    backend_state_path(front, path);
    error = front->port->store_watch(front->port->context, path);
    if (error)
        return front_fail(front, error, "%s cannot be watched (error %u)",
                          path, (unsigned)-error);
    front->is_watching = true;
    return 0;
}

void front_forget_backend(struct vbdfront *front)
{
    char path[2 * FRONT_PATH_BYTES];

    if (!front->is_watching)
        return;
    backend_state_path(front, path);
    front->port->store_unwatch(front->port->context, path);
    front->is_watching = false;
}

/* --- states -------------------------------------------------------------- */

static enum xenbus_state read_state(struct vbdfront *front,
                                    const char *directory)
{
    char text[STATE_BYTES];
    int length = front_read_node(front, directory, "state", text, sizeof text);

    return length < 0 ? XENBUS_UNKNOWN
                      : xenbus_parse_state(text, (size_t)length);
}

enum xenbus_state front_backend_state(struct vbdfront *front)
{
    return read_state(front, front->backend);
}

int front_set_state(struct vbdfront *front, enum xenbus_state state)
{
    return front_write_number(front, "state", state);
}

int front_wait_backend(struct vbdfront *front, unsigned wanted,
                       unsigned refused, uint64_t timeout_us)
{
    const struct vbdfront_port *port = front->port;
    uint64_t start_us = port->now_us(port->context);

    for (;;) {
        enum xenbus_state state = front_backend_state(front);
        uint64_t waited_us = port->now_us(port->context) - start_us;

        if (wanted & (1u << state))
            return 0;
        if (refused & (1u << state))
            return front_fail(front, -XEN_EIO, "the back end %s went to %s",
                              front->backend, xenbus_state_text(state));
        if (waited_us >= timeout_us)
            return front_fail(front, -XEN_ETIMEDOUT,
                              "the back end %s stays %s", front->backend,
                              xenbus_state_text(state));
        port->wait(port->context, timeout_us - waited_us);
    }
}

/* The back end may still serve the earlier user's ring. Closed tells it to let
 * go, and only when it has may it see Initialising: else its old Connected
 * would pass for an answer to us, and it might take our Initialised for the
 * earlier user's. One in InitWait has no ring, and is not disturbed. */
int front_start_anew(struct vbdfront *front, uint64_t timeout_us)
{
    enum xenbus_state left = read_state(front, front->node);
    unsigned idle = FRONT_IS_GONE | FRONT_IS(INITIALISING);
    int error = 0;

    if (left == XENBUS_INITIALISING)
        return 0;
    if (left == XENBUS_CLOSED || left == XENBUS_UNKNOWN ||
        front_backend_state(front) == XENBUS_INIT_WAIT)
        idle |= FRONT_IS(INIT_WAIT);
    else
        error = front_set_state(front, XENBUS_CLOSED);
    if (!error && left != XENBUS_UNKNOWN)
        error = front_wait_backend(front, idle, 0, timeout_us);
    return error ? error : front_set_state(front, XENBUS_INITIALISING);
}

/* --- the queues' nodes --------------------------------------------------- */

static const char order_leaf[] = "ring-page-order";

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What the back end offers may be as much as it likes: it is only ever
 * compared. No queue at all would be of no use to either end, so 0 is read as
 * 1 (Linux does the same). */
int front_agree_on_queues(struct vbdfront *front)
{
    uint32_t order, queues;
    int error = front_read_offer(front, "max-ring-page-order", 0, &order);

    if (!error)
        error = front_read_offer(front, "multi-queue-max-queues", 1, &queues);
    if (error)
        return error;
    queues = least(queues, front->config.max_queues);
    front->info.nr_queues = queues > 0 ? queues : 1;
    front->info.ring_pages =
        1u << least(order, front->config.max_ring_page_order);
    return 0;
}

/* Absent nodes mean `otherwise`. An earlier user, who may have been another
 * driver, may have left the node: then it is written in any case. */
static int write_choice(struct vbdfront *front, const char *leaf,
                        uint32_t number, uint32_t otherwise)
{
    if (number == otherwise && !front_has_node(front, leaf))
        return 0;
    return front_write_number(front, leaf, number);
}

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
static int publish_ring(struct vbdfront *front, uint32_t i, bool has_order)
{
    const struct front_queue *queue = &front->queues[i];
    char leaf[LEAF_BYTES];
    int error = 0;

    if (queue->nr_ring_pages == 1)
        error = write_of_queue(front, i, "ring-ref", queue->ring_grants[0]);
    for (uint32_t page = 0;
         has_order && page < queue->nr_ring_pages && !error; page++) {
        front_text_format(leaf, sizeof leaf, "ring-ref%u", page);
        error = write_of_queue(front, i, leaf, queue->ring_grants[page]);
    }
    if (!error)
        error = write_of_queue(front, i, "event-channel", queue->event_port);
    return error;
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

/* What holds for all queues. ring-page-order last: whether it is there says
 * where the pages are looked for. */
static int publish_choices(struct vbdfront *front)
{
    const struct vbdfront_info *info = &front->info;
    uint32_t order = 0;
    int error = write_choice(front, "multi-queue-num-queues", info->nr_queues,
                             1);

    while (1u << order < info->ring_pages)
        order++;
    if (!error)
        error = write_choice(front, "feature-persistent",
                             front->config.use_persistent, 0);
    /* deprecated, but some back ends go by it, and it must not contradict */
    if (!error && front_has_node(front, "num-ring-pages"))
        error = front_write_number(front, "num-ring-pages", info->ring_pages);
    if (!error)
        error = write_choice(front, order_leaf, order, 0);
    return error;
}

int front_publish_queues(struct vbdfront *front)
{
    int error = publish_choices(front);
    bool has_order = front_has_node(front, order_leaf);

    for (uint32_t i = 0; i < front->nr_queues && !error; i++)
        error = publish_ring(front, i, has_order);
    if (!error)
        error = front_write_node(front, "protocol",
                                 protocol_text(front->config.abi));
    return error;
}
