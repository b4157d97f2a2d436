/* SPDX-License-Identifier: MIT
 * The three layouts of ring entries (blkif.h, "protocol" node). They differ in
 * one thing: where 64-bit numbers are aligned to 4 bytes, as on i386, there is
 * no padding before a request's id and none at the end of a response. So one
 * table of offsets serves them all. */
#include "common/blkif/abi.h"

#include <stddef.h>

#include <xen/io/blkif.h>

struct abi_x86_32_request {
    uint8_t operation, nr_segments;
    uint16_t handle;
    uint64_t id;
    uint64_t sector_number;
    struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
} __attribute__((packed, aligned(4)));

struct abi_x86_32_response {
    uint64_t id;
    uint8_t operation, padding;
    int16_t status;
} __attribute__((packed, aligned(4)));

struct abi_x86_64_request {
    uint8_t operation, nr_segments;
    uint16_t handle;
    uint32_t padding;
    uint64_t id;
    uint64_t sector_number;
    struct blkif_request_segment seg[BLKIF_MAX_SEGMENTS_PER_REQUEST];
} __attribute__((packed, aligned(8)));

struct abi_x86_64_response {
    uint64_t id;
    uint8_t operation, padding;
    int16_t status;
    uint32_t more_padding;
} __attribute__((packed, aligned(8)));

_Static_assert(sizeof(struct abi_x86_32_request) == 108, "x86_32-abi");
_Static_assert(offsetof(struct abi_x86_32_request, id) == 4, "x86_32-abi");
_Static_assert(offsetof(struct abi_x86_32_request, seg) == 20, "x86_32-abi");
_Static_assert(sizeof(struct abi_x86_32_response) == 12, "x86_32-abi");
_Static_assert(sizeof(struct abi_x86_64_request) == ABI_MAX_REQUEST_BYTES,
               "x86_64-abi");
_Static_assert(offsetof(struct abi_x86_64_request, id) == 8, "x86_64-abi");
_Static_assert(offsetof(struct abi_x86_64_request, seg) == 24, "x86_64-abi");
_Static_assert(sizeof(struct abi_x86_64_response) == ABI_MAX_RESPONSE_BYTES,
               "x86_64-abi");

/* What is the same everywhere, and so not in the table. */
enum { OPERATION_AT = 0, NR_SEGMENTS_AT = 1, HANDLE_AT = 2 };
_Static_assert(offsetof(struct blkif_request, operation) == OPERATION_AT &&
               offsetof(struct blkif_request, nr_segments) == NR_SEGMENTS_AT &&
               offsetof(struct blkif_request, handle) == HANDLE_AT, "blkif.h");
enum { RESPONSE_ID_AT = 0, RESPONSE_OPERATION_AT = 8, RESPONSE_STATUS_AT = 10 };
_Static_assert(offsetof(struct blkif_response, id) == RESPONSE_ID_AT &&
               offsetof(struct blkif_response, operation) ==
                   RESPONSE_OPERATION_AT &&
               offsetof(struct blkif_response, status) == RESPONSE_STATUS_AT,
               "blkif.h");

/* A DISCARD has its number of sectors where others have their segments. */
_Static_assert(offsetof(struct blkif_request_discard, id) ==
                   offsetof(struct blkif_request, id) &&
               offsetof(struct blkif_request_discard, nr_sectors) ==
                   offsetof(struct blkif_request, seg) &&
               offsetof(struct blkif_request_discard, flag) == NR_SEGMENTS_AT,
               "blkif.h");

/* An INDIRECT request has its handle and grefs where others have their
 * segments, and a wider number of segments where they have their handle. */
enum { INDIRECT_OPERATION_AT = 1, NR_INDIRECT_AT = 2, INDIRECT_GREFS_AT = 4 };
_Static_assert(
    offsetof(struct blkif_request_indirect, indirect_op) ==
            INDIRECT_OPERATION_AT &&
        offsetof(struct blkif_request_indirect, nr_segments) ==
            NR_INDIRECT_AT &&
        offsetof(struct blkif_request_indirect, id) ==
            offsetof(struct blkif_request, id) &&
        offsetof(struct blkif_request_indirect, sector_number) ==
            offsetof(struct blkif_request, sector_number) &&
        offsetof(struct blkif_request_indirect, handle) ==
            offsetof(struct blkif_request, seg) &&
        offsetof(struct blkif_request_indirect, indirect_grefs) ==
            offsetof(struct blkif_request, seg) + INDIRECT_GREFS_AT &&
        BLKIF_WIRE_INDIRECT_PAGES == BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST,
    "blkif.h");

/* So all segments go over in one copy. */
_Static_assert(sizeof(struct blkif_wire_segment) ==
                   sizeof(struct blkif_request_segment) &&
               offsetof(struct blkif_wire_segment, first_sector) ==
                   offsetof(struct blkif_request_segment, first_sect) &&
               offsetof(struct blkif_wire_segment, last_sector) ==
                   offsetof(struct blkif_request_segment, last_sect) &&
               BLKIF_WIRE_SEGMENTS == BLKIF_MAX_SEGMENTS_PER_REQUEST,
               "blkif.h");

struct abi_layout {
    uint8_t request_bytes, response_bytes;
    uint8_t id_at, sector_at, segments_at; /* in a request */
};

#define LAYOUT(request, response)                                            \
    {                                                                        \
        .request_bytes = sizeof(struct request),                             \
        .response_bytes = sizeof(struct response),                           \
        .id_at = offsetof(struct request, id),                               \
        .sector_at = offsetof(struct request, sector_number),                \
        .segments_at = offsetof(struct request, seg),                        \
    }

static const struct abi_layout abi_layouts[BLKIF_ABI_COUNT] = {
    [BLKIF_ABI_NATIVE] = LAYOUT(blkif_request, blkif_response),
    [BLKIF_ABI_X86_32] = LAYOUT(abi_x86_32_request, abi_x86_32_response),
    [BLKIF_ABI_X86_64] = LAYOUT(abi_x86_64_request, abi_x86_64_response),
};

uint32_t abi_request_bytes(enum blkif_abi abi)
{
    return abi_layouts[abi].request_bytes;
}

uint32_t abi_response_bytes(enum blkif_abi abi)
{
    return abi_layouts[abi].response_bytes;
}

static void decode_indirect(const uint8_t *bytes, const uint8_t *rest,
                            struct blkif_wire_request *request)
{
    request->nr_segments = 0;
    request->indirect_operation = bytes[INDIRECT_OPERATION_AT];
    __builtin_memcpy(&request->nr_indirect_segments, bytes + NR_INDIRECT_AT,
                     sizeof(request->nr_indirect_segments));
    __builtin_memcpy(&request->handle, rest, sizeof(request->handle));
    __builtin_memcpy(request->indirect_grefs, rest + INDIRECT_GREFS_AT,
                     sizeof(request->indirect_grefs));
}

void abi_decode_request(enum blkif_abi abi, const struct abi_slot *slot,
                        struct blkif_wire_request *request)
{
    const struct abi_layout *layout = &abi_layouts[abi];
    const uint8_t *bytes = (const uint8_t *)slot->words;
    const uint8_t *rest = bytes + layout->segments_at;

    request->operation = bytes[OPERATION_AT];
    request->nr_segments = bytes[NR_SEGMENTS_AT];
    __builtin_memcpy(&request->handle, bytes + HANDLE_AT,
                     sizeof(request->handle));
    __builtin_memcpy(&request->id, bytes + layout->id_at, sizeof(request->id));
    __builtin_memcpy(&request->sector, bytes + layout->sector_at,
                     sizeof(request->sector));
    request->nr_sectors = 0;
    request->indirect_operation = 0;
    request->nr_indirect_segments = 0;
    if (request->operation != BLKIF_OP_DISCARD &&
        request->operation != BLKIF_OP_INDIRECT) {
        __builtin_memcpy(request->segments, rest, sizeof(request->segments));
        return;
    }
    __builtin_memset(request->segments, 0, sizeof(request->segments));
    if (request->operation == BLKIF_OP_DISCARD)
        __builtin_memcpy(&request->nr_sectors, rest,
                         sizeof(request->nr_sectors));
    else
        decode_indirect(bytes, rest, request);
}

void abi_decode_response(enum blkif_abi abi, const struct abi_slot *slot,
                         struct blkif_wire_response *response)
{
    const uint8_t *bytes = (const uint8_t *)slot->words;

    (void)abi; /* only the size differs */
    __builtin_memcpy(&response->id, bytes + RESPONSE_ID_AT,
                     sizeof(response->id));
    response->operation = bytes[RESPONSE_OPERATION_AT];
    __builtin_memcpy(&response->status, bytes + RESPONSE_STATUS_AT,
                     sizeof(response->status));
}

/* The segments of a request on its way to the ring; returns their bytes.
 * Field by field: the padding of the caller's structs is not for the peer. */
static uint32_t encode_segments(const struct blkif_wire_request *request,
                                uint8_t *bytes)
{
    uint32_t nr = request->nr_segments;

    if (nr > BLKIF_WIRE_SEGMENTS)
        nr = BLKIF_WIRE_SEGMENTS;
    for (uint32_t i = 0; i < nr; i++) {
        const struct blkif_wire_segment *from = &request->segments[i];
        struct blkif_request_segment to;

        __builtin_memset(&to, 0, sizeof(to));
        to.gref = from->gref;
        to.first_sect = from->first_sector;
        to.last_sect = from->last_sector;
        __builtin_memcpy(bytes + i * sizeof(to), &to, sizeof(to));
    }
    return nr * (uint32_t)sizeof(struct blkif_request_segment);
}

static uint32_t encode_indirect(const struct blkif_wire_request *request,
                                uint8_t *bytes, uint8_t *rest)
{
    bytes[INDIRECT_OPERATION_AT] = request->indirect_operation;
    __builtin_memcpy(bytes + NR_INDIRECT_AT, &request->nr_indirect_segments,
                     sizeof(request->nr_indirect_segments));
    __builtin_memcpy(rest, &request->handle, sizeof(request->handle));
    __builtin_memcpy(rest + INDIRECT_GREFS_AT, request->indirect_grefs,
                     sizeof(request->indirect_grefs));
    return INDIRECT_GREFS_AT + (uint32_t)sizeof(request->indirect_grefs);
}

uint32_t abi_encode_request(enum blkif_abi abi,
                            const struct blkif_wire_request *request,
                            struct abi_slot *slot)
{
    const struct abi_layout *layout = &abi_layouts[abi];
    uint8_t *bytes = (uint8_t *)slot->words;
    uint8_t *rest = bytes + layout->segments_at;

    __builtin_memset(slot, 0, sizeof(*slot));
    bytes[OPERATION_AT] = request->operation;
    bytes[NR_SEGMENTS_AT] = request->nr_segments;
    __builtin_memcpy(bytes + HANDLE_AT, &request->handle,
                     sizeof(request->handle));
    __builtin_memcpy(bytes + layout->id_at, &request->id, sizeof(request->id));
    __builtin_memcpy(bytes + layout->sector_at, &request->sector,
                     sizeof(request->sector));
    if (request->operation == BLKIF_OP_DISCARD) {
        __builtin_memcpy(rest, &request->nr_sectors,
                         sizeof(request->nr_sectors));
        return layout->segments_at + (uint32_t)sizeof(request->nr_sectors);
    }
    if (request->operation == BLKIF_OP_INDIRECT)
        return layout->segments_at + encode_indirect(request, bytes, rest);
    return layout->segments_at + encode_segments(request, rest);
}

uint32_t abi_encode_response(enum blkif_abi abi,
                             const struct blkif_wire_response *response,
                             struct abi_slot *slot)
{
    uint8_t *bytes = (uint8_t *)slot->words;

    __builtin_memset(slot, 0, ABI_MAX_RESPONSE_BYTES);
    __builtin_memcpy(bytes + RESPONSE_ID_AT, &response->id,
                     sizeof(response->id));
    bytes[RESPONSE_OPERATION_AT] = response->operation;
    __builtin_memcpy(bytes + RESPONSE_STATUS_AT, &response->status,
                     sizeof(response->status));
    return abi_response_bytes(abi);
}
