/* SPDX-License-Identifier: MIT
 * Claim: requests of every kind stand on the ring as Xen's header lays them
 * out, on i386 and on 64-bit machines, with padding zeroed (XSA-216), and come
 * back as they went. Source: blkif.h; Linux' blkback for the i386 layout of
 * INDIRECT, whose id stands at 4, handle at 20 and grefs at 24. Mechanism:
 * blkif-layout.h's offsets, which the compiler has held against the header;
 * each field is looked for byte by byte, what is left must be zero, and must
 * not matter when it is not; then the header's own struct is compared. */
#include <stdbool.h>

#include "common/blkif/abi.h"
#include "tests/unit/blkif-layout.h"
#include "tests/unit/tap.h"

static const struct layout {
    uint32_t request_bytes, response_bytes;
    uint32_t id, sector, segments, nr_sectors, indirect_handle, grefs;
} i386 = { LAYOUT_I386_REQUEST_BYTES, LAYOUT_I386_RESPONSE_BYTES,
           LAYOUT_I386_ID, LAYOUT_I386_SECTOR, LAYOUT_I386_SEGMENTS,
           LAYOUT_I386_NR_SECTORS, LAYOUT_I386_INDIRECT_HANDLE,
           LAYOUT_I386_GREFS },
  lp64 = { LAYOUT_LP64_REQUEST_BYTES, LAYOUT_LP64_RESPONSE_BYTES,
           LAYOUT_LP64_ID, LAYOUT_LP64_SECTOR, LAYOUT_LP64_SEGMENTS,
           LAYOUT_LP64_NR_SECTORS, LAYOUT_LP64_INDIRECT_HANDLE,
           LAYOUT_LP64_GREFS };

static const struct layout *layout_of(enum blkif_abi abi)
{
    return abi == BLKIF_ABI_X86_32 ||
                   (abi == BLKIF_ABI_NATIVE && sizeof(void *) == 4)
               ? &i386 : &lp64;
}

static uint64_t random_state;

static uint64_t random_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static const uint8_t operations[] = {
    BLKIF_OP_READ, BLKIF_OP_WRITE, BLKIF_OP_WRITE_BARRIER,
    BLKIF_OP_FLUSH_DISKCACHE, BLKIF_OP_DISCARD, BLKIF_OP_INDIRECT };

static struct blkif_wire_request random_request(void)
{
    struct blkif_wire_request request;
    uint8_t operation = operations[random_number() % sizeof(operations)];

    memset(&request, 0, sizeof(request));
    request.operation = operation;
    request.handle = (uint16_t)random_number();
    request.id = random_number();
    request.sector = random_number();
    if (operation == BLKIF_OP_INDIRECT) {
        request.indirect_operation = (uint8_t)random_number();
        request.nr_indirect_segments = (uint16_t)random_number();
        for (int i = 0; i < BLKIF_WIRE_INDIRECT_PAGES; i++)
            request.indirect_grefs[i] = (uint32_t)random_number();
    } else if (operation == BLKIF_OP_DISCARD) {
        request.nr_segments = (uint8_t)random_number();
        request.nr_sectors = random_number();
    } else {
        request.nr_segments = (uint8_t)(random_number() % 12);
        for (int i = 0; i < request.nr_segments; i++) {
            request.segments[i].gref = (uint32_t)random_number();
            request.segments[i].first_sector = (uint8_t)random_number();
            request.segments[i].last_sector = (uint8_t)random_number();
        }
    }
    return request;
}

enum { TAKEN = 0xff };

/* Finds a field in the copy of a slot, and marks it. */
static void take_field(uint8_t *bytes, uint32_t at, const void *value,
                       size_t size)
{
    CHECK(memcmp(bytes + at, value, size) == 0);
    memset(bytes + at, TAKEN, size);
}

static void take_segments(uint8_t *bytes,
                          const struct blkif_wire_request *request)
{
    for (int i = 0; i < request->nr_segments; i++) {
        const struct blkif_wire_segment *segment = &request->segments[i];
        uint32_t at = (uint32_t)i * 8;

        take_field(bytes, at, &segment->gref, 4);
        take_field(bytes, at + 4, &segment->first_sector, 1);
        take_field(bytes, at + 5, &segment->last_sector, 1);
    }
}

/* Returns the bytes that have a meaning. */
static uint32_t take_fields(uint8_t *bytes, const struct layout *layout,
                            const struct blkif_wire_request *request)
{
    take_field(bytes, LAYOUT_OPERATION, &request->operation, 1);
    take_field(bytes, layout->id, &request->id, 8);
    take_field(bytes, layout->sector, &request->sector, 8);
    if (request->operation == BLKIF_OP_INDIRECT) {
        take_field(bytes, LAYOUT_INDIRECT_OPERATION,
                   &request->indirect_operation, 1);
        take_field(bytes, LAYOUT_NR_INDIRECT, &request->nr_indirect_segments,
                   2);
        take_field(bytes, layout->indirect_handle, &request->handle, 2);
        take_field(bytes, layout->grefs, request->indirect_grefs, 32);
        return layout->grefs + 32;
    }
    take_field(bytes, LAYOUT_NR_SEGMENTS, &request->nr_segments, 1);
    take_field(bytes, LAYOUT_HANDLE, &request->handle, 2);
    if (request->operation == BLKIF_OP_DISCARD) {
        take_field(bytes, layout->nr_sectors, &request->nr_sectors, 8);
        return layout->nr_sectors + 8;
    }
    take_segments(bytes + layout->segments, request);
    return layout->segments + request->nr_segments * 8;
}

static bool is_same(const struct blkif_wire_request *a,
                    const struct blkif_wire_request *b)
{
    bool is_same_data = true;

    if (a->operation == BLKIF_OP_INDIRECT)
        is_same_data = memcmp(a->indirect_grefs, b->indirect_grefs,
                              sizeof(a->indirect_grefs)) == 0;
    else
        for (int i = 0; i < BLKIF_WIRE_SEGMENTS; i++)
            is_same_data &=
                a->segments[i].gref == b->segments[i].gref &&
                a->segments[i].first_sector == b->segments[i].first_sector &&
                a->segments[i].last_sector == b->segments[i].last_sector;
    return is_same_data && a->operation == b->operation &&
           a->nr_segments == b->nr_segments && a->handle == b->handle &&
           a->indirect_operation == b->indirect_operation &&
           a->nr_indirect_segments == b->nr_indirect_segments &&
           a->id == b->id && a->sector == b->sector &&
           a->nr_sectors == b->nr_sectors;
}

static void check_fields_of(enum blkif_abi abi)
{
    const struct layout *layout = layout_of(abi);
    struct blkif_wire_request request = random_request(), back;
    struct abi_slot slot, mask;
    uint8_t *bytes = (uint8_t *)slot.words, *masked = (uint8_t *)mask.words;
    uint32_t used;

    memset(&slot, 0xee, sizeof(slot));
    used = abi_encode_request(abi, &request, &slot);
    memset(&back, 0xee, sizeof(back));
    abi_decode_request(abi, &slot, &back);
    CHECK(is_same(&request, &back));
    mask = slot;
    CHECK_EQ(take_fields(masked, layout, &request), used);
    for (uint32_t i = 0; i < layout->request_bytes; i++) {
        CHECK(masked[i] == 0 || masked[i] == TAKEN);
        if (i < used && masked[i] == 0)
            bytes[i] = 0xee; /* a peer that does not zero its padding */
    }
    abi_decode_request(abi, &slot, &back);
    CHECK(is_same(&request, &back));
}

static void check_fields(void)
{
    for (unsigned long i = tap_scaled(20000); i > 0; i--)
        for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++)
            check_fields_of((enum blkif_abi)abi);
}

/* A front end that knows nothing but Xen's header. */
static void check_header(void)
{
    for (unsigned long i = tap_scaled(20000); i > 0; i--) {
        struct blkif_wire_request request = random_request(), back;
        blkif_request_indirect_t xen;
        struct abi_slot slot;

        request = (struct blkif_wire_request){
            .operation = BLKIF_OP_INDIRECT, .handle = request.handle,
            .indirect_operation = (uint8_t)random_number(),
            .nr_indirect_segments = (uint16_t)random_number(),
            .id = request.id, .sector = request.sector };
        for (int g = 0; g < BLKIF_WIRE_INDIRECT_PAGES; g++)
            request.indirect_grefs[g] = (uint32_t)random_number();
        memset(&xen, 0, sizeof(xen));
        xen.operation = request.operation;
        xen.indirect_op = request.indirect_operation;
        xen.nr_segments = request.nr_indirect_segments;
        xen.id = request.id;
        xen.sector_number = request.sector;
        xen.handle = request.handle;
        memcpy(xen.indirect_grefs, request.indirect_grefs,
               sizeof(xen.indirect_grefs));
        abi_encode_request(BLKIF_ABI_NATIVE, &request, &slot);
        CHECK(memcmp(&slot, &xen, sizeof(xen)) == 0);
        memset(&slot, 0xee, sizeof(slot));
        memcpy(&slot, &xen, sizeof(xen));
        abi_decode_request(BLKIF_ABI_NATIVE, &slot, &back);
        CHECK(is_same(&request, &back));
    }
}

/* The i386 bytes, from the psABI by hand. */
static void check_i386(void)
{
    static const uint8_t golden[] = {
        6, 1, 0x01, 0x02, 8, 7, 6, 5, 4, 3, 2, 1,
        0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x10, 0xca, 0, 0,
        0x24, 0x23, 0x22, 0x21, 0x34, 0x33, 0x32, 0x31 };
    struct blkif_wire_request request = {
        .operation = BLKIF_OP_INDIRECT, .indirect_operation = BLKIF_OP_WRITE,
        .nr_indirect_segments = 0x0201, .handle = 0xca10,
        .id = 0x0102030405060708, .sector = 0x1112131415161718,
        .indirect_grefs = { 0x21222324, 0x31323334 } };
    struct abi_slot slot;

    CHECK_EQ(abi_encode_request(BLKIF_ABI_X86_32, &request, &slot), 56);
    CHECK(memcmp(&slot, golden, sizeof(golden)) == 0);
}

static void check_sizes(void)
{
    for (int abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        const struct layout *layout = layout_of((enum blkif_abi)abi);

        CHECK_EQ(abi_request_bytes((enum blkif_abi)abi),
                 layout->request_bytes);
        CHECK_EQ(abi_response_bytes((enum blkif_abi)abi),
                 layout->response_bytes);
    }
}

int main(void)
{
    random_state = tap_seed() * 2 + 1;
    TEST("entries have the sizes of Xen's header", check_sizes);
    TEST("each field of each request stands where Xen's header has it; beside "
         "them zeros are written, and nothing is read (XSA-216)", check_fields);
    TEST("an indirect request is the header's struct, bit for bit",
         check_header);
    TEST("an indirect request of i386 has the bytes of its psABI",
         check_i386);
    return tap_done();
}
