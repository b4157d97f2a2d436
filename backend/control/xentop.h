/* SPDX-License-Identifier: MIT
 * What xentop reads of a vbd from Xen 4.19 on (struct vbd3_stats of
 * libxenstat): the beginning of /dev/shm/td3-PID/vbd-DOMID-DEVID, with PID as
 * it stands in the back-end node as kthread-pid. Shared memory: one worker
 * counts in it while others read it. */
#ifndef VBDD_CONTROL_XENTOP_H
#define VBDD_CONTROL_XENTOP_H

#include <stdint.h>

enum { XENTOP_VERSION = 1 };

struct xentop_stats {
    uint32_t version, padding;
    uint64_t out_of_requests; /* never: rings have room for all their slots */
    uint64_t reads_submitted, reads_completed, read_sectors, read_us;
    uint64_t writes_submitted, writes_completed, written_sectors, write_us;
    uint64_t io_errors, flags;
};
_Static_assert(sizeof(struct xentop_stats) == 96, "as libxenstat has it");

#endif
