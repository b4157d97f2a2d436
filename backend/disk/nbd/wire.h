/* SPDX-License-Identifier: MIT
 * The NBD protocol on the wire: numbers and structures of the protocol
 * document (doc/proto.md of NetworkBlockDevice/nbd), named by its sections.
 * All integers are big-endian. */
#ifndef VBDD_DISK_NBD_WIRE_H
#define VBDD_DISK_NBD_WIRE_H

#include <stdint.h>

/* --- "Newstyle negotiation" ---------------------------------------------- */

#define NBD_WIRE_MAGIC UINT64_C(0x4e42444d41474943)        /* "NBDMAGIC" */
#define NBD_WIRE_OPTION_MAGIC UINT64_C(0x49484156454f5054) /* "IHAVEOPT" */
#define NBD_WIRE_REPLY_MAGIC UINT64_C(0x3e889045565a9)

enum { /* handshake flags; the client's answer has the same two */
    NBD_WIRE_FIXED_NEWSTYLE = 1 << 0,
    NBD_WIRE_NO_ZEROES = 1 << 1,
};

enum { /* "Option types" */
    NBD_WIRE_OPT_EXPORT_NAME = 1,
    NBD_WIRE_OPT_ABORT = 2,
    NBD_WIRE_OPT_LIST = 3,
    NBD_WIRE_OPT_STARTTLS = 5,
    NBD_WIRE_OPT_INFO = 6,
    NBD_WIRE_OPT_GO = 7,
    NBD_WIRE_OPT_STRUCTURED_REPLY = 8,
    NBD_WIRE_OPT_LIST_META_CONTEXT = 9,
    NBD_WIRE_OPT_SET_META_CONTEXT = 10,
    NBD_WIRE_OPT_EXTENDED_HEADERS = 11,
};

enum { /* "Option reply types" */
    NBD_WIRE_REP_ACK = 1,
    NBD_WIRE_REP_SERVER = 2,
    NBD_WIRE_REP_INFO = 3,
    NBD_WIRE_REP_META_CONTEXT = 4,
};
#define NBD_WIRE_REP_ERR(n) (UINT32_C(1) << 31 | (n))
#define NBD_WIRE_REP_ERR_UNSUP NBD_WIRE_REP_ERR(1)
#define NBD_WIRE_REP_ERR_POLICY NBD_WIRE_REP_ERR(2)
#define NBD_WIRE_REP_ERR_INVALID NBD_WIRE_REP_ERR(3)
#define NBD_WIRE_REP_ERR_UNKNOWN NBD_WIRE_REP_ERR(6)
#define NBD_WIRE_REP_ERR_SHUTDOWN NBD_WIRE_REP_ERR(7)
#define NBD_WIRE_REP_ERR_TOO_BIG NBD_WIRE_REP_ERR(9)

enum { /* "NBD_REP_INFO": information types */
    NBD_WIRE_INFO_EXPORT = 0,
    NBD_WIRE_INFO_NAME = 1,
    NBD_WIRE_INFO_DESCRIPTION = 2,
    NBD_WIRE_INFO_BLOCK_SIZE = 3,
};

enum { /* "Transmission flags" */
    NBD_WIRE_HAS_FLAGS = 1 << 0,
    NBD_WIRE_READ_ONLY = 1 << 1,
    NBD_WIRE_SEND_FLUSH = 1 << 2,
    NBD_WIRE_SEND_FUA = 1 << 3,
    NBD_WIRE_ROTATIONAL = 1 << 4,
    NBD_WIRE_SEND_TRIM = 1 << 5,
    NBD_WIRE_SEND_WRITE_ZEROES = 1 << 6,
    NBD_WIRE_SEND_DF = 1 << 7,
    NBD_WIRE_CAN_MULTI_CONN = 1 << 8,
    NBD_WIRE_SEND_CACHE = 1 << 10,
    NBD_WIRE_SEND_FAST_ZERO = 1 << 11,
};

enum { NBD_WIRE_NAME_BYTES = 4096 }; /* "String": the longest one */

struct nbd_wire_greeting {
    uint64_t magic, option_magic;
    uint16_t flags;
} __attribute__((packed));

struct nbd_wire_option {
    uint64_t magic;
    uint32_t option, length;
} __attribute__((packed));

struct nbd_wire_option_reply {
    uint64_t magic;
    uint32_t option, type, length;
} __attribute__((packed));

/* --- "Transmission phase" ------------------------------------------------ */

#define NBD_WIRE_REQUEST_MAGIC UINT32_C(0x25609513)
#define NBD_WIRE_SIMPLE_MAGIC UINT32_C(0x67446698)
#define NBD_WIRE_CHUNK_MAGIC UINT32_C(0x668e33ef)

enum { /* "Request types" */
    NBD_WIRE_CMD_READ = 0,
    NBD_WIRE_CMD_WRITE = 1,
    NBD_WIRE_CMD_DISC = 2,
    NBD_WIRE_CMD_FLUSH = 3,
    NBD_WIRE_CMD_TRIM = 4,
    NBD_WIRE_CMD_CACHE = 5,
    NBD_WIRE_CMD_WRITE_ZEROES = 6,
    NBD_WIRE_CMD_BLOCK_STATUS = 7,
};

enum { /* "Command flags" */
    NBD_WIRE_FLAG_FUA = 1 << 0,
    NBD_WIRE_FLAG_NO_HOLE = 1 << 1,
    NBD_WIRE_FLAG_DF = 1 << 2,
    NBD_WIRE_FLAG_REQ_ONE = 1 << 3,
    NBD_WIRE_FLAG_FAST_ZERO = 1 << 4,
};

enum { /* "Structured reply types" and flags */
    NBD_WIRE_CHUNK_DONE = 1 << 0,
    NBD_WIRE_CHUNK_NONE = 0,
    NBD_WIRE_CHUNK_OFFSET_DATA = 1,
    NBD_WIRE_CHUNK_OFFSET_HOLE = 2,
    NBD_WIRE_CHUNK_BLOCK_STATUS = 5,
    NBD_WIRE_CHUNK_ERROR = 1 << 15 | 1,
    NBD_WIRE_CHUNK_ERROR_OFFSET = 1 << 15 | 2,
};

enum { /* "base:allocation" */
    NBD_WIRE_STATE_HOLE = 1 << 0,
    NBD_WIRE_STATE_ZERO = 1 << 1,
};

enum { /* "Error values" */
    NBD_WIRE_EPERM = 1,
    NBD_WIRE_EIO = 5,
    NBD_WIRE_ENOMEM = 12,
    NBD_WIRE_EINVAL = 22,
    NBD_WIRE_ENOSPC = 28,
    NBD_WIRE_EOVERFLOW = 75,
    NBD_WIRE_ENOTSUP = 95,
    NBD_WIRE_ESHUTDOWN = 108,
};

struct nbd_wire_request {
    uint32_t magic;
    uint16_t flags, type;
    uint64_t cookie, offset;
    uint32_t length;
} __attribute__((packed));

struct nbd_wire_simple_reply {
    uint32_t magic, error;
    uint64_t cookie;
} __attribute__((packed));

struct nbd_wire_chunk {
    uint32_t magic;
    uint16_t flags, type;
    uint64_t cookie;
    uint32_t length;
} __attribute__((packed));

#endif
