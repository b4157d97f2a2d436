/* SPDX-License-Identifier: MIT
 * Operations to ring requests and back.
 *
 * An operation is a plan of one to three steps. A step is one ring request, or
 * as many as its data needs; the next step begins when all of them have been
 * answered. The operations that have something left to put on the ring wait in
 * `pending`, oldest first, and only the oldest may put: so requests are on the
 * ring in the order of their operations, and a full ring or grant table holds
 * all of them. An operation whose next step has come returns to the head (it
 * is older than all that wait).
 *
 * An *exclusive* operation stays at the head from its first request to its
 * last answer and begins each step on an empty ring: what came before is
 * complete, what comes after has not begun. That is a barrier made by the
 * front end, for back ends that have none. */
#include "frontend/private.h"

#include <xen/io/blkif.h>

#include "common/blkif/status.h"

enum step { STEP_END, STEP_READ, STEP_WRITE, STEP_BARRIER, STEP_SYNC };

static const uint8_t plan_read[] = { STEP_READ, STEP_END };
static const uint8_t plan_write[] = { STEP_WRITE, STEP_END };
static const uint8_t plan_write_durable[] = { STEP_WRITE, STEP_SYNC,
                                              STEP_END };
static const uint8_t plan_sync[] = { STEP_SYNC, STEP_END };
static const uint8_t plan_barrier[] = { STEP_BARRIER, STEP_END };
static const uint8_t plan_exclusive_write[] = { STEP_SYNC, STEP_WRITE,
                                                STEP_SYNC, STEP_END };

/* What the driver keeps in vbdfront_io.front_private. */
struct progress {
    struct vbdfront_io *next;   /* in pending */
    const uint8_t *step;
    uint32_t sectors_put;       /* of this step's data */
    unsigned nr_unanswered;     /* ring requests of this step */
    bool is_put;                /* all of this step is on the ring */
    bool is_exclusive;
    bool is_pending;
    int error;                  /* the first */
};

static struct progress *progress(struct vbdfront_io *io)
{
    _Static_assert(sizeof(struct progress) <= sizeof io->front_private,
                   "vbdfront_io.front_private is too small");
    return (struct progress *)(void *)io->front_private;
}

/* --- the list of those who wait ------------------------------------------ */

static void pending_append(struct vbdfront *front, struct vbdfront_io *io)
{
    struct vbdfront_io **tail = &front->pending;

    if (front->pending)
        tail = &progress(front->pending_tail)->next;
    *tail = front->pending_tail = io;
    progress(io)->next = NULL;
    progress(io)->is_pending = true;
}

static void pending_prepend(struct vbdfront *front, struct vbdfront_io *io)
{
    if (!front->pending)
        front->pending_tail = io;
    progress(io)->next = front->pending;
    front->pending = io;
    progress(io)->is_pending = true;
}

static void pending_remove(struct vbdfront *front, struct vbdfront_io *io)
{
    struct vbdfront_io **link = &front->pending, *before = NULL;

    for (; *link != io; link = &progress(*link)->next)
        before = *link;
    *link = progress(io)->next;
    if (front->pending_tail == io)
        front->pending_tail = before;
    progress(io)->is_pending = false;
}

/* --- the end of an operation --------------------------------------------- */

static void finish(struct vbdfront *front, struct vbdfront_io *io)
{
    if (progress(io)->is_pending)
        pending_remove(front, io);
    front->nr_in_flight--;
    front->nr_completed++;
    io->done(io, progress(io)->error);
}

/* Every request of io's step has been answered. */
static void end_step(struct vbdfront *front, struct vbdfront_io *io)
{
    struct progress *now = progress(io);

    if (now->error || *++now->step == STEP_END) {
        finish(front, io);
        return;
    }
    now->sectors_put = 0;
    now->is_put = false;
    if (!now->is_pending)
        pending_prepend(front, io);
}

/* The first error wins, and nothing more of a failed operation goes out. */
static void answer(struct vbdfront *front, struct vbdfront_io *io, int error)
{
    struct progress *now = progress(io);

    now->nr_unanswered--;
    if (error && !now->error)
        now->error = error;
    if (now->error && !now->is_put) {
        now->is_put = true;
        if (!now->is_exclusive)
            pending_remove(front, io);
    }
    if (now->nr_unanswered == 0 && now->is_put)
        end_step(front, io);
}

/* --- shadows ------------------------------------------------------------- */

void front_queue_init(struct vbdfront *front)
{
    uint32_t slots = front->ring.slots;

    front->free_shadows = NULL;
    for (uint32_t i = slots < FRONT_SLOTS ? slots : FRONT_SLOTS; i-- > 0;) {
        front->shadows[i] = (struct front_shadow){
            .next_free = front->free_shadows };
        front->free_shadows = &front->shadows[i];
    }
}

static void take_shadow(struct vbdfront *front, struct vbdfront_io *io,
                        struct front_shadow *shadow)
{
    front->free_shadows = shadow->next_free;
    shadow->io = io;
    shadow->id = (uint64_t)++front->nr_requests << 32 |
                 (uint64_t)(shadow - front->shadows);
    front->nr_on_ring++;
}

/* Its grants are taken back; the peer must have been done with them. */
static int release_shadow(struct vbdfront *front, struct front_shadow *shadow)
{
    int error = front_segments_end(front, shadow);

    shadow->io = NULL;
    shadow->next_free = front->free_shadows;
    front->free_shadows = shadow;
    front->nr_on_ring--;
    return error;
}

/* --- out ----------------------------------------------------------------- */

/* The request that makes durable all that has been completed. */
static uint8_t sync_operation(const struct vbdfront *front)
{
    return front->info.has_flush ? BLKIF_OP_FLUSH_DISKCACHE
                                 : BLKIF_OP_WRITE_BARRIER;
}

/* A barrier that needs several requests: its first and its last are barriers.
 * The first keeps all of its data behind earlier writes, the last makes all of
 * it durable and keeps later writes behind it; one of the two would not do
 * (C6). Those between need no order among themselves. */
static uint8_t ring_operation(const struct vbdfront *front, enum step step,
                              bool is_first, bool is_last)
{
    switch (step) {
    case STEP_READ:
        return BLKIF_OP_READ;
    case STEP_BARRIER:
        return is_first || is_last ? BLKIF_OP_WRITE_BARRIER : BLKIF_OP_WRITE;
    case STEP_SYNC:
        return sync_operation(front);
    case STEP_WRITE:
    case STEP_END:
        break;
    }
    return BLKIF_OP_WRITE;
}

/* Puts the next request of io's step; false when there is no room for it. */
static bool put_request(struct vbdfront *front, struct vbdfront_io *io)
{
    struct progress *now = progress(io);
    struct front_shadow *shadow = front->free_shadows;
    uint32_t before = now->sectors_put;
    uint32_t left = *now->step == STEP_SYNC ? 0 : io->nr_sectors - before;
    struct blkif_wire_request request = { .handle = front->handle };

    if (!shadow)
        return false;
    if (left > 0) {
        uint8_t *data = io->data;
        uint32_t covered = front_segments_grant(
            front, shadow, &request,
            data + (size_t)before * BLKIF_SECTOR_BYTES, left,
            *now->step != STEP_READ);

        if (covered == 0)
            return false;
        request.sector = io->sector + before;
        now->sectors_put += covered;
        left -= covered;
    }
    now->is_put = left == 0;
    now->nr_unanswered++;
    take_shadow(front, io, shadow);
    shadow->operation = ring_operation(front, *now->step, before == 0,
                                       now->is_put);
    request.operation = shadow->operation;
    request.id = shadow->id;
    front_ring_put(&front->ring, &request);
    front->stats.ring_requests++;
    return true;
}

static bool may_put(const struct vbdfront *front, struct vbdfront_io *io)
{
    const struct progress *now = progress(io);

    if (!now->is_exclusive)
        return true;
    return !now->is_put && (now->sectors_put > 0 || front->nr_on_ring == 0);
}

static void put_pending(struct vbdfront *front)
{
    struct vbdfront_io *io;
    bool has_put = false;

    while ((io = front->pending) && may_put(front, io) &&
           put_request(front, io)) {
        has_put = true;
        if (progress(io)->is_put && !progress(io)->is_exclusive)
            pending_remove(front, io);
    }
    if (!has_put)
        return;
    front->stats.pushes++;
    if (front_ring_push(&front->ring)) {
        front->stats.notifies++;
        front->port->event_notify(front->port->context, front->event_port);
    }
}

/* --- in ------------------------------------------------------------------ */

/* Three of the four checks; the ring makes the first. NULL: the back end is
 * broken, and it has been said why. */
static struct front_shadow *find_shadow(
    struct vbdfront *front, const struct blkif_wire_response *response)
{
    unsigned long long id = response->id;
    uint32_t index = (uint32_t)response->id;
    struct front_shadow *shadow;

    if (index >= FRONT_SLOTS) {
        front_say(front, "the back end answered request id %llu, which is "
                  "out of range", id);
        return NULL;
    }
    shadow = &front->shadows[index];
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

static bool take_response(struct vbdfront *front,
                          const struct blkif_wire_response *response)
{
    struct front_shadow *shadow = find_shadow(front, response);
    struct vbdfront_io *io;

    if (!shadow)
        return false;
    front->stats.responses++;
    io = shadow->io;
    if (release_shadow(front, shadow) == 0) {
        answer(front, io, judge_status(response->status));
        return true;
    }
    answer(front, io, -XEN_EIO);
    front_say(front, "the back end answered a request and still holds its "
              "pages: they must never be used again");
    return false;
}

/* False: the back end is broken. */
static bool take_responses(struct vbdfront *front)
{
    struct blkif_wire_response responses[FRONT_SLOTS];
    int nr = front_ring_take(&front->ring, responses, FRONT_SLOTS);

    if (nr < 0) {
        front_say(front, "the back end's response index is ahead of what it "
                  "was asked");
        return false;
    }
    for (int i = 0; i < nr; i++) {
        if (!take_response(front, &responses[i]))
            return false;
    }
    return true;
}

void front_queue_run(struct vbdfront *front)
{
    do {
        if (!take_responses(front)) {
            front_break(front);
            return;
        }
        put_pending(front);
    } while (front_ring_final_check(&front->ring));
}

void front_queue_fail(struct vbdfront *front)
{
    for (unsigned i = 0; i < FRONT_SLOTS; i++) {
        struct vbdfront_io *io = front->shadows[i].io;

        if (!io)
            continue;
        release_shadow(front, &front->shadows[i]);
        answer(front, io, -XEN_EIO);
    }
    while (front->pending) {
        progress(front->pending)->error = -XEN_EIO;
        finish(front, front->pending);
    }
}

/* --- submit -------------------------------------------------------------- */

static bool is_in_range(const struct vbdfront_info *info,
                        const struct vbdfront_io *io)
{
    uint32_t unit = info->sector_bytes / BLKIF_SECTOR_BYTES;

    return io->nr_sectors <= info->nr_sectors &&
           io->sector <= info->nr_sectors - io->nr_sectors &&
           ((io->sector | io->nr_sectors) & (unit - 1)) == 0 &&
           ((uintptr_t)io->data & (info->sector_bytes - 1)) == 0;
}

/* What can be known without asking the back end. */
static int judge(const struct vbdfront *front, const struct vbdfront_io *io)
{
    const struct vbdfront_info *info = &front->info;
    bool may_be_empty = io->op == VBDFRONT_FLUSH || io->op == VBDFRONT_BARRIER;
    bool needs_sync = may_be_empty || (io->flags & VBDFRONT_FUA);

    if (front->state != VBDFRONT_CONNECTED)
        return -XEN_EIO;
    if (io->op > VBDFRONT_BARRIER || (io->flags & ~(unsigned)VBDFRONT_FUA) ||
        (io->flags && io->op != VBDFRONT_WRITE) ||
        (io->nr_sectors == 0 && !may_be_empty) ||
        (io->nr_sectors > 0 && io->op == VBDFRONT_FLUSH))
        return -XEN_EINVAL;
    if (io->nr_sectors > 0 && !is_in_range(info, io))
        return -XEN_EINVAL;
    if (info->read_only && io->nr_sectors > 0 && io->op != VBDFRONT_READ)
        return -XEN_EROFS;
    if (needs_sync && !info->has_flush && !info->has_barrier)
        return -XEN_EOPNOTSUPP;
    return 0;
}

static const uint8_t *choose_plan(const struct vbdfront *front,
                                  const struct vbdfront_io *io)
{
    switch (io->op) {
    case VBDFRONT_READ:
        return plan_read;
    case VBDFRONT_WRITE:
        return io->flags & VBDFRONT_FUA ? plan_write_durable : plan_write;
    case VBDFRONT_FLUSH:
        return plan_sync;
    case VBDFRONT_BARRIER:
        break;
    }
    if (front->info.has_barrier)
        return plan_barrier;
    return io->nr_sectors > 0 ? plan_exclusive_write : plan_sync;
}

void vbdfront_submit(struct vbdfront *front, struct vbdfront_io *io)
{
    int error = judge(front, io);

    if (error) {
        io->done(io, error);
        return;
    }
    *progress(io) = (struct progress){
        .step = choose_plan(front, io),
        .is_exclusive = io->op == VBDFRONT_BARRIER &&
                        !front->info.has_barrier,
    };
    front->nr_in_flight++;
    pending_append(front, io);
}
