/* SPDX-License-Identifier: MIT
 * One PV attachment: its queues, their rings, and its client of the coherency
 * layer. Loop thread only. */
#ifndef VBDD_DISK_VBD_H
#define VBDD_DISK_VBD_H

#include "backend/disk/flush.h"
#include "backend/disk/persistent.h"
#include "backend/disk/worker.h"
#include "backend/disk/xentop.h"
#include "common/blkif/ring.h"
#include "common/blkif/validate.h"

/* A request from the ring until its answer. */
struct ring_request {
    struct coherency_request request;
    struct blkif_io io;
    struct queue *queue;
    struct ring_request *next; /* in the free list or the completed list */
    void *data;                /* pool buffer or NULL; io.nr_sectors */
    struct blkif_wire_segment *indirect; /* pool page or NULL: the private
                                            copy of the descriptors */
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
    struct message_queue_stats stats; /* what is counted; the rest on demand */
};

enum pause_state {
    PAUSE_NONE,     /* the vbd is served */
    PAUSE_DRAINING, /* nothing more is taken; what was taken ends */
    PAUSE_FLUSHING,
    PAUSE_DONE,     /* with outcome */
};

enum { PAUSE_ASKERS = 4 };

struct pause {
    enum pause_state state;
    int outcome;
    struct disk_flush flush;
    uint32_t tags[PAUSE_ASKERS]; /* of those who wait for the outcome */
    unsigned nr_tags;
};

struct vbd {
    struct vbd *next;
    struct worker *worker;
    uint32_t number;           /* the supervisor's */
    uint32_t domid;
    struct coherency_client *client;
    struct blkif_limits limits;
    enum message_grants grants;
    struct persistent *persistent; /* NULL unless grants says so */
    struct pause pause;
    unsigned turn;             /* the queue that is looked at first */
    unsigned nr_queues;
    struct queue queues[BLKIF_MAX_QUEUES];
    struct xentop xentop;      /* what is counted for xentop */
    bool is_broken;            /* the ring lied: nothing more is taken */
    bool is_closing, is_idle;  /* nothing is answered; nothing runs */
    bool is_held;              /* hold.c ends it, not a disconnect */
    bool is_write_through;     /* its client was (C8), when it was closed */
    int hold_fd;               /* its record, or -1 */
    uint32_t disconnect_tag;
};

/* Maps, binds, opens the client; all or nothing. Takes over hold_fd (-1: there
 * is none), also when it fails. 0 or -errno with a sentence in reason. */
int vbd_connect(struct worker *worker, uint32_t number,
                const struct message_connect *connect, int hold_fd,
                char *reason, unsigned reason_size);
struct vbd *vbd_find(struct worker *worker, uint32_t number);
/* Takes nothing more; when what runs has ended, gives everything back and
 * answers the supervisor with tag. */
void vbd_disconnect(struct vbd *vbd, uint32_t tag);
/* True while the ring is served: neither broken, nor closing, nor held, nor
 * paused. */
bool vbd_is_served(const struct vbd *vbd);
/* Unmaps, unbinds. For whoever has taken it off the worker's list, when
 * nothing of it runs. */
void vbd_free(struct vbd *vbd);
/* For whoever closes the client, as that says so. */
void vbd_idle(void *context);
/* Frees the vbds whose disconnect has come to its end. */
void vbd_finish_disconnects(struct worker *worker);
/* The front end broke the protocol: nothing more is taken from it. */
void vbd_break(struct vbd *vbd, const char *how);
/* What is not answered yet of what was taken from the queue. */
uint32_t queue_in_flight(const struct queue *queue);
/* Is all answered that was taken? In fail-stop a FLUSH or BARRIER never is
 * (C8), and does not count. */
bool vbd_is_drained(const struct vbd *vbd);
void vbd_fill_stats(const struct vbd *vbd, struct message_vbd_stats *stats);
/* Gives back pages that are kept mapped and have been idle since the last
 * call; true while any vbd has such pages. */
bool vbd_trim_all(struct worker *worker);

/* pause.c: message.h says what they are for. A pause is answered with its tag
 * when its outcome is known; returns -errno if it will not be. */
int vbd_pause(struct vbd *vbd, uint32_t tag);
void vbd_resume(struct vbd *vbd);
/* Goes on with the pauses whose vbd is drained by now. */
void vbd_continue_pauses(struct worker *worker);
/* For whoever ends it: those who wait for its outcome are told error. */
void vbd_end_pause(struct vbd *vbd, int error);

/* hold.c: message_standing. */

/* A record that says where the rings stand must not be there while they are
 * served. 0 or -errno. */
int hold_unseal(int hold_fd);
/* Takes nothing more from any ring; once all is drained the records are
 * written and the worker ends. tag: of the message to be answered then. */
int worker_hold(struct worker *worker, uint32_t tag);
/* Goes on with that as far as is possible now. */
void worker_continue_hold(struct worker *worker);
/* For a supervisor who is not told, or does not live to make use of it: the
 * target's lease says from here on that its disk was in fail-stop (C8). */
void worker_note_fail_stop(const struct worker *worker);
/* All is durable, or, in fail-stop, will never be: writes the records of what
 * is held, and lets go of the rings. */
void worker_finish_hold(struct worker *worker, bool is_fail_stopped);

/* ringio.c */

/* Is it one of those that fail-stop holds? */
bool ring_request_is_flush(const struct ring_request *r);

/* The segments that r is executed with: ours, never the guest's. */
static inline const struct blkif_wire_segment *
ring_request_segments(const struct ring_request *r)
{
    return r->indirect ? r->indirect : r->io.segments;
}

/* True when it has requests and may not take one, for want of budget. */
bool vbd_waits_for_budget(const struct vbd *vbd);
/* Takes and starts at most a bounded number of requests, however many queues
 * it has; returns how many. */
unsigned vbd_take(struct vbd *vbd);
/* Answers everything in worker->completed: one grant copy, one push and at
 * most one notify per queue. */
void worker_answer(struct worker *worker);
/* Back to the free list, without an answer (the ring may be gone). */
void ring_request_free(struct ring_request *r);

#endif
