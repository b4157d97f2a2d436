/* SPDX-License-Identifier: MIT
 * DISCARD (C10): whole granules only, the edges are left alone; in parts of
 * at most 64 MiB, each of which is released as soon as it is done. */
#include <errno.h>

#include "backend/coherency/request.h"

/* Granules begin at start and then every `bytes`. */
struct granule {
    uint64_t start_bytes, bytes;
};

static struct granule discard_granule(const struct request *request)
{
    const struct engine_info *info = &request_disk(request)->engine->info;
    struct granule granule = {0, info->block_bytes};

    if (request_public(request)->flags & COHERENCY_SECURE)
        return granule;
    if (info->discard_granularity_bytes > granule.bytes) {
        granule.bytes = info->discard_granularity_bytes;
        granule.start_bytes = info->discard_alignment_bytes % granule.bytes;
    }
    return granule;
}

static uint64_t granule_round_down(struct granule granule, uint64_t bytes)
{
    if (bytes < granule.start_bytes)
        return 0;
    return bytes - (bytes - granule.start_bytes) % granule.bytes;
}

static uint64_t granule_round_up(struct granule granule, uint64_t bytes)
{
    uint64_t down_bytes;

    if (bytes <= granule.start_bytes)
        return granule.start_bytes;
    down_bytes = granule_round_down(granule, bytes);
    return down_bytes == bytes ? bytes : down_bytes + granule.bytes;
}

/* Nothing is secure about leaving the edges of a secure discard alone, so
 * those must be whole blocks. */
int discard_prepare(struct request *request)
{
    const struct coherency_request *public = request_public(request);
    const struct engine_info *info = &request_disk(request)->engine->info;
    struct granule granule = discard_granule(request);
    uint64_t end_bytes = public->offset_bytes + public->length_bytes;
    bool is_secure = public->flags & COHERENCY_SECURE;

    if (!info->can_discard || (is_secure && !info->can_secure))
        return -EOPNOTSUPP;
    if (is_secure &&
        (public->offset_bytes | public->length_bytes) % granule.bytes)
        return -EINVAL;
    request->range.start_bytes =
        granule_round_up(granule, public->offset_bytes);
    request->range.end_bytes = granule_round_down(granule, end_bytes);
    return 0;
}

/* A part ends with a granule where there is one that short. */
void discard_next_part(struct request *request)
{
    struct granule granule = discard_granule(request);
    struct part *part = &request->part;
    uint64_t most_bytes = request->next_bytes + ENGINE_LONG_BYTES;

    part->is_direct = true;
    part->start_bytes = request->next_bytes;
    part->end_bytes = request->range.end_bytes;
    if (part->end_bytes > most_bytes)
        part->end_bytes = granule.bytes <= ENGINE_LONG_BYTES
                              ? granule_round_down(granule, most_bytes)
                              : most_bytes;
}
