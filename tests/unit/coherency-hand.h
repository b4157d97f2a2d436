/* SPDX-License-Identifier: MIT
 * A disk that is moved by hand: its engine does nothing until a test says
 * which request ends and how, its clock stands still until it is set. */
#ifndef VBDD_TESTS_COHERENCY_HAND_H
#define VBDD_TESTS_COHERENCY_HAND_H

#include <errno.h>
#include <stdbool.h>

#include "backend/coherency/coherency.h"
#include "tests/unit/engine-contract.h"
#include "tests/unit/tap.h"

enum { HAND_BYTES = 256 * 1024, SECOND_US = 1000 * 1000 };

struct hand {
    struct engine engine;              /* first */
    struct engine_request **at_engine; /* in the order they came */
    unsigned count, room;
    char *memory; /* the first memory_bytes of the disk */
    uint64_t memory_bytes;
    uint64_t now_us, timer_at_us;
    unsigned fail_stops, warnings;
    char sentence[256]; /* the last one */
    struct coherency_config config;
    struct coherency_environment environment;
    struct coherency *disk;
    struct ask *asks; /* all that were ever made */
    uint64_t extent_bytes; /* of data; the rest is a hole */
    int extent_error;
};

struct ask {
    struct coherency_request request;
    struct hand *hand;
    struct ask *next;
    unsigned answers;
    int error;
    char *memory;
};

static inline void hand_submit(struct engine *engine,
                               struct engine_request *request)
{
    struct hand *hand = (struct hand *)(void *)engine;

    CHECK(engine_contract_is_kept(&engine->info, request));
    if (hand->count == hand->room) {
        hand->room = hand->room ? 2 * hand->room : 64;
        hand->at_engine =
            realloc(hand->at_engine, hand->room * sizeof(*hand->at_engine));
        REQUIRE(hand->at_engine);
    }
    hand->at_engine[hand->count++] = request;
}

static inline int hand_extent(struct engine *engine, uint64_t offset_bytes,
                              uint64_t *length_bytes, bool *is_hole)
{
    struct hand *hand = (struct hand *)(void *)engine;

    *is_hole = offset_bytes >= hand->extent_bytes;
    if (!*is_hole && *length_bytes > hand->extent_bytes - offset_bytes)
        *length_bytes = hand->extent_bytes - offset_bytes;
    return hand->extent_error;
}

static inline uint64_t hand_now_us(void *context)
{
    return ((struct hand *)context)->now_us;
}

static inline void hand_set_timer(void *context, uint64_t at_us)
{
    ((struct hand *)context)->timer_at_us = at_us;
}

static inline void hand_fail_stop(void *context, const char *sentence)
{
    struct hand *hand = context;

    hand->fail_stops++;
    snprintf(hand->sentence, sizeof(hand->sentence), "%s", sentence);
}

static inline void hand_warn(void *context, const char *sentence)
{
    struct hand *hand = context;

    hand->warnings++;
    snprintf(hand->sentence, sizeof(hand->sentence), "%s", sentence);
}

/* A disk of HAND_BYTES that can do everything. What a test wants different
 * it changes in hand->engine.info and hand->config before hand_start(). */
static inline void hand_prepare(struct hand *hand, uint32_t block_bytes)
{
    static const struct engine_ops ops = {.name = "hand",
                                          .submit = hand_submit,
                                          .extent = hand_extent};

    memset(hand, 0, sizeof(*hand));
    hand->engine.ops = &ops;
    hand->engine.info = (struct engine_info){
        .size_bytes = HAND_BYTES,
        .block_bytes = block_bytes,
        .physical_bytes = 4096,
        .memory_align = 512,
        .max_bytes = 1 << 20,
        .can_fua = true,
        .can_discard = true,
        .can_secure = true,
        .can_zero_fast = true,
        .flush_retry = true,
    };
    hand->config.flush_retry_us = 30 * SECOND_US;
    hand->config.honest_flush_us = 5 * SECOND_US;
    hand->environment = (struct coherency_environment){
        hand, hand_now_us, hand_set_timer, hand_fail_stop, hand_warn};
    hand->now_us = 1000 * SECOND_US;
    hand->memory = calloc(1, HAND_BYTES);
    hand->memory_bytes = HAND_BYTES;
    REQUIRE(hand->memory);
}

static inline void hand_start(struct hand *hand)
{
    REQUIRE(coherency_open(&hand->engine, &hand->config, &hand->environment,
                           &hand->disk) == 0);
}

static inline void hand_open(struct hand *hand, uint32_t block_bytes)
{
    hand_prepare(hand, block_bytes);
    hand_start(hand);
}

static inline struct coherency_client *
hand_client(struct hand *hand, enum coherency_client_kind kind)
{
    struct coherency_client *client;

    REQUIRE(coherency_client_open(hand->disk, kind, false, &client) == 0);
    return client;
}

static inline struct coherency_client *hand_ring(struct hand *hand)
{
    return hand_client(hand, COHERENCY_CLIENT_RING);
}

/* All clients have been closed. */
static inline void hand_close(struct hand *hand)
{
    struct ask *ask;

    CHECK_EQ(hand->count, 0);
    coherency_close(hand->disk);
    while ((ask = hand->asks)) {
        hand->asks = ask->next;
        free(ask->memory);
        free(ask);
    }
    free(hand->at_engine);
    free(hand->memory);
}

/* --- the engine's side --- */

static inline unsigned hand_find(const struct hand *hand, enum engine_op op,
                                 uint64_t offset_bytes)
{
    unsigned i;

    for (i = 0; i < hand->count; i++)
        if (hand->at_engine[i]->op == op &&
            hand->at_engine[i]->offset_bytes == offset_bytes)
            break;
    return i;
}

static inline bool hand_has(const struct hand *hand, enum engine_op op,
                            uint64_t offset_bytes)
{
    return hand_find(hand, op, offset_bytes) < hand->count;
}

static inline void hand_finish_nth(struct hand *hand, unsigned i, int error)
{
    struct engine_request *request = hand->at_engine[i];
    bool has_memory =
        !error && request->offset_bytes + request->length_bytes <=
                      hand->memory_bytes;
    char *place = hand->memory + request->offset_bytes;

    hand->count--;
    memmove(hand->at_engine + i, hand->at_engine + i + 1,
            (hand->count - i) * sizeof(*hand->at_engine));
    if (has_memory && request->op == ENGINE_READ)
        memcpy(request->data, place, request->length_bytes);
    if (has_memory && request->op == ENGINE_WRITE)
        memcpy(place, request->data, request->length_bytes);
    if (has_memory && request->op == ENGINE_ZERO)
        memset(place, 0, request->length_bytes);
    request->done(request, error);
}

/* Ends the oldest such request. */
static inline void hand_finish(struct hand *hand, enum engine_op op,
                               uint64_t offset_bytes, int error)
{
    unsigned i = hand_find(hand, op, offset_bytes);

    REQUIRE(i < hand->count);
    hand_finish_nth(hand, i, error);
}

static inline void hand_finish_flush(struct hand *hand, int error)
{
    hand_finish(hand, ENGINE_FLUSH, 0, error);
}

static inline void hand_finish_all(struct hand *hand)
{
    while (hand->count)
        hand_finish_nth(hand, 0, 0);
}

/* Moves the clock; the timer runs out where it was asked to. */
static inline void hand_pass(struct hand *hand, uint64_t span_us)
{
    hand->now_us += span_us;
    if (hand->timer_at_us && hand->timer_at_us <= hand->now_us) {
        hand->timer_at_us = 0;
        coherency_timer(hand->disk);
    }
}

/* --- the clients' side --- */

static inline void ask_done(struct coherency_request *request, int error)
{
    struct ask *ask = request->owner;

    ask->answers++;
    ask->error = error;
}

/* misalign: by how much its data misses an alignment of 4096. */
static inline struct ask *ask_make(struct hand *hand, enum coherency_op op,
                                   uint64_t offset_bytes, uint64_t length_bytes,
                                   unsigned misalign)
{
    struct ask *ask = calloc(1, sizeof(*ask));
    bool has_data = length_bytes && op != COHERENCY_DISCARD &&
                    op != COHERENCY_ZERO;

    REQUIRE(ask);
    ask->hand = hand;
    ask->next = hand->asks;
    hand->asks = ask;
    ask->request.op = op;
    ask->request.offset_bytes = offset_bytes;
    ask->request.length_bytes = length_bytes;
    ask->request.done = ask_done;
    ask->request.owner = ask;
    if (has_data) {
        uint64_t size = (misalign + length_bytes + 8191) / 4096 * 4096;

        ask->memory = aligned_alloc(4096, size);
        REQUIRE(ask->memory);
        memset(ask->memory, 0, size);
        ask->request.data = ask->memory + misalign;
    }
    return ask;
}

static inline struct ask *ask_send(struct coherency_client *client,
                                   struct ask *ask)
{
    coherency_submit(client, &ask->request);
    return ask;
}

static inline struct ask *ask_read(struct hand *hand,
                                   struct coherency_client *client,
                                   uint64_t offset_bytes, uint64_t length_bytes)
{
    return ask_send(
        client, ask_make(hand, COHERENCY_READ, offset_bytes, length_bytes, 0));
}

/* op: WRITE, or FLUSH or BARRIER with data; all of it is `fill`. */
static inline struct ask *ask_put(struct hand *hand,
                                  struct coherency_client *client,
                                  enum coherency_op op, uint64_t offset_bytes,
                                  uint64_t length_bytes, char fill)
{
    struct ask *ask = ask_make(hand, op, offset_bytes, length_bytes, 0);

    memset(ask->request.data, fill, length_bytes);
    return ask_send(client, ask);
}

static inline struct ask *ask_write(struct hand *hand,
                                    struct coherency_client *client,
                                    uint64_t offset_bytes,
                                    uint64_t length_bytes, char fill)
{
    return ask_put(hand, client, COHERENCY_WRITE, offset_bytes, length_bytes,
                   fill);
}

/* op: FLUSH or BARRIER without data. */
static inline struct ask *ask_empty(struct hand *hand,
                                    struct coherency_client *client,
                                    enum coherency_op op)
{
    return ask_send(client, ask_make(hand, op, 0, 0, 0));
}

static inline struct ask *ask_flush(struct hand *hand,
                                    struct coherency_client *client)
{
    return ask_empty(hand, client, COHERENCY_FLUSH);
}

/* op: DISCARD or ZERO. */
static inline struct ask *ask_clear(struct hand *hand,
                                    struct coherency_client *client,
                                    enum coherency_op op, unsigned flags,
                                    uint64_t offset_bytes,
                                    uint64_t length_bytes)
{
    struct ask *ask = ask_make(hand, op, offset_bytes, length_bytes, 0);

    ask->request.flags = flags;
    return ask_send(client, ask);
}

static inline struct ask *ask_discard(struct hand *hand,
                                      struct coherency_client *client,
                                      unsigned flags, uint64_t offset_bytes,
                                      uint64_t length_bytes)
{
    return ask_clear(hand, client, COHERENCY_DISCARD, flags, offset_bytes,
                     length_bytes);
}

static inline bool ask_is_open(const struct ask *ask)
{
    return ask->answers == 0;
}

/* Answered once, like this. */
static inline bool ask_got(const struct ask *ask, int error)
{
    return ask->answers == 1 && ask->error == error;
}

static inline struct coherency_stats hand_stats(const struct hand *hand)
{
    struct coherency_stats stats;

    coherency_get_stats(hand->disk, &stats);
    return stats;
}

#endif
