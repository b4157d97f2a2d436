/* SPDX-License-Identifier: MIT
 * Fail-stop markers. */
#include "backend/supervisor/marker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/host/log.h"

enum { MARKER_PATH_BYTES = 512 };

static void print_path(const struct supervisor *supervisor, const char *key,
                       char path[MARKER_PATH_BYTES])
{
    snprintf(path, MARKER_PATH_BYTES, "%.400s/fail-stop/%.80s",
             supervisor->options.state_dir, key);
}

bool marker_set(const struct supervisor *supervisor, const char *key,
                const char *reason)
{
    char path[MARKER_PATH_BYTES];
    bool is_set;
    FILE *file;

    print_path(supervisor, key, path);
    file = fopen(path, "we");
    is_set = file && fprintf(file, "%s\n", reason) > 0;
    if (file && fclose(file) != 0)
        is_set = false;
    if (!is_set)
        log_error("%s: %s: fail-stop will not outlive this vbdd", path,
                  strerror(errno));
    return is_set;
}

void marker_clear(const struct supervisor *supervisor, const char *key)
{
    char path[MARKER_PATH_BYTES];

    print_path(supervisor, key, path);
    if (unlink(path) < 0 && errno != ENOENT)
        log_error("%s: %s", path, strerror(errno));
}

void marker_get(const struct supervisor *supervisor, const char *key,
                char *reason, unsigned reason_size)
{
    char path[MARKER_PATH_BYTES];
    FILE *file;

    reason[0] = '\0';
    print_path(supervisor, key, path);
    file = fopen(path, "re");
    if (!file)
        return;
    if (!fgets(reason, (int)reason_size, file) || reason[0] == '\n')
        snprintf(reason, reason_size, "no reason recorded");
    reason[strcspn(reason, "\n")] = '\0';
    fclose(file);
}
