/* SPDX-License-Identifier: MIT
 * Messages with descriptors over SOCK_SEQPACKET. */
#include "common/host/packet.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int packet_send(int socket, const void *data, size_t bytes, const int *fds,
                unsigned nr_fds)
{
    union {
        char space[CMSG_SPACE(sizeof(int) * PACKET_MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec vector = { (void *)data, bytes };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1 };
    ssize_t sent;

    if (nr_fds > PACKET_MAX_FDS)
        return -E2BIG;
    if (nr_fds) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * nr_fds);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * nr_fds);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * nr_fds);
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return -errno;
    return sent == (ssize_t)bytes ? 0 : -EMSGSIZE;
}

/* Hands over the first max_fds descriptors of a message, closes the rest. */
static unsigned take_fds(struct msghdr *message, int *fds, unsigned max_fds)
{
    unsigned taken = 0;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET ||
            header->cmsg_type != SCM_RIGHTS)
            continue;
        unsigned here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (unsigned i = 0; i < here; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (taken < max_fds)
                fds[taken++] = fd;
            else
                close(fd);
        }
    }
    return taken;
}

int packet_receive(int socket, void *data, size_t bytes, int *fds,
                   unsigned max_fds, unsigned *nr_fds)
{
    union {
        char space[CMSG_SPACE(sizeof(int) * PACKET_MAX_FDS)];
        struct cmsghdr align;
    } control;
    struct iovec vector = { data, bytes };
    struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1,
                              .msg_control = control.space,
                              .msg_controllen = sizeof control.space };
    unsigned taken;
    ssize_t got;

    if (nr_fds)
        *nr_fds = 0;
    /* ECONNRESET, once: the peer has closed with something of ours unread.
     * What it had said before is still there. */
    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && (errno == EINTR || errno == ECONNRESET));
    if (got < 0)
        return -errno;
    taken = take_fds(&message, fds, max_fds);
    if (got == (ssize_t)bytes && !(message.msg_flags & MSG_TRUNC)) {
        if (nr_fds)
            *nr_fds = taken;
        return 0;
    }
    while (taken > 0)
        close(fds[--taken]);
    return got == 0 ? -EPIPE : -EPROTO;
}
