/* SPDX-License-Identifier: MIT
 * What there is exactly one of in the supervisor. Everything else belongs to
 * one of its lists: vbds (vbd.h), disks (disk.h). Loop thread only. */
#ifndef VBDD_SUPERVISOR_H
#define VBDD_SUPERVISOR_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/supervisor/cgroups.h"
#include "backend/supervisor/config.h"
#include "backend/supervisor/options.h"
#include "backend/supervisor/store.h"
#include "backend/supervisor/xentop.h"

struct backend;
struct disk;
struct domain_watch;
struct vbd;
/* Where libxl makes the node of a disk that has a script: backend/vbd, or with
 * backendtype=tap (Xen 4.19 and later) backend/vbd3. */
enum vbd_tree { VBD_TREE_PHY, VBD_TREE_TAP, VBD_NR_TREES };

TAILQ_HEAD(vbd_list, vbd);
TAILQ_HEAD(disk_list, disk);

struct supervisor {
    struct ev_loop *loop;
    struct options options;
    struct config config;
    struct cgroups cgroups;
    struct xentop xentop;
    struct store *store;
    struct backend *backend;
    struct domain_watch *domain_watch;
    uint32_t domid;        /* ours; not 0 in a driver domain */
    char backend_path[40]; /* /local/domain/DOMID/backend */
    struct vbd_list vbds;
    struct disk_list disks;
    uint32_t last_vbd, last_disk; /* numbers given out; none is used twice */
    bool is_stopping;
    bool is_unable; /* to serve: it stops for somebody else to try */
};

/* Ends the loop once is_stopping is set and nothing is left to wait for.
 * Called by whoever has just given up the last of something. */
void supervisor_check_stopped(struct supervisor *supervisor);
/* Starts an orderly end: every ring that is served is held for the next vbdd,
 * every worker drains and flushes. Nothing is written that a front end could
 * see. */
void supervisor_stop(struct supervisor *supervisor);

#endif
