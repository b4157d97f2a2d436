/* SPDX-License-Identifier: MIT
 * Parts that the engine cannot take as they are (C13): blocks that the request
 * covers but half, or data that is not aligned. They go through a buffer of
 * ours; a write first reads those blocks that it does not cover. The request's
 * range keeps everybody else away from them meanwhile. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/coherency/request.h"

static bool request_is_whole_blocks(const struct request *request)
{
    const struct coherency_request *public = request_public(request);
    uint64_t block_bytes = request_disk(request)->engine->info.block_bytes;

    return (public->offset_bytes | public->length_bytes) % block_bytes == 0;
}

static enum io_phase bounce_first_phase(const struct request *request)
{
    return request_op(request) == COHERENCY_READ ? PHASE_PART
                                                 : PHASE_FIRST_BLOCK;
}

/* Of those that need the buffer none is longer than the first. */
int bounce_open(struct request *request)
{
    struct coherency *disk = request_disk(request);
    const struct part *part = &request->part;
    size_t align = disk->engine->info.memory_align;

    if (align < sizeof(void *))
        align = sizeof(void *);
    if (posix_memalign(&request->bounce, align,
                       part->end_bytes - part->start_bytes)) {
        request->bounce = NULL;
        return -ENOMEM;
    }
    request->phase = bounce_first_phase(request);
    if (request_op(request) != COHERENCY_READ &&
        !request_is_whole_blocks(request))
        disk->stats.merged++;
    return 0;
}

void bounce_close(struct request *request)
{
    free(request->bounce);
    request->bounce = NULL;
}

/* The caller's bytes of this part (those of a ZERO are zeros), into the buffer
 * or out of it. */
static void bounce_copy(struct request *request, bool is_write)
{
    const struct coherency_request *public = request_public(request);
    const struct part *part = &request->part;
    uint64_t start_bytes = public->offset_bytes;
    uint64_t end_bytes = start_bytes + public->length_bytes;
    char *bounce = request->bounce, *data = public->data;
    size_t length;

    if (start_bytes < part->start_bytes)
        start_bytes = part->start_bytes;
    if (end_bytes > part->end_bytes)
        end_bytes = part->end_bytes;
    length = end_bytes - start_bytes;
    bounce += start_bytes - part->start_bytes;
    if (public->op == COHERENCY_ZERO) {
        memset(bounce, 0, length);
        return;
    }
    data += start_bytes - public->offset_bytes;
    memcpy(is_write ? bounce : data, is_write ? data : bounce, length);
    request_disk(request)->stats.bytes_copied += length;
}

/* Reads the next block that the write covers but half. Returns false when
 * there is none, or none left. */
static bool merge_read_edge(struct request *request)
{
    const struct coherency_request *public = request_public(request);
    const struct part *part = &request->part;
    uint64_t block_bytes = request_disk(request)->engine->info.block_bytes;
    uint64_t last_bytes = part->end_bytes - block_bytes;
    bool is_first_half = public->offset_bytes > part->start_bytes;
    bool is_last_half =
        public->offset_bytes + public->length_bytes < part->end_bytes;
    char *bounce = request->bounce;

    if (request->phase == PHASE_FIRST_BLOCK && is_first_half) {
        part_submit(request, ENGINE_READ, part->start_bytes, block_bytes,
                    bounce);
        return true;
    }
    if (request->phase == PHASE_PART || !is_last_half)
        return false;
    if (is_first_half && last_bytes == part->start_bytes)
        return false; /* one block, and it has been read */
    request->phase = PHASE_LAST_BLOCK;
    part_submit(request, ENGINE_READ,
                BUG(WRONG_MERGE) ? request->range.start_bytes : last_bytes,
                block_bytes, bounce + (last_bytes - part->start_bytes));
    return true;
}

void bounce_start(struct request *request)
{
    const struct part *part = &request->part;
    bool is_write = request_op(request) != COHERENCY_READ;

    if (is_write && merge_read_edge(request))
        return;
    request->phase = PHASE_PART;
    if (is_write)
        bounce_copy(request, true);
    part_submit(request, is_write ? ENGINE_WRITE : ENGINE_READ,
                part->start_bytes, part->end_bytes - part->start_bytes,
                request->bounce);
}

bool bounce_done(struct request *request)
{
    if (request->phase != PHASE_PART) {
        request->phase++;
        if (BUG(EDGE_READ_EARLY) && request_op(request) == COHERENCY_WRITE)
            request->step = STEP_RANGE;
        if (BUG(EDGE_UNLOCKED) && request_op(request) != COHERENCY_ZERO)
            request_release_range(request);
        return false;
    }
    if (request_op(request) == COHERENCY_READ)
        bounce_copy(request, false);
    request->phase =
        BUG(STALE_EDGE) ? PHASE_PART : bounce_first_phase(request);
    return true;
}
