/* SPDX-License-Identifier: MIT
 * A PV disk of a domain on the local stand-in, through the front-end driver.
 * Several paths may be disks of one domain. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/host/log.h"
#include "common/host/vdev.h"
#include "frontend/port-hosted/port-hosted.h"
#include "frontend/vbdfront.h"
#include "tools/guest/guest.h"
#include "tools/options/options.h"
#include "tools/vbdverify/path.h"

enum { MAX_DOMAINS = 16, MAX_DOMID = 0x7fef, MAX_QUEUES = 4 };

static struct domain {
    char *dir;
    uint32_t domid;
    struct port_local *guest;
    unsigned nr_users;
} domains[MAX_DOMAINS];

struct ring {
    struct domain *domain;
    struct vbdfront *front;
    struct vbdfront_io *ios; /* by slot */
    char *what;              /* cut into pieces */
};

/* --- open ----------------------------------------------------------------- */

static struct domain *find_domain(const char *dir, uint32_t domid)
{
    struct domain *unused = NULL;

    for (unsigned i = 0; i < MAX_DOMAINS; i++) {
        struct domain *at = &domains[i];

        if (at->guest && at->domid == domid && strcmp(at->dir, dir) == 0)
            return at;
        if (!at->guest)
            unused = at;
    }
    if (!unused)
        return NULL;
    free(unused->dir);
    *unused = (struct domain){ .dir = strdup(dir), .domid = domid };
    unused->guest = unused->dir ? guest_open(dir, domid) : NULL;
    return unused->guest ? unused : NULL;
}

static bool connect_disk(struct path *path, const char *vdev_name,
                         uint32_t max_queues)
{
    struct ring *ring = path->state;
    struct domain *domain = ring->domain;
    struct vbdfront_config config;
    char node[GUEST_NODE_BYTES];
    uint32_t vdev;

    if (vdev_parse(vdev_name, &vdev) < 0) {
        log_error("--ring has the disk \"%s\", expected xvda, hda, sda or a "
                  "number", vdev_name);
        return false;
    }
    if (!guest_wait_for_disk(port_local_table(domain->guest), vdev,
                             path->timeout_s, node)) {
        log_error("there is no disk %s of domain %u after %llu s", vdev_name,
                  domain->domid, (unsigned long long)path->timeout_s);
        return false;
    }
    vbdfront_get_defaults(&config);
    config.max_queues = max_queues;
    if (vbdfront_open(port_local_table(domain->guest), node, &config,
                      &ring->front) != 0) {
        log_error("there is no memory for the disk");
        return false;
    }
    return vbdfront_connect(ring->front, path->timeout_s * 1000000) == 0;
}

static void describe(struct path *path)
{
    struct ring *ring = path->state;
    const struct vbdfront_info *info = vbdfront_info(ring->front);
    int fds[2];

    path->nr_sectors = info->nr_sectors;
    path->unit_sectors = info->sector_bytes / SECTOR_BYTES;
    path->can = 1u << OPERATION_READ;
    if (!info->read_only)
        path->can |= 1u << OPERATION_WRITE;
    if (!info->read_only && info->has_flush)
        path->can |= 1u << OPERATION_FUA;
    if (!info->read_only && info->has_barrier)
        path->can |= 1u << OPERATION_BARRIER;
    if (!info->read_only && info->has_discard)
        path->can |= 1u << OPERATION_DISCARD;
    if (info->has_flush)
        path->can |= 1u << OPERATION_FLUSH;
    port_hosted_get_fds(port_local_table(ring->domain->guest), fds);
    for (path->nr_fds = 0; path->nr_fds < 2; path->nr_fds++)
        path->fds[path->nr_fds] = (struct pollfd){
            .fd = fds[path->nr_fds], .events = POLLIN };
}

/* "DIR:DOMID:VDEV", and ":queues=N" perhaps. */
static bool parse(struct ring *ring, char **dir, uint64_t *domid, char **vdev,
                  uint64_t *queues)
{
    static const char option[] = "queues=";
    char *rest = ring->what, *number, *extra;

    *dir = strsep(&rest, ":");
    number = strsep(&rest, ":");
    *vdev = strsep(&rest, ":");
    extra = strsep(&rest, ":");
    *queues = 1;
    if (!*vdev || rest ||
        (extra && strncmp(extra, option, strlen(option)) != 0)) {
        log_error("--ring is not of the form DIR:DOMID:VDEV[:queues=N]");
        return false;
    }
    return options_parse_number("--ring's DOMID", number, OPTION_NUMBER, 1,
                                MAX_DOMID, domid) &&
           (!extra ||
            options_parse_number("--ring's queues", extra + strlen(option),
                                 OPTION_NUMBER, 1, MAX_QUEUES, queues));
}

static bool ring_open(struct path *path, const char *what)
{
    struct ring *ring = calloc(1, sizeof *ring);
    uint64_t domid, queues;
    char *dir, *vdev;

    path->state = ring;
    if (!ring)
        return false;
    ring->what = strdup(what);
    ring->ios = calloc(path->depth, sizeof *ring->ios);
    if (!ring->what || !ring->ios ||
        !parse(ring, &dir, &domid, &vdev, &queues))
        return false;
    ring->domain = find_domain(dir, (uint32_t)domid);
    if (!ring->domain)
        return false;
    ring->domain->nr_users++;
    if (!connect_disk(path, vdev, (uint32_t)queues))
        return false;
    describe(path);
    return true;
}

static void ring_close(struct path *path)
{
    struct ring *ring = path->state;

    if (!ring)
        return;
    if (ring->front) {
        vbdfront_disconnect(ring->front, path->timeout_s * 1000000);
        vbdfront_close(ring->front);
    }
    if (ring->domain && --ring->domain->nr_users == 0) {
        port_local_close(ring->domain->guest);
        free(ring->domain->dir);
        *ring->domain = (struct domain){ .dir = NULL };
    }
    free(ring->ios);
    free(ring->what);
    free(ring);
}

static void *ring_alloc(struct path *path, uint64_t nr_bytes)
{
    struct ring *ring = path->state;
    const struct vbdfront_port *port = port_local_table(ring->domain->guest);
    uint64_t pages = (nr_bytes + 4095) / 4096;

    return pages > GUEST_PAGES ? NULL
        : port->page_alloc(port->context, (unsigned)pages);
}

/* --- operations ----------------------------------------------------------- */

static void on_done(struct vbdfront_io *io, int error)
{
    struct slot *slot = io->owner;
    struct ring *ring = slot->path->state;

    if (vbdfront_state(ring->front) != VBDFRONT_CONNECTED)
        path_lost(slot->path, vbdfront_reason(ring->front));
    else
        path_done(slot, error);
}

static enum vbdfront_op front_op(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_READ: return VBDFRONT_READ;
    case OPERATION_DISCARD: return VBDFRONT_DISCARD;
    case OPERATION_FLUSH: return VBDFRONT_FLUSH;
    case OPERATION_BARRIER: return VBDFRONT_BARRIER;
    case OPERATION_WRITE:
    case OPERATION_FUA:
    case OPERATION_ZERO: /* which a ring has not */
        break;
    }
    return VBDFRONT_WRITE;
}

static void ring_submit(struct path *path, struct slot *slot)
{
    const struct operation *operation = &slot->operation;
    struct ring *ring = path->state;
    struct vbdfront_io *io = &ring->ios[slot->index];
    bool has_data = operation->nr_sectors > 0 &&
                    operation->kind != OPERATION_DISCARD;

    *io = (struct vbdfront_io){
        .op = front_op(operation->kind),
        .flags = operation->kind == OPERATION_FUA ? VBDFRONT_FUA : 0,
        .sector = operation->nr_sectors ? operation->sector : 0,
        .nr_sectors = operation->nr_sectors,
        .data = has_data ? slot->data : NULL,
        .done = on_done, .owner = slot };
    vbdfront_submit(ring->front, io);
}

static void ring_poll(struct path *path)
{
    struct ring *ring = path->state;
    const struct vbdfront_port *port = port_local_table(ring->domain->guest);

    if (path->fds[0].revents || path->fds[1].revents)
        port->wait(port->context, 0);
    vbdfront_poll(ring->front);
    if (vbdfront_state(ring->front) != VBDFRONT_CONNECTED)
        path_lost(path, vbdfront_reason(ring->front));
}

const struct path_kind path_ring = {
    .name = "ring", .open = ring_open, .close = ring_close,
    .alloc = ring_alloc, .submit = ring_submit, .poll = ring_poll,
};
