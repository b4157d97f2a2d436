/* SPDX-License-Identifier: MIT
 * Claim: whatever stands in an indirect request and in the page of its
 * segments, and however that page changes after it was copied, what is
 * executed stays within the disk and within the guest's pages; the copy is of
 * the request's own descriptors and of no more. Source: XSA-155; blkif.h.
 * Mechanism: libFuzzer's bytes are limits, request and page; the page is
 * overwritten between copying and judging; then the segments are executed on
 * a disk and a page that a sanitizer watches the ends of. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/blkif/abi.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/model.h"

/* By way of the slot, as it would come. */
static struct blkif_wire_request read_request(struct fuzz_input *input)
{
    uint8_t first = fuzz_byte(input);
    enum blkif_abi abi = (enum blkif_abi)(first % BLKIF_ABI_COUNT);
    struct blkif_wire_request request = {
        .operation = first & 128 ? first & 7 : BLKIF_OP_INDIRECT,
        .indirect_operation = fuzz_byte(input),
        .nr_indirect_segments = (uint16_t)fuzz_varied(input),
        .sector = fuzz_varied(input) * (first & 64 ? 8 : 1),
        .indirect_grefs = { 8 } };
    struct abi_slot slot;

    abi_encode_request(abi, &request, &slot);
    abi_decode_request(abi, &slot, &request);
    return request;
}

/* Most requests of any length are like this one: the last bytes, again and
 * again. */
static void fill_page(struct fuzz_input *input,
                      struct blkif_wire_segment *descriptors)
{
    uint8_t first = 0, last = 7;

    for (unsigned i = 0; i < BLKIF_PAGE_BYTES / sizeof(*descriptors); i++) {
        if (input->left > 0) {
            first = fuzz_byte(input);
            last = fuzz_byte(input);
        }
        descriptors[i] = (struct blkif_wire_segment){ i, first, last };
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = { data, size };
    struct blkif_limits limits = model_limits(&input);
    struct blkif_wire_request request = read_request(&input);
    struct blkif_wire_segment *shared, *copy;
    size_t bytes;
    struct blkif_io io;

    if (blkif_validate(&request, &limits, &io) != BLKIF_ACCEPTED ||
        !io.is_indirect)
        return 0;
    MUST(io.nr_segments > 0 && io.indirect_gref == 8);
    bytes = io.nr_segments * sizeof(*copy);
    shared = malloc(BLKIF_PAGE_BYTES);
    copy = malloc(bytes);
    MUST(shared && copy);
    fill_page(&input, shared);
    memcpy(copy, shared, bytes);
    memset(shared, 0xff, BLKIF_PAGE_BYTES);
    if (blkif_validate_indirect(copy, &limits, &io) == BLKIF_ACCEPTED) {
        model_check(&io, &limits);
        model_execute(&io, copy, &limits);
    }
    free(copy);
    free(shared);
    return 0;
}
