/* SPDX-License-Identifier: MIT
 * XenStore: who the back end is, the two ends' states, and what both agree on
 * before there is a ring (blkif.h has the list of nodes). */
#include "frontend/private.h"

enum {
    STATE_BYTES = 32,    /* more than any state has digits */
    LAST_DOMID = 0x7fef, /* DOMID_FIRST_RESERVED - 1 */
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
    if (error == -XEN_E2BIG)
        return front_fail(front, -BLKIF_EPROTO,
                          "%s/backend is longer than any path", front->node);
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

/* Closing and Closed, as far as the back end has not gone there yet, and from
 * there Initialising. */
static int start_by_closing(struct vbdfront *front, uint64_t timeout_us)
{
    int error = front_wait_backend(front, ~FRONT_IS(INITIALISING), 0,
                                   timeout_us);

    if (!error && !((FRONT_IS_GONE | FRONT_IS(CLOSING)) &
                    (1u << front_backend_state(front)))) {
        error = front_set_state(front, XENBUS_CLOSING);
        if (!error)
            error = front_wait_backend(front,
                                       FRONT_IS_GONE | FRONT_IS(CLOSING), 0,
                                       timeout_us);
    }
    if (!error && !(FRONT_IS_GONE & (1u << front_backend_state(front)))) {
        error = front_set_state(front, XENBUS_CLOSED);
        if (!error)
            error = front_wait_backend(front, FRONT_IS_GONE, 0, timeout_us);
    }
    return error ? error : front_set_state(front, XENBUS_INITIALISING);
}

static bool starts_by_closing(const struct vbdfront *front,
                              enum xenbus_state left)
{
    switch (front->habits->start) {
    case VBDFRONT_START_CLOSED:
        return true;
    case VBDFRONT_START_RESET:
        return left == XENBUS_CONNECTED || left == XENBUS_CLOSED;
    case VBDFRONT_START_ANEW:
        break;
    }
    return false;
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

    if (starts_by_closing(front, left))
        return start_by_closing(front, timeout_us);
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

/* --- the queues ---------------------------------------------------------- */

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
