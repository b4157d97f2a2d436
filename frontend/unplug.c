/* SPDX-License-Identifier: MIT
 * Unplug. Version 0 of the protocol has the mask only; version 1 wants to know
 * first who is asking, and shows a refusal in the magic number. */
#include "frontend/unplug.h"

#include <stdbool.h>

#include "common/blkif/error.h"

enum {
    PORT_MAGIC = 0x10,   /* read 2 bytes */
    PORT_BUILD = 0x10,   /* write 4 bytes */
    PORT_UNPLUG = 0x10,  /* write 2 bytes */
    PORT_VERSION = 0x12, /* read 1 byte */
    PORT_PRODUCT = 0x12, /* write 2 bytes */
    MAGIC = 0x49d2,      /* the only answer that is a yes; a refusal is
                            0xd249 */
    KNOWN_DEVICES = VBDFRONT_UNPLUG_DISKS | VBDFRONT_UNPLUG_NICS |
                    VBDFRONT_UNPLUG_AUX_DISKS | VBDFRONT_UNPLUG_NVME,
};

static bool has_magic(const struct vbdfront_io_port *port)
{
    return port->in(port->context, PORT_MAGIC, 2) == MAGIC;
}

static int introduce(const struct vbdfront_io_port *port,
                     struct vbdfront_product product)
{
    switch (port->in(port->context, PORT_VERSION, 1)) {
    case 0:
        return 0;
    case 1:
        port->out(port->context, PORT_PRODUCT, 2, product.number);
        port->out(port->context, PORT_BUILD, 4, product.build);
        return has_magic(port) ? 0 : -XEN_EPERM;
    default:
        return -BLKIF_EPROTO;
    }
}

int vbdfront_unplug(const struct vbdfront_io_port *port,
                    struct vbdfront_product product, unsigned devices)
{
    int error;

    if (devices == 0 || (devices & ~(unsigned)KNOWN_DEVICES))
        return -XEN_EINVAL;
    if (!has_magic(port))
        return -XEN_ENODEV;
    error = introduce(port, product);
    if (!error)
        port->out(port->context, PORT_UNPLUG, 2, devices);
    return error;
}
