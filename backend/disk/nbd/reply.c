/* SPDX-License-Identifier: MIT
 * Answers: their heads, and how they go out: many with one system call, data
 * straight from where the disk put it. */
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "backend/disk/nbd/private.h"

enum { SEND_VECTORS = 2 * NBD_MAX_IN_FLIGHT };

/* --- heads ---------------------------------------------------------------- */

struct error_payload {
    uint32_t error;
    uint16_t message_bytes;
    uint64_t offset; /* with ERROR_OFFSET */
} __attribute__((packed));

_Static_assert(sizeof(struct nbd_wire_chunk) + sizeof(struct error_payload) ==
                   NBD_HEAD_BYTES, "this is the longest head");

static void put(struct nbd_answer *answer, const void *bytes, size_t nr_bytes)
{
    assert(nr_bytes <= sizeof answer->head - answer->head_bytes);
    memcpy(answer->head + answer->head_bytes, bytes, nr_bytes);
    answer->head_bytes += (uint32_t)nr_bytes;
}

static void put_simple(struct nbd_answer *answer)
{
    const struct nbd_wire_simple_reply reply = {
        .magic = htobe32(NBD_WIRE_SIMPLE_MAGIC),
        .error = htobe32(answer->command->error),
        .cookie = answer->command->request.cookie,
    };

    put(answer, &reply, sizeof reply);
}

/* length_bytes: of all that follows the chunk's header. */
static void put_chunk(struct nbd_answer *answer, uint16_t type,
                      uint32_t length_bytes)
{
    const struct nbd_wire_chunk chunk = {
        .magic = htobe32(NBD_WIRE_CHUNK_MAGIC),
        .flags = htobe16(answer->command->is_answered ? NBD_WIRE_CHUNK_DONE
                                                      : 0),
        .type = htobe16(type),
        .cookie = answer->command->request.cookie,
        .length = htobe32(length_bytes),
    };

    put(answer, &chunk, sizeof chunk);
}

static void put_error(struct nbd_answer *answer)
{
    const struct nbd_command *command = answer->command;
    const struct error_payload payload = {
        .error = htobe32(command->error),
        .offset = htobe64(command->error_offset_bytes),
    };
    bool has_offset = command->request.type == NBD_WIRE_CMD_READ &&
                      command->issued_bytes > 0;
    uint32_t bytes = has_offset ? sizeof payload
                                : offsetof(struct error_payload, offset);

    put_chunk(answer, has_offset ? NBD_WIRE_CHUNK_ERROR_OFFSET
                                 : NBD_WIRE_CHUNK_ERROR, bytes);
    put(answer, &payload, bytes);
}

/* --- into the queue ------------------------------------------------------- */

static void answer_init(struct nbd_answer *answer,
                        struct nbd_command *command, struct nbd_piece *piece,
                        uint32_t data_bytes)
{
    *answer = (struct nbd_answer){ .command = command, .piece = piece,
                                   .data_bytes = data_bytes };
}

static void enqueue(struct nbd_answer *answer)
{
    struct nbd_connection *connection = answer->command->connection;

    answer->command->unsent++;
    *connection->answers_tail = answer;
    connection->answers_tail = &answer->next;
}

static bool has_structured(const struct nbd_command *command)
{
    return command->connection->limits.has_structured;
}

/* What the client is going to be told is counted. */
static void end_command(struct nbd_command *command)
{
    struct nbd_connection *connection = command->connection;
    struct message_nbd_stats *stats = &connection->server->stats;
    const struct nbd_request *request = &command->request;

    command->is_answered = true;
    connection->writes_ended += command->is_write;
    if (command->error) {
        nbd_count(stats->errors, request->type);
    } else if (request->type == NBD_WIRE_CMD_READ) {
        stats->bytes_read += request->length_bytes;
        connection->bytes_read += request->length_bytes;
    } else if (request->type == NBD_WIRE_CMD_WRITE) {
        stats->bytes_written += request->length_bytes;
        connection->bytes_written += request->length_bytes;
    } else if (request->type == NBD_WIRE_CMD_FLUSH &&
               command->covers > connection->durable_writes) {
        connection->durable_writes = command->covers;
    }
}

void nbd_answer_data(struct nbd_piece *piece)
{
    struct nbd_answer *answer = &piece->answer;
    struct nbd_command *command = piece->command;
    uint32_t bytes = (uint32_t)piece->io.length_bytes;
    uint64_t offset = htobe64(piece->io.offset_bytes);

    command->has_data_begun = true;
    if (command->is_issued && command->at_disk == 0)
        end_command(command);
    answer_init(answer, command, piece, bytes);
    if (has_structured(command)) {
        put_chunk(answer, NBD_WIRE_CHUNK_OFFSET_DATA,
                  (uint32_t)sizeof offset + bytes);
        put(answer, &offset, sizeof offset);
    } else if (piece->io.offset_bytes == command->request.offset_bytes) {
        put_simple(answer);
    }
    enqueue(answer);
}

void nbd_answer_extents(struct nbd_piece *piece, uint32_t bytes)
{
    struct nbd_answer *answer = &piece->answer;

    end_command(piece->command);
    answer_init(answer, piece->command, piece, bytes);
    put_chunk(answer, NBD_WIRE_CHUNK_BLOCK_STATUS, bytes);
    enqueue(answer);
}

/* Data that has been promised cannot be taken back in a simple reply. */
static bool is_cut_short(const struct nbd_command *command)
{
    return command->error && !has_structured(command) &&
           command->request.type == NBD_WIRE_CMD_READ &&
           command->has_data_begun;
}

void nbd_answer_end(struct nbd_command *command)
{
    struct nbd_answer *answer = &command->answer;

    end_command(command);
    answer_init(answer, command, NULL, 0);
    if (!has_structured(command))
        put_simple(answer);
    else if (command->error)
        put_error(answer);
    else
        put_chunk(answer, NBD_WIRE_CHUNK_NONE, 0);
    enqueue(answer);
    if (is_cut_short(command))
        command->connection->is_dead = true;
}

/* --- and out of it -------------------------------------------------------- */

static uint32_t answer_bytes(const struct nbd_answer *answer)
{
    return answer->head_bytes + answer->data_bytes;
}

static void drop_first(struct nbd_connection *connection)
{
    struct nbd_answer *answer = connection->answers;
    struct nbd_command *command = answer->command;

    connection->sent_bytes = 0;
    connection->answers = answer->next;
    if (!connection->answers)
        connection->answers_tail = &connection->answers;
    if (answer->piece)
        nbd_piece_free(answer->piece);
    command->unsent--;
    nbd_command_settle(command);
}

static void drop_sent(struct nbd_connection *connection, size_t sent_bytes)
{
    sent_bytes += connection->sent_bytes;
    while (connection->answers &&
           sent_bytes >= answer_bytes(connection->answers)) {
        sent_bytes -= answer_bytes(connection->answers);
        drop_first(connection);
    }
    connection->sent_bytes = (uint32_t)sent_bytes;
}

/* Appends what of [bytes, bytes + nr_bytes) lies behind *skip_bytes. */
static void add_vector(struct msghdr *message, void *bytes, size_t nr_bytes,
                       size_t *skip_bytes)
{
    size_t skip = *skip_bytes < nr_bytes ? *skip_bytes : nr_bytes;

    *skip_bytes -= skip;
    if (skip < nr_bytes)
        message->msg_iov[message->msg_iovlen++] =
            (struct iovec){ (char *)bytes + skip, nr_bytes - skip };
}

/* Returns how many bytes were gathered. */
static size_t gather(const struct nbd_connection *connection,
                     struct msghdr *message)
{
    size_t skip_bytes = connection->sent_bytes, bytes = 0;
    struct nbd_answer *answer = connection->answers;

    for (; answer && message->msg_iovlen + 2 <= SEND_VECTORS;
         answer = answer->next) {
        bytes += answer_bytes(answer);
        add_vector(message, answer->head, answer->head_bytes, &skip_bytes);
        if (answer->piece)
            add_vector(message, answer->piece->io.data, answer->data_bytes,
                       &skip_bytes);
    }
    return bytes - connection->sent_bytes;
}

/* False when the client takes no more now, or none ever. */
static bool send_some(struct nbd_connection *connection)
{
    struct iovec vectors[SEND_VECTORS];
    struct msghdr message = { .msg_iov = vectors };
    size_t bytes = gather(connection, &message);
    ssize_t sent;

    connection->server->worker->stats.system_calls++;
    sent = sendmsg(connection->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        connection->is_dead = true;
    connection->is_writable = sent == (ssize_t)bytes;
    if (sent > 0)
        drop_sent(connection, (size_t)sent);
    return connection->is_writable;
}

void nbd_send(struct nbd_connection *connection)
{
    bool is_hurried = connection->server->is_shutting_down;

    while (connection->answers && connection->is_writable &&
           !connection->is_dead && send_some(connection))
        ;
    if (connection->is_dead)
        nbd_connection_end(connection);
    if (connection->is_dead || (is_hurried && !connection->is_writable))
        while (connection->answers)
            drop_first(connection);
}
