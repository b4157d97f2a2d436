/* SPDX-License-Identifier: MIT
 * What sysfs says of xen-blkback. Its driver is called vbd, and so is the type
 * of its devices, which the kernel makes for all nodes, with or without it. */
#include "common/host/blkback.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUS "/sys/bus/xen-backend"

bool blkback_is_loaded(void)
{
    return access(BUS "/drivers/vbd", F_OK) == 0;
}

bool blkback_has(uint32_t domid, uint32_t devid)
{
    char path[80], driver[256];
    const char *name;
    ssize_t length;

    snprintf(path, sizeof path, BUS "/devices/vbd-%" PRIu32 "-%" PRIu32
             "/driver", domid, devid);
    length = readlink(path, driver, sizeof driver - 1);
    if (length < 0)
        return false;
    driver[length] = '\0';
    name = strrchr(driver, '/');
    return strcmp(name ? name + 1 : driver, "vbd") == 0;
}
