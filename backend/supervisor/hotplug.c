/* SPDX-License-Identifier: MIT
 * Attaching and releasing with a time limit: xl waits for its script for 40
 * seconds and then knows only that it was too slow, so the sentence that says
 * what was slow must be there before. */
#include "backend/supervisor/hotplug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/backend.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/node.h"
#include "backend/supervisor/vbd.h"
#include "common/host/log.h"

enum { REASON_BYTES = 512 };

/* Stands between what is waited for and the waiter. */
struct pending {
    struct waiter inner;
    struct waiter *outer;
    struct supervisor *supervisor;
    uint32_t vbd;     /* number; it may be gone by then */
    bool is_attach;
    /* An attach only: */
    struct target target;
    bool is_held;     /* waits for somebody who leaves the target */
    ev_timer limit;
};

static void finish(struct pending *pending, int error, const char *sentence)
{
    struct waiter *outer = pending->outer;

    ev_timer_stop(pending->supervisor->loop, &pending->limit);
    free(pending);
    outer->done(outer, error, sentence);
}

static void refuse_twice(struct waiter *waiter)
{
    waiter->done(waiter, -EALREADY, "it is being attached, or has failed, "
                                    "already");
}

/* Attaches, or waits first for whoever still has the target and is leaving it:
 * a guest that was destroyed, or has crashed, with writes under way may be
 * created again before they have ended. */
static void attach_or_wait(struct pending *pending)
{
    struct vbd *vbd = vbd_find_number(pending->supervisor, pending->vbd);
    struct vbd *leaving;

    if (pending->supervisor->is_stopping) {
        finish(pending, -ESHUTDOWN, "vbdd was stopped while it was being "
               "attached");
        return;
    }
    if (!vbd || vbd->is_gone || vbd->is_removed) {
        finish(pending, -ECANCELED, "it was detached while it was being "
               "attached");
        return;
    }
    if (vbd->disk) { /* from another one, who had waited as well */
        pending->is_held = false;
        refuse_twice(&pending->inner);
        return;
    }
    leaving = disk_find_leaving(vbd, &pending->target);
    pending->is_held = leaving;
    if (leaving)
        vbd_await_release(leaving, &pending->inner);
    else
        disk_attach(vbd, &pending->target, true, &pending->inner);
}

static void on_done(struct waiter *waiter, int error, const char *sentence)
{
    struct pending *pending = (struct pending *)waiter;

    if (pending->is_held)
        attach_or_wait(pending);
    else
        finish(pending, error, sentence);
}

static void describe_delay(const struct pending *pending,
                           const struct vbd *vbd, char *text, unsigned size)
{
    if (pending->is_held)
        snprintf(text, size, "%.300s is still being given back by another "
                 "guest", pending->target.path);
    else if (pending->is_attach)
        snprintf(text, size, "%s: its disk is still %s; given up",
                 vbd ? vbd->name : "vbd",
                 vbd && vbd->disk ? disk_state_text(vbd->disk) : "away");
    else if (vbd && vbd->disk)
        snprintf(text, size, "%s is not closed: the back end is %s, the front "
                 "end %s, the ring %s", vbd->name,
                 xenbus_state_text(vbd->state), xenbus_state_text(vbd->front),
                 vbd_ring_text(vbd->ring));
    else
        snprintf(text, size, "the worker is still draining the target");
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int revents)
{
    struct pending *pending = timer->data;
    struct vbd *vbd = vbd_find_number(pending->supervisor, pending->vbd);
    char sentence[REASON_BYTES];

    (void)loop;
    (void)revents;
    describe_delay(pending, vbd, sentence, sizeof sentence);
    LIST_REMOVE(&pending->inner, link);
    if (pending->is_attach && vbd)
        vbd_release(vbd, NULL);
    finish(pending, -ETIMEDOUT, sentence);
}

/* NULL, and the outer one told, without memory. */
static struct pending *pending_new(struct vbd *vbd, bool is_attach,
                                   struct waiter *outer)
{
    struct pending *pending = calloc(1, sizeof *pending);
    struct supervisor *supervisor = vbd->supervisor;
    uint64_t limit_us = is_attach ? supervisor->config.attach_timeout_us
                                  : supervisor->config.detach_timeout_us;

    if (!pending) {
        outer->done(outer, -ENOMEM, "out of memory");
        return NULL;
    }
    *pending = (struct pending){ .inner.done = on_done, .outer = outer,
                                 .supervisor = supervisor,
                                 .vbd = vbd->number, .is_attach = is_attach };
    ev_timer_init(&pending->limit, on_limit, (double)limit_us / 1e6, 0.);
    pending->limit.data = pending;
    ev_now_update(supervisor->loop);
    ev_timer_start(supervisor->loop, &pending->limit);
    return pending;
}

/* What the node asks for. */
static int read_target(const struct vbd *vbd, struct target *target,
                       char *reason, unsigned size)
{
    int error = node_read_target(vbd, target, reason, size);

    return error ? error : target_identify(target, reason, size);
}

static void attach(struct vbd *vbd, struct waiter *waiter)
{
    char reason[REASON_BYTES];
    struct pending *pending;
    struct target target;
    int error = node_is_taken(vbd, reason, sizeof reason)
                    ? -EBUSY : read_target(vbd, &target, reason,
                                           sizeof reason);

    if (error) {
        log_error("%s: %s", vbd->name, reason);
        waiter->done(waiter, error, reason);
        return;
    }
    pending = pending_new(vbd, true, waiter);
    if (!pending)
        return;
    vbd->is_removed = false;
    pending->target = target;
    attach_or_wait(pending);
}

/* NULL, and the waiter told, when there is nothing of ours at path. */
static struct vbd *look(struct supervisor *supervisor, const char *path,
                        struct waiter *waiter)
{
    struct vbd *vbd = backend_look(supervisor, path);
    char reason[REASON_BYTES];

    if (vbd && vbd->is_gone) {
        snprintf(reason, sizeof reason, "%s was deleted and made again, and "
                 "is still being given back (ring %s)", vbd->name,
                 vbd_ring_text(vbd->ring));
        waiter->done(waiter, -EBUSY, reason);
        return NULL;
    }
    if (vbd && vbd->state != XENBUS_UNKNOWN)
        return vbd;
    if (vbd && vbd->error[0])
        snprintf(reason, sizeof reason, "'%.100s' is not a back-end node of "
                 "ours: %.350s", path, vbd->error);
    else
        snprintf(reason, sizeof reason, "'%.100s' is not a back-end node of "
                 "ours: expected %s/vbd/DOMID/DEVID (or vbd3)", path,
                 supervisor->backend_path);
    waiter->done(waiter, -ENOENT, reason);
    return NULL;
}

/* The script asks for what there is, or for something new. */
static void answer_attached(const struct vbd *vbd, struct waiter *waiter)
{
    char reason[REASON_BYTES];
    struct target target;
    int error = read_target(vbd, &target, reason, sizeof reason);

    if (!error && strcmp(target.key, vbd->disk->target.key) != 0) {
        snprintf(reason, sizeof reason, "its params node has changed while it "
                 "is attached to %.300s: detach it first",
                 vbd->disk->target.path);
        error = -EBUSY;
    }
    waiter->done(waiter, error, error ? reason : "");
}

void hotplug_add(struct supervisor *supervisor, const char *path,
                 struct waiter *waiter)
{
    struct vbd *vbd;

    if (supervisor->is_stopping) {
        waiter->done(waiter, -ESHUTDOWN, "vbdd is stopping");
        return;
    }
    vbd = look(supervisor, path, waiter);
    if (!vbd)
        return;
    if (!vbd->disk)
        attach(vbd, waiter);
    else if (vbd->disk->state == DISK_READY)
        answer_attached(vbd, waiter); /* resumed before the script asked */
    else
        refuse_twice(waiter);
}

/* Nothing of the vbd is left; its disk may still be draining. */
static void await_drain(struct vbd *vbd, struct waiter *waiter)
{
    char reason[REASON_BYTES];
    struct pending *pending;
    struct target target;

    if (read_target(vbd, &target, reason, sizeof reason) < 0) {
        waiter->done(waiter, 0, "");
        return;
    }
    pending = pending_new(vbd, false, waiter);
    if (pending && !disk_await_end(vbd->supervisor, target.key,
                                   &pending->inner))
        finish(pending, 0, "");
}

void hotplug_remove(struct supervisor *supervisor, const char *path,
                    struct waiter *waiter)
{
    struct vbd *vbd = look(supervisor, path, waiter);
    struct pending *pending;

    if (!vbd)
        return;
    if (!vbd->disk) {
        await_drain(vbd, waiter);
        return;
    }
    pending = pending_new(vbd, false, waiter);
    if (pending)
        vbd_release(vbd, &pending->inner);
}

void hotplug_await_close(struct vbd *vbd, struct waiter *waiter)
{
    struct pending *pending = pending_new(vbd, false, waiter);

    if (pending)
        vbd_await_release(vbd, &pending->inner);
}

/* A vbd whose disk an earlier vbdd had attached. Nobody waits for this, and
 * the old worker is to have its time: there is no limit. */
struct resume {
    struct waiter waiter;
    struct supervisor *supervisor;
    uint32_t vbd; /* number */
};

static void resumed(struct waiter *waiter, int error, const char *sentence)
{
    struct resume *resume = (struct resume *)waiter;
    struct vbd *vbd = vbd_find_number(resume->supervisor, resume->vbd);

    if (error && !resume->supervisor->is_stopping)
        log_error("a disk of an earlier vbdd could not be attached again: %s",
                  sentence);
    if (error && vbd)
        vbd_lose_hold(vbd, sentence);
    free(resume);
}

void hotplug_resume(struct vbd *vbd)
{
    char status[STORE_VALUE_BYTES], reason[REASON_BYTES];
    struct resume *resume;
    struct target target;
    int error;

    if (store_read_in(vbd->supervisor->store, vbd->path, "hotplug-status",
                      status, sizeof status, NULL) < 0 ||
        strcmp(status, "connected") != 0)
        return;
    resume = calloc(1, sizeof *resume);
    if (!resume)
        return;
    *resume = (struct resume){ .waiter.done = resumed,
                               .supervisor = vbd->supervisor,
                               .vbd = vbd->number };
    error = read_target(vbd, &target, reason, sizeof reason);
    if (error)
        resumed(&resume->waiter, error, reason);
    else
        disk_attach(vbd, &target, false, &resume->waiter);
}
