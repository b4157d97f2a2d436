/* SPDX-License-Identifier: MIT
 * The only map between -errno and blkif status codes (blkif.h has but three:
 * OKAY, ERROR, EOPNOTSUPP). Pure. */
#ifndef VBDD_BLKIF_STATUS_H
#define VBDD_BLKIF_STATUS_H

#include <stdint.h>

/* 0 -> OKAY, -EOPNOTSUPP -> EOPNOTSUPP, all else -> ERROR. */
int16_t blkif_status_from_error(int error);
/* OKAY -> 0, EOPNOTSUPP -> -EOPNOTSUPP, ERROR -> -EIO, garbage -> -EPROTO. */
int blkif_error_from_status(int16_t status);

#endif
