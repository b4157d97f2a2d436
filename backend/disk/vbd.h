/* SPDX-License-Identifier: MIT
 * One PV attachment: its queues, their rings, and its client of the coherency
 * layer. Loop thread only. */
#ifndef VBDD_DISK_VBD_H
#define VBDD_DISK_VBD_H

#include "backend/disk/worker.h"
#include "common/blkif/ring.h"
#include "common/blkif/validate.h"

/* A request from the ring until its answer. */
struct ring_request {
    struct coherency_request request;
    struct blkif_io io;
    struct queue *queue;
    struct ring_request *next; /* in the free list or the completed list */
    void *data;                /* pool buffer or NULL; io.nr_sectors */
    uint64_t taken_us;
    int error;                 /* the outcome, once done */
    bool is_refused;           /* error was decided before the flush that C8
                                  wants in front of a failed FLUSH's answer */
};

struct queue {
    struct vbd *vbd;
    struct back_ring ring;
    void *pages;               /* the mapped ring */
    unsigned nr_pages;
    uint32_t port;             /* local */
    struct ring_request *requests, *free_requests; /* ring.slots of them */
    bool has_answers;          /* put, not yet pushed */
};

struct vbd {
    struct vbd *next;
    struct worker *worker;
    uint32_t number;           /* the supervisor's */
    uint32_t domid;
    struct coherency_client *client;
    struct blkif_limits limits;
    unsigned nr_queues;
    struct queue queues[BLKIF_MAX_QUEUES];
    bool is_broken;            /* the ring lied: nothing more is taken */
    bool is_closing, is_idle;  /* disconnect asked for; nothing runs */
    uint32_t disconnect_tag;
};

/* Maps, binds, opens the client; all or nothing. 0 or -errno with a sentence
 * in reason. */
int vbd_connect(struct worker *worker, uint32_t number,
                const struct message_connect *connect, char *reason,
                unsigned reason_size);
struct vbd *vbd_find(struct worker *worker, uint32_t number);
/* Takes nothing more; when what runs has ended, gives everything back and
 * answers the supervisor with tag. */
void vbd_disconnect(struct vbd *vbd, uint32_t tag);
/* Frees the vbds whose disconnect has come to its end. */
void vbd_finish_disconnects(struct worker *worker);
/* The front end broke the protocol: nothing more is taken from it. */
void vbd_break(struct vbd *vbd, const char *how);

/* ringio.c */

/* How many requests may be taken without going over the budget, whatever they
 * ask for. */
unsigned worker_affordable(const struct worker *worker);

/* Takes and starts at most a bounded number of requests; returns how many. */
unsigned queue_take(struct queue *queue);
/* Answers everything in worker->completed: one grant copy, one push and at
 * most one notify per queue. */
void worker_answer(struct worker *worker);
/* Back to the free list, without an answer (the ring may be gone). */
void ring_request_free(struct ring_request *r);

#endif
