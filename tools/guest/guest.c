/* SPDX-License-Identifier: MIT
 * A domain's begin, and its disk's. */
#include "tools/guest/guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/host/log.h"

enum { SECOND_US = 1000000 };

struct port_local *guest_open(const char *local_dir, uint32_t domid)
{
    struct port_local *guest;
    int error = port_local_open(local_dir, domid, GUEST_PAGES, &guest);

    if (!error)
        return guest;
    if (error == -EEXIST)
        log_error("domain %u lives already in %s", domid, local_dir);
    else
        log_error("domain %u cannot be made in %s: %s", domid, local_dir,
                  strerror(-error));
    return NULL;
}

bool guest_wait_for_disk(const struct vbdfront_port *port, uint32_t vdev,
                         uint64_t timeout_s, char node[GUEST_NODE_BYTES])
{
    uint64_t start_us = port->now_us(port->context), waited_us;
    uint64_t timeout_us = timeout_s * SECOND_US;
    char path[GUEST_NODE_BYTES + 16], value[256];

    snprintf(node, GUEST_NODE_BYTES, "device/vbd/%u", vdev);
    snprintf(path, sizeof path, "%s/backend", node);
    port->store_watch(port->context, path);
    while (port->store_read(port->context, path, value, sizeof value) < 0) {
        waited_us = port->now_us(port->context) - start_us;
        if (waited_us >= timeout_us)
            break;
        port->wait(port->context, timeout_us - waited_us);
    }
    port->store_unwatch(port->context, path);
    return port->store_read(port->context, path, value, sizeof value) >= 0;
}
