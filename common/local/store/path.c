/* SPDX-License-Identifier: MIT
 * Paths of the store. */
#include "common/local/store/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void path_of_domain(uint32_t domid, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "/local/domain/%u", domid);
}

static bool is_well_formed(const char *path)
{
    static const char legal[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz"
                                "0123456789-/_@";
    size_t length = strlen(path);

    if (strspn(path, legal) != length || strstr(path, "//"))
        return false;
    return length == 1 || path[length - 1] != '/';
}

int path_resolve(uint32_t domid, const char *given, char path[PATH_BYTES])
{
    size_t length = strlen(given);

    if (given[0] == '/') {
        if (length > XENSTORE_ABS_PATH_MAX)
            return -EINVAL;
        memcpy(path, given, length + 1);
    } else {
        if (length == 0 || length > XENSTORE_REL_PATH_MAX)
            return -EINVAL;
        path_of_domain(domid, path);
        strcat(path, "/");
        strcat(path, given);
    }
    return is_well_formed(path) ? 0 : -EINVAL;
}

bool path_is_within(const char *path, const char *top)
{
    size_t length = strlen(top);

    if (strcmp(top, "/") == 0)
        return path[0] == '/';
    return strncmp(path, top, length) == 0 &&
           (path[length] == '\0' || path[length] == '/');
}

const char *path_next(const char **rest, size_t *length)
{
    const char *name = *rest;

    while (*name == '/')
        name++;
    *length = strcspn(name, "/");
    *rest = name + *length;
    return *length ? name : NULL;
}
