/* SPDX-License-Identifier: MIT
 * The one parser of engine parameters. */
#include "config.h"

#include "backend/engine/parameters.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backend/engine/private.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* Decimal digits, then one of the units (the last has an empty key and ends
 * the table: factor 0 means that a unit is needed). */
static int parse_scaled(const char *text, const struct unit *units,
                        uint64_t *value)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return -EINVAL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    if (errno)
        return -ERANGE;
    while (*units->suffix && strcmp(end, units->suffix))
        units++;
    if (strcmp(end, units->suffix) || !units->factor)
        return -EINVAL;
    return __builtin_mul_overflow(*value, units->factor, value) ? -ERANGE : 0;
}

static int parse_number(const char *text, void *value)
{
    static const struct unit units[] = { { "", 1 } };

    return parse_scaled(text, units, value);
}

static int parse_size(const char *text, void *value)
{
    static const struct unit units[] = {
        { "K", 1ull << 10 }, { "M", 1ull << 20 }, { "G", 1ull << 30 },
        { "T", 1ull << 40 }, { "", 1 },
    };

    return parse_scaled(text, units, value);
}

static int parse_percent(const char *text, void *value)
{
    static const struct unit units[] = { { "%", 1 }, { "", 0 } };
    int error = parse_scaled(text, units, value);

    return error ? error : *(uint64_t *)value > 100 ? -ERANGE : 0;
}

static int parse_us(const char *text, void *value)
{
    static const struct unit units[] = {
        { "us", 1 }, { "ms", 1000 }, { "s", 1000000 }, { "", 0 },
    };

    return parse_scaled(text, units, value);
}

static int parse_errno(const char *text, void *value)
{
    for (int error = 1; error < 4096; error++) {
        const char *name = strerrorname_np(error);

        if (name && strcmp(name, text) == 0) {
            *(int *)value = -error;
            return 0;
        }
    }
    return -EINVAL;
}

static int parse_bool(const char *text, void *value)
{
    bool is_yes = strcmp(text, "yes") == 0;

    if (!is_yes && strcmp(text, "no"))
        return -EINVAL;
    *(bool *)value = is_yes;
    return 0;
}

static int parse_text(const char *text, void *value)
{
    char **copy = value;

    if (!*text)
        return -EINVAL;
    *copy = strdup(text);
    return *copy ? 0 : -ENOMEM;
}

const struct parameter_type parameter_number = { "a number", parse_number };
const struct parameter_type parameter_size = {
    "a size such as 4096, 64K, 10M, 2G or 1T", parse_size,
};
const struct parameter_type parameter_percent = {
    "a percentage from 0% to 100%", parse_percent,
};
const struct parameter_type parameter_us = {
    "a duration such as 500us, 2ms or 1s", parse_us,
};
const struct parameter_type parameter_errno = {
    "the name of an error such as EIO or ENOSPC", parse_errno,
};
const struct parameter_type parameter_bool = { "yes or no", parse_bool };
const struct parameter_type parameter_text = {
    "a text, between single quotes if it contains '/' or ','", parse_text,
};

char *parameters_find(char *text, char separator)
{
    bool is_quoted = false;

    for (; *text; text++) {
        if (*text == '\'')
            is_quoted = !is_quoted;
        else if (*text == separator && !is_quoted)
            break;
    }
    return text;
}

/* 'abc' becomes abc; a quote anywhere else is -EINVAL. */
static int strip_quotes(char **value)
{
    size_t length = strlen(*value);

    if (length >= 2 && **value == '\'' && (*value)[length - 1] == '\'') {
        (*value)[length - 1] = '\0';
        ++*value;
    }
    return strchr(*value, '\'') ? -EINVAL : 0;
}

struct parse {
    const char *engine_name;
    const struct parameter *table;
    uint32_t seen; /* one bit for each row of the table */
    char *reason;
    unsigned reason_size;
};

static int parse_one(struct parse *parse, char *key)
{
    char *value = strchr(key, '=');
    const struct parameter *row = parse->table;
    int error;

    if (!value || value == key)
        return engine_explain(parse->reason, parse->reason_size, -EINVAL,
                              "%s: '%s' is not of the form key=value",
                              parse->engine_name, key);
    *value++ = '\0';
    while (row->key && strcmp(row->key, key))
        row++;
    if (!row->key)
        return engine_explain(parse->reason, parse->reason_size, -EINVAL,
                              "%s has no parameter '%s'", parse->engine_name,
                              key);
    if (parse->seen & 1u << (row - parse->table))
        return engine_explain(parse->reason, parse->reason_size, -EINVAL,
                              "%s: '%s' is given twice", parse->engine_name,
                              key);
    parse->seen |= 1u << (row - parse->table);
    error = strip_quotes(&value);
    if (!error)
        error = row->type->parse(value, row->value);
    if (error)
        engine_explain(parse->reason, parse->reason_size, error,
                       "%s: %s='%s': expected %s", parse->engine_name, key,
                       value, row->type->expected);
    return error;
}

int parameters_parse(const char *engine_name, const char *text,
                     const struct parameter *table, char *reason,
                     unsigned reason_size)
{
    struct parse parse = { engine_name, table, 0, reason, reason_size };
    char *copy = strdup(text), *next = copy;
    int error = copy ? 0 : -ENOMEM;

    if (error)
        engine_explain(reason, reason_size, error, "%s: out of memory",
                       engine_name);
    while (!error && *next) {
        char *one = next, *end = parameters_find(one, ',');

        next = *end ? end + 1 : end;
        if (*end && !*next)
            error = engine_explain(reason, reason_size, -EINVAL,
                                   "%s: nothing follows the last ','",
                                   engine_name);
        *end = '\0';
        if (!error)
            error = parse_one(&parse, one);
    }
    free(copy);
    return error;
}
