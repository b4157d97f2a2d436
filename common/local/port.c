/* SPDX-License-Identifier: MIT
 * Event-channel ports. Two ports are the two ends of a channel. An end whose
 * other end is vacant is what Xen calls unbound: the domain that the vacant
 * end is meant for may bind it, as often as it dies. */
#include "common/local/server.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/local/alloc.h"

struct channel {
    struct {
        int event_fd; /* what this end receives */
        uint32_t domid;
        struct port *port; /* NULL: vacant */
    } ends[2];
};

struct port {
    struct connection *owner;
    struct channel *channel;
    unsigned end;
};

static int find_free_number(const struct domain *domain)
{
    for (int number = 1; number < LOCAL_MAX_PORTS; number++)
        if (!domain->ports[number])
            return number;
    return -ENOSPC;
}

/* Puts a new port of the connection at a vacant end. */
static int occupy(struct connection *connection, struct channel *channel,
                  unsigned end, int fds[2])
{
    int number = find_free_number(connection->domain);
    struct port *port;

    if (number < 0)
        return number;
    port = alloc_new(sizeof *port);
    *port = (struct port){ connection, channel, end };
    connection->domain->ports[number] = port;
    channel->ends[end].port = port;
    fds[0] = channel->ends[end].event_fd;
    fds[1] = channel->ends[!end].event_fd;
    return number;
}

static void free_channel(struct channel *channel)
{
    for (unsigned end = 0; end < 2; end++)
        if (channel->ends[end].event_fd >= 0)
            close(channel->ends[end].event_fd);
    free(channel);
}

int port_alloc_unbound(struct connection *connection, uint32_t remote_domid,
                       int fds[2])
{
    struct channel *channel;
    int number = 0;

    if (remote_domid > LOCAL_LAST_DOMID)
        return -EINVAL;
    channel = alloc_new(sizeof *channel);
    channel->ends[0].domid = connection->domain->domid;
    channel->ends[1].domid = remote_domid;
    for (unsigned end = 0; end < 2; end++) {
        channel->ends[end].event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (channel->ends[end].event_fd < 0)
            number = -errno;
    }
    if (number == 0)
        number = occupy(connection, channel, 0, fds);
    if (number < 0)
        free_channel(channel);
    return number;
}

/* A fresh binding is pending, as on Xen, so that the binder looks at what it
 * missed. What was sent to the end while it was vacant, which Xen drops, only
 * makes the same event pending. */
static void make_pending(int event_fd)
{
    const uint64_t one = 1;

    if (write(event_fd, &one, sizeof one) < 0) { /* full: pending already */ }
}

int port_bind(struct connection *connection, uint32_t remote_domid,
              uint32_t remote_port, int fds[2])
{
    struct domain *remote = domain_find(connection->server, remote_domid);
    struct channel *channel;
    struct port *peer;
    unsigned end;
    int number;

    if (!remote)
        return -ESRCH;
    if (remote_port >= LOCAL_MAX_PORTS || !remote->ports[remote_port])
        return -EINVAL;
    peer = remote->ports[remote_port];
    channel = peer->channel;
    end = !peer->end;
    if (channel->ends[end].port ||
        channel->ends[end].domid != connection->domain->domid)
        return -EINVAL;
    number = occupy(connection, channel, end, fds);
    if (number > 0)
        make_pending(channel->ends[end].event_fd);
    return number;
}

int port_close(struct connection *connection, uint32_t number)
{
    struct channel *channel;
    struct port *port;

    if (number >= LOCAL_MAX_PORTS)
        return -EINVAL;
    port = connection->domain->ports[number];
    if (!port || port->owner != connection)
        return -EINVAL;
    channel = port->channel;
    channel->ends[port->end].port = NULL;
    if (!channel->ends[!port->end].port)
        free_channel(channel);
    connection->domain->ports[number] = NULL;
    free(port);
    return 0;
}

void port_close_all(struct connection *connection)
{
    for (uint32_t number = 1; number < LOCAL_MAX_PORTS; number++)
        port_close(connection, number);
}
