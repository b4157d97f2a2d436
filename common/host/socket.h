/* SPDX-License-Identifier: MIT
 * Unix sockets by path, for the owner only. type: SOCK_STREAM or
 * SOCK_SEQPACKET. */
#ifndef VBDD_HOST_SOCKET_H
#define VBDD_HOST_SOCKET_H

#include <sys/socket.h>

/* Listens on path, mode 0600 from its first moment; an old socket file is
 * replaced. Close-on-exec and non-blocking. The descriptor or -errno. */
int socket_listen(const char *path, int type);
/* Connects, blocking. The descriptor (close-on-exec) or -errno. */
int socket_connect(const char *path, int type);

#endif
