/* SPDX-License-Identifier: MIT
 * Domains: asked for, and followed by their vbds. */
#include "backend/supervisor/domain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backend/platform/domain.h"
#include "backend/supervisor/backend.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/vbd.h"
#include "common/host/log.h"

/* xenstored fires no watch when a suspend is cancelled. */
static const double POLL_SECONDS = 1.0;

struct domain_watch {
    struct supervisor *supervisor;
    struct domains *domains; /* NULL: only the store can be asked */
    ev_timer poll;           /* while a domain is suspended */
    struct log_limit limit;
};

/* --- looking -------------------------------------------------------------- */

/* enum domain_state or -errno. */
static int look(struct domain_watch *watch, uint32_t domid)
{
    if (watch->domains)
        return domains_look(watch->domains, domid);
    return store_domain_is_alive(watch->supervisor->store, domid)
               ? DOMAIN_RUNNING : DOMAIN_GONE;
}

static void set_state(struct vbd *vbd, enum domain_state state)
{
    bool is_alive = state != DOMAIN_GONE;
    bool is_suspended = state == DOMAIN_SUSPENDED;
    /* A tree may be made before its domain: only who has lived can die. */
    bool is_dead = vbd->was_alive && !is_alive;

    vbd->was_alive |= is_alive;
    if (is_dead == vbd->is_dead && is_suspended == vbd->is_suspended)
        return;
    vbd->is_dead = is_dead;
    vbd->is_suspended = is_suspended;
    vbd_set_dirty(vbd);
}

static void check(struct domain_watch *watch, uint32_t domid)
{
    struct supervisor *supervisor = watch->supervisor;
    int state = look(watch, domid);
    struct vbd *vbd;

    if (state < 0) /* who cannot tell has not said that it is dead */
        log_limited(&watch->limit, LOG_LEVEL_WARNING,
                    "what has become of domain %" PRIu32 " is not known: %s",
                    domid, strerror(-state));
    TAILQ_FOREACH(vbd, &supervisor->vbds, link) {
        if (vbd->domid != domid || vbd->state == XENBUS_UNKNOWN)
            continue;
        vbd->is_domain_checked = true;
        if (state >= 0)
            set_state(vbd, (enum domain_state)state);
        if (vbd->is_suspended && !ev_is_active(&watch->poll)) {
            ev_timer_set(&watch->poll, POLL_SECONDS, 0.);
            ev_timer_start(supervisor->loop, &watch->poll);
        }
    }
}

void domain_check(struct vbd *vbd)
{
    check(vbd->supervisor->domain_watch, vbd->domid);
}

void domain_check_all(struct supervisor *supervisor)
{
    struct vbd *vbd;

    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        vbd->is_domain_checked = vbd->state == XENBUS_UNKNOWN;
    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        if (!vbd->is_domain_checked)
            check(supervisor->domain_watch, vbd->domid);
}

static void on_poll(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    struct domain_watch *watch = watcher->data;

    (void)loop;
    (void)revents;
    domain_check_all(watch->supervisor);
}

/* --- following ------------------------------------------------------------ */

static const char *reason_of(const struct message *reply)
{
    return reply->text[0] ? reply->text : strerror(-reply->error);
}

static void paused(void *context, const struct message *reply)
{
    struct vbd *vbd = context;

    vbd->ring = reply ? VBD_RING_PAUSED : VBD_RING_NONE;
    if (reply && reply->error == -ESHUTDOWN)
        log_debug("%s: %s", vbd->name, reason_of(reply));
    else if (reply && reply->error)
        log_error("%s: its domain is suspended, and %s was not left in order: "
                  "%s", vbd->name, vbd->disk->target.path, reason_of(reply));
    else if (reply)
        log_info("%s: paused, with its writes on the disk: its domain is "
                 "suspended", vbd->name);
    vbd_set_dirty(vbd);
}

static void resumed(void *context, const struct message *reply)
{
    struct vbd *vbd = context;

    vbd->ring = reply ? VBD_RING_CONNECTED : VBD_RING_NONE;
    if (reply && reply->error)
        log_error("%s: its domain runs again, but its ring does not: %s",
                  vbd->name, reason_of(reply));
    else if (reply)
        log_info("%s: resumed: its domain runs again", vbd->name);
    vbd_set_dirty(vbd);
}

static void call(struct vbd *vbd, enum message_type type,
                 enum vbd_ring while_waiting,
                 void (*done)(void *context, const struct message *reply))
{
    struct message request = { .type = type, .vbd = vbd->number };

    if (worker_call(vbd->disk->worker, &request, done, vbd) < 0)
        backend_retry(vbd);
    else
        vbd->ring = while_waiting;
}

void domain_follow(struct vbd *vbd)
{
    if (vbd->ring == VBD_RING_CONNECTED && vbd->is_suspended)
        call(vbd, MESSAGE_PAUSE, VBD_RING_PAUSING, paused);
    else if (vbd->ring == VBD_RING_PAUSED && !vbd->is_suspended)
        call(vbd, MESSAGE_RESUME, VBD_RING_RESUMING, resumed);
}

/* --- life ----------------------------------------------------------------- */

int domain_start(struct supervisor *supervisor)
{
    struct domain_watch *watch = calloc(1, sizeof *watch);
    char reason[256];

    if (!watch)
        return -ENOMEM;
    watch->supervisor = supervisor;
    ev_timer_init(&watch->poll, on_poll, POLL_SECONDS, 0.);
    watch->poll.data = watch;
    if (domains_open(supervisor->options.local_dir, &watch->domains, reason,
                     sizeof reason) < 0)
        log_warning("a suspended domain is not told from a running one, and "
                    "not drained (%s)", reason);
    supervisor->domain_watch = watch;
    return 0;
}

void domain_stop(struct supervisor *supervisor)
{
    struct domain_watch *watch = supervisor->domain_watch;

    if (!watch)
        return;
    ev_timer_stop(supervisor->loop, &watch->poll);
    domains_close(watch->domains);
    free(watch);
    supervisor->domain_watch = NULL;
}
