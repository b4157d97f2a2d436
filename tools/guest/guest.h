/* SPDX-License-Identifier: MIT
 * A domain on the local stand-in, and on any port the devices that a toolstack
 * gives it, for the programs that play guests. What is wrong is said where it
 * is found. */
#ifndef VBDD_GUEST_H
#define VBDD_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/port-local/port-local.h"

enum {
    GUEST_PAGES = 65536, /* 256 MiB, of which only what is used exists */
    GUEST_NODE_BYTES = 64,
};

/* NULL: it has been said why. port_local_close() ends its life. */
struct port_local *guest_open(const char *local_dir, uint32_t domid);

/* Fills in the directory of our disk in XenStore, and waits until it is there:
 * the toolstack may attach it only now that the domain lives. False when it is
 * not there in time; that is the caller's to say. */
bool guest_wait_for_disk(const struct vbdfront_port *port, uint32_t vdev,
                         uint64_t timeout_s, char node[GUEST_NODE_BYTES]);

#endif
