/* SPDX-License-Identifier: MIT
 * Block devices in sysfs, found by their numbers. What is not there is empty,
 * or 0. Any thread. */
#ifndef VBDD_STORAGE_SYSFS_H
#define VBDD_STORAGE_SYSFS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/storage/blockdev.h"

/* The first line of a file, cut to size; false and "": there is none. */
bool storage_read(const char *path, char *text, unsigned size);

/* An attribute of a device ("ro", "dm/name", "queue/fua"). */
bool sysfs_read(dev_t device, const char *attribute, char *text, unsigned size);
uint64_t sysfs_number(dev_t device, const char *attribute);
/* Where its directory is. */
void sysfs_path(dev_t device, char path[BLOCKDEV_PATH_BYTES]);
/* "sda1", "" when sysfs does not know it. */
void sysfs_name(dev_t device, char name[BLOCKDEV_NAME_BYTES]);
/* The disk that a partition is of, or the device itself. */
dev_t sysfs_whole(dev_t device);
/* "8:17"; 0 when text is something else. */
dev_t sysfs_parse_device(const char *text);

#endif
