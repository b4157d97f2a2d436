/* SPDX-License-Identifier: MIT
 * What the kernel says of the target behind a descriptor: its size, its
 * blocks, what it can do. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "backend/engine/aio.h"
#include "common/storage/sysfs.h"

int aio_target_size(int fd, bool is_block, uint64_t *size_bytes)
{
    struct stat status;

    if (is_block)
        return ioctl(fd, BLKGETSIZE64, size_bytes) < 0 ? -errno : 0;
    if (fstat(fd, &status) < 0)
        return -errno;
    *size_bytes = (uint64_t)status.st_size;
    return 0;
}

uint64_t aio_target_file_end(int fd)
{
    struct statx status;

    return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE,
                 &status) == 0 ? status.stx_size : 0;
}

/* Neither here, nor behind the file's end, nor where the file has changed
 * between two calls, can it be told. */
static bool has_no_answer(off_t start, off_t end)
{
    return end < 0 ? errno == EINVAL || errno == EOPNOTSUPP || errno == ENXIO
                   : end <= start;
}

int aio_target_extent(int fd, uint64_t offset_bytes, uint64_t *length_bytes,
                      bool *is_hole)
{
    off_t start = (off_t)offset_bytes, end = lseek(fd, start, SEEK_DATA);

    *is_hole = end != start;
    if (end == start)
        end = lseek(fd, start, SEEK_HOLE);
    else if (end < 0 && errno == ENXIO) /* no data from here on */
        end = (off_t)aio_target_file_end(fd);
    if (has_no_answer(start, end)) {
        *is_hole = false;
        return 0;
    }
    if (end < 0)
        return -errno;
    if ((uint64_t)(end - start) < *length_bytes)
        *length_bytes = (uint64_t)(end - start);
    return 0;
}

/* Asked with a range that no device can take, the kernel answers EINVAL, but
 * EOPNOTSUPP first where it cannot erase securely at all (block/ioctl.c). It
 * has done so since Linux 5.19; of an older one nothing can be known. */
static bool probe_secure(int fd)
{
    uint64_t odd_range[2] = { 1, 1 };
    unsigned major_version = 0, minor_version = 0;
    struct utsname kernel;

    if (uname(&kernel) < 0 || sscanf(kernel.release, "%u.%u", &major_version,
                                     &minor_version) != 2 ||
        major_version * 1000 + minor_version < 5019)
        return false;
    return ioctl(fd, BLKSECDISCARD, odd_range) < 0 && errno == EINVAL;
}

static int probe_block(const struct engine_config *config, dev_t device,
                       struct engine_info *info)
{
    dev_t whole = sysfs_whole(device); /* a partition has no queue of its own */
    unsigned physical = 0;
    int logical = 0;

    if (ioctl(config->fd, BLKSSZGET, &logical) < 0 ||
        ioctl(config->fd, BLKPBSZGET, &physical) < 0)
        return -errno;
    info->block_bytes = (uint32_t)logical;
    info->memory_align = config->is_direct ? info->block_bytes : 1;
    info->physical_bytes = physical;
    info->flush_retry = config->is_direct;
    info->can_discard = !config->read_only &&
                        sysfs_number(whole, "queue/discard_max_bytes") > 0;
    info->can_secure = !config->read_only && probe_secure(config->fd);
    info->can_zero_fast =
        !config->read_only &&
        sysfs_number(whole, "queue/write_zeroes_max_bytes") > 0;
    info->discard_granularity_bytes =
        (uint32_t)sysfs_number(whole, "queue/discard_granularity");
    info->discard_alignment_bytes =
        (uint32_t)sysfs_number(device, "discard_alignment");
    if (info->discard_alignment_bytes >= info->discard_granularity_bytes)
        info->discard_alignment_bytes = 0; /* -1: the kernel has none to say */
    return 0;
}

/* Where statx cannot tell: does the file take direct I/O in units of 512? */
static uint32_t probe_direct_read(int fd)
{
    static char buffer[4096] __attribute__((aligned(4096)));

    return pread(fd, buffer, 512, 0) < 0 && errno == EINVAL ? 4096 : 512;
}

/* Direct I/O on a file: what statx(2) says since Linux 6.1, else 4096 for
 * memory, which every file system takes. */
static int probe_direct_file(int fd, struct engine_info *info)
{
    info->memory_align = 4096;
#ifdef STATX_DIOALIGN
    struct statx extended;

    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &extended) == 0 &&
        extended.stx_mask & STATX_DIOALIGN) {
        if (!extended.stx_dio_offset_align)
            return -EOPNOTSUPP;
        info->memory_align = extended.stx_dio_mem_align;
        info->block_bytes = extended.stx_dio_offset_align;
        return 0;
    }
#endif
    info->block_bytes = probe_direct_read(fd);
    return 0;
}

/* A hole behind the end changes nothing and shows whether there can be any. */
static bool probe_punch(int fd, const struct stat *status)
{
    off_t behind = (status->st_size + 4095) / 4096 * 4096;

    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, behind,
                     4096) == 0;
}

static int probe_file(const struct engine_config *config,
                      const struct stat *status, struct engine_info *info)
{
    int error = 0;

    info->memory_align = 1;
    info->block_bytes = 512;
    if (config->is_direct)
        error = probe_direct_file(config->fd, info);
    info->physical_bytes = 4096; /* the pages and blocks of file systems */
    info->can_discard = !config->read_only && probe_punch(config->fd, status);
    info->can_zero_fast = info->can_discard;
    info->discard_granularity_bytes = (uint32_t)status->st_blksize;
    return error;
}

/* Blocks are 512 or 4096 bytes for whoever is above; the size is what is left
 * in whole blocks. */
static int round_blocks(const struct engine_config *config,
                        struct engine_info *info, char *reason,
                        unsigned reason_size)
{
    if (info->block_bytes > 4096)
        return engine_explain(reason, reason_size, -EINVAL,
                              "aio: the target has blocks of %u bytes: "
                              "at most 4096 are possible", info->block_bytes);
    info->block_bytes = info->block_bytes <= 512 ? 512 : 4096;
    if (info->physical_bytes < info->block_bytes)
        info->physical_bytes = info->block_bytes;
    if (info->discard_granularity_bytes < info->block_bytes)
        info->discard_granularity_bytes = info->block_bytes;
    info->size_bytes -= info->size_bytes % info->block_bytes;
    if (config->size_bytes > info->size_bytes ||
        config->size_bytes % info->block_bytes)
        return engine_explain(reason, reason_size, -EINVAL,
                              "aio: a disk of %llu bytes: expected a multiple "
                              "of %u, at most %llu",
                              (unsigned long long)config->size_bytes,
                              info->block_bytes,
                              (unsigned long long)info->size_bytes);
    if (config->size_bytes)
        info->size_bytes = config->size_bytes;
    if (!info->size_bytes)
        return engine_explain(reason, reason_size, -EINVAL,
                              "aio: the target is smaller than one block");
    return 0;
}

static int check_descriptor(const struct engine_config *config,
                            struct stat *status, char *reason,
                            unsigned reason_size)
{
    int flags = fcntl(config->fd, F_GETFL), is_read_only = 0;

    if (flags < 0 || fstat(config->fd, status) < 0)
        return engine_explain(reason, reason_size, -errno,
                              "aio: needs an open descriptor of the target");
    if (!S_ISBLK(status->st_mode) && !S_ISREG(status->st_mode))
        return engine_explain(reason, reason_size, -EINVAL,
                              "aio: the target is neither a block device "
                              "nor a regular file");
    if (!config->read_only && (flags & O_ACCMODE) != O_RDWR)
        return engine_explain(reason, reason_size, -EROFS,
                              "aio: the target was opened read-only");
    if (!config->read_only && S_ISBLK(status->st_mode) &&
        ioctl(config->fd, BLKROGET, &is_read_only) == 0 && is_read_only)
        return engine_explain(reason, reason_size, -EROFS,
                              "aio: the block device is read-only");
    return 0;
}

int aio_target_probe(const struct engine_config *config,
                     struct engine_info *info, bool *is_block, char *reason,
                     unsigned reason_size)
{
    struct stat status;
    int error = check_descriptor(config, &status, reason, reason_size);

    if (error)
        return error;
    *is_block = S_ISBLK(status.st_mode);
    *info = (struct engine_info){ .max_bytes = ENGINE_MAX_BYTES,
                                  .read_only = config->read_only };
    error = aio_target_size(config->fd, *is_block, &info->size_bytes);
    if (!error)
        error = *is_block ? probe_block(config, status.st_rdev, info)
                          : probe_file(config, &status, info);
    if (error == -EOPNOTSUPP)
        return engine_explain(reason, reason_size, error, "aio: this file "
                              "cannot be read and written directly "
                              "(O_DIRECT)");
    if (error)
        return engine_explain(reason, reason_size, error,
                              "aio: cannot get the target's size and blocks");
    return round_blocks(config, info, reason, reason_size);
}
