/* SPDX-License-Identifier: MIT
 * Counting a vbd's requests where xentop sees it, at no cost: no timer, no
 * call. Loop thread only. */
#ifndef VBDD_DISK_XENTOP_H
#define VBDD_DISK_XENTOP_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/control/xentop.h"

/* Zeroed: what is counted is seen by nobody. */
struct xentop {
    struct xentop_stats own, *file; /* file: mapped, or NULL */
};

/* From now on in the file (taken over) that only we and root can write. 0 or
 * -errno: nobody sees it then. */
int xentop_open(struct xentop *xentop, int fd);
void xentop_close(struct xentop *xentop);

/* A request of this operation was taken; FLUSH and DISCARD have no place. */
void xentop_take(struct xentop *xentop, unsigned operation);
/* It was answered; sectors of 512 bytes were moved. */
void xentop_answer(struct xentop *xentop, unsigned operation, bool is_error,
                   uint64_t sectors, uint64_t took_us);

#endif
