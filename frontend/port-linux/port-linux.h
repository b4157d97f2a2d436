/* SPDX-License-Identifier: MIT
 * The port of the front end to the user space of a Linux guest of Xen's:
 * /dev/xen/gntalloc, evtchn and xenbus, through Xen's libraries. For a disk
 * that the guest's kernel leaves alone.
 *
 * A guest that has been restored is not told: its kernel does not grant again
 * what it had granted for a process. So vbdfront_resume() has no use here, and
 * a suspend is to be avoided while such a port is open. */
#ifndef VBDD_PORT_LINUX_H
#define VBDD_PORT_LINUX_H

#include "frontend/port.h"

struct port_linux;

/* Does this kernel run on Xen, and has it got a XenStore? */
bool port_linux_is_here(void);

/* nr_pages: how much memory (4096 bytes each) there is to allocate pages from;
 * it is taken when it is used. 0, or -errno and it has been said which device
 * is missing. */
int port_linux_open(uint32_t nr_pages, struct port_linux **port);
/* Takes every grant back. */
void port_linux_close(struct port_linux *port);
const struct vbdfront_port *port_linux_table(struct port_linux *port);

/* --- claim.c ------------------------------------------------------------- */

/* A descriptor that keeps others who claim the device out until it is closed.
 * -EBUSY when a driver of the kernel or another process has it, and it has
 * been said what to do; -ENOENT when the kernel does not know it. bus:
 * "/sys/bus/xen". */
int port_linux_claim(const char *bus, uint32_t vdev);

#endif
