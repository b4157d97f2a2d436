/* SPDX-License-Identifier: MIT
 * What other systems' drivers do differently from this one, so that a back end
 * can be tried with all of them where they cannot run: the order of states and
 * nodes, and what a flush is on the ring. docs/PROTOCOL.md says who does what.
 * What they are ready for (queues, ring pages and so on) is vbdfront_config's.
 *
 * In all of them what an earlier user has left in the store is corrected: those
 * drivers do not do that, and fail (or worse) where a node is left that they do
 * not write. */
#ifndef VBDFRONT_HABITS_H
#define VBDFRONT_HABITS_H

#include <stdbool.h>
#include <stdint.h>

/* The nodes that are written before there is a ring. The first four are
 * written where what they say is not what their absence would say, or where
 * the node is there already. */
enum vbdfront_key {
    VBDFRONT_KEY_END,
    VBDFRONT_KEY_NUM_QUEUES,       /* multi-queue-num-queues */
    VBDFRONT_KEY_PERSISTENT,       /* feature-persistent */
    VBDFRONT_KEY_RING_PAGE_ORDER,  /* ring-page-order */
    VBDFRONT_KEY_NUM_RING_PAGES,   /* num-ring-pages */
    VBDFRONT_KEY_RING_REFS,        /* of all queues */
    VBDFRONT_KEY_EVENT_CHANNELS,   /* of all queues */
    VBDFRONT_KEY_QUEUES,           /* both, one queue after the other */
    VBDFRONT_KEY_PROTOCOL,
    VBDFRONT_KEY_OTHERS,           /* vbdfront_habits.others */
};

enum vbdfront_start {
    /* Closes what an earlier user may have left, in one step. */
    VBDFRONT_START_ANEW,
    /* Linux, for kexec and kdump: a front end that is found Connected or
     * Closed is taken through Closing and Closed to Initialising. */
    VBDFRONT_START_RESET,
    /* Windows: the same, whatever it is found in. */
    VBDFRONT_START_CLOSED,
};

struct vbdfront_habits {
    enum vbdfront_start start;
    bool skips_init_wait;    /* the ring is offered without waiting for it */
    bool skips_initialised;  /* Connected instead, and not once more later */
    bool closes_at_once;     /* Closing, Closed without waiting in between */
    bool ends_initialising;  /* Closing, Closed, Initialising: for a successor
                                that starts from there */
    bool ignores_resize;
    bool ignores_flush, ignores_barrier; /* those features */
    bool syncs_twice;        /* a flush is a BARRIER, then a FLUSH, where both
                                are offered */
    bool says_persistent;    /* writes feature-persistent also when it is 0 */
    bool says_queues;        /* multi-queue-num-queues also when it is 1 */
    bool says_pages;         /* writes num-ring-pages, which is deprecated */
    uint64_t sync_sector;    /* the sector number of an empty request */
    const uint8_t *keys;     /* enum vbdfront_key, END last */
    const char *const *others; /* name, value, name, value, ..., NULL */
};

#endif
