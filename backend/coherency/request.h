/* SPDX-License-Identifier: MIT
 * The inside of the coherency layer: a request, a client, a disk, and who
 * moves a request on. Private to backend/coherency.
 *
 * A request does one step after the other (enum request_step). At any time
 * it is in exactly one place:
 *   - ready: in disk->ready, about to be advanced;
 *   - waiting: for its turn (in client->writes), for a range (in that range's
 *     waiters) or for the next engine flush (in disk->flush.waiting);
 *   - at the engine: with an I/O of its own, or in disk->flush.running;
 *   - held (C8): nowhere but in client->requests;
 *   - done: the caller's again.
 * request_advance() looks each condition up anew, so waking a request that
 * waits is never wrong, only late or early; what has gone to the engine is
 * woken by its completion alone. */
#ifndef VBDD_COHERENCY_REQUEST_H
#define VBDD_COHERENCY_REQUEST_H

#include <assert.h>

#include "backend/coherency/bug.h"
#include "backend/coherency/coherency.h"
#include "backend/coherency/list.h"
#include "backend/coherency/range.h"

/* What is to be done next; each kind of request skips what it has no use
 * for. */
enum request_step {
    STEP_TURN,    /* earlier writes and barriers of the client (C6) */
    STEP_RANGE,   /* earlier requests on the same blocks (C4) */
    STEP_FLUSH,   /* FLUSH, BARRIER: an engine flush (C5) */
    STEP_IO,      /* the data, part after part */
    STEP_DURABLE, /* an engine flush for what was written without FUA (C7) */
    STEP_DONE,
};

/* What one engine request moves: blocks [start, end) of the disk, straight
 * between them and the caller's memory or through the bounce buffer. */
struct part {
    uint64_t start_bytes, end_bytes;
    bool is_direct;
};

/* The steps of a part that goes through the bounce buffer: the blocks that a
 * write covers but half are read first (C13). */
enum io_phase { PHASE_FIRST_BLOCK, PHASE_LAST_BLOCK, PHASE_PART };

struct request {
    struct coherency_client *client;
    struct list all;   /* in client->requests */
    struct list write; /* writes and barriers: in client->writes */
    struct list place; /* where it waits, see above */
    struct range range; /* of whole blocks; sequence is valid for all */
    enum request_step step;
    int error;
    bool is_at_engine;
    bool has_waited;
    bool is_volatile; /* has written without FUA */
    uint64_t waiting_since_us; /* for a flush; 0: it does not */

    uint64_t next_bytes; /* on the disk: where the next part begins */
    void *bounce; /* a buffer for any part that needs one, or NULL */
    /* Of the part that is under way, undefined while none is. */
    struct engine_request io;
    struct part part;
    enum io_phase phase;
};
_Static_assert(sizeof(struct request) <=
                   sizeof(((struct coherency_request *)0)->coherency_private),
               "coherency_private is too small");

struct coherency_client {
    struct coherency *disk;
    struct list link; /* in disk->clients */
    enum coherency_client_kind kind;
    bool is_read_only, is_write_through, is_closing;
    struct list requests; /* all that are not done, in order of acceptance */
    /* WRITE, DISCARD, ZERO, BARRIER, FLUSH with data: until they are done. */
    struct list writes;
    uint64_t gate_sequence; /* of the oldest BARRIER among them, or no_gate */
    void (*idle)(void *context);
    void *idle_context;
#ifdef COHERENCY_BUGS
    bool has_written; /* since its last flush */
#endif
};
static const uint64_t no_gate = UINT64_MAX;

struct flush {
    struct list waiting, running;
    bool is_at_engine;
    uint64_t failing_since_us; /* 0: the last one succeeded */
    uint64_t delay_us;         /* before the retry after the next one */
    uint64_t retry_at_us;      /* 0: no retry is due */
    struct engine_request io;
};

struct coherency {
    struct engine *engine;
    const struct coherency_environment *environment;
    struct coherency_config config;
    struct list clients;
    unsigned closing_clients;
    struct range_locks ranges;
    struct flush flush;
    struct list ready;
    bool is_running; /* somebody is emptying `ready` */
    bool is_fail_stopped;
    uint64_t last_sequence;
    uint64_t timer_at_us; /* asked for; 0: none */
    struct coherency_stats stats;
};

static inline struct coherency_request *
request_public(const struct request *request)
{
    return LIST_ITEM(request, struct coherency_request, coherency_private);
}

static inline struct coherency *request_disk(const struct request *request)
{
    return request->client->disk;
}

static inline enum coherency_op request_op(const struct request *request)
{
    return request_public(request)->op;
}

static inline bool request_is_flush(const struct request *request)
{
    return request_op(request) == COHERENCY_FLUSH ||
           request_op(request) == COHERENCY_BARRIER;
}

/* FLUSH and BARRIER with data: they write behind a drain and a flush. */
static inline bool request_has_data(const struct request *request)
{
    return request_public(request)->length_bytes > 0;
}

/* --- request.c: from step to step --- */
void request_advance(struct request *request);
/* Its own I/O has failed or it was refused: what remains is to say so, for a
 * FLUSH or BARRIER behind write-through and one more flush (C8). */
void request_fail(struct request *request, int error);
/* The engine flush that it waited for has succeeded. */
void request_flushed(struct request *request);
/* It has no more to do to its blocks; nothing if they are released. */
void request_release_range(struct request *request);
/* Puts it on the ready list; not for what is at the engine. */
void request_wake(struct request *request);
bool request_must_be_durable(const struct request *request);
/* Advances what is ready until nothing is. Every entry into the layer ends
 * with this; in an inner call it leaves the work to the outer one, so that no
 * chain of requests becomes a chain of stack frames. The disk may be gone
 * when it returns. */
void disk_run(struct coherency *disk);
/* Wakes all requests of all clients that are not at the engine. */
void disk_wake_all(struct coherency *disk);
void disk_set_timer(struct coherency *disk, uint64_t at_us);

/* --- client.c: turns and life --- */
void client_accept_write(struct request *request);
bool client_has_turn(const struct request *request);
/* The request is done: it holds up nobody any more. */
void client_leave_writes(struct request *request);
void client_wake_all(struct coherency_client *client);
/* Calls idle() of those closed clients whose last request is done. */
void clients_retire(struct coherency *disk);

/* --- flush.c: epochs --- */
void flush_open(struct coherency *disk);
void flush_join(struct request *request);
void flush_timer(struct coherency *disk);

/* --- part.c, merge.c, discard.c: what goes to the engine --- */
/* Where its blocks begin and end; sets request->range. Refuses a DISCARD or
 * ZERO that the engine cannot do. Returns 0 or -errno. */
int part_prepare(struct request *request);
/* Starts the next part and returns true; false: it has failed. */
bool part_start(struct request *request);
void part_submit(struct request *request, enum engine_op op,
                 uint64_t offset_bytes, uint64_t length_bytes, void *data);
/* A buffer for this part, and for those after it. 0 or -ENOMEM. */
int bounce_open(struct request *request);
void bounce_close(struct request *request);
void bounce_start(struct request *request);
/* An engine request of a bounced part has succeeded. Returns whether the part
 * is complete. */
bool bounce_done(struct request *request);
int discard_prepare(struct request *request);
/* Sets request->part. */
void discard_next_part(struct request *request);

#ifdef COHERENCY_BUGS
void request_answer_early(struct request *request);
#endif

#endif
