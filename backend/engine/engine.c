/* SPDX-License-Identifier: MIT
 * The table of engines, and how a stack of them is opened. */
#include "config.h"

#include "backend/engine/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/engine/parameters.h"
#include "backend/engine/private.h"

static const struct {
    const struct engine_ops *ops;
    bool is_stackable;
} engine_table[] = {
    { &null_engine_ops, false },
    { &mem_engine_ops, false },
    { &aio_engine_ops, false },
    { &error_engine_ops, true },
    { &delay_engine_ops, true },
    { &log_engine_ops, true },
    { &cache_engine_ops, true },
};

enum { ENGINE_MAX_LEVELS = 16 };

/* One level of a specification. */
struct level {
    const struct engine_ops *ops;
    bool is_stackable;
    const char *name, *parameters;
};

int engine_explain(char *reason, unsigned reason_size, int error,
                   const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, reason_size, format, arguments);
    va_end(arguments);
    return error;
}

int engine_refusal(const struct engine *engine,
                   const struct engine_request *request)
{
    const struct engine_info *info = &engine->info;
    bool is_discard = request->op == ENGINE_DISCARD;

    if (info->read_only && request->op != ENGINE_READ &&
        request->op != ENGINE_FLUSH)
        return -EROFS;
    if ((is_discard && !info->can_discard) ||
        (request->flags & ENGINE_SECURE && !info->can_secure) ||
        (request->flags & ENGINE_FUA && !info->can_fua) ||
        (request->flags & ENGINE_FAST && !info->can_zero_fast))
        return -EOPNOTSUPP;
    return 0;
}

static int check_disk(const char *name, const struct engine_info *info,
                      char *reason, unsigned reason_size)
{
    if (info->block_bytes != 512 && info->block_bytes != 4096)
        return engine_explain(reason, reason_size, -EINVAL,
                              "%s: a block of %u bytes: expected 512 or 4096",
                              name, info->block_bytes);
    if (info->physical_bytes < info->block_bytes ||
        info->physical_bytes & (info->physical_bytes - 1))
        return engine_explain(reason, reason_size, -EINVAL,
                              "%s: a physical block of %u bytes: expected a "
                              "power of two, %u or more", name,
                              info->physical_bytes, info->block_bytes);
    if (!info->size_bytes || info->size_bytes % info->block_bytes)
        return engine_explain(reason, reason_size, -EINVAL,
                              "%s: a disk of %llu bytes: expected blocks of "
                              "%u bytes, at least one (size=)", name,
                              (unsigned long long)info->size_bytes,
                              info->block_bytes);
    return 0;
}

int engine_make_up_disk(const char *name, const struct engine_config *config,
                        const char *parameters, struct engine_info *info,
                        bool *zero, char *reason, unsigned reason_size)
{
    uint64_t size = config->size_bytes, physical = 0;
    uint64_t block = config->block_bytes ? config->block_bytes : 512;
    const struct parameter table[] = {
        { "size", &parameter_size, &size },
        { "block", &parameter_size, &block },
        { "physical", &parameter_size, &physical },
        { zero ? "zero" : NULL, &parameter_bool, zero },
        { NULL, NULL, NULL },
    };
    int error = parameters_parse(name, parameters, table, reason, reason_size);

    if (error)
        return error;
    *info = (struct engine_info){
        .size_bytes = size,
        .block_bytes = block > UINT32_MAX ? UINT32_MAX : (uint32_t)block,
        .physical_bytes = physical > UINT32_MAX ? UINT32_MAX
                          : (uint32_t)(physical ? physical : block),
        .memory_align = 1,
        .max_bytes = ENGINE_MAX_BYTES,
        .read_only = config->read_only,
        .can_fua = !config->read_only,
        .can_discard = !config->read_only,
        .can_zero_fast = !config->read_only,
        .discard_granularity_bytes = 4096,
    };
    return check_disk(name, info, reason, reason_size);
}

static int find_engine(struct level *level, char *reason, unsigned reason_size)
{
    for (unsigned i = 0; i < sizeof engine_table / sizeof *engine_table; i++) {
        if (strcmp(engine_table[i].ops->name, level->name) == 0) {
            level->ops = engine_table[i].ops;
            level->is_stackable = engine_table[i].is_stackable;
            return 0;
        }
    }
    if (!*level->name)
        return engine_explain(reason, reason_size, -EINVAL,
                              "the name of an engine is missing before, "
                              "between or after '/'");
    return engine_explain(reason, reason_size, -EINVAL,
                          "unknown engine '%s': expected null, mem, aio, "
                          "error, delay, log or cache (a value that contains "
                          "'/' goes between single quotes)", level->name);
}

/* Splits text, which it overwrites, into levels from top to bottom. Returns
 * how many, or -errno. */
static int split_levels(char *text, struct level *levels, char *reason,
                        unsigned reason_size)
{
    int count = 0, error;
    bool is_last = false;

    while (!is_last) {
        struct level *level = &levels[count];
        char *end = parameters_find(text, '/'), *parameters;

        if (count++ == ENGINE_MAX_LEVELS)
            return engine_explain(reason, reason_size, -EINVAL,
                                  "more than %d engines in one stack",
                                  ENGINE_MAX_LEVELS);
        is_last = !*end;
        *end = '\0';
        parameters = strchrnul(text, ':');
        level->parameters = *parameters ? parameters + 1 : parameters;
        *parameters = '\0';
        level->name = text;
        text = end + 1;
        error = find_engine(level, reason, reason_size);
        if (error)
            return error;
    }
    return count;
}

static int check_order(const struct level *levels, int count, char *reason,
                       unsigned reason_size)
{
    for (int i = 0; i < count; i++) {
        if (i == count - 1 && levels[i].is_stackable)
            return engine_explain(reason, reason_size, -EINVAL,
                                  "'%s' stores nothing and needs an engine "
                                  "below: %s/aio", levels[i].name,
                                  levels[i].name);
        if (i < count - 1 && !levels[i].is_stackable)
            return engine_explain(reason, reason_size, -EINVAL,
                                  "'%s' stores and must come last, "
                                  "not above '%s'", levels[i].name,
                                  levels[i + 1].name);
    }
    return 0;
}

int engine_open(const char *specification, const struct engine_config *config,
                struct engine **engine, char *reason, unsigned reason_size)
{
    struct level levels[ENGINE_MAX_LEVELS];
    struct engine *below = NULL;
    char *copy = strdup(specification);
    int count, error;

    *engine = NULL;
    if (!copy)
        return engine_explain(reason, reason_size, -ENOMEM, "out of memory");
    count = split_levels(copy, levels, reason, reason_size);
    error = count < 0 ? count : check_order(levels, count, reason,
                                            reason_size);
    while (!error && count-- > 0)
        error = levels[count].ops->open(config, levels[count].parameters,
                                        below, &below, reason, reason_size);
    if (!error)
        *engine = below;
    free(copy);
    return error;
}

void engine_close(struct engine *engine)
{
    if (engine)
        engine->ops->close(engine);
}
