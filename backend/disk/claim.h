/* SPDX-License-Identifier: MIT
 * The claim of a target (C12): on itself and on what it lies on, the whole
 * disk of a partition, the file or device behind a loop device, so that nobody
 * gets the same bytes by another name. */
#ifndef VBDD_DISK_CLAIM_H
#define VBDD_DISK_CLAIM_H

#include "backend/disk/refusal.h"

enum { CLAIM_FDS = 6 };

struct claim {
    int fds[CLAIM_FDS]; /* the first is the target, open to be read, and to be
                           written unless it is claimed read-only */
    unsigned nr_fds;    /* 0: nothing is claimed */
};

/* Claims what the refusal's path names, as it says. key: what was found there before
 * (backend/control/key.h); something else is refused. 0, or -errno with
 * the sentence written, and nothing held. */
int claim_take(struct claim *claim, const char *key,
               const struct refusal *refusal);
/* The claim ends when every other copy of its descriptors is closed, too. */
void claim_release(struct claim *claim);

#endif
