/* SPDX-License-Identifier: MIT
 * Fixed-size binary messages with file descriptors over a SOCK_SEQPACKET unix
 * socket: the supervisor and its workers, the stand-in and its clients. */
#ifndef VBDD_HOST_PACKET_H
#define VBDD_HOST_PACKET_H

#include <stddef.h>

enum { PACKET_MAX_FDS = 8 };

/* Sends one message whole, fds (borrowed) with it; 0 or -errno. */
int packet_send(int socket, const void *data, size_t bytes, const int *fds,
                unsigned nr_fds);
/* Receives one message of exactly `bytes` bytes. At most max_fds descriptors
 * are handed over in fds (close-on-exec), *nr_fds says how many; any others
 * are closed. Returns 0; -EPIPE when the peer has closed; -EPROTO when the
 * message has another size (its descriptors are closed); or -errno. */
int packet_receive(int socket, void *data, size_t bytes, int *fds,
                   unsigned max_fds, unsigned *nr_fds);

#endif
