/* SPDX-License-Identifier: MIT
 * Every rule about an NBD request, and the only map to NBD's errors. */
#include "backend/disk/nbd/request.h"

#include <endian.h>
#include <errno.h>

/* What differs between the types; FUA may come with any of them. */
static const struct rule {
    uint16_t flags; /* that mean something */
    bool is_write;
    uint32_t beyond_end; /* the error */
} rules[] = {
    [NBD_WIRE_CMD_READ] = { .flags = NBD_WIRE_FLAG_DF,
                            .beyond_end = NBD_WIRE_EINVAL },
    [NBD_WIRE_CMD_WRITE] = { .flags = NBD_WIRE_FLAG_FUA, .is_write = true,
                             .beyond_end = NBD_WIRE_ENOSPC },
    [NBD_WIRE_CMD_FLUSH] = { .beyond_end = NBD_WIRE_EINVAL },
    [NBD_WIRE_CMD_TRIM] = { .flags = NBD_WIRE_FLAG_FUA, .is_write = true,
                            .beyond_end = NBD_WIRE_EINVAL },
    [NBD_WIRE_CMD_CACHE] = { .beyond_end = NBD_WIRE_EINVAL },
    [NBD_WIRE_CMD_WRITE_ZEROES] = { .flags = NBD_WIRE_FLAG_FUA |
                                             NBD_WIRE_FLAG_NO_HOLE |
                                             NBD_WIRE_FLAG_FAST_ZERO,
                                    .is_write = true,
                                    .beyond_end = NBD_WIRE_ENOSPC },
    [NBD_WIRE_CMD_BLOCK_STATUS] = { .flags = NBD_WIRE_FLAG_REQ_ONE,
                                    .beyond_end = NBD_WIRE_EINVAL },
};

/* Only what was agreed on may be used. */
static bool is_agreed(const struct nbd_request *request,
                      const struct nbd_limits *limits)
{
    if (request->flags & NBD_WIRE_FLAG_DF)
        return limits->has_structured;
    if (request->type == NBD_WIRE_CMD_BLOCK_STATUS)
        return limits->has_allocation_context;
    return true;
}

static uint32_t judge_range(const struct nbd_request *request,
                            const struct nbd_limits *limits)
{
    if (request->length_bytes == 0)
        return NBD_WIRE_EINVAL;
    if (request->length_bytes > limits->size_bytes ||
        request->offset_bytes > limits->size_bytes - request->length_bytes)
        return rules[request->type].beyond_end;
    if (request->type != NBD_WIRE_CMD_READ)
        return 0;
    if (request->flags & NBD_WIRE_FLAG_DF &&
        request->length_bytes > limits->df_bytes)
        return NBD_WIRE_EOVERFLOW;
    return request->length_bytes > NBD_MAX_REQUEST_BYTES ? NBD_WIRE_EINVAL
                                                         : 0;
}

/* 0 or an NBD error. */
static uint32_t judge(const struct nbd_limits *limits,
                      struct nbd_request *request)
{
    const struct rule *rule;

    if (request->type >= sizeof rules / sizeof *rules)
        return NBD_WIRE_EINVAL;
    rule = &rules[request->type];
    if (request->flags & ~(rule->flags | NBD_WIRE_FLAG_FUA))
        return NBD_WIRE_EINVAL;
    request->flags &= rule->flags;
    if (!is_agreed(request, limits))
        return NBD_WIRE_EINVAL;
    if (rule->is_write && limits->is_read_only)
        return NBD_WIRE_EPERM;
    if (request->type == NBD_WIRE_CMD_FLUSH)
        return request->offset_bytes || request->length_bytes
                   ? NBD_WIRE_EINVAL : 0;
    return judge_range(request, limits);
}

enum nbd_judgement nbd_request_judge(const struct nbd_wire_request *wire,
                                     const struct nbd_limits *limits,
                                     struct nbd_request *request,
                                     uint32_t *error)
{
    if (be32toh(wire->magic) != NBD_WIRE_REQUEST_MAGIC)
        return NBD_HANG_UP;
    *request = (struct nbd_request){
        .cookie = wire->cookie,
        .offset_bytes = be64toh(wire->offset),
        .length_bytes = be32toh(wire->length),
        .type = be16toh(wire->type),
        .flags = be16toh(wire->flags),
    };
    if (request->type == NBD_WIRE_CMD_DISC)
        return NBD_DISCONNECT;
    if (request->type == NBD_WIRE_CMD_WRITE)
        request->payload_bytes = request->length_bytes;
    if (request->payload_bytes > NBD_MAX_REQUEST_BYTES)
        return NBD_HANG_UP;
    *error = judge(limits, request);
    return *error ? NBD_REFUSE : NBD_RUN;
}

uint32_t nbd_error_of(int error)
{
    switch (error) {
    case 0:
        return 0;
    case -EROFS:
        return NBD_WIRE_EPERM;
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
        return NBD_WIRE_ENOSPC;
    case -ENOMEM:
        return NBD_WIRE_ENOMEM;
    case -EOPNOTSUPP:
        return NBD_WIRE_ENOTSUP;
    case -EINVAL:
        return NBD_WIRE_EINVAL;
    case -ESHUTDOWN:
        return NBD_WIRE_ESHUTDOWN;
    default:
        return NBD_WIRE_EIO;
    }
}
