/* SPDX-License-Identifier: MIT
 * Requests that the engine cannot take as they are (C13): sectors that are
 * not whole blocks, or data that is not aligned. They go through a buffer of
 * ours, a part at a time; a write first reads those blocks at its ends that
 * it does not cover. The request's range keeps everybody else away from those
 * blocks meanwhile. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/coherency/request.h"

/* The part that is under way, and which of its bytes are the caller's. All
 * are places on the disk. */
struct part {
    uint64_t start_bytes, end_bytes;
    uint64_t data_start_bytes, data_end_bytes;
};

static struct part bounce_part(const struct request *request,
                               uint64_t length_bytes)
{
    const struct coherency_request *public = request_public(request);
    uint64_t data_end_bytes = public->offset_bytes + public->length_bytes;
    struct part part;

    part.start_bytes = request->next_bytes;
    part.end_bytes = part.start_bytes + length_bytes;
    part.data_start_bytes = public->offset_bytes > part.start_bytes
                                ? public->offset_bytes
                                : part.start_bytes;
    part.data_end_bytes =
        data_end_bytes < part.end_bytes ? data_end_bytes : part.end_bytes;
    return part;
}

static bool request_is_whole_blocks(const struct request *request)
{
    const struct coherency_request *public = request_public(request);
    uint64_t block_bytes = request_disk(request)->engine->info.block_bytes;

    return (public->offset_bytes | public->length_bytes) % block_bytes == 0;
}

bool bounce_is_needed(const struct request *request)
{
    uint32_t align = request_disk(request)->engine->info.memory_align;

    return !request_is_whole_blocks(request) ||
           (align && (uintptr_t)request_public(request)->data % align != 0);
}

static enum io_phase bounce_first_phase(const struct request *request)
{
    return request_op(request) == COHERENCY_READ ? PHASE_PART
                                                 : PHASE_FIRST_BLOCK;
}

int bounce_open(struct request *request, uint64_t most_bytes)
{
    struct coherency *disk = request_disk(request);
    uint64_t range_bytes =
        request->range.end_bytes - request->range.start_bytes;
    size_t align = disk->engine->info.memory_align;

    if (align < sizeof(void *))
        align = sizeof(void *);
    if (posix_memalign(&request->bounce, align,
                       range_bytes < most_bytes ? range_bytes : most_bytes)) {
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
static void bounce_copy(struct request *request, const struct part *part,
                        bool is_write)
{
    const struct coherency_request *public = request_public(request);
    uint64_t data_offset = part->data_start_bytes - public->offset_bytes;
    char *data = public->data;
    char *bounce =
        (char *)request->bounce + (part->data_start_bytes - part->start_bytes);
    size_t length = part->data_end_bytes - part->data_start_bytes;

    if (public->op == COHERENCY_ZERO)
        memset(bounce, 0, length);
    else if (is_write)
        memcpy(bounce, data + data_offset, length);
    else
        memcpy(data + data_offset, bounce, length);
}

/* Reads the next block that the write covers but half. Returns false when
 * there is none, or none left. */
static bool merge_read_edge(struct request *request, const struct part *part)
{
    uint64_t block_bytes = request_disk(request)->engine->info.block_bytes;
    uint64_t last_bytes = part->end_bytes - block_bytes;
    bool is_first_half = part->data_start_bytes > part->start_bytes;
    bool is_last_half = part->data_end_bytes < part->end_bytes;
    char *bounce = request->bounce;

    if (request->phase == PHASE_FIRST_BLOCK && is_first_half) {
        part_submit(request, ENGINE_READ, part->start_bytes, block_bytes, bounce);
        return true;
    }
    if (request->phase == PHASE_PART || !is_last_half)
        return false;
    if (is_first_half && last_bytes == part->start_bytes)
        return false; /* one block, and it has been read */
    request->phase = PHASE_LAST_BLOCK;
    part_submit(request, ENGINE_READ,
              BUG(WRONG_MERGE) ? part->start_bytes : last_bytes, block_bytes,
              bounce + (last_bytes - part->start_bytes));
    return true;
}

void bounce_start(struct request *request, uint64_t length_bytes)
{
    struct part part = bounce_part(request, length_bytes);
    bool is_write = request_op(request) != COHERENCY_READ;

    if (is_write && merge_read_edge(request, &part))
        return;
    request->phase = PHASE_PART;
    if (is_write)
        bounce_copy(request, &part, true);
    part_submit(request, is_write ? ENGINE_WRITE : ENGINE_READ, part.start_bytes,
              length_bytes, request->bounce);
}

bool bounce_done(struct request *request)
{
    struct part part;

    if (request->phase != PHASE_PART) {
        request->phase++;
        return false;
    }
    part = bounce_part(request, request->io.length_bytes);
    if (request_op(request) == COHERENCY_READ)
        bounce_copy(request, &part, false);
    request->phase = bounce_first_phase(request);
    return true;
}
