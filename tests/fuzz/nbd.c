/* SPDX-License-Identifier: MIT
 * Claim: whatever an NBD client sends, and however it is cut, the handshake
 * answers each option with what the protocol asks for and nothing else, takes
 * no byte of what follows a GO, and no request runs that is not within the
 * disk and within what was agreed on.
 * Source: proto.md, "Fixed newstyle negotiation", "Option types",
 * "Option reply types", "Request message", "Request types".
 * Mechanism: the first four bytes are what the disk is like, how the stream is
 * cut and how many zeros (in 64 bytes) follow it; the rest is the stream. It is
 * parsed here once more and judged slowly (options.h), and what is heard is
 * parsed as a client does; then it is sent again in one piece and must end the
 * same. */
#include <stdbool.h>

#include "backend/disk/nbd/handshake.h"
#include "backend/disk/nbd/request.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/options.h"

enum { FLAGS_BYTES = 4, HEADER_BYTES = 16, REPLY_BYTES = 20 };

static uint8_t *stream;
static size_t stream_bytes;
static struct nbd_export disk;
static bool is_read_only;
static struct nbd_handshake handshake;

/* What a client knows after the answers so far. */
struct known {
    bool has_structured, has_allocation;
    unsigned nr_options;
    uint64_t hash; /* of all that was heard */
    size_t taken;
};

/* --- answers, as a client reads them -------------------------------------- */

struct replies {
    uint32_t option, final; /* 0: there was none yet */
    unsigned informed;      /* a bit for each type of information */
    unsigned nr_contexts;
};

static bool is_info(uint32_t option)
{
    return option == NBD_WIRE_OPT_INFO || option == NBD_WIRE_OPT_GO;
}

static void check_export(const uint8_t *bytes)
{
    uint64_t flags = wire_number(bytes + 8, 2);

    MUST(wire_number(bytes, 8) == disk.size_bytes);
    MUST(flags & NBD_WIRE_HAS_FLAGS);
    MUST(!(flags & NBD_WIRE_READ_ONLY) == !is_read_only);
    MUST(!(flags & NBD_WIRE_SEND_DF) == !handshake.has_structured);
}

static void check_information(struct replies *replies, const uint8_t *payload,
                              uint32_t length)
{
    uint64_t type;

    MUST(is_info(replies->option) && length >= 2);
    type = wire_number(payload, 2);
    MUST(type <= NBD_WIRE_INFO_BLOCK_SIZE && !(replies->informed & 1 << type));
    replies->informed |= 1 << type;
    if (type == NBD_WIRE_INFO_EXPORT) {
        MUST(length == 12);
        check_export(payload + 2);
    } else if (type == NBD_WIRE_INFO_BLOCK_SIZE) {
        MUST(length == 14 && wire_number(payload + 2, 4) == 1);
        MUST(wire_number(payload + 6, 4) == disk.preferred_bytes);
        MUST(wire_number(payload + 10, 4) == disk.max_bytes);
    } else if (type == NBD_WIRE_INFO_NAME) {
        MUST(length == 2);
    }
}

static void check_context(struct replies *replies, const uint8_t *payload,
                          uint32_t length)
{
    static const char name[] = "base:allocation";

    MUST(replies->option == NBD_WIRE_OPT_LIST_META_CONTEXT ||
         replies->option == NBD_WIRE_OPT_SET_META_CONTEXT);
    MUST(wire_number(payload, 4) ==
         (replies->option == NBD_WIRE_OPT_LIST_META_CONTEXT
              ? 0 : NBD_ALLOCATION_CONTEXT));
    MUST(length == 4 + strlen(name) && replies->nr_contexts++ == 0);
    MUST(memcmp(payload + 4, name, strlen(name)) == 0);
}

static void check_final(struct replies *replies, uint32_t type,
                        const uint8_t *payload, uint32_t length)
{
    replies->final = type;
    if (type == NBD_WIRE_REP_ACK) {
        MUST(length == 0);
        return;
    }
    MUST(length <= NBD_WIRE_NAME_BYTES && !memchr(payload, 0, length));
    MUST(replies->informed == 0 && replies->nr_contexts == 0);
}

/* Returns how many bytes the reply has. */
static size_t check_reply(struct replies *replies, const uint8_t *bytes,
                          size_t left)
{
    const uint8_t *payload = bytes + REPLY_BYTES;
    uint32_t type, length;

    MUST(replies->final == 0 && left >= REPLY_BYTES);
    MUST(wire_number(bytes, 8) == NBD_WIRE_REPLY_MAGIC);
    MUST(wire_number(bytes + 8, 4) == replies->option);
    type = (uint32_t)wire_number(bytes + 12, 4);
    length = (uint32_t)wire_number(bytes + 16, 4);
    MUST(length <= left - REPLY_BYTES);
    if (type == NBD_WIRE_REP_SERVER)
        MUST(replies->option == NBD_WIRE_OPT_LIST && length >= 4 &&
             wire_number(payload, 4) == 0);
    else if (type == NBD_WIRE_REP_INFO)
        check_information(replies, payload, length);
    else if (type == NBD_WIRE_REP_META_CONTEXT)
        check_context(replies, payload, length);
    else
        check_final(replies, type, payload, length);
    return REPLY_BYTES + length;
}

static void check_state(struct known *known, uint32_t option, bool is_ack)
{
    bool is_last;

    if (option == NBD_WIRE_OPT_GO && is_ack) {
        MUST(handshake.state == NBD_HANDSHAKE_TRANSMISSION);
        return;
    }
    is_last = ++known->nr_options == NBD_MAX_OPTIONS;
    MUST(handshake.state == (is_last || option == NBD_WIRE_OPT_ABORT
                                 ? NBD_HANDSHAKE_CLOSED
                                 : NBD_HANDSHAKE_OPTION));
}

/* What one option was answered with, and what is agreed on from then on. */
static void check_replies(struct known *known, struct option *option,
                          const uint8_t *answer, size_t nr_bytes)
{
    struct replies replies = { .option = option->number };
    bool is_ack;

    option->has_structured = known->has_structured;
    for (size_t at = 0; at < nr_bytes;)
        at += check_reply(&replies, answer + at, nr_bytes - at);
    MUST(replies.final == option_judge(option));
    MUST(replies.nr_contexts == option->has_context);
    is_ack = replies.final == NBD_WIRE_REP_ACK;
    if (is_ack && is_info(option->number))
        MUST(replies.informed & 1 << NBD_WIRE_INFO_EXPORT);
    if (is_ack && option->number == NBD_WIRE_OPT_STRUCTURED_REPLY)
        known->has_structured = true;
    if (option->number == NBD_WIRE_OPT_SET_META_CONTEXT)
        known->has_allocation = option->has_context;
    check_state(known, option->number, is_ack);
}

/* --- the stream, as it is written ----------------------------------------- */

/* The option that begins there; it may end past the stream. */
static struct option option_at(size_t start)
{
    if (stream_bytes < start || stream_bytes - start < HEADER_BYTES)
        return (struct option){ .length = UINT32_MAX };
    return (struct option){
        .number = (uint32_t)wire_number(stream + start + 8, 4),
        .data = stream + start + HEADER_BYTES,
        .length = wire_number(stream + start + 12, 4),
        .is_refused = disk.refusal,
    };
}

/* An option that began at start was answered. */
static void check_answer(struct known *known, size_t start,
                         const uint8_t *answer, size_t nr_bytes)
{
    struct option option = option_at(start);
    uint64_t flags = wire_number(stream, FLAGS_BYTES);

    MUST(flags <= (NBD_WIRE_FIXED_NEWSTYLE | NBD_WIRE_NO_ZEROES));
    MUST(wire_number(stream + start, 8) == NBD_WIRE_OPTION_MAGIC);
    MUST(known->taken == start + HEADER_BYTES + option.length);
    if (option.number != NBD_WIRE_OPT_EXPORT_NAME) {
        check_replies(known, &option, answer, nr_bytes);
        return;
    }
    MUST(option.length == 0 && !disk.refusal);
    MUST(handshake.state == NBD_HANDSHAKE_TRANSMISSION);
    MUST(nr_bytes == (flags & NBD_WIRE_NO_ZEROES ? 10 : 134));
    check_export(answer);
}

static void hear(struct known *known, const uint8_t *answer, size_t nr_bytes)
{
    MUST(nr_bytes <= NBD_ANSWER_BYTES);
    for (size_t i = 0; i < nr_bytes; i++)
        known->hash = (known->hash ^ answer[i]) * UINT64_C(0x100000001b3);
}

static bool is_negotiating(void)
{
    return handshake.state == NBD_HANDSHAKE_FLAGS ||
           handshake.state == NBD_HANDSHAKE_OPTION;
}

/* In random pieces of at most so many bytes; 0: in one. */
static struct known negotiate(unsigned most_at_once, uint32_t seed)
{
    static uint8_t answer[NBD_ANSWER_BYTES];
    struct known known = { 0 };
    size_t start = FLAGS_BYTES, nr;

    hear(&known, answer, nbd_handshake_begin(&handshake, answer));
    while (is_negotiating() && known.taken < stream_bytes) {
        size_t piece = stream_bytes - known.taken, took;

        seed = seed * 1103515245 + 12345;
        if (most_at_once && piece > 1 + (seed >> 16) % most_at_once)
            piece = 1 + (seed >> 16) % most_at_once;
        took = nbd_handshake_feed(&handshake, &disk, stream + known.taken,
                                  piece, answer, &nr);
        MUST(took > 0 && took <= piece);
        MUST(handshake.state == NBD_HANDSHAKE_CLOSED || !handshake.why);
        known.taken += took;
        hear(&known, answer, nr);
        if (nr > 0) {
            check_answer(&known, start, answer, nr);
            start = known.taken;
        } else {
            MUST(handshake.state != NBD_HANDSHAKE_TRANSMISSION);
        }
        MUST(handshake.has_structured == known.has_structured);
        MUST(handshake.has_allocation_context == known.has_allocation);
    }
    if (!is_negotiating())
        MUST(nbd_handshake_feed(&handshake, &disk, stream + known.taken,
                                stream_bytes - known.taken, answer,
                                &nr) == 0 && nr == 0);
    return known;
}

/* --- requests ------------------------------------------------------------- */

static bool is_write(unsigned type)
{
    return type == NBD_WIRE_CMD_WRITE || type == NBD_WIRE_CMD_TRIM ||
           type == NBD_WIRE_CMD_WRITE_ZEROES;
}

/* All flags that may come with it, FUA apart. */
static uint64_t flags_of(unsigned type)
{
    return type == NBD_WIRE_CMD_READ && handshake.has_structured
               ? NBD_WIRE_FLAG_DF
           : type == NBD_WIRE_CMD_WRITE_ZEROES
               ? NBD_WIRE_FLAG_NO_HOLE | NBD_WIRE_FLAG_FAST_ZERO
           : type == NBD_WIRE_CMD_BLOCK_STATUS ? NBD_WIRE_FLAG_REQ_ONE : 0;
}

static void check_runs(const struct nbd_request *request, uint64_t flags)
{
    uint64_t end = request->offset_bytes + request->length_bytes;
    unsigned type = request->type;

    MUST(type <= NBD_WIRE_CMD_BLOCK_STATUS);
    MUST(type != NBD_WIRE_CMD_BLOCK_STATUS ||
         handshake.has_allocation_context);
    MUST(end >= request->offset_bytes && end <= disk.size_bytes);
    MUST((request->length_bytes == 0) == (type == NBD_WIRE_CMD_FLUSH));
    MUST(!is_write(type) || !is_read_only);
    MUST(type != NBD_WIRE_CMD_READ ||
         request->length_bytes <= NBD_MAX_REQUEST_BYTES);
    MUST(!(flags & ~(flags_of(type) | NBD_WIRE_FLAG_FUA)));
    MUST(request->flags ==
         (flags & (flags_of(type) | (is_write(type) ? NBD_WIRE_FLAG_FUA : 0))));
}

static void check_refused(const struct nbd_request *request, uint32_t error)
{
    MUST(error == NBD_WIRE_EINVAL ||
         (error == NBD_WIRE_EPERM && is_read_only && is_write(request->type)) ||
         (error == NBD_WIRE_ENOSPC && is_write(request->type)) ||
         (error == NBD_WIRE_EOVERFLOW && request->type == NBD_WIRE_CMD_READ));
}

/* Returns where the next one begins; past the stream: nowhere. */
static uint64_t check_request(size_t at, const struct nbd_limits *limits)
{
    const uint8_t *bytes = stream + at;
    uint64_t type = wire_number(bytes + 6, 2);
    uint64_t length = wire_number(bytes + 24, 4);
    uint64_t payload_bytes = type == NBD_WIRE_CMD_WRITE ? length : 0;
    bool is_broken = wire_number(bytes, 4) != NBD_WIRE_REQUEST_MAGIC ||
                     payload_bytes > NBD_MAX_REQUEST_BYTES;
    struct nbd_wire_request wire;
    struct nbd_request request;
    uint32_t error = 0;
    enum nbd_judgement judgement;

    memcpy(&wire, bytes, sizeof wire);
    judgement = nbd_request_judge(&wire, limits, &request, &error);
    MUST(is_broken == (judgement == NBD_HANG_UP));
    if (is_broken)
        return UINT64_MAX;
    MUST((judgement == NBD_DISCONNECT) == (type == NBD_WIRE_CMD_DISC));
    if (judgement == NBD_DISCONNECT)
        return UINT64_MAX;
    MUST(memcmp(&request.cookie, bytes + 8, 8) == 0);
    MUST(request.type == type && request.length_bytes == length);
    MUST(request.offset_bytes == wire_number(bytes + 16, 8));
    MUST(request.payload_bytes == payload_bytes);
    if (judgement == NBD_RUN)
        check_runs(&request, wire_number(bytes + 4, 2));
    else
        check_refused(&request, error);
    return at + sizeof wire + payload_bytes;
}

static void serve(uint64_t at)
{
    const struct nbd_limits limits = {
        .size_bytes = disk.size_bytes,
        .is_read_only = is_read_only,
        .has_structured = handshake.has_structured,
        .has_allocation_context = handshake.has_allocation_context,
        .df_bytes = 1 << 16,
    };

    while (at < stream_bytes &&
           stream_bytes - at >= sizeof(struct nbd_wire_request))
        at = check_request((size_t)at, &limits);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = { data, size };
    uint8_t kind = fuzz_byte(&input), bits = fuzz_byte(&input);
    uint8_t cuts = fuzz_byte(&input);
    size_t zeros = fuzz_byte(&input) * 64u;
    struct known first, second;

    is_read_only = kind & 1;
    disk = (struct nbd_export){
        .size_bytes = (UINT64_C(1) << bits % 64) - (bits >> 6 & 1),
        .preferred_bytes = 4096,
        .max_bytes = NBD_MAX_REQUEST_BYTES,
        .flags = is_read_only ? NBD_WIRE_READ_ONLY : 0,
        .refusal = kind & 2 ? "it was handed over" : NULL,
    };
    stream_bytes = input.left + zeros;
    stream = calloc(1, stream_bytes ? stream_bytes : 1);
    MUST(stream);
    if (input.left > 0)
        memcpy(stream, input.data, input.left);
    first = negotiate(1u << cuts % 8, cuts);
    second = negotiate(0, 0);
    MUST(first.hash == second.hash && first.taken == second.taken);
    if (handshake.state == NBD_HANDSHAKE_TRANSMISSION)
        serve(second.taken);
    free(stream);
    return 0;
}
