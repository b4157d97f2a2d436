/* SPDX-License-Identifier: MIT
 * Control groups are files. */
#include "common/host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cgroup_write(const char *dir, const char *file, const char *text)
{
    char path[1024];
    int fd, error = 0;

    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path)
        return -ENAMETOOLONG;
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (write(fd, text, strlen(text)) < 0)
        error = -errno;
    close(fd);
    return error;
}

int cgroup_join(const char *dir)
{
    return cgroup_write(dir, "cgroup.procs", "0");
}
