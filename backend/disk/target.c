/* SPDX-License-Identifier: MIT
 * Claim and I/O descriptors of a target (C12), and the order in which it is
 * looked at, claimed, opened and cleaned. */
#include "backend/disk/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Decides what it is before anything is opened: to open is to act. */
static int inspect(struct target *t, const struct refusal *refusal)
{
    struct stat status;

    if (stat(refusal->path, &status) < 0)
        return refusal_say(refusal, -errno, "cannot be used: %s",
                           strerror(errno));
    if (!target_key(&status, t->key))
        return refusal_say(refusal, S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL,
                           "is %s; expected a block device or a regular file",
                           S_ISDIR(status.st_mode) ? "a directory"
                                                   : "neither disk nor file");
    t->is_block = S_ISBLK(status.st_mode);
    return 0;
}

static int check_size(const struct target *t, const struct refusal *refusal)
{
    int fd = t->claim.fds[0];
    struct stat status;
    uint64_t bytes;

    if (fstat(fd, &status) < 0 ||
        (t->is_block && ioctl(fd, BLKGETSIZE64, &bytes) < 0))
        return refusal_say(refusal, -errno, "does not tell its size: %s",
                           strerror(errno));
    if (!t->is_block)
        bytes = (uint64_t)status.st_size;
    if (bytes == 0 || bytes % 512)
        return refusal_say(refusal, -EINVAL, "has %llu bytes; expected a "
                           "multiple of 512, not 0",
                           (unsigned long long)bytes);
    return 0;
}

static int check_writable(const struct target *t,
                          const struct refusal *refusal)
{
    int is_read_only = 0;

    if (t->is_block && !t->read_only &&
        ioctl(t->claim.fds[0], BLKROGET, &is_read_only) == 0 && is_read_only)
        return refusal_say(refusal, -EROFS, "is a read-only device; attach "
                           "it with mode r");
    return 0;
}

/* The same inode once more, not the same name: nothing can come between. */
static int open_io(struct target *t, bool allow_buffered,
                   const struct refusal *refusal)
{
    char self[64];
    int flags = O_CLOEXEC | (t->read_only ? O_RDONLY : O_RDWR);

    snprintf(self, sizeof self, "/proc/self/fd/%d", t->claim.fds[0]);
    t->io_fd = open(self, flags | (allow_buffered ? 0 : O_DIRECT));
    t->is_direct = !allow_buffered;
    if (t->io_fd < 0 && errno == EINVAL)
        return refusal_say(refusal, -EINVAL, "cannot do O_DIRECT on its file "
                           "system; put it elsewhere, or allow buffered = yes "
                           "for it");
    if (t->io_fd < 0)
        return refusal_say(refusal, -errno, "cannot be opened for I/O: %s",
                           strerror(errno));
    return 0;
}

/* The claim goes last. */
static void let_go(struct target *t)
{
    if (t->io_fd >= 0)
        close(t->io_fd);
    t->io_fd = -1;
    cache_close(&t->cache);
    claim_release(&t->claim);
}

void target_none(struct target *target)
{
    *target = (struct target){ .io_fd = -1, .is_direct = true };
}

int target_open(const char *path, bool read_only, bool allow_buffered,
                struct target *target, char *reason, unsigned reason_size)
{
    const struct refusal refusal = { .path = path, .read_only = read_only,
                                     .text = reason, .size = reason_size };
    struct target *t = target;
    int error;

    target_none(t);
    t->read_only = read_only;
    error = inspect(t, &refusal);
    if (!error)
        error = claim_take(&t->claim, t->key, &refusal);
    if (!error)
        error = check_size(t, &refusal);
    if (!error)
        error = check_writable(t, &refusal);
    if (!error)
        error = open_io(t, allow_buffered, &refusal);
    if (!error)
        error = cache_open(&t->cache, t->claim.fds[0], t->is_block, &refusal);
    if (!error)
        error = cache_clean(&t->cache, &refusal);
    if (error)
        let_go(t);
    return error;
}

int target_close(struct target *target, const char **step)
{
    int error = target->claim.nr_fds ? cache_drop(&target->cache, step) : 0;

    let_go(target);
    return error;
}
