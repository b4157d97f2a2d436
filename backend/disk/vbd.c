/* SPDX-License-Identifier: MIT
 * Connecting and disconnecting a vbd. One way in, one way out: every failure
 * of connect and every disconnect ends in vbd_free(). */
#include "backend/disk/vbd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/disk/nbd/nbd.h"

static void queue_close(struct queue *queue)
{
    struct platform *platform = queue->vbd->worker->platform;

    if (queue->port)
        platform_event_unbind(platform, queue->port);
    if (queue->pages)
        platform_grant_unmap(platform, queue->pages, queue->nr_pages);
    free(queue->requests);
    *queue = (struct queue){ .vbd = queue->vbd };
}

/* Another one of the same domain may bind through the same handle. */
static void leave_events(const struct vbd *vbd)
{
    for (const struct vbd *other = vbd->worker->vbds; other;
         other = other->next)
        if (other != vbd && other->domid == vbd->domid)
            return;
    platform_event_leave(vbd->worker->platform, vbd->domid);
}

void vbd_free(struct vbd *vbd)
{
    for (unsigned i = 0; i < vbd->nr_queues; i++)
        queue_close(&vbd->queues[i]);
    leave_events(vbd);
    persistent_close(vbd->persistent);
    xentop_close(&vbd->xentop);
    if (vbd->hold_fd >= 0)
        close(vbd->hold_fd);
    free(vbd);
}

static int queue_make_requests(struct queue *queue)
{
    queue->requests = calloc(queue->ring.slots, sizeof *queue->requests);
    if (!queue->requests)
        return -ENOMEM;
    for (uint32_t i = 0; i < queue->ring.slots; i++) {
        queue->requests[i].queue = queue;
        ring_request_free(&queue->requests[i]);
    }
    return 0;
}

static int queue_open(struct queue *queue, uint32_t abi,
                      uint32_t remote_port, const uint32_t *grefs,
                      uint32_t nr_pages, const char **what)
{
    struct vbd *vbd = queue->vbd;
    struct platform *platform = vbd->worker->platform;
    int port, error;

    *what = "map the ring";
    error = platform_grant_map(platform, vbd->domid, grefs, nr_pages, true,
                               &queue->pages);
    if (error)
        return error;
    queue->nr_pages = nr_pages;
    back_ring_init(&queue->ring, queue->pages, nr_pages, (enum blkif_abi)abi);
    *what = "bind the event channel";
    port = platform_event_bind(platform, vbd->domid, remote_port);
    if (port < 0)
        return port;
    queue->port = (uint32_t)port;
    *what = "make room for requests";
    return queue_make_requests(queue);
}

/* What this vbd may ask for: what the supervisor advertised, also where the
 * engine cannot do it any more (C14). */
static struct blkif_limits limits_of(const struct worker *worker,
                                     const struct message_connect *connect)
{
    return (struct blkif_limits){
        .nr_sectors = coherency_info(worker->disk)->size_bytes /
                      BLKIF_SECTOR_BYTES,
        /* Sub-block writes are merged below (C13). */
        .sector_alignment = connect->sector_bytes / BLKIF_SECTOR_BYTES,
        .read_only = connect->read_only || worker->options->read_only,
        .has_barrier = true,
        .has_flush = true,
        .has_discard = connect->has_discard,
        .has_secure = connect->has_secure,
        .max_indirect_segments = connect->max_indirect_segments,
    };
}

/* Our own supervisor asks; what it read of a guest it has judged, and what is
 * wrong here is wrong with the two of us. A sentence, or NULL. */
static const char *what_is_wrong(const struct message_connect *connect)
{
    if (connect->nr_queues < 1 || connect->nr_queues > BLKIF_MAX_QUEUES)
        return "expected 1 to 4 queues";
    if (connect->abi >= BLKIF_ABI_COUNT)
        return "the layout of its ring is unknown";
    for (uint32_t i = 0; i < connect->nr_queues; i++)
        if (connect->queues[i].nr_pages < 1 ||
            connect->queues[i].nr_pages > BLKIF_MAX_RING_PAGES)
            return "expected rings of 1 to 16 pages";
    if (connect->sector_bytes != 512 && connect->sector_bytes != 4096)
        return "expected sectors of 512 or 4096 bytes";
    if (connect->max_indirect_segments > BLKIF_MAX_INDIRECT_SEGMENTS)
        return "expected at most 256 segments in an indirect request";
    if (connect->grants >= MESSAGE_GRANTS_COUNT)
        return "the way to use its grants is unknown";
    if (connect->max_persistent_grants > PERSISTENT_MAX_PAGES)
        return "expected at most 65536 persistent grants";
    return NULL;
}

static int open_queues(struct vbd *vbd, const struct message_connect *connect,
                       const char **what)
{
    int error = 0;

    for (unsigned i = 0; !error && i < connect->nr_queues; i++) {
        struct queue *queue = &vbd->queues[vbd->nr_queues++];

        queue->vbd = vbd;
        error = queue_open(queue, connect->abi,
                           connect->queues[i].event_port,
                           connect->queues[i].grefs,
                           connect->queues[i].nr_pages, what);
    }
    return error;
}

/* After a kexec, or in a crash kernel, a guest may make a new ring with the
 * same grants and ports; nobody was there to see its front end start anew. */
static bool has_new_ring(const struct vbd *vbd,
                         const struct message_standing *standing)
{
    for (unsigned i = 0; i < vbd->nr_queues; i++)
        if (back_ring_is_new_since(&vbd->queues[i].ring,
                                   standing->queues[i].rsp_prod))
            return true;
    return false;
}

/* Where its rings stand if another worker has served them; from here on nobody
 * must believe that record any more. */
static int take_over_rings(struct vbd *vbd,
                           const struct message_standing *standing,
                           const char **what)
{
    *what = "take a new ring for the one that was held,";
    if (standing->seal == MESSAGE_STANDING_SEAL &&
        has_new_ring(vbd, standing))
        return -ESTALE;
    *what = "go on with the ring";
    for (unsigned i = 0; i < vbd->nr_queues; i++)
        if (!back_ring_resume(&vbd->queues[i].ring,
                              standing->queues[i].req_cons,
                              standing->queues[i].rsp_prod))
            return -EINVAL;
    *what = "break the seal of the hold record";
    return vbd->hold_fd < 0 ? 0 : hold_unseal(vbd->hold_fd);
}

/* Kicks of the front end's were lost meanwhile, and one of ours may have been. */
static void go_on(struct vbd *vbd, const struct message_standing *standing)
{
    struct worker *worker = vbd->worker;

    if (standing->is_write_through)
        coherency_client_set_write_through(vbd->client);
    if (standing->was_handed_over)
        nbd_server_hand_over(worker->nbd);
    for (unsigned i = 0; i < vbd->nr_queues; i++)
        platform_event_notify(worker->platform, vbd->queues[i].port);
}

/* vbd has what vbd_free() wants, whatever is returned. */
static int vbd_open(struct vbd *vbd, const struct message_connect *connect,
                    const char **what)
{
    struct worker *worker = vbd->worker;
    int error = 0;

    vbd->domid = connect->domid;
    vbd->limits = limits_of(worker, connect);
    vbd->grants = (enum message_grants)connect->grants;
    *what = "make room for persistent grants";
    if (vbd->grants == MESSAGE_GRANTS_PERSISTENT)
        error = persistent_open(worker->platform, connect->domid,
                                connect->max_persistent_grants,
                                &vbd->persistent);
    if (!error)
        error = open_queues(vbd, connect, what);
    if (!error)
        error = take_over_rings(vbd, &connect->standing, what);
    if (error)
        return error;
    *what = "become a client";
    error = coherency_client_open(worker->disk, COHERENCY_CLIENT_RING,
                                  vbd->limits.read_only, &vbd->client);
    if (!error && connect->standing.seal == MESSAGE_STANDING_SEAL)
        go_on(vbd, &connect->standing);
    return error;
}

int vbd_connect(struct worker *worker, uint32_t number,
                const struct message_connect *connect, int hold_fd,
                char *reason, unsigned reason_size)
{
    const char *what = what_is_wrong(connect);
    struct vbd *vbd = calloc(1, sizeof *vbd);
    int error;

    if (!vbd) {
        if (hold_fd >= 0)
            close(hold_fd);
        return -ENOMEM;
    }
    vbd->worker = worker;
    vbd->number = number;
    vbd->hold_fd = hold_fd;
    if (what) {
        snprintf(reason, reason_size, "cannot connect domain %u: %s",
                 connect->domid, what);
        vbd_free(vbd);
        return -EINVAL;
    }
    error = vbd_open(vbd, connect, &what);
    if (error) {
        snprintf(reason, reason_size, "cannot %s of domain %u: %s", what,
                 connect->domid, strerror(-error));
        vbd_free(vbd);
        return error;
    }
    vbd->next = worker->vbds;
    worker->vbds = vbd;
    worker->stats.vbds++;
    worker->wants_more = true; /* the ring may already hold requests */
    return 0;
}

struct vbd *vbd_find(struct worker *worker, uint32_t number)
{
    struct vbd *vbd = worker->vbds;

    while (vbd && vbd->number != number)
        vbd = vbd->next;
    return vbd;
}

void vbd_idle(void *context)
{
    struct vbd *vbd = context;

    /* Answers of the last requests may still wait in worker->completed, so
     * the rest is done by vbd_finish_disconnects(), or by hold.c. */
    vbd->is_idle = true;
    vbd->client = NULL;
    vbd->worker->wants_more = true;
}

void vbd_disconnect(struct vbd *vbd, uint32_t tag)
{
    vbd->is_closing = true;
    vbd->disconnect_tag = tag;
    vbd_end_pause(vbd, -ESHUTDOWN);
    coherency_client_close(vbd->client, vbd_idle, vbd);
}

bool vbd_is_served(const struct vbd *vbd)
{
    return !vbd->is_broken && !vbd->is_closing && !vbd->is_held &&
           vbd->pause.state == PAUSE_NONE;
}

void vbd_finish_disconnects(struct worker *worker)
{
    struct vbd **link = &worker->vbds;

    while (*link) {
        struct vbd *vbd = *link;

        if (!vbd->is_idle || vbd->is_held ||
            disk_flush_is_running(&vbd->pause.flush)) {
            link = &vbd->next;
            continue;
        }
        struct message reply = { .type = MESSAGE_REPLY, .vbd = vbd->number,
                                 .tag = vbd->disconnect_tag };
        *link = vbd->next;
        worker->stats.vbds--;
        vbd_free(vbd);
        if (!worker->vbds)
            nbd_server_front_closed(worker->nbd);
        worker_send(worker, &reply, NULL, 0);
    }
}

void vbd_break(struct vbd *vbd, const char *how)
{
    if (vbd->is_broken)
        return;
    vbd->is_broken = true;
    log_limited(&vbd->worker->guest_log, LOG_LEVEL_WARNING,
                "domain %u: %s; its ring is not served any more", vbd->domid,
                how);
    worker_tell(vbd->worker, MESSAGE_BROKEN, vbd->number, -EPROTO, how);
}

uint32_t queue_in_flight(const struct queue *queue)
{
    return queue->ring.req_cons - queue->ring.rsp_prod;
}

/* In fail-stop: whether all that is left is held. */
static bool has_only_flushes(const struct queue *queue)
{
    for (uint32_t i = 0; i < queue->ring.slots; i++)
        if (queue->requests[i].taken_us &&
            !ring_request_is_flush(&queue->requests[i]))
            return false;
    return true;
}

bool vbd_is_drained(const struct vbd *vbd)
{
    bool is_fail_stopped = coherency_is_fail_stopped(vbd->worker->disk);

    for (unsigned i = 0; i < vbd->nr_queues; i++)
        if (queue_in_flight(&vbd->queues[i]) > 0 &&
            !(is_fail_stopped && has_only_flushes(&vbd->queues[i])))
            return false;
    return true;
}

bool vbd_trim_all(struct worker *worker)
{
    bool has_more = false;

    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next)
        if (vbd->persistent)
            has_more |= persistent_trim(vbd->persistent);
    return has_more;
}

void vbd_fill_stats(const struct vbd *vbd, struct message_vbd_stats *stats)
{
    struct persistent_stats persistent = { 0 };

    if (vbd->persistent)
        persistent = persistent_get_stats(vbd->persistent);
    *stats = (struct message_vbd_stats){
        .abi = vbd->queues[0].ring.abi,
        .grants = vbd->grants,
        .sector_bytes = vbd->limits.sector_alignment * BLKIF_SECTOR_BYTES,
        .max_indirect_segments = vbd->limits.max_indirect_segments,
        .nr_queues = vbd->nr_queues,
        .has_discard = vbd->limits.has_discard,
        .has_secure = vbd->limits.has_secure,
        .is_write_through = coherency_client_is_write_through(vbd->client),
        .is_paused = vbd->pause.state != PAUSE_NONE,
        .persistent_grants = persistent.pages,
        .max_persistent_grants = persistent.max_pages,
        .persistent_hits = persistent.hits,
        .persistent_misses = persistent.misses,
        .persistent_evictions = persistent.evictions,
    };
    for (unsigned i = 0; i < vbd->nr_queues; i++) {
        stats->queues[i] = vbd->queues[i].stats;
        stats->queues[i].nr_pages = vbd->queues[i].nr_pages;
        stats->queues[i].slots = vbd->queues[i].ring.slots;
        stats->queues[i].in_flight = queue_in_flight(&vbd->queues[i]);
    }
}
