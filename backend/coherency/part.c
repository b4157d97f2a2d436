/* SPDX-License-Identifier: MIT
 * What a request asks of the engine, one part after the other: at most
 * max_bytes each (a DISCARD or ZERO: 64 MiB), none after the first that
 * fails. A block that is covered but half makes a part of its own (C13), so
 * that what lies between two of them goes straight to the engine. */
#include <errno.h>

#include "backend/coherency/request.h"

int part_prepare(struct request *request)
{
    const struct coherency_request *public = request_public(request);
    const struct engine_info *info = &request_disk(request)->engine->info;
    uint64_t block_mask = info->block_bytes - 1;
    struct range *range = &request->range;

    if (public->op == COHERENCY_DISCARD)
        return discard_prepare(request);
    if (public->op == COHERENCY_ZERO && public->flags & COHERENCY_FAST &&
        !info->can_zero_fast)
        return -EOPNOTSUPP;
    range->start_bytes = public->offset_bytes & ~block_mask;
    range->end_bytes =
        (public->offset_bytes + public->length_bytes + block_mask) &
        ~block_mask;
    return 0;
}

/* The blocks that go to the engine as they are: whole ones, from the first on
 * whose memory is aligned (a ZERO has no memory). start >= end where there are
 * none, or none is aligned within one memory_align. */
static struct part part_direct(const struct request *request)
{
    const struct coherency_request *public = request_public(request);
    const struct engine_info *info = &request_disk(request)->engine->info;
    uint64_t block_mask = info->block_bytes - 1, skip_bytes;
    uintptr_t memory = (uintptr_t)public->data - public->offset_bytes;
    struct part direct = {request->range.start_bytes, request->range.end_bytes,
                          true};

    if (BUG(ZERO_NO_MERGE) && public->op == COHERENCY_ZERO)
        return direct;
    direct.start_bytes = (public->offset_bytes + block_mask) & ~block_mask;
    direct.end_bytes =
        (public->offset_bytes + public->length_bytes) & ~block_mask;
    if (public->op == COHERENCY_ZERO)
        return direct;
    skip_bytes = -(memory + direct.start_bytes) & (info->memory_align - 1);
    direct.start_bytes =
        skip_bytes & block_mask ? UINT64_MAX : direct.start_bytes + skip_bytes;
    return direct;
}

/* Sets request->part. */
static void part_next(struct request *request)
{
    struct part direct = part_direct(request), *part = &request->part;
    uint64_t most_bytes = request_disk(request)->engine->info.max_bytes;

    part->start_bytes = request->next_bytes;
    part->end_bytes = request->range.end_bytes;
    part->is_direct = false;
    if (direct.start_bytes < direct.end_bytes &&
        part->start_bytes < direct.end_bytes) {
        part->is_direct = part->start_bytes >= direct.start_bytes;
        part->end_bytes =
            part->is_direct ? direct.end_bytes : direct.start_bytes;
    }
    if (part->is_direct && request_op(request) == COHERENCY_ZERO)
        most_bytes = ENGINE_LONG_BYTES;
    if (part->end_bytes - part->start_bytes > most_bytes)
        part->end_bytes = part->start_bytes + most_bytes;
}

/* Long ones let go of each part that is done (C4). */
static bool request_is_long(const struct request *request)
{
    return request_op(request) == COHERENCY_DISCARD ||
           request_op(request) == COHERENCY_ZERO;
}

/* Returns whether this was the last part. */
static bool part_finish(struct request *request)
{
    struct coherency *disk = request_disk(request);

    if (!request->part.is_direct && !bounce_done(request))
        return false;
    request->next_bytes = request->part.end_bytes;
    if (request->next_bytes == request->range.end_bytes)
        return true;
    if (request_is_long(request))
        range_shrink(&disk->ranges, &request->range, request->next_bytes,
                     &disk->ready);
    return false;
}

static void io_done(struct engine_request *io, int error)
{
    struct request *request = LIST_ITEM(io, struct request, io);
    struct coherency *disk = request_disk(request);

    request->is_at_engine = false;
    if (error && BUG(PART_ERROR_LOST) && io->op == ENGINE_WRITE &&
        io->offset_bytes + io->length_bytes < request->range.end_bytes)
        error = 0;
    if (error)
        request_fail(request, error);
    else if (part_finish(request))
        request->step = STEP_DURABLE;
    request_wake(request);
    disk_run(disk);
}

static unsigned long_flags(unsigned flags)
{
    return (flags & COHERENCY_SECURE ? ENGINE_SECURE : 0) |
           (flags & COHERENCY_NO_HOLE ? ENGINE_NO_HOLE : 0) |
           (flags & COHERENCY_FAST ? ENGINE_FAST : 0);
}

void part_submit(struct request *request, enum engine_op op,
                 uint64_t offset_bytes, uint64_t length_bytes, void *data)
{
    struct engine *engine = request_disk(request)->engine;
    struct engine_request *io = &request->io;

    io->op = op;
    io->flags = op == ENGINE_DISCARD || op == ENGINE_ZERO
                    ? long_flags(request_public(request)->flags)
                    : 0;
    io->offset_bytes = offset_bytes;
    io->length_bytes = (uint32_t)length_bytes;
    io->data = data;
    io->done = io_done;
    if (op == ENGINE_WRITE && engine->info.can_fua &&
        request_must_be_durable(request))
        io->flags = ENGINE_FUA;
    else if (op != ENGINE_READ && !(BUG(ZERO_IS_DURABLE) && op == ENGINE_ZERO))
        request->is_volatile = true;
    request->is_at_engine = true;
    engine_submit(engine, io);
}

static enum engine_op direct_op(enum coherency_op op)
{
    return op == COHERENCY_READ      ? ENGINE_READ
           : op == COHERENCY_ZERO    ? ENGINE_ZERO
           : op == COHERENCY_DISCARD ? ENGINE_DISCARD
                                     : ENGINE_WRITE;
}

static void direct_start(struct request *request)
{
    const struct coherency_request *public = request_public(request);
    const struct part *part = &request->part;
    char *data = public->data;

    if (data)
        data += part->start_bytes - public->offset_bytes;
    part_submit(request, direct_op(public->op), part->start_bytes,
                part->end_bytes - part->start_bytes, data);
}

bool part_start(struct request *request)
{
    int error = 0;

    if (request_op(request) == COHERENCY_DISCARD)
        discard_next_part(request);
    else
        part_next(request);
    if (!request->part.is_direct && !request->bounce)
        error = bounce_open(request);
    if (error) {
        request_fail(request, error);
        return false;
    }
    if (request->part.is_direct)
        direct_start(request);
    else
        bounce_start(request);
#ifdef COHERENCY_BUGS
    if (BUG(ACK_BEFORE_WRITE) && request_op(request) == COHERENCY_WRITE)
        request_answer_early(request);
    if (BUG(EARLY_RELEASE) && !request_is_long(request))
        request_release_range(request);
#endif
    return true;
}
