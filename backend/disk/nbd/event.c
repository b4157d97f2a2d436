/* SPDX-License-Identifier: MIT
 * What becomes of the emulated path (C11), told to the supervisor. However
 * often clients come and go it hears of so many events a second, and then how
 * many it has not heard of; that the disk was handed over it always hears. Nor
 * are clients kept waiting by a supervisor that does not listen. */
#include <stdio.h>

#include "backend/disk/nbd/private.h"

enum { EVENTS_A_SECOND = 16 };

static bool may_tell(struct nbd_server *server)
{
    uint64_t now_us = host_now_us();

    if (now_us - server->telling_since_us >= 1000000) {
        server->telling_since_us = now_us;
        server->told = 0;
    }
    return server->told++ < EVENTS_A_SECOND &&
           worker_is_heard(server->worker);
}

static const char *sentence(enum message_nbd_kind kind)
{
    switch (kind) {
    case MESSAGE_NBD_CONNECTED:
        return "has connected";
    case MESSAGE_NBD_HANDOVER:
        return "has flushed and left: the disk is handed over";
    case MESSAGE_NBD_LEFT:
        return "has left";
    case MESSAGE_NBD_LOST:
        return "was lost";
    case MESSAGE_NBD_REFUSED:
        return "was refused: the disk has been handed over";
    }
    return "?";
}

/* True when this one must not be missed: the first since a front end closed,
 * so that no client can make more of them. */
static bool count(struct nbd_server *server, enum message_nbd_kind kind)
{
    bool is_first = kind == MESSAGE_NBD_HANDOVER &&
                    !server->stats.was_handed_over;

    server->stats.handovers += kind == MESSAGE_NBD_HANDOVER;
    server->stats.lost += kind == MESSAGE_NBD_LOST;
    server->stats.refused += kind == MESSAGE_NBD_REFUSED;
    if (is_first)
        server->stats.was_handed_over = true;
    return is_first;
}

void nbd_tell(struct nbd_connection *connection, enum message_nbd_kind kind)
{
    struct nbd_server *server = connection->server;
    struct message message = { .type = MESSAGE_NBD_EVENT };
    int length;

    if (!count(server, kind) && !may_tell(server)) {
        server->untold++;
        return;
    }
    message.nbd_event.kind = kind;
    message.nbd_event.client = connection->number;
    message.nbd_event.pid = connection->pid;
    length = snprintf(message.text, sizeof message.text,
                      "emulated client %u (pid %d) %s", connection->number,
                      connection->pid, sentence(kind));
    if (server->untold > 0)
        snprintf(message.text + length, sizeof message.text - (size_t)length,
                 "; %u events before this one were not reported",
                 server->untold);
    server->untold = 0;
    worker_send(server->worker, &message, NULL, 0);
}
