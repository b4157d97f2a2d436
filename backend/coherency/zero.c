/* SPDX-License-Identifier: MIT
 * ZERO (C10): the whole blocks in parts of at most 64 MiB, each of which is
 * let go as soon as it is done; a block at either end that is covered but half
 * is read, and written again with zeros in it (C13). */
#include "backend/coherency/request.h"

/* The whole blocks from start on, 0 if that one is covered but half. */
static uint64_t zero_whole_bytes(const struct request *request,
                                 uint64_t start_bytes)
{
    const struct coherency_request *public = request_public(request);
    uint64_t end_bytes = public->offset_bytes + public->length_bytes;

    if (BUG(ZERO_NO_MERGE))
        return request->range.end_bytes - start_bytes;
    end_bytes -= end_bytes % request_disk(request)->engine->info.block_bytes;
    return start_bytes < public->offset_bytes || start_bytes >= end_bytes
               ? 0
               : end_bytes - start_bytes;
}

bool zero_start_part(struct request *request)
{
    uint64_t block_bytes = request_disk(request)->engine->info.block_bytes;
    uint64_t bytes = zero_whole_bytes(request, request->next_bytes);
    int error = 0;

    if (bytes > 0) {
        part_submit(request, ENGINE_ZERO, request->next_bytes,
                    bytes < ENGINE_LONG_BYTES ? bytes : ENGINE_LONG_BYTES,
                    NULL);
        return true;
    }
    if (!request->bounce)
        error = bounce_open(request, block_bytes);
    if (error)
        request_fail(request, error);
    else
        bounce_start(request, block_bytes);
    return !error;
}
