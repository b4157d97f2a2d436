/* SPDX-License-Identifier: MIT
 * Disks: who may have which target, and the life of the worker behind it. */
#include "backend/supervisor/disk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/supervisor/hold.h"
#include "backend/supervisor/lease.h"
#include "backend/supervisor/marker.h"
#include "backend/supervisor/sharing.h"
#include "common/host/log.h"

enum { REASON_BYTES = 512, MAX_ARGUMENTS = 32, NUMBER_BYTES = 24 };
static const double LEASE_SECONDS = 0.2;

static void start(struct disk *disk);
static void end(struct disk *disk);
static void on_waiting(struct ev_loop *loop, ev_timer *timer, int revents);

const char *disk_state_text(const struct disk *disk)
{
    switch (disk->state) {
    case DISK_STARTING: return "starting";
    case DISK_READY: return disk->fail_stop[0] ? "fail-stop" : "ready";
    case DISK_DRAINING: return "draining";
    case DISK_FAILED: return "failed";
    }
    return "?";
}

struct disk *disk_find(struct supervisor *supervisor, uint32_t number)
{
    struct disk *disk;

    TAILQ_FOREACH(disk, &supervisor->disks, link)
        if (disk->number == number)
            return disk;
    return NULL;
}

static struct disk *find_key(struct supervisor *supervisor, const char *key)
{
    struct disk *disk;

    TAILQ_FOREACH(disk, &supervisor->disks, link)
        if (strcmp(disk->target.key, key) == 0)
            return disk;
    return NULL;
}

/* --- life ----------------------------------------------------------------- */

static struct disk *disk_new(struct supervisor *supervisor,
                             const struct target *target)
{
    struct disk *disk = calloc(1, sizeof *disk);

    if (!disk)
        return NULL;
    disk->supervisor = supervisor;
    disk->number = ++supervisor->last_disk;
    disk->target = *target;
    disk->door.fd = -1;
    ev_timer_init(&disk->waiting, on_waiting, 0., LEASE_SECONDS);
    disk->waiting.data = disk;
    TAILQ_INIT(&disk->vbds);
    LIST_INIT(&disk->ending);
    TAILQ_INSERT_TAIL(&supervisor->disks, disk, link);
    return disk;
}

static void disk_free(struct disk *disk)
{
    struct supervisor *supervisor = disk->supervisor;

    assert(TAILQ_EMPTY(&disk->vbds) && !disk->worker);
    ev_timer_stop(supervisor->loop, &disk->waiting);
    door_close(&disk->door);
    TAILQ_REMOVE(&supervisor->disks, disk, link);
    waiters_finish(&disk->ending, disk->why[0] ? -EIO : 0, disk->why);
    free(disk);
    supervisor_check_stopped(supervisor);
}

/* Takes the vbd off its disk, and that is all. */
static void remove_vbd(struct disk *disk, struct vbd *vbd)
{
    if (disk->door.fd >= 0)
        door_remove_name(vbd);
    TAILQ_REMOVE(&disk->vbds, vbd, disk_link);
    vbd->disk = NULL;
}

/* Nobody answers at this door any more: who knocks is to know it. */
static void close_door(struct disk *disk)
{
    struct vbd *vbd;

    if (disk->door.fd < 0)
        return;
    TAILQ_FOREACH(vbd, &disk->vbds, disk_link)
        door_remove_name(vbd);
    door_close(&disk->door);
}

bool disk_has_door(const struct disk *disk, const struct vbd *vbd)
{
    return disk->door.fd >= 0 && (vbd->is_writable || disk->is_read_only);
}

/* May the vbd have this disk, which is READY? Then its emulated twin may come
 * in as well. 0 or -errno with a sentence. */
static int admit(struct disk *disk, const struct vbd *vbd, char *reason,
                 unsigned size)
{
    if (!features_fit(vbd, &vbd->options, &disk->ready, reason, size))
        return -EINVAL;
    return disk_has_door(disk, vbd) ? door_add_name(&disk->door, vbd, reason,
                                                    size) : 0;
}

/* Nobody gets this target: whoever waits for it is told why. */
static void refuse_all(struct disk *disk, int error, const char *sentence)
{
    struct vbd *vbd;

    while ((vbd = TAILQ_FIRST(&disk->vbds))) {
        remove_vbd(disk, vbd);
        waiters_finish(&vbd->attaching, error, sentence);
    }
}

/* vbdd stops, and there is no worker any more. */
static void let_go_all(struct disk *disk)
{
    struct vbd *vbd;

    while ((vbd = TAILQ_FIRST(&disk->vbds))) {
        remove_vbd(disk, vbd);
        vbd_let_go(vbd);
        waiters_finish(&vbd->attaching, -ESHUTDOWN,
                       "vbdd was stopped while it was being attached");
    }
    disk_free(disk);
}

/* The disk serves: whoever waits for it is told, or why not to him. */
static void admit_all(struct disk *disk)
{
    struct vbd *vbd, *next;
    char reason[REASON_BYTES];
    int error;

    for (vbd = TAILQ_FIRST(&disk->vbds); vbd; vbd = next) {
        next = TAILQ_NEXT(vbd, disk_link);
        error = admit(disk, vbd, reason, sizeof reason);
        if (error) {
            log_error("disk %" PRIu32 ": %s", disk->number, reason);
            remove_vbd(disk, vbd);
            waiters_finish(&vbd->attaching, error, reason);
            continue;
        }
        waiters_finish(&vbd->attaching, 0, "");
        vbd_set_dirty(vbd);
    }
    if (TAILQ_EMPTY(&disk->vbds))
        end(disk);
}

/* --- what the worker says ------------------------------------------------- */

static void on_ready(void *owner, const struct message *message)
{
    struct disk *disk = owner;
    char reason[MESSAGE_TEXT_BYTES];

    if (disk->state != DISK_STARTING)
        return; /* killed, but it said this before */
    if (strcmp(message->ready.claim, disk->target.key) != 0) {
        snprintf(reason, sizeof reason, "%.200s was replaced while it was "
                 "being attached; try again", disk->target.path);
        log_error("disk %" PRIu32 ": %s", disk->number, reason);
        disk->state = DISK_DRAINING;
        worker_kill(disk->worker); /* it has served nobody */
        refuse_all(disk, -ESTALE, reason);
        return;
    }
    disk->state = DISK_READY;
    disk->ready = message->ready;
    log_info("disk %" PRIu32 ": %s is served by worker %d (%" PRIu64
             " bytes, engine %s)", disk->number, disk->target.path,
             (int)worker_pid(disk->worker), disk->ready.size_bytes,
             disk->ready.engine);
    admit_all(disk);
}

static void on_failed(void *owner, const struct message *message)
{
    struct disk *disk = owner;

    if (disk->state != DISK_STARTING)
        return;
    disk->state = DISK_DRAINING;
    log_error("disk %" PRIu32 ": %s", disk->number, message->text);
    refuse_all(disk, message->error < 0 ? message->error : -EIO,
               message->text);
}

static bool on_broken(void *owner, const struct message *message)
{
    struct disk *disk = owner;
    struct vbd *vbd;

    TAILQ_FOREACH(vbd, &disk->vbds, disk_link)
        if (vbd->number == message->vbd)
            break;
    if (vbd)
        vbd_broken(vbd, message->text);
    return vbd;
}

static void on_fail_stop(void *owner, const struct message *message)
{
    struct disk *disk = owner;

    if (disk->fail_stop[0])
        return; /* known */
    snprintf(disk->fail_stop, sizeof disk->fail_stop, "%s",
             message->text[0] ? message->text : "no reason given");
    log_error("disk %" PRIu32 ": %s is in fail-stop: %s", disk->number,
              disk->target.path, disk->fail_stop);
    marker_set(disk->supervisor, disk->target.key, disk->fail_stop);
}

static void on_nbd_event(void *owner, const struct message *message)
{
    emulated_take_event(owner, message);
}

bool disk_set_size(struct disk *disk, uint64_t size_bytes)
{
    struct vbd *vbd;

    if (size_bytes % BLKIF_SECTOR_BYTES != 0 ||
        size_bytes < disk->ready.size_bytes) {
        log_error("disk %" PRIu32 ": worker %d says that it has %" PRIu64
                  " bytes now, instead of %" PRIu64 ", and is killed",
                  disk->number, (int)worker_pid(disk->worker), size_bytes,
                  disk->ready.size_bytes);
        worker_kill(disk->worker);
        return false;
    }
    if (size_bytes == disk->ready.size_bytes)
        return true;
    log_info("disk %" PRIu32 ": %s has %" PRIu64 " bytes now", disk->number,
             disk->target.path, size_bytes);
    disk->ready.size_bytes = size_bytes;
    TAILQ_FOREACH(vbd, &disk->vbds, disk_link)
        vbd_set_dirty(vbd);
    return true;
}

static void print_end(int status, char *text, unsigned size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "worker killed by signal %d", WTERMSIG(status));
    else
        snprintf(text, size, "worker ended with status %d",
                 WEXITSTATUS(status));
}

/* Nobody is at work on the target any more: it goes to who waits for it. */
static void pass_on(struct disk *disk)
{
    if (TAILQ_EMPTY(&disk->vbds)) {
        disk_free(disk);
        return;
    }
    waiters_finish(&disk->ending, 0, "");
    start(disk);
}

static void on_ended(void *owner, int status)
{
    struct disk *disk = owner;
    struct vbd *vbd;
    char end[64];

    print_end(status, end, sizeof end);
    close_door(disk);
    emulated_forget(&disk->emulated, disk->number);
    worker_free(disk->worker);
    disk->worker = NULL;
    lease_remove(disk->supervisor, disk->target.key);
    cgroups_remove(disk->cgroup);
    switch (disk->state) {
    case DISK_STARTING: {
        char sentence[REASON_BYTES];

        snprintf(sentence, sizeof sentence, "%.300s: %s while it opened the "
                 "target", disk->target.path, end);
        log_error("disk %" PRIu32 ": %s", disk->number, sentence);
        disk->state = DISK_DRAINING;
        refuse_all(disk, -EIO, sentence);
        break;
    }
    case DISK_READY:
        disk->state = DISK_FAILED;
        snprintf(disk->why, sizeof disk->why, "%s", end);
        log_error("disk %" PRIu32 ": %s failed: %s", disk->number,
                  disk->target.path, disk->why);
        TAILQ_FOREACH(vbd, &disk->vbds, disk_link)
            vbd_worker_lost(vbd);
        if (!disk->supervisor->is_stopping)
            return;
        break;
    case DISK_DRAINING:
    case DISK_FAILED:
        log_info("disk %" PRIu32 ": %s is free", disk->number,
                 disk->target.path);
        break;
    }
    if (disk->supervisor->is_stopping) {
        let_go_all(disk);
        return;
    }
    pass_on(disk);
}

static const struct worker_events disk_events = {
    .ready = on_ready, .failed = on_failed, .broken = on_broken,
    .fail_stop = on_fail_stop, .nbd_event = on_nbd_event, .ended = on_ended,
};

/* --- starting and ending -------------------------------------------------- */

static int launch(struct disk *disk, int lease, char *reason, unsigned size)
{
    struct supervisor *supervisor = disk->supervisor;
    struct disk_options *options = &disk->target.options;
    const struct worker_fds fds = { .nbd = disk->door.fd, .lease = lease };
    char socket[NUMBER_BYTES], nbd_socket[NUMBER_BYTES], retry[NUMBER_BYTES],
         budget[NUMBER_BYTES], number[NUMBER_BYTES], name[NUMBER_BYTES + 8],
         held[NUMBER_BYTES], dir[256];
    const char *argv[MAX_ARGUMENTS];
    unsigned nr = 0;

    snprintf(socket, sizeof socket, "%d", WORKER_SOCKET);
    snprintf(nbd_socket, sizeof nbd_socket, "%d", WORKER_NBD_SOCKET);
    snprintf(held, sizeof held, "%d", WORKER_LEASE);
    snprintf(retry, sizeof retry, "%" PRIu64, options->flush_retry_us);
    snprintf(budget, sizeof budget, "%" PRIu64, options->budget_bytes);
    snprintf(number, sizeof number, "%" PRIu32, disk->number);
    snprintf(name, sizeof name, "disk %s", number);
    snprintf(dir, sizeof dir, "%.200s/disks/%s",
             supervisor->options.state_dir, number);
    argv[nr++] = supervisor->options.worker_path;
    argv[nr++] = "--socket", argv[nr++] = socket;
    argv[nr++] = "--lease", argv[nr++] = held;
    argv[nr++] = "--disk", argv[nr++] = number;
    argv[nr++] = "--target", argv[nr++] = disk->target.path;
    argv[nr++] = "--engine", argv[nr++] = options->engine;
    argv[nr++] = "--flush-retry", argv[nr++] = retry;
    argv[nr++] = "--byte-budget", argv[nr++] = budget;
    argv[nr++] = "--user", argv[nr++] = options->user;
    if (disk->cgroup[0])
        argv[nr++] = "--cgroup", argv[nr++] = disk->cgroup;
    argv[nr++] = "--log-level";
    argv[nr++] = log_level_text(disk->log_level);
    if (supervisor->options.local_dir) {
        argv[nr++] = "--local";
        argv[nr++] = supervisor->options.local_dir;
    }
    if (disk->door.fd >= 0)
        argv[nr++] = "--nbd-socket", argv[nr++] = nbd_socket;
    if (options->refuses_after_handover)
        argv[nr++] = "--refuse-after-handover";
    if (disk->is_read_only)
        argv[nr++] = "--read-only";
    if (options->is_buffered)
        argv[nr++] = "--buffered";
    if (disk->fail_stop[0])
        argv[nr++] = "--fail-stopped";
    argv[nr] = NULL;
    return worker_start(&disk->worker, supervisor->loop, name, dir, &fds,
                        argv, &disk_events, disk, reason, size);
}

/* Fail-stop is remembered over everything but an attach by hand (C8). A worker
 * whose supervisor had gone has left word of it with the lease only. */
static void recall_fail_stop(struct disk *disk, int lease)
{
    struct supervisor *supervisor = disk->supervisor;
    const char *key = disk->target.key;
    bool is_noted = lease_has_note(lease);

    if (disk->is_reattach)
        marker_clear(supervisor, key);
    marker_get(supervisor, key, disk->fail_stop, sizeof disk->fail_stop);
    if (is_noted && !disk->is_reattach && !disk->fail_stop[0]) {
        strcpy(disk->fail_stop, "a flush failed while no vbdd was there");
        if (!marker_set(supervisor, key, disk->fail_stop))
            return; /* the note is all there is */
    }
    lease_clear_note(lease);
}

/* False: an earlier vbdd's worker is still draining the target. */
static bool take_lease(struct disk *disk, int *lease)
{
    *lease = lease_take(disk->supervisor, disk->target.key);
    if (*lease != -EWOULDBLOCK)
        return true;
    if (!disk->has_waited)
        log_warning("disk %" PRIu32 ": %s is still being drained by the "
                    "worker of an earlier vbdd, and is waited for",
                    disk->number, disk->target.path);
    disk->has_waited = true;
    ev_timer_again(disk->supervisor->loop, &disk->waiting);
    return false;
}

static void on_waiting(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct disk *disk = timer->data;

    (void)revents;
    if (lease_is_taken(disk->supervisor, disk->target.key))
        return;
    ev_timer_stop(loop, timer);
    pass_on(disk);
}

/* Starts the worker, or waits until there may be one. */
static void start(struct disk *disk)
{
    const struct disk_options *options = &disk->target.options;
    char reason[REASON_BYTES];
    int lease, error = 0;

    disk->state = DISK_STARTING;
    disk->log_level = disk->supervisor->options.log_level;
    disk->why[0] = disk->fail_stop[0] = '\0';
    if (ev_is_active(&disk->waiting) || !take_lease(disk, &lease))
        return;
    if (lease < 0) {
        error = lease;
        snprintf(reason, sizeof reason, "the lease of %.200s cannot be had: "
                 "%s", disk->target.path, strerror(-error));
    } else {
        recall_fail_stop(disk, lease);
    }
    if (!error && options->has_nbd)
        error = door_open(&disk->door, disk->supervisor, disk->number,
                          options->nbd_owner, reason, sizeof reason);
    if (!error) {
        cgroups_add(&disk->supervisor->cgroups, disk->target.key,
                    disk->cgroup);
        cgroups_limit(disk->cgroup, disk->target.path, disk->target.device,
                      &options->rates);
        error = launch(disk, lease, reason, sizeof reason);
        if (error)
            cgroups_remove(disk->cgroup);
    }
    if (lease >= 0)
        close(lease); /* the worker has its own */
    if (!error)
        return;
    log_error("disk %" PRIu32 ": %s", disk->number, reason);
    refuse_all(disk, error, reason);
    disk_free(disk);
}

static void detached(void *context, const struct message *reply)
{
    struct disk *disk = context;

    if (reply && !reply->error)
        return;
    snprintf(disk->why, sizeof disk->why, "%s",
             reply ? reply->text[0] ? reply->text : strerror(-reply->error)
                   : "the worker died before it had drained and flushed");
    log_error("disk %" PRIu32 ": %s was not left in order: %s", disk->number,
              disk->target.path, disk->why);
    if (reply)
        worker_kill(disk->worker); /* it has done what it could */
}

/* how: DETACH or HOLD. */
static void end_worker(struct disk *disk, enum message_type how)
{
    struct message request = { .type = how };

    disk->state = DISK_DRAINING;
    close_door(disk);
    if (worker_call(disk->worker, &request, detached, disk) < 0)
        worker_kill(disk->worker);
}

/* The last vbd has gone. May free the disk. */
static void end(struct disk *disk)
{
    switch (disk->state) {
    case DISK_STARTING: /* has served nobody; it may hang in open() for ever */
        disk->state = DISK_DRAINING;
        if (disk->worker)
            worker_kill(disk->worker);
        return; /* or an old worker is waited for, as before (C12) */
    case DISK_READY:
        end_worker(disk, MESSAGE_DETACH);
        return;
    case DISK_DRAINING:
        return; /* its end is under way */
    case DISK_FAILED:
        disk->why[0] = '\0'; /* said when it happened */
        disk_free(disk);
        return;
    }
}

void disk_stop(struct disk *disk)
{
    switch (disk->state) {
    case DISK_READY:
        end_worker(disk, MESSAGE_HOLD);
        return;
    case DISK_STARTING: /* has served nobody */
        disk->state = DISK_DRAINING;
        if (disk->worker)
            worker_kill(disk->worker);
        /* fall through */
    case DISK_DRAINING:
        if (disk->worker)
            return;
        strcpy(disk->why, "vbdd was stopped while the worker of an earlier "
               "one was at work on the target");
        let_go_all(disk);
        return;
    case DISK_FAILED:
        disk->why[0] = '\0'; /* said when it happened */
        let_go_all(disk);
        return;
    }
}

void disk_detach(struct vbd *vbd)
{
    struct disk *disk = vbd->disk;

    assert(vbd->ring == VBD_RING_NONE);
    remove_vbd(disk, vbd);
    waiters_finish(&vbd->attaching, -ECANCELED,
                   "it was detached while it was being attached");
    if (!TAILQ_EMPTY(&disk->vbds)) {
        waiters_finish(&vbd->releasing, 0, "");
        return;
    }
    waiters_move(&vbd->releasing, &disk->ending);
    end(disk);
}

bool disk_await_end(struct supervisor *supervisor, const char *key,
                    struct waiter *waiter)
{
    struct disk *disk = find_key(supervisor, key);

    if (!disk || disk->state != DISK_DRAINING)
        return false;
    LIST_INSERT_HEAD(&disk->ending, waiter, link);
    return true;
}

bool disk_has_old_worker(struct supervisor *supervisor, const char *key)
{
    const struct disk *disk = find_key(supervisor, key);

    return !(disk && disk->worker) && lease_is_taken(supervisor, key);
}

struct vbd *disk_find_leaving(const struct vbd *vbd,
                              const struct target *target)
{
    struct disk *disk = find_key(vbd->supervisor, target->key);
    char reason[REASON_BYTES];
    struct vbd *other;

    if (!disk || sharing_may_join(disk, vbd, target, reason, sizeof reason))
        return NULL;
    TAILQ_FOREACH(other, &disk->vbds, disk_link)
        if (other->is_gone || other->is_removed || other->is_dead)
            return other;
    return NULL;
}

void disk_attach(struct vbd *vbd, const struct target *target,
                 bool is_reattach, struct waiter *waiter)
{
    struct supervisor *supervisor = vbd->supervisor;
    struct disk *disk = find_key(supervisor, target->key);
    char reason[REASON_BYTES];
    int error = 0;

    assert(!vbd->disk && LIST_EMPTY(&vbd->attaching));
    if (disk && !sharing_may_join(disk, vbd, target, reason, sizeof reason)) {
        waiter->done(waiter, -EBUSY, reason);
        return;
    }
    vbd->is_writable = target->is_writable;
    vbd->is_shared = target->is_shared;
    vbd->options = target->options.vbd;
    if (disk && disk->state == DISK_READY)
        error = admit(disk, vbd, reason, sizeof reason);
    if (error) {
        waiter->done(waiter, error, reason);
        return;
    }
    if (!disk && !(disk = disk_new(supervisor, target))) {
        waiter->done(waiter, -ENOMEM, "out of memory");
        return;
    }
    if (TAILQ_EMPTY(&disk->vbds)) { /* new, or to be started once more */
        disk->target = *target;
        disk->is_read_only = !target->is_writable;
        disk->is_reattach = is_reattach;
    }
    vbd->disk = disk;
    TAILQ_INSERT_TAIL(&disk->vbds, vbd, disk_link);
    if (disk->state == DISK_READY) {
        waiter->done(waiter, 0, "");
        vbd_set_dirty(vbd);
        return;
    }
    LIST_INSERT_HEAD(&vbd->attaching, waiter, link);
    if (disk->state == DISK_STARTING && !disk->worker)
        start(disk);
}
