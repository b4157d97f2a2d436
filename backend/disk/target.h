/* SPDX-License-Identifier: MIT
 * What a disk is stored on: opened, claimed and cleaned (C12). */
#ifndef VBDD_DISK_TARGET_H
#define VBDD_DISK_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/control/key.h"

struct target {
    int claim_fd; /* holds the claim: O_EXCL on a block device, flock */
    int io_fd;    /* all I/O goes through this one; O_DIRECT if is_direct */
    bool is_block, is_direct, read_only;
    char key[TARGET_KEY_BYTES]; /* see backend/control/key.h */
};

/* Both descriptors -1: a disk without a target (null, mem engines). */
void target_none(struct target *target);
/* Opens and claims path, writes the host's page cache of it back and drops it.
 * allow_buffered: without O_DIRECT, by explicit configuration only. Returns 0,
 * or -errno with a sentence in reason that names path and says what to do. */
int target_open(const char *path, bool read_only, bool allow_buffered,
                struct target *target, char *reason, unsigned reason_size);
/* After the last I/O: flush, drop the cache, let go. 0, or -errno of the step
 * that failed, its name in *step. */
int target_close(struct target *target, const char **step);

#endif
