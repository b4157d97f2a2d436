/* SPDX-License-Identifier: MIT
 * Looking at a target without touching it. */
#include "common/storage/blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/storage/sysfs.h"

/* The same inode once more, with other flags. */
static int reopen(int fd, int flags)
{
    char self[64];
    int again;

    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    again = open(self, flags | O_CLOEXEC);
    return again < 0 ? -errno : again;
}

/* What it is has to be known before it is opened: to open is to act. */
int blockdev_open(const char *path)
{
    int fd = open(path, O_PATH | O_CLOEXEC), result;
    struct stat status;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0)
        result = -errno;
    else if (S_ISDIR(status.st_mode))
        result = -EISDIR;
    else if (!S_ISBLK(status.st_mode) && !S_ISREG(status.st_mode))
        result = -EINVAL;
    else
        result = reopen(fd, O_RDONLY | O_NONBLOCK);
    close(fd);
    return result;
}

static void look_at_queue(struct blockdev *d, dev_t of)
{
    char cache[32];

    d->is_queue_known = sysfs_read(of, "queue/write_cache", cache,
                                   sizeof cache);
    d->has_write_cache = strcmp(cache, "write back") == 0;
    d->has_fua = sysfs_number(of, "queue/fua") != 0;
    d->is_rotational = sysfs_number(of, "queue/rotational") != 0;
    d->discard_max_bytes = sysfs_number(of, "queue/discard_max_bytes");
    d->discard_granularity_bytes =
        sysfs_number(of, "queue/discard_granularity");
    d->write_zeroes_max_bytes =
        sysfs_number(of, "queue/write_zeroes_max_bytes");
}

static void look_at_loop(int fd, struct blockdev *d)
{
    struct loop_info64 info = { .lo_number = 0 };

    if (!sysfs_read(d->whole, "loop/backing_file", d->loop_file,
                    sizeof d->loop_file) ||
        ioctl(fd, LOOP_GET_STATUS64, &info) < 0)
        return;
    d->loop_is_direct = info.lo_flags & LO_FLAGS_DIRECT_IO;
    d->loop_device = info.lo_rdevice ? info.lo_rdevice : info.lo_device;
    d->loop_inode = info.lo_rdevice ? 0 : info.lo_inode;
}

static int look_at_block(int fd, struct blockdev *d)
{
    int logical = 0, is_read_only = 0;
    unsigned physical = 0;

    if (ioctl(fd, BLKGETSIZE64, &d->size_bytes) < 0 ||
        ioctl(fd, BLKSSZGET, &logical) < 0 ||
        ioctl(fd, BLKPBSZGET, &physical) < 0 ||
        ioctl(fd, BLKROGET, &is_read_only) < 0)
        return -errno;
    d->logical_bytes = (uint32_t)logical;
    d->physical_bytes = physical;
    d->is_read_only = is_read_only;
    d->whole = sysfs_whole(d->device);
    sysfs_name(d->device, d->name);
    look_at_queue(d, d->whole);
    if (major(d->whole) == LOOP_MAJOR)
        look_at_loop(fd, d);
    return 0;
}

/* What O_DIRECT must be aligned to: statx(2) says it since Linux 6.1, for some
 * file systems; elsewhere the sectors of the device below decide. */
static uint32_t direct_alignment(int fd, const struct blockdev *d)
{
    uint64_t sector = sysfs_number(sysfs_whole(d->device),
                                   "queue/logical_block_size");
    int direct;
#ifdef STATX_DIOALIGN
    struct statx extended;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &extended) == 0 &&
        extended.stx_mask & STATX_DIOALIGN)
        return extended.stx_dio_offset_align;
#endif
    direct = reopen(fd, O_RDONLY | O_DIRECT | O_NONBLOCK);
    if (direct >= 0)
        close(direct);
    return direct == -EINVAL ? 0 : sector ? (uint32_t)sector : 512;
}

/* Not "may I?", which root always may, but "can it be?": a file system that is
 * read-only, a file that is immutable. */
static bool is_unwritable(int fd)
{
    char self[64];

    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    return faccessat(AT_FDCWD, self, W_OK, AT_EACCESS) < 0 &&
           (errno == EROFS || errno == EPERM);
}

static void look_at_file(int fd, const struct stat *status, struct blockdev *d)
{
    d->inode = status->st_ino;
    d->size_bytes = (uint64_t)status->st_size;
    d->logical_bytes = direct_alignment(fd, d);
    d->physical_bytes = d->logical_bytes ? (uint32_t)status->st_blksize : 0;
    d->is_read_only = is_unwritable(fd);
    look_at_queue(d, sysfs_whole(d->device));
}

int blockdev_look(const char *path, struct blockdev *device)
{
    int fd = blockdev_open(path), error = 0;
    struct stat status;

    *device = (struct blockdev){ .size_bytes = 0 };
    if (fd < 0)
        return fd;
    if (fstat(fd, &status) < 0) {
        error = -errno;
    } else {
        device->is_block = S_ISBLK(status.st_mode);
        device->device = device->is_block ? status.st_rdev : status.st_dev;
        device->node_device = status.st_dev;
        device->node_inode = status.st_ino;
        if (device->is_block)
            error = look_at_block(fd, device);
        else
            look_at_file(fd, &status, device);
    }
    close(fd);
    return error;
}
