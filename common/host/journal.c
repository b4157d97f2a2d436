/* SPDX-License-Identifier: MIT
 * Entries for systemd's journal: a datagram each. */
#include "common/host/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un journal_address = { .sun_family = AF_UNIX };
static int journal_fd = -1;

bool journal_is_stderr(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat status;
    char rest;

    return stream && sscanf(stream, "%llu:%llu%c", &device, &inode, &rest) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device &&
           status.st_ino == inode;
}

bool journal_open(const char *path)
{
    if (strlen(path) >= sizeof journal_address.sun_path)
        return false;
    strcpy(journal_address.sun_path, path);
    if (journal_fd < 0)
        journal_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
                            0);
    return journal_fd >= 0;
}

void journal_add(struct journal_entry *entry, const char *name,
                 const char *value, size_t length)
{
    size_t rest = sizeof entry->text - entry->length;
    char *at = entry->text + entry->length;

    if (strlen(name) + length + strlen("=\n") > rest)
        return;
    at = mempcpy(at, name, strlen(name));
    *at++ = '=';
    for (size_t i = 0; i < length; i++)
        *at++ = value[i] == '\n' ? '?' : value[i];
    *at++ = '\n';
    entry->length = (size_t)(at - entry->text);
}

int journal_send(const struct journal_entry *entry)
{
    ssize_t sent = sendto(journal_fd, entry->text, entry->length, MSG_NOSIGNAL,
                          (const struct sockaddr *)&journal_address,
                          sizeof journal_address);

    return sent < 0 ? -errno : 0;
}
