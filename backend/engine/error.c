/* SPDX-License-Identifier: MIT
 * Stackable: makes chosen requests fail before they reach what is below. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/engine/parameters.h"
#include "backend/engine/stack.h"

struct range {
    uint64_t start, end;
};

struct error_engine {
    struct stack stack;
    int errors[ENGINE_OP_COUNT];   /* 0: does not fail */
    uint64_t after, count, every;  /* of the requests that match */
    uint64_t seen, failed;         /* of those, so far */
    struct range range;
    char *file; /* NULL, or fails only while it exists */
};

static int parse_range(const char *text, void *value)
{
    struct range *range = value;
    char *copy = strdup(text), *plus = copy ? strchr(copy, '+') : NULL;
    uint64_t length = 0;
    int error = plus ? 0 : -EINVAL;

    if (!error) {
        *plus = '\0';
        error = parameter_size.parse(copy, &range->start);
    }
    if (!error)
        error = parameter_size.parse(plus + 1, &length);
    if (!error && (!length || __builtin_add_overflow(range->start, length,
                                                     &range->end)))
        error = -ERANGE;
    free(copy);
    return error;
}

static const struct parameter_type parameter_range = {
    "OFFSET+LENGTH in bytes such as 1M+4K", parse_range,
};

/* One that has no range (FLUSH) is in every range. */
static bool is_in_range(const struct error_engine *error,
                        const struct engine_request *request)
{
    return request->op == ENGINE_FLUSH ||
           (request->offset_bytes < error->range.end &&
            request->offset_bytes + request->length_bytes >
                error->range.start);
}

static bool file_says_so(struct error_engine *error)
{
    if (!error->file)
        return true;
    error->stack.engine.stats.system_calls++;
    return access(error->file, F_OK) == 0;
}

static bool has_to_fail(struct error_engine *error,
                        const struct engine_request *request)
{
    if (!error->errors[request->op] || !is_in_range(error, request) ||
        !file_says_so(error))
        return false;
    if (error->seen++ < error->after || error->failed >= error->count ||
        (error->seen - error->after) % error->every)
        return false;
    error->failed++;
    return true;
}

static void error_submit(struct engine *engine, struct engine_request *request)
{
    struct error_engine *error = (struct error_engine *)engine;

    if (has_to_fail(error, request))
        stack_finish(&error->stack, request, error->errors[request->op]);
    else
        stack_forward(&error->stack, request);
}

static void error_come_back(struct stack *stack,
                            struct engine_request *request, int error)
{
    engine_finish(&stack->engine, request, error);
}

static void error_close(struct engine *engine)
{
    struct error_engine *error = (struct error_engine *)engine;

    free(error->file);
    stack_free(&error->stack);
}

static int read_parameters(struct error_engine *error, const char *parameters,
                           char *reason, unsigned reason_size)
{
    const struct parameter table[] = {
        { "read", &parameter_errno, &error->errors[ENGINE_READ] },
        { "write", &parameter_errno, &error->errors[ENGINE_WRITE] },
        { "flush", &parameter_errno, &error->errors[ENGINE_FLUSH] },
        { "discard", &parameter_errno, &error->errors[ENGINE_DISCARD] },
        { "zero", &parameter_errno, &error->errors[ENGINE_ZERO] },
        { "after", &parameter_number, &error->after },
        { "count", &parameter_number, &error->count },
        { "every", &parameter_number, &error->every },
        { "range", &parameter_range, &error->range },
        { "file", &parameter_text, &error->file },
        { "retry", &parameter_bool, &error->stack.engine.info.flush_retry },
        { NULL, NULL, NULL },
    };
    int result = parameters_parse("error", parameters, table, reason,
                                  reason_size);

    if (!result && !error->every)
        result = engine_explain(reason, reason_size, -EINVAL,
                                "error: every='0': expected 1 or more");
    return result;
}

static int error_open(const struct engine_config *config,
                      const char *parameters, struct engine *next,
                      struct engine **engine, char *reason,
                      unsigned reason_size)
{
    struct error_engine *error = calloc(1, sizeof *error);
    int result;

    (void)config;
    if (!error) {
        engine_close(next);
        return engine_explain(reason, reason_size, -ENOMEM,
                              "error: out of memory");
    }
    stack_init(&error->stack, &error_engine_ops, next, error_come_back);
    error->range.end = error->count = UINT64_MAX;
    error->every = 1;
    result = read_parameters(error, parameters, reason, reason_size);
    if (result)
        error_close(&error->stack.engine);
    else
        *engine = &error->stack.engine;
    return result;
}

const struct engine_ops error_engine_ops = {
    .name = "error", .open = error_open, .close = error_close,
    .submit = error_submit, .commit = stack_commit, .reap = stack_reap,
    .wait = stack_wait, .poll_fd = stack_poll_fd, .resize = stack_resize,
    .extent = stack_extent,
};
