/* SPDX-License-Identifier: MIT
 * What Linux says of a block device or file that is to be a disk: facts, read
 * from sysfs, ioctls and statx(2), nothing judged. Any thread; no state. */
#ifndef VBDD_STORAGE_BLOCKDEV_H
#define VBDD_STORAGE_BLOCKDEV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { BLOCKDEV_NAME_BYTES = 64, BLOCKDEV_PATH_BYTES = 256 };

/* "/sys" and "/proc"; tests put them elsewhere before anything else. */
extern const char *storage_sysfs, *storage_procfs;

struct blockdev {
    bool is_block;
    dev_t device;        /* block: st_rdev; file: st_dev, of its file system */
    ino_t inode;         /* file */
    dev_t node_device;   /* what path itself is, st_dev and st_ino: locks */
    ino_t node_inode;    /* hang on that */
    char name[BLOCKDEV_NAME_BYTES]; /* block: the kernel's ("sda1"); "" else */
    dev_t whole;         /* block: the disk that a partition is of, or itself */
    uint64_t size_bytes;
    uint32_t logical_bytes, physical_bytes; /* of sectors; file: what O_DIRECT
                                               wants, 0: none at all */
    bool is_read_only;
    /* What is known of its queue; a file's: that of the device below its file
     * system. Where is_queue_known is false, as in a file system of several
     * devices or of none, so are the next three, and limits are 0. */
    bool is_queue_known;
    bool is_rotational, has_write_cache, has_fua;
    uint64_t discard_granularity_bytes, discard_max_bytes; /* 0: none */
    uint64_t write_zeroes_max_bytes;
    /* A loop device: the file behind it, "" if there is none. */
    char loop_file[BLOCKDEV_PATH_BYTES];
    dev_t loop_device; /* of the file's file system; 0: not known */
    ino_t loop_inode;  /* 0: loop_file is the block device loop_device */
    bool loop_is_direct;
};

/* Opens a block device or regular file to look at it: read-only, not
 * exclusively, without waiting, and nothing else is touched (a FIFO's writer
 * would go on, a tape rewind). The descriptor, or -EISDIR for a directory,
 * -EINVAL for any other kind, or -errno. */
int blockdev_open(const char *path);

/* Opens path so, looks, closes. 0 or -errno. */
int blockdev_look(const char *path, struct blockdev *device);

/* The state of the host's page cache of a target. */
struct page_cache {
    bool is_known;  /* cachestat(2) is there (Linux 6.5); else only cached */
    uint64_t cached_bytes, dirty_bytes, writeback_bytes;
};
/* Of an open descriptor; partitions and whole disk have one each. 0; -EFBIG
 * for more than 64 GiB without cachestat(2), which would take too long; or
 * -errno. */
int page_cache_look(int fd, struct page_cache *cache);

#endif
