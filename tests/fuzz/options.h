/* SPDX-License-Identifier: MIT
 * What an NBD option has to end with, judged slowly from proto.md alone
 * ("Option types"): each length is compared with what is left before anything
 * is read. */
#ifndef VBDD_TESTS_FUZZ_OPTIONS_H
#define VBDD_TESTS_FUZZ_OPTIONS_H

#include <stdbool.h>

#include "backend/disk/nbd/handshake.h"
#include "backend/disk/nbd/wire.h"
#include "tests/fuzz/fuzz.h"

struct option {
    uint32_t number;
    const uint8_t *data;
    uint64_t length;
    bool has_structured; /* was agreed on before */
    bool is_refused;     /* the export is */
    bool has_context;    /* judged: base:allocation is to be told of */
};

static inline uint64_t wire_number(const uint8_t *bytes, unsigned nr_bytes)
{
    uint64_t value = 0;

    while (nr_bytes-- > 0)
        value = value << 8 | *bytes++;
    return value;
}

/* Of a string's length field at data + at: it and the string fit. */
static inline bool option_has_text(const struct option *option, uint64_t at,
                                   uint64_t *text_bytes)
{
    if (option->length < at || option->length - at < 4)
        return false;
    *text_bytes = wire_number(option->data + at, 4);
    return *text_bytes <= 4096 && *text_bytes <= option->length - at - 4;
}

static inline uint32_t option_judge_info(const struct option *option)
{
    uint64_t name_bytes, items;

    if (!option_has_text(option, 0, &name_bytes) ||
        option->length < 6 + name_bytes)
        return NBD_WIRE_REP_ERR_INVALID;
    items = wire_number(option->data + 4 + name_bytes, 2);
    if (option->length != 6 + name_bytes + 2 * items)
        return NBD_WIRE_REP_ERR_INVALID;
    if (name_bytes > 0)
        return NBD_WIRE_REP_ERR_UNKNOWN;
    return option->number == NBD_WIRE_OPT_GO && option->is_refused
               ? NBD_WIRE_REP_ERR_POLICY : NBD_WIRE_REP_ACK;
}

static inline bool option_is_query(const uint8_t *query, uint64_t bytes,
                                   const char *expected)
{
    return bytes == strlen(expected) && memcmp(query, expected, bytes) == 0;
}

static inline uint32_t option_judge_contexts(struct option *option)
{
    bool is_list = option->number == NBD_WIRE_OPT_LIST_META_CONTEXT, is_found;
    uint64_t name_bytes, query_bytes, queries, at;

    if (!option_has_text(option, 0, &name_bytes) ||
        option->length < 8 + name_bytes)
        return NBD_WIRE_REP_ERR_INVALID;
    queries = wire_number(option->data + 4 + name_bytes, 4);
    is_found = is_list && queries == 0;
    for (at = 8 + name_bytes; queries > 0; queries--, at += 4 + query_bytes) {
        const uint8_t *query;

        if (!option_has_text(option, at, &query_bytes))
            return NBD_WIRE_REP_ERR_INVALID;
        query = option->data + at + 4;
        if (option_is_query(query, query_bytes, "base:allocation") ||
            (is_list && option_is_query(query, query_bytes, "base:")))
            is_found = true;
    }
    if (at != option->length || !option->has_structured)
        return NBD_WIRE_REP_ERR_INVALID;
    if (name_bytes > 0)
        return NBD_WIRE_REP_ERR_UNKNOWN;
    option->has_context = is_found;
    return NBD_WIRE_REP_ACK;
}

/* The type of its last reply. */
static inline uint32_t option_judge(struct option *option)
{
    bool is_too_big = option->length > NBD_OPTION_BYTES;

    option->has_context = false;
    switch (option->number) {
    case NBD_WIRE_OPT_ABORT:
        return NBD_WIRE_REP_ACK;
    case NBD_WIRE_OPT_LIST:
    case NBD_WIRE_OPT_STRUCTURED_REPLY:
        return is_too_big           ? NBD_WIRE_REP_ERR_TOO_BIG
               : option->length > 0 ? NBD_WIRE_REP_ERR_INVALID
                                    : NBD_WIRE_REP_ACK;
    case NBD_WIRE_OPT_INFO:
    case NBD_WIRE_OPT_GO:
        return is_too_big ? NBD_WIRE_REP_ERR_TOO_BIG
                          : option_judge_info(option);
    case NBD_WIRE_OPT_LIST_META_CONTEXT:
    case NBD_WIRE_OPT_SET_META_CONTEXT:
        return is_too_big ? NBD_WIRE_REP_ERR_TOO_BIG
                          : option_judge_contexts(option);
    default:
        return NBD_WIRE_REP_ERR_UNSUP;
    }
}

#endif
