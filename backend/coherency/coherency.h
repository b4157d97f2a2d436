/* SPDX-License-Identifier: MIT
 * The only door to a disk. Every client (a vbd's rings, an NBD connection)
 * hands its requests in here; here they are ordered (C4), flushes are given
 * their meaning (C5-C8), read-only is enforced (C9) and sub-block writes are
 * merged (C13). It knows neither rings nor NBD, nor what an engine does
 * inside. Worker's loop thread only; no locks.
 *
 * Life of a request: the caller fills in the public part, keeps the request
 * and its data valid and calls coherency_submit(); done() is called exactly
 * once, from coherency_submit() itself (refusals), from engine reap, from
 * coherency_timer() or from coherency_client_close(). done() may submit again;
 * what it submits begins when it has returned. The caller must call engine
 * commit and reap: the layer only submits.
 *
 * The states of a request and the only transitions (docs/COHERENCY.md):
 *   NEW -> WAITING (its turn behind barriers, a range) -> RUNNING -> DONE
 *   NEW -> RUNNING|FLUSHING, NEW -> DONE (refused)
 *   WAITING -> FLUSHING -> RUNNING|DONE (FLUSH and BARRIER)
 *   RUNNING -> FLUSHING -> DONE (durable without an engine's FUA)
 *   WAITING|FLUSHING -> DONE (client closed, fail-stop, honest time-out)
 *   any of a FLUSH or BARRIER -> HELD (fail-stop, C8) -> DONE (closed) */
#ifndef VBDD_COHERENCY_H
#define VBDD_COHERENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/engine/engine.h"

struct coherency;        /* one disk */
struct coherency_client; /* one vbd or one NBD connection */

enum coherency_op {
    COHERENCY_READ,
    COHERENCY_WRITE,
    COHERENCY_FLUSH,   /* empty: C5; with data: C6 without holding writes */
    COHERENCY_BARRIER, /* C6; with or without data */
    COHERENCY_DISCARD, /* C10 */
    COHERENCY_ZERO,    /* C10: reads as zeros from then on */
};
enum { COHERENCY_OP_COUNT = 6 };

enum {
    COHERENCY_FUA = 1u << 0,     /* WRITE, DISCARD, ZERO (C7) */
    COHERENCY_SECURE = 1u << 1,  /* DISCARD; durable as with FUA */
    COHERENCY_NO_HOLE = 1u << 2, /* ZERO: as ENGINE_NO_HOLE */
    COHERENCY_FAST = 1u << 3,    /* ZERO: as ENGINE_FAST */
};

struct coherency_request {
    enum coherency_op op;
    unsigned flags;
    uint64_t offset_bytes; /* any byte: C13 merges what is not whole blocks */
    uint64_t length_bytes; /* 0 only for FLUSH and BARRIER */
    /* length_bytes; borrowed until done(); NULL for DISCARD, ZERO and empty
     * requests. The whole blocks in it go straight to and from the engine,
     * from the first on whose memory is aligned to memory_align; what lies
     * before and behind is copied. Data that is congruent to offset_bytes
     * modulo memory_align has such a block at the first multiple of both;
     * data that has none within one memory_align is copied whole. */
    void *data;
    /* error: 0; -EROFS (C9); -EINVAL (bad range; a secure discard that is not
     * whole blocks); -EOPNOTSUPP (discard or secure discard where there is
     * none; a ZERO that cannot be FAST); -ENOMEM (no bounce buffer); -EIO and
     * other -errno of the engine; -EIO in fail-stop; -ECANCELED
     * when the client was closed before it was answered: then nothing may be
     * said to the peer. */
    void (*done)(struct coherency_request *request, int error);
    void *owner; /* the caller's */
    /* The layer's own; see request.h inside. */
    uint64_t coherency_private[64];
};

/* What the layer needs of the world; tests put a simulated one here. */
struct coherency_environment {
    void *context;
    uint64_t (*now_us)(void *context);
    /* Ask for coherency_timer() at at_us or later; replaces the earlier wish;
     * 0: none wanted. */
    void (*set_timer)(void *context, uint64_t at_us);
    /* The disk has fail-stopped (C8): publish and log. sentence says why.
     * Not called for start_fail_stopped. */
    void (*fail_stop)(void *context, const char *sentence);
    /* A line for the log; already rate-limited. */
    void (*warn)(void *context, const char *sentence);
};

struct coherency_config {
    bool read_only;
    /* C8: how long a transient flush failure is retried; UINT64_MAX is
     * `forever`. Only where info.flush_retry. */
    uint64_t flush_retry_us;
    /* An honest client (NBD) gets EIO for a flush that has been failing for
     * this long, however long the retries go on. */
    uint64_t honest_flush_us;
    bool start_fail_stopped; /* the state survives restarts (C8) */
};

enum coherency_client_kind {
    COHERENCY_CLIENT_RING, /* an empty FLUSH or BARRIER is answered OK or not
                              at all (C8) */
    COHERENCY_CLIENT_HONEST, /* failures are reported as they are (NBD) */
};

struct coherency_stats {
    uint64_t requests[COHERENCY_OP_COUNT], errors[COHERENCY_OP_COUNT];
    /* Answered OK: */
    uint64_t bytes_read, bytes_written, bytes_discarded, bytes_zeroed;
    uint64_t waited;         /* requests that had to wait for a range */
    uint64_t merged;         /* read-modify-writes (C13) */
    uint64_t bytes_copied;   /* of the callers' data, see there */
    uint64_t engine_flushes; /* started; flush requests may share one (C5) */
    uint64_t flush_failures;
    uint64_t tree_steps;     /* nodes visited, for the log n promise (C4) */
    uint32_t in_flight;      /* accepted and not yet answered, HELD included */
    bool is_fail_stopped;
};

/* engine and environment are borrowed until close. Returns 0 or -ENOMEM. */
int coherency_open(struct engine *engine, const struct coherency_config *config,
                   const struct coherency_environment *environment,
                   struct coherency **disk);
/* All clients must be closed and idle. NULL is allowed. */
void coherency_close(struct coherency *disk);

int coherency_client_open(struct coherency *disk,
                          enum coherency_client_kind kind, bool read_only,
                          struct coherency_client **client);
/* Nothing new is taken. Requests that have not reached the engine and held
 * flushes are done with -ECANCELED at once; what is at the engine runs to its
 * end, and its request is done with its own result, or with -ECANCELED if
 * that was not its last part. Then idle(context) is called (from here or
 * later, once; idle may be NULL) and the client is gone; idle() of the last
 * client may close the disk. */
void coherency_client_close(struct coherency_client *client,
                            void (*idle)(void *context), void *context);

void coherency_submit(struct coherency_client *client,
                      struct coherency_request *request);

/* C8: a FLUSH or BARRIER of this client is going to be answered with a failure
 * of the caller's own (bad grant, refused by the validator). From here until
 * close the client is served write-through: every write, also one that is
 * running now, is durable before it is done. The caller then submits an empty
 * FLUSH, and sends its failing answer only when that is done, so that what the
 * client had been told is written is durable too. (Where the layer itself
 * fails a FLUSH or BARRIER with data, it does all this before done().) */
void coherency_client_set_write_through(struct coherency_client *client);
bool coherency_client_is_write_through(const struct coherency_client *client);

/* The environment's timer has run out. */
void coherency_timer(struct coherency *disk);

/* Looks at the target's size again, see engine_resize(). What has grown is
 * there for every client at once. */
int coherency_resize(struct coherency *disk);

/* As engine_extent(); what lies behind the end is no part of the answer.
 * -EINVAL: all of it does, or it is empty; -EIO in fail-stop. */
int coherency_extent(struct coherency *disk, uint64_t offset_bytes,
                     uint64_t *length_bytes, bool *is_hole);

const struct engine_info *coherency_info(const struct coherency *disk);
/* C8; for good. Nothing that comes later gets as far as its data. */
bool coherency_is_fail_stopped(const struct coherency *disk);
void coherency_get_stats(const struct coherency *disk,
                         struct coherency_stats *stats);

/* Bugs that the test binary switches on to see them caught; the functions
 * exist only in libcoherency-test.a (built with -DCOHERENCY_BUGS). */
enum coherency_bug {
    COHERENCY_BUG_NONE,
    COHERENCY_BUG_JOIN_RUNNING_FLUSH,   /* C5 */
    COHERENCY_BUG_FLUSH_PER_CLIENT,     /* C5 */
    COHERENCY_BUG_ACK_BEFORE_WRITE,     /* C2 */
    COHERENCY_BUG_BARRIER_NO_DRAIN,     /* C6 */
    COHERENCY_BUG_LOST_WAITER,          /* C4 */
    COHERENCY_BUG_READ_OVERTAKES,       /* C3, C4 */
    COHERENCY_BUG_WRONG_MERGE,          /* C13 */
    COHERENCY_BUG_NO_WRITE_THROUGH,     /* C8 */
    COHERENCY_BUG_BARRIER_NOT_DURABLE,  /* C6 */
    COHERENCY_BUG_IGNORE_FUA,           /* C7 */
    COHERENCY_BUG_BARRIER_NO_GATE,      /* C6 */
    COHERENCY_BUG_EARLY_RELEASE,        /* C4 */
    COHERENCY_BUG_FLUSH_FAILURE_IGNORED, /* C8 */
    COHERENCY_BUG_PART_ERROR_LOST,      /* C15: what a completion means */
    COHERENCY_BUG_ZERO_NO_MERGE,        /* C13 */
    COHERENCY_BUG_ZERO_IS_DURABLE,      /* C7 */
    COHERENCY_BUG_EDGE_UNLOCKED,        /* C4, C13 */
    COHERENCY_BUG_EDGE_READ_EARLY,      /* C4, C13 */
    COHERENCY_BUG_STALE_EDGE,           /* C13 */
    COHERENCY_BUG_COUNT
};
void coherency_set_bug(enum coherency_bug bug);
/* One word with hyphens, and what is wrong then. */
const char *coherency_bug_name(enum coherency_bug bug);
const char *coherency_bug_sentence(enum coherency_bug bug);
/* COHERENCY_BUG_COUNT: no bug has that name. */
enum coherency_bug coherency_find_bug(const char *name);

#endif
