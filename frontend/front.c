/* SPDX-License-Identifier: MIT
 * The life cycle of the front end. The states, and the only transitions:
 *
 *   CLOSED    -> CONNECTED  vbdfront_connect()
 *   CONNECTED -> BROKEN     a response that cannot be; the back end closes
 *   CONNECTED -> CLOSED     vbdfront_disconnect()
 *   BROKEN    -> CLOSED     the same, also as the first step of a reconnect
 *   CONNECTED -> CONNECTED  vbdfront_resume(): another connection (resume.c)
 *
 * What is built for a connection goes in one order and back in one order:
 * watch, queues (rings, their grants, event channels). */
#include "frontend/private.h"

enum {
    FRONT_PAGES = (sizeof(struct vbdfront) + BLKIF_PAGE_BYTES - 1) /
                  BLKIF_PAGE_BYTES,
    MAX_RING_PAGE_ORDER = 4,
};
_Static_assert(1 << MAX_RING_PAGE_ORDER == BLKIF_MAX_RING_PAGES, "limits.h");
static const uint64_t close_timeout_us = 5000000;
/* The back end has nothing of ours to answer, so no event will come: somebody
 * else must give grants back. */
static const uint64_t starved_wait_us = 10000;

/* --- what went wrong ----------------------------------------------------- */

__attribute__((format(printf, 2, 0)))
static void set_reason(struct vbdfront *front, const char *format,
                       __builtin_va_list arguments)
{
    front_text_vformat(front->reason, sizeof front->reason, format, arguments);
    for (char *at = front->reason; *at; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?';
    }
    front->port->log(front->port->context, front->reason);
}

void front_say(struct vbdfront *front, const char *format, ...)
{
    __builtin_va_list arguments;

    __builtin_va_start(arguments, format);
    set_reason(front, format, arguments);
    __builtin_va_end(arguments);
}

int front_fail(struct vbdfront *front, int error, const char *format, ...)
{
    __builtin_va_list arguments;

    __builtin_va_start(arguments, format);
    set_reason(front, format, arguments);
    __builtin_va_end(arguments);
    return error;
}

void front_break(struct vbdfront *front)
{
    front->state = VBDFRONT_BROKEN;
    front_queues_fail(front);
}

/* --- open, close --------------------------------------------------------- */

void vbdfront_get_defaults(struct vbdfront_config *config)
{
    *config = (struct vbdfront_config){
        .max_queues = 1,
        .max_ring_page_order = MAX_RING_PAGE_ORDER,
        .max_indirect_segments = BLKIF_MAX_INDIRECT_SEGMENTS,
        .use_persistent = false,
        .is_untrusted = false,
        .use_discard = true,
        .abi = VBDFRONT_ABI_NATIVE,
    };
}

static bool is_possible(const struct vbdfront_config *config)
{
    return config->max_queues >= 1 &&
           config->max_queues <= BLKIF_MAX_QUEUES &&
           config->max_ring_page_order <= MAX_RING_PAGE_ORDER &&
           config->max_indirect_segments <= BLKIF_MAX_INDIRECT_SEGMENTS &&
           config->abi <= VBDFRONT_ABI_X86_64;
}

int vbdfront_open(const struct vbdfront_port *port, const char *node,
                  const struct vbdfront_config *config, struct vbdfront **out)
{
    struct vbdfront *front;

    if (config && !is_possible(config))
        return -XEN_EINVAL;
    front = port->page_alloc(port->context, FRONT_PAGES);
    if (!front)
        return -XEN_ENOMEM;
    front->port = port;
    if (config)
        front->config = *config;
    else
        vbdfront_get_defaults(&front->config);
    front->habits = front->config.habits ? front->config.habits
                                         : &front_own_habits;
    if (!front_text_format(front->node, sizeof front->node, "%s", node)) {
        vbdfront_close(front);
        return -XEN_ENAMETOOLONG;
    }
    *out = front;
    return 0;
}

void vbdfront_close(struct vbdfront *front)
{
    if (!front)
        return;
    vbdfront_disconnect(front, close_timeout_us);
    front->port->page_free(front->port->context, front, FRONT_PAGES);
}

/* --- the way down -------------------------------------------------------- */

/* Closing; when the back end has seen it, Closed; and only when it is Closed
 * too, ring and data are taken back: xen-blkback and vbdd keep the ring mapped
 * until the front end has said Closed. Each step is made whatever became of
 * the one before. */
static int close_down(struct vbdfront *front, uint64_t timeout_us)
{
    uint64_t lost = front->stats.pages_lost;
    int error = 0;

    if (front->nr_queues > 0) {
        front_set_state(front, XENBUS_CLOSING);
        if (!front->habits->closes_at_once)
            front_wait_backend(front, FRONT_IS_GONE | FRONT_IS(CLOSING), 0,
                               timeout_us);
        front_set_state(front, XENBUS_CLOSED);
        error = front_wait_backend(front, FRONT_IS_GONE, 0, timeout_us);
        if (!error && front->habits->ends_initialising)
            error = front_set_state(front, XENBUS_INITIALISING);
        front_queues_fail(front);
        front_queues_close(front, timeout_us);
    }
    front_forget_backend(front);
    front->state = VBDFRONT_CLOSED;
    return front->stats.pages_lost > lost ? -XEN_EBUSY : error;
}

int vbdfront_disconnect(struct vbdfront *front, uint64_t timeout_us)
{
    if (front->state == VBDFRONT_CONNECTED) {
        front->state = VBDFRONT_CLOSED;
        vbdfront_drain(front, timeout_us);
    }
    return close_down(front, timeout_us);
}

/* --- the way up ---------------------------------------------------------- */

/* Linux's rule: queues are offered to a back end that is in InitWait. One
 * that has skipped it (blkif.h allows that) is as good. Who skips it himself
 * comes to one that is still Initialising; one that is Closed would not take
 * him. */
static int offer_queues(struct vbdfront *front, uint64_t timeout_us)
{
    unsigned ready = FRONT_IS(INIT_WAIT) | FRONT_IS(INITIALISED) |
                     FRONT_IS(CONNECTED);
    int error = front_start_anew(front, timeout_us);

    if (front->habits->skips_init_wait)
        ready |= FRONT_IS(INITIALISING);
    if (!error)
        error = front_wait_backend(front, ready, 0, timeout_us);
    if (!error)
        error = front_agree_on_queues(front);
    if (!error)
        error = front_queues_open(front);
    if (!error)
        error = front_publish_queues(front);
    if (!error)
        error = front_set_state(front, front->habits->skips_initialised
                                           ? XENBUS_CONNECTED
                                           : XENBUS_INITIALISED);
    return error;
}

static int accept_disk(struct vbdfront *front, uint64_t timeout_us)
{
    int error = front_wait_backend(front, FRONT_IS(CONNECTED),
                                   FRONT_IS_GONE | FRONT_IS(CLOSING),
                                   timeout_us);

    if (!error)
        error = front_read_disk(front);
    if (!error && !front->habits->skips_initialised)
        error = front_set_state(front, XENBUS_CONNECTED);
    return error;
}

int front_establish(struct vbdfront *front, uint64_t timeout_us)
{
    int error;

    front->info = (struct vbdfront_info){ 0 };
    front->doubts_size = false;
    error = front_find_backend(front);
    if (!error)
        error = offer_queues(front, timeout_us);
    if (!error)
        error = accept_disk(front, timeout_us);
    if (error) {
        char reason[FRONT_REASON_BYTES];

        __builtin_memcpy(reason, front->reason, sizeof reason);
        close_down(front, timeout_us);
        __builtin_memcpy(front->reason, reason, sizeof reason);
        return error;
    }
    front->reason[0] = '\0';
    front->state = VBDFRONT_CONNECTED;
    return 0;
}

int vbdfront_connect(struct vbdfront *front, uint64_t timeout_us)
{
    if (front->state == VBDFRONT_CONNECTED)
        return front_fail(front, -XEN_EISCONN, "%s is connected already",
                          front->node);
    if (front->state == VBDFRONT_BROKEN)
        vbdfront_disconnect(front, timeout_us);
    return front_establish(front, timeout_us);
}

/* --- in between ---------------------------------------------------------- */

/* A back end says Connected once more after a resize. One that lies then is
 * believed no other size of this connection, so it cannot fill the log. */
static void look_at_backend(struct vbdfront *front)
{
    const struct vbdfront_port *port = front->port;
    uint64_t events = port->store_events(port->context);
    enum xenbus_state state;

    if (events == front->store_events_seen)
        return;
    front->store_events_seen = events;
    state = front_backend_state(front);
    if (state == XENBUS_CONNECTED) {
        if (!front->habits->ignores_resize && !front->doubts_size)
            front->doubts_size = front_read_size(front) != 0;
    } else if ((FRONT_IS_GONE | FRONT_IS(CLOSING)) & (1u << state)) {
        front_say(front, "the back end %s went to %s", front->backend,
                  xenbus_state_text(state));
        front_break(front);
    }
}

unsigned vbdfront_poll(struct vbdfront *front)
{
    uint64_t completed = front->nr_completed;

    if (front->state != VBDFRONT_BROKEN)
        front_queues_run(front);
    if (front->state == VBDFRONT_CONNECTED)
        look_at_backend(front);
    return (unsigned)(front->nr_completed - completed);
}

static void sleep_for_answers(struct vbdfront *front, uint64_t timeout_us)
{
    const struct vbdfront_port *port = front->port;

    if (front->nr_on_ring == 0 && timeout_us > starved_wait_us)
        timeout_us = starved_wait_us;
    port->wait(port->context, timeout_us);
}

int vbdfront_drain(struct vbdfront *front, uint64_t timeout_us)
{
    const struct vbdfront_port *port = front->port;
    uint64_t start_us = port->now_us(port->context), waited_us;

    for (;;) {
        vbdfront_poll(front);
        if (front->nr_in_flight == 0)
            return 0;
        waited_us = port->now_us(port->context) - start_us;
        if (waited_us >= timeout_us)
            return -XEN_ETIMEDOUT;
        sleep_for_answers(front, timeout_us - waited_us);
    }
}

static void store_result(struct vbdfront_io *io, int error)
{
    int *result = io->owner;

    *result = error;
}

int vbdfront_do(struct vbdfront *front, enum vbdfront_op op, unsigned flags,
                uint64_t sector, uint32_t nr_sectors, void *data)
{
    enum { UNANSWERED = 1 };
    int result = UNANSWERED;
    struct vbdfront_io io = {
        .op = op, .flags = flags, .sector = sector, .nr_sectors = nr_sectors,
        .data = data, .done = store_result, .owner = &result,
    };

    vbdfront_submit(front, &io);
    while (result == UNANSWERED) {
        vbdfront_poll(front);
        if (result == UNANSWERED)
            sleep_for_answers(front, close_timeout_us);
    }
    return result;
}

/* --- questions ----------------------------------------------------------- */

enum vbdfront_state vbdfront_state(const struct vbdfront *front)
{
    return front->state;
}

const struct vbdfront_info *vbdfront_info(const struct vbdfront *front)
{
    return &front->info;
}

const char *vbdfront_reason(const struct vbdfront *front)
{
    return front->reason;
}

unsigned vbdfront_in_flight(const struct vbdfront *front)
{
    return front->nr_in_flight;
}

void vbdfront_get_stats(const struct vbdfront *front,
                        struct vbdfront_stats *stats)
{
    *stats = front->stats;
}
