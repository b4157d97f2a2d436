/* SPDX-License-Identifier: MIT
 * The port to a bare-metal HVM guest: no operating system, one processor in
 * 32-bit protected mode without paging, so that an address is where memory is.
 * Nothing here knows disks. Everything is found and set up by port_hvm_start():
 * Xen by CPUID, the hypercall page, the grant table (v1), event channels,
 * XenStore's ring, time. docs/PORTING.md takes it as its example. */
#ifndef VBDD_PORT_HVM_H
#define VBDD_PORT_HVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/port.h"
#include "frontend/unplug.h"

/* memory: bytes of RAM that the guest leaves to the port for good; what the
 * driver's pages and Xen's shared pages are taken from, so some MiB. log: where
 * sentences go (0-terminated, without newline). 0; -ENODEV when this is no Xen
 * guest; -ENOMEM; -EIO and it has been logged which service is missing. */
int port_hvm_start(void *memory, size_t bytes,
                   void (*log)(const char *sentence));

/* What vbdfront_open() wants. Its pages are what port_hvm_start() was given. */
const struct vbdfront_port *port_hvm_table(void);
/* in and out, for vbdfront_unplug(). */
const struct vbdfront_io_port *port_hvm_io_ports(void);

uint32_t port_hvm_domid(void);
/* Xen's version as major << 16 | minor. */
uint32_t port_hvm_xen_version(void);

/* How wait() sleeps, which is with the PICs masked; it puts them back. false, the
 * default: in a hypercall, without interrupts (they stay disabled in all of the
 * port). true: halted, until Xen raises a vector. For that the port enables
 * interrupts inside of wait(), with an IDT of its own, and puts that back, too;
 * CS must be in the GDT. Not for who calls firmware in between: a late event
 * could meet it. */
void port_hvm_use_upcall(bool is_wanted);

/* XenStore beyond what a disk needs. list: the children's names, each with a 0
 * behind it; returns their length in bytes, -ENOENT, -E2BIG. */
int port_hvm_store_list(const char *path, char *names, size_t bytes);
int port_hvm_store_remove(const char *path);

/* Writes to Xen's console (xl console); false: there is none. What does not fit
 * at once waits for room, for a second at most. */
bool port_hvm_console(const char *text, size_t bytes);

/* SHUTDOWN_* of xen/sched.h. Returns only from SHUTDOWN_suspend: 0 when the guest
 * has been restored (everything of the port is set up again; then
 * vbdfront_resume() for each disk), 1 when the suspend was cancelled, or
 * -errno. */
int port_hvm_shutdown(unsigned reason);

#endif
