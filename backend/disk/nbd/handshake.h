/* SPDX-License-Identifier: MIT
 * The newstyle negotiation as a pure machine: bytes of the client go in, bytes
 * for it come out; no I/O, no allocation, no clock (a fuzz harness drives it
 * as the connection does). proto.md "Newstyle negotiation".
 *
 *   FLAGS -> OPTION -> { OPTION }* -> TRANSMISSION
 *      |        |
 *      +--------+-----> CLOSED (abort, broken magic, refused EXPORT_NAME) */
#ifndef VBDD_DISK_NBD_HANDSHAKE_H
#define VBDD_DISK_NBD_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the client is told of the disk; it is asked for when it is needed, so
 * that a resize counts from the next GO on (C14). */
struct nbd_export {
    uint64_t size_bytes;
    uint32_t preferred_bytes; /* block size; the minimum is always 1 (C13) */
    uint32_t max_bytes;       /* NBD_MAX_REQUEST_BYTES */
    uint16_t flags;           /* transmission flags; SEND_DF is added here
                                 where structured replies were agreed on */
    const char *refusal;      /* NULL, or why GO and EXPORT_NAME are refused
                                 (C11: NBD_REP_ERR_POLICY); not INFO, LIST */
};

enum nbd_handshake_state {
    NBD_HANDSHAKE_FLAGS,
    NBD_HANDSHAKE_OPTION,
    NBD_HANDSHAKE_TRANSMISSION, /* requests from the next byte on */
    NBD_HANDSHAKE_CLOSED,       /* send what is there, then close */
};

enum {
    /* The longest option that is looked at; of longer ones the data is read
     * past and TOO_BIG answered. Holds a GO with the longest name. */
    NBD_OPTION_BYTES = 8192,
    /* What one option may be answered with at most. */
    NBD_ANSWER_BYTES = 16384,
    /* After so many options without a GO the client is hung up on. */
    NBD_MAX_OPTIONS = 256,
    /* The metadata context ID of base:allocation. */
    NBD_ALLOCATION_CONTEXT = 1,
};

struct nbd_handshake {
    enum nbd_handshake_state state;
    bool has_no_zeroes, has_structured, has_allocation_context;
    const char *why; /* CLOSED: a sentence for the log, never the client's;
                        NULL: it was the client who wanted no more */
    /* the rest is the machine's own */
    unsigned nr_options;
    uint32_t option;
    bool has_header;                       /* of the option: data comes */
    uint32_t piece_bytes, collected_bytes; /* flags, header or data */
    uint8_t buffer[NBD_OPTION_BYTES];
};

/* Fills in the greeting; returns its bytes. */
size_t nbd_handshake_begin(struct nbd_handshake *handshake,
                           uint8_t answer[NBD_ANSWER_BYTES]);
/* Takes bytes (any number, in any pieces) up to the end of one option, puts
 * what is to be sent into answer (*answer_bytes of it, 0 often). Returns how
 * many bytes were taken: call again with the rest while the state is FLAGS or
 * OPTION and bytes are left. Never takes a byte of the first request. */
size_t nbd_handshake_feed(struct nbd_handshake *handshake,
                          const struct nbd_export *export,
                          const uint8_t *bytes, size_t nr_bytes,
                          uint8_t answer[NBD_ANSWER_BYTES],
                          size_t *answer_bytes);

#endif
