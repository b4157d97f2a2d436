/* SPDX-License-Identifier: MIT
 * What the files of the driver share: the disk itself, and who does what.
 *
 *   front.c      the life cycle: open, connect, poll, disconnect, close
 *   negotiate.c  XenStore: the two ends' states, the ring's nodes, the disk's
 *   queue.c      operations to ring requests and back
 *   segment.c    data to granted segments and back
 *   text.c       sentences and paths without a libc
 */
#ifndef VBDD_FRONTEND_PRIVATE_H
#define VBDD_FRONTEND_PRIVATE_H

#include "common/blkif/error.h"
#include "common/blkif/limits.h"
#include "common/blkif/ring.h"
#include "common/blkif/xenbus.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"

enum {
    FRONT_SLOTS = 32, /* requests in flight at most: a ring of one page has no
                         more slots in any ABI */
    FRONT_PATH_BYTES = 256,
    FRONT_REASON_BYTES = 256,
};

/* One request on the ring. Its number in the table is the lower half of the
 * id on the wire; the upper half counts requests, so that an id is never used
 * twice and a repeated or late answer is recognised. */
struct front_shadow {
    struct vbdfront_io *io; /* NULL: free */
    struct front_shadow *next_free;
    uint64_t id;
    uint8_t operation;
    uint8_t nr_grants;
    uint32_t grants[BLKIF_WIRE_SEGMENTS];
};

struct vbdfront {
    const struct vbdfront_port *port;
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
    uint64_t store_events_seen;

    /* The ring; ring_page is NULL when there is none. */
    void *ring_page;
    uint32_t ring_grant, event_port;
    struct front_ring ring;
    bool has_unpushed;

    /* Operations. pending: those with something left to put on the ring, in
     * the order in which it must go there. */
    struct front_shadow shadows[FRONT_SLOTS];
    struct front_shadow *free_shadows;
    unsigned nr_on_ring;     /* shadows in use */
    uint32_t nr_requests;    /* counts, for ids */
    struct vbdfront_io *pending, *pending_tail;
    unsigned nr_in_flight;   /* operations submitted and not done */
    uint64_t nr_completed;
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

/* --- negotiate.c --------------------------------------------------------- */

/* Reads our node: who our back end is. Watches its state. */
int front_find_backend(struct vbdfront *front);
void front_forget_backend(struct vbdfront *front);
/* Brings our end to INITIALISING, closing first what an earlier user left. */
int front_start_anew(struct vbdfront *front, uint64_t timeout_us);
/* Writes the ring's nodes. */
int front_publish_ring(struct vbdfront *front);
/* Reads what disk it is. */
int front_read_disk(struct vbdfront *front);
/* Reads `sectors` again: the back end has been resized. */
int front_read_size(struct vbdfront *front);
int front_set_state(struct vbdfront *front, enum xenbus_state state);
enum xenbus_state front_backend_state(struct vbdfront *front);
/* Sets of states, for the wait. */
#define FRONT_IS(state) (1u << XENBUS_##state)
enum { FRONT_IS_GONE = FRONT_IS(CLOSED) | FRONT_IS(UNKNOWN) };
/* Waits until the back end is in one of the states `wanted`. -ETIMEDOUT; -EIO
 * when it gets into one of `refused`; both with a sentence. */
int front_wait_backend(struct vbdfront *front, unsigned wanted,
                       unsigned refused, uint64_t timeout_us);

/* --- queue.c ------------------------------------------------------------- */

/* For a new ring: no more shadows than it has slots, so that whoever has a
 * shadow has a slot. */
void front_queue_init(struct vbdfront *front);
/* Takes responses, puts requests, pushes, until the ring has no more for us.
 * The ring must exist. */
void front_queue_run(struct vbdfront *front);
/* Everything in flight fails with -EIO, all its grants are taken back. */
void front_queue_fail(struct vbdfront *front);

/* --- segment.c ----------------------------------------------------------- */

/* Grants a page and counts it: a reference or -errno. */
int32_t front_grant(struct vbdfront *front, void *page, bool read_only);
/* Grants the pages under as many of nr_sectors from data on as one request
 * takes and the grant table has room for, and makes them request's segments.
 * Returns the number of sectors that are covered, 0 when none. */
uint32_t front_segments_grant(struct vbdfront *front,
                              struct front_shadow *shadow,
                              struct blkif_wire_request *request,
                              uint8_t *data, uint32_t nr_sectors,
                              bool read_only);
/* Takes them back. -EBUSY when the back end still holds some: those pages are
 * counted as lost. */
int front_segments_end(struct vbdfront *front, struct front_shadow *shadow);

#endif
