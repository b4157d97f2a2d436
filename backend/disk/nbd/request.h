/* SPDX-License-Identifier: MIT
 * A request header, copied once and judged once (law 2). Pure: no I/O, no
 * allocation. proto.md "Request message", "Request types". */
#ifndef VBDD_DISK_NBD_REQUEST_H
#define VBDD_DISK_NBD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/disk/nbd/wire.h"

enum {
    /* The longest READ and WRITE; proto.md "Size constraints" asks for 32 MiB
     * to be taken. */
    NBD_MAX_REQUEST_BYTES = 32 << 20,
};

/* What was agreed on, and what the disk is: what a request is judged by. */
struct nbd_limits {
    uint64_t size_bytes;
    bool is_read_only;
    bool has_structured, has_allocation_context;
    uint32_t df_bytes; /* the longest READ with DF, at least 64 KiB; longer:
                          EOVERFLOW */
};

/* Of a request that may run: everything in it is valid. */
struct nbd_request {
    uint64_t cookie; /* the client's, as on the wire: opaque, echoed */
    uint64_t offset_bytes;
    uint32_t length_bytes;
    uint16_t type;   /* NBD_WIRE_CMD_... */
    uint16_t flags;  /* NBD_WIRE_FLAG_..., only those that the type has */
    uint32_t payload_bytes; /* that follow on the wire, also when refused */
};

enum nbd_judgement {
    NBD_RUN,
    NBD_REFUSE,     /* answer *error, having read past the payload */
    NBD_DISCONNECT, /* DISC: no answer, close when what runs is done */
    NBD_HANG_UP,    /* the stream cannot be understood any more (magic), or
                       means more payload than anybody may send */
};

/* Fills in *request, unless the magic is wrong.
 * error: an NBD error (NBD_WIRE_E...) when refused. Rules: unknown type or
 * flag EINVAL; beyond the end: reads, CACHE and BLOCK_STATUS EINVAL, TRIM
 * EINVAL, writes and WRITE_ZEROES ENOSPC; length 0 where it means nothing
 * EINVAL; any write when read-only EPERM; READ longer than
 * NBD_MAX_REQUEST_BYTES EINVAL ("Block size constraints"; EOVERFLOW is for DF
 * only); a WRITE longer than that HANG_UP. FLUSH with an offset or length:
 * EINVAL. FUA is taken with every type and dropped where nothing is written
 * ("Command flags"); CACHE, TRIM, WRITE_ZEROES and BLOCK_STATUS may be of any
 * length. DISC is DISCONNECT whatever else it says. */
enum nbd_judgement nbd_request_judge(const struct nbd_wire_request *wire,
                                     const struct nbd_limits *limits,
                                     struct nbd_request *request,
                                     uint32_t *error);

/* 0 or -errno of the coherency layer -> NBD_WIRE_E...; the only place. */
uint32_t nbd_error_of(int error);

#endif
