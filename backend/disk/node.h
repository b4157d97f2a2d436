/* SPDX-License-Identifier: MIT
 * The kernel's own node of a block device. A device can have any number of
 * nodes, with locks of their own: this one is where all meet. */
#ifndef VBDD_DISK_NODE_H
#define VBDD_DISK_NODE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/storage/blockdev.h"

enum { NODE_PATH_BYTES = BLOCKDEV_NAME_BYTES + 8 };

/* "/dev/sda1"; false: it is not there, or is something else. */
bool node_path(dev_t device, char path[NODE_PATH_BYTES]);

#endif
