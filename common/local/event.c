/* SPDX-License-Identifier: MIT
 * Event channels: two eventfds for each pair of ports, both known to both
 * ends, so that a notification is one write(2). They are watched
 * edge-triggered, where each write is a new edge: nobody ever reads them, and
 * taking all that has fired is one epoll_wait(2). */
#include "common/local/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

int local_event_fd(struct local *local)
{
    return local->epoll;
}

static int open_port(struct local *local, enum local_op op, uint32_t domid,
                     uint32_t value)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };
    struct local_reply reply;
    int fds[2], port;

    port = local_call(local, op, domid, value, fds, 2, &reply);
    if (port == -EMFILE && reply.result > 0)
        local_call(local, LOCAL_OP_CLOSE, 0, (uint32_t)reply.result, NULL, 0,
                   &reply);
    if (port < 0)
        return port;
    event.data.u32 = (uint32_t)port;
    local->ports[port] = (struct local_port){ true, fds[0], fds[1] };
    local->held.ports++;
    local->held.system_calls++;
    if (epoll_ctl(local->epoll, EPOLL_CTL_ADD, fds[0], &event) < 0) {
        int error = -errno;

        local_event_close(local, (uint32_t)port);
        return error;
    }
    return port;
}

int local_event_alloc_unbound(struct local *local, uint32_t remote_domid)
{
    return open_port(local, LOCAL_OP_ALLOC, remote_domid, 0);
}

int local_event_bind(struct local *local, uint32_t remote_domid,
                     uint32_t remote_port)
{
    int error = local_take_fault(local, LOCAL_FAULT_BIND);

    if (error)
        return error;
    return open_port(local, LOCAL_OP_BIND, remote_domid, remote_port);
}

static struct local_port *find_port(struct local *local, uint32_t port)
{
    if (port >= LOCAL_MAX_PORTS || !local->ports[port].is_open)
        return NULL;
    return &local->ports[port];
}

static void forget_port(struct local *local, struct local_port *port)
{
    /* Closing is not enough: the peer has the same eventfd open, and epoll
     * would go on telling of it. */
    epoll_ctl(local->epoll, EPOLL_CTL_DEL, port->rx, NULL);
    close(port->rx);
    close(port->tx);
    port->is_open = false;
    local->held.ports--;
    local->held.system_calls += 3;
}

int local_event_close(struct local *local, uint32_t port)
{
    struct local_port *ours = find_port(local, port);
    struct local_reply reply;

    if (!ours)
        return -EINVAL;
    forget_port(local, ours);
    return local_call(local, LOCAL_OP_CLOSE, 0, port, NULL, 0, &reply);
}

int local_event_notify(struct local *local, uint32_t port)
{
    const struct local_port *ours = find_port(local, port);
    const uint64_t one = 1;

    if (!ours)
        return -EINVAL;
    local->held.system_calls++;
    /* A full counter has been pending for long already. */
    if (write(ours->tx, &one, sizeof one) < 0 && errno != EAGAIN)
        return -errno;
    return 0;
}

int local_event_take(struct local *local, uint32_t *ports, unsigned max)
{
    struct epoll_event events[64];
    const unsigned room = sizeof events / sizeof *events;
    int nr;

    if (max == 0)
        return 0;
    local->held.system_calls++;
    nr = epoll_wait(local->epoll, events, (int)(max < room ? max : room), 0);
    if (nr < 0)
        return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < nr; i++)
        ports[i] = events[i].data.u32;
    return nr;
}

void local_ports_forget(struct local *local)
{
    for (unsigned port = 0; port < LOCAL_MAX_PORTS; port++)
        if (local->ports[port].is_open)
            forget_port(local, &local->ports[port]);
}

void local_ports_free(struct local *local)
{
    if (!local->ports)
        return;
    local_ports_forget(local);
    free(local->ports);
}
