/* SPDX-License-Identifier: MIT
 * A control group (cgroup v2) for each worker, so that an administrator can
 * say in io.max and memory.max what a disk may use. Below our own group, if it
 * was delegated to us:
 *
 *     vbdd.service/supervisor        we ourselves: a group with controllers
 *                 /disk-KEY          for its members has no processes
 *
 * Where there is none, disks have none: nothing ever fails for it. */
#ifndef VBDD_SUPERVISOR_CGROUPS_H
#define VBDD_SUPERVISOR_CGROUPS_H

#include <stdint.h>
#include <sys/types.h>

enum { CGROUP_PATH_BYTES = 512 };

struct cgroups {
    char path[CGROUP_PATH_BYTES]; /* our own group's; "": none to use */
};

/* Looks for our own group, says so if there is none to use, and begins. */
void cgroups_begin(struct cgroups *cgroups);
/* Takes the group path over: moves us into its leaf, lets members be limited,
 * and removes what workers of a vbdd that was killed have left behind. */
void cgroups_use(struct cgroups *cgroups, const char *path);

/* The group of the disk with this key (control/key.h), made anew, unless
 * somebody is in it; "" when there is none. */
void cgroups_add(const struct cgroups *cgroups, const char *key,
                 char path[CGROUP_PATH_BYTES]);
/* What a group may do in each second; 0: as much as it likes. */
struct cgroup_rates {
    uint64_t read_bytes, written_bytes, reads, writes;
};
/* Limits the group path to rates on the device, or on the whole disk that it is
 * a partition of. Says so, of the target, where that cannot be. */
void cgroups_limit(const char *path, const char *target, dev_t device,
                   const struct cgroup_rates *rates);
/* Its worker has gone. path: as above, "" among them. */
void cgroups_remove(const char *path);

#endif
