/* SPDX-License-Identifier: MIT
 * Claim: no NBD request that breaks a rule of the protocol, or of what was
 * agreed on, gets as far as the disk; each gets the error that the protocol
 * names, and every other one runs as it was sent (C9, C15); payload is read
 * past, never taken for a request. Every error of the disk is an NBD error.
 * Source: proto.md, "Request message", "Request types", "Command flags",
 * "Error values", "Block size constraints".
 * Mechanism: a row for each rule and each side of each boundary, in bytes as
 * they come from the wire; then random requests on a disk of a few bytes
 * against a slow judge that collects every error that could be given. */
#include <errno.h>
#include <stddef.h>

#include "backend/disk/nbd/request.h"
#include "tests/unit/tap.h"

enum { READ, WRITE, DISC, FLUSH, TRIM, CACHE, ZEROES, STATUS, RESIZE };
enum { FUA = 1, NO_HOLE = 2, DF = 4, REQ_ONE = 8, FAST_ZERO = 16 };
enum { OK, EPERM_ = 1, EINVAL_ = 22, ENOSPC_ = 28, EOVERFLOW_ = 75 };
enum { GONE = 1000, BROKEN }; /* in place of an error */

#define M UINT64_C(0x100000)
static const struct nbd_limits plain = { .size_bytes = 1024 * M },
    agreed = { .size_bytes = 1024 * M, .has_structured = true,
               .has_allocation_context = true, .df_bytes = 1 * M },
    structured = { .size_bytes = 1024 * M, .has_structured = true,
                   .df_bytes = 64 << 10 },
    read_only = { .size_bytes = 1024 * M, .is_read_only = true,
                  .has_structured = true, .has_allocation_context = true,
                  .df_bytes = 1 * M },
    huge = { .size_bytes = UINT64_MAX, .has_structured = true,
             .has_allocation_context = true, .df_bytes = 32 * M },
    empty = { 0 };

static const struct row {
    const char *what;
    const struct nbd_limits *limits;
    unsigned type, flags;
    uint64_t offset, length;
    unsigned want, want_flags;
} rows[] = {
    { "one byte", &plain, READ, 0, 0, 1, .want = OK },
    { "the last byte", &plain, READ, 0, 1024 * M - 1, 1, .want = OK },
    { "past the last byte", &plain, READ, 0, 1024 * M, 1, .want = EINVAL_ },
    { "half of it past the end", &plain, READ, 0, 1024 * M - 1, 2,
      .want = EINVAL_ },
    { "far past the end", &plain, READ, 0, UINT64_MAX, 1, .want = EINVAL_ },
    { "round the end of numbers", &huge, READ, 0, UINT64_MAX, 1,
      .want = EINVAL_ },
    { "round it, to 0", &huge, READ, 0, UINT64_MAX - 511, 512,
      .want = EINVAL_ },
    { "the very end", &huge, READ, 0, UINT64_MAX - 512, 512, .want = OK },
    { "of an empty disk", &empty, READ, 0, 0, 1, .want = EINVAL_ },
    { "nothing", &plain, READ, 0, 0, 0, .want = EINVAL_ },
    { "the longest", &plain, READ, 0, 0, 32 * M, .want = OK },
    { "too long", &plain, READ, 0, 0, 32 * M + 1, .want = EINVAL_ },
    { "much too long", &plain, READ, 0, 0, UINT32_MAX, .want = EINVAL_ },
    { "unaligned", &plain, READ, 0, 511, 1026, .want = OK },
    { "FUA means nothing", &plain, READ, FUA, 0, 1, .want = OK },
    { "DF not agreed on", &plain, READ, DF, 0, 1, .want = EINVAL_ },
    { "DF", &agreed, READ, DF, 0, 1 * M, .want_flags = DF },
    { "DF and FUA", &agreed, READ, DF | FUA, 0, 1 * M, .want_flags = DF },
    { "DF too long", &agreed, READ, DF, 0, 1 * M + 1, .want = EOVERFLOW_ },
    { "DF much too long", &agreed, READ, DF, 0, 33 * M, .want = EOVERFLOW_ },
    { "DF past the end", &agreed, READ, DF, 1024 * M, 2 * M, .want = EINVAL_ },
    { "long without DF", &agreed, READ, 0, 0, 1 * M + 1, .want = OK },
    { "NO_HOLE", &agreed, READ, NO_HOLE, 0, 1, .want = EINVAL_ },
    { "REQ_ONE", &agreed, READ, REQ_ONE, 0, 1, .want = EINVAL_ },
    { "FAST_ZERO", &agreed, READ, FAST_ZERO, 0, 1, .want = EINVAL_ },
    { "a flag of the future", &agreed, READ, 32, 0, 1, .want = EINVAL_ },
    { "the last flag", &agreed, READ, 0x8000, 0, 1, .want = EINVAL_ },
    { "when read-only", &read_only, READ, 0, 0, 1, .want = OK },

    { "one byte", &plain, WRITE, 0, 1, 1, .want = OK },
    { "durable", &plain, WRITE, FUA, 0, 512, .want_flags = FUA },
    { "the longest", &plain, WRITE, 0, 992 * M, 32 * M, .want = OK },
    { "beyond the end", &plain, WRITE, 0, 992 * M + 1, 32 * M,
      .want = ENOSPC_ },
    { "nothing", &plain, WRITE, 0, 0, 0, .want = EINVAL_ },
    { "nothing beyond the end", &plain, WRITE, 0, 1025 * M, 0,
      .want = EINVAL_ },
    { "when read-only", &read_only, WRITE, 0, 0, 1, .want = EPERM_ },
    { "beyond it, read-only", &read_only, WRITE, 0, 1024 * M, 1,
      .want = EPERM_ },
    { "DF", &agreed, WRITE, DF, 0, 1, .want = EINVAL_ },
    { "an unknown flag, read-only", &read_only, WRITE, 64, 0, 1,
      .want = EINVAL_ },
    { "too long to be read past", &plain, WRITE, 0, 0, 32 * M + 1,
      .want = BROKEN },
    { "so, with a bad flag", &plain, WRITE, 64, 0, UINT32_MAX, .want = BROKEN },
    { "so, read-only", &read_only, WRITE, 0, 0, 32 * M + 1, .want = BROKEN },

    { "goodbye", &plain, DISC, 0, 0, 0, .want = GONE },
    { "goodbye with numbers", &plain, DISC, 0xffff, 1, UINT32_MAX,
      .want = GONE },

    { "all", &plain, FLUSH, 0, 0, 0, .want = OK },
    { "FUA means nothing", &plain, FLUSH, FUA, 0, 0, .want = OK },
    { "an offset", &plain, FLUSH, 0, 512, 0, .want = EINVAL_ },
    { "a length", &plain, FLUSH, 0, 0, 512, .want = EINVAL_ },
    { "when read-only", &read_only, FLUSH, 0, 0, 0, .want = OK },
    { "of an empty disk", &empty, FLUSH, 0, 0, 0, .want = OK },
    { "NO_HOLE", &plain, FLUSH, NO_HOLE, 0, 0, .want = EINVAL_ },

    { "all", &plain, TRIM, 0, 0, 1024 * M, .want = OK },
    { "durable", &plain, TRIM, FUA, 0, 1, .want_flags = FUA },
    { "beyond the end", &plain, TRIM, 0, 0, 1024 * M + 1, .want = EINVAL_ },
    { "nothing", &plain, TRIM, 0, 0, 0, .want = EINVAL_ },
    { "when read-only", &read_only, TRIM, 0, 0, 1, .want = EPERM_ },
    { "FAST_ZERO", &plain, TRIM, FAST_ZERO, 0, 1, .want = EINVAL_ },
    { "the most", &huge, TRIM, 0, 0, UINT32_MAX, .want = OK },

    { "all", &plain, CACHE, 0, 0, 1024 * M, .want = OK },
    { "FUA means nothing", &plain, CACHE, FUA, 0, 1, .want = OK },
    { "beyond the end", &plain, CACHE, 0, 1, 1024 * M, .want = EINVAL_ },
    { "nothing", &plain, CACHE, 0, 0, 0, .want = EINVAL_ },
    { "DF", &agreed, CACHE, DF, 0, 1, .want = EINVAL_ },
    { "when read-only", &read_only, CACHE, 0, 0, 1, .want = OK },

    { "all", &plain, ZEROES, 0, 0, 1024 * M, .want = OK },
    { "every flag", &plain, ZEROES, FUA | NO_HOLE | FAST_ZERO, 0, 1,
      .want_flags = FUA | NO_HOLE | FAST_ZERO },
    { "DF", &agreed, ZEROES, DF, 0, 1, .want = EINVAL_ },
    { "beyond the end", &plain, ZEROES, 0, 0, 1024 * M + 1, .want = ENOSPC_ },
    { "nothing", &plain, ZEROES, 0, 0, 0, .want = EINVAL_ },
    { "when read-only", &read_only, ZEROES, 0, 0, 1, .want = EPERM_ },

    { "all", &agreed, STATUS, 0, 0, 1024 * M, .want = OK },
    { "one extent", &agreed, STATUS, REQ_ONE | FUA, 0, 1,
      .want_flags = REQ_ONE },
    { "beyond the end", &agreed, STATUS, 0, 1, 1024 * M, .want = EINVAL_ },
    { "nothing", &agreed, STATUS, 0, 0, 0, .want = EINVAL_ },
    { "no context", &structured, STATUS, 0, 0, 1, .want = EINVAL_ },
    { "DF", &agreed, STATUS, DF, 0, 1, .want = EINVAL_ },
    { "when read-only", &read_only, STATUS, 0, 0, 1, .want = OK },

    { "a resize", &agreed, RESIZE, 0, 0, 1, .want = EINVAL_ },
    { "type 9", &agreed, 9, 0, 0, 1, .want = EINVAL_ },
    { "a write's type, swapped", &agreed, 0x100, 0, 0, 1, .want = EINVAL_ },
    { "the last type", &agreed, 0xffff, 0, 0, UINT32_MAX, .want = EINVAL_ },
};

static struct nbd_request request;
static uint32_t error;

/* The 28 bytes of the document, made without wire.h's structure. */
static enum nbd_judgement judge(uint32_t magic, unsigned flags, unsigned type,
                                uint64_t offset, uint64_t length,
                                const struct nbd_limits *limits)
{
    static const uint8_t cookie[8] = "\x01\xff" "cookie";
    const struct { uint64_t number; unsigned at, end; } fields[] = {
        { magic, 0, 4 }, { flags, 4, 6 }, { type, 6, 8 },
        { offset, 16, 24 }, { length, 24, 28 },
    };
    struct nbd_wire_request wire;
    uint8_t *bytes = (uint8_t *)&wire;

    REQUIRE(sizeof wire == 28);
    memcpy(bytes + 8, cookie, sizeof cookie);
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        for (unsigned at = fields[i].at; at < fields[i].end; at++)
            bytes[at] =
                (uint8_t)(fields[i].number >> 8 * (fields[i].end - 1 - at));
    memset(&request, 0xaa, sizeof request);
    error = 77;
    return nbd_request_judge(&wire, limits, &request, &error);
}

static unsigned outcome(enum nbd_judgement judgement)
{
    switch (judgement) {
    case NBD_RUN:
        return OK;
    case NBD_REFUSE:
        return error;
    case NBD_DISCONNECT:
        return GONE;
    case NBD_HANG_UP:
        return BROKEN;
    }
    return 9999;
}

static void check_rows(void)
{
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        unsigned got = outcome(judge(0x25609513, row->flags, row->type,
                                     row->offset, row->length, row->limits));

        if (!CHECK_EQ(got, row->want))
            NOTE("row: type %u, %s", row->type, row->what);
        CHECK(memcmp(&request.cookie, "\x01\xff" "cookie", 8) == 0);
        CHECK_EQ(request.offset_bytes, row->offset);
        CHECK_EQ(request.length_bytes, row->length);
        CHECK_EQ(request.type, row->type);
        CHECK_EQ(request.payload_bytes,
                 row->type == WRITE ? row->length : 0);
        if (row->want == OK)
            CHECK_EQ(request.flags, row->want_flags);
    }
}

static void check_magic(void)
{
    for (unsigned bit = 0; bit < 32; bit++)
        CHECK_EQ(judge(0x25609513 ^ UINT32_C(1) << bit, 0, READ, 0, 1,
                       &plain), NBD_HANG_UP);
    CHECK_EQ(judge(0x13956025, 0, READ, 0, 1, &plain), NBD_HANG_UP);
}

/* --- the slow judge ------------------------------------------------------- */

enum { SMALL_BYTES = 40, SMALL_DF_BYTES = 4 };

/* Whether a flag may come with a type, from the document's list of flags. */
static bool may_have(unsigned type, unsigned flag,
                     const struct nbd_limits *limits)
{
    return flag == FUA || (flag == NO_HOLE && type == ZEROES) ||
           (flag == DF && type == READ && limits->has_structured) ||
           (flag == REQ_ONE && type == STATUS) ||
           (flag == FAST_ZERO && type == ZEROES);
}

static bool touches_beyond(uint64_t offset, uint64_t length, uint64_t size)
{
    for (uint64_t byte = 0; byte < length; byte++)
        if (offset + byte >= size || offset + byte < offset)
            return true;
    return false;
}

/* A bit for each reason that there is; none: it has to run. */
static unsigned reasons(unsigned flags, unsigned type, uint64_t offset,
                        uint64_t length, const struct nbd_limits *limits)
{
    enum { R_EINVAL = 1, R_ENOSPC = 2, R_EPERM = 4, R_EOVERFLOW = 8 };
    bool is_write = type == WRITE || type == TRIM || type == ZEROES;
    unsigned found = 0;

    for (unsigned flag = 1; flag <= 0x8000; flag <<= 1)
        if (flags & flag && !may_have(type, flag, limits))
            found |= R_EINVAL;
    if (type > STATUS || (type == STATUS && !limits->has_allocation_context))
        return R_EINVAL;
    if (is_write && limits->is_read_only)
        found |= R_EPERM;
    if (type == FLUSH)
        return offset || length ? R_EINVAL : found;
    if (length == 0)
        found |= R_EINVAL;
    if (touches_beyond(offset, length, limits->size_bytes))
        found |= type == WRITE || type == ZEROES ? R_ENOSPC : R_EINVAL;
    if (type == READ && flags & DF && length > limits->df_bytes)
        found |= R_EOVERFLOW;
    return found;
}

static unsigned reason_of(uint32_t nbd_error)
{
    return nbd_error == EINVAL_     ? 1
           : nbd_error == ENOSPC_   ? 2
           : nbd_error == EPERM_    ? 4
           : nbd_error == EOVERFLOW_ ? 8 : 0;
}

static void check_random(void)
{
    unsigned long outcomes[3] = { 0 };

    for (unsigned long n = tap_scaled(500000); n > 0; n--) {
        struct nbd_limits limits = {
            .size_bytes = (uint64_t)(rand() % SMALL_BYTES),
            .is_read_only = rand() % 4 == 0, .has_structured = rand() % 2,
            .df_bytes = SMALL_DF_BYTES };
        unsigned flags = rand() % 4 ? 0 : 1u << rand() % 16 | rand() % 32;
        unsigned type = (unsigned)rand() % 10, found;
        uint64_t offset = (uint64_t)(rand() % 50) - (rand() % 4 ? 0 : 50);
        uint64_t length = (uint64_t)(rand() % 50);
        enum nbd_judgement judgement;

        limits.has_allocation_context = limits.has_structured && rand() % 2;
        if (type == DISC)
            continue;
        if (type == FLUSH && rand() % 2)
            offset = length = 0;
        found = reasons(flags, type, offset, length, &limits);
        judgement = judge(0x25609513, flags, type, offset, length, &limits);
        CHECK_EQ(judgement, found ? NBD_REFUSE : NBD_RUN);
        if (judgement == NBD_REFUSE)
            CHECK(reason_of(error) & found);
        outcomes[judgement]++;
    }
    NOTE("%lu ran, %lu were refused", outcomes[NBD_RUN],
         outcomes[NBD_REFUSE]);
    CHECK(outcomes[NBD_RUN] > 0 && outcomes[NBD_REFUSE] > 0);
}

/* Only what is in "Error values", and success for success alone. */
static void check_errors(void)
{
    static const uint32_t values[] = { 1, 5, 12, 22, 28, 75, 95, 108 };

    CHECK_EQ(nbd_error_of(0), 0);
    CHECK_EQ(nbd_error_of(-EROFS), 1);
    CHECK_EQ(nbd_error_of(-EIO), 5);
    CHECK_EQ(nbd_error_of(-ENOMEM), 12);
    CHECK_EQ(nbd_error_of(-EINVAL), 22);
    CHECK_EQ(nbd_error_of(-ENOSPC), 28);
    CHECK_EQ(nbd_error_of(-EDQUOT), 28);
    CHECK_EQ(nbd_error_of(-EFBIG), 28);
    CHECK_EQ(nbd_error_of(-EOPNOTSUPP), 95);
    CHECK_EQ(nbd_error_of(-ESHUTDOWN), 108);
    CHECK_EQ(nbd_error_of(-ETIMEDOUT), 5);
    CHECK_EQ(nbd_error_of(-EOVERFLOW), 5); /* means DF to a client */
    CHECK_EQ(nbd_error_of(EINVAL), 5);     /* is no -errno */
    for (int n = -200; n <= 200; n++) {
        bool is_known = n == 0;

        for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
            is_known |= nbd_error_of(n) == values[i];
        CHECK(is_known && (n == 0 || nbd_error_of(n) != 0));
    }
}

int main(void)
{
    srand((unsigned)tap_seed());
    TEST("each request is judged as the protocol says", check_rows);
    TEST("what does not begin like a request is the end", check_magic);
    TEST("random requests run when a slow judge finds no reason against it",
         check_random);
    TEST("each error of the disk is one that NBD knows", check_errors);
    return tap_done();
}
