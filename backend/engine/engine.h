/* SPDX-License-Identifier: MIT
 * What lies below the coherency layer: something that stores blocks.
 * Worker's loop thread only; an engine may own one helper thread, which must
 * not call back (results come out of engine_reap()).
 *
 * Life of an engine: open -> { submit* -> commit -> reap* }* -> close.
 * Life of a request: the caller fills it in and keeps it and its data valid;
 * submit() queues it; done() is called exactly once, always from within
 * reap(), never from submit() or commit(); then the caller owns it again and
 * may submit from within done(). Requests may complete in any order and the
 * engine keeps no order between them: ordering is the coherency layer's. */
#ifndef VBDD_ENGINE_H
#define VBDD_ENGINE_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;

/* ZERO: the blocks read as zeros from then on. Every engine that can write has
 * it. Like DISCARD it is made durable by a FLUSH alone. */
enum engine_op {
    ENGINE_READ,
    ENGINE_WRITE,
    ENGINE_FLUSH,
    ENGINE_DISCARD,
    ENGINE_ZERO,
};
enum { ENGINE_OP_COUNT = 5 };

enum {
    ENGINE_FUA = 1u << 0,    /* WRITE: durable before done() (C7) */
    ENGINE_SECURE = 1u << 1, /* DISCARD: secure erase; only if can_secure */
    ENGINE_NO_HOLE = 1u << 2, /* ZERO: the blocks stay allocated; without it
                                 the target may give them back */
    /* ZERO: -EOPNOTSUPP, at once, rather than as slowly as a WRITE of zeros:
     * always without can_zero_fast, and with it where just this one cannot be
     * fast (NO_HOLE). */
    ENGINE_FAST = 1u << 3,
};

/* The most of one DISCARD or ZERO, so that none takes for ever (C4). */
enum { ENGINE_LONG_BYTES = 64 << 20 };

struct engine_request {
    enum engine_op op;
    unsigned flags;
    /* All but FLUSH: multiples of info.block_bytes, within
     * info.size_bytes. FLUSH: both 0. */
    uint64_t offset_bytes;
    uint32_t length_bytes; /* at most info.max_bytes; DISCARD and ZERO:
                              ENGINE_LONG_BYTES */
    void *data;            /* borrowed until done(); aligned to
                              info.memory_align */
    /* error: 0 or -errno. A short read or write never shows: the engine goes
     * on with the rest, or fails the request as a whole. */
    void (*done)(struct engine_request *request, int error);
    /* The engine's own, while the request is with it. */
    struct engine_request *next;
    uint64_t engine_private[16];
};

/* Settled at open, except for size_bytes: engine_resize() may make it more. */
struct engine_info {
    uint64_t size_bytes;     /* a multiple of block_bytes */
    uint32_t block_bytes;    /* smallest unit of I/O: 512 or 4096 */
    uint32_t physical_bytes; /* what a write costs no read for; >= block */
    uint32_t memory_align;   /* of data; a power of two, at most 4096 */
    uint32_t max_bytes;      /* of one READ or WRITE; a multiple of 4096 */
    uint32_t discard_granularity_bytes, discard_alignment_bytes;
    bool read_only;
    bool can_fua, can_discard, can_secure;
    bool can_zero_fast; /* ZERO with FAST may succeed */
    /* C8: a failed flush may be tried again with meaning (O_DIRECT on a block
     * device: the data is in the device); false: files, buffered I/O. */
    bool flush_retry;
};

struct engine_config {
    int fd;              /* borrowed I/O descriptor of the target, or -1 */
    bool read_only;
    bool is_direct;      /* fd was opened with O_DIRECT */
    uint64_t size_bytes; /* null, mem: the disk's size; aio: 0 = the fd's */
    uint32_t block_bytes; /* null, mem: 0 = 512 */
    unsigned queue_depth; /* requests expected in flight; 0 = 128 */
};

struct engine_stats {
    uint64_t requests[ENGINE_OP_COUNT], errors[ENGINE_OP_COUNT];
    uint64_t system_calls; /* made by this engine, not by the one below,
                              for requests and their completions */
};

struct engine_ops {
    const char *name;
    /* parameters: what followed the name in the specification, "" if nothing.
     * next: the engine below, already open, owned from here on in success and
     * failure; NULL for an engine that stores. On failure returns -errno and
     * writes a sentence into reason (reason_size bytes). */
    int (*open)(const struct engine_config *config, const char *parameters,
                struct engine *next, struct engine **engine, char *reason,
                unsigned reason_size);
    /* Every request must have completed. NULL is allowed. Closes next too. */
    void (*close)(struct engine *engine);
    void (*submit)(struct engine *engine, struct engine_request *request);
    /* Hands all that was queued to the target, in one system call where there
     * are any. */
    void (*commit)(struct engine *engine);
    /* Calls done() of at most max (1 or more) completed requests; returns how
     * many. If that is max there may be more: reap again before waiting for
     * poll_fd. Once it returns 0, poll_fd is quiet until something completes
     * (at most it wakes once for nothing). */
    unsigned (*reap)(struct engine *engine, unsigned max);
    /* Waits for at least `least` completions or timeout_us; then reap(). May
     * return early. NULL: commit() leaves nothing to wait for. */
    void (*wait)(struct engine *engine, unsigned least, unsigned timeout_us);
    /* Readable when reap() may have work that commit() did not leave behind;
     * acknowledged by reap() itself. -1: reap() after each commit() gets
     * all. */
    int (*poll_fd)(struct engine *engine);
    /* See engine_resize(). NULL: the size never changes. */
    int (*resize)(struct engine *engine);
    /* See engine_extent(). NULL: all is data. */
    int (*extent)(struct engine *engine, uint64_t offset_bytes,
                  uint64_t *length_bytes, bool *is_hole);
};

/* Every engine starts with this. */
struct engine {
    const struct engine_ops *ops;
    struct engine_info info;
    struct engine_stats stats;
    struct engine *next; /* below a stackable one, else NULL */
};

/* Opens a stack. specification: names from top to bottom separated by '/',
 * each with optional parameters after ':' ("delay:read=2ms/aio"). The last
 * one stores (null, mem, aio), those above it are stackable (error, delay,
 * log, cache). Returns 0 or -errno with a sentence in reason. */
int engine_open(const char *specification, const struct engine_config *config,
                struct engine **engine, char *reason, unsigned reason_size);
void engine_close(struct engine *engine);

/* Looks at the target's size again, also while requests are in flight. Grown:
 * info.size_bytes is the new size, of all levels, and 0 is returned; the same:
 * 0; smaller: -EINVAL, and info stays as it is (C14: a disk does not shrink
 * while attached; what lies behind the target's end fails with -EIO).
 * -EOPNOTSUPP: this disk has the size it was given. Other -errno: the target
 * could not be asked. */
static inline int engine_resize(struct engine *engine)
{
    return engine->ops->resize ? engine->ops->resize(engine) : -EOPNOTSUPP;
}

/* What is at offset_bytes (any byte below the size): *is_hole says whether
 * nothing is stored there and it reads as zeros (room may be reserved all the
 * same), *length_bytes (in: the most that is of interest, > 0; out: > 0, not
 * more) how far that holds. Where it cannot be told there is data. A snapshot
 * that may be out of date with requests in flight, never with what is complete.
 * Does not wait for a device; one system call or two. 0 or -errno. */
static inline int engine_extent(struct engine *engine, uint64_t offset_bytes,
                                uint64_t *length_bytes, bool *is_hole)
{
    *is_hole = false;
    return engine->ops->extent ? engine->ops->extent(engine, offset_bytes,
                                                     length_bytes, is_hole)
                               : 0;
}

static inline void engine_submit(struct engine *engine,
                                 struct engine_request *request)
{
    engine->stats.requests[request->op]++;
    engine->ops->submit(engine, request);
}

#endif
