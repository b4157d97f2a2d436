/* SPDX-License-Identifier: MIT
 * Event channels through libxenevtchn, a handle for each domain. */
#include "backend/platform/xen_event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include <xenevtchn.h>

#include "common/blkif/limits.h"

struct handle {
    LIST_ENTRY(handle) link;
    xenevtchn_handle *xen;
    uint32_t domid;
    unsigned nr_ports, room;
    uint32_t *ports; /* local ones */
};

struct xen_events {
    xentoollog_logger *logger;
    int epoll_fd; /* of all handles */
    LIST_HEAD(, handle) handles;
};

/* The library returns -1 and sets errno; at times it leaves it 0. */
static int last_error(void)
{
    return errno ? -errno : -EIO;
}

struct xen_events *xen_events_open(xentoollog_logger *logger)
{
    struct xen_events *events = calloc(1, sizeof *events);

    if (!events)
        return NULL;
    events->logger = logger;
    events->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (events->epoll_fd < 0) {
        free(events);
        return NULL;
    }
    return events;
}

static void handle_free(struct handle *handle)
{
    LIST_REMOVE(handle, link);
    xenevtchn_close(handle->xen);
    free(handle->ports);
    free(handle);
}

void xen_events_close(struct xen_events *events)
{
    if (!events)
        return;
    while (!LIST_EMPTY(&events->handles))
        handle_free(LIST_FIRST(&events->handles));
    close(events->epoll_fd);
    free(events);
}

int xen_events_fd(const struct xen_events *events)
{
    return events->epoll_fd;
}

/* --- one handle a domain -------------------------------------------------- */

static struct handle *handle_of_domain(struct xen_events *events,
                                       uint32_t domid)
{
    struct handle *handle;

    LIST_FOREACH(handle, &events->handles, link)
        if (handle->domid == domid)
            break;
    return handle;
}

/* fd is the handle's once there is one. */
static int handle_new(struct xen_events *events, uint32_t domid, int fd)
{
    struct handle *handle = calloc(1, sizeof *handle);
    struct epoll_event wanted = { .events = EPOLLIN, .data.ptr = handle };
    int error;

    if (!handle)
        return -ENOMEM;
    handle->domid = domid;
    errno = 0;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0 &&
        epoll_ctl(events->epoll_fd, EPOLL_CTL_ADD, fd, &wanted) == 0)
        handle->xen = xenevtchn_fdopen(events->logger, fd, 0);
    if (!handle->xen) {
        error = last_error();
        free(handle);
        return error;
    }
    LIST_INSERT_HEAD(&events->handles, handle, link);
    return 0;
}

int xen_events_join(struct xen_events *events, uint32_t domid, int fd)
{
    bool is_joined = handle_of_domain(events, domid);
    int error = is_joined ? 0 : handle_new(events, domid, fd);

    if (is_joined || error)
        close(fd);
    return error;
}

void xen_events_leave(struct xen_events *events, uint32_t domid)
{
    struct handle *handle = handle_of_domain(events, domid);

    if (handle)
        handle_free(handle);
}

/* --- ports ---------------------------------------------------------------- */

static int remember_port(struct handle *handle, uint32_t port)
{
    if (handle->nr_ports == handle->room) {
        unsigned room = handle->room + BLKIF_MAX_QUEUES;
        uint32_t *ports = realloc(handle->ports, room * sizeof *ports);

        if (!ports)
            return -ENOMEM;
        handle->ports = ports;
        handle->room = room;
    }
    handle->ports[handle->nr_ports++] = port;
    return 0;
}

/* The handle that has a port bound, and which of its ports that is. */
static struct handle *handle_of_port(struct xen_events *events, uint32_t port,
                                     unsigned *at)
{
    struct handle *handle;

    LIST_FOREACH(handle, &events->handles, link)
        for (*at = 0; *at < handle->nr_ports; ++*at)
            if (handle->ports[*at] == port)
                return handle;
    return NULL;
}

int xen_events_bind(struct xen_events *events, uint32_t domid,
                    uint32_t remote_port)
{
    struct handle *handle = handle_of_domain(events, domid);
    int port, error;

    if (!handle)
        return -EPERM;
    errno = 0;
    port = xenevtchn_bind_interdomain(handle->xen, domid, remote_port);
    if (port < 0)
        return last_error();
    error = remember_port(handle, (uint32_t)port);
    if (error)
        xenevtchn_unbind(handle->xen, (evtchn_port_t)port);
    return error ? error : port;
}

int xen_events_unbind(struct xen_events *events, uint32_t port)
{
    unsigned at;
    struct handle *handle = handle_of_port(events, port, &at);

    errno = 0;
    if (!handle)
        return -EINVAL;
    if (xenevtchn_unbind(handle->xen, port) < 0)
        return last_error();
    handle->ports[at] = handle->ports[--handle->nr_ports];
    return 0;
}

int xen_events_notify(struct xen_events *events, uint32_t port)
{
    unsigned at;
    struct handle *handle = handle_of_port(events, port, &at);

    errno = 0;
    if (!handle)
        return -EINVAL;
    return xenevtchn_notify(handle->xen, port) == 0 ? 0 : last_error();
}

/* --- what has fired ------------------------------------------------------- */

/* One port a wake-up is the rule (one vbd); the descriptor stays readable when
 * there are more, so it is not read until it would block. */
static int take_of(struct handle *handle, uint32_t *ports, unsigned max,
                   uint64_t *system_calls)
{
    unsigned taken = 0;

    while (taken < max && (taken == 0 || handle->nr_ports > 1)) {
        int port = xenevtchn_pending(handle->xen);

        ++*system_calls;
        if (port >= 0)
            ports[taken++] = (uint32_t)port;
        else if (taken || errno == EAGAIN || errno == EINTR)
            break;
        else
            return last_error();
    }
    /* Only now: one that is unmasked while the others are read can fire again,
     * and would come up as often as there is room (XSA-332). */
    for (unsigned i = 0; i < taken; i++) {
        ++*system_calls;
        if (xenevtchn_unmask(handle->xen, (evtchn_port_t)ports[i]) < 0)
            return last_error();
    }
    return (int)taken;
}

int xen_events_take(struct xen_events *events, uint32_t *ports, unsigned max,
                    uint64_t *system_calls)
{
    enum { BATCH = 16 };
    struct handle *first = LIST_FIRST(&events->handles);
    struct epoll_event ready[BATCH];
    unsigned taken = 0;
    int nr = 1;

    ready[0].data.ptr = first;
    if (!first)
        return 0;
    if (LIST_NEXT(first, link)) {
        nr = epoll_wait(events->epoll_fd, ready, BATCH, 0);
        ++*system_calls;
    }
    for (int i = 0; i < nr && taken < max; i++) {
        int got = take_of(ready[i].data.ptr, ports + taken, max - taken,
                          system_calls);

        if (got < 0)
            return got;
        taken += (unsigned)got;
    }
    return (int)taken;
}

/* --- in the supervisor ---------------------------------------------------- */

int xen_event_fd_open(uint32_t domid, bool *is_restricted)
{
    xenevtchn_handle *xen;
    int fd;

    errno = 0;
    xen = xenevtchn_open(NULL, 0);
    if (!xen)
        return last_error();
    *is_restricted = xenevtchn_restrict(xen, (domid_t)domid) == 0;
    errno = 0;
    fd = fcntl(xenevtchn_fd(xen), F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        fd = last_error();
    xenevtchn_close(xen);
    return fd;
}
