/* SPDX-License-Identifier: MIT
 * Stackable: writes down what passes, so that tests can prove which engine
 * operations were made and in which order. The format is in vbddengines(7). */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/engine/parameters.h"
#include "backend/engine/stack.h"
#include "common/host/log.h"

struct log_engine {
    struct stack stack;
    int fd;
    uint64_t sequence; /* of the last request that came in */
    bool is_broken;    /* a line could not be written; said once */
};

static const char *op_name(enum engine_op op)
{
    switch (op) {
    case ENGINE_READ:
        return "READ";
    case ENGINE_WRITE:
        return "WRITE";
    case ENGINE_FLUSH:
        return "FLUSH";
    case ENGINE_DISCARD:
        return "DISCARD";
    case ENGINE_ZERO:
        return "ZERO";
    }
    return "?";
}

static const char *flag_names(unsigned flags)
{
    if (flags & ENGINE_NO_HOLE)
        return flags & ENGINE_FAST ? "NO_HOLE+FAST" : "NO_HOLE";
    return flags & ENGINE_FUA ? "FUA"
           : flags & ENGINE_SECURE ? "SECURE"
           : flags & ENGINE_FAST ? "FAST" : "-";
}

/* One write(2) a line: what was logged survives the process. */
static void write_line(struct log_engine *log,
                       struct engine_request *request, const char *result)
{
    char line[160];
    int length = snprintf(line, sizeof line, "%c %" PRIu64 " %" PRIu64
                          " %s %" PRIu64 " %u %s %s\n",
                          *result ? 'C' : 'S', stack_of(request)->mark,
                          host_now_us(), op_name(request->op),
                          request->offset_bytes, request->length_bytes,
                          flag_names(request->flags),
                          *result ? result : "-");

    log->stack.engine.stats.system_calls++;
    if (write(log->fd, line, (size_t)length) == length || log->is_broken)
        return;
    log->is_broken = true;
    log_warning("engine log: lines are missing from here on: %s",
                strerror(errno));
}

static void log_submit(struct engine *engine, struct engine_request *request)
{
    struct log_engine *log = (struct log_engine *)engine;

    stack_of(request)->mark = ++log->sequence;
    write_line(log, request, "");
    stack_forward(&log->stack, request);
}

static void log_come_back(struct stack *stack, struct engine_request *request,
                          int error)
{
    const char *name = error ? strerrorname_np(-error) : "OK";

    write_line((struct log_engine *)stack, request, name ? name : "?");
    engine_finish(&stack->engine, request, error);
}

static void log_close(struct engine *engine)
{
    struct log_engine *log = (struct log_engine *)engine;

    if (log->fd >= 0)
        close(log->fd);
    stack_free(&log->stack);
}

static int open_file(struct log_engine *log, const char *path, char *reason,
                     unsigned reason_size)
{
    if (!path)
        return engine_explain(reason, reason_size, -EINVAL,
                              "log: needs file=, where the lines go");
    log->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (log->fd < 0)
        return engine_explain(reason, reason_size, -errno,
                              "log: cannot open '%s': %s", path,
                              strerror(errno));
    return 0;
}

static int log_open(const struct engine_config *config, const char *parameters,
                    struct engine *next, struct engine **engine, char *reason,
                    unsigned reason_size)
{
    struct log_engine *log = calloc(1, sizeof *log);
    char *path = NULL;
    const struct parameter table[] = {
        { "file", &parameter_text, &path },
        { NULL, NULL, NULL },
    };
    int error;

    (void)config;
    if (!log) {
        engine_close(next);
        return engine_explain(reason, reason_size, -ENOMEM,
                              "log: out of memory");
    }
    stack_init(&log->stack, &log_engine_ops, next, log_come_back);
    log->fd = -1;
    error = parameters_parse("log", parameters, table, reason, reason_size);
    if (!error)
        error = open_file(log, path, reason, reason_size);
    free(path);
    if (error)
        log_close(&log->stack.engine);
    else
        *engine = &log->stack.engine;
    return error;
}

const struct engine_ops log_engine_ops = {
    .name = "log", .open = log_open, .close = log_close, .submit = log_submit,
    .commit = stack_commit, .reap = stack_reap, .wait = stack_wait,
    .poll_fd = stack_poll_fd, .resize = stack_resize, .extent = stack_extent,
};
