/* SPDX-License-Identifier: MIT
 * What Linux says of a block device or file that is to be a disk: facts, read
 * from sysfs, ioctls and statx(2), nothing judged. Any thread; no state. The
 * paths of sysfs and procfs can be put elsewhere for tests. */
#ifndef VBDD_STORAGE_BLOCKDEV_H
#define VBDD_STORAGE_BLOCKDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { BLOCKDEV_NAME_BYTES = 64, BLOCKDEV_PATH_BYTES = 256 };

struct blockdev {
    bool is_block;
    dev_t device;        /* block: st_rdev; file: st_dev, of its file system */
    ino_t inode;         /* file */
    char name[BLOCKDEV_NAME_BYTES]; /* block: the kernel's ("sda1"); "" else */
    dev_t whole;         /* block: the disk that a partition is of, or itself */
    uint64_t size_bytes;
    uint32_t logical_bytes, physical_bytes; /* of sectors; file: what O_DIRECT
                                               wants, 0: none at all */
    bool is_read_only, is_rotational;
    bool has_write_cache, has_fua;
    uint64_t discard_granularity_bytes, discard_max_bytes; /* 0: none */
    uint64_t write_zeroes_max_bytes;
    /* A loop device: the file behind it, "" if there is none. */
    char loop_file[BLOCKDEV_PATH_BYTES];
    dev_t loop_device; /* of the file's file system */
    ino_t loop_inode;
    bool loop_is_direct;
};

/* Opens path read-only, without waiting, looks, closes. 0 or -errno. */
int blockdev_look(const char *path, struct blockdev *device);

/* The state of the host's page cache of a target. */
struct page_cache {
    bool is_known;  /* cachestat(2) is there (Linux 6.5); else only cached */
    uint64_t cached_bytes, dirty_bytes, writeback_bytes;
};
/* Of an open descriptor; partitions and whole disk have one each. */
int page_cache_look(int fd, struct page_cache *cache);

#endif
