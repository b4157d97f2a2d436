/* SPDX-License-Identifier: MIT
 * The data path of a ring: take, judge, copy in, hand to the coherency layer;
 * copy out, answer. Each step works on a batch: one grant copy for all that
 * was taken, one for all that is answered, one push and one notify a queue. */
#include "backend/disk/vbd.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <xen/io/blkif.h>

#include "backend/disk/latency.h"
#include "common/blkif/status.h"

enum {
    /* Bounded work per wake-up (XSA-331/332): requests taken from one ring
     * before the others have their turn. */
    TAKE_BATCH = 32,
    COPY_BATCH = TAKE_BATCH * BLKIF_WIRE_SEGMENTS,
    /* What a request may need at most, before it has been looked at. */
    REQUEST_BYTES = BLKIF_WIRE_SEGMENTS * BLKIF_PAGE_BYTES,
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

/* --- copies between guest and buffer ----------------------------------------- */

struct copy_batch {
    struct platform_copy copies[COPY_BATCH];
    struct ring_request *owners[COPY_BATCH];
    unsigned nr;
};

/* One for the process: too large for the stack, and the loop is one thread. */
static struct copy_batch batch;

static void batch_add(struct ring_request *r, bool to_guest)
{
    char *data = r->data;

    for (uint32_t i = 0; i < r->io.nr_segments; i++) {
        const struct blkif_wire_segment *s = &r->io.segments[i];
        uint16_t sectors = (uint16_t)(s->last_sector - s->first_sector + 1);

        batch.owners[batch.nr] = r;
        batch.copies[batch.nr++] = (struct platform_copy){
            .domid = r->queue->vbd->domid,
            .gref = s->gref,
            .offset_bytes = s->first_sector * BLKIF_SECTOR_BYTES,
            .length_bytes = sectors * BLKIF_SECTOR_BYTES,
            .local = data,
            .to_guest = to_guest,
        };
        data += sectors * BLKIF_SECTOR_BYTES;
    }
}

/* Each element's own status decides (XSA-361): its request fails, no other. */
static void batch_run(struct worker *worker)
{
    int error = platform_grant_copy(worker->platform, batch.copies, batch.nr);

    for (unsigned i = 0; i < batch.nr; i++) {
        struct ring_request *r = batch.owners[i];
        int here = error ? error : batch.copies[i].error;

        if (!here || r->error)
            continue;
        r->error = -EIO; /* whatever it is called: to the guest it failed */
        log_limited(&worker->guest_log, LOG_LEVEL_WARNING,
                    "domain %u: grant %u of a request cannot be copied: %s",
                    r->queue->vbd->domid, batch.copies[i].gref,
                    strerror(-here));
    }
    batch.nr = 0;
}

/* --- from the ring ------------------------------------------------------------- */

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

    if (error == -EOPNOTSUPP ||
        (error == -ECANCELED && !r->queue->vbd->is_closing))
        error = -EIO;
    complete(r, error);
}

/* A request that will not be served, for r->error. A FLUSH or BARRIER is answered only when
 * what the client had been told is written is durable: any failed one makes
 * Linux stop flushing (C8). */
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

static int take_buffer(struct worker *worker, struct ring_request *r)
{
    if (r->io.nr_segments == 0)
        return 0;
    r->data = pool_alloc(&worker->pool, range_bytes(r));
    if (!r->data)
        return -ENOMEM;
    worker->budget_used += range_bytes(r);
    if (!ev_is_active(&worker->trim_timer))
        ev_timer_again(worker->loop, &worker->trim_timer);
    return 0;
}

static struct ring_request *accept_request(struct queue *queue,
                                   const struct blkif_wire_request *wire,
                                   uint64_t now_us)
{
    struct vbd *vbd = queue->vbd;
    struct worker *worker = vbd->worker;
    struct ring_request *r = queue->free_requests;
    enum blkif_refusal refusal;

    assert(r); /* the ring has no more slots than we have requests */
    queue->free_requests = r->next;
    worker->outstanding++;
    r->taken_us = now_us;
    refusal = blkif_validate(wire, &vbd->limits, &r->io);
    if (refusal != BLKIF_ACCEPTED) {
        r->io = (struct blkif_io){ .operation = wire->operation,
                                   .id = wire->id };
        r->error = blkif_error_from_status(blkif_refusal_status(refusal));
        log_limited(&worker->guest_log, LOG_LEVEL_WARNING,
                    "domain %u: request refused (operation %u, sector %llu): "
                    "%s", vbd->domid, wire->operation,
                    (unsigned long long)wire->sector,
                    blkif_refusal_text(refusal));
        return r;
    }
    r->error = take_buffer(worker, r);
    if (!r->error && r->io.operation != BLKIF_OP_READ)
        batch_add(r, false);
    return r;
}

unsigned worker_affordable(const struct worker *worker)
{
    uint64_t left = worker->options->budget_bytes - worker->budget_used;

    if (worker->budget_used >= worker->options->budget_bytes)
        return 0;
    /* A tiny budget must still let one request through. */
    if (left < REQUEST_BYTES)
        return worker->budget_used == 0;
    left /= REQUEST_BYTES;
    return left < TAKE_BATCH ? (unsigned)left : TAKE_BATCH;
}

unsigned queue_take(struct queue *queue)
{
    static struct blkif_wire_request wire[TAKE_BATCH];
    static struct ring_request *taken[TAKE_BATCH];
    struct worker *worker = queue->vbd->worker;
    uint64_t now_us;
    int nr;

    if (queue->vbd->is_broken || queue->vbd->is_closing)
        return 0;
    nr = back_ring_take(&queue->ring, wire, worker_affordable(worker));
    if (nr < 0)
        vbd_break(queue->vbd, "request producer index is further ahead than "
                              "the ring is long");
    if (nr <= 0)
        return 0;
    now_us = host_now_us();
    worker->stats.take_batches++;
    for (int i = 0; i < nr; i++)
        taken[i] = accept_request(queue, &wire[i], now_us);
    batch_run(worker);
    for (int i = 0; i < nr; i++)
        start(taken[i]);
    return (unsigned)nr;
}

/* --- to the ring ----------------------------------------------------------------- */

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
    if (is_flush_kind(operation))
        latency_add(stats->flush_latency, took_us);
    else if (operation != BLKIF_OP_DISCARD)
        latency_add(stats->latency, took_us);
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
        count(worker, r, status, now_us);
    }
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
            if (back_ring_push(&queue->ring)) {
                worker->stats.notifies_sent++;
                platform_event_notify(worker->platform, queue->port);
            }
        }
    }
}

/* Copies the data of at most TAKE_BATCH finished reads to their guests;
 * returns where the next batch starts. */
static struct ring_request *copy_reads(struct worker *worker,
                                       struct ring_request *first)
{
    struct ring_request *r = first;

    for (unsigned n = 0; r && n < TAKE_BATCH; r = r->next, n++)
        if (r->io.operation == BLKIF_OP_READ && !r->error)
            batch_add(r, true);
    batch_run(worker);
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
        struct ring_request *end = copy_reads(worker, r);

        while (r != end) {
            struct ring_request *next = r->next;
            answer(worker, r, now_us);
            r = next;
        }
    }
    push_answers(worker);
}
