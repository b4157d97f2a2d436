/* SPDX-License-Identifier: MIT
 * What the engines share among themselves. Nobody else includes it. */
#ifndef VBDD_ENGINE_PRIVATE_H
#define VBDD_ENGINE_PRIVATE_H

#include <stddef.h>

#include "backend/engine/engine.h"

/* info.max_bytes of every engine that stores. */
enum { ENGINE_MAX_BYTES = 32 << 20 };

extern const struct engine_ops null_engine_ops, mem_engine_ops,
    aio_engine_ops, error_engine_ops, delay_engine_ops, log_engine_ops,
    cache_engine_ops;

/* Writes the sentence and returns error, for `return engine_explain(...)`. */
int engine_explain(char *reason, unsigned reason_size, int error,
                   const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* For the engines whose disk is made up (null, mem): the parameters size=,
 * block=, physical= and zero= go before what config says. Returns 0 or -errno
 * with a sentence. */
int engine_make_up_disk(const char *name, const struct engine_config *config,
                        const char *parameters, struct engine_info *info,
                        bool *zero, char *reason, unsigned reason_size);

/* -EROFS for what a read-only disk refuses, -EOPNOTSUPP for what info does
 * not advertise, else 0. */
int engine_refusal(const struct engine *engine,
                   const struct engine_request *request);

/* The one place where an engine answers: counts, then calls done(). */
static inline void engine_finish(struct engine *engine,
                                 struct engine_request *request, int error)
{
    if (error)
        engine->stats.errors[request->op]++;
    request->done(request, error);
}

/* First in, first out, linked by request->next. All zero is empty. */
struct engine_list {
    struct engine_request *first, *last;
};

static inline void engine_list_append(struct engine_list *list,
                                      struct engine_request *request)
{
    request->next = NULL;
    if (list->first)
        list->last->next = request;
    else
        list->first = request;
    list->last = request;
}

static inline struct engine_request *engine_list_take(struct engine_list *list)
{
    struct engine_request *request = list->first;

    if (request)
        list->first = request->next;
    return request;
}

/* Appends all of from, which is then empty. */
static inline void engine_list_move(struct engine_list *list,
                                    struct engine_list *from)
{
    if (!from->first)
        return;
    if (list->first)
        list->last->next = from->first;
    else
        list->first = from->first;
    list->last = from->last;
    from->first = NULL;
}

#endif
