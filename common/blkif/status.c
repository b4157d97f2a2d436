/* SPDX-License-Identifier: MIT
 * The only map between -errno and blkif status codes. */
#include "common/blkif/status.h"

#include <stddef.h>

#include <xen/io/blkif.h>

#include "common/blkif/error.h"

int16_t blkif_status_from_error(int error)
{
    switch (error) {
    case 0:
        return BLKIF_RSP_OKAY;
    case -XEN_EOPNOTSUPP:
        return BLKIF_RSP_EOPNOTSUPP;
    default:
        return BLKIF_RSP_ERROR;
    }
}

int blkif_error_from_status(int16_t status)
{
    switch (status) {
    case BLKIF_RSP_OKAY:
        return 0;
    case BLKIF_RSP_EOPNOTSUPP:
        return -XEN_EOPNOTSUPP;
    case BLKIF_RSP_ERROR:
        return -XEN_EIO;
    default:
        return -BLKIF_EPROTO;
    }
}
