/* SPDX-License-Identifier: MIT
 * What the files of the driver share: the disk itself, and who does what.
 *
 *   front.c      the life cycle: open, connect, poll, disconnect, close
 *   resume.c     the life after a restore
 *   negotiate.c  XenStore: the two ends' states, what both ends agree on
 *   publish.c    XenStore: the queues' nodes, in the order of habit
 *   disk.c       XenStore: what disk it is
 *   store.c      nodes, read and written
 *   plan.c       operations, and what they are on the rings
 *   discard.c    how long discards are split
 *   queue.c      the queues: ring requests out, responses in
 *   segment.c    data to granted segments and back
 *   pool.c       granted pages of the driver's own
 *   text.c       sentences and paths without a libc
 */
#ifndef VBDD_FRONTEND_PRIVATE_H
#define VBDD_FRONTEND_PRIVATE_H

#include "common/blkif/error.h"
#include "common/blkif/limits.h"
#include "common/blkif/ring.h"
#include "common/blkif/xenbus.h"
#include "frontend/habits.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"

enum {
    FRONT_PATH_BYTES = 256,
    FRONT_REASON_BYTES = 256,
};

/* A page of the driver's own that is, or may be, granted. */
struct front_page {
    struct front_page *next;
    uint8_t *memory; /* NULL: none yet */
    uint32_t grant;
    bool is_granted;
};

/* One request on a ring. Its number in the queue's table is the lower half of
 * the id on the wire; the upper half counts requests, so that an id is never
 * used twice and a repeated or late answer is recognised. It says all that the
 * request said, but for who may touch which page: that lasts no longer than
 * the request. */
struct front_shadow {
    struct vbdfront_io *io; /* NULL: free */
    struct front_shadow *next_free;
    uint64_t id;
    uint64_t sector;
    uint8_t *data;
    uint32_t nr_sectors;
    uint8_t operation;     /* never INDIRECT */
    bool is_secure;
    uint16_t nr_segments;
    struct front_page *pages; /* instead of the caller's: of each segment, the
                                 last one first */
    struct front_page *descriptors; /* of an indirect request: where its
                                       segments are; else NULL */
    struct blkif_wire_segment segments[BLKIF_WIRE_SEGMENTS];
};

/* A ring, its event channel and a shadow for each of its slots: whoever has a
 * shadow has a slot. */
struct front_queue {
    struct vbdfront *front;
    void *ring_pages; /* NULL: there are none */
    uint32_t nr_ring_pages, nr_ring_grants;
    uint32_t ring_grants[BLKIF_MAX_RING_PAGES];
    uint32_t event_port;
    bool has_event_port;
    bool has_unpushed;
    struct front_ring ring;
    struct front_shadow *shadows, *free_shadows;
    uint32_t nr_on_ring; /* shadows in use */
};

struct vbdfront {
    const struct vbdfront_port *port;
    struct vbdfront_config config;
    const struct vbdfront_habits *habits; /* never NULL */
    enum vbdfront_state state;
    struct vbdfront_info info;
    struct vbdfront_stats stats;
    char node[FRONT_PATH_BYTES];
    char reason[FRONT_REASON_BYTES];

    /* The back end, since the last connect. */
    char backend[FRONT_PATH_BYTES];
    uint32_t backend_id;
    uint16_t handle;
    bool is_watching;
    bool doubts_size; /* a resize made no sense: it is asked no more */
    uint64_t store_events_seen;

    struct front_queue queues[BLKIF_MAX_QUEUES];
    uint32_t nr_queues;      /* that there are now */
    uint32_t nr_on_ring;     /* of all queues */
    uint32_t nr_requests;    /* counts, for ids */

    /* Pages of the driver's own. */
    struct front_page *free_pages;
    struct front_slab *slabs;
    uint32_t nr_pool_pages;

    /* Operations. pending: those with something left to put on a ring, in
     * the order in which it must go there. */
    struct vbdfront_io *pending, *pending_tail;
    unsigned nr_in_flight;   /* operations submitted and not done */
    uint64_t nr_submitted, nr_completed;
};

/* --- text.c -------------------------------------------------------------- */

/* snprintf() with %s, %u (unsigned) and %llu only; cut to fit, always
 * 0-terminated. False when it was cut. */
bool front_text_format(char *to, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool front_text_vformat(char *to, size_t bytes, const char *format,
                        __builtin_va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* --- front.c ------------------------------------------------------------- */

/* Keeps the sentence as the disk's reason and logs it. What a back end wrote
 * may be in it: only printable characters come out. */
void front_say(struct vbdfront *front, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same; returns error. */
int front_fail(struct vbdfront *front, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The disk is BROKEN from here on (front_say() has said why): whatever is in
 * flight fails with -EIO. */
void front_break(struct vbdfront *front);
/* Makes a connection where there is none; when that fails nothing is left of
 * it. */
int front_establish(struct vbdfront *front, uint64_t timeout_us);

/* --- store.c ------------------------------------------------------------- */

/* Length of the value, -ENOENT, or another -errno. */
int front_read_node(struct vbdfront *front, const char *directory,
                    const char *leaf, char *value, size_t bytes);
/* Reads a number of at most max. An absent node leaves *value alone when it
 * is optional. Anything that is not such a number: -EPROTO and a sentence. */
int front_read_number(struct vbdfront *front, const char *directory,
                      const char *leaf, bool is_optional, uint64_t max,
                      uint64_t *value);
/* A number of the back end's that may be absent: then it is `otherwise`. */
int front_read_offer(struct vbdfront *front, const char *leaf,
                     uint32_t otherwise, uint32_t *value);
/* The same for 0 or 1; 0 when absent. */
int front_read_feature(struct vbdfront *front, const char *leaf, bool *has);
/* -EPROTO, with the sentence that the back end's leaf has a value that makes
 * no sense. */
int front_refuse_value(struct vbdfront *front, const char *leaf,
                       uint64_t value, const char *expected);
/* Is there such a node in our own directory? */
bool front_has_node(struct vbdfront *front, const char *leaf);
/* Into our own directory. 0, or -errno and a sentence. */
int front_write_node(struct vbdfront *front, const char *leaf,
                     const char *value);
int front_write_number(struct vbdfront *front, const char *leaf,
                       uint32_t number);

/* --- negotiate.c --------------------------------------------------------- */

/* Reads our node: who our back end is. Watches its state. */
int front_find_backend(struct vbdfront *front);
void front_forget_backend(struct vbdfront *front);
/* Brings our end to INITIALISING, closing first what an earlier user left. */
int front_start_anew(struct vbdfront *front, uint64_t timeout_us);
/* Reads how many queues of what size the back end takes: info's nr_queues and
 * ring_pages. */
int front_agree_on_queues(struct vbdfront *front);

int front_set_state(struct vbdfront *front, enum xenbus_state state);
enum xenbus_state front_backend_state(struct vbdfront *front);
/* Sets of states, for the wait. */
#define FRONT_IS(state) (1u << XENBUS_##state)
enum { FRONT_IS_GONE = FRONT_IS(CLOSED) | FRONT_IS(UNKNOWN) };
/* Waits until the back end is in one of the states `wanted`. -ETIMEDOUT; -EIO
 * when it gets into one of `refused`; both with a sentence. */
int front_wait_backend(struct vbdfront *front, unsigned wanted,
                       unsigned refused, uint64_t timeout_us);

/* --- publish.c ----------------------------------------------------------- */

/* This driver's. */
extern const struct vbdfront_habits front_own_habits;
/* Writes the queues' nodes. */
int front_publish_queues(struct vbdfront *front);

/* --- disk.c -------------------------------------------------------------- */

/* Reads what disk it is. */
int front_read_disk(struct vbdfront *front);
/* Reads `sectors` again: the back end has been resized. */
int front_read_size(struct vbdfront *front);

/* --- plan.c -------------------------------------------------------------- */

/* Puts what waits on the rings, as far as there is room, and pushes. */
void front_put_pending(struct vbdfront *front);
/* A request of io's has been answered; error is 0 or what became of it. */
void front_answer(struct vbdfront *front, struct vbdfront_io *io, int error);
/* All that waits fails with -EIO. */
void front_fail_pending(struct vbdfront *front);
/* No answer to the request will be taken: its operation waits again. */
void front_recall(struct vbdfront *front, const struct front_shadow *shadow);
/* Nothing is on a ring, and what both ends agree on has changed: what waits is
 * judged and planned anew, and stands in the order of submission. */
void front_plan_anew(struct vbdfront *front);

/* --- discard.c ----------------------------------------------------------- */

/* How much of nr_sectors from sector on the next request should discard. */
uint32_t front_discard_part(const struct vbdfront_info *info, uint64_t sector,
                            uint32_t nr_sectors);

/* --- queue.c ------------------------------------------------------------- */

/* As many as info says. When it fails there are none. */
int front_queues_open(struct vbdfront *front);
/* Takes all grants back, for which the back end has timeout_us; pages that it
 * keeps are left alone for ever and counted as lost. Nothing may be in
 * flight. */
void front_queues_close(struct vbdfront *front, uint64_t timeout_us);
/* After a restore. All that is on the rings, answered or not, is recalled, and
 * the queues are closed without the back end, which has nothing of this
 * life. */
void front_queues_forget(struct vbdfront *front);
/* The queue with the most room. */
struct front_queue *front_queue_choose(struct vbdfront *front);
/* The next free shadow goes onto the ring, as a request of io's. What it asks
 * for, and its segments, are there already. */
void front_queue_put(struct front_queue *queue, struct vbdfront_io *io);
/* Publishes what has been put, in one push for each queue. */
void front_queues_push(struct vbdfront *front);
/* Takes responses, puts requests, pushes, until no ring has more for us. */
void front_queues_run(struct vbdfront *front);
/* Everything in flight fails with -EIO, all its grants are taken back. */
void front_queues_fail(struct vbdfront *front);

/* --- segment.c ----------------------------------------------------------- */

/* Grants a page and counts it: a reference or -errno. */
int32_t front_grant(struct vbdfront *front, void *page, bool read_only);
/* Takes a grant back. -EBUSY when the back end still holds it: then the page
 * is counted as lost. */
int front_grant_end(struct vbdfront *front, uint32_t grant);
/* The same; gives the back end until end_us to let go. */
int front_grant_end_by(struct vbdfront *front, uint32_t grant,
                       uint64_t end_us);
/* Grants the pages under as many of nr_sectors from shadow's data on as one
 * request takes and the grant table has room for, and makes them its segments;
 * more of them than a ring entry has room for, if may_be_indirect and the back
 * end takes such requests. Returns the number of sectors that are covered, 0
 * when none. */
uint32_t front_segments_grant(struct front_queue *queue,
                              struct front_shadow *shadow,
                              uint32_t nr_sectors, bool read_only,
                              bool may_be_indirect);
/* Takes them back. has_arrived: what the back end has put there goes to the
 * caller's data. -EBUSY when the back end still holds some. */
int front_segments_end(struct front_queue *queue, struct front_shadow *shadow,
                       bool has_arrived);

/* --- pool.c -------------------------------------------------------------- */

/* A page, granted. NULL: there is no memory or no grant now, or too many are
 * in use. */
struct front_page *front_page_take(struct vbdfront *front, bool read_only);
/* The peer must be done with it. -EBUSY when it is not: the memory is counted
 * as lost. */
int front_page_return(struct vbdfront *front, struct front_page *page);
/* Frees all; they must have been returned. The peer has until end_us to let go
 * of those whose grants have stayed. */
void front_pool_close(struct vbdfront *front, uint64_t end_us);

#endif
