/* SPDX-License-Identifier: MIT
 * The int13 agent of an emulated machine, over the unix socket that is its
 * serial line (tools/int13/agent.h). One command at a time, and stamps instead
 * of sectors. */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/host/log.h"
#include "common/host/socket.h"
#include "tools/int13/agent.h"
#include "tools/stamp/stamp.h"
#include "tools/vbdverify/path.h"

struct int13 {
    int fd;
    uint16_t tag;
    struct slot *slot; /* under way */
    uint8_t answer[sizeof(struct agent_answer) +
                   AGENT_MAX_COUNT * STAMP_BYTES];
    size_t nr_bytes; /* of it, so far */
};

/* --- the line ------------------------------------------------------------- */

static bool send_all(int fd, const void *data, size_t nr_bytes)
{
    return send(fd, data, nr_bytes, MSG_NOSIGNAL) == (ssize_t)nr_bytes;
}

static bool send_command(struct int13 *int13, uint8_t op, uint64_t sector,
                         uint32_t count)
{
    struct agent_command command = {
        .op = op, .count = (uint8_t)count, .tag = htole16(++int13->tag),
        .sector = htole64(sector) };

    int13->nr_bytes = 0;
    return send_all(int13->fd, &command, sizeof command);
}

static const struct agent_answer *head(const struct int13 *int13)
{
    return (const struct agent_answer *)int13->answer;
}

/* Takes what has come of an answer with so many stamps. -EAGAIN: there is more
 * to come; -EPIPE: the line has ended; -EPROTO. */
static int receive(struct int13 *int13, uint8_t op, uint32_t nr_stamps)
{
    size_t wanted = sizeof *head(int13) + nr_stamps * STAMP_BYTES;
    ssize_t got = recv(int13->fd, int13->answer + int13->nr_bytes,
                       wanted - int13->nr_bytes, MSG_DONTWAIT);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : -EPIPE;
    if (got == 0)
        return -EPIPE;
    int13->nr_bytes += (size_t)got;
    if (int13->nr_bytes < wanted)
        return -EAGAIN;
    return head(int13)->op == op && le16toh(head(int13)->tag) == int13->tag
               ? 0 : -EPROTO;
}

/* --- open ----------------------------------------------------------------- */

static bool wait_readable(int fd, uint64_t timeout_s)
{
    struct pollfd pollfd = { .fd = fd, .events = POLLIN };

    return poll(&pollfd, 1, (int)timeout_s * 1000) == 1;
}

/* Whoever comes first to the line gets the greeting; it may have been said
 * already, so silence is no error. */
static bool take_hello(struct int13 *int13, uint64_t timeout_s)
{
    static const char hello[] = AGENT_HELLO;
    size_t at = 0;
    char byte;

    while (hello[at] && wait_readable(int13->fd, timeout_s)) {
        if (recv(int13->fd, &byte, 1, 0) != 1)
            return false;
        at = byte == hello[at] ? at + 1 : byte == hello[0];
    }
    return true;
}

static bool ask_size(struct path *path)
{
    struct int13 *int13 = path->state;
    int error = -EPIPE;
    uint64_t nr_sectors;

    if (send_command(int13, AGENT_INFO, 0, 1))
        error = -EAGAIN;
    while (error == -EAGAIN && wait_readable(int13->fd, path->timeout_s))
        error = receive(int13, AGENT_INFO, 1);
    if (error)
        return false;
    memcpy(&nr_sectors, int13->answer + sizeof(struct agent_answer),
           sizeof nr_sectors);
    path->nr_sectors = le64toh(nr_sectors);
    return true;
}

static bool int13_open(struct path *path, const char *what)
{
    struct int13 *int13 = calloc(1, sizeof *int13);

    path->state = int13;
    if (!int13)
        return false;
    int13->fd = socket_connect(what, SOCK_STREAM);
    if (int13->fd < 0) {
        log_error("%s cannot be connected to: %s", what,
                  strerror(-int13->fd));
        return false;
    }
    if (!take_hello(int13, path->timeout_s) || !ask_size(path)) {
        log_error("%s: no int13 agent answers", what);
        return false;
    }
    path->unit_sectors = 1;
    path->most_sectors = AGENT_MAX_COUNT;
    path->depth = 1;
    path->can = 1u << OPERATION_READ | 1u << OPERATION_WRITE |
                1u << OPERATION_FLUSH;
    path->fds[0] = (struct pollfd){ .fd = int13->fd, .events = POLLIN };
    path->nr_fds = 1;
    return true;
}

static void int13_close(struct path *path)
{
    struct int13 *int13 = path->state;

    if (int13 && int13->fd >= 0)
        close(int13->fd);
    free(int13);
}

/* --- operations ----------------------------------------------------------- */

static uint8_t agent_op(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_READ: return AGENT_READ;
    case OPERATION_FLUSH: return AGENT_FLUSH;
    case OPERATION_WRITE:
    case OPERATION_FUA: /* which it has not, as the following */
    case OPERATION_ZERO:
    case OPERATION_DISCARD:
    case OPERATION_BARRIER:
        break;
    }
    return AGENT_WRITE;
}

static void int13_submit(struct path *path, struct slot *slot)
{
    const struct operation *operation = &slot->operation;
    struct int13 *int13 = path->state;
    uint8_t stamps[AGENT_MAX_COUNT * STAMP_BYTES];
    uint8_t op = agent_op(operation->kind);
    bool is_sent;

    int13->slot = slot;
    is_sent = send_command(int13, op, operation->sector,
                           operation->nr_sectors);
    for (uint32_t i = 0; i < operation->nr_sectors; i++)
        memcpy(stamps + i * STAMP_BYTES, slot->data + i * SECTOR_BYTES,
               STAMP_BYTES);
    if (op == AGENT_WRITE)
        is_sent = is_sent && send_all(int13->fd, stamps,
                                      operation->nr_sectors * STAMP_BYTES);
    if (!is_sent)
        path_lost(path, "the serial line has ended");
}

/* A sector as its stamp says it was; a torn one is torn again. */
static void expand(const struct int13 *int13, uint32_t i, uint8_t *sector)
{
    const uint8_t *stamp = int13->answer + sizeof *head(int13) +
                           i * STAMP_BYTES;

    for (unsigned copy = 0; copy < STAMP_COPIES; copy++)
        memcpy(sector + copy * STAMP_BYTES, stamp, STAMP_BYTES);
    if (le16toh(head(int13)->torn) & 1u << i)
        sector[STAMP_SECTOR_BYTES - 1] ^= 1;
}

static void int13_poll(struct path *path)
{
    struct int13 *int13 = path->state;
    struct slot *slot = int13->slot;
    uint32_t nr_stamps;
    uint8_t op;
    int error;

    if (!slot)
        return;
    op = agent_op(slot->operation.kind);
    nr_stamps = op == AGENT_READ ? slot->operation.nr_sectors : 0;
    error = receive(int13, op, nr_stamps);
    if (error == -EAGAIN)
        return;
    if (error) {
        path_lost(path, error == -EPIPE ? "the serial line has ended"
                      : "the agent answers another command");
        return;
    }
    int13->slot = NULL;
    for (uint32_t i = 0; i < nr_stamps; i++)
        expand(int13, i, slot->data + i * SECTOR_BYTES);
    path_done(slot, head(int13)->status ? -EIO : 0);
}

const struct path_kind path_int13 = {
    .name = "int13", .open = int13_open, .close = int13_close,
    .submit = int13_submit, .poll = int13_poll,
};
