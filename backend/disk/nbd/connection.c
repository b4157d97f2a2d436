/* SPDX-License-Identifier: MIT
 * A connection's life: what it watches, its part of each round, and how it
 * ends. What runs at the disk when a client goes always runs to its end. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "backend/disk/nbd/private.h"

static void on_socket(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct nbd_connection *connection = watcher->data;

    (void)loop;
    connection->is_readable |= events & EV_READ;
    connection->is_writable |= events & EV_WRITE;
}

static struct nbd_connection *connection_new(struct nbd_server *server,
                                             int fd, int32_t pid)
{
    struct nbd_connection *connection = calloc(1, sizeof *connection);

    if (!connection)
        return NULL;
    connection->server = server;
    connection->fd = fd;
    connection->pid = pid;
    connection->is_writable = true;
    connection->answers_tail = &connection->answers;
    connection->writes_begun = connection->writes_ended = 1;
    ev_init(&connection->watcher, on_socket);
    connection->watcher.data = connection;
    connection->buffer = malloc(NBD_BUFFER_BYTES);
    if (connection->buffer && nbd_negotiation_open(connection) == 0)
        return connection;
    nbd_connection_free(connection);
    return NULL;
}

int nbd_connection_open(struct nbd_server *server, int fd, int32_t pid)
{
    struct nbd_connection *connection = connection_new(server, fd, pid);
    struct nbd_connection **tail = &server->connections;

    if (!connection) {
        close(fd);
        return -ENOMEM;
    }
    while (*tail)
        tail = &(*tail)->next;
    *tail = connection;
    connection->number = ++server->last_number;
    server->stats.nr_clients++;
    return 0;
}

void nbd_connection_free(struct nbd_connection *connection)
{
    assert(connection->nr_commands == 0 && connection->held_bytes == 0);
    free(connection->negotiation);
    free(connection->commands);
    free(connection->pieces);
    free(connection->buffer);
    free(connection);
}

/* --- the end -------------------------------------------------------------- */

void nbd_connection_end(struct nbd_connection *connection)
{
    struct nbd_command *current = connection->current;

    if (connection->state >= NBD_DRAINING)
        return;
    connection->state = NBD_DRAINING;
    if (connection->filling)
        nbd_piece_free(connection->filling);
    connection->filling = NULL;
    connection->current = NULL;
    if (current)
        nbd_command_abandon(current);
}

void nbd_connection_break(struct nbd_connection *connection, const char *how)
{
    log_limited(&connection->server->log, LOG_LEVEL_INFO,
                "NBD client %u (pid %d): %s; it is hung up on",
                connection->number, connection->pid, how);
    nbd_connection_end(connection);
}

/* C11: a FLUSH that covers every write, then DISC. */
static enum message_nbd_kind how_it_ended(const struct nbd_connection *c)
{
    if (!c->has_left)
        return MESSAGE_NBD_LOST;
    return c->durable_writes == c->writes_begun ? MESSAGE_NBD_HANDOVER
                                                : MESSAGE_NBD_LEFT;
}

static void gone(void *context)
{
    struct nbd_connection *connection = context;

    connection->is_gone = true;
    connection->server->worker->wants_more = true;
}

/* Nothing of it is at the disk, nor on its way to the client. */
static void close_connection(struct nbd_connection *connection)
{
    struct worker *worker = connection->server->worker;

    connection->state = NBD_CLOSING;
    if (connection->client)
        nbd_tell(connection, how_it_ended(connection));
    ev_io_stop(worker->loop, &connection->watcher);
    close(connection->fd);
    if (connection->client)
        coherency_client_close(connection->client, gone, connection);
    else
        gone(connection);
}

/* --- a part of the round -------------------------------------------------- */

/* Of the socket only what would let it go on. */
static int wanted_events(const struct nbd_connection *connection)
{
    bool is_talking = connection->answers ||
                      nbd_negotiation_is_talking(connection);
    int events = is_talking && !connection->is_writable ? EV_WRITE : 0;

    switch (connection->state) {
    case NBD_NEGOTIATING:
        return nbd_negotiation_is_talking(connection) ? events : EV_READ;
    case NBD_TRANSMISSION:
        return connection->need == NBD_NEEDS_BYTES ? events | EV_READ : events;
    case NBD_DRAINING:
    case NBD_CLOSING:
        return events;
    }
    return events;
}

static void watch(struct nbd_connection *connection)
{
    struct ev_loop *loop = connection->server->worker->loop;
    int events = wanted_events(connection);

    if (events == connection->watched_events)
        return;
    connection->watched_events = events;
    ev_io_stop(loop, &connection->watcher);
    if (!events)
        return;
    ev_io_set(&connection->watcher, connection->fd, events);
    ev_io_start(loop, &connection->watcher);
}

bool nbd_connection_serve(struct nbd_connection *connection)
{
    bool has_more = false;

    nbd_send(connection);
    if (connection->state == NBD_NEGOTIATING)
        has_more = nbd_negotiate(connection);
    else if (connection->state == NBD_TRANSMISSION)
        has_more = nbd_receive(connection);
    if (connection->state == NBD_DRAINING && connection->nr_commands == 0)
        close_connection(connection);
    if (connection->state == NBD_CLOSING)
        return false;
    watch(connection);
    return has_more || (connection->answers && connection->is_writable);
}
