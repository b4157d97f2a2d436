/* SPDX-License-Identifier: MIT
 * What the host's page cache holds of a target. */
#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/storage/blockdev.h"

/* cachestat(2), which libc may not know yet; the number is everybody's. */
enum { CACHESTAT_NUMBER = 451 };
struct cachestat_range { uint64_t offset, length; };
struct cachestat_pages {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

enum { VECTOR_PAGES = 1 << 16 };
static const uint64_t max_walk_bytes = UINT64_C(64) << 30;

/* How many of a mapping's pages are there; mincore(2) looks at the page cache
 * and reads nothing in. */
static int count_window(int fd, off_t offset, size_t bytes, size_t page,
                        uint64_t *cached)
{
    static _Thread_local unsigned char vector[VECTOR_PAGES];
    void *window = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, offset);
    int error = 0;

    if (window == MAP_FAILED)
        return -errno;
    if (mincore(window, bytes, vector) < 0)
        error = -errno;
    for (size_t i = 0; !error && i < (bytes + page - 1) / page; i++)
        *cached += vector[i] & 1 ? page : 0;
    munmap(window, bytes);
    return error;
}

static int count_cached(int fd, struct page_cache *cache)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct stat status;
    uint64_t bytes;
    int error = 0;

    if (fstat(fd, &status) < 0)
        return -errno;
    bytes = (uint64_t)status.st_size;
    if (S_ISBLK(status.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) < 0)
        return -errno;
    if (bytes > max_walk_bytes)
        return -EFBIG;
    for (uint64_t at = 0; !error && at < bytes; at += VECTOR_PAGES * page) {
        uint64_t rest = bytes - at, most = VECTOR_PAGES * page;

        error = count_window(fd, (off_t)at, rest < most ? rest : most, page,
                             &cache->cached_bytes);
    }
    return error;
}

int page_cache_look(int fd, struct page_cache *cache)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    struct cachestat_range all = { 0, 0 };
    struct cachestat_pages pages;

    *cache = (struct page_cache){ .is_known = false };
    if (syscall(CACHESTAT_NUMBER, fd, &all, &pages, 0) < 0)
        return count_cached(fd, cache);
    cache->is_known = true;
    cache->cached_bytes = pages.cached * page;
    cache->dirty_bytes = pages.dirty * page;
    cache->writeback_bytes = pages.writeback * page;
    return 0;
}
