/* SPDX-License-Identifier: MIT
 * From the socket: requests, many with one system call, and their payload.
 * Small payloads come along with the requests and are copied to their pieces;
 * of large ones the kernel puts what it can straight into its piece. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "backend/disk/nbd/private.h"

enum {
    /* What the kernel should put where it belongs. */
    LARGE_PAYLOAD_BYTES = 16 << 10,
    /* System calls of one connection before the others have their turn. */
    READS_A_ROUND = 4,
};

/* --- bytes ---------------------------------------------------------------- */

static char *filling_at(const struct nbd_connection *connection)
{
    return (char *)connection->filling->io.data + connection->filling_bytes;
}

static uint32_t filling_left_bytes(const struct nbd_connection *connection)
{
    return connection->filling ? (uint32_t)connection->filling->io.length_bytes -
                                     connection->filling_bytes
                               : 0;
}

static void filled(struct nbd_connection *connection, uint32_t bytes)
{
    connection->filling_bytes += bytes;
    connection->payload_left_bytes -= bytes;
}

/* What is in the buffer is never more than a part of a header when more is
 * read. */
static void make_space(struct nbd_connection *connection)
{
    uint32_t bytes = nbd_buffered_bytes(connection);

    memmove(connection->buffer, connection->buffer + connection->taken_bytes,
            bytes);
    connection->taken_bytes = 0;
    connection->filled_bytes = bytes;
}

/* Behind a large payload comes the next header, then perhaps another one. */
static uint32_t space_bytes(const struct nbd_connection *connection)
{
    bool is_skipping = connection->current && connection->current->error;
    uint32_t most = connection->reads_little && !is_skipping
                        ? sizeof(struct nbd_wire_request)
                        : NBD_BUFFER_BYTES;

    return most - connection->filled_bytes;
}

static bool read_failed(struct nbd_connection *connection, ssize_t got)
{
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        connection->is_readable = errno == EINTR;
    else
        nbd_connection_end(connection);
    return false;
}

bool nbd_read(struct nbd_connection *connection)
{
    uint32_t direct_bytes = filling_left_bytes(connection);
    struct iovec vectors[2];
    uint32_t wanted_bytes;
    ssize_t got;

    make_space(connection);
    if (direct_bytes > 0)
        vectors[0].iov_base = filling_at(connection);
    vectors[0].iov_len = direct_bytes;
    vectors[1].iov_base = connection->buffer + connection->filled_bytes;
    vectors[1].iov_len = space_bytes(connection);
    wanted_bytes = direct_bytes + (uint32_t)vectors[1].iov_len;
    connection->server->worker->stats.system_calls++;
    got = direct_bytes > 0 ? readv(connection->fd, vectors, 2)
                           : read(connection->fd, vectors[1].iov_base,
                                  vectors[1].iov_len);
    if (got <= 0)
        return read_failed(connection, got);
    connection->is_readable = (uint32_t)got == wanted_bytes;
    if (direct_bytes > (uint32_t)got)
        direct_bytes = (uint32_t)got;
    filled(connection, direct_bytes);
    connection->filled_bytes += (uint32_t)got - direct_bytes;
    return true;
}

/* --- payload -------------------------------------------------------------- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Of a WRITE that has failed, or was refused. */
static enum nbd_need skip_payload(struct nbd_connection *connection)
{
    uint32_t bytes = least(nbd_buffered_bytes(connection),
                           connection->payload_left_bytes);

    if (connection->filling)
        nbd_piece_free(connection->filling);
    connection->filling = NULL;
    connection->taken_bytes += bytes;
    connection->payload_left_bytes -= bytes;
    return connection->payload_left_bytes > 0 ? NBD_NEEDS_BYTES
                                              : NBD_NEEDS_NOTHING;
}

static void fill(struct nbd_connection *connection)
{
    uint32_t bytes = least(nbd_buffered_bytes(connection),
                           filling_left_bytes(connection));

    memcpy(filling_at(connection), connection->buffer + connection->taken_bytes,
           bytes);
    connection->taken_bytes += bytes;
    filled(connection, bytes);
}

/* One piece of it goes to the disk, or something is missing. */
static enum nbd_need take_payload(struct nbd_connection *connection)
{
    struct nbd_command *command = connection->current;
    struct nbd_piece *piece;
    int error = 0;

    if (!connection->filling && !command->error) {
        connection->filling_bytes = 0;
        error = nbd_piece_take(command, 0, &connection->filling);
    }
    if (error == -EAGAIN)
        return NBD_NEEDS_ROOM;
    if (error)
        nbd_command_fail(command, error, 0);
    if (command->error)
        return skip_payload(connection);
    fill(connection);
    if (filling_left_bytes(connection) > 0)
        return NBD_NEEDS_BYTES;
    piece = connection->filling;
    connection->filling = NULL;
    nbd_piece_submit(piece);
    return NBD_NEEDS_NOTHING;
}

static void end_payload(struct nbd_connection *connection)
{
    struct nbd_command *command = connection->current;

    connection->current = NULL;
    command->is_issued = true;
    nbd_command_settle(command);
}

/* --- requests ------------------------------------------------------------- */

static enum nbd_need begin_command(struct nbd_connection *connection)
{
    struct nbd_wire_request wire;

    if (nbd_buffered_bytes(connection) < sizeof wire)
        return NBD_NEEDS_BYTES;
    if (!connection->free_commands)
        return NBD_NEEDS_ROOM;
    memcpy(&wire, connection->buffer + connection->taken_bytes, sizeof wire);
    connection->taken_bytes += (uint32_t)sizeof wire;
    nbd_command_begin(connection, &wire);
    connection->reads_little =
        connection->payload_left_bytes >= LARGE_PAYLOAD_BYTES;
    return NBD_NEEDS_NOTHING;
}

static enum nbd_need take_one(struct nbd_connection *connection)
{
    struct nbd_command *command = connection->current;

    if (!command)
        return begin_command(connection);
    if (command->request.payload_bytes == 0)
        return nbd_command_issue(command);
    if (connection->payload_left_bytes > 0 || connection->filling)
        return take_payload(connection);
    end_payload(connection);
    return NBD_NEEDS_NOTHING;
}

bool nbd_receive(struct nbd_connection *connection)
{
    connection->has_asked = false;
    for (unsigned i = 0; i < READS_A_ROUND; i++) {
        do
            connection->need = take_one(connection);
        while (connection->state == NBD_TRANSMISSION &&
               connection->need == NBD_NEEDS_NOTHING);
        if (connection->need == NBD_NEEDS_TURN)
            return true;
        if (connection->state != NBD_TRANSMISSION ||
            connection->need == NBD_NEEDS_ROOM || !connection->is_readable ||
            !nbd_read(connection))
            return false;
    }
    return true;
}
