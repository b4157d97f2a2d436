/* SPDX-License-Identifier: MIT
 * Who has a device, as sysfs knows it: a driver of the kernel has a link
 * there, and another process the lock on the device's directory. */
#include "frontend/port-linux/port-linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/host/log.h"

enum { PATH_BYTES = 256, PATIENCE = 20, PAUSE_US = 100000 };

/* A device that has just been attached is seen by the kernel a moment later,
 * and taken by its driver at once. */
static int open_device(const char *path)
{
    int fd = -1;

    for (unsigned i = 0; fd < 0 && i < PATIENCE; i++) {
        if (i > 0)
            usleep(PAUSE_US);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    }
    return fd;
}

/* Has a driver bound it? Fills in its name. */
static bool has_driver(int device_fd, char name[PATH_BYTES])
{
    char target[PATH_BYTES];
    ssize_t length = readlinkat(device_fd, "driver", target,
                                sizeof target - 1);

    if (length < 0)
        return false;
    target[length] = '\0';
    snprintf(name, PATH_BYTES, "%s", basename(target));
    return true;
}

int port_linux_claim(const char *bus, uint32_t vdev)
{
    char path[PATH_BYTES], driver[PATH_BYTES];
    int fd;

    snprintf(path, sizeof path, "%s/devices/vbd-%u", bus, vdev);
    fd = open_device(path);
    if (fd < 0)
        return -ENOENT;
    if (has_driver(fd, driver)) {
        log_error("this guest's kernel has the device: unmount it, then "
                  "\"echo vbd-%u >%s/drivers/%s/unbind\"; a guest that does "
                  "not load xen-blkfront leaves its disks alone", vdev, bus,
                  driver);
    } else if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return fd;
    } else {
        log_error("another process of this guest has the device (it has "
                  "locked %s)", path);
    }
    close(fd);
    return -EBUSY;
}
