/* SPDX-License-Identifier: MIT
 * The queues: what each is made of, ring requests out, responses in. */
#include "frontend/private.h"

#include <xen/io/blkif.h>

#include "common/blkif/status.h"

enum { BATCH = 32 }; /* responses that are copied out at a time */

_Static_assert((int)VBDFRONT_ABI_X86_32 == (int)BLKIF_ABI_X86_32 &&
                   (int)VBDFRONT_ABI_X86_64 == (int)BLKIF_ABI_X86_64,
               "vbdfront_abi and blkif_abi are the same");

/* --- shadows ------------------------------------------------------------- */

static unsigned shadow_pages(const struct front_queue *queue)
{
    size_t bytes = queue->ring.slots * sizeof *queue->shadows;

    return (unsigned)((bytes + BLKIF_PAGE_BYTES - 1) / BLKIF_PAGE_BYTES);
}

static int open_shadows(struct front_queue *queue)
{
    const struct vbdfront_port *port = queue->front->port;

    queue->shadows = port->page_alloc(port->context, shadow_pages(queue));
    if (!queue->shadows)
        return front_fail(queue->front, -XEN_ENOMEM,
                          "there is no memory for a ring of %u requests",
                          queue->ring.slots);
    for (uint32_t i = queue->ring.slots; i-- > 0;) {
        queue->shadows[i].next_free = queue->free_shadows;
        queue->free_shadows = &queue->shadows[i];
    }
    return 0;
}

/* Its grants are taken back; the peer must have been done with them. */
static int release_shadow(struct front_queue *queue,
                          struct front_shadow *shadow, bool has_arrived)
{
    int error = front_segments_end(queue, shadow, has_arrived);

    shadow->io = NULL;
    shadow->next_free = queue->free_shadows;
    queue->free_shadows = shadow;
    queue->nr_on_ring--;
    queue->front->nr_on_ring--;
    return error;
}

/* --- open, close --------------------------------------------------------- */

static int grant_ring(struct front_queue *queue)
{
    uint8_t *pages = queue->ring_pages;

    for (uint32_t i = 0; i < queue->nr_ring_pages; i++) {
        int32_t grant = front_grant(
            queue->front, pages + (size_t)i * BLKIF_PAGE_BYTES, false);

        if (grant < 0)
            return front_fail(queue->front, grant,
                              "the ring's page cannot be granted (error %u)",
                              (unsigned)-grant);
        queue->ring_grants[queue->nr_ring_grants++] = (uint32_t)grant;
    }
    return 0;
}

static int open_event_port(struct front_queue *queue)
{
    const struct vbdfront_port *port = queue->front->port;
    int32_t event_port =
        port->event_alloc(port->context, queue->front->backend_id);

    if (event_port < 0)
        return front_fail(queue->front, event_port,
                          "there is no event channel (error %u)",
                          (unsigned)-event_port);
    queue->event_port = (uint32_t)event_port;
    queue->has_event_port = true;
    return 0;
}

/* What has been made when it fails is close_queue()'s. */
static int open_queue(struct front_queue *queue)
{
    struct vbdfront *front = queue->front;
    const struct vbdfront_port *port = front->port;
    int error;

    queue->nr_ring_pages = front->info.ring_pages;
    queue->ring_pages = port->page_alloc(port->context, queue->nr_ring_pages);
    if (!queue->ring_pages)
        return front_fail(front, -XEN_ENOMEM,
                          "there is no memory for a ring of %u pages",
                          queue->nr_ring_pages);
    front_ring_init(&queue->ring, queue->ring_pages, queue->nr_ring_pages,
                    (enum blkif_abi)front->config.abi);
    error = open_shadows(queue);
    if (!error)
        error = grant_ring(queue);
    return error ? error : open_event_port(queue);
}

/* Pages that the peer does not give back are left alone for ever, and so are
 * those around them: they came as one piece. */
static void close_queue(struct front_queue *queue, uint64_t end_us)
{
    struct vbdfront *front = queue->front;
    const struct vbdfront_port *port = front->port;
    bool is_kept = false;

    while (queue->nr_ring_grants > 0) {
        if (front_grant_end_by(front,
                               queue->ring_grants[--queue->nr_ring_grants],
                               end_us) != 0)
            is_kept = true;
    }
    if (is_kept)
        front_say(front, "the back end %s still maps the ring",
                  front->backend);
    else if (queue->ring_pages)
        port->page_free(port->context, queue->ring_pages,
                        queue->nr_ring_pages);
    if (queue->shadows)
        port->page_free(port->context, queue->shadows, shadow_pages(queue));
}

int front_queues_open(struct vbdfront *front)
{
    int error = 0;

    while (front->nr_queues < front->info.nr_queues && !error) {
        struct front_queue *queue = &front->queues[front->nr_queues++];

        *queue = (struct front_queue){ .front = front };
        error = open_queue(queue);
    }
    front->info.ring_slots = front->queues[0].ring.slots;
    if (error)
        front_queues_close(front, 0);
    return error;
}

/* All event channels first: then the back end is not woken any more. */
void front_queues_close(struct vbdfront *front, uint64_t timeout_us)
{
    const struct vbdfront_port *port = front->port;
    uint64_t end_us;

    if (__builtin_add_overflow(port->now_us(port->context), timeout_us,
                               &end_us))
        end_us = UINT64_MAX;
    for (uint32_t i = 0; i < front->nr_queues; i++) {
        if (front->queues[i].has_event_port)
            port->event_close(port->context, front->queues[i].event_port);
    }
    while (front->nr_queues > 0)
        close_queue(&front->queues[--front->nr_queues], end_us);
    front_pool_close(front, end_us);
}

/* --- out ----------------------------------------------------------------- */

struct front_queue *front_queue_choose(struct vbdfront *front)
{
    struct front_queue *best = &front->queues[0];

    for (uint32_t i = 1; i < front->nr_queues; i++) {
        if (front->queues[i].nr_on_ring < best->nr_on_ring)
            best = &front->queues[i];
    }
    return best->free_shadows ? best : NULL;
}

static void add_range(const struct front_shadow *shadow,
                      struct blkif_wire_request *request)
{
    if (shadow->descriptors) {
        request->operation = BLKIF_OP_INDIRECT;
        request->indirect_operation = shadow->operation;
        request->nr_indirect_segments = shadow->nr_segments;
        request->indirect_grefs[0] = shadow->descriptors->grant;
        return;
    }
    if (shadow->operation == BLKIF_OP_DISCARD) {
        request->nr_sectors = shadow->nr_sectors;
        request->nr_segments = shadow->is_secure ? BLKIF_DISCARD_SECURE : 0;
        return;
    }
    request->nr_segments = (uint8_t)shadow->nr_segments;
    __builtin_memcpy(request->segments, shadow->segments,
                     sizeof request->segments);
}

void front_queue_put(struct front_queue *queue, struct vbdfront_io *io)
{
    struct vbdfront *front = queue->front;
    struct front_shadow *shadow = queue->free_shadows;
    struct blkif_wire_request request = {
        .operation = shadow->operation, .handle = front->handle,
        .sector = shadow->sector };

    queue->free_shadows = shadow->next_free;
    shadow->io = io;
    shadow->id = (uint64_t)++front->nr_requests << 32 |
                 (uint64_t)(shadow - queue->shadows);
    queue->nr_on_ring++;
    front->nr_on_ring++;
    request.id = shadow->id;
    add_range(shadow, &request);
    front_ring_put(&queue->ring, &request);
    queue->has_unpushed = true;
    front->stats.ring_requests++;
}

void front_queues_push(struct vbdfront *front)
{
    for (uint32_t i = 0; i < front->nr_queues; i++) {
        struct front_queue *queue = &front->queues[i];

        if (!queue->has_unpushed)
            continue;
        queue->has_unpushed = false;
        front->stats.pushes++;
        if (front_ring_push(&queue->ring)) {
            front->stats.notifies++;
            front->port->event_notify(front->port->context,
                                      queue->event_port);
        }
    }
}

/* --- in ------------------------------------------------------------------ */

/* Three of the four checks; the ring makes the first. NULL: the back end is
 * broken, and it has been said why. */
static struct front_shadow *find_shadow(
    struct front_queue *queue, const struct blkif_wire_response *response)
{
    struct vbdfront *front = queue->front;
    unsigned long long id = response->id;
    uint32_t index = (uint32_t)response->id;
    struct front_shadow *shadow;

    if (index >= queue->ring.slots) {
        front_say(front, "the back end answered request id %llu, which is "
                  "out of range", id);
        return NULL;
    }
    shadow = &queue->shadows[index];
    if (!shadow->io || shadow->id != response->id) {
        front_say(front, "the back end answered request id %llu, which is "
                  "not in flight", id);
        return NULL;
    }
    if (shadow->operation != response->operation) {
        front_say(front, "the back end answered operation %u to a request of "
                  "operation %u", response->operation, shadow->operation);
        return NULL;
    }
    return shadow;
}

/* blkif has three status codes; one that is none of them is an error of this
 * request like any other. */
static int judge_status(int16_t status)
{
    int error = blkif_error_from_status(status);

    return error == -BLKIF_EPROTO ? -XEN_EIO : error;
}

static bool take_response(struct front_queue *queue,
                          const struct blkif_wire_response *response)
{
    struct vbdfront *front = queue->front;
    struct front_shadow *shadow = find_shadow(queue, response);
    int error = judge_status(response->status);
    struct vbdfront_io *io;

    if (!shadow)
        return false;
    front->stats.responses++;
    io = shadow->io;
    if (release_shadow(queue, shadow,
                       !error && shadow->operation == BLKIF_OP_READ) == 0) {
        front_answer(front, io, error);
        return true;
    }
    front_answer(front, io, -XEN_EIO);
    front_say(front, "the back end answered a request and still holds its "
              "pages: they must never be used again");
    return false;
}

/* False: the back end is broken. */
static bool take_responses(struct front_queue *queue)
{
    struct blkif_wire_response responses[BATCH];
    int nr = front_ring_take(&queue->ring, responses, BATCH);

    if (nr < 0) {
        front_say(queue->front,
                  "the back end's response index is ahead of what it "
                  "was asked");
        return false;
    }
    for (int i = 0; i < nr; i++) {
        if (!take_response(queue, &responses[i]))
            return false;
    }
    return true;
}

/* False: the back end is broken. */
static bool take_all_responses(struct vbdfront *front)
{
    for (uint32_t i = 0; i < front->nr_queues; i++) {
        if (!take_responses(&front->queues[i]))
            return false;
    }
    return true;
}

/* Each ring is asked for an event, also when another has more. */
static bool final_checks(struct vbdfront *front)
{
    bool has_more = false;

    for (uint32_t i = 0; i < front->nr_queues; i++) {
        if (front_ring_final_check(&front->queues[i].ring))
            has_more = true;
    }
    return has_more;
}

void front_queues_run(struct vbdfront *front)
{
    do {
        if (!take_all_responses(front)) {
            front_break(front);
            return;
        }
        front_put_pending(front);
    } while (final_checks(front));
}

/* --- the end of those in flight ------------------------------------------ */

static void recall_queue(struct front_queue *queue)
{
    for (uint32_t i = 0; i < queue->ring.slots; i++) {
        struct front_shadow *shadow = &queue->shadows[i];

        if (!shadow->io)
            continue;
        front_recall(queue->front, shadow);
        release_shadow(queue, shadow, false);
    }
}

/* The event ports are not closed: their numbers may be somebody else's. */
void front_queues_forget(struct vbdfront *front)
{
    for (uint32_t i = 0; i < front->nr_queues; i++) {
        front->queues[i].has_event_port = false;
        recall_queue(&front->queues[i]);
    }
    front_queues_close(front, 0);
}

static void fail_queue(struct front_queue *queue)
{
    for (uint32_t i = 0; i < queue->ring.slots; i++) {
        struct vbdfront_io *io = queue->shadows[i].io;

        if (!io)
            continue;
        release_shadow(queue, &queue->shadows[i], false);
        front_answer(queue->front, io, -XEN_EIO);
    }
}

void front_queues_fail(struct vbdfront *front)
{
    for (uint32_t i = 0; i < front->nr_queues; i++)
        fail_queue(&front->queues[i]);
    front_fail_pending(front);
}
