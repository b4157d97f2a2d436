/* SPDX-License-Identifier: MIT
 * What a command does: it takes pieces as the allowance goes, and each of them
 * is a request of the coherency layer. A long READ or WRITE is many pieces,
 * whose edges lie between pages of the disk; everything else is one.
 *
 * Nothing may stand between the data of a simple reply, and it comes in order:
 * a READ that needs several pieces for one has the connection for itself, and
 * one piece at the disk at a time. (With structured replies, which every
 * client of today has, pieces run and are answered as they come.) */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "backend/disk/nbd/private.h"

/* --- commands ------------------------------------------------------------- */

int nbd_commands_open(struct nbd_connection *connection)
{
    connection->commands = calloc(NBD_MAX_IN_FLIGHT,
                                  sizeof *connection->commands);
    connection->pieces = calloc(NBD_MAX_IN_FLIGHT,
                                sizeof *connection->pieces);
    if (!connection->commands || !connection->pieces)
        return -ENOMEM;
    for (unsigned i = 0; i < NBD_MAX_IN_FLIGHT; i++) {
        connection->commands[i].next = connection->free_commands;
        connection->free_commands = &connection->commands[i];
        connection->pieces[i].next = connection->free_pieces;
        connection->free_pieces = &connection->pieces[i];
    }
    return 0;
}

static bool is_write(const struct nbd_request *request)
{
    return request->type == NBD_WIRE_CMD_WRITE ||
           request->type == NBD_WIRE_CMD_TRIM ||
           request->type == NBD_WIRE_CMD_WRITE_ZEROES;
}

static bool has_data(const struct nbd_request *request)
{
    return request->type == NBD_WIRE_CMD_READ ||
           request->type == NBD_WIRE_CMD_WRITE;
}

/* The bytes of the disk that come next; with the part of a page before them
 * they are no longer than a piece. What may not be cut is no longer either. */
static uint32_t next_bytes(const struct nbd_command *command)
{
    const struct nbd_request *request = &command->request;
    uint32_t left = request->length_bytes - command->issued_bytes;
    uint64_t offset = request->offset_bytes + command->issued_bytes;
    uint32_t most = command->connection->server->piece_bytes -
                    (uint32_t)(offset % POOL_PAGE_BYTES);

    return left <= most || request->flags & NBD_WIRE_FLAG_DF ||
                   !has_data(request) ? left : most;
}

static struct nbd_command *command_open(struct nbd_connection *connection,
                                        const struct nbd_request *request,
                                        uint32_t error)
{
    struct nbd_command *command = connection->free_commands;

    connection->free_commands = command->next;
    connection->nr_commands++;
    *command = (struct nbd_command){
        .connection = connection, .request = *request, .error = error,
        .is_write = !error && is_write(request),
        .covers = connection->writes_begun == connection->writes_ended
                      ? connection->writes_begun : 0,
    };
    command->is_alone = request->type == NBD_WIRE_CMD_READ &&
                        !connection->limits.has_structured &&
                        next_bytes(command) < request->length_bytes;
    connection->writes_begun += command->is_write;
    return command;
}

static void command_close(struct nbd_command *command)
{
    struct nbd_connection *connection = command->connection;

    if (connection->current == command)
        connection->current = NULL;
    command->next = connection->free_commands;
    connection->free_commands = command;
    connection->nr_commands--;
}

void nbd_command_settle(struct nbd_command *command)
{
    if (!command->is_issued || command->at_disk > 0)
        return;
    if (!command->is_answered)
        nbd_answer_end(command);
    else if (command->unsent == 0)
        command_close(command);
}

void nbd_command_fail(struct nbd_command *command, int error,
                      uint64_t offset_bytes)
{
    if (command->error)
        return;
    command->error = nbd_error_of(error);
    command->error_offset_bytes = offset_bytes;
}

void nbd_command_abandon(struct nbd_command *command)
{
    nbd_command_fail(command, -ESHUTDOWN, command->request.offset_bytes);
    command->is_issued = true;
    command->is_answered = true;
    nbd_command_settle(command);
}

/* --- pieces --------------------------------------------------------------- */

static int take_memory(struct nbd_piece *piece, uint32_t bytes)
{
    struct nbd_connection *connection = piece->command->connection;
    uint32_t skew = (uint32_t)(piece->io.offset_bytes % POOL_PAGE_BYTES);

    bytes = (bytes + skew + POOL_PAGE_BYTES - 1) & -(uint32_t)POOL_PAGE_BYTES;
    if (connection->held_bytes + bytes > connection->server->allowance_bytes)
        return -EAGAIN;
    piece->memory = worker_take_pages(connection->server->worker, bytes);
    if (!piece->memory)
        return -ENOMEM;
    piece->memory_bytes = bytes;
    piece->io.data = (char *)piece->memory + skew;
    connection->held_bytes += bytes;
    return 0;
}

int nbd_piece_take(struct nbd_command *command, uint32_t memory_bytes,
                   struct nbd_piece **taken)
{
    struct nbd_connection *connection = command->connection;
    struct nbd_piece *piece = connection->free_pieces;
    int error = 0;

    if (!piece)
        return -EAGAIN;
    piece->command = command;
    piece->memory = NULL;
    piece->memory_bytes = 0;
    piece->io = (struct coherency_request){
        .offset_bytes = command->request.offset_bytes + command->issued_bytes,
        .length_bytes = next_bytes(command),
    };
    if (has_data(&command->request))
        memory_bytes = (uint32_t)piece->io.length_bytes;
    if (memory_bytes > 0)
        error = take_memory(piece, memory_bytes);
    if (error)
        return error;
    connection->free_pieces = piece->next;
    *taken = piece;
    return 0;
}

void nbd_piece_free(struct nbd_piece *piece)
{
    struct nbd_connection *connection = piece->command->connection;

    pool_free(&connection->server->worker->pool, piece->memory,
              piece->memory_bytes);
    connection->held_bytes -= piece->memory_bytes;
    piece->next = connection->free_pieces;
    connection->free_pieces = piece;
}

/* --- at the disk ---------------------------------------------------------- */

static enum coherency_op op_of(uint16_t type)
{
    switch (type) {
    case NBD_WIRE_CMD_READ:
        return COHERENCY_READ;
    case NBD_WIRE_CMD_WRITE:
        return COHERENCY_WRITE;
    case NBD_WIRE_CMD_TRIM:
        return COHERENCY_DISCARD;
    case NBD_WIRE_CMD_WRITE_ZEROES:
        return COHERENCY_ZERO;
    default:
        assert(type == NBD_WIRE_CMD_FLUSH);
        return COHERENCY_FLUSH;
    }
}

static unsigned flags_of(const struct nbd_request *request)
{
    unsigned flags = 0;

    if (request->flags & NBD_WIRE_FLAG_FUA && is_write(request))
        flags |= COHERENCY_FUA;
    if (request->flags & NBD_WIRE_FLAG_NO_HOLE)
        flags |= COHERENCY_NO_HOLE;
    if (request->flags & NBD_WIRE_FLAG_FAST_ZERO)
        flags |= COHERENCY_FAST;
    return flags;
}

/* A TRIM is advice, and was advertised (C14). */
static bool is_unheeded_advice(const struct nbd_command *command, int error)
{
    return error == -EOPNOTSUPP &&
           command->request.type == NBD_WIRE_CMD_TRIM &&
           command->connection->has_trim;
}

static void piece_done(struct coherency_request *io, int error)
{
    struct nbd_piece *piece = io->owner;
    struct nbd_command *command = piece->command;

    command->at_disk--;
    command->connection->server->outstanding--;
    if (error && !is_unheeded_advice(command, error))
        nbd_command_fail(command, error, io->offset_bytes);
    if (command->request.type == NBD_WIRE_CMD_READ && !command->error)
        nbd_answer_data(piece);
    else
        nbd_piece_free(piece);
    nbd_command_settle(command);
}

/* The last one makes the command issued before it can be done, so that it can
 * end the answer. */
void nbd_piece_submit(struct nbd_piece *piece)
{
    struct nbd_command *command = piece->command;
    struct nbd_connection *connection = command->connection;

    piece->io.op = op_of(command->request.type);
    piece->io.flags = flags_of(&command->request);
    piece->io.done = piece_done;
    piece->io.owner = piece;
    command->issued_bytes += (uint32_t)piece->io.length_bytes;
    command->is_issued =
        command->issued_bytes == command->request.length_bytes;
    command->at_disk++;
    connection->server->outstanding++;
    coherency_submit(connection->client, &piece->io);
}

/* --- from command to pieces ----------------------------------------------- */

/* Whether one that has the connection for itself has to wait for others, or
 * for its own last piece. */
static bool must_wait(const struct nbd_command *command)
{
    return command->is_alone &&
           (command->connection->nr_commands > 1 || command->at_disk > 0);
}

static enum nbd_need issue_pieces(struct nbd_command *command)
{
    struct nbd_piece *piece;
    int error = 0;

    while (!command->is_issued && !command->error && !error) {
        if (must_wait(command))
            return NBD_NEEDS_ROOM;
        error = nbd_piece_take(command, 0, &piece);
        if (error == -EAGAIN)
            return NBD_NEEDS_ROOM;
        if (!error)
            nbd_piece_submit(piece);
    }
    if (error)
        nbd_command_fail(command, error, command->request.offset_bytes +
                                             command->issued_bytes);
    return NBD_NEEDS_NOTHING;
}

enum nbd_need nbd_command_issue(struct nbd_command *command)
{
    enum nbd_need need = NBD_NEEDS_NOTHING;

    if (command->request.type == NBD_WIRE_CMD_BLOCK_STATUS && !command->error)
        need = nbd_extents_answer(command);
    else if (command->request.type != NBD_WIRE_CMD_CACHE)
        need = issue_pieces(command);
    if (need == NBD_NEEDS_NOTHING && must_wait(command))
        need = NBD_NEEDS_ROOM;
    if (need != NBD_NEEDS_NOTHING)
        return need;
    command->connection->current = NULL;
    command->is_issued = true;
    nbd_command_settle(command);
    return NBD_NEEDS_NOTHING;
}

void nbd_command_begin(struct nbd_connection *connection,
                       const struct nbd_wire_request *wire)
{
    struct nbd_request request;
    uint32_t error = 0;

    switch (nbd_request_judge(wire, &connection->limits, &request, &error)) {
    case NBD_RUN:
    case NBD_REFUSE:
        nbd_count(connection->server->stats.requests, request.type);
        connection->requests++;
        connection->current = command_open(connection, &request, error);
        connection->payload_left_bytes = request.payload_bytes;
        return;
    case NBD_DISCONNECT:
        nbd_count(connection->server->stats.requests, request.type);
        connection->has_left = true;
        nbd_connection_end(connection);
        return;
    case NBD_HANG_UP:
        nbd_connection_break(connection, "what it sent is no request, or one "
                                         "of more than 32 MiB");
        return;
    }
}
