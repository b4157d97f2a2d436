/* SPDX-License-Identifier: MIT
 * Unplug: how an HVM guest takes its emulated devices away before its PV
 * drivers take over (Xen's docs/misc/hvm-emulated-unplug; product numbers are
 * in xen/hvm/pvdrivers.h). Two I/O ports of the emulated machine, and no
 * XenStore: the disks themselves are connected afterwards, by
 * vbdfront_connect().
 *
 * When to call it: once, when nothing uses the emulated disks any more, and
 * before the PV ones are read. QEMU then drains, flushes and closes its side
 * of the disk (C11): all that was written there is seen by the PV disk. A
 * guest without an emulated machine (PV, PVH) has nothing to unplug, and
 * nothing may be at these ports. Freestanding. */
#ifndef VBDFRONT_UNPLUG_H
#define VBDFRONT_UNPLUG_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the guest supplies: accesses to I/O ports, of 1, 2 or 4 bytes. Apart
 * from vbdfront_port, since most guests have no such thing. */
struct vbdfront_io_port {
    void *context; /* first argument of both */
    uint32_t (*in)(void *context, uint16_t port, unsigned bytes);
    void (*out)(void *context, uint16_t port, unsigned bytes, uint32_t value);
};

/* What is taken away. */
enum {
    VBDFRONT_UNPLUG_DISKS = 1u << 0,     /* all IDE and SCSI disks; not CDs */
    VBDFRONT_UNPLUG_NICS = 1u << 1,
    VBDFRONT_UNPLUG_AUX_DISKS = 1u << 2, /* IDE disks but the first */
    VBDFRONT_UNPLUG_NVME = 1u << 3,
};

/* Who is asking; the host may refuse a product, or a build of it. */
struct vbdfront_product {
    uint16_t number; /* 0xffff: experimental */
    uint32_t build;
};

/* devices: VBDFRONT_UNPLUG_*, at least one. 0 when they are gone. Else none is:
 * -ENODEV, this machine has no such ports; -EPERM, the host does not want this
 * product's drivers (the emulated devices are to be used, the PV ones left
 * alone); -EPROTO, a version that is not known; -EINVAL. */
int vbdfront_unplug(const struct vbdfront_io_port *port,
                    struct vbdfront_product product, unsigned devices);

#ifdef __cplusplus
}
#endif
#endif
