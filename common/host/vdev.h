/* SPDX-License-Identifier: MIT
 * Names of virtual disks (xvda, hda, sda1) and their numbers, as libxl and
 * docs/misc/vbd-interface.txt of Xen have them. Pure. */
#ifndef VBDD_HOST_VDEV_H
#define VBDD_HOST_VDEV_H

#include <stdint.h>

enum { VDEV_NAME_BYTES = 24 };

/* "xvda" 51712, "xvdb1" 51729, "xvdq" 268439552, "hda" 768, "sda" 2048, or
 * the number itself. 0 or -EINVAL. */
int vdev_parse(const char *text, uint32_t *devid);
/* The shortest name; the number where there is none. Returns name. */
const char *vdev_print(uint32_t devid, char name[VDEV_NAME_BYTES]);

#endif
