/* SPDX-License-Identifier: MIT
 * Claim: no request that breaks a rule of blkif.h, or of what was advertised,
 * is accepted, and every other one is, with its sectors counted right (C9,
 * C15, XSA-155 and its neighbours). Source: blkif.h, "REQUEST CODES" and
 * struct blkif_request_segment; sectors are 512 bytes. Mechanism: one row for
 * each refusal and each side of each boundary; then random requests against a
 * slow judge written without looking at validate.c: it walks a small disk
 * sector by sector and collects every reason that there is. Indirect requests
 * are judged in two halves, as a back end does. */
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/limits.h"
#include "common/blkif/validate.h"
#include "tests/unit/tap.h"

enum { DISK_SECTORS = 1000 };
static const struct blkif_limits plain = {
    .nr_sectors = DISK_SECTORS, .sector_alignment = 1,
    .has_barrier = true, .has_flush = true, .has_discard = true };

struct row {
    const char *what;
    uint8_t operation;
    uint16_t nr_segments; /* up to 255, but of an indirect request */
    uint64_t sector;
    uint8_t first, last; /* of every segment */
    uint64_t discard;
    /* what the disk is like, where not plain */
    unsigned flags;
    uint32_t indirect; /* how many segments it takes; 0: none */
    uint8_t inner;     /* of BLKIF_OP_INDIRECT */
    enum blkif_refusal want;
    uint64_t want_sectors;
};
enum { BARE = 1, READ_ONLY = 2, FOUR_K = 4 };

#define R BLKIF_OP_READ
#define W BLKIF_OP_WRITE
#define B BLKIF_OP_WRITE_BARRIER
#define F BLKIF_OP_FLUSH_DISKCACHE
#define D BLKIF_OP_DISCARD
#define I BLKIF_OP_INDIRECT

static const struct row rows[] = {
    { "one sector", R, 1, 0, 0, 0, .want_sectors = 1 },
    { "a full request", W, 11, 0, 0, 7, .want_sectors = 88 },
    { "one segment too many", W, 12, 0, 0, 7,
      .want = BLKIF_TOO_MANY_SEGMENTS },
    { "255 segments", R, 255, 0, 0, 7, .want = BLKIF_TOO_MANY_SEGMENTS },
    { "12 in a flush", F, 12, 0, 0, 7, .want = BLKIF_TOO_MANY_SEGMENTS },
    { "a read of nothing", R, 0, 0, .want = BLKIF_NO_SEGMENTS },
    { "a write of nothing", W, 0, 0, .want = BLKIF_NO_SEGMENTS },
    { "last sector of a page", R, 1, 0, 7, 7, .want_sectors = 1 },
    { "past the page", R, 1, 0, 7, 8, .want = BLKIF_SEGMENT_PAST_PAGE },
    { "beyond the page", R, 1, 0, 8, 8, .want = BLKIF_SEGMENT_PAST_PAGE },
    { "far past the page", W, 1, 0, 0, 255, .want = BLKIF_SEGMENT_PAST_PAGE },
    { "backwards", W, 1, 0, 1, 0, .want = BLKIF_SEGMENT_BACKWARDS },
    { "backwards, from outside", W, 1, 0, 255, 0,
      .want = BLKIF_SEGMENT_BACKWARDS },
    { "up to the end", R, 1, 992, 0, 7, .want_sectors = 8 },
    { "one past the end", R, 1, 993, 0, 7, .want = BLKIF_BEYOND_END },
    { "at the end", W, 1, 1000, 0, 0, .want = BLKIF_BEYOND_END },
    { "wrapping", W, 1, UINT64_MAX, 0, 0, .want = BLKIF_BEYOND_END },
    { "wrapping to a good range", W, 1, UINT64_MAX - 3, 0, 7,
      .want = BLKIF_BEYOND_END },
    { "a sum past the end", R, 11, 913, 0, 7, .want = BLKIF_BEYOND_END },
    { "a sum up to the end", R, 11, 912, 0, 7, .want_sectors = 88 },
    { "a flush", F, 0, 0, .want_sectors = 0 },
    { "a flush with a number", F, 0, UINT64_MAX, .want_sectors = 0 },
    { "a flush with data", F, 1, 3, 0, 1, .want_sectors = 2 },
    { "a flush with data past the end", F, 1, 1000, 0, 0,
      .want = BLKIF_BEYOND_END },
    { "a barrier", B, 2, 4, 0, 7, .want_sectors = 16 },
    { "an empty barrier with a number", B, 0, 77777777, .want_sectors = 0 },
    { "a barrier past the end", B, 1, 1000, 0, 0, .want = BLKIF_BEYOND_END },
    { "a barrier not advertised", B, 1, 0, .flags = BARE,
      .want = BLKIF_NOT_ADVERTISED },
    { "a flush not advertised", F, 0, 0, .flags = BARE,
      .want = BLKIF_NOT_ADVERTISED },
    { "a discard not advertised", D, 0, 0, .discard = 8, .flags = BARE,
      .want = BLKIF_NOT_ADVERTISED },
    { "a plain read of a bare disk", R, 1, 0, .flags = BARE,
      .want_sectors = 1 },
    { "a write to a read-only disk", W, 1, 0, .flags = READ_ONLY,
      .want = BLKIF_READ_ONLY },
    { "a barrier with data there", B, 1, 0, .flags = READ_ONLY,
      .want = BLKIF_READ_ONLY },
    { "a flush with data there", F, 1, 0, .flags = READ_ONLY,
      .want = BLKIF_READ_ONLY },
    { "a discard there", D, 0, 0, .discard = 1, .flags = READ_ONLY,
      .want = BLKIF_READ_ONLY },
    { "a read there", R, 1, 0, .flags = READ_ONLY, .want_sectors = 1 },
    { "an empty flush there", F, 0, 5, .flags = READ_ONLY },
    { "an empty barrier there", B, 0, 5, .flags = READ_ONLY },
    { "the whole disk discarded", D, 0, 0, .discard = 1000,
      .want_sectors = 1000 },
    { "a discard of nothing", D, 0, 0, .want = BLKIF_NO_SEGMENTS },
    { "a discard past the end", D, 0, 1, .discard = 1000,
      .want = BLKIF_BEYOND_END },
    { "a discard that wraps", D, 0, 8, .discard = UINT64_MAX - 7,
      .want = BLKIF_BEYOND_END },
    { "a discard of more than 32 bits", D, 0, 0, .discard = UINT64_C(1) << 32,
      .want = BLKIF_BEYOND_END },
    { "whole 4K sectors", R, 2, 8, 0, 7, .flags = FOUR_K,
      .want_sectors = 16 },
    { "4K: a bad sector number", R, 1, 4, 0, 7, .flags = FOUR_K,
      .want = BLKIF_UNALIGNED },
    { "4K: a bad first sector", R, 1, 8, 1, 7, .flags = FOUR_K,
      .want = BLKIF_UNALIGNED },
    { "4K: a bad last sector", W, 1, 8, 0, 6, .flags = FOUR_K,
      .want = BLKIF_UNALIGNED },
    { "4K: two halves make no whole", W, 2, 8, 0, 3, .flags = FOUR_K,
      .want = BLKIF_UNALIGNED },
    { "4K: a bad discard start", D, 0, 1, .discard = 8, .flags = FOUR_K,
      .want = BLKIF_UNALIGNED },
    { "4K: a bad discard length", D, 0, 8, .discard = 9, .flags = FOUR_K,
      .want = BLKIF_UNALIGNED },
    { "4K: an empty flush with a number", F, 0, 3, .flags = FOUR_K },
    { "a packet command", BLKIF_OP_RESERVED_1, 1, 0,
      .want = BLKIF_UNKNOWN_OPERATION },
    { "an indirect read not advertised", I, 1, 0, .inner = R,
      .want = BLKIF_NOT_ADVERTISED },
    { "garbage in it, not advertised", I, 0, 0, .inner = 99,
      .want = BLKIF_NOT_ADVERTISED },
    { "one indirect segment", I, 1, 0, .indirect = 32, .inner = R,
      .want_sectors = 1 },
    { "no indirect segment", I, 0, 0, .indirect = 32, .inner = R,
      .want = BLKIF_NO_SEGMENTS },
    { "an indirect write of nothing", I, 0, 0, .indirect = 256, .inner = W,
      .want = BLKIF_NO_SEGMENTS },
    { "an indirect write as long as offered", I, 32, 0, .indirect = 32,
      .inner = W, .want_sectors = 32 },
    { "one more", I, 33, 0, .indirect = 32, .inner = W,
      .want = BLKIF_TOO_MANY_SEGMENTS },
    { "256 of 256", I, 256, 0, .indirect = 256, .inner = R,
      .want_sectors = 256 },
    { "257 of 256", I, 257, 0, .indirect = 256, .inner = R,
      .want = BLKIF_TOO_MANY_SEGMENTS },
    { "65535 of 256", I, 65535, 0, .indirect = 256, .inner = W,
      .want = BLKIF_TOO_MANY_SEGMENTS },
    { "65535 of 32", I, 65535, 0, .indirect = 32, .inner = R,
      .want = BLKIF_TOO_MANY_SEGMENTS },
    { "an indirect barrier", I, 1, 0, .indirect = 256, .inner = B,
      .want = BLKIF_BAD_INDIRECT },
    { "an indirect flush", I, 1, 0, .indirect = 256, .inner = F,
      .want = BLKIF_BAD_INDIRECT },
    { "an empty indirect flush", I, 0, 0, .indirect = 256, .inner = F,
      .want = BLKIF_BAD_INDIRECT },
    { "an indirect discard", I, 1, 0, .indirect = 256, .inner = D,
      .want = BLKIF_BAD_INDIRECT },
    { "an indirect request in one", I, 1, 0, .indirect = 256, .inner = I,
      .want = BLKIF_BAD_INDIRECT },
    { "garbage in one", I, 1, 0, .indirect = 256, .inner = 255,
      .want = BLKIF_BAD_INDIRECT },
    { "indirect, past the page", I, 20, 0, 7, 8, .indirect = 256, .inner = R,
      .want = BLKIF_SEGMENT_PAST_PAGE },
    { "indirect, far past the page", I, 20, 0, 0, 255, .indirect = 256,
      .inner = W, .want = BLKIF_SEGMENT_PAST_PAGE },
    { "indirect, backwards", I, 20, 0, 3, 2, .indirect = 256, .inner = R,
      .want = BLKIF_SEGMENT_BACKWARDS },
    { "indirect, up to the end", I, 125, 0, 0, 7, .indirect = 256, .inner = W,
      .want_sectors = 1000 },
    { "indirect, past the end", I, 125, 1, 0, 7, .indirect = 256, .inner = W,
      .want = BLKIF_BEYOND_END },
    { "indirect, longer than the disk", I, 256, 0, 0, 7, .indirect = 256,
      .inner = R, .want = BLKIF_BEYOND_END },
    { "indirect, wrapping", I, 2, UINT64_MAX - 7, 0, 7, .indirect = 256,
      .inner = R, .want = BLKIF_BEYOND_END },
    { "an indirect write to a read-only disk", I, 1, 0, .flags = READ_ONLY,
      .indirect = 256, .inner = W, .want = BLKIF_READ_ONLY },
    { "an indirect read there", I, 1, 0, .flags = READ_ONLY, .indirect = 256,
      .inner = R, .want_sectors = 1 },
    { "4K: indirect", I, 16, 8, 0, 7, .flags = FOUR_K, .indirect = 256,
      .inner = W, .want_sectors = 128 },
    { "4K: an indirect start", I, 16, 9, 0, 7, .flags = FOUR_K,
      .indirect = 256, .inner = W, .want = BLKIF_UNALIGNED },
    { "4K: indirect halves", I, 16, 8, 4, 7, .flags = FOUR_K, .indirect = 256,
      .inner = R, .want = BLKIF_UNALIGNED },
    { "operation 7", 7, 1, 0, .want = BLKIF_UNKNOWN_OPERATION },
    { "operation 255", 255, 1, 0, .want = BLKIF_UNKNOWN_OPERATION },
};

static struct blkif_limits limits_of(unsigned flags)
{
    struct blkif_limits limits = plain;

    if (flags & BARE)
        limits.has_barrier = limits.has_flush = limits.has_discard = false;
    limits.read_only = flags & READ_ONLY;
    if (flags & FOUR_K)
        limits.sector_alignment = 8;
    return limits;
}

/* The page of an indirect request, with room for what must not be read. */
static struct blkif_wire_segment descriptors[BLKIF_MAX_INDIRECT_SEGMENTS + 1];

static struct blkif_wire_segment segment_of(const struct row *row, unsigned i)
{
    return (struct blkif_wire_segment){ .gref = 100 + i,
                                        .first_sector = row->first,
                                        .last_sector = row->last };
}

static struct blkif_wire_request request_of(const struct row *row)
{
    struct blkif_wire_request request = {
        .operation = row->operation, .id = 0x1122334455667788,
        .sector = row->sector, .nr_sectors = row->discard };

    if (row->operation == I) {
        request.indirect_operation = row->inner;
        request.nr_indirect_segments = row->nr_segments;
        request.indirect_grefs[0] = 77;
        request.indirect_grefs[1] = 78;
        for (unsigned i = 0; i <= BLKIF_MAX_INDIRECT_SEGMENTS; i++)
            descriptors[i] = segment_of(row, i);
        return request;
    }
    request.nr_segments = (uint8_t)row->nr_segments;
    for (unsigned i = 0; i < BLKIF_WIRE_SEGMENTS; i++)
        request.segments[i] = segment_of(row, i);
    return request;
}

/* Both halves of the judgement. */
static enum blkif_refusal judge_as_back(
    const struct blkif_wire_request *request,
    const struct blkif_limits *limits, struct blkif_io *io)
{
    enum blkif_refusal refusal;

    memset(io, 0xa5, sizeof(*io));
    refusal = blkif_validate(request, limits, io);
    if (refusal != BLKIF_ACCEPTED)
        return refusal;
    CHECK_EQ(io->is_indirect, request->operation == I);
    if (!io->is_indirect)
        return refusal;
    CHECK(io->nr_sectors == 0 && io->nr_segments > 0 &&
          io->nr_segments <= limits->max_indirect_segments);
    return blkif_validate_indirect(descriptors, limits, io);
}

static void check_accepted(const struct row *row, const struct blkif_io *io)
{
    CHECK_EQ(io->nr_sectors, row->want_sectors);
    CHECK_EQ(io->sector, row->want_sectors ? row->sector : 0);
    CHECK_EQ(io->operation, row->operation == I ? row->inner
                                                : row->operation);
    CHECK_EQ(io->nr_segments, row->nr_segments);
    CHECK(io->id == 0x1122334455667788 && !io->is_secure);
    CHECK_EQ(io->indirect_gref, row->operation == I ? 77 : 0);
    for (unsigned i = 0; row->operation != I && i < io->nr_segments; i++) {
        CHECK_EQ(io->segments[i].gref, 100 + i);
        CHECK_EQ(io->segments[i].first_sector, row->first);
        CHECK_EQ(io->segments[i].last_sector, row->last);
    }
}

static void check_rows(void)
{
    bool seen[2][BLKIF_REFUSAL_COUNT] = { { false } };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct blkif_wire_request request = request_of(row);
        struct blkif_limits limits = limits_of(row->flags);
        struct blkif_io io;
        enum blkif_refusal refusal;

        limits.max_indirect_segments = row->indirect;
        refusal = judge_as_back(&request, &limits, &io);
        if (!CHECK_EQ(refusal, row->want))
            NOTE("row: %s", row->what);
        if (refusal == BLKIF_ACCEPTED)
            check_accepted(row, &io);
        seen[row->operation == I][row->want] = true;
    }
    for (int i = 0; i < BLKIF_REFUSAL_COUNT; i++) {
        CHECK(seen[false][i] || i == BLKIF_BAD_INDIRECT);
        CHECK(seen[true][i] || i == BLKIF_UNKNOWN_OPERATION);
    }
}

/* A bad segment is found wherever it is, and what is behind the last one that
 * is used is nobody's business. */
static void check_each_segment(void)
{
    const struct row row = { "", W, 11, 0, 0, 7, .flags = 0 };

    for (unsigned bad = 0; bad < BLKIF_WIRE_SEGMENTS; bad++)
        for (unsigned nr = 1; nr <= BLKIF_WIRE_SEGMENTS; nr++) {
            struct blkif_wire_request request = request_of(&row);
            struct blkif_io io;

            request.nr_segments = (uint8_t)nr;
            request.segments[bad].last_sector = 8;
            CHECK_EQ(blkif_validate(&request, &plain, &io),
                     bad < nr ? BLKIF_SEGMENT_PAST_PAGE : BLKIF_ACCEPTED);
        }
}

static void check_each_indirect(void)
{
    const struct row row = { "", I, BLKIF_MAX_INDIRECT_SEGMENTS, 0, 0, 0,
                             .inner = W };
    struct blkif_limits limits = plain;

    limits.max_indirect_segments = BLKIF_MAX_INDIRECT_SEGMENTS;
    for (unsigned bad = 0; bad <= BLKIF_MAX_INDIRECT_SEGMENTS; bad++)
        for (unsigned nr = 1; nr <= BLKIF_MAX_INDIRECT_SEGMENTS; nr++) {
            struct blkif_wire_request request = request_of(&row);
            struct blkif_io io;

            request.nr_indirect_segments = (uint16_t)nr;
            descriptors[bad].last_sector = 8;
            CHECK_EQ(judge_as_back(&request, &limits, &io),
                     bad < nr ? BLKIF_SEGMENT_PAST_PAGE : BLKIF_ACCEPTED);
        }
}

/* The operation of the answer is what a front end compares with its own
 * request's: that of the operation inside, also when it was refused. */
static void check_response_operation(void)
{
    for (unsigned operation = 0; operation < 256; operation++)
        for (unsigned inner = 0; inner < 256; inner++) {
            struct blkif_wire_request request = {
                .operation = (uint8_t)operation,
                .indirect_operation = (uint8_t)inner };

            CHECK_EQ(blkif_response_operation(&request),
                     operation == I ? inner : operation);
        }
}

static void check_secure(void)
{
    const struct row row = { "", D, 0, 0, .discard = 8 };
    struct blkif_wire_request request = request_of(&row);
    struct blkif_limits limits = plain;
    struct blkif_io io;

    for (unsigned flag = 0; flag < 4; flag++)
        for (unsigned offered = 0; offered < 2; offered++) {
            request.nr_segments = (uint8_t)flag;
            limits.has_secure = offered;
            CHECK_EQ(blkif_validate(&request, &limits, &io), BLKIF_ACCEPTED);
            CHECK_EQ(io.is_secure, offered && (flag & BLKIF_DISCARD_SECURE));
            CHECK_EQ(io.nr_segments, 0);
        }
}

static void check_refusals(void)
{
    for (int i = 0; i < BLKIF_REFUSAL_COUNT; i++) {
        enum blkif_refusal refusal = (enum blkif_refusal)i;
        int want = i == BLKIF_ACCEPTED ? BLKIF_RSP_OKAY
                   : i == BLKIF_UNKNOWN_OPERATION || i == BLKIF_NOT_ADVERTISED
                       ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;

        CHECK_EQ(blkif_refusal_status(refusal), want);
        CHECK(strlen(blkif_refusal_text(refusal)) > 10);
        for (int j = 0; j < i; j++)
            CHECK(strcmp(blkif_refusal_text(refusal),
                         blkif_refusal_text((enum blkif_refusal)j)));
    }
    CHECK(blkif_refusal_text((enum blkif_refusal)1234) != NULL);
    CHECK_EQ(blkif_refusal_status((enum blkif_refusal)1234), BLKIF_RSP_ERROR);
}

/* --- the slow judge ------------------------------------------------------- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

/* The next sector on the disk, or a reason why there is none. */
static unsigned walk(__int128 sector, const struct blkif_limits *limits)
{
    return sector >= 0 && sector < limits->nr_sectors
               ? 0 : 1u << BLKIF_BEYOND_END;
}

/* Every reason against the segments; counts their sectors. */
static unsigned judge_data(const struct blkif_wire_request *request,
                           const struct blkif_limits *limits, uint64_t *count)
{
    const bool is_indirect = request->operation == 6;
    const struct blkif_wire_segment *segments =
        is_indirect ? descriptors : request->segments;
    unsigned nr = is_indirect ? request->nr_indirect_segments
                              : request->nr_segments;
    unsigned reasons = 0;
    __int128 sector = request->sector;

    if (nr > (is_indirect ? limits->max_indirect_segments : 11))
        return 1u << BLKIF_TOO_MANY_SEGMENTS;
    if (is_indirect && nr == 0)
        return 1u << BLKIF_NO_SEGMENTS;
    for (unsigned i = 0; i < nr; i++) {
        int first = segments[i].first_sector;
        int last = segments[i].last_sector;

        if (first > last)
            reasons |= 1u << BLKIF_SEGMENT_BACKWARDS;
        if (first % limits->sector_alignment != 0 ||
            (last + 1) % limits->sector_alignment != 0)
            reasons |= 1u << BLKIF_UNALIGNED;
        for (int in_page = first; in_page <= last; in_page++, ++*count) {
            if (in_page * 512 + 512 > 4096)
                reasons |= 1u << BLKIF_SEGMENT_PAST_PAGE;
            reasons |= walk(sector++, limits);
        }
    }
    return reasons;
}

static unsigned judge(const struct blkif_wire_request *request,
                      const struct blkif_limits *limits, uint64_t *count)
{
    unsigned reasons = 0;
    bool can_be_empty = false, is_write = true;

    *count = 0;
    switch (request->operation) {
    case 0:
        is_write = false;
        break;
    case 1:
        break;
    case 2:
    case 3:
        can_be_empty = true;
        if (!(request->operation == 2 ? limits->has_barrier
                                      : limits->has_flush))
            return 1u << BLKIF_NOT_ADVERTISED;
        break;
    case 5:
        if (!limits->has_discard)
            return 1u << BLKIF_NOT_ADVERTISED;
        *count = request->nr_sectors;
        if (*count)
            reasons |= walk((__int128)request->sector + *count - 1, limits);
        if (*count % limits->sector_alignment)
            reasons |= 1u << BLKIF_UNALIGNED;
        break;
    case 6:
        if (limits->max_indirect_segments == 0)
            return 1u << BLKIF_NOT_ADVERTISED;
        if (request->indirect_operation > 1)
            return 1u << BLKIF_BAD_INDIRECT;
        is_write = request->indirect_operation == 1;
        break;
    default:
        return 1u << BLKIF_UNKNOWN_OPERATION;
    }
    if (request->operation != 5)
        reasons |= judge_data(request, limits, count);
    if (*count == 0 && request->nr_segments == 0 && can_be_empty)
        return 0;
    if (request->operation == 5 ? *count == 0
                                : request->operation != 6 &&
                                      request->nr_segments == 0)
        reasons |= 1u << BLKIF_NO_SEGMENTS;
    if (request->sector % limits->sector_alignment)
        reasons |= 1u << BLKIF_UNALIGNED;
    if (is_write && limits->read_only)
        reasons |= 1u << BLKIF_READ_ONLY;
    return reasons;
}

/* Near the boundaries more often than not. */
static uint64_t random_sector(const struct blkif_limits *limits)
{
    switch (random_below(4)) {
    case 0:
        return limits->nr_sectors - random_below(100);
    case 1:
        return 0 - (uint64_t)random_below(100);
    case 2:
        return (limits->nr_sectors - random_below(100)) & ~UINT64_C(7);
    default:
        return random_below(64) * 8;
    }
}

static struct blkif_wire_segment random_segment(bool is_tame)
{
    struct blkif_wire_segment segment = { .first_sector = 0,
                                          .last_sector = 7 };

    if (is_tame)
        return segment;
    segment.first_sector = (uint8_t)random_below(8);
    segment.last_sector = (uint8_t)random_below(9);
    return segment;
}

static struct blkif_wire_request random_request(
    const struct blkif_limits *limits)
{
    struct blkif_wire_request request = {
        .operation = (uint8_t)random_below(8),
        .sector = random_sector(limits) };
    bool is_tame = random_below(3) > 0;

    if (request.operation == I) {
        request.indirect_operation = (uint8_t)(random_below(17) / 8);
        request.nr_indirect_segments =
            (uint16_t)random_below(random_below(8) ? 40 : 300);
        for (unsigned i = 0; i < request.nr_indirect_segments &&
                             i < BLKIF_MAX_INDIRECT_SEGMENTS; i++)
            /* one wild segment in some place is a wild request */
            descriptors[i] = random_segment(is_tame || random_below(4));
        return request;
    }
    request.nr_segments = (uint8_t)random_below(13);
    if (request.operation == BLKIF_OP_DISCARD)
        request.nr_sectors = random_sector(limits) - request.sector;
    for (unsigned i = 0; i < BLKIF_WIRE_SEGMENTS; i++)
        request.segments[i] = random_segment(is_tame);
    return request;
}

static void check_random(void)
{
    static const uint32_t most_indirect[] = { 0, 32, 256 };
    unsigned accepted[2] = { 0, 0 };
    unsigned long rounds = tap_scaled(1000000);

    random_state = tap_seed() * 2 + 1;
    for (unsigned long i = 0; i < rounds; i++) {
        struct blkif_limits limits = limits_of(random_below(8));
        struct blkif_wire_request request;
        struct blkif_io io;
        uint64_t count;
        unsigned reasons;
        enum blkif_refusal refusal;

        limits.nr_sectors = random_below(2) ? 800 : UINT64_MAX - 7;
        limits.max_indirect_segments = most_indirect[random_below(3)];
        request = random_request(&limits);
        reasons = judge(&request, &limits, &count);
        refusal = judge_as_back(&request, &limits, &io);
        if (refusal == BLKIF_ACCEPTED) {
            accepted[io.is_indirect]++;
            CHECK_EQ(reasons, 0);
            CHECK(io.nr_sectors == count);
            CHECK(io.sector == (count ? request.sector : 0));
        } else {
            CHECK(reasons >> refusal & 1);
        }
    }
    NOTE("%u and %u indirect of %lu accepted", accepted[false],
         accepted[true], rounds);
    CHECK(accepted[false] > rounds / 50 && accepted[true] > rounds / 500);
}

int main(void)
{
    TEST("each rule refuses what breaks it and nothing else (XSA-142, XSA-155, "
         "XSA-266)", check_rows);
    TEST("a bad segment is found in every place", check_each_segment);
    TEST("so it is in every place of an indirect page", check_each_indirect);
    TEST("an answer names the operation inside of an indirect request",
         check_response_operation);
    TEST("a secure discard is one that was asked for and is offered",
         check_secure);
    TEST("each refusal has a status and a sentence of its own",
         check_refusals);
    TEST("random requests are judged as the slow judge does", check_random);
    return tap_done();
}
