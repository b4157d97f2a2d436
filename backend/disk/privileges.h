/* SPDX-License-Identifier: MIT
 * A worker gives up root once everything that needs it is open. */
#ifndef VBDD_DISK_PRIVILEGES_H
#define VBDD_DISK_PRIVILEGES_H

/* Becomes user for good: uid, gid, no groups, no new privileges. NULL, or when
 * we are not root: nothing to give up. 0 or -errno with a sentence. */
int privileges_drop(const char *user, char *reason, unsigned reason_size);

#endif
