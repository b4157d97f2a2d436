/* SPDX-License-Identifier: MIT
 * A way to the disk. All paths live in one loop of one thread; none of them
 * ever waits by itself but in open and close. What is wrong is said where it
 * is found. */
#ifndef VBDD_VBDVERIFY_PATH_H
#define VBDD_VBDVERIFY_PATH_H

#include <poll.h>

#include "tools/vbdverify/operation.h"

enum { SECTOR_BYTES = 512, PATH_NAME_BYTES = 16, PATH_FDS = 2 };

/* One operation at a time, and its data. */
struct slot {
    struct operation operation;
    struct path *path;
    unsigned index;    /* among its path's */
    unsigned number;   /* among all */
    uint8_t *data;
    bool is_setup;     /* before the history begins */
    struct slot *next; /* the loop's, or its path's while it has it */
};

struct path_kind {
    const char *name; /* "ring" */
    /* Fills in what the path is; what: the option's value. */
    bool (*open)(struct path *path, const char *what);
    /* Nothing is in flight, or the path is lost. Also after a failed open.
     * Nobody writes into the slots afterwards. */
    void (*close)(struct path *path);
    /* Memory for data. NULL: any that is aligned to pages will do. */
    void *(*alloc)(struct path *path, uint64_t nr_bytes);
    /* Queues the operation; path_done() for it comes from poll() alone, in any
     * order. */
    void (*submit)(struct path *path, struct slot *slot);
    /* Sends what is queued, takes what has come. fds[].revents say what is
     * ready. */
    void (*poll)(struct path *path);
    /* Sets fds[].events to what to wait for. NULL: they are always the
     * same. */
    void (*prepare)(struct path *path);
};

/* One file each. */
extern const struct path_kind path_ring, path_nbd, path_raw,
    path_raw_buffered, path_look, path_int13;

struct path {
    const struct path_kind *kind;
    char name[PATH_NAME_BYTES]; /* "ring 1" */
    unsigned index;
    uint64_t timeout_s;         /* to connect, and to close */
    void *state;
    /* open fills these in: */
    uint64_t nr_sectors;   /* of the disk */
    uint32_t unit_sectors; /* operations are multiples of it */
    uint32_t most_sectors; /* of one operation; 0: any */
    uint32_t depth;        /* in: how many at a time; out: at most so many */
    unsigned can;          /* bits 1 << enum operation_kind */
    struct pollfd fds[PATH_FDS];
    unsigned nr_fds;
    /* The loop's: */
    struct slot *slots, *free;
    uint64_t quota, nr_invoked, nr_answered, sequence;
    uint64_t heard_us;
    bool is_lost;
};

static inline bool path_can(const struct path *path, enum operation_kind kind)
{
    return (path->can & 1u << kind) != 0;
}

/* --- for the kinds -------------------------------------------------------- */

/* error: 0 or -errno, what the path was told of the operation. */
void path_done(struct slot *slot, int error);
/* No answer will come any more; why is said. What is in flight stays open. */
void path_lost(struct path *path, const char *why);

#endif
