/* SPDX-License-Identifier: MIT
 * What a request asks of the engine, one part after the other: at most
 * max_bytes each (a DISCARD or ZERO: 64 MiB), none after the first that
 * fails. */
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

uint64_t part_max_bytes(const struct request *request)
{
    const struct engine_info *info = &request_disk(request)->engine->info;

    return info->max_bytes & ~(info->block_bytes - 1);
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

    /* Of a ZERO only the ends go through the buffer. */
    if (request->bounce && request->io.op != ENGINE_ZERO &&
        !bounce_done(request))
        return false;
    request->next_bytes += request->io.length_bytes;
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

static void io_start_direct(struct request *request, uint64_t length_bytes)
{
    const struct coherency_request *public = request_public(request);
    char *data = public->data;

    part_submit(request,
              public->op == COHERENCY_READ ? ENGINE_READ : ENGINE_WRITE,
              request->next_bytes, length_bytes,
              data + (request->next_bytes - public->offset_bytes));
}

bool part_start(struct request *request)
{
    uint64_t left_bytes = request->range.end_bytes - request->next_bytes;
    uint64_t most_bytes = part_max_bytes(request);
    uint64_t length_bytes = left_bytes < most_bytes ? left_bytes : most_bytes;
    int error;

    if (request_op(request) == COHERENCY_DISCARD) {
        discard_start_part(request);
        return true;
    }
    if (request_op(request) == COHERENCY_ZERO)
        return zero_start_part(request);
    if (bounce_is_needed(request) && !request->bounce) {
        error = bounce_open(request, most_bytes);
        if (error) {
            request_fail(request, error);
            return false;
        }
    }
    if (request->bounce)
        bounce_start(request, length_bytes);
    else
        io_start_direct(request, length_bytes);
#ifdef COHERENCY_BUGS
    if (BUG(ACK_BEFORE_WRITE) && request_op(request) == COHERENCY_WRITE)
        request_answer_early(request);
    if (BUG(EARLY_RELEASE) && range_is_in(&request->range))
        range_release(&request_disk(request)->ranges, &request->range,
                      &request_disk(request)->ready);
#endif
    return true;
}
