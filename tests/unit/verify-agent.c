/* SPDX-License-Identifier: MIT
 * An int13 agent without a machine, for the tests of vbdverify: serves the
 * words of tools/int13/agent.h on a unix socket, from a file.
 *
 *     verify-agent SOCKET FILE [stale|mute|dies]
 *
 * stale: every sector is read as it was when it was first read. mute: hello is
 * not said (somebody else has had it). dies: after 50 commands. Ends with its
 * one client. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/host/socket.h"
#include "tools/int13/agent.h"
#include "tools/stamp/stamp.h"

enum { SECTOR = STAMP_SECTOR_BYTES, CACHED = 65536, LIFE = 50 };

static int file;
static bool is_stale;
static uint8_t *sectors; /* of one command; aligned for O_DIRECT */
static uint8_t (*cache)[SECTOR];
static bool *is_cached;

static void need(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "verify-agent: %s: %s\n", what, strerror(errno));
    exit(99);
}

static bool receive_all(int line, void *data, size_t nr_bytes)
{
    return nr_bytes == 0 ||
           recv(line, data, nr_bytes, MSG_WAITALL) == (ssize_t)nr_bytes;
}

static void read_sectors(const struct agent_command *command)
{
    need(pread(file, sectors, command->count * SECTOR,
               (off_t)(command->sector * SECTOR)) == command->count * SECTOR,
         "read");
    for (unsigned i = 0; is_stale && i < command->count; i++) {
        uint64_t at = (command->sector + i) % CACHED;

        if (!is_cached[at])
            memcpy(cache[at], sectors + i * SECTOR, SECTOR);
        is_cached[at] = true;
        memcpy(sectors + i * SECTOR, cache[at], SECTOR);
    }
}

static bool is_torn(const uint8_t *sector)
{
    return memcmp(sector, sector + STAMP_BYTES, SECTOR - STAMP_BYTES) != 0;
}

static void write_sectors(const struct agent_command *command,
                          const uint8_t *stamps)
{
    for (unsigned i = 0; i < command->count; i++) {
        for (unsigned k = 0; k < STAMP_COPIES; k++)
            memcpy(sectors + i * SECTOR + k * STAMP_BYTES,
                   stamps + i * STAMP_BYTES, STAMP_BYTES);
    }
    need(pwrite(file, sectors, command->count * SECTOR,
                (off_t)(command->sector * SECTOR)) == command->count * SECTOR,
         "write");
}

static void answer(int line, const struct agent_command *command,
                   unsigned nr_stamps)
{
    struct agent_answer head = { .op = command->op, .tag = command->tag };
    uint8_t stamps[AGENT_MAX_COUNT * STAMP_BYTES];

    for (unsigned i = 0; i < nr_stamps; i++) {
        memcpy(stamps + i * STAMP_BYTES, sectors + i * SECTOR, STAMP_BYTES);
        head.torn |= (uint16_t)(is_torn(sectors + i * SECTOR) << i);
    }
    send(line, &head, sizeof head, MSG_NOSIGNAL);
    send(line, stamps, nr_stamps * STAMP_BYTES, MSG_NOSIGNAL);
}

/* False: the line has ended, or says what it should not. */
static bool serve(int line)
{
    uint8_t stamps[AGENT_MAX_COUNT * STAMP_BYTES];
    struct agent_command command;
    struct stat stat;
    uint64_t size;

    if (!receive_all(line, &command, sizeof command))
        return false;
    switch (command.op) {
    case AGENT_READ:
        read_sectors(&command);
        answer(line, &command, command.count);
        return true;
    case AGENT_WRITE:
        if (!receive_all(line, stamps, command.count * STAMP_BYTES))
            return false;
        write_sectors(&command, stamps);
        answer(line, &command, 0);
        return true;
    case AGENT_FLUSH:
        need(fdatasync(file) == 0, "flush");
        answer(line, &command, 0);
        return true;
    case AGENT_INFO:
        need(fstat(file, &stat) == 0, "stat");
        size = (uint64_t)stat.st_size / SECTOR;
        memcpy(sectors, &size, sizeof size);
        answer(line, &command, 1);
        return true;
    default:
        return false;
    }
}

int main(int argc, char **argv)
{
    const char *mode = argc > 3 ? argv[3] : "";
    unsigned left = strcmp(mode, "dies") == 0 ? LIFE : UINT32_MAX;
    int listener, line;

    if (argc < 3)
        return 2;
    is_stale = strcmp(mode, "stale") == 0;
    sectors = aligned_alloc(4096, AGENT_MAX_COUNT * SECTOR);
    cache = calloc(CACHED, SECTOR);
    is_cached = calloc(CACHED, 1);
    need(sectors && cache && is_cached, "memory");
    file = open(argv[2], O_RDWR | O_DIRECT);
    need(file >= 0, argv[2]);
    listener = socket_listen(argv[1], SOCK_STREAM);
    need(listener >= 0 && fcntl(listener, F_SETFL, 0) == 0, argv[1]);
    line = accept(listener, NULL, NULL);
    need(line >= 0, "accept");
    if (strcmp(mode, "mute") != 0)
        send(line, AGENT_HELLO, strlen(AGENT_HELLO), MSG_NOSIGNAL);
    while (left-- > 0 && serve(line))
        ;
    return 0;
}
