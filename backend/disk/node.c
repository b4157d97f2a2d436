/* SPDX-License-Identifier: MIT
 * Names in /dev. */
#include "backend/disk/node.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/storage/sysfs.h"

bool node_path(dev_t device, char path[NODE_PATH_BYTES])
{
    char name[BLOCKDEV_NAME_BYTES];
    struct stat status;

    sysfs_name(device, name);
    for (char *at = name; (at = strchr(at, '!'));)
        *at = '/'; /* as the kernel does: "cciss!c0d0" */
    snprintf(path, NODE_PATH_BYTES, "/dev/%s", name);
    return name[0] && stat(path, &status) == 0 && S_ISBLK(status.st_mode) &&
        status.st_rdev == device;
}
