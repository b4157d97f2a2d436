/* SPDX-License-Identifier: MIT
 * Error numbers where there is no libc: xen/errno.h has Linux's, as XEN_EIO
 * and so on; here are those that it lacks. Pure. */
#ifndef VBDD_BLKIF_ERROR_H
#define VBDD_BLKIF_ERROR_H

#include <xen/errno.h>

enum { BLKIF_EPROTO = 71 }; /* EPROTO */

#endif
