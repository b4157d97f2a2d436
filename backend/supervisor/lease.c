/* SPDX-License-Identifier: MIT
 * Leases: DIR/leases/KEY, under flock(2), which belongs to the open file and
 * not to a process. */
#include "backend/supervisor/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/supervisor/supervisor.h"
#include "backend/supervisor/worker.h"
#include "common/host/log.h"

enum { PATH_BYTES = 512 };

static void print_path(const struct supervisor *supervisor, const char *key,
                       char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%.400s/leases/%.80s",
             supervisor->options.state_dir, key);
}

int lease_take(const struct supervisor *supervisor, const char *key)
{
    char path[PATH_BYTES];
    int fd, lease;

    print_path(supervisor, key, path);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    lease = flock(fd, LOCK_EX | LOCK_NB) < 0
                ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, WORKER_LEASE + 1);
    if (lease < 0)
        lease = -errno;
    close(fd);
    return lease;
}

bool lease_has_note(int lease)
{
    struct stat status;

    return fstat(lease, &status) == 0 && status.st_size > 0;
}

void lease_clear_note(int lease)
{
    if (ftruncate(lease, 0) < 0)
        log_warning("a lease cannot be emptied: %s", strerror(errno));
}

bool lease_is_taken(const struct supervisor *supervisor, const char *key)
{
    char path[PATH_BYTES];
    bool is_taken;
    int fd;

    if (strchr(key, '/'))
        return false; /* that is no key */
    print_path(supervisor, key, path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno != ENOENT;
    is_taken = flock(fd, LOCK_SH | LOCK_NB) < 0;
    close(fd);
    return is_taken;
}

void lease_remove(const struct supervisor *supervisor, const char *key)
{
    char path[PATH_BYTES];
    struct stat status;

    print_path(supervisor, key, path);
    if (stat(path, &status) < 0)
        return;
    if (status.st_size == 0)
        unlink(path);
    else if (truncate(path, 1) < 0)
        log_warning("%s: %s", path, strerror(errno));
}
