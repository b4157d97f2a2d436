/* SPDX-License-Identifier: MIT
 * The supervisor's side of a worker: its socket and its requests. A worker
 * whose supervisor has gone holds its rings for the next one, drains, flushes
 * and ends, so that the target is free (C12). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/disk/nbd/nbd.h"
#include "backend/disk/vbd.h"
#include "common/host/packet.h"

void worker_send(struct worker *worker, struct message *message,
                 const int *fds, unsigned nr_fds)
{
    if (worker->control_fd < 0)
        return;
    int error = packet_send(worker->control_fd, message, sizeof *message, fds,
                            nr_fds);
    if (error)
        log_warning("cannot answer the supervisor: %s", strerror(-error));
}

/* Linux calls a unix socket writable while a quarter of it is in use. */
bool worker_is_heard(const struct worker *worker)
{
    struct pollfd wanted = { .fd = worker->control_fd, .events = POLLOUT };

    return poll(&wanted, 1, 0) == 1;
}

void worker_tell(struct worker *worker, enum message_type type, uint32_t vbd,
                 int error, const char *text)
{
    struct message message = { .type = type, .vbd = vbd, .error = error };

    snprintf(message.text, sizeof message.text, "%s", text);
    worker_send(worker, &message, NULL, 0);
}

static void fill_ready(struct worker *worker, struct message_ready *ready)
{
    const struct engine_info *info = coherency_info(worker->disk);

    ready->size_bytes = info->size_bytes;
    /* Sub-block writes are merged here (C13), so every guest may use 512. */
    ready->sector_bytes = BLKIF_SECTOR_BYTES;
    ready->physical_bytes = info->physical_bytes;
    ready->can_discard = info->can_discard;
    ready->discard_granularity_bytes = info->discard_granularity_bytes;
    ready->discard_alignment_bytes = info->discard_alignment_bytes;
    ready->can_secure = info->can_secure;
    ready->read_only = worker->options->read_only || info->read_only;
    snprintf(ready->claim, sizeof ready->claim, "%s", worker->target.key);
    snprintf(ready->engine, sizeof ready->engine, "%s",
             worker->options->engine);
}

static void greet(struct worker *worker)
{
    struct message message = { .type = MESSAGE_READY };
    const struct claim *claim = &worker->target.claim;

    fill_ready(worker, &message.ready);
    message.ready.nr_claims = claim->nr_fds;
    worker_send(worker, &message, claim->fds, claim->nr_fds);
}

/* What is counted in other places comes together here. */
static void fill_stats(struct worker *worker, struct message_stats *stats)
{
    struct coherency_stats disk;
    struct platform_held held;

    coherency_get_stats(worker->disk, &disk);
    platform_get_held(worker->platform, &held);
    *stats = worker->stats;
    stats->engine_flushes = disk.engine_flushes;
    stats->flush_failures = disk.flush_failures;
    stats->waited = disk.waited;
    stats->merged = disk.merged;
    stats->is_fail_stopped = disk.is_fail_stopped;
    stats->system_calls += held.system_calls;
    for (struct engine *e = worker->engine; e; e = e->next)
        stats->system_calls += e->stats.system_calls;
    stats->in_flight = worker->outstanding;
    stats->bytes_in_flight = worker->budget_used;
    stats->budget_bytes = worker->options->budget_bytes;
}

/* --- detach: end NBD clients (no vbd runs), flush, drop the cache, go --------- */

/* The claim is held until the last flush has ended, whatever came of it. */
static void detach_flushed(void *context, int error)
{
    struct worker *worker = context;

    worker->detach_error = error;
    worker->detach_is_idle = true;
}

/* No NBD client is left either. */
static void detach_drained(void *context)
{
    struct worker *worker = context;
    int error = disk_flush_begin(&worker->detach_flush, worker, detach_flushed,
                                 worker);

    if (error)
        detach_flushed(worker, error);
}

void worker_begin_detach(struct worker *worker, uint32_t tag)
{
    worker->is_detaching = true;
    worker->detach_tag = tag;
    nbd_server_shut_down(worker->nbd, detach_drained, worker);
}

static int detach(struct worker *worker, uint32_t tag)
{
    if (worker->vbds || worker->is_detaching || worker->is_holding)
        return -EBUSY;
    worker_begin_detach(worker, tag);
    return 0;
}

void worker_finish_detach(struct worker *worker)
{
    struct message reply = { .type = MESSAGE_REPLY,
                             .tag = worker->detach_tag };
    const char *step;

    if (!worker->detach_is_idle)
        return;
    if (worker->is_holding && worker->detach_error)
        worker_note_fail_stop(worker);
    worker_finish_hold(worker, worker->detach_error != 0);
    reply.error = target_close(&worker->target, &step);
    if (worker->detach_error) {
        reply.error = worker->detach_error;
        step = "flush";
    }
    if (reply.error)
        snprintf(reply.text, sizeof reply.text,
                 "detached, but could not %s: %s", step,
                 strerror(-reply.error));
    worker_send(worker, &reply, NULL, 0);
    worker->is_finished = true;
}

/* --- requests -------------------------------------------------------------------- */

/* hold_fd is taken over, whatever happens. */
static int connect_vbd(struct worker *worker, const struct message *message,
                       int hold_fd, struct message *reply)
{
    int error = worker->is_detaching || worker->is_holding ? -ESHUTDOWN
              : vbd_find(worker, message->vbd) ? -EEXIST : 0;

    if (!error)
        return vbd_connect(worker, message->vbd, &message->connect, hold_fd,
                           reply->text, sizeof reply->text);
    if (hold_fd >= 0)
        close(hold_fd);
    return error;
}

/* Every vbd may use what has grown at once; what it has asked for before was
 * judged by the old size. */
static int resize(struct worker *worker, struct message *reply)
{
    const struct engine_info *info = coherency_info(worker->disk);
    int error = coherency_resize(worker->disk);

    if (error == -EINVAL) {
        snprintf(reply->text, sizeof reply->text,
                 "the target has become smaller than the disk's %llu bytes, "
                 "and a disk cannot shrink while it is attached; make the "
                 "target as big again, or detach the disk first",
                 (unsigned long long)info->size_bytes);
    } else if (error == -EOPNOTSUPP) {
        snprintf(reply->text, sizeof reply->text,
                 "a disk of engine '%.100s' has the size that it was given "
                 "and cannot be resized", worker->options->engine);
    } else if (error) {
        snprintf(reply->text, sizeof reply->text,
                 "the target does not tell its size: %s", strerror(-error));
    }
    if (error)
        return error;
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next)
        vbd->limits.nr_sectors = info->size_bytes / BLKIF_SECTOR_BYTES;
    fill_ready(worker, &reply->ready);
    return 0;
}

static int set_log_level(uint32_t level)
{
    if (level > LOG_LEVEL_DEBUG)
        return -EINVAL;
    log_set_level((enum log_level)level);
    return 0;
}

/* What is asked of one vbd that is there. As handle(). */
static bool handle_vbd(struct worker *worker, const struct message *message,
                       struct message *reply)
{
    struct vbd *vbd = vbd_find(worker, message->vbd);

    if (!vbd || vbd->is_closing || vbd->is_held) {
        reply->error = vbd ? -ESHUTDOWN : -ENOENT;
        return true;
    }
    switch (message->type) {
    case MESSAGE_PAUSE:
        reply->error = vbd_pause(vbd, message->tag);
        return reply->error != 0;
    case MESSAGE_RESUME:
        vbd_resume(vbd);
        return true;
    default:
        vbd_fill_stats(vbd, &reply->vbd_stats);
        return true;
    }
}

/* fd is taken over. */
static int show_xentop(struct worker *worker, uint32_t number, int fd)
{
    struct vbd *vbd = vbd_find(worker, number);

    if (vbd)
        return xentop_open(&vbd->xentop, fd);
    if (fd >= 0)
        close(fd);
    return -ENOENT;
}

/* As handle(). */
static bool disconnect(struct worker *worker, const struct message *message,
                       struct message *reply)
{
    struct vbd *vbd = vbd_find(worker, message->vbd);

    if (vbd && !vbd->is_closing && !vbd->is_held) {
        vbd_disconnect(vbd, message->tag);
        return false;
    }
    reply->error = !vbd ? 0 /* was never connected: as good */
                 : vbd->is_held ? -ESHUTDOWN : -EALREADY;
    return true;
}

/* Handles one request; fills in reply unless the answer comes later. */
static bool handle(struct worker *worker, const struct message *message,
                   struct message *reply)
{
    switch (message->type) {
    case MESSAGE_DISCONNECT:
        return disconnect(worker, message, reply);
    case MESSAGE_STATS:
        fill_stats(worker, &reply->stats);
        return true;
    case MESSAGE_NBD_STATS:
        nbd_server_fill_stats(worker->nbd, &reply->nbd_stats);
        return true;
    case MESSAGE_PAUSE:
    case MESSAGE_RESUME:
    case MESSAGE_VBD_STATS:
        return handle_vbd(worker, message, reply);
    case MESSAGE_DETACH:
        reply->error = detach(worker, message->tag);
        return reply->error != 0;
    case MESSAGE_HOLD:
        reply->error = worker_hold(worker, message->tag);
        return reply->error != 0;
    case MESSAGE_RESIZE:
        reply->error = resize(worker, reply);
        return true;
    case MESSAGE_LOG_LEVEL:
        reply->error = set_log_level(message->log_level);
        return true;
    default:
        reply->error = -EINVAL;
        return true;
    }
}

/* fd: what came along, or -1; whoever it is for takes it over. */
static bool handle_with(struct worker *worker, const struct message *message,
                        int fd, struct message *reply)
{
    switch (message->type) {
    case MESSAGE_CONNECT:
        reply->error = connect_vbd(worker, message, fd, reply);
        return true;
    case MESSAGE_EVENTS:
        reply->error = fd < 0 ? -EBADF
                     : platform_event_join(worker->platform, message->domid,
                                           fd);
        return true;
    case MESSAGE_XENTOP:
        reply->error = show_xentop(worker, message->vbd, fd);
        return true;
    default:
        if (fd >= 0)
            close(fd);
        return handle(worker, message, reply);
    }
}

static void hang_up(struct worker *worker)
{
    if (worker->control_fd < 0)
        return;
    ev_io_stop(worker->loop, &worker->control_watcher);
    close(worker->control_fd);
    worker->control_fd = -1;
}

static void on_message(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct worker *worker = watcher->data;
    struct message message, reply;
    unsigned nr_fds;
    int error, fd;

    (void)loop;
    (void)events;
    error = packet_receive(worker->control_fd, &message, sizeof message, &fd,
                           1, &nr_fds);
    if (error == -EAGAIN)
        return;
    if (error) {
        log_warning("the supervisor has gone (%s): the disk is held for the "
                    "next one", strerror(-error));
        hang_up(worker);
        worker_hold(worker, 0); /* unless that, or a detach, is under way */
        return;
    }
    reply = (struct message){ .type = MESSAGE_REPLY, .tag = message.tag,
                              .vbd = message.vbd };
    if (handle_with(worker, &message, nr_fds ? fd : -1, &reply))
        worker_send(worker, &reply, NULL, 0);
}

static void on_supervisor(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct worker *worker = watcher->data;
    int fd = accept4(worker->options->socket_fd, NULL, NULL, SOCK_CLOEXEC);

    (void)events;
    if (fd < 0)
        return;
    ev_io_stop(loop, watcher); /* there is one supervisor */
    worker->control_fd = fd;
    ev_io_init(&worker->control_watcher, on_message, fd, EV_READ);
    worker->control_watcher.data = worker;
    ev_io_start(loop, &worker->control_watcher);
    greet(worker);
    nbd_server_begin(worker->nbd);
}

void worker_control_open(struct worker *worker)
{
    ev_io_init(&worker->listen_watcher, on_supervisor,
               worker->options->socket_fd, EV_READ);
    worker->listen_watcher.data = worker;
    ev_io_start(worker->loop, &worker->listen_watcher);
}

void worker_control_close(struct worker *worker)
{
    hang_up(worker);
    ev_io_stop(worker->loop, &worker->listen_watcher);
}
