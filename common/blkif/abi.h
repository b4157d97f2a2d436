/* SPDX-License-Identifier: MIT
 * The layouts of ring entries, and the way between them and wire.h. Works on
 * private copies only: ring.c is what touches shared memory. Pure. */
#ifndef VBDD_BLKIF_ABI_H
#define VBDD_BLKIF_ABI_H

#include <stdint.h>

#include "common/blkif/ring.h"
#include "common/blkif/wire.h"

/* A slot holds the larger of both, which is the request, in every ABI. */
enum { ABI_MAX_REQUEST_BYTES = 112, ABI_MAX_RESPONSE_BYTES = 16 };

/* The private copy of a slot; what is beyond the ABI's size is not used. */
struct abi_slot {
    uint32_t words[ABI_MAX_REQUEST_BYTES / sizeof(uint32_t)];
};

/* Sizes on the ring; multiples of 4. */
uint32_t abi_request_bytes(enum blkif_abi abi);
uint32_t abi_response_bytes(enum blkif_abi abi);

/* Fill in every field of the copy; nothing is judged. */
void abi_decode_request(enum blkif_abi abi, const struct abi_slot *slot,
                        struct blkif_wire_request *request);
void abi_decode_response(enum blkif_abi abi, const struct abi_slot *slot,
                         struct blkif_wire_response *response);
/* Write an entry, padding zeroed; return how many bytes of it have a meaning
 * (a request's unused segments have none). */
uint32_t abi_encode_request(enum blkif_abi abi,
                            const struct blkif_wire_request *request,
                            struct abi_slot *slot);
uint32_t abi_encode_response(enum blkif_abi abi,
                             const struct blkif_wire_response *response,
                             struct abi_slot *slot);

#endif
