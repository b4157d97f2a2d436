/* SPDX-License-Identifier: MIT
 * Connecting and disconnecting a vbd. One way in, one way out: every failure
 * of connect and every disconnect ends in vbd_free(). */
#include "backend/disk/vbd.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void vbd_free(struct vbd *vbd)
{
    for (unsigned i = 0; i < vbd->nr_queues; i++)
        queue_close(&vbd->queues[i]);
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

/* What this vbd may ask for; what the supervisor advertised. */
static struct blkif_limits limits_of(const struct worker *worker,
                                     const struct message_connect *connect,
                                     bool read_only)
{
    const struct engine_info *info = coherency_info(worker->disk);

    return (struct blkif_limits){
        .nr_sectors = info->size_bytes / BLKIF_SECTOR_BYTES,
        .sector_alignment = 1, /* sub-block writes are merged below (C13) */
        .read_only = read_only,
        .has_barrier = true,
        .has_flush = true,
        .has_discard = connect->has_discard && info->can_discard,
        .has_secure = connect->has_secure && info->can_secure,
    };
}

int vbd_connect(struct worker *worker, uint32_t number,
                const struct message_connect *connect, char *reason,
                unsigned reason_size)
{
    struct vbd *vbd = calloc(1, sizeof *vbd);
    bool read_only = connect->read_only || worker->options->read_only;
    const char *what = "start";
    int error = -ENOMEM;

    if (!vbd)
        goto refuse;
    vbd->worker = worker;
    vbd->number = number;
    vbd->domid = connect->domid;
    vbd->limits = limits_of(worker, connect, read_only);
    for (unsigned i = 0; i < connect->nr_queues; i++) {
        struct queue *queue = &vbd->queues[vbd->nr_queues++];

        queue->vbd = vbd;
        error = queue_open(queue, connect->abi,
                           connect->queues[i].event_port,
                           connect->queues[i].grefs,
                           connect->queues[i].nr_pages, &what);
        if (error)
            goto refuse;
    }
    what = "become a client";
    error = coherency_client_open(worker->disk, COHERENCY_CLIENT_RING,
                                  read_only, &vbd->client);
    if (error)
        goto refuse;
    vbd->next = worker->vbds;
    worker->vbds = vbd;
    worker->stats.vbds++;
    worker->wants_more = true; /* the ring may already hold requests */
    return 0;
refuse:
    snprintf(reason, reason_size, "cannot %s of domain %u: %s", what,
             connect->domid, strerror(-error));
    if (vbd)
        vbd_free(vbd);
    return error;
}

struct vbd *vbd_find(struct worker *worker, uint32_t number)
{
    struct vbd *vbd = worker->vbds;

    while (vbd && vbd->number != number)
        vbd = vbd->next;
    return vbd;
}

static void vbd_idle(void *context)
{
    struct vbd *vbd = context;

    /* Answers of the last requests may still wait in worker->completed, so
     * the rest is done by vbd_finish_disconnects(). */
    vbd->is_idle = true;
    vbd->client = NULL;
    vbd->worker->wants_more = true;
}

void vbd_disconnect(struct vbd *vbd, uint32_t tag)
{
    vbd->is_closing = true;
    vbd->disconnect_tag = tag;
    coherency_client_close(vbd->client, vbd_idle, vbd);
}

void vbd_finish_disconnects(struct worker *worker)
{
    struct vbd **link = &worker->vbds;

    while (*link) {
        struct vbd *vbd = *link;

        if (!vbd->is_idle) {
            link = &vbd->next;
            continue;
        }
        struct message reply = { .type = MESSAGE_REPLY, .vbd = vbd->number,
                                 .tag = vbd->disconnect_tag };
        *link = vbd->next;
        worker->stats.vbds--;
        vbd_free(vbd);
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
