/* SPDX-License-Identifier: MIT
 * The files of a control group (cgroup v2). */
#ifndef VBDD_HOST_CGROUP_H
#define VBDD_HOST_CGROUP_H

/* Writes text to a file of the group dir in one write(2). 0 or -errno. */
int cgroup_write(const char *dir, const char *file, const char *text);
/* Moves the calling process, all its threads, into the group. 0 or -errno. */
int cgroup_join(const char *dir);

#endif
