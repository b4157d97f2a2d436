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
    default:
        return BLKIF_UNKNOWN_OPERATION;
    }
    return is_advertised ? BLKIF_ACCEPTED : BLKIF_NOT_ADVERTISED;
}

/* Copies the segments that are used and adds up their sectors. */
static enum blkif_refusal judge_segments(
    const struct blkif_wire_request *request, uint32_t alignment,
    struct blkif_io *io)
{
    if (request->nr_segments > BLKIF_WIRE_SEGMENTS)
        return BLKIF_TOO_MANY_SEGMENTS;
    for (uint32_t i = 0; i < request->nr_segments; i++) {
        struct blkif_wire_segment segment = request->segments[i];
        uint32_t end = segment.last_sector + 1u;

        if (segment.last_sector < segment.first_sector)
            return BLKIF_SEGMENT_BACKWARDS;
        if (end > BLKIF_SECTORS_PER_PAGE)
            return BLKIF_SEGMENT_PAST_PAGE;
        if ((segment.first_sector | end) & (alignment - 1))
            return BLKIF_UNALIGNED;
        io->segments[i] = segment;
        io->nr_sectors += end - segment.first_sector;
    }
    io->nr_segments = request->nr_segments;
    return BLKIF_ACCEPTED;
}

static enum blkif_refusal judge_range(const struct blkif_io *io,
                                      const struct blkif_limits *limits)
{
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
    io->id = request->id;
    io->sector = request->sector;
    io->nr_sectors = 0;
    io->nr_segments = 0;
    if (request->operation == BLKIF_OP_DISCARD) {
        io->nr_sectors = request->nr_sectors;
        io->is_secure = limits->has_secure &&
                        (request->nr_segments & BLKIF_DISCARD_SECURE);
    } else {
        refusal = judge_segments(request, limits->sector_alignment, io);
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
    if (limits->read_only && io->operation != BLKIF_OP_READ)
        return BLKIF_READ_ONLY;
    return judge_range(io, limits);
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
    [BLKIF_TOO_MANY_SEGMENTS] = "the request has more than 11 segments",
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
