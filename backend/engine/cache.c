/* SPDX-License-Identifier: MIT
 * Stackable: plays a disk with a volatile write cache. What is written is kept
 * in memory and answered; a FLUSH brings it down, and when the process dies,
 * what was kept is gone. So a flush that was forgotten can be seen.
 *
 * Either a round of write-backs is on its way to the engine below, or requests
 * that go through the cache are, never both: so the two need no order there.
 * A round takes the kept blocks as they are when it begins. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/engine/parameters.h"
#include "backend/engine/shadow.h"
#include "backend/engine/stack.h"

enum { WRITEBACK_BYTES = 1 << 20, EVICT_BLOCKS = 8 };

struct cache {
    struct stack stack;
    struct shadow shadow; /* what the engine below does not know */
    uint64_t most_bytes;  /* kept at once */
    struct engine_list waiting;   /* to go through, and FLUSH, for its round */
    unsigned through;             /* on their way through */
    unsigned writebacks;          /* not complete; 0: there is no round */
    struct engine_request *flush; /* that the round is for, or NULL */
    int round_error;
    uint64_t evict_percent, random;
    bool wants_eviction;
};

struct writeback {
    struct engine_request below; /* owns its data: what was kept */
    struct cache *cache;
};

static uint64_t end_of(const struct engine_request *request)
{
    return request->offset_bytes + request->length_bytes;
}

/* --- a round of write-backs -------------------------------------------------- */

static uint64_t draw(struct cache *cache, uint64_t below)
{
    cache->random =
        cache->random * 6364136223846793005ull + 1442695040888963407ull;
    return (cache->random >> 33) % below;
}

/* The last one to leave ends the round. */
static void leave_round(struct cache *cache, int error)
{
    struct engine_request *flush = cache->flush;

    if (error)
        cache->round_error = error;
    if (--cache->writebacks > 0)
        return;
    cache->flush = NULL;
    if (flush && cache->round_error)
        stack_finish(&cache->stack, flush, cache->round_error);
    else if (flush)
        stack_forward(&cache->stack, flush);
}

/* What was rewritten meanwhile stays kept; what failed does. */
static void writeback_done(struct engine_request *below, int error)
{
    struct cache *cache = ((struct writeback *)below)->cache;

    if (!error)
        shadow_forget_same(&cache->shadow, below->offset_bytes, end_of(below),
                           below->data);
    free(below->data);
    free(below);
    leave_round(cache, error);
}

static void write_back(struct cache *cache, uint64_t start, uint64_t end)
{
    struct writeback *writeback = calloc(1, sizeof *writeback);
    void *data = NULL;

    if (!writeback || posix_memalign(&data, 4096, end - start)) {
        free(writeback);
        cache->round_error = -ENOMEM;
        return;
    }
    shadow_overlay(&cache->shadow, start, end, data);
    writeback->cache = cache;
    writeback->below = (struct engine_request){
        .op = ENGINE_WRITE, .offset_bytes = start,
        .length_bytes = (uint32_t)(end - start), .data = data,
        .done = writeback_done,
    };
    cache->writebacks++;
    engine_submit(cache->stack.engine.next, &writeback->below);
}

/* For a flush all that is kept; without one about half of it, in pieces of a
 * few blocks, so that it reaches the engine below in any order. */
static void begin_round(struct cache *cache, struct engine_request *flush)
{
    const struct shadow *shadow = &cache->shadow;

    cache->flush = flush;
    cache->round_error = 0;
    cache->writebacks = 1; /* held until all have been submitted */
    for (uint64_t at = 0, end; at < shadow->size_bytes; at = end) {
        uint64_t most = flush ? WRITEBACK_BYTES
                        : shadow->block_bytes * (1 + draw(cache, EVICT_BLOCKS));

        end = shadow_same_until(shadow, at, shadow->size_bytes);
        if (!shadow_is_kept(shadow, at))
            continue;
        if (end - at > most)
            end = at + most;
        if (flush || draw(cache, 2))
            write_back(cache, at, end);
    }
    leave_round(cache, 0);
}

/* --- requests ------------------------------------------------------------------ */

/* Begins what may begin, in the order in which it came. */
static void advance(struct cache *cache)
{
    struct engine_request *first;

    while ((first = cache->waiting.first) && !cache->writebacks &&
           (first->op != ENGINE_FLUSH || !cache->through)) {
        engine_list_take(&cache->waiting);
        if (first->op == ENGINE_FLUSH) {
            begin_round(cache, first);
        } else {
            stack_of(first)->mark = true;
            cache->through++;
            stack_forward(&cache->stack, first);
        }
    }
    if (cache->wants_eviction && !first && !cache->writebacks &&
        !cache->through) {
        cache->wants_eviction = false;
        begin_round(cache, NULL);
    }
}

/* Whether there is room for it, were nothing of it kept already. */
static bool can_keep(const struct cache *cache,
                     const struct engine_request *request)
{
    return (request->op == ENGINE_WRITE || request->op == ENGINE_ZERO) &&
           !(request->flags & ENGINE_FUA) &&
           end_of(request) <= cache->shadow.size_bytes &&
           cache->shadow.kept_bytes + request->length_bytes <=
               cache->most_bytes;
}

/* What is kept in part waits, so that no round ends while it is read below. */
static void submit_read(struct cache *cache, struct engine_request *request)
{
    const uint64_t start = request->offset_bytes, end = end_of(request);

    if (shadow_same_until(&cache->shadow, start, end) != end) {
        engine_list_append(&cache->waiting, request);
    } else if (!shadow_is_kept(&cache->shadow, start)) {
        stack_forward(&cache->stack, request);
    } else {
        shadow_overlay(&cache->shadow, start, end, request->data);
        stack_finish(&cache->stack, request, 0);
    }
}

static void cache_submit(struct engine *engine, struct engine_request *request)
{
    struct cache *cache = (struct cache *)engine;
    int error = engine_refusal(engine, request);

    stack_of(request)->mark = false;
    if (error) {
        stack_finish(&cache->stack, request, error);
    } else if (request->op == ENGINE_READ) {
        submit_read(cache, request);
    } else if (can_keep(cache, request)) {
        shadow_keep(&cache->shadow, request->offset_bytes, end_of(request),
                    request->op == ENGINE_ZERO ? NULL : request->data);
        stack_finish(&cache->stack, request, 0);
    } else {
        engine_list_append(&cache->waiting, request);
    }
    if (request->op == ENGINE_WRITE)
        cache->wants_eviction |= draw(cache, 100) < cache->evict_percent;
}

static void cache_commit(struct engine *engine)
{
    advance((struct cache *)engine);
    stack_commit(engine);
}

static void answer(struct cache *cache, struct engine_request *request)
{
    const uint64_t start = request->offset_bytes, end = end_of(request);
    const int error = stack_of(request)->error;

    if (stack_of(request)->mark) {
        cache->through--;
        if (!error && request->op == ENGINE_READ)
            shadow_overlay(&cache->shadow, start, end, request->data);
        else if (!error)
            shadow_forget(&cache->shadow, start, end);
    }
    engine_finish(&cache->stack.engine, request, error);
}

/* Takes all that is complete below, whatever max is: it may be the cache's
 * own, and what waited for it goes down here too. */
static unsigned cache_reap(struct engine *engine, unsigned max)
{
    struct cache *cache = (struct cache *)engine;
    struct engine_request *request;
    unsigned count = 0, before;

    do {
        before = count;
        do
            cache_commit(engine);
        while (engine->next->ops->reap(engine->next, UINT32_MAX) > 0);
        while (count < max &&
               (request = engine_list_take(&cache->stack.finished))) {
            answer(cache, request);
            count++;
        }
    } while (count > before && count < max);
    return count;
}

static int cache_extent(struct engine *engine, uint64_t offset_bytes,
                        uint64_t *length_bytes, bool *is_hole)
{
    const struct shadow *shadow = &((struct cache *)engine)->shadow;

    *length_bytes = shadow_same_until(shadow, offset_bytes,
                                      offset_bytes + *length_bytes) -
                    offset_bytes;
    return shadow_is_kept(shadow, offset_bytes)
           ? 0 : stack_extent(engine, offset_bytes, length_bytes, is_hole);
}

/* --- opening and closing ------------------------------------------------------ */

/* What is kept is lost; an eviction under way is not. */
static void cache_close(struct engine *engine)
{
    struct cache *cache = (struct cache *)engine;

    while (cache->writebacks) {
        stack_wait(engine, 1, 1000000);
        cache_reap(engine, 1);
    }
    assert(!cache->waiting.first);
    shadow_close(&cache->shadow);
    stack_free(&cache->stack);
}

static int cache_open(const struct engine_config *config,
                      const char *parameters, struct engine *next,
                      struct engine **engine, char *reason,
                      unsigned reason_size)
{
    struct cache *cache = calloc(1, sizeof *cache);
    int error;

    (void)config;
    if (!cache) {
        engine_close(next);
        return engine_explain(reason, reason_size, -ENOMEM,
                              "cache: out of memory");
    }
    const struct parameter table[] = {
        { "size", &parameter_size, &cache->most_bytes },
        { "evict", &parameter_percent, &cache->evict_percent },
        { "seed", &parameter_number, &cache->random },
        { NULL, NULL, NULL },
    };

    stack_init(&cache->stack, &cache_engine_ops, next, stack_finish);
    cache->stack.engine.info.can_secure = false; /* not of memory */
    cache->most_bytes = 8 << 20;
    error = parameters_parse("cache", parameters, table, reason, reason_size);
    if (!error)
        error = shadow_open(&cache->shadow, next->info.size_bytes,
                            next->info.block_bytes);
    if (error == -ENOMEM)
        engine_explain(reason, reason_size, error, "cache: no address space "
                       "for a disk of %llu bytes",
                       (unsigned long long)next->info.size_bytes);
    if (error)
        cache_close(&cache->stack.engine);
    else
        *engine = &cache->stack.engine;
    return error;
}

const struct engine_ops cache_engine_ops = {
    .name = "cache", .open = cache_open, .close = cache_close,
    .submit = cache_submit, .commit = cache_commit, .reap = cache_reap,
    .wait = stack_wait, .poll_fd = stack_poll_fd, .resize = stack_resize,
    .extent = cache_extent,
};
