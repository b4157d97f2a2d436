/* SPDX-License-Identifier: MIT
 * Reading sysfs, one small file at a time. */
#include "common/storage/sysfs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

const char *storage_sysfs = "/sys", *storage_procfs = "/proc";

bool storage_read(const char *path, char *text, unsigned size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return got >= 0;
}

void sysfs_path(dev_t device, char path[BLOCKDEV_PATH_BYTES])
{
    snprintf(path, BLOCKDEV_PATH_BYTES, "%s/dev/block/%u:%u", storage_sysfs,
             major(device), minor(device));
}

bool sysfs_read(dev_t device, const char *attribute, char *text, unsigned size)
{
    char base[BLOCKDEV_PATH_BYTES], path[BLOCKDEV_PATH_BYTES + 64];

    sysfs_path(device, base);
    snprintf(path, sizeof path, "%s/%s", base, attribute);
    return storage_read(path, text, size);
}

uint64_t sysfs_number(dev_t device, const char *attribute)
{
    char text[32];

    sysfs_read(device, attribute, text, sizeof text);
    return strtoull(text, NULL, 10);
}

void sysfs_name(dev_t device, char name[BLOCKDEV_NAME_BYTES])
{
    char path[BLOCKDEV_PATH_BYTES], link[BLOCKDEV_PATH_BYTES];
    ssize_t got;

    sysfs_path(device, path);
    got = readlink(path, link, sizeof link - 1);
    link[got > 0 ? got : 0] = 0;
    snprintf(name, BLOCKDEV_NAME_BYTES, "%.*s", BLOCKDEV_NAME_BYTES - 1,
             strrchr(link, '/') ? strrchr(link, '/') + 1 : link);
}

dev_t sysfs_parse_device(const char *text)
{
    unsigned number[2];

    return sscanf(text, "%u:%u", &number[0], &number[1]) == 2
               ? makedev(number[0], number[1]) : 0;
}

/* A partition's directory stands in that of its disk. */
dev_t sysfs_whole(dev_t device)
{
    char text[32];
    dev_t whole = 0;

    if (sysfs_read(device, "partition", text, sizeof text) &&
        sysfs_read(device, "../dev", text, sizeof text))
        whole = sysfs_parse_device(text);
    return whole ? whole : device;
}
