/* SPDX-License-Identifier: MIT
 * xen-blkback, the kernel's own back end: it serves every node below
 * backend/vbd, whatever its script. Any thread. */
#ifndef VBDD_HOST_BLKBACK_H
#define VBDD_HOST_BLKBACK_H

#include <stdbool.h>
#include <stdint.h>

/* Is it in this kernel? (It may be loaded when the first node appears.) */
bool blkback_is_loaded(void);
/* Has it taken backend/vbd/DOMID/DEVID of this domain? */
bool blkback_has(uint32_t domid, uint32_t devid);

#endif
