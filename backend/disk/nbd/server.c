/* SPDX-License-Identifier: MIT
 * The NBD server: who may come in, and the end of all of them. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/disk/nbd/private.h"

_Static_assert((int)NBD_MAX_CONNECTIONS <= (int)MESSAGE_NBD_CLIENTS,
               "each client has its figures");

/* --- who comes in --------------------------------------------------------- */

static int32_t peer_pid(int fd)
{
    struct ucred peer = { 0 };
    socklen_t size = sizeof peer;

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return peer.pid;
}

static void welcome(struct nbd_server *server, int fd)
{
    int32_t pid = peer_pid(fd);

    if (server->stats.nr_clients == NBD_MAX_CONNECTIONS) {
        log_limited(&server->log, LOG_LEVEL_WARNING,
                    "an NBD client (pid %d) was hung up on: there are %d "
                    "already", pid, NBD_MAX_CONNECTIONS);
        close(fd);
    } else if (nbd_connection_open(server, fd, pid)) {
        log_limited(&server->log, LOG_LEVEL_WARNING,
                    "an NBD client (pid %d) was hung up on: there is no "
                    "memory for it", pid);
    } else {
        server->stats.accepted++;
    }
}

/* Without descriptors there is nothing to accept, and no end of events. */
static void pause_listening(struct nbd_server *server, int error)
{
    log_limited(&server->log, LOG_LEVEL_WARNING,
                "NBD clients have to wait: %s", strerror(error));
    ev_io_stop(server->worker->loop, &server->listener);
    ev_timer_set(&server->again, 1., 0.);
    ev_timer_start(server->worker->loop, &server->again);
}

static void on_again(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct nbd_server *server = watcher->data;

    (void)events;
    ev_io_start(loop, &server->listener);
}

static void on_client(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct nbd_server *server = watcher->data;
    int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)loop;
    (void)events;
    server->worker->stats.system_calls++;
    if (fd >= 0)
        welcome(server, fd);
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        pause_listening(server, errno);
}

/* --- life ----------------------------------------------------------------- */

/* A sixteenth of the rings' budget. */
static void share_out(struct nbd_server *server)
{
    uint64_t bytes = server->worker->options->budget_bytes / 16;
    uint32_t most = 4 * NBD_MAX_PIECE_BYTES;

    if (bytes < NBD_MIN_ALLOWANCE_BYTES)
        bytes = NBD_MIN_ALLOWANCE_BYTES;
    server->allowance_bytes =
        (uint32_t)(bytes < UINT32_MAX / 2 ? bytes : UINT32_MAX / 2);
    server->piece_bytes =
        (server->allowance_bytes < most ? server->allowance_bytes : most) / 4;
    server->piece_bytes -= server->piece_bytes % POOL_PAGE_BYTES;
}

int nbd_server_open(struct worker *worker, int socket_fd,
                    struct nbd_server **server)
{
    struct nbd_server *opened;

    if (fcntl(socket_fd, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    opened = calloc(1, sizeof *opened);
    if (!opened)
        return -ENOMEM;
    opened->worker = worker;
    opened->fd = socket_fd;
    share_out(opened);
    ev_io_init(&opened->listener, on_client, socket_fd, EV_READ);
    opened->listener.data = opened;
    ev_init(&opened->again, on_again);
    opened->again.data = opened;
    *server = opened;
    return 0;
}

void nbd_server_begin(struct nbd_server *server)
{
    if (server)
        ev_io_start(server->worker->loop, &server->listener);
}

static void tell_idle(struct nbd_server *server)
{
    void (*idle)(void *context) = server->idle;

    server->idle = NULL;
    idle(server->idle_context);
}

void nbd_server_shut_down(struct nbd_server *server,
                          void (*idle)(void *context), void *context)
{
    if (!server) {
        idle(context);
        return;
    }
    ev_io_stop(server->worker->loop, &server->listener);
    ev_timer_stop(server->worker->loop, &server->again);
    server->is_shutting_down = true;
    server->idle = idle;
    server->idle_context = context;
    server->worker->wants_more = true;
    for (struct nbd_connection *c = server->connections; c; c = c->next)
        nbd_connection_end(c);
    if (!server->connections)
        tell_idle(server);
}

void nbd_server_close(struct nbd_server *server)
{
    if (!server)
        return;
    assert(!server->connections && server->outstanding == 0);
    ev_io_stop(server->worker->loop, &server->listener);
    ev_timer_stop(server->worker->loop, &server->again);
    log_limit_end(&server->log, "NBD clients");
    free(server);
}

/* --- each round ----------------------------------------------------------- */

bool nbd_server_serve(struct nbd_server *server)
{
    struct nbd_connection **link;
    bool has_more = false;

    if (!server)
        return false;
    link = &server->connections;
    while (*link) {
        struct nbd_connection *connection = *link;

        has_more |= nbd_connection_serve(connection);
        if (connection->is_gone) {
            *link = connection->next;
            nbd_connection_free(connection);
            server->stats.nr_clients--;
        } else {
            link = &connection->next;
        }
    }
    if (server->idle && !server->connections)
        tell_idle(server);
    return has_more;
}

void nbd_server_look_again(struct nbd_server *server)
{
    for (struct nbd_connection *c = server ? server->connections : NULL; c;
         c = c->next)
        if (c->nr_commands > 0)
            c->is_readable = c->is_writable = true;
}

unsigned nbd_server_outstanding(const struct nbd_server *server)
{
    return server ? server->outstanding : 0;
}

void nbd_server_front_closed(struct nbd_server *server)
{
    if (server)
        server->stats.was_handed_over = false;
}

void nbd_server_hand_over(struct nbd_server *server)
{
    if (server)
        server->stats.was_handed_over = true;
}

bool nbd_server_was_handed_over(const struct nbd_server *server)
{
    return server && server->stats.was_handed_over;
}

/* --- figures -------------------------------------------------------------- */

void nbd_server_fill_stats(const struct nbd_server *server,
                           struct message_nbd_stats *stats)
{
    struct message_nbd_client *client = stats->clients;

    *stats = server ? server->stats : (struct message_nbd_stats){ 0 };
    if (!server)
        return;
    for (const struct nbd_connection *c = server->connections; c;
         c = c->next, client++)
        *client = (struct message_nbd_client){
            .number = c->number,
            .pid = c->pid,
            .is_negotiating = c->state == NBD_NEGOTIATING,
            .is_read_only = c->limits.is_read_only,
            .in_flight = c->nr_commands,
            .requests = c->requests,
            .bytes_read = c->bytes_read,
            .bytes_written = c->bytes_written,
        };
}
