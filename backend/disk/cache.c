/* SPDX-License-Identifier: MIT
 * Page caches, written back and dropped. */
#include "backend/disk/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "backend/disk/node.h"
#include "common/storage/sysfs.h"

/* --- whose page cache shows the same bytes -------------------------------- */

static int open_related(struct cache *cache, dev_t device,
                        const struct refusal *refusal)
{
    char node[NODE_PATH_BYTES];
    int fd = node_path(device, node) ? open(node, O_RDONLY | O_CLOEXEC) : -1;

    if (fd >= 0 && cache->nr_related < CACHE_RELATED) {
        cache->related[cache->nr_related++] = fd;
        return 0;
    }
    if (fd >= 0)
        close(fd);
    return refusal_say(refusal, -EIO, "shares bytes with %s, whose page cache "
                       "cannot be dropped: %s", node,
                       fd >= 0 ? "it is one of too many partitions"
                               : strerror(errno));
}

static int open_partitions(struct cache *cache, dev_t whole,
                           const struct refusal *refusal)
{
    char path[BLOCKDEV_PATH_BYTES], attribute[NAME_MAX + 16], text[32];
    struct dirent *entry;
    DIR *directory;
    int error = 0;

    sysfs_path(whole, path);
    directory = opendir(path);
    while (!error && directory && (entry = readdir(directory))) {
        snprintf(attribute, sizeof attribute, "%s/partition", entry->d_name);
        if (!sysfs_read(whole, attribute, text, sizeof text))
            continue;
        snprintf(attribute, sizeof attribute, "%s/dev", entry->d_name);
        if (sysfs_read(whole, attribute, text, sizeof text))
            error = open_related(cache, sysfs_parse_device(text), refusal);
    }
    if (directory)
        closedir(directory);
    return error;
}

int cache_open(struct cache *cache, int fd, bool is_block,
               const struct refusal *refusal)
{
    struct stat status;
    dev_t whole;
    int error;

    *cache = (struct cache){ .fd = fd, .is_block = is_block };
    if (!is_block || fstat(fd, &status) < 0)
        return 0;
    whole = sysfs_whole(status.st_rdev);
    if (whole != status.st_rdev)
        error = open_related(cache, whole, refusal);
    else
        error = open_partitions(cache, whole, refusal);
    if (error)
        cache_close(cache);
    return error;
}

void cache_close(struct cache *cache)
{
    while (cache->nr_related > 0)
        close(cache->related[--cache->nr_related]);
}

/* --- writing back and dropping -------------------------------------------- */

static int drop_one(int fd, bool is_block, const char **step)
{
    *step = "flush";
    /* EINVAL, EROFS: a file system that never writes */
    if (fdatasync(fd) < 0 && errno != EINVAL && errno != EROFS)
        return -errno;
    *step = "drop the page cache";
    if (is_block && ioctl(fd, BLKFLSBUF, 0) == 0)
        return 0; /* as root only */
    return -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}

int cache_drop(const struct cache *cache, const char **step)
{
    int error = drop_one(cache->fd, cache->is_block, step);

    for (unsigned i = 0; i < cache->nr_related && !error; i++)
        error = drop_one(cache->related[i], true, step);
    return error;
}

/* Where the page cache is the storage. */
static bool is_memory(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 &&
        (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

static uint64_t left_bytes(const struct cache *cache)
{
    struct page_cache left;
    uint64_t bytes = 0;

    if ((cache->is_block || !is_memory(cache->fd)) &&
        page_cache_look(cache->fd, &left) == 0)
        bytes = left.cached_bytes;
    for (unsigned i = 0; i < cache->nr_related; i++)
        if (page_cache_look(cache->related[i], &left) == 0)
            bytes += left.cached_bytes;
    return bytes;
}

enum { CLEAN_TRIES = 20, CLEAN_PAUSE_US = 50 * 1000 };

/* Somebody may be looking just now, as udev does; who has mapped pages keeps
 * them. */
int cache_clean(const struct cache *cache, const struct refusal *refusal)
{
    const char *step;
    uint64_t bytes;

    for (unsigned i = 0; i < CLEAN_TRIES; i++) {
        int error = cache_drop(cache, &step);

        if (error)
            return refusal_say(refusal, error, "could not be cleaned before "
                               "use (%s): %s", step, strerror(-error));
        bytes = refusal->read_only ? 0 : left_bytes(cache);
        if (bytes == 0)
            return 0;
        usleep(CLEAN_PAUSE_US);
    }
    return refusal_say_cached(refusal, bytes);
}
