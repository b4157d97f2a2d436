/* SPDX-License-Identifier: MIT
 * Somebody who waits for something that takes time (an attach, a release):
 * told exactly once, possibly at once. Loop thread only. */
#ifndef VBDD_SUPERVISOR_WAITER_H
#define VBDD_SUPERVISOR_WAITER_H

#include <stddef.h>
#include <sys/queue.h>

struct waiter {
    LIST_ENTRY(waiter) link; /* LIST_REMOVE(waiter, link): waits no more */
    /* error: 0 or -errno; sentence: why, for people ("" when error is 0). The
     * waiter is on no list any more and may be freed. */
    void (*done)(struct waiter *waiter, int error, const char *sentence);
};
LIST_HEAD(waiters, waiter);

static inline void waiters_move(struct waiters *from, struct waiters *to)
{
    struct waiter *waiter;

    while ((waiter = LIST_FIRST(from))) {
        LIST_REMOVE(waiter, link);
        LIST_INSERT_HEAD(to, waiter, link);
    }
}

/* Tells those who wait now; whoever begins to wait meanwhile is not told. */
static inline void waiters_finish(struct waiters *waiters, int error,
                                  const char *sentence)
{
    struct waiters told = LIST_HEAD_INITIALIZER(told);
    struct waiter *waiter;

    waiters_move(waiters, &told);
    while ((waiter = LIST_FIRST(&told))) {
        LIST_REMOVE(waiter, link);
        waiter->done(waiter, error, sentence);
    }
}

#endif
