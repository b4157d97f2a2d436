/* SPDX-License-Identifier: MIT
 * The inside of the NBD server: connections, their requests, and what goes
 * out. Private to backend/disk/nbd; loop thread only.
 *
 * A connection's states, and the only transitions:
 *
 *   NEGOTIATING -> TRANSMISSION   GO; it becomes a client of the disk
 *   NEGOTIATING -> DRAINING       aborted, lost, thrown out
 *   TRANSMISSION -> DRAINING      the same, or DISC: read from no more
 *   DRAINING -> CLOSING           nothing runs, all is sent that can be
 *   CLOSING -> gone               the disk has let go of the client
 *
 * A request, from its header to the last byte of its answer, is a command. It
 * does its work in pieces, each a request of the coherency layer. One command
 * at a time is current: its payload is being taken, or not all of its pieces
 * could be had yet. Until it has all it needs nothing else is taken from the
 * socket; others that were taken before run on meanwhile. */
#ifndef VBDD_DISK_NBD_PRIVATE_H
#define VBDD_DISK_NBD_PRIVATE_H

#include "backend/disk/nbd/handshake.h"
#include "backend/disk/nbd/nbd.h"
#include "backend/disk/nbd/request.h"

enum {
    NBD_MAX_IN_FLIGHT = 64,      /* commands of one connection, and pieces */
    NBD_BUFFER_BYTES = 64 << 10, /* read ahead: headers, small payloads */
    NBD_MAX_PIECE_BYTES = 512 << 10,
    NBD_MAX_EXTENTS = 64,        /* of one BLOCK_STATUS */
    NBD_HEAD_BYTES = 34,         /* the longest: ERROR_OFFSET */
};

struct nbd_command;
struct nbd_connection;

/* What goes out, or a part of it: a head, then data that lies elsewhere. */
struct nbd_answer {
    struct nbd_answer *next; /* in connection->answers */
    struct nbd_command *command;
    struct nbd_piece *piece; /* whose data it is, until it is sent; or NULL */
    uint32_t head_bytes, data_bytes;
    uint8_t head[NBD_HEAD_BYTES];
};

struct nbd_piece {
    struct coherency_request io;
    struct nbd_command *command;
    struct nbd_piece *next; /* in connection->free_pieces */
    void *memory;           /* of the pool, or NULL; io.data lies in it where
                               the disk's bytes would lie in their page */
    uint32_t memory_bytes;
    struct nbd_answer answer;
};

struct nbd_command {
    struct nbd_connection *connection;
    struct nbd_command *next; /* in connection->free_commands */
    struct nbd_request request;
    struct nbd_answer answer; /* the one that ends it, unless data does */
    uint32_t error;           /* NBD_WIRE_E...; the first one */
    uint64_t error_offset_bytes;
    uint32_t issued_bytes; /* of its range: in pieces */
    unsigned at_disk;      /* pieces */
    unsigned unsent;       /* answers */
    uint64_t covers;       /* FLUSH: see connection->durable_writes */
    bool is_write;         /* it may change the disk */
    bool is_alone;         /* see execute.c */
    bool has_data_begun;   /* READ: some of its data is on its way */
    bool is_issued;        /* there will be no more pieces */
    bool is_answered;      /* what ends it is on its way, or never will be */
};

enum nbd_state {
    NBD_NEGOTIATING,
    NBD_TRANSMISSION,
    NBD_DRAINING,
    NBD_CLOSING,
};

/* What the current command, or the next one, cannot go on without. */
enum nbd_need {
    NBD_NEEDS_NOTHING,
    NBD_NEEDS_BYTES, /* of the socket */
    NBD_NEEDS_ROOM,  /* allowance, a command, a piece: others must end */
    NBD_NEEDS_TURN,  /* the next round: it has had its part of this one */
};

struct nbd_negotiation {
    struct nbd_handshake machine;
    uint8_t answer[NBD_ANSWER_BYTES];
    size_t answer_bytes, sent_bytes;
    bool was_refused; /* by policy; said once */
};

struct nbd_connection {
    struct nbd_connection *next;
    struct nbd_server *server;
    enum nbd_state state;
    uint32_t number;
    int32_t pid;
    struct coherency_client *client;     /* since GO */
    struct nbd_negotiation *negotiation; /* until GO */
    struct nbd_limits limits;
    bool has_trim; /* was advertised (C14) */

    int fd;
    ev_io watcher;
    int watched_events;
    bool is_readable, is_writable; /* as far as is known */
    bool is_dead;                  /* nothing can be sent any more */
    bool is_gone;                  /* to be freed */
    bool has_left;                 /* DISC */

    uint8_t *buffer; /* NBD_BUFFER_BYTES, of which [taken, filled) wait */
    uint32_t taken_bytes, filled_bytes;
    bool reads_little; /* large payloads follow, and go where they belong */
    enum nbd_need need;
    bool has_asked; /* in this round, where there is data; that takes time */
    struct nbd_command *current;
    uint32_t payload_left_bytes; /* of current, on the socket or in buffer */
    struct nbd_piece *filling;   /* with current's payload, or NULL */
    uint32_t filling_bytes;      /* of it are there */

    struct nbd_command *commands, *free_commands;
    struct nbd_piece *pieces, *free_pieces;
    unsigned nr_commands; /* not yet answered to the last byte */
    uint32_t held_bytes;  /* of the allowance */

    struct nbd_answer *answers, **answers_tail;
    uint32_t sent_bytes; /* of the first */

    /* C11: writes that were taken and that were answered, counted from 1; and
     * up to which of them all are durable, by a FLUSH that came when none was
     * running. 0: there was no such FLUSH. */
    uint64_t writes_begun, writes_ended, durable_writes;
    uint64_t requests, bytes_read, bytes_written;
};

struct nbd_server {
    struct worker *worker;
    int fd;
    ev_io listener;
    ev_timer again; /* listens again when there may be descriptors */
    struct nbd_connection *connections;
    uint32_t last_number;
    unsigned outstanding; /* pieces at the disk */
    uint32_t allowance_bytes, piece_bytes;
    bool is_shutting_down;
    void (*idle)(void *context); /* not called yet */
    void *idle_context;
    struct message_nbd_stats stats; /* what is counted; the rest on demand */
    uint64_t telling_since_us; /* events: so many in the second from then on */
    unsigned told, untold;
    struct log_limit log;
};

/* --- connection.c --- */
/* Takes fd over, in success and failure. 0 or -ENOMEM. */
int nbd_connection_open(struct nbd_server *server, int fd, int32_t pid);
/* A part of the round: true when there is more to do at once. */
bool nbd_connection_serve(struct nbd_connection *connection);
void nbd_connection_free(struct nbd_connection *connection);
/* Reads no more; the rest is seen to by nbd_connection_serve(). */
void nbd_connection_end(struct nbd_connection *connection);
/* The same for what the client did wrong: with a line for the log. */
void nbd_connection_break(struct nbd_connection *connection, const char *how);

/* --- negotiate.c --- */
int nbd_negotiation_open(struct nbd_connection *connection);
/* As far as the client has come; true when there is more to do at once. */
bool nbd_negotiate(struct nbd_connection *connection);
/* An answer has to be sent before more is read. */
bool nbd_negotiation_is_talking(const struct nbd_connection *connection);

/* --- receive.c --- */
static inline uint32_t nbd_buffered_bytes(const struct nbd_connection *c)
{
    return c->filled_bytes - c->taken_bytes;
}

/* Reads into the buffer, and into the piece that is being filled before it.
 * True when bytes have come; EOF and errors end the connection. */
bool nbd_read(struct nbd_connection *connection);
/* Takes requests as far as bytes and room go; true when there is more. */
bool nbd_receive(struct nbd_connection *connection);

/* --- execute.c --- */
/* The commands there are counted by their number, others not. */
static inline void nbd_count(uint64_t counts[8], uint16_t type)
{
    if (type < 8)
        counts[type]++;
}

/* Makes room for commands. 0 or -ENOMEM. */
int nbd_commands_open(struct nbd_connection *connection);
/* A header makes a command the current one; or the connection ends. */
void nbd_command_begin(struct nbd_connection *connection,
                       const struct nbd_wire_request *wire);
/* Hands to the disk what of the current command (without payload) can be. */
enum nbd_need nbd_command_issue(struct nbd_command *command);
/* No more of it comes, and it is not answered. */
void nbd_command_abandon(struct nbd_command *command);
/* Fails it, unless it has failed before. */
void nbd_command_fail(struct nbd_command *command, int error,
                      uint64_t offset_bytes);
/* Something has changed: answers it when nothing of it runs any more, and
 * frees it when that is sent. */
void nbd_command_settle(struct nbd_command *command);
/* What of the range comes next, and a piece for it, with memory for its data;
 * for what has none there may be memory_bytes. 0; -EAGAIN: there is no room
 * now; -ENOMEM. */
int nbd_piece_take(struct nbd_command *command, uint32_t memory_bytes,
                   struct nbd_piece **piece);
void nbd_piece_submit(struct nbd_piece *piece);
void nbd_piece_free(struct nbd_piece *piece);

/* --- extents.c --- */
/* Answers a BLOCK_STATUS, one of a connection in a round, or says what it has
 * to wait for. */
enum nbd_need nbd_extents_answer(struct nbd_command *command);

/* --- reply.c --- */
/* The data of a READ's piece; the last of them may end the command. */
void nbd_answer_data(struct nbd_piece *piece);
/* The extents of a BLOCK_STATUS; ends the command. */
void nbd_answer_extents(struct nbd_piece *piece, uint32_t bytes);
/* Ends the command, with its error if it has one. */
void nbd_answer_end(struct nbd_command *command);
/* As much as the client takes now. */
void nbd_send(struct nbd_connection *connection);

/* --- event.c --- */
void nbd_tell(struct nbd_connection *connection, enum message_nbd_kind kind);

#endif
