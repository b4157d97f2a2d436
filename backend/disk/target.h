/* SPDX-License-Identifier: MIT
 * What a disk is stored on: opened, claimed and cleaned (C12). */
#ifndef VBDD_DISK_TARGET_H
#define VBDD_DISK_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/control/key.h"
#include "backend/disk/cache.h"
#include "backend/disk/claim.h"

struct target {
    struct claim claim; /* held until the last I/O has ended */
    int io_fd; /* all I/O goes through this one; O_DIRECT if is_direct */
    struct cache cache;
    bool is_block, is_direct, read_only;
    char key[TARGET_KEY_BYTES]; /* see backend/control/key.h */
};

/* No descriptors: a disk without a target (null, mem engines). */
void target_none(struct target *target);
/* Claims and opens path, writes the host's page caches of it back and drops
 * them.
 * allow_buffered: without O_DIRECT, by explicit configuration only. Returns 0,
 * or -errno with a sentence in reason that names path and says what to do. */
int target_open(const char *path, bool read_only, bool allow_buffered,
                struct target *target, char *reason, unsigned reason_size);
/* After the last I/O: flush, drop the cache, let go. 0, or -errno of the step
 * that failed, its name in *step. */
int target_close(struct target *target, const char **step);

#endif
