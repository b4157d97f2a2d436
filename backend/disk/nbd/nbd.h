/* SPDX-License-Identifier: MIT
 * The emulated path's door to a disk: an NBD server on one unix socket, for
 * QEMU's IDE and whoever else (COHERENCY.md). Each connection is an honest
 * client of the coherency layer exactly as a ring is a client. Loop thread
 * only.
 *
 * Memory: rings share the byte budget; a connection has an allowance of its
 * own, a sixteenth of that (at least NBD_MIN_ALLOWANCE_BYTES), and there are
 * at most NBD_MAX_CONNECTIONS. Reads and writes go in pieces of at most a
 * quarter of the allowance (and 512 KiB); a connection that is out of allowance is not read
 * from. So one that stalls, in the middle of a write or before an answer,
 * holds nothing that anybody else waits for. */
#ifndef VBDD_DISK_NBD_H
#define VBDD_DISK_NBD_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/disk/worker.h"

enum { NBD_MAX_CONNECTIONS = 16, NBD_MIN_ALLOWANCE_BYTES = 256 << 10 };

struct nbd_server;

/* On socket_fd (borrowed; listening already). 0 or -errno. In what follows a
 * NULL server is one without clients. */
int nbd_server_open(struct worker *worker, int socket_fd,
                    struct nbd_server **server);
/* Takes connections from here on: there is a supervisor to tell of them. */
void nbd_server_begin(struct nbd_server *server);
/* Takes no new connection; those that are there are read from no more, what
 * runs ends and is answered as far as the client takes it at once, and they
 * are closed. idle() is called once, from here or later, when none is left. */
void nbd_server_shut_down(struct nbd_server *server,
                          void (*idle)(void *context), void *context);
/* After idle(), or before anything was accepted. */
void nbd_server_close(struct nbd_server *server);

/* Part of each round of the loop: reads, answers; true when there is more to
 * do at once. Bounded work per connection and round. */
bool nbd_server_serve(struct nbd_server *server);
/* The loop has not asked the sockets before this round: those of busy clients
 * are tried. */
void nbd_server_look_again(struct nbd_server *server);
/* What is in flight at the disk on all connections; the loop's busy wait
 * counts it. */
unsigned nbd_server_outstanding(const struct nbd_server *server);
/* The last vbd has been disconnected: a handover is over, an emulated client
 * may come again (C11). */
void nbd_server_front_closed(struct nbd_server *server);
/* Before an earlier worker ended, the disk had been handed over. */
void nbd_server_hand_over(struct nbd_server *server);
bool nbd_server_was_handed_over(const struct nbd_server *server);

void nbd_server_fill_stats(const struct nbd_server *server,
                           struct message_nbd_stats *stats);

#endif
