/* SPDX-License-Identifier: MIT
 * The engine that does nothing: what everything above it costs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/engine/private.h"

struct null {
    struct engine engine;
    bool zero; /* reads fill with zeros */
    struct engine_list queued, committed;
};

static int null_open(const struct engine_config *config,
                     const char *parameters, struct engine *next,
                     struct engine **engine, char *reason,
                     unsigned reason_size)
{
    struct null *null = calloc(1, sizeof *null);
    int error;

    if (!null)
        return engine_explain(reason, reason_size, -ENOMEM,
                              "null: out of memory");
    null->engine.ops = &null_engine_ops;
    null->engine.next = next;
    error = engine_make_up_disk("null", config, parameters,
                                &null->engine.info, &null->zero, reason,
                                reason_size);
    if (error)
        free(null);
    else
        *engine = &null->engine;
    return error;
}

static void null_close(struct engine *engine)
{
    free(engine);
}

static void null_submit(struct engine *engine, struct engine_request *request)
{
    engine_list_append(&((struct null *)engine)->queued, request);
}

static void null_commit(struct engine *engine)
{
    struct null *null = (struct null *)engine;

    engine_list_move(&null->committed, &null->queued);
}

static unsigned null_reap(struct engine *engine, unsigned max)
{
    struct null *null = (struct null *)engine;
    struct engine_request *request;
    unsigned count = 0;

    while (count < max && (request = engine_list_take(&null->committed))) {
        if (null->zero && request->op == ENGINE_READ)
            memset(request->data, 0, request->length_bytes);
        engine_finish(engine, request, engine_refusal(engine, request));
        count++;
    }
    return count;
}

static int null_poll_fd(struct engine *engine)
{
    (void)engine;
    return -1;
}

const struct engine_ops null_engine_ops = {
    .name = "null", .open = null_open, .close = null_close,
    .submit = null_submit, .commit = null_commit, .reap = null_reap,
    .poll_fd = null_poll_fd,
};
