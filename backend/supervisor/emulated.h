/* SPDX-License-Identifier: MIT
 * A disk's emulated clients as its worker tells of them (C11): QEMU's IDE
 * disks and whoever else comes through the door. What is said is kept for
 * people; no policy depends on it. Loop thread only. */
#ifndef VBDD_SUPERVISOR_EMULATED_H
#define VBDD_SUPERVISOR_EMULATED_H

#include <stdint.h>
#include <time.h>

#include "backend/control/message.h"
#include "common/host/log.h"

struct disk;

enum { EMULATED_PROCESS_BYTES = 16 /* as the kernel keeps it */ };

struct emulated {
    struct emulated_client {
        uint32_t number; /* the worker's */
        char process[EMULATED_PROCESS_BYTES]; /* printable; "" */
    } clients[MESSAGE_NBD_CLIENTS];
    unsigned nr_clients; /* negotiated, as far as was told */
    time_t handed_over_at; /* the last time; 0: never */
    time_t last_at;        /* and whatever happened last */
    char last[MESSAGE_TEXT_BYTES + EMULATED_PROCESS_BYTES + 4];
    struct log_limit limit; /* for what clients can cause */
};

/* An event of a worker, whose kind is one: logs and keeps it. Numbers and
 * process ids are believed in nothing but what is shown. */
void emulated_take_event(struct disk *disk, const struct message *message);
/* An answer of the worker: who is there, for certain. */
void emulated_take_stats(struct emulated *emulated,
                         const struct message_nbd_stats *stats);
/* The worker of the disk with this number has gone, and its clients with it. */
void emulated_forget(struct emulated *emulated, uint32_t disk);
/* The process of a client, or "". */
const char *emulated_process(const struct emulated *emulated,
                             uint32_t number);

#endif
