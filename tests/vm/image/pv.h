/* SPDX-License-Identifier: MIT
 * The PV side of the flush-correctness VM: Xen by frontend/port-hvm, the disk
 * by frontend's driver. On a machine without Xen all of it is missing. */
#ifndef VBDD_VM_PV_H
#define VBDD_VM_PV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/vbdfront.h"

enum { PV_TIMEOUT_US = 60000000 };

/* Finds Xen; says so, or that there is none. Then XenStore and the console are
 * there. */
void pv_start(void);
bool pv_has_xen(void);
/* Connects the disk that the VM has booted from: path_pv. */
void pv_connect(void);
struct vbdfront *pv_front(void);

/* One operation on the boot disk, within PV_TIMEOUT_US: else the path is
 * missing from then on, and -XEN_ETIMEDOUT. */
int pv_do(enum vbdfront_op op, unsigned flags, uint64_t sector,
          uint32_t nr_sectors, void *data);
/* Until nothing is in flight; the same. */
int pv_drain(void);

/* Has the driver believe in another size, or that it may write: what it would
 * refuse by itself goes to the back end then. */
void pv_pretend_sectors(uint64_t nr_sectors);
void pv_pretend_writable(struct vbdfront *front);

/* Opens and connects the disk that is not the boot disk, if there is one. */
int pv_open_second(struct vbdfront **front);

/* XenStore, by names below the domain's own directory. */
int pv_store_read(const char *path, char *value, size_t bytes);
int pv_store_write(const char *path, const char *value);
void pv_wait(uint32_t us);

void pv_console(const char *text, size_t bytes);
/* As port_hvm_shutdown(SHUTDOWN_suspend). */
int pv_suspend(void);
void pv_power_off(void);
/* Unplugs the emulated disks: 0 or vbdfront_unplug()'s error. */
int pv_unplug(void);

#endif
