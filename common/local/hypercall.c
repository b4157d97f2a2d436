/* SPDX-License-Identifier: MIT
 * The hypervisor socket: who is connected, and what they ask. */
#include "config.h" /* for GNU extensions */

#include "common/local/server.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/host/packet.h"
#include "common/host/socket.h"
#include "common/local/alloc.h"
#include "common/local/store/store.h"

static bool is_guest_number(uint32_t domid)
{
    return domid > 0 && domid <= LOCAL_LAST_DOMID;
}

static int become_guest(struct connection *connection,
                        const struct local_request *request, int *fds)
{
    int error;

    if (connection->has_called)
        return -EBUSY;
    if (!is_guest_number(request->domid))
        return -EINVAL;
    if (request->value <= LOCAL_GRANT_FRAMES ||
        request->value > LOCAL_MAX_PAGES)
        return -EINVAL;
    error = domain_create(connection->server, request->domid, request->value,
                          &connection->domain);
    if (!error)
        fds[0] = connection->domain->memory_fd;
    return error;
}

/* Another domain's memory is for domain 0's eyes, as foreign mappings are. */
static int give_memory(struct connection *connection, uint32_t domid,
                       int *fds, struct local_reply *reply)
{
    struct domain *domain = domain_find(connection->server, domid);

    if (connection->domain->domid != 0)
        return -EPERM;
    if (!domain || domid == 0)
        return -ESRCH;
    fds[0] = domain->memory_fd;
    fds[1] = domain->pins_fd;
    reply->nr_pages = domain->nr_pages;
    return domain_join(domain, connection);
}

static enum local_domain_state get_state(const struct server *server,
                                         uint32_t domid)
{
    const struct domain *domain = domain_find(server, domid);

    return !domain ? LOCAL_DOMAIN_GONE
           : domain->is_suspended ? LOCAL_DOMAIN_SUSPENDED
                                  : LOCAL_DOMAIN_RUNNING;
}

static int set_suspended(struct connection *connection, uint32_t domid,
                         bool is_suspended)
{
    struct domain *domain = domain_find(connection->server, domid);

    if (connection->domain->domid != 0 && connection->domain != domain)
        return -EPERM;
    if (!domain || domid == 0)
        return -ESRCH;
    if (domain->is_suspended == is_suspended)
        return -EINVAL;
    domain->is_suspended = is_suspended;
    if (is_suspended)
        store_release(connection->server->store);
    return 0;
}

/* The new domain is there before the old one goes, as it is when a toolstack
 * moves a guest. */
static int restore(struct connection *connection, uint32_t domid, int *fds)
{
    struct domain *suspended = connection->domain, *restored;
    int error;

    if (!suspended->is_suspended || !is_guest_number(domid))
        return -EINVAL;
    error = domain_create(connection->server, domid, suspended->nr_pages,
                          &restored);
    if (error)
        return error;
    port_close_all(connection);
    domain_destroy(connection->server, suspended);
    connection->domain = restored;
    fds[0] = restored->memory_fd;
    return 0;
}

static unsigned call(struct connection *connection,
                     const struct local_request *request, int *fds,
                     struct local_reply *reply)
{
    unsigned nr_fds = 0;

    *reply = (struct local_reply){ .result = -ENOSYS };
    switch ((enum local_op)request->op) {
    case LOCAL_OP_CREATE:
        reply->result = become_guest(connection, request, fds);
        nr_fds = 1;
        break;
    case LOCAL_OP_MEMORY:
        reply->result = give_memory(connection, request->domid, fds, reply);
        nr_fds = 2;
        break;
    case LOCAL_OP_STATE:
        reply->result = (int)get_state(connection->server, request->domid);
        break;
    case LOCAL_OP_ALLOC:
        reply->result = port_alloc_unbound(connection, request->domid, fds);
        nr_fds = 2;
        break;
    case LOCAL_OP_BIND:
        reply->result = port_bind(connection, request->domid, request->value,
                                  fds);
        nr_fds = 2;
        break;
    case LOCAL_OP_CLOSE:
        reply->result = port_close(connection, request->value);
        break;
    case LOCAL_OP_SUSPEND:
    case LOCAL_OP_RESUME:
        reply->result = set_suspended(connection, request->domid,
                                      request->op == LOCAL_OP_SUSPEND);
        break;
    case LOCAL_OP_RESTORE:
        reply->result = restore(connection, request->domid, fds);
        nr_fds = 1;
        break;
    }
    connection->has_called |= request->op != LOCAL_OP_STATE;
    return reply->result < 0 ? 0 : nr_fds;
}

/* What it held goes back; a guest dies. */
static void close_connection(struct connection *connection)
{
    struct server *server = connection->server;
    struct connection **at = &server->connections;

    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    port_close_all(connection);
    for (struct domain *domain = server->domains; domain;
         domain = domain->next)
        domain_leave(domain, connection);
    if (connection->domain->domid != 0)
        domain_destroy(server, connection->domain);
    ev_io_stop(server->loop, &connection->io);
    close(connection->io.fd);
    free(connection);
}

static void readable(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct connection *connection = (struct connection *)io;
    struct local_request request;
    struct local_reply reply;
    int fds[2], error;
    unsigned nr_fds;

    (void)loop;
    (void)events;
    error = packet_receive(io->fd, &request, sizeof request, NULL, 0, NULL);
    if (error == -EAGAIN)
        return;
    if (!error) {
        nr_fds = call(connection, &request, fds, &reply);
        error = packet_send(io->fd, &reply, sizeof reply, fds, nr_fds);
    }
    if (error)
        close_connection(connection);
}

static void acceptable(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct server *server = io->data;
    struct connection *connection;
    int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    connection = alloc_new(sizeof *connection);
    connection->server = server;
    connection->domain = domain_find(server, 0);
    connection->next = server->connections;
    server->connections = connection;
    ev_io_init(&connection->io, readable, fd, EV_READ);
    ev_io_start(loop, &connection->io);
}

static void socket_path(const struct server *server, char *path, size_t bytes)
{
    snprintf(path, bytes, "%s/hypervisor", server->dir);
}

int hypercall_listen(struct server *server)
{
    char path[128];
    int fd;

    socket_path(server, path, sizeof path);
    fd = socket_listen(path, SOCK_SEQPACKET);
    if (fd < 0)
        return fd;
    ev_io_init(&server->listener, acceptable, fd, EV_READ);
    server->listener.data = server;
    ev_io_start(server->loop, &server->listener);
    return 0;
}

void hypercall_close(struct server *server)
{
    char path[128];

    while (server->connections)
        close_connection(server->connections);
    if (!ev_is_active(&server->listener))
        return;
    ev_io_stop(server->loop, &server->listener);
    close(server->listener.fd);
    socket_path(server, path, sizeof path);
    unlink(path);
}
