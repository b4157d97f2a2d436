/* SPDX-License-Identifier: MIT
 * Every rule about a request. Works on the private copy and gives back
 * another, so that what was judged is what is executed (XSA-155). */
#include "common/blkif/validate.h"

#include <stddef.h>

#include <xen/io/blkif.h>

#include "common/blkif/limits.h"

static enum blkif_refusal judge_operation(uint8_t operation,
                                          const struct blkif_limits *limits)
{
    bool is_advertised;

    switch (operation) {
    case BLKIF_OP_READ:
    case BLKIF_OP_WRITE:
        is_advertised = true;
        break;
    case BLKIF_OP_WRITE_BARRIER:
        is_advertised = limits->has_barrier;
        break;
    case BLKIF_OP_FLUSH_DISKCACHE:
        is_advertised = limits->has_flush;
        break;
    case BLKIF_OP_DISCARD:
        is_advertised = limits->has_discard;
        break;
    case BLKIF_OP_INDIRECT:
        is_advertised = limits->max_indirect_segments > 0;
        break;
    default:
        return BLKIF_UNKNOWN_OPERATION;
    }
    return is_advertised ? BLKIF_ACCEPTED : BLKIF_NOT_ADVERTISED;
}

/* Adds up the sectors of io->nr_segments segments. */
static enum blkif_refusal judge_segments(
    const struct blkif_wire_segment *segments, uint32_t alignment,
    struct blkif_io *io)
{
    for (uint32_t i = 0; i < io->nr_segments; i++) {
        uint32_t first = segments[i].first_sector;
        uint32_t end = segments[i].last_sector + 1u;

        if (end <= first)
            return BLKIF_SEGMENT_BACKWARDS;
        if (end > BLKIF_SECTORS_PER_PAGE)
            return BLKIF_SEGMENT_PAST_PAGE;
        if ((first | end) & (alignment - 1))
            return BLKIF_UNALIGNED;
        io->nr_sectors += end - first;
    }
    return BLKIF_ACCEPTED;
}

/* The segments that came with the request. */
static enum blkif_refusal judge_direct(
    const struct blkif_wire_request *request, uint32_t alignment,
    struct blkif_io *io)
{
    if (request->nr_segments > BLKIF_WIRE_SEGMENTS)
        return BLKIF_TOO_MANY_SEGMENTS;
    io->nr_segments = request->nr_segments;
    __builtin_memcpy(io->segments, request->segments, sizeof(io->segments));
    return judge_segments(io->segments, alignment, io);
}

/* All of an indirect request but its segments. */
static enum blkif_refusal judge_indirect(
    const struct blkif_wire_request *request,
    const struct blkif_limits *limits, struct blkif_io *io)
{
    io->operation = request->indirect_operation;
    io->is_indirect = true;
    io->indirect_gref = request->indirect_grefs[0];
    io->nr_segments = request->nr_indirect_segments;
    if (io->operation != BLKIF_OP_READ && io->operation != BLKIF_OP_WRITE)
        return BLKIF_BAD_INDIRECT;
    if (io->nr_segments == 0)
        return BLKIF_NO_SEGMENTS;
    if (io->nr_segments > limits->max_indirect_segments)
        return BLKIF_TOO_MANY_SEGMENTS;
    return BLKIF_ACCEPTED;
}

static enum blkif_refusal judge_range(const struct blkif_io *io,
                                      const struct blkif_limits *limits)
{
    if (limits->read_only && io->operation != BLKIF_OP_READ)
        return BLKIF_READ_ONLY;
    if ((io->sector | io->nr_sectors) & (limits->sector_alignment - 1))
        return BLKIF_UNALIGNED;
    if (io->nr_sectors > limits->nr_sectors ||
        io->sector > limits->nr_sectors - io->nr_sectors)
        return BLKIF_BEYOND_END;
    return BLKIF_ACCEPTED;
}

enum blkif_refusal blkif_validate(const struct blkif_wire_request *request,
                                  const struct blkif_limits *limits,
                                  struct blkif_io *io)
{
    enum blkif_refusal refusal = judge_operation(request->operation, limits);

    if (refusal != BLKIF_ACCEPTED)
        return refusal;
    io->operation = request->operation;
    io->is_secure = false;
    io->is_indirect = false;
    io->id = request->id;
    io->sector = request->sector;
    io->nr_sectors = 0;
    io->nr_segments = 0;
    io->indirect_gref = 0;
    if (request->operation == BLKIF_OP_INDIRECT)
        return judge_indirect(request, limits, io);
    if (request->operation == BLKIF_OP_DISCARD) {
        io->nr_sectors = request->nr_sectors;
        io->is_secure = limits->has_secure &&
                        (request->nr_segments & BLKIF_DISCARD_SECURE);
    } else {
        refusal = judge_direct(request, limits->sector_alignment, io);
        if (refusal != BLKIF_ACCEPTED)
            return refusal;
    }
    if (io->nr_sectors == 0) {
        if (io->operation != BLKIF_OP_FLUSH_DISKCACHE &&
            io->operation != BLKIF_OP_WRITE_BARRIER)
            return BLKIF_NO_SEGMENTS;
        io->sector = 0;
        return BLKIF_ACCEPTED;
    }
    return judge_range(io, limits);
}

enum blkif_refusal
blkif_validate_indirect(const struct blkif_wire_segment *segments,
                        const struct blkif_limits *limits,
                        struct blkif_io *io)
{
    enum blkif_refusal refusal =
        judge_segments(segments, limits->sector_alignment, io);

    return refusal == BLKIF_ACCEPTED ? judge_range(io, limits) : refusal;
}

uint8_t blkif_response_operation(const struct blkif_wire_request *request)
{
    return request->operation == BLKIF_OP_INDIRECT
               ? request->indirect_operation : request->operation;
}

int16_t blkif_refusal_status(enum blkif_refusal refusal)
{
    switch (refusal) {
    case BLKIF_ACCEPTED:
        return BLKIF_RSP_OKAY;
    case BLKIF_UNKNOWN_OPERATION:
    case BLKIF_NOT_ADVERTISED:
        return BLKIF_RSP_EOPNOTSUPP;
    case BLKIF_NO_SEGMENTS:
    case BLKIF_TOO_MANY_SEGMENTS:
    case BLKIF_BAD_INDIRECT:
    case BLKIF_SEGMENT_BACKWARDS:
    case BLKIF_SEGMENT_PAST_PAGE:
    case BLKIF_UNALIGNED:
    case BLKIF_BEYOND_END:
    case BLKIF_READ_ONLY:
    case BLKIF_REFUSAL_COUNT:
        break;
    }
    return BLKIF_RSP_ERROR;
}

static const char *const refusal_texts[BLKIF_REFUSAL_COUNT] = {
    [BLKIF_ACCEPTED] = "the request is in order",
    [BLKIF_UNKNOWN_OPERATION] = "there is no such operation",
    [BLKIF_NOT_ADVERTISED] = "the operation was not advertised",
    [BLKIF_NO_SEGMENTS] = "the request is for no data at all",
    [BLKIF_TOO_MANY_SEGMENTS] = "the request has too many segments",
    [BLKIF_BAD_INDIRECT] = "an indirect request is for READ or WRITE only",
    [BLKIF_SEGMENT_BACKWARDS] = "a segment ends before it begins",
    [BLKIF_SEGMENT_PAST_PAGE] = "a segment goes past the end of its page",
    [BLKIF_UNALIGNED] = "the request is not aligned to the sector size",
    [BLKIF_BEYOND_END] = "the request goes past the end of the disk",
    [BLKIF_READ_ONLY] = "the disk is read-only",
};

const char *blkif_refusal_text(enum blkif_refusal refusal)
{
    return (unsigned)refusal < BLKIF_REFUSAL_COUNT ? refusal_texts[refusal]
                                                   : "unknown refusal";
}
