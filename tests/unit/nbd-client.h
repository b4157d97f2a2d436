/* SPDX-License-Identifier: MIT
 * A raw NBD client for tests: it says what it is told to, also nonsense, and
 * shows what comes back as it came. Blocking, but never for ever. */
#ifndef VBDD_TESTS_NBD_CLIENT_H
#define VBDD_TESTS_NBD_CLIENT_H

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "backend/disk/nbd/wire.h"
#include "common/host/socket.h"
#include "tests/unit/tap.h"

enum { NBD_CLIENT_PATIENCE_S = 30 };

struct nbd_client {
    int fd;
    bool has_structured;
    uint64_t size_bytes;
    uint16_t flags; /* transmission flags */
    uint64_t cookie; /* of the last request */
};

/* A chunk's or a simple reply's header, in host order. */
struct nbd_client_reply {
    bool is_simple;
    uint16_t flags, type;
    uint32_t error, length; /* simple: error; chunk: bytes that follow */
    uint64_t cookie;
};

/* --- bytes ---------------------------------------------------------------- */

static inline bool nbd_client_write(struct nbd_client *client,
                                    const void *bytes, size_t nr_bytes)
{
    while (nr_bytes > 0) {
        ssize_t sent = send(client->fd, bytes, nr_bytes, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes = (const char *)bytes + sent;
        nr_bytes -= (size_t)sent;
    }
    return true;
}

/* False when the server has hung up, or keeps silent. */
static inline bool nbd_client_read(struct nbd_client *client, void *bytes,
                                   size_t nr_bytes)
{
    while (nr_bytes > 0) {
        ssize_t got = recv(client->fd, bytes, nr_bytes, 0);

        if (got <= 0)
            return false;
        bytes = (char *)bytes + got;
        nr_bytes -= (size_t)got;
    }
    return true;
}

static inline bool nbd_client_has_answer(struct nbd_client *client)
{
    struct pollfd wait = { .fd = client->fd, .events = POLLIN };

    return poll(&wait, 1, 0) == 1;
}

/* The server has nothing more to say and has hung up. */
static inline bool nbd_client_is_hung_up_on(struct nbd_client *client)
{
    char byte;

    return recv(client->fd, &byte, 1, 0) <= 0 && errno != EAGAIN;
}

/* --- negotiation ---------------------------------------------------------- */

static inline void nbd_client_connect(struct nbd_client *client,
                                      const char *path)
{
    const struct timeval patience = { NBD_CLIENT_PATIENCE_S, 0 };

    *client = (struct nbd_client){ .fd = socket_connect(path, SOCK_STREAM) };
    REQUIRE(client->fd >= 0);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
               sizeof patience);
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
               sizeof patience);
}

static inline bool nbd_client_greet(struct nbd_client *client)
{
    const uint32_t flags = htobe32(NBD_WIRE_FIXED_NEWSTYLE |
                                   NBD_WIRE_NO_ZEROES);
    struct nbd_wire_greeting greeting;

    return nbd_client_read(client, &greeting, sizeof greeting) &&
           be64toh(greeting.magic) == NBD_WIRE_MAGIC &&
           nbd_client_write(client, &flags, sizeof flags);
}

static inline bool nbd_client_send_option(struct nbd_client *client,
                                          uint32_t option, const void *data,
                                          uint32_t nr_bytes)
{
    const struct nbd_wire_option header = {
        .magic = htobe64(NBD_WIRE_OPTION_MAGIC),
        .option = htobe32(option), .length = htobe32(nr_bytes),
    };

    return nbd_client_write(client, &header, sizeof header) &&
           nbd_client_write(client, data, nr_bytes);
}

/* Reads replies up to the last one; its type, or 0. */
static inline uint32_t nbd_client_finish_option(struct nbd_client *client)
{
    struct nbd_wire_option_reply reply;
    uint8_t data[4096];

    do {
        uint32_t length;
        uint64_t size;
        uint16_t flags, info;

        if (!nbd_client_read(client, &reply, sizeof reply))
            return 0;
        length = be32toh(reply.length);
        REQUIRE(length <= sizeof data);
        if (!nbd_client_read(client, data, length))
            return 0;
        memcpy(&info, data, sizeof info);
        if (be32toh(reply.type) != NBD_WIRE_REP_INFO ||
            be16toh(info) != NBD_WIRE_INFO_EXPORT)
            continue;
        memcpy(&size, data + 2, sizeof size);
        memcpy(&flags, data + 10, sizeof flags);
        client->size_bytes = be64toh(size);
        client->flags = be16toh(flags);
    } while (be32toh(reply.type) != NBD_WIRE_REP_ACK &&
             !(be32toh(reply.type) & NBD_WIRE_REP_ERR(0)));
    return be32toh(reply.type);
}

static inline uint32_t nbd_client_option(struct nbd_client *client,
                                         uint32_t option, const void *data,
                                         uint32_t nr_bytes)
{
    if (!nbd_client_send_option(client, option, data, nr_bytes))
        return 0;
    return nbd_client_finish_option(client);
}

static inline uint32_t nbd_client_go(struct nbd_client *client)
{
    static const uint8_t nameless[6];

    return nbd_client_option(client, NBD_WIRE_OPT_GO, nameless,
                             sizeof nameless);
}

static inline void nbd_client_ask_structured(struct nbd_client *client)
{
    static const struct {
        uint32_t name_bytes, nr_queries, query_bytes;
        char query[15];
    } __attribute__((packed)) contexts = {
        0, 0x01000000, 0x0f000000, "base:allocation"
    };

    REQUIRE(nbd_client_option(client, NBD_WIRE_OPT_STRUCTURED_REPLY, NULL,
                              0) == NBD_WIRE_REP_ACK);
    REQUIRE(nbd_client_option(client, NBD_WIRE_OPT_SET_META_CONTEXT, &contexts,
                              sizeof contexts) == NBD_WIRE_REP_ACK);
    client->has_structured = true;
}

static inline void nbd_client_open(struct nbd_client *client, const char *path,
                                   bool is_structured)
{
    nbd_client_connect(client, path);
    REQUIRE(nbd_client_greet(client));
    if (is_structured)
        nbd_client_ask_structured(client);
    REQUIRE(nbd_client_go(client) == NBD_WIRE_REP_ACK);
}

/* EOF, as when the client has died. */
static inline void nbd_client_drop(struct nbd_client *client)
{
    close(client->fd);
}

/* --- requests ------------------------------------------------------------- */

/* The header alone; the cookie is the one of the last request plus one. */
static inline bool nbd_client_ask(struct nbd_client *client, uint16_t type,
                                  uint16_t flags, uint64_t offset,
                                  uint32_t length)
{
    const struct nbd_wire_request request = {
        .magic = htobe32(NBD_WIRE_REQUEST_MAGIC),
        .flags = htobe16(flags), .type = htobe16(type),
        .cookie = htobe64(++client->cookie),
        .offset = htobe64(offset), .length = htobe32(length),
    };

    return nbd_client_write(client, &request, sizeof request);
}

static inline bool nbd_client_next(struct nbd_client *client,
                                   struct nbd_client_reply *reply)
{
    struct nbd_wire_chunk chunk;

    *reply = (struct nbd_client_reply){ .is_simple = true };
    if (!nbd_client_read(client, &chunk, sizeof(struct nbd_wire_simple_reply)))
        return false;
    if (be32toh(chunk.magic) == NBD_WIRE_SIMPLE_MAGIC) {
        struct nbd_wire_simple_reply simple;

        memcpy(&simple, &chunk, sizeof simple);
        reply->error = be32toh(simple.error);
        reply->cookie = be64toh(simple.cookie);
        return true;
    }
    REQUIRE(be32toh(chunk.magic) == NBD_WIRE_CHUNK_MAGIC);
    if (!nbd_client_read(client, &chunk.length, sizeof chunk.length))
        return false;
    *reply = (struct nbd_client_reply){
        .flags = be16toh(chunk.flags), .type = be16toh(chunk.type),
        .cookie = be64toh(chunk.cookie), .length = be32toh(chunk.length),
    };
    return true;
}

/* What an answer consisted of. */
struct nbd_client_answer {
    uint32_t error; /* NBD_WIRE_E...; UINT32_MAX: the server hung up */
    unsigned chunks, data_chunks;
    uint64_t error_offset; /* UINT64_MAX: none was given */
};

/* Of a READ's data, which starts at offset. */
static inline bool nbd_client_take_data(struct nbd_client *client,
                                        uint64_t start, uint32_t left,
                                        uint8_t *data, uint32_t nr_bytes)
{
    uint64_t offset;

    REQUIRE(left >= sizeof offset);
    if (!nbd_client_read(client, &offset, sizeof offset))
        return false;
    offset = be64toh(offset) - start;
    left -= (uint32_t)sizeof offset;
    REQUIRE(offset <= nr_bytes && left <= nr_bytes - offset);
    return nbd_client_read(client, data + offset, left);
}

static inline bool nbd_client_take_error(struct nbd_client *client,
                                         const struct nbd_client_reply *reply,
                                         struct nbd_client_answer *answer)
{
    uint8_t bytes[64];
    uint64_t offset;

    REQUIRE(reply->length >= 6 && reply->length <= sizeof bytes);
    if (!nbd_client_read(client, bytes, reply->length))
        return false;
    answer->error = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                    (uint32_t)bytes[2] << 8 | bytes[3];
    if (reply->type == NBD_WIRE_CHUNK_ERROR_OFFSET) {
        memcpy(&offset, bytes + reply->length - sizeof offset, sizeof offset);
        answer->error_offset = be64toh(offset);
    }
    return true;
}

/* One reply, or chunk, to the request of that offset, length and data. True
 * when it was not the last; hung up counts as the last. */
static inline bool nbd_client_take(struct nbd_client *client,
                                   const struct nbd_client_reply *reply,
                                   uint64_t offset, void *data,
                                   uint32_t nr_bytes,
                                   struct nbd_client_answer *answer)
{
    bool is_whole = true;

    answer->chunks++;
    if (reply->is_simple) {
        answer->error = reply->error;
        if (data && !reply->error)
            is_whole = nbd_client_read(client, data, nr_bytes);
    } else if (reply->type == NBD_WIRE_CHUNK_OFFSET_DATA) {
        answer->data_chunks++;
        is_whole = nbd_client_take_data(client, offset, reply->length, data,
                                        nr_bytes);
    } else if (reply->type & 1 << 15) {
        is_whole = nbd_client_take_error(client, reply, answer);
    } else {
        REQUIRE(reply->type == NBD_WIRE_CHUNK_NONE && reply->length == 0);
    }
    if (!is_whole)
        answer->error = UINT32_MAX;
    return is_whole && !reply->is_simple &&
           !(reply->flags & NBD_WIRE_CHUNK_DONE);
}

/* The whole answer to the last request, when no other is in flight. data: of
 * a READ, nr_bytes. */
static inline struct nbd_client_answer
nbd_client_answer(struct nbd_client *client, uint64_t offset, void *data,
                  uint32_t nr_bytes)
{
    struct nbd_client_answer answer = { .error_offset = UINT64_MAX };
    struct nbd_client_reply reply;

    do {
        if (!nbd_client_next(client, &reply)) {
            answer.error = UINT32_MAX;
            return answer;
        }
        REQUIRE(reply.cookie == client->cookie);
    } while (nbd_client_take(client, &reply, offset, data, nr_bytes, &answer));
    return answer;
}

/* One request and its answer's error. */
static inline uint32_t nbd_client_do(struct nbd_client *client, uint16_t type,
                                     uint16_t flags, uint64_t offset,
                                     uint32_t length, void *data)
{
    bool is_read = type == NBD_WIRE_CMD_READ;

    if (!nbd_client_ask(client, type, flags, offset, length) ||
        (type == NBD_WIRE_CMD_WRITE && !nbd_client_write(client, data, length)))
        return UINT32_MAX;
    return nbd_client_answer(client, offset, is_read ? data : NULL,
                             length).error;
}

static inline uint32_t nbd_client_flush(struct nbd_client *client)
{
    return nbd_client_do(client, NBD_WIRE_CMD_FLUSH, 0, 0, 0, NULL);
}

/* DISC; true when the server then hangs up. */
static inline bool nbd_client_close(struct nbd_client *client)
{
    bool is_closed = nbd_client_ask(client, NBD_WIRE_CMD_DISC, 0, 0, 0) &&
                     nbd_client_is_hung_up_on(client);

    close(client->fd);
    return is_closed;
}

#endif
