/* SPDX-License-Identifier: MIT
 * Targets: the params node's grammar, and the key that says what is meant. */
#include "backend/supervisor/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int set_mode(struct target *target, const char *mode, char *reason,
                    unsigned size)
{
    if (strcmp(mode, "r") != 0 && strcmp(mode, "w") != 0 &&
        strcmp(mode, "w!") != 0) {
        snprintf(reason, size, "mode is '%.20s': expected r, w or w!", mode);
        return -EINVAL;
    }
    target->is_writable = mode[0] == 'w';
    target->is_shared = mode[0] == 'w' && mode[1] == '!';
    return 0;
}

static int set_option(struct target *target, char *option, char *reason,
                      unsigned size)
{
    char expected[CONFIG_REASON_BYTES];
    char *value = strchr(option, '=');
    int error = -ENOENT;

    if (value) {
        *value++ = '\0';
        if (strcmp(option, "mode") == 0)
            return set_mode(target, value, reason, size);
        error = config_set_option(&target->options, option, value, expected,
                                  sizeof expected);
    }
    if (error == -ENOENT)
        snprintf(reason, size, "'%.50s' is no option of a disk: expected "
                 "[NAME=VALUE,]...PATH with an absolute path", option);
    else if (error)
        snprintf(reason, size, "%.50s = '%.100s': expected %s", option, value,
                 expected);
    return error ? -EINVAL : 0;
}

/* The path is what follows the options: from the first '/' that stands at the
 * beginning or after a comma, outside double quotes. It may hold commas
 * itself. */
static const char *find_path(const char *params)
{
    bool is_quoted = false;

    for (const char *at = params; *at; at++) {
        if (*at == '"')
            is_quoted = !is_quoted;
        if (*at == '/' && !is_quoted && (at == params || at[-1] == ','))
            return at;
    }
    return NULL;
}

/* Cuts the next option off, up to a comma outside double quotes, and takes the
 * quotes away. NULL at the end. */
static char *take_option(char **rest)
{
    char *option = *rest, *from = option, *to = option;
    bool is_quoted = false;

    if (!*option)
        return NULL;
    for (; *from && (is_quoted || *from != ','); from++) {
        if (*from == '"')
            is_quoted = !is_quoted;
        else
            *to++ = *from;
    }
    *rest = *from ? from + 1 : from;
    *to = '\0';
    return option;
}

int target_parse(struct target *target, const struct config *config,
                 const char *params, const char *mode, char *reason,
                 unsigned reason_size)
{
    char options[TARGET_PARAMS_BYTES];
    const char *path = find_path(params);
    char *rest = options, *option;
    int error;

    if (!path || strlen(params) >= sizeof options ||
        strlen(path) >= sizeof target->path) {
        snprintf(reason, reason_size, "target is '%.100s': expected "
                 "[NAME=VALUE,]...PATH with an absolute path of at most %d "
                 "bytes", params, TARGET_PATH_BYTES - 1);
        return -EINVAL;
    }
    memset(target, 0, sizeof *target);
    strcpy(target->path, path);
    target->options = *config_find(config, path);
    error = set_mode(target, mode && *mode ? mode : "w", reason, reason_size);
    snprintf(options, sizeof options, "%.*s", (int)(path - params), params);
    while (!error && (option = take_option(&rest)))
        error = set_option(target, option, reason, reason_size);
    return error;
}

int target_identify(struct target *target, char *reason, unsigned reason_size)
{
    struct stat status;

    if (stat(target->path, &status) < 0) {
        int error = -errno;

        snprintf(reason, reason_size, "%.200s: %s", target->path,
                 strerror(-error));
        return error;
    }
    if (!target_key(&status, target->key)) {
        snprintf(reason, reason_size, "%.200s is neither a block device nor "
                 "a file", target->path);
        return -EINVAL;
    }
    target->device = S_ISBLK(status.st_mode) ? status.st_rdev : status.st_dev;
    return 0;
}
