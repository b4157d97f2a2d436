/* SPDX-License-Identifier: MIT
 * A disk: one target, one worker process, any number of vbds (C1). Loop
 * thread only.
 *
 *   STARTING -> READY -> DRAINING -> (freed, or STARTING once more when
 *      |          |         ^         somebody waits for the target)
 *      |          +-> FAILED|
 *      +-> DRAINING --------+
 *
 * STARTING: the worker opens and claims the target; before that, there may be
 * one of an earlier vbdd to be waited for. DRAINING: it was told to end, or has
 * said that it could not start; the target counts as free when the process has
 * gone, the earlier vbdd's as well, never before. FAILED: the worker died while
 * it was serving; the vbds stay, and the disk goes with the last of them. */
#ifndef VBDD_SUPERVISOR_DISK_H
#define VBDD_SUPERVISOR_DISK_H

#include "backend/supervisor/door.h"
#include "backend/supervisor/emulated.h"
#include "backend/supervisor/supervisor.h"
#include "backend/supervisor/target.h"
#include "backend/supervisor/vbd.h"
#include "backend/supervisor/worker.h"

enum disk_state { DISK_STARTING, DISK_READY, DISK_DRAINING, DISK_FAILED };

struct disk {
    TAILQ_ENTRY(disk) link; /* in supervisor->disks */
    struct supervisor *supervisor;
    uint32_t number;        /* never used twice */
    enum disk_state state;
    struct target target;
    bool is_read_only;      /* the target was, or is to be, opened so */
    bool is_reattach; /* it was attached by hand, which ends fail-stop */
    struct worker *worker;  /* NULL once it has gone */
    ev_timer waiting;       /* for the target's lease */
    bool has_waited;
    char cgroup[CGROUP_PATH_BYTES]; /* the worker's; "": none of its own */
    struct door door;       /* open while there is a worker to come to */
    struct emulated emulated;
    enum log_level log_level; /* its worker's */
    struct message_ready ready; /* READY: what the worker said */
    char why[MESSAGE_TEXT_BYTES];       /* FAILED, or a failed drain */
    char fail_stop[MESSAGE_TEXT_BYTES]; /* C8; "" when serving */
    struct vbd_list vbds;   /* by disk_link */
    struct waiters ending;  /* told when the target is free */
};

/* Who keeps the vbd from the target but is about to leave it, for its node or
 * its domain has gone, or it is being released. NULL when nobody does. */
struct vbd *disk_find_leaving(const struct vbd *vbd,
                              const struct target *target);
/* Attaches a vbd that has none to the disk of the target (copied). The waiter
 * (borrowed until told) is told when the disk serves, or why it does not; it
 * may be told at once. A failed attach leaves nothing behind.
 * is_reattach: somebody attaches by hand, which ends fail-stop (C8). */
void disk_attach(struct vbd *vbd, const struct target *target,
                 bool is_reattach, struct waiter *waiter);
/* Takes a vbd whose ring is given back off its disk. The last one ends the
 * disk. Whoever waits for the vbd's release is told, if it was the last one
 * when the target is free. */
void disk_detach(struct vbd *vbd);
/* Tells the waiter when no disk has this target any more: true, or false when
 * none has it now. */
bool disk_await_end(struct supervisor *supervisor, const char *key,
                    struct waiter *waiter);

/* Is a worker of an earlier vbdd still at work on the target? */
bool disk_has_old_worker(struct supervisor *supervisor, const char *key);

/* vbdd stops: the worker holds its vbds' rings, drains, flushes and ends. All
 * vbds are off the disk when it has. May free the disk. */
void disk_stop(struct disk *disk);

/* The worker has looked again. Its vbds publish what is new. False for a size
 * that cannot be, or is smaller (C14): the worker is killed for it. */
bool disk_set_size(struct disk *disk, uint64_t size_bytes);

/* May an emulated disk come in on behalf of this vbd of the disk? The door is
 * as writable as the disk is, so a read-only vbd beside writable ones has none
 * (C9). */
bool disk_has_door(const struct disk *disk, const struct vbd *vbd);

struct disk *disk_find(struct supervisor *supervisor, uint32_t number);
/* "starting", "ready", "draining", "failed", "fail-stop". */
const char *disk_state_text(const struct disk *disk);

#endif
