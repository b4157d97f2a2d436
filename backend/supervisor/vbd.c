/* SPDX-License-Identifier: MIT
 * The state machine of one back-end node. Which step follows from which two
 * states is decided in common/blkif/xenbus.c; here the steps are carried out. */
#include "backend/supervisor/vbd.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/backend.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/domain.h"
#include "backend/supervisor/events.h"
#include "backend/supervisor/features.h"
#include "backend/supervisor/front.h"
#include "backend/supervisor/hold.h"
#include "backend/supervisor/hotplug.h"
#include "backend/supervisor/node.h"
#include "backend/supervisor/state.h"
#include "backend/supervisor/xentop.h"
#include "common/host/log.h"
#include "common/host/vdev.h"

/* A front end that skipped states takes two steps at once; no sequence of
 * states needs more than this. */
enum { MAX_STEPS = 4 };

/* What the toolstack's side of the node says. */
struct back {
    enum xenbus_state state;
    bool is_online;
};

const char *vbd_ring_text(enum vbd_ring ring)
{
    switch (ring) {
    case VBD_RING_NONE: return "none";
    case VBD_RING_CONNECTING: return "connecting";
    case VBD_RING_CONNECTED: return "connected";
    case VBD_RING_PAUSING: return "pausing";
    case VBD_RING_PAUSED: return "paused";
    case VBD_RING_RESUMING: return "resuming";
    case VBD_RING_DISCONNECTING: return "disconnecting";
    case VBD_RING_HELD: return "held";
    }
    return "?";
}

static bool is_waiting_for_worker(const struct vbd *vbd)
{
    return vbd->ring == VBD_RING_CONNECTING ||
           vbd->ring == VBD_RING_PAUSING || vbd->ring == VBD_RING_RESUMING ||
           vbd->ring == VBD_RING_DISCONNECTING;
}

bool vbd_holds_ring(const struct vbd *vbd)
{
    return vbd->ring == VBD_RING_CONNECTED || vbd->ring == VBD_RING_PAUSING ||
           vbd->ring == VBD_RING_PAUSED || vbd->ring == VBD_RING_RESUMING;
}

/* --- life ----------------------------------------------------------------- */

struct vbd *vbd_new(struct supervisor *supervisor, enum vbd_tree tree,
                    uint32_t domid, uint32_t devid)
{
    struct vbd *vbd = calloc(1, sizeof *vbd);
    char vdev[VDEV_NAME_BYTES];

    if (!vbd) {
        log_error("%" PRIu32 "/%" PRIu32 " is not served: out of memory",
                  domid, devid);
        return NULL;
    }
    vbd->supervisor = supervisor;
    vbd->number = ++supervisor->last_vbd;
    vbd->tree = tree;
    vbd->domid = domid;
    vbd->devid = devid;
    backend_print_path(supervisor, tree, domid, devid, vbd->path,
                       sizeof vbd->path);
    snprintf(vbd->name, sizeof vbd->name, "%" PRIu32 "/%s", domid,
             vdev_print(devid, vdev));
    LIST_INIT(&vbd->attaching);
    LIST_INIT(&vbd->releasing);
    LIST_INIT(&vbd->vanishing);
    TAILQ_INSERT_TAIL(&supervisor->vbds, vbd, link);
    vbd_set_dirty(vbd);
    return vbd;
}

static void watch_front(struct vbd *vbd, bool is_on)
{
    char path[VBD_PATH_BYTES + 8], token[STORE_TOKEN_BYTES];
    struct store *store = vbd->supervisor->store;

    snprintf(path, sizeof path, "%s/state", vbd->frontend);
    snprintf(token, sizeof token, "front %" PRIu32, vbd->number);
    if (!is_on)
        store_unwatch(store, path, token);
    else if (store_watch(store, path, token) < 0)
        log_error("%s: its front end cannot be watched", vbd->name);
}

/* The same device's node in the other tree, or NULL. */
static struct vbd *find_twin(const struct vbd *vbd)
{
    return vbd_find(vbd->supervisor, vbd->tree == VBD_TREE_PHY
                                         ? VBD_TREE_TAP : VBD_TREE_PHY,
                    vbd->domid, vbd->devid);
}

/* Its node may have been made anew, here or in the other tree, while the old
 * one was being given back: whoever comes next looks. */
static void forget(struct vbd *vbd)
{
    struct supervisor *supervisor = vbd->supervisor;
    uint32_t domid = vbd->domid, devid = vbd->devid;
    enum vbd_tree tree = vbd->tree;
    bool was_known = vbd->state != XENBUS_UNKNOWN;
    struct vbd *twin = find_twin(vbd);

    assert(!vbd->disk && vbd->ring == VBD_RING_NONE);
    waiters_finish(&vbd->releasing, 0, "");
    if (vbd->frontend[0])
        watch_front(vbd, false);
    hold_drop(vbd, NULL);
    TAILQ_REMOVE(&supervisor->vbds, vbd, link);
    log_limit_end(&vbd->limit, vbd->name);
    if (was_known)
        log_info("%s: gone", vbd->name);
    waiters_finish(&vbd->vanishing, 0, "");
    free(vbd);
    if (twin)
        vbd_set_dirty(twin);
    if (was_known && !supervisor->is_stopping)
        vbd_new(supervisor, tree, domid, devid);
}

struct vbd *vbd_find(struct supervisor *supervisor, enum vbd_tree tree,
                     uint32_t domid, uint32_t devid)
{
    struct vbd *vbd;

    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        if (vbd->tree == tree && vbd->domid == domid && vbd->devid == devid)
            return vbd;
    return NULL;
}

struct vbd *vbd_find_number(struct supervisor *supervisor, uint32_t number)
{
    struct vbd *vbd;

    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        if (vbd->number == number)
            return vbd;
    return NULL;
}

void vbd_set_dirty(struct vbd *vbd)
{
    vbd->is_dirty = true;
    backend_wake(vbd->supervisor);
}

bool vbd_is_connected(const struct vbd *vbd)
{
    return vbd->ring == VBD_RING_CONNECTED && vbd->state == XENBUS_CONNECTED;
}

/* --- the ring ------------------------------------------------------------- */

static void disconnected(void *context, const struct message *reply)
{
    struct vbd *vbd = context;

    vbd->ring = VBD_RING_NONE;
    hold_drop(vbd, NULL);
    xentop_remove(vbd);
    if (reply && reply->error)
        log_limited(&vbd->limit, LOG_LEVEL_WARNING,
                    "%s: its ring was given back with an error: %s",
                    vbd->name, reply->text);
    if (vbd->after_ring == XENBUS_INIT_WAIT)
        features_advertise(vbd);
    else if (vbd->state != XENBUS_CLOSED)
        state_set(vbd, XENBUS_CLOSED);
    vbd_set_dirty(vbd);
}

static void disconnect(struct vbd *vbd, enum xenbus_state after)
{
    struct message request = { .type = MESSAGE_DISCONNECT,
                               .vbd = vbd->number };

    assert(vbd_holds_ring(vbd) && !is_waiting_for_worker(vbd));
    vbd->after_ring = after;
    if (worker_call(vbd->disk->worker, &request, disconnected, vbd) < 0) {
        backend_retry(vbd);
        return;
    }
    vbd->ring = VBD_RING_DISCONNECTING;
}

static void drop_held(struct vbd *vbd, const char *why)
{
    if (vbd->ring != VBD_RING_HELD)
        return;
    vbd->ring = VBD_RING_NONE;
    hold_drop(vbd, why);
}

/* The guest, or whoever it shares its fate with, has made it impossible to
 * serve this vbd: says so and closes it, and nothing else. */
static void fail(struct vbd *vbd, const char *text)
{
    struct state_pair pairs[STATE_MAX_PAIRS] = { { "error", vbd->error } };

    snprintf(vbd->error, sizeof vbd->error, "%s", text);
    log_limited(&vbd->limit, LOG_LEVEL_WARNING, "%s: %s", vbd->name, text);
    if (state_write(vbd, pairs, 1, XENBUS_CLOSING) < 0 ||
        is_waiting_for_worker(vbd))
        return; /* vbd_evaluate() comes back to it */
    drop_held(vbd, NULL);
    if (vbd_holds_ring(vbd))
        disconnect(vbd, XENBUS_CLOSED);
    else
        state_set(vbd, XENBUS_CLOSED);
}

static void connected(void *context, const struct message *reply)
{
    struct vbd *vbd = context;
    bool was_held = vbd->state != XENBUS_INIT_WAIT;

    vbd->ring = reply && !reply->error ? VBD_RING_CONNECTED : VBD_RING_NONE;
    if (vbd->ring == VBD_RING_CONNECTED)
        xentop_add(vbd);
    else
        hold_drop(vbd, NULL);
    if (vbd->ring == VBD_RING_CONNECTED && was_held) {
        /* Its front end is to notice nothing. */
        features_resume(vbd);
        log_info("%s: goes on with %s", vbd->name, vbd->disk->target.path);
    } else if (vbd->ring == VBD_RING_CONNECTED) {
        if (features_publish(vbd) == 0)
            log_limited(&vbd->limit, LOG_LEVEL_INFO, "%s: connected to %s",
                        vbd->name, vbd->disk->target.path);
    } else if (reply) {
        fail(vbd, reply->text[0] ? reply->text
                                 : "its ring cannot be mapped");
    }
    vbd_set_dirty(vbd);
}

/* The worker gets the hold record to write it, -1 if there is none. */
static void call_connect(struct vbd *vbd, const struct message *request,
                         int record)
{
    events_give(vbd);
    if (worker_call_with(vbd->disk->worker, request, record, connected,
                         vbd) < 0)
        backend_retry(vbd);
    else
        vbd->ring = VBD_RING_CONNECTING;
}

/* Hands the ring to the worker, if there is one to serve it yet: whatever is
 * missing makes the vbd dirty when it comes. One that was held is to go on
 * where it stands. */
static void connect(struct vbd *vbd)
{
    struct message request = { .type = MESSAGE_CONNECT, .vbd = vbd->number };
    char reason[FRONT_REASON_BYTES];
    int record;

    if (vbd->disk && vbd->disk->state == DISK_FAILED) {
        fail(vbd, vbd->disk->why);
        return;
    }
    if (!vbd->disk || vbd->disk->state != DISK_READY)
        return;
    /* Its requests would be carried out under a domain that may be on its way
     * to another host. */
    if (vbd->is_suspended)
        return;
    if (node_is_taken(vbd, reason, sizeof reason)) {
        fail(vbd, reason);
        return;
    }
    request.connect.domid = vbd->domid;
    request.connect.read_only = !vbd->is_writable;
    features_settle(vbd, &request.connect);
    if (front_read_ring(vbd->supervisor->store, vbd->frontend,
                        &vbd->offer.ring, &request.connect, reason) < 0) {
        fail(vbd, reason);
        return;
    }
    record = vbd->ring == VBD_RING_HELD
                 ? hold_resume(vbd, &request.connect, reason, sizeof reason)
                 : hold_make(vbd, &request.connect);
    if (vbd->ring == VBD_RING_HELD && record < 0)
        fail(vbd, reason);
    else
        call_connect(vbd, &request, record);
}

void vbd_broken(struct vbd *vbd, const char *text)
{
    if (vbd_holds_ring(vbd))
        fail(vbd, text);
}

void vbd_worker_lost(struct vbd *vbd)
{
    assert(!is_waiting_for_worker(vbd));
    struct state_pair pairs[STATE_MAX_PAIRS] = { { "error", vbd->error } };

    vbd->ring = VBD_RING_NONE;
    hold_drop(vbd, NULL);
    xentop_remove(vbd);
    snprintf(vbd->error, sizeof vbd->error, "the worker of its disk has ended; "
             "detach and attach it again");
    state_write(vbd, pairs, 1, vbd->state);
    vbd_set_dirty(vbd);
}

void vbd_let_go(struct vbd *vbd)
{
    assert(!is_waiting_for_worker(vbd) && !vbd->disk);
    xentop_remove(vbd);
    if (vbd_holds_ring(vbd))
        vbd->ring = VBD_RING_HELD;
    vbd_set_dirty(vbd);
}

/* Its front end hears of it when the old worker has ended. */
void vbd_lose_hold(struct vbd *vbd, const char *text)
{
    if (vbd->ring != VBD_RING_HELD || vbd->error[0] ||
        vbd->supervisor->is_stopping)
        return;
    snprintf(vbd->error, sizeof vbd->error, "%s", text);
    vbd_set_dirty(vbd);
}

/* --- looking -------------------------------------------------------------- */

/* 0, or -ENOENT when the node has gone, or is not the one that we know, or
 * another -errno when nothing can be said. */
static int read_back(struct vbd *vbd, struct back *back)
{
    struct store *store = vbd->supervisor->store;
    char value[STORE_VALUE_BYTES];
    unsigned length;
    int error = store_read_in(store, vbd->path, "state", value, sizeof value,
                              &length);

    if (error)
        return error;
    back->state = xenbus_parse_state(value, length);
    if (back->state == XENBUS_INITIALISING &&
        vbd->state != XENBUS_INITIALISING && vbd->state != XENBUS_UNKNOWN)
        return -ENOENT; /* deleted and made again while nobody looked */
    error = store_read_in(store, vbd->path, "online", value, sizeof value,
                          NULL);
    back->is_online = !error && strcmp(value, "1") == 0;
    return error == -ENOENT ? 0 : error;
}

static enum xenbus_state read_front(struct vbd *vbd)
{
    char value[STORE_VALUE_BYTES];
    unsigned length;

    int error = -ENOENT;

    if (!vbd->is_dead)
        error = store_read_in(vbd->supervisor->store, vbd->frontend, "state",
                              value, sizeof value, &length);
    /* A store that cannot answer has not said that the front end is gone; a
     * value that is too long for a state is none; and a driver domain is not
     * told that there is nothing where it may not look. */
    if (!error)
        vbd->front = xenbus_parse_state(value, length);
    else if (error == -ENOENT || error == -E2BIG || error == -EACCES)
        vbd->front = XENBUS_UNKNOWN;
    else
        backend_retry(vbd);
    return vbd->front;
}

/* Is the node ours to serve? When it is not, says why, once. */
static bool is_ours(struct vbd *vbd)
{
    const struct vbd *twin = find_twin(vbd);
    char reason[MESSAGE_TEXT_BYTES] = "";
    int error = node_judge(vbd, reason, sizeof reason);

    if (!error && twin && twin->state != XENBUS_UNKNOWN) {
        snprintf(reason, sizeof reason, "the same disk is served as %s, which "
                 "has not gone yet", twin->path);
        error = -EBUSY;
    }
    if (error && strcmp(vbd->error, reason) != 0)
        log_message(error == -ENOENT ? LOG_LEVEL_DEBUG : LOG_LEVEL_ERROR,
                    "%s: %s is not served: %s", vbd->name, vbd->path, reason);
    strcpy(vbd->error, reason);
    return !error;
}

static void cannot_read(struct vbd *vbd, int error)
{
    log_limited(&vbd->limit, LOG_LEVEL_ERROR,
                "%s: its nodes cannot be read: %s", vbd->name,
                strerror(-error));
    backend_retry(vbd);
}

static bool recall(struct vbd *vbd)
{
    int error = features_recall(vbd);

    if (error)
        cannot_read(vbd, error);
    return !error;
}

/* A node that an earlier vbdd has left connected: its front end waits, if there
 * is a record that says where its ring stands. Who has said Closing may still
 * be using the disk. */
static void adopt_ring(struct vbd *vbd)
{
    bool has_record = hold_exists(vbd);

    if (!has_record && vbd->state != XENBUS_CONNECTED)
        return;
    vbd->ring = VBD_RING_HELD;
    vbd->front = XENBUS_CONNECTED; /* until the store says otherwise */
    if (!has_record)
        vbd_lose_hold(vbd, "its ring was lost when vbdd ended without "
                           "holding it");
}

/* Of those that an earlier vbdd has left, who only reads is looked at once
 * more, after all others: as the first of its disk it would have the target
 * opened read-only, and who writes would be refused what he had. */
static bool put_off(struct vbd *vbd, const struct back *back)
{
    char reason[16]; /* nobody reads it */
    struct target target;

    if (vbd->was_put_off || back->state == XENBUS_INITIALISING ||
        node_read_target(vbd, &target, reason, sizeof reason) < 0 ||
        target.is_writable)
        return false;
    vbd->was_put_off = true;
    vbd_set_dirty(vbd);
    return true;
}

/* The first look at a node of ours. One that an earlier vbdd has left is taken
 * over. */
static void adopt(struct vbd *vbd, const struct back *back)
{
    node_print_frontend(vbd, vbd->frontend, sizeof vbd->frontend);
    watch_front(vbd, true);
    vbd->state = back->state;
    vbd->is_left_over = vbd->state != XENBUS_INITIALISING;
    if (vbd->is_left_over)
        xentop_adopt(vbd);
    switch (back->state) {
    case XENBUS_CLOSED:
        break;
    case XENBUS_INITIALISED:
        vbd->state = XENBUS_CONNECTED;
        /* fall through */
    case XENBUS_CLOSING:
    case XENBUS_CONNECTED:
        adopt_ring(vbd);
        break;
    case XENBUS_UNKNOWN:
    case XENBUS_INITIALISING:
    case XENBUS_INIT_WAIT:
    case XENBUS_RECONFIGURING:
    case XENBUS_RECONFIGURED:
        vbd->state = XENBUS_INITIALISING;
        break;
    }
    if (vbd->ring != VBD_RING_HELD)
        hold_drop(vbd, "its vbd is not connected");
    domain_check(vbd);
    log_info("%s: found", vbd->name);
    hotplug_resume(vbd);
    if (!vbd->disk)
        vbd_lose_hold(vbd, "its disk was not attached");
}

/* --- stepping ------------------------------------------------------------- */

/* Gives back whatever there is to be given back. May free the vbd. */
static void leave(struct vbd *vbd)
{
    if (vbd_holds_ring(vbd)) {
        disconnect(vbd, XENBUS_CLOSED);
        return;
    }
    drop_held(vbd, "its vbd is given back");
    if (!vbd->is_gone && vbd->state != XENBUS_UNKNOWN &&
        vbd->state != XENBUS_CLOSED)
        state_set(vbd, XENBUS_CLOSED);
    if (vbd->disk)
        disk_detach(vbd);
    waiters_finish(&vbd->releasing, 0, "");
    if (vbd->is_gone)
        forget(vbd);
}

/* One step; true when another may follow at once. */
static bool step(struct vbd *vbd, bool is_online)
{
    bool has_ring = vbd_holds_ring(vbd);
    enum xenbus_state front = read_front(vbd);

    switch (xenbus_back_react(vbd->state, front, is_online)) {
    case XENBUS_BACK_NOTHING:
        /* Connected was never published, and the front end starts anew: that
         * ring is not the one it will offer. */
        if (has_ring && vbd->state == XENBUS_INIT_WAIT &&
            front == XENBUS_INITIALISING) {
            disconnect(vbd, XENBUS_INIT_WAIT);
            return false;
        }
        if (vbd->ring == VBD_RING_HELD) {
            connect(vbd);
            return false;
        }
        /* Connected once more makes a front end look at the size again. */
        if (vbd_is_connected(vbd) &&
            vbd->published_bytes != vbd->disk->ready.size_bytes)
            features_publish(vbd);
        /* The toolstack closes what has never been opened. */
        return vbd->state == XENBUS_CLOSING && !is_online && !has_ring &&
               state_set(vbd, XENBUS_CLOSED) == 0;
    case XENBUS_BACK_ADVERTISE:
        return features_advertise(vbd) == 0;
    case XENBUS_BACK_CONNECT:
        if (has_ring) /* only the writing failed */
            return features_publish(vbd) == 0;
        connect(vbd);
        return false;
    case XENBUS_BACK_CLOSE:
        return state_set(vbd, XENBUS_CLOSING) == 0;
    case XENBUS_BACK_DISCONNECT:
        drop_held(vbd, "its front end has gone");
        if (!has_ring)
            return state_set(vbd, XENBUS_CLOSED) == 0;
        disconnect(vbd, XENBUS_CLOSED);
        return false;
    case XENBUS_BACK_RESTART:
        drop_held(vbd, "its front end has started anew");
        if (!has_ring)
            return features_advertise(vbd) == 0;
        disconnect(vbd, XENBUS_INIT_WAIT);
        return false;
    }
    return false;
}

/* As long as a worker of an earlier vbdd is at work on its ring nobody is told
 * that the ring is given back: a read of that worker's could end up in whatever
 * the front end, or the guest's next kernel, keeps in those pages by then. */
static bool must_wait(struct vbd *vbd)
{
    vbd->is_left_over = vbd->is_left_over && hold_is_in_use(vbd);
    return vbd->is_left_over;
}

/* One that was held has nothing to go on with, and that could not be written
 * yet. */
static void fail_again(struct vbd *vbd)
{
    char text[sizeof vbd->error];

    if (vbd->ring != VBD_RING_HELD || !vbd->error[0])
        return;
    strcpy(text, vbd->error);
    fail(vbd, text);
}

static bool must_leave(const struct vbd *vbd)
{
    return vbd->is_gone || vbd->is_removed;
}

void vbd_evaluate(struct vbd *vbd)
{
    struct back back = { XENBUS_UNKNOWN, false };
    bool is_stopping = vbd->supervisor->is_stopping;
    int error;

    vbd->is_dirty = false;
    error = read_back(vbd, &back);
    vbd->is_gone |= error == -ENOENT; /* others wait for those who leave */
    if (is_waiting_for_worker(vbd))
        return; /* the answer makes it dirty */
    /* At a stop all stays as it is; only what goes anyway goes, once its disk
     * has ended, which makes it dirty. */
    if (is_stopping && vbd->disk)
        return;
    if (is_stopping) {
        if (must_leave(vbd) && !must_wait(vbd))
            leave(vbd);
        else
            waiters_finish(&vbd->releasing, -ESHUTDOWN, "vbdd was stopped "
                           "before it was closed");
        return;
    }
    if (error && error != -ENOENT) {
        cannot_read(vbd, error);
        return;
    }
    if (!must_leave(vbd) && vbd->state == XENBUS_UNKNOWN) {
        if (!is_ours(vbd) || !recall(vbd) || put_off(vbd, &back))
            return;
        adopt(vbd, &back);
    } else if (back.state == XENBUS_CLOSING &&
               vbd->state != XENBUS_UNKNOWN) {
        vbd->state = XENBUS_CLOSING; /* the toolstack's word */
    }
    if (must_wait(vbd)) {
        backend_retry(vbd);
        return;
    }
    fail_again(vbd);
    /* It broke, and still is there. */
    if (vbd_holds_ring(vbd) && vbd->error[0]) {
        disconnect(vbd, XENBUS_CLOSED);
        return;
    }
    for (unsigned i = 0; i < MAX_STEPS && !must_leave(vbd); i++)
        if (!step(vbd, back.is_online))
            break;
    if (must_leave(vbd) ||
        (vbd->state == XENBUS_CLOSED && !back.is_online))
        leave(vbd);
    else
        domain_follow(vbd);
}

void vbd_release(struct vbd *vbd, struct waiter *waiter)
{
    vbd->is_removed = true;
    vbd_await_release(vbd, waiter);
    vbd_set_dirty(vbd);
}

void vbd_await_release(struct vbd *vbd, struct waiter *waiter)
{
    if (waiter)
        LIST_INSERT_HEAD(&vbd->releasing, waiter, link);
}

void vbd_await_end(struct vbd *vbd, struct waiter *waiter)
{
    LIST_INSERT_HEAD(&vbd->vanishing, waiter, link);
    vbd_set_dirty(vbd);
}
