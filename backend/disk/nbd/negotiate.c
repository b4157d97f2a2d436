/* SPDX-License-Identifier: MIT
 * A connection until GO: feeds the handshake's machine and sends what it says,
 * one answer before the next question is looked at. With GO the connection
 * becomes a client of the disk. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/disk/nbd/private.h"

enum { READS_A_ROUND = 4, PREFERRED_BYTES = 4096 };

int nbd_negotiation_open(struct nbd_connection *connection)
{
    struct nbd_negotiation *negotiation = malloc(sizeof *negotiation);

    if (!negotiation)
        return -ENOMEM;
    negotiation->was_refused = false;
    negotiation->sent_bytes = 0;
    negotiation->answer_bytes =
        nbd_handshake_begin(&negotiation->machine, negotiation->answer);
    connection->negotiation = negotiation;
    return 0;
}

bool nbd_negotiation_is_talking(const struct nbd_connection *connection)
{
    const struct nbd_negotiation *negotiation = connection->negotiation;

    return negotiation && negotiation->sent_bytes < negotiation->answer_bytes;
}

/* --- the export ----------------------------------------------------------- */

static bool is_read_only(const struct worker *worker)
{
    return worker->options->read_only ||
           coherency_info(worker->disk)->read_only;
}

/* What can be done to the disk. Several connections are one client as far as a
 * FLUSH is concerned (C5). */
static uint16_t export_flags(const struct worker *worker)
{
    const struct engine_info *info = coherency_info(worker->disk);
    uint16_t flags = NBD_WIRE_HAS_FLAGS | NBD_WIRE_SEND_FLUSH |
                     NBD_WIRE_SEND_FUA | NBD_WIRE_SEND_CACHE |
                     NBD_WIRE_CAN_MULTI_CONN;

    if (is_read_only(worker))
        return flags | NBD_WIRE_READ_ONLY;
    flags |= NBD_WIRE_SEND_WRITE_ZEROES;
    if (info->can_discard)
        flags |= NBD_WIRE_SEND_TRIM;
    if (info->can_zero_fast)
        flags |= NBD_WIRE_SEND_FAST_ZERO;
    return flags;
}

/* C11, where the emulated path is not wanted any more. */
static const char *refusal(const struct nbd_server *server)
{
    if (!server->worker->options->refuses_after_handover ||
        !server->stats.was_handed_over || !server->worker->vbds)
        return NULL;
    return "the disk has been handed over to its paravirtual front end, and "
           "emulated-after-handover is refuse";
}

static struct nbd_export export_of(const struct nbd_server *server)
{
    const struct engine_info *info = coherency_info(server->worker->disk);

    return (struct nbd_export){
        .size_bytes = info->size_bytes,
        .preferred_bytes = info->physical_bytes > PREFERRED_BYTES
                               ? info->physical_bytes : PREFERRED_BYTES,
        .max_bytes = NBD_MAX_REQUEST_BYTES,
        .flags = export_flags(server->worker),
        .refusal = refusal(server),
    };
}

/* --- the machine ---------------------------------------------------------- */

/* False when the client takes no more now. */
static bool send_answer(struct nbd_connection *connection)
{
    struct nbd_negotiation *negotiation = connection->negotiation;
    ssize_t sent;

    if (!nbd_negotiation_is_talking(connection))
        return true;
    if (!connection->is_writable)
        return false;
    connection->server->worker->stats.system_calls++;
    sent = send(connection->fd, negotiation->answer + negotiation->sent_bytes,
                negotiation->answer_bytes - negotiation->sent_bytes,
                MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        connection->is_dead = true;
        nbd_connection_end(connection);
    }
    if (sent > 0)
        negotiation->sent_bytes += (size_t)sent;
    connection->is_writable = !nbd_negotiation_is_talking(connection);
    return connection->is_writable;
}

/* GO is answered with this error for one reason only, EXPORT_NAME by hanging
 * up. */
static bool is_refused(const struct nbd_negotiation *negotiation,
                       const struct nbd_export *export)
{
    struct nbd_wire_option_reply reply;

    if (!export->refusal)
        return false;
    if (negotiation->machine.state == NBD_HANDSHAKE_CLOSED)
        return negotiation->machine.why == export->refusal;
    if (negotiation->answer_bytes < sizeof reply)
        return false;
    memcpy(&reply, negotiation->answer, sizeof reply);
    return be32toh(reply.type) == NBD_WIRE_REP_ERR_POLICY;
}

static void feed(struct nbd_connection *connection)
{
    struct nbd_negotiation *negotiation = connection->negotiation;
    struct nbd_export export = export_of(connection->server);

    negotiation->sent_bytes = 0;
    connection->taken_bytes += (uint32_t)nbd_handshake_feed(
        &negotiation->machine, &export,
        connection->buffer + connection->taken_bytes,
        nbd_buffered_bytes(connection), negotiation->answer,
        &negotiation->answer_bytes);
    connection->limits.size_bytes = export.size_bytes;
    connection->has_trim = export.flags & NBD_WIRE_SEND_TRIM;
    if (!negotiation->was_refused && is_refused(negotiation, &export)) {
        negotiation->was_refused = true;
        nbd_tell(connection, MESSAGE_NBD_REFUSED);
    }
}

static int begin_transmission(struct nbd_connection *connection)
{
    struct nbd_server *server = connection->server;
    const struct nbd_handshake *machine = &connection->negotiation->machine;
    int error;

    connection->limits.is_read_only = is_read_only(server->worker);
    connection->limits.has_structured = machine->has_structured;
    connection->limits.has_allocation_context =
        machine->has_allocation_context;
    connection->limits.df_bytes = server->piece_bytes;
    error = nbd_commands_open(connection);
    if (!error)
        error = coherency_client_open(server->worker->disk,
                                      COHERENCY_CLIENT_HONEST,
                                      connection->limits.is_read_only,
                                      &connection->client);
    if (error)
        return error;
    free(connection->negotiation);
    connection->negotiation = NULL;
    connection->state = NBD_TRANSMISSION;
    connection->need = NBD_NEEDS_BYTES;
    nbd_tell(connection, MESSAGE_NBD_CONNECTED);
    return 0;
}

static void end_negotiation(struct nbd_connection *connection)
{
    const char *why = connection->negotiation->machine.why;

    switch (connection->negotiation->machine.state) {
    case NBD_HANDSHAKE_FLAGS:
    case NBD_HANDSHAKE_OPTION:
        return;
    case NBD_HANDSHAKE_TRANSMISSION:
        if (begin_transmission(connection))
            nbd_connection_break(connection, "there is no memory for it");
        return;
    case NBD_HANDSHAKE_CLOSED:
        if (why)
            nbd_connection_break(connection, why);
        else
            nbd_connection_end(connection);
        return;
    }
}

bool nbd_negotiate(struct nbd_connection *connection)
{
    for (unsigned i = 0; i < READS_A_ROUND; i++) {
        if (!send_answer(connection))
            return false;
        end_negotiation(connection);
        if (connection->state != NBD_NEGOTIATING)
            return connection->state == NBD_TRANSMISSION;
        if (nbd_buffered_bytes(connection) == 0 &&
            (!connection->is_readable || !nbd_read(connection)))
            return false;
        feed(connection);
    }
    return true;
}
