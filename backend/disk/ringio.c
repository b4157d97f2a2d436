/* SPDX-License-Identifier: MIT
 * The data path of a ring: take, judge, copy in, hand to the coherency layer;
 * copy out, answer. Each step works on a batch: one grant copy for the
 * descriptors and one for the data of all that was taken, one for all that is
 * answered, one push and one notify a queue. */
#include "backend/disk/vbd.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <xen/io/blkif.h>

#include "backend/disk/latency.h"
#include "backend/disk/transfer.h"
#include "common/blkif/status.h"

enum {
    /* Bounded work per wake-up (XSA-331/332): requests taken from one vbd
     * before the others have their turn. */
    TAKE_BATCH = 32,
};

/* What the request is about; a DISCARD carries no data. */
static uint64_t range_bytes(const struct ring_request *r)
{
    return r->io.nr_sectors * BLKIF_SECTOR_BYTES;
}

static bool is_flush_kind(uint8_t operation)
{
    return operation == BLKIF_OP_FLUSH_DISKCACHE ||
           operation == BLKIF_OP_WRITE_BARRIER;
}

bool ring_request_is_flush(const struct ring_request *r)
{
    return is_flush_kind(r->io.operation);
}

/* --- from the ring -------------------------------------------------------- */

static void complete(struct ring_request *r, int error)
{
    struct worker *worker = r->queue->vbd->worker;

    if (!r->is_refused || error == -ECANCELED)
        r->error = error;
    r->next = NULL;
    *worker->completed_tail = r;
    worker->completed_tail = &r->next;
}

/* An engine may say EOPNOTSUPP or ECANCELED on its own; to Linux the former, in
 * answer to a FLUSH or BARRIER, is a success (C8), and the latter means here
 * that there is nobody left to answer. What we offer does not go unsupported,
 * it fails. */
static void coherency_done(struct coherency_request *request, int error)
{
    struct ring_request *r = request->owner;

    /* A DISCARD is advice, and was advertised: an engine that cannot do it any
     * more leaves the data where it is (C14). A secure one promises more. */
    if (error == -EOPNOTSUPP && r->io.operation == BLKIF_OP_DISCARD &&
        !r->io.is_secure)
        error = 0;
    if (error == -EOPNOTSUPP ||
        (error == -ECANCELED && !r->queue->vbd->is_closing))
        error = -EIO;
    complete(r, error);
}

/* A request that will not be served, for r->error. A FLUSH or BARRIER is
 * answered only when what the client had been told is written is durable: any
 * failed one makes Linux stop flushing (C8). */
static void refuse(struct ring_request *r)
{
    struct vbd *vbd = r->queue->vbd;

    if (!is_flush_kind(r->io.operation)) {
        complete(r, r->error);
        return;
    }
    r->is_refused = true;
    coherency_client_set_write_through(vbd->client);
    r->request = (struct coherency_request){
        .op = COHERENCY_FLUSH, .done = coherency_done, .owner = r,
    };
    coherency_submit(vbd->client, &r->request);
}

static enum coherency_op coherency_op_of(uint8_t operation)
{
    switch (operation) {
    case BLKIF_OP_READ:
        return COHERENCY_READ;
    case BLKIF_OP_WRITE_BARRIER:
        return COHERENCY_BARRIER;
    case BLKIF_OP_FLUSH_DISKCACHE:
        return COHERENCY_FLUSH;
    case BLKIF_OP_DISCARD:
        return COHERENCY_DISCARD;
    default:
        assert(operation == BLKIF_OP_WRITE);
        return COHERENCY_WRITE;
    }
}

static void start(struct ring_request *r)
{
    if (r->error) {
        refuse(r);
        return;
    }
    r->request = (struct coherency_request){
        .op = coherency_op_of(r->io.operation),
        .flags = r->io.is_secure ? COHERENCY_SECURE : 0,
        .offset_bytes = r->io.sector * BLKIF_SECTOR_BYTES,
        .length_bytes = range_bytes(r),
        .data = r->data,
        .done = coherency_done,
        .owner = r,
    };
    coherency_submit(r->queue->vbd->client, &r->request);
}

void *worker_take_pages(struct worker *worker, uint64_t bytes)
{
    if (!ev_is_active(&worker->trim_timer))
        ev_timer_again(worker->loop, &worker->trim_timer);
    return pool_alloc(&worker->pool, bytes);
}

static int take_buffer(struct worker *worker, struct ring_request *r)
{
    if (r->io.nr_segments == 0)
        return 0;
    if (coherency_is_fail_stopped(worker->disk))
        return -EIO;
    r->data = worker_take_pages(worker, range_bytes(r));
    if (!r->data)
        return -ENOMEM;
    worker->budget_used += range_bytes(r);
    return 0;
}

/* What the validator does not let through is answered for what it claimed to
 * be. */
static void turn_down(struct ring_request *r, uint8_t operation, uint64_t id,
                      enum blkif_refusal refusal, uint64_t sector)
{
    struct vbd *vbd = r->queue->vbd;

    r->io = (struct blkif_io){ .operation = operation, .id = id };
    r->error = blkif_error_from_status(blkif_refusal_status(refusal));
    log_limited(&vbd->worker->guest_log, LOG_LEVEL_WARNING,
                "domain %u: request refused (operation %u, sector %llu): %s",
                vbd->domid, operation, (unsigned long long)sector,
                blkif_refusal_text(refusal));
}

static void take_descriptors(struct ring_request *r)
{
    struct queue *queue = r->queue;

    queue->stats.indirect_requests++;
    r->indirect = worker_take_pages(queue->vbd->worker, BLKIF_PAGE_BYTES);
    if (r->indirect)
        transfer_add_descriptors(r);
    else
        r->error = -ENOMEM;
}

/* First step: the request itself. */
static struct ring_request *accept_request(struct queue *queue,
                                   const struct blkif_wire_request *wire,
                                   uint64_t now_us)
{
    struct ring_request *r = queue->free_requests;
    enum blkif_refusal refusal;

    assert(r); /* the ring has no more slots than we have requests */
    queue->free_requests = r->next;
    queue->vbd->worker->outstanding++;
    r->taken_us = now_us;
    refusal = blkif_validate(wire, &queue->vbd->limits, &r->io);
    if (refusal != BLKIF_ACCEPTED)
        turn_down(r, blkif_response_operation(wire), wire->id, refusal,
                  wire->sector);
    else if (r->io.is_indirect)
        take_descriptors(r);
    return r;
}

/* Second step, with the descriptors at hand. */
static void prepare(struct ring_request *r)
{
    struct vbd *vbd = r->queue->vbd;
    enum blkif_refusal refusal;

    if (!r->error && r->indirect) {
        refusal = blkif_validate_indirect(r->indirect, &vbd->limits, &r->io);
        if (refusal != BLKIF_ACCEPTED)
            turn_down(r, r->io.operation, r->io.id, refusal, r->io.sector);
    }
    if (!r->error)
        r->error = take_buffer(vbd->worker, r);
    if (!r->error && r->io.operation != BLKIF_OP_READ)
        transfer_add_data(r, false);
}

/* How many requests of the vbd may be taken without going over the budget,
 * whatever they ask for. In fail-stop they get no buffer, and those that are
 * held have theirs for ever: others must have their ERROR all the same (C8). */
static unsigned affordable(const struct vbd *vbd)
{
    const struct worker *worker = vbd->worker;
    uint64_t left = worker->options->budget_bytes - worker->budget_used;
    uint32_t most = vbd->limits.max_indirect_segments; /* of one request */

    if (most < BLKIF_WIRE_SEGMENTS)
        most = BLKIF_WIRE_SEGMENTS;
    if (coherency_is_fail_stopped(worker->disk))
        return TAKE_BATCH;
    if (worker->budget_used >= worker->options->budget_bytes)
        return 0;
    left /= most * BLKIF_PAGE_BYTES;
    /* A tiny budget must still let one request through. */
    if (left == 0)
        return worker->budget_used == 0;
    return left < TAKE_BATCH ? (unsigned)left : TAKE_BATCH;
}

bool vbd_waits_for_budget(const struct vbd *vbd)
{
    bool has_requests = false;

    if (!vbd_is_served(vbd) || affordable(vbd) > 0)
        return false;
    for (unsigned i = 0; i < vbd->nr_queues; i++)
        has_requests |= back_ring_has_requests(&vbd->queues[i].ring);
    return has_requests;
}

static unsigned queue_take(struct queue *queue, unsigned max)
{
    static struct blkif_wire_request wire[TAKE_BATCH];
    static struct ring_request *taken[TAKE_BATCH];
    struct vbd *vbd = queue->vbd;
    unsigned may_take;
    uint64_t now_us;
    int nr;

    if (!vbd_is_served(vbd))
        return 0;
    may_take = affordable(vbd);
    nr = back_ring_take(&queue->ring, wire, may_take < max ? may_take : max);
    if (nr < 0)
        vbd_break(vbd, "request producer index is further ahead than "
                       "the ring is long");
    if (nr <= 0)
        return 0;
    now_us = host_now_us();
    vbd->worker->stats.take_batches++;
    queue->stats.take_batches++;
    queue->stats.requests += (unsigned)nr;
    for (int i = 0; i < nr; i++) {
        taken[i] = accept_request(queue, &wire[i], now_us);
        xentop_take(&vbd->xentop, taken[i]->io.operation);
    }
    transfer_run(vbd->worker);
    for (int i = 0; i < nr; i++)
        prepare(taken[i]);
    transfer_run(vbd->worker);
    for (int i = 0; i < nr; i++)
        start(taken[i]);
    return (unsigned)nr;
}

unsigned vbd_take(struct vbd *vbd)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < vbd->nr_queues; i++)
        taken += queue_take(&vbd->queues[(vbd->turn + i) % vbd->nr_queues],
                            TAKE_BATCH - taken);
    /* Where that was enough for one queue it is the next one's turn. */
    vbd->turn += taken > 0;
    return taken;
}

/* --- to the ring ---------------------------------------------------------- */

void ring_request_free(struct ring_request *r)
{
    struct queue *queue = r->queue;

    *r = (struct ring_request){ .queue = queue, .next = queue->free_requests };
    queue->free_requests = r;
}

static void count(struct worker *worker, const struct ring_request *r,
                  int16_t status, uint64_t now_us)
{
    struct message_stats *stats = &worker->stats;
    uint64_t took_us = now_us - r->taken_us;
    unsigned operation = r->io.operation;

    if (status == BLKIF_RSP_EOPNOTSUPP)
        stats->unsupported++;
    if (operation > BLKIF_OP_DISCARD)
        return;
    stats->requests[operation]++;
    if (status == BLKIF_RSP_ERROR)
        stats->errors[operation]++;
    if (status == BLKIF_RSP_OKAY && operation == BLKIF_OP_READ)
        stats->bytes_read += range_bytes(r);
    else if (status == BLKIF_RSP_OKAY && r->data)
        stats->bytes_written += range_bytes(r);
    xentop_answer(&r->queue->vbd->xentop, operation,
                  status == BLKIF_RSP_ERROR,
                  status == BLKIF_RSP_OKAY ? range_bytes(r) / BLKIF_SECTOR_BYTES
                                           : 0, took_us);
    if (is_flush_kind(operation)) {
        latency_add(stats->flush_latency, took_us);
        stats->flush_latency_us += took_us;
    } else if (operation != BLKIF_OP_DISCARD) {
        latency_add(stats->latency, took_us);
        stats->latency_us += took_us;
    }
}

/* A canceled request is not answered: its ring is about to go (C8). */
static void answer(struct worker *worker, struct ring_request *r,
                   uint64_t now_us)
{
    struct queue *queue = r->queue;

    if (r->error != -ECANCELED) {
        int16_t status = blkif_status_from_error(r->error);

        back_ring_put(&queue->ring, r->io.id, r->io.operation, status);
        queue->has_answers = true;
        worker->stats.responses++;
        queue->stats.responses++;
        count(worker, r, status, now_us);
    }
    pool_free(&worker->pool, r->indirect, BLKIF_PAGE_BYTES);
    if (r->data) {
        pool_free(&worker->pool, r->data, range_bytes(r));
        worker->budget_used -= range_bytes(r);
    }
    worker->outstanding--;
    ring_request_free(r);
}

static void push_answers(struct worker *worker)
{
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next) {
        for (unsigned i = 0; i < vbd->nr_queues; i++) {
            struct queue *queue = &vbd->queues[i];

            if (!queue->has_answers)
                continue;
            queue->has_answers = false;
            worker->stats.answer_batches++;
            queue->stats.answer_batches++;
            if (back_ring_push(&queue->ring)) {
                worker->stats.notifies_sent++;
                queue->stats.notifies_sent++;
                platform_event_notify(worker->platform, queue->port);
            }
        }
    }
}

/* Hands the data of at most TAKE_BATCH finished reads to their guests; returns
 * where the next batch starts. */
static struct ring_request *hand_over_reads(struct worker *worker,
                                       struct ring_request *first)
{
    struct ring_request *r = first;

    for (unsigned n = 0; r && n < TAKE_BATCH; r = r->next, n++)
        if (r->io.operation == BLKIF_OP_READ)
            transfer_add_data(r, true);
    transfer_run(worker);
    return r;
}

void worker_answer(struct worker *worker)
{
    struct ring_request *r = worker->completed;
    uint64_t now_us;

    if (!r)
        return;
    worker->completed = NULL;
    worker->completed_tail = &worker->completed;
    now_us = host_now_us();
    while (r) {
        struct ring_request *end = hand_over_reads(worker, r);

        while (r != end) {
            struct ring_request *next = r->next;
            answer(worker, r, now_us);
            r = next;
        }
    }
    push_answers(worker);
}
