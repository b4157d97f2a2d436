/* SPDX-License-Identifier: MIT
 * Operations, and what they are on the rings.
 *
 * An operation is a plan of one to three steps. A step is one ring request, or
 * as many as its data needs; the next step begins when all of them have been
 * answered. The operations that have something left to put on a ring wait in
 * `pending`, oldest first, and only the oldest may put: so requests go out in
 * the order of their operations, and full rings or a full grant table hold
 * all of them. Each request goes to the queue with the most room. An operation whose next step has come returns to the head (it
 * is older than all that wait).
 *
 * An *exclusive* operation stays at the head from its first request to its
 * last answer and begins each step on empty rings: what came before is
 * complete, what comes after has not begun. That is a barrier made by the
 * front end, for back ends that have none; and any barrier when there are
 * several queues, because it is one to its own queue only: earlier writes may
 * still be unread on another (C6). */
#include "frontend/private.h"

#include <xen/io/blkif.h>

enum step {
    STEP_END, STEP_READ, STEP_WRITE, STEP_BARRIER, STEP_DISCARD, STEP_SYNC,
};

static const uint8_t plan_read[] = { STEP_READ, STEP_END };
static const uint8_t plan_write[] = { STEP_WRITE, STEP_END };
static const uint8_t plan_write_durable[] = { STEP_WRITE, STEP_SYNC,
                                              STEP_END };
static const uint8_t plan_discard[] = { STEP_DISCARD, STEP_END };
static const uint8_t plan_sync[] = { STEP_SYNC, STEP_END };
static const uint8_t plan_barrier[] = { STEP_BARRIER, STEP_END };
static const uint8_t plan_sync_twice[] = { STEP_BARRIER, STEP_SYNC,
                                           STEP_END };
static const uint8_t plan_exclusive_write[] = { STEP_SYNC, STEP_WRITE,
                                                STEP_SYNC, STEP_END };

/* What the driver keeps in vbdfront_io.front_private. */
struct progress {
    struct vbdfront_io *next;   /* in pending */
    const uint8_t *step;
    uint32_t sectors_put;       /* of this step's data */
    unsigned nr_unanswered;     /* ring requests of this step */
    bool is_put;                /* all of this step is on the rings */
    bool is_exclusive;
    bool is_pending;
    int error;                  /* the first */
    uint64_t number;            /* counts submits */
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

/* To its place in the order of submission. */
static void pending_insert(struct vbdfront *front, struct vbdfront_io *io)
{
    struct vbdfront_io **link = &front->pending;

    if (front->pending &&
        progress(front->pending_tail)->number < progress(io)->number)
        link = &progress(front->pending_tail)->next;
    while (*link && progress(*link)->number < progress(io)->number)
        link = &progress(*link)->next;
    if (!*link)
        front->pending_tail = io;
    progress(io)->next = *link;
    progress(io)->is_pending = true;
    *link = io;
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
void front_answer(struct vbdfront *front, struct vbdfront_io *io, int error)
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
    case STEP_DISCARD:
        return BLKIF_OP_DISCARD;
    case STEP_SYNC:
        return sync_operation(front);
    case STEP_WRITE:
    case STEP_END:
        break;
    }
    return BLKIF_OP_WRITE;
}

/* The parts of a barrier stay together, or they would not be one. */
static struct front_queue *choose_queue(struct vbdfront *front, enum step step)
{
    struct front_queue *first = &front->queues[0];

    if (step != STEP_BARRIER)
        return front_queue_choose(front);
    return first->free_shadows ? first : NULL;
}

/* Makes shadow ask for as much of io's range as one request takes; false when
 * there is no room for any. */
static bool add_range(struct front_queue *queue, struct front_shadow *shadow,
                      struct vbdfront_io *io)
{
    struct progress *now = progress(io);
    uint8_t *data = io->data;
    uint32_t left = io->nr_sectors - now->sectors_put;

    shadow->sector = io->sector + now->sectors_put;
    if (*now->step == STEP_DISCARD) {
        shadow->is_secure = (io->flags & VBDFRONT_SECURE) != 0;
        shadow->nr_sectors = front_discard_part(&queue->front->info,
                                                shadow->sector, left);
    } else {
        shadow->data = data + (size_t)now->sectors_put * BLKIF_SECTOR_BYTES;
        shadow->nr_sectors = front_segments_grant(
            queue, shadow, left, *now->step != STEP_READ,
            *now->step != STEP_BARRIER);
    }
    now->sectors_put += shadow->nr_sectors;
    return shadow->nr_sectors > 0;
}

/* Puts the next request of io's step; false when there is no room for it. */
static bool put_request(struct vbdfront *front, struct vbdfront_io *io)
{
    struct progress *now = progress(io);
    struct front_queue *queue = choose_queue(front, *now->step);
    bool has_range = *now->step != STEP_SYNC && io->nr_sectors > 0;
    bool is_first = now->sectors_put == 0;
    struct front_shadow *shadow;

    if (!queue)
        return false;
    shadow = queue->free_shadows;
    shadow->sector = front->habits->sync_sector;
    shadow->nr_sectors = 0;
    if (has_range && !add_range(queue, shadow, io))
        return false;
    now->is_put = !has_range || now->sectors_put == io->nr_sectors;
    now->nr_unanswered++;
    shadow->operation = ring_operation(front, *now->step, is_first,
                                       now->is_put);
    front_queue_put(queue, io);
    return true;
}

static bool may_put(const struct vbdfront *front, struct vbdfront_io *io)
{
    const struct progress *now = progress(io);

    if (!now->is_exclusive)
        return true;
    return !now->is_put && (now->sectors_put > 0 || front->nr_on_ring == 0);
}

void front_put_pending(struct vbdfront *front)
{
    struct vbdfront_io *io;

    while ((io = front->pending) && may_put(front, io) &&
           put_request(front, io)) {
        if (progress(io)->is_put && !progress(io)->is_exclusive)
            pending_remove(front, io);
    }
    front_queues_push(front);
}

void front_fail_pending(struct vbdfront *front)
{
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

/* The operation, its flags and whether there is a range fit together. */
static bool is_well_formed(const struct vbdfront_io *io)
{
    unsigned flags = 0;
    bool must_be_empty = false, may_be_empty = false;

    switch (io->op) {
    case VBDFRONT_READ:
        break;
    case VBDFRONT_WRITE:
        flags = VBDFRONT_FUA;
        break;
    case VBDFRONT_FLUSH:
        must_be_empty = may_be_empty = true;
        break;
    case VBDFRONT_BARRIER:
        may_be_empty = true;
        break;
    case VBDFRONT_DISCARD:
        flags = VBDFRONT_SECURE;
        break;
    default: /* the caller may have put any number there */
        return false;
    }
    return !(io->flags & ~flags) &&
           (io->nr_sectors > 0 ? !must_be_empty : may_be_empty);
}

static bool is_offered(const struct vbdfront_info *info,
                       const struct vbdfront_io *io)
{
    if (io->op == VBDFRONT_DISCARD)
        return info->has_discard && (!io->flags || info->has_secure);
    if (io->op == VBDFRONT_FLUSH || io->op == VBDFRONT_BARRIER || io->flags)
        return info->has_flush || info->has_barrier;
    return true;
}

/* What can be known without asking the back end. */
static int judge(const struct vbdfront *front, const struct vbdfront_io *io)
{
    const struct vbdfront_info *info = &front->info;

    if (front->state != VBDFRONT_CONNECTED)
        return -XEN_EIO;
    if (!is_well_formed(io))
        return -XEN_EINVAL;
    if (io->nr_sectors > 0 && !is_in_range(info, io))
        return -XEN_EINVAL;
    if (info->read_only && io->nr_sectors > 0 && io->op != VBDFRONT_READ)
        return -XEN_EROFS;
    return is_offered(info, io) ? 0 : -XEN_EOPNOTSUPP;
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
        return front->habits->syncs_twice && front->info.has_flush &&
                       front->info.has_barrier
                   ? plan_sync_twice : plan_sync;
    case VBDFRONT_DISCARD:
        return plan_discard;
    case VBDFRONT_BARRIER:
        break;
    }
    if (front->info.has_barrier)
        return plan_barrier;
    return io->nr_sectors > 0 ? plan_exclusive_write : plan_sync;
}

static void begin_plan(const struct vbdfront *front, struct vbdfront_io *io)
{
    struct progress *now = progress(io);

    now->step = choose_plan(front, io);
    now->sectors_put = 0;
    now->is_exclusive = io->op == VBDFRONT_BARRIER &&
                        (!front->info.has_barrier || front->nr_queues > 1);
}

void vbdfront_submit(struct vbdfront *front, struct vbdfront_io *io)
{
    int error = judge(front, io);

    if (error) {
        io->done(io, error);
        return;
    }
    *progress(io) = (struct progress){ .number = ++front->nr_submitted };
    begin_plan(front, io);
    front->nr_in_flight++;
    pending_append(front, io);
}

/* --- for another back end ------------------------------------------------ */

/* Parts are put in the order of their sectors. */
void front_recall(struct vbdfront *front, const struct front_shadow *shadow)
{
    struct vbdfront_io *io = shadow->io;
    struct progress *now = progress(io);

    now->nr_unanswered--;
    if (shadow->nr_sectors > 0 &&
        shadow->sector - io->sector < now->sectors_put)
        now->sectors_put = (uint32_t)(shadow->sector - io->sector);
    if (!now->is_pending)
        pending_prepend(front, io);
}

/* It was well formed when it was submitted: what does not fit any more does not
 * fit this disk. */
static void plan_anew(struct vbdfront *front, struct vbdfront_io *io)
{
    struct progress *now = progress(io);

    if (now->error)
        return;
    now->error = judge(front, io);
    if (now->error == -XEN_EINVAL)
        now->error = -XEN_EIO;
    now->is_put = false;
    if (io->op == VBDFRONT_BARRIER)
        begin_plan(front, io);
}

/* All are in their places before the first is done: done() may submit. */
void front_plan_anew(struct vbdfront *front)
{
    struct vbdfront_io *io = front->pending, *next;

    front->pending = NULL;
    for (; io; io = next) {
        next = progress(io)->next;
        plan_anew(front, io);
        pending_insert(front, io);
    }
    for (io = front->pending; io; io = next) {
        next = progress(io)->next;
        if (progress(io)->error)
            finish(front, io);
    }
}
