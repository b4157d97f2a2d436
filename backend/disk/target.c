/* SPDX-License-Identifier: MIT
 * Claim and I/O descriptors of a target (C12). The claim is exclusive for a
 * writer, shared for read-only disks. */
#include "backend/disk/target.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct opening {
    const char *path;
    struct target *target;
    char *reason;
    unsigned reason_size;
    struct stat status;
};

static int refuse(struct opening *o, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct opening *o, int error, const char *format, ...)
{
    char sentence[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    snprintf(o->reason, o->reason_size, "target %s %s", o->path, sentence);
    return error;
}

/* Decides what path is before anything is claimed. O_NONBLOCK: a FIFO or a
 * drive without medium must not hang us. */
static int inspect(struct opening *o)
{
    struct target *t = o->target;

    if (stat(o->path, &o->status) < 0)
        return refuse(o, -errno, "cannot be used: %s", strerror(errno));
    if (!target_key(&o->status, t->key))
        return refuse(o, S_ISDIR(o->status.st_mode) ? -EISDIR : -EINVAL,
                      "is %s; expected a block device or a regular file",
                      S_ISDIR(o->status.st_mode) ? "a directory"
                                                 : "neither disk nor file");
    t->is_block = S_ISBLK(o->status.st_mode);
    return 0;
}

/* Nobody may have put something else under the name since inspect(). */
static int check_same(struct opening *o)
{
    struct stat now;

    if (fstat(o->target->claim_fd, &now) < 0 ||
        now.st_dev != o->status.st_dev || now.st_ino != o->status.st_ino ||
        now.st_rdev != o->status.st_rdev)
        return refuse(o, -ESTALE, "was replaced while it was being opened");
    o->status = now;
    return 0;
}

enum { LOCK_TRIES = 60, LOCK_PAUSE_US = 50 * 1000 };

/* udev holds a shared lock on a block device for as long as it looks at it
 * (systemd.io/BLOCK_DEVICE_LOCKING), and it looks whenever a writer has closed
 * it: a detach followed by an attach. Whoever has it for longer uses it. */
static int lock(const struct target *t)
{
    int how = (t->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB;

    for (unsigned i = 0; flock(t->claim_fd, how) < 0; i++) {
        if (errno != EWOULDBLOCK || !t->is_block || i == LOCK_TRIES)
            return -errno;
        usleep(LOCK_PAUSE_US);
    }
    return 0;
}

static int claim(struct opening *o)
{
    struct target *t = o->target;
    int flags = O_CLOEXEC | O_NONBLOCK | (t->read_only ? O_RDONLY : O_RDWR);

    if (t->is_block && !t->read_only)
        flags |= O_EXCL;
    t->claim_fd = open(o->path, flags);
    if (t->claim_fd < 0 && errno == EBUSY)
        return refuse(o, -EBUSY, "is busy: it is mounted, or claimed by "
                      "device-mapper, md, swap or another back end; see "
                      "lsblk and findmnt");
    if (t->claim_fd < 0 && (errno == EROFS || errno == EACCES))
        return refuse(o, -errno, "cannot be written: %s; attach it with mode "
                      "r", strerror(errno));
    if (t->claim_fd < 0)
        return refuse(o, -errno, "cannot be opened: %s", strerror(errno));
    if (lock(t) < 0)
        return refuse(o, -EBUSY, "is locked by another process (flock); see "
                      "lslocks");
    return check_same(o);
}

static int check_size(struct opening *o)
{
    struct target *t = o->target;
    uint64_t bytes = (uint64_t)o->status.st_size;

    if (t->is_block && ioctl(t->claim_fd, BLKGETSIZE64, &bytes) < 0)
        return refuse(o, -errno, "does not tell its size: %s",
                      strerror(errno));
    if (bytes == 0 || bytes % 512)
        return refuse(o, -EINVAL, "has %llu bytes; expected a multiple of 512, "
                      "not 0", (unsigned long long)bytes);
    return 0;
}

static int check_writable(struct opening *o)
{
    struct target *t = o->target;
    int is_read_only = 0;

    if (t->is_block && !t->read_only &&
        ioctl(t->claim_fd, BLKROGET, &is_read_only) == 0 && is_read_only)
        return refuse(o, -EROFS, "is a read-only device; attach it with mode "
                      "r");
    return 0;
}

/* The same inode once more, not the same name: nothing can come between. */
static int open_io(struct opening *o, bool allow_buffered)
{
    struct target *t = o->target;
    char self[64];
    int flags = O_CLOEXEC | (t->read_only ? O_RDONLY : O_RDWR);

    snprintf(self, sizeof self, "/proc/self/fd/%d", t->claim_fd);
    t->io_fd = open(self, flags | (allow_buffered ? 0 : O_DIRECT));
    t->is_direct = !allow_buffered;
    if (t->io_fd < 0 && errno == EINVAL)
        return refuse(o, -EINVAL, "cannot do O_DIRECT on its file system; put "
                      "it elsewhere, or allow buffered = yes for it");
    if (t->io_fd < 0)
        return refuse(o, -errno, "cannot be opened for I/O: %s",
                      strerror(errno));
    return 0;
}

static int drop_cache(struct target *t, const char **step)
{
    *step = "flush";
    if (!t->read_only && fdatasync(t->claim_fd) < 0)
        return -errno;
    *step = "drop the page cache";
    if (t->is_block && ioctl(t->claim_fd, BLKFLSBUF, 0) == 0)
        return 0; /* as root only */
    return -posix_fadvise(t->claim_fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void let_go(struct target *t)
{
    if (t->io_fd >= 0)
        close(t->io_fd);
    if (t->claim_fd >= 0)
        close(t->claim_fd);
    t->io_fd = t->claim_fd = -1;
}

void target_none(struct target *target)
{
    *target = (struct target){ .claim_fd = -1, .io_fd = -1, .is_direct = true };
}

int target_open(const char *path, bool read_only, bool allow_buffered,
                struct target *target, char *reason, unsigned reason_size)
{
    struct opening o = { .path = path, .target = target, .reason = reason,
                         .reason_size = reason_size };
    const char *step;
    int error;

    target_none(target);
    target->read_only = read_only;
    error = inspect(&o);
    if (!error)
        error = claim(&o);
    if (!error)
        error = check_size(&o);
    if (!error)
        error = check_writable(&o);
    if (!error)
        error = open_io(&o, allow_buffered);
    if (!error) {
        error = drop_cache(target, &step);
        if (error)
            refuse(&o, error, "could not be cleaned before use (%s): %s",
                   step, strerror(-error));
    }
    if (error)
        let_go(target);
    return error;
}

int target_close(struct target *target, const char **step)
{
    int error = target->claim_fd >= 0 ? drop_cache(target, step) : 0;

    let_go(target);
    return error;
}
