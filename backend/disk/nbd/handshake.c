/* SPDX-License-Identifier: MIT
 * The newstyle negotiation: collects a piece of what the client says (its
 * flags, the header of an option, the data of an option), judges and answers
 * it. */
#include "backend/disk/nbd/handshake.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "backend/disk/nbd/wire.h"

static const char description[] = "a disk served by vbdd";
static const char allocation[] = "base:allocation";

/* --- what is said: appended, and there is always room --------------------- */

struct answer {
    uint32_t option; /* that is answered */
    uint8_t *bytes;
    size_t nr_bytes;
};

static void put(struct answer *answer, const void *bytes, size_t nr_bytes)
{
    assert(nr_bytes <= NBD_ANSWER_BYTES - answer->nr_bytes);
    memcpy(answer->bytes + answer->nr_bytes, bytes, nr_bytes);
    answer->nr_bytes += nr_bytes;
}

static void put_16(struct answer *answer, uint16_t number)
{
    put(answer, &(uint16_t){ htobe16(number) }, sizeof number);
}

static void put_32(struct answer *answer, uint32_t number)
{
    put(answer, &(uint32_t){ htobe32(number) }, sizeof number);
}

static void put_64(struct answer *answer, uint64_t number)
{
    put(answer, &(uint64_t){ htobe64(number) }, sizeof number);
}

/* The header of a reply; length_bytes are put after it. */
static void reply(struct answer *answer, uint32_t type, size_t length_bytes)
{
    put_64(answer, NBD_WIRE_REPLY_MAGIC);
    put_32(answer, answer->option);
    put_32(answer, type);
    put_32(answer, (uint32_t)length_bytes);
}

/* An error with a sentence for the person at the other end. False, so that a
 * judge can end with it. */
static bool refuse(struct answer *answer, uint32_t type, const char *sentence)
{
    size_t length = strnlen(sentence, NBD_WIRE_NAME_BYTES);

    reply(answer, type, length);
    put(answer, sentence, length);
    return false;
}

/* --- what is heard: the data of an option, taken piece by piece ----------- */

struct reader {
    const uint8_t *bytes;
    size_t left;
    bool is_broken; /* more was to be taken than there was */
};

struct text {
    const uint8_t *bytes; /* in the option; not 0-terminated */
    size_t length;
};

static bool is_too_big(const struct nbd_handshake *handshake)
{
    return handshake->piece_bytes > sizeof handshake->buffer;
}

static struct reader data_of(const struct nbd_handshake *handshake)
{
    return (struct reader){ .bytes = handshake->buffer,
                            .left = handshake->piece_bytes,
                            .is_broken = is_too_big(handshake) };
}

/* NULL, and from then on, when there are not so many. */
static const uint8_t *take(struct reader *reader, size_t nr_bytes)
{
    const uint8_t *bytes = reader->bytes;

    reader->is_broken |= nr_bytes > reader->left;
    if (reader->is_broken)
        return NULL;
    reader->bytes += nr_bytes;
    reader->left -= nr_bytes;
    return bytes;
}

static uint32_t take_number(struct reader *reader, unsigned nr_bytes)
{
    const uint8_t *bytes = take(reader, nr_bytes);
    uint32_t number = 0;

    for (unsigned i = 0; bytes && i < nr_bytes; i++)
        number = number << 8 | bytes[i];
    return number;
}

static struct text take_text(struct reader *reader)
{
    size_t length = take_number(reader, 4);

    reader->is_broken |= length > NBD_WIRE_NAME_BYTES;
    return (struct text){ take(reader, length), length };
}

/* All of it has been taken, and no more. */
static bool is_whole(const struct reader *reader)
{
    return !reader->is_broken && reader->left == 0;
}

static bool is_text(const struct text *text, const char *expected)
{
    return text->bytes && text->length == strlen(expected) &&
           memcmp(text->bytes, expected, text->length) == 0;
}

static bool refuse_data(const struct nbd_handshake *handshake,
                        struct answer *answer)
{
    return is_too_big(handshake)
               ? refuse(answer, NBD_WIRE_REP_ERR_TOO_BIG,
                        "the option is too long")
               : refuse(answer, NBD_WIRE_REP_ERR_INVALID,
                        "the option's length and its data do not agree");
}

static bool refuse_name(struct answer *answer)
{
    return refuse(answer, NBD_WIRE_REP_ERR_UNKNOWN,
                  "there is one export, and its name is empty");
}

/* --- the options: true when they are to be acknowledged ------------------- */

static void close_with(struct nbd_handshake *handshake, const char *why)
{
    handshake->state = NBD_HANDSHAKE_CLOSED;
    handshake->why = why;
}

static uint16_t flags_of(const struct nbd_handshake *handshake,
                         const struct nbd_export *export)
{
    return export->flags | NBD_WIRE_HAS_FLAGS |
           (handshake->has_structured ? NBD_WIRE_SEND_DF : 0);
}

/* Has no reply but the export itself; a refusal is the end. */
static void answer_export_name(struct nbd_handshake *handshake,
                               const struct nbd_export *export,
                               struct answer *answer)
{
    static const uint8_t zeroes[124];

    if (handshake->piece_bytes > 0) {
        close_with(handshake, "it asked for an export that does not exist");
        return;
    }
    if (export->refusal) {
        close_with(handshake, export->refusal);
        return;
    }
    put_64(answer, export->size_bytes);
    put_16(answer, flags_of(handshake, export));
    if (!handshake->has_no_zeroes)
        put(answer, zeroes, sizeof zeroes);
    handshake->state = NBD_HANDSHAKE_TRANSMISSION;
}

static bool answer_list(const struct nbd_handshake *handshake,
                        struct answer *answer)
{
    if (handshake->piece_bytes > 0)
        return refuse_data(handshake, answer);
    reply(answer, NBD_WIRE_REP_SERVER, 4 + strlen(description));
    put_32(answer, 0); /* the length of the name */
    put(answer, description, strlen(description));
    return true;
}

/* What has to be told is told whether the client asked or not. */
static void put_information(const struct nbd_handshake *handshake,
                            const struct nbd_export *export, uint32_t wanted,
                            struct answer *answer)
{
    reply(answer, NBD_WIRE_REP_INFO, 12);
    put_16(answer, NBD_WIRE_INFO_EXPORT);
    put_64(answer, export->size_bytes);
    put_16(answer, flags_of(handshake, export));
    if (wanted & 1 << NBD_WIRE_INFO_NAME) {
        reply(answer, NBD_WIRE_REP_INFO, 2);
        put_16(answer, NBD_WIRE_INFO_NAME);
    }
    if (wanted & 1 << NBD_WIRE_INFO_DESCRIPTION) {
        reply(answer, NBD_WIRE_REP_INFO, 2 + strlen(description));
        put_16(answer, NBD_WIRE_INFO_DESCRIPTION);
        put(answer, description, strlen(description));
    }
    reply(answer, NBD_WIRE_REP_INFO, 14);
    put_16(answer, NBD_WIRE_INFO_BLOCK_SIZE);
    put_32(answer, 1); /* C13 */
    put_32(answer, export->preferred_bytes);
    put_32(answer, export->max_bytes);
}

static bool answer_info(const struct nbd_handshake *handshake,
                        const struct nbd_export *export,
                        struct answer *answer)
{
    struct reader data = data_of(handshake);
    struct text name = take_text(&data);
    uint32_t wanted = 0; /* a bit for each type of information */

    for (uint32_t nr = take_number(&data, 2); nr > 0; nr--) {
        uint32_t type = take_number(&data, 2);

        if (type < 32)
            wanted |= UINT32_C(1) << type;
    }
    if (!is_whole(&data))
        return refuse_data(handshake, answer);
    if (name.length > 0)
        return refuse_name(answer);
    if (handshake->option == NBD_WIRE_OPT_GO && export->refusal)
        return refuse(answer, NBD_WIRE_REP_ERR_POLICY, export->refusal);
    put_information(handshake, export, wanted, answer);
    return true;
}

static bool answer_structured_reply(struct nbd_handshake *handshake,
                                    struct answer *answer)
{
    if (handshake->piece_bytes > 0)
        return refuse_data(handshake, answer);
    handshake->has_structured = true;
    return true;
}

/* Whether one of the queries that are left means base:allocation. */
static bool take_queries(struct reader *data, bool is_list)
{
    uint32_t nr = take_number(data, 4);
    bool is_found = is_list && nr == 0; /* lists all */

    for (; nr > 0 && !data->is_broken; nr--) {
        struct text query = take_text(data);

        is_found |= is_text(&query, allocation) ||
                    (is_list && is_text(&query, "base:"));
    }
    return is_found;
}

/* SET replaces what was selected before, also when it is refused. */
static bool answer_meta_context(struct nbd_handshake *handshake,
                                struct answer *answer)
{
    bool is_list = handshake->option == NBD_WIRE_OPT_LIST_META_CONTEXT;
    struct reader data = data_of(handshake);
    struct text name = take_text(&data);
    bool is_found = take_queries(&data, is_list);

    if (!is_list)
        handshake->has_allocation_context = false;
    if (!is_whole(&data))
        return refuse_data(handshake, answer);
    if (!handshake->has_structured)
        return refuse(answer, NBD_WIRE_REP_ERR_INVALID,
                      "structured replies have to be agreed on first");
    if (name.length > 0)
        return refuse_name(answer);
    if (!is_found)
        return true;
    reply(answer, NBD_WIRE_REP_META_CONTEXT, 4 + strlen(allocation));
    put_32(answer, is_list ? 0 : NBD_ALLOCATION_CONTEXT);
    put(answer, allocation, strlen(allocation));
    if (!is_list)
        handshake->has_allocation_context = true;
    return true;
}

static bool answer_option(struct nbd_handshake *handshake,
                          const struct nbd_export *export,
                          struct answer *answer)
{
    switch (handshake->option) {
    case NBD_WIRE_OPT_ABORT:
        close_with(handshake, NULL);
        return true;
    case NBD_WIRE_OPT_LIST:
        return answer_list(handshake, answer);
    case NBD_WIRE_OPT_INFO:
    case NBD_WIRE_OPT_GO:
        return answer_info(handshake, export, answer);
    case NBD_WIRE_OPT_STRUCTURED_REPLY:
        return answer_structured_reply(handshake, answer);
    case NBD_WIRE_OPT_LIST_META_CONTEXT:
    case NBD_WIRE_OPT_SET_META_CONTEXT:
        return answer_meta_context(handshake, answer);
    default:
        return refuse(answer, NBD_WIRE_REP_ERR_UNSUP,
                      "the option is not supported");
    }
}

/* --- pieces --------------------------------------------------------------- */

static void expect(struct nbd_handshake *handshake, bool has_header,
                   uint32_t piece_bytes)
{
    handshake->has_header = has_header;
    handshake->piece_bytes = piece_bytes;
    handshake->collected_bytes = 0;
}

static void expect_option(struct nbd_handshake *handshake)
{
    handshake->state = NBD_HANDSHAKE_OPTION;
    expect(handshake, false, sizeof(struct nbd_wire_option));
}

static void take_flags(struct nbd_handshake *handshake)
{
    struct reader data = data_of(handshake);
    uint32_t flags = take_number(&data, 4);

    handshake->has_no_zeroes = flags & NBD_WIRE_NO_ZEROES;
    if (flags & ~(uint32_t)(NBD_WIRE_FIXED_NEWSTYLE | NBD_WIRE_NO_ZEROES))
        close_with(handshake, "it set a handshake flag that is not known");
    else
        expect_option(handshake);
}

static void take_header(struct nbd_handshake *handshake)
{
    struct nbd_wire_option header;

    memcpy(&header, handshake->buffer, sizeof header);
    handshake->option = be32toh(header.option);
    if (be64toh(header.magic) != NBD_WIRE_OPTION_MAGIC)
        close_with(handshake, "what it sent is no option");
    else
        expect(handshake, true, be32toh(header.length));
}

/* Ends with an answer, or with the connection. */
static void take_option(struct nbd_handshake *handshake,
                        const struct nbd_export *export,
                        struct answer *answer)
{
    answer->option = handshake->option;
    if (handshake->option == NBD_WIRE_OPT_EXPORT_NAME) {
        answer_export_name(handshake, export, answer);
        return;
    }
    if (answer_option(handshake, export, answer)) {
        reply(answer, NBD_WIRE_REP_ACK, 0);
        if (handshake->option == NBD_WIRE_OPT_GO)
            handshake->state = NBD_HANDSHAKE_TRANSMISSION;
    }
    if (handshake->state != NBD_HANDSHAKE_OPTION)
        return;
    if (++handshake->nr_options == NBD_MAX_OPTIONS)
        close_with(handshake, "it goes on negotiating without end");
    else
        expect_option(handshake);
}

/* Of a piece that is too big nothing is kept. */
static size_t collect(struct nbd_handshake *handshake, const uint8_t *bytes,
                      size_t nr_bytes)
{
    uint32_t missing = handshake->piece_bytes - handshake->collected_bytes;

    if (nr_bytes > missing)
        nr_bytes = missing;
    if (!is_too_big(handshake))
        memcpy(handshake->buffer + handshake->collected_bytes, bytes,
               nr_bytes);
    handshake->collected_bytes += (uint32_t)nr_bytes;
    return nr_bytes;
}

static bool is_negotiating(const struct nbd_handshake *handshake)
{
    return handshake->state == NBD_HANDSHAKE_FLAGS ||
           handshake->state == NBD_HANDSHAKE_OPTION;
}

size_t nbd_handshake_begin(struct nbd_handshake *handshake,
                           uint8_t answer[NBD_ANSWER_BYTES])
{
    const struct nbd_wire_greeting greeting = {
        .magic = htobe64(NBD_WIRE_MAGIC),
        .option_magic = htobe64(NBD_WIRE_OPTION_MAGIC),
        .flags = htobe16(NBD_WIRE_FIXED_NEWSTYLE | NBD_WIRE_NO_ZEROES),
    };

    memset(handshake, 0, sizeof *handshake);
    handshake->state = NBD_HANDSHAKE_FLAGS;
    expect(handshake, false, sizeof(uint32_t));
    memcpy(answer, &greeting, sizeof greeting);
    return sizeof greeting;
}

size_t nbd_handshake_feed(struct nbd_handshake *handshake,
                          const struct nbd_export *export,
                          const uint8_t *bytes, size_t nr_bytes,
                          uint8_t answer[NBD_ANSWER_BYTES],
                          size_t *answer_bytes)
{
    struct answer said = { .bytes = answer };
    size_t taken = 0;

    while (is_negotiating(handshake) && said.nr_bytes == 0) {
        taken += collect(handshake, bytes + taken, nr_bytes - taken);
        if (handshake->collected_bytes < handshake->piece_bytes)
            break;
        if (handshake->state == NBD_HANDSHAKE_FLAGS)
            take_flags(handshake);
        else if (!handshake->has_header)
            take_header(handshake);
        else
            take_option(handshake, export, &said);
    }
    *answer_bytes = said.nr_bytes;
    return taken;
}
