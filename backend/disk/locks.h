/* SPDX-License-Identifier: MIT
 * The locks of a claim (C12): flock(2) against other back ends and tools that
 * look for it, and the byte locks by which QEMU's programs tell each other
 * what they do with an image. They belong to the open file description, so
 * they last as long as anybody holds the descriptor. */
#ifndef VBDD_DISK_LOCKS_H
#define VBDD_DISK_LOCKS_H

#include <stdbool.h>

enum lock_role {
    LOCK_WRITER,      /* nobody else at all */
    LOCK_READER,      /* nobody who writes */
    LOCK_PART_WRITER, /* writes to a part: nobody who wants the whole */
    LOCK_PART_READER, /* reads a part: nobody who writes to the whole */
};

/* 0; -EBUSY when another one is in the way, and *how, "locked (flock)"; or
 * -errno: cannot be locked. is_block: udev is waited for. What has been taken
 * goes with the descriptor. */
int locks_take(int fd, enum lock_role role, bool is_block, const char **how);

#endif
