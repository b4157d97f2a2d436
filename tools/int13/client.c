/* SPDX-License-Identifier: MIT
 * The int13 agent's commands and answers on a socket. */
#include "tools/int13/client.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/host/socket.h"

enum { RETRY_US = 20 * 1000, RETRIES = AGENT_TIMEOUT_S * 50 };

int agent_connect(const char *path)
{
    const struct timeval timeout = { .tv_sec = AGENT_TIMEOUT_S };
    int fd = socket_connect(path, SOCK_STREAM);

    for (unsigned i = 0; i < RETRIES && (fd == -ENOENT || fd == -ECONNREFUSED);
         i++) {
        usleep(RETRY_US);
        fd = socket_connect(path, SOCK_STREAM);
    }
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return fd;
}

static int receive(int fd, void *to, size_t bytes)
{
    ssize_t n = recv(fd, to, bytes, MSG_WAITALL);

    if (n < 0)
        return errno == EAGAIN ? -ETIMEDOUT : -errno;
    return (size_t)n == bytes ? 0 : -EPIPE;
}

static int transmit(int fd, const void *from, size_t bytes)
{
    ssize_t n = send(fd, from, bytes, MSG_NOSIGNAL);

    if (n < 0)
        return -errno;
    return (size_t)n == bytes ? 0 : -EPIPE;
}

int agent_wait_hello(int fd)
{
    static const char hello[] = AGENT_HELLO;
    char got[sizeof hello - 1];
    int error = receive(fd, got, sizeof got);

    /* a BIOS may have had something to say before */
    while (!error && memcmp(got, hello, sizeof got) != 0) {
        memmove(got, got + 1, sizeof got - 1);
        error = receive(fd, got + sizeof got - 1, 1);
    }
    return error;
}

/* How many stamps come after an answer. */
static unsigned stamps_to_come(const struct agent_command *command)
{
    switch (command->op) {
    case AGENT_READ:
        return command->count;
    case AGENT_MAILBOX:
    case AGENT_INFO:
        return 1;
    default:
        return 0;
    }
}

static bool takes_command(const struct agent_command *command)
{
    return (command->op != AGENT_READ && command->op != AGENT_WRITE) ||
           (command->count >= 1 && command->count <= AGENT_MAX_COUNT);
}

int agent_call(int fd, const struct agent_command *command,
               uint8_t (*stamps)[STAMP_BYTES], struct agent_answer *answer)
{
    const struct agent_command wire = {
        .op = command->op, .count = command->count,
        .tag = htole16(command->tag), .sector = htole64(command->sector) };
    int error;

    if (!takes_command(command))
        return -EINVAL;
    error = transmit(fd, &wire, sizeof wire);
    if (!error && command->op == AGENT_WRITE)
        error = transmit(fd, stamps, command->count * STAMP_BYTES);
    if (!error)
        error = receive(fd, answer, sizeof *answer);
    if (error)
        return error;
    if (answer->op != command->op || answer->tag != wire.tag)
        return -EPROTO;
    answer->tag = le16toh(answer->tag);
    answer->torn = le16toh(answer->torn);
    return stamps_to_come(command) == 0 ? 0 :
           receive(fd, stamps, stamps_to_come(command) * STAMP_BYTES);
}
