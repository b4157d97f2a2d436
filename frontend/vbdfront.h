/* SPDX-License-Identifier: MIT
 * The front-end driver: a Xen PV disk as a guest sees it. Freestanding and
 * portable; port.h is all it needs. One thread at a time for each disk.
 *
 *   vbdfront_open -> vbdfront_connect -> { submit* -> poll* }* ->
 *   vbdfront_disconnect [-> vbdfront_connect ...] -> vbdfront_close
 *
 * and vbdfront_resume when the guest has been saved and restored, or migrated.
 *
 * It trusts its back end no further than the four checks on each response
 * (producer overflow, id range, id in flight, same operation). A back end that
 * breaks them, or closes, makes the disk BROKEN: everything in flight fails
 * with -EIO and nothing more is taken until reconnect.
 *
 * Data goes to and from the caller's own pages, which are granted for as long
 * as a request needs them; with is_persistent or is_untrusted it is copied
 * through pages of the driver's own (XSA-403).
 *
 * Order: reads and writes that are in flight at the same time may be done in
 * any order, also when they overlap. Whoever wants an order waits for done(),
 * or uses BARRIER: it begins after all that was submitted before it, and what
 * is submitted later begins after it. With several queues the driver itself
 * sees to that, by leaving all of them empty before and after a barrier: a
 * back end may read one queue before another. */
#ifndef VBDFRONT_H
#define VBDFRONT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vbdfront;
struct vbdfront_habits; /* habits.h */
struct vbdfront_port;   /* port.h */

enum vbdfront_state {
    VBDFRONT_CLOSED,
    VBDFRONT_CONNECTED,
    VBDFRONT_BROKEN, /* see vbdfront_reason() */
};

enum vbdfront_op {
    VBDFRONT_READ,
    VBDFRONT_WRITE,
    VBDFRONT_FLUSH,   /* durable: all writes completed before its submit */
    VBDFRONT_BARRIER, /* blkif.h: ordered and durable; with or without data */
    VBDFRONT_DISCARD, /* the sectors are of no use any more; what they hold
                         from then on may be anything */
};

enum {
    VBDFRONT_FUA = 1u << 0,    /* WRITE: durable before it completes */
    VBDFRONT_SECURE = 1u << 1, /* DISCARD: nobody can read them back; only
                                  with vbdfront_info.has_secure */
};

/* The layout of the ring's entries; all but the native one are for tests. */
enum vbdfront_abi {
    VBDFRONT_ABI_NATIVE, VBDFRONT_ABI_X86_32, VBDFRONT_ABI_X86_64,
};

/* What this end is ready for. Each number is a maximum: what is used is the
 * least of both ends, and is in vbdfront_info. */
struct vbdfront_config {
    uint32_t max_queues;            /* 1 to 4 (1) */
    uint32_t max_ring_page_order;   /* 0 to 4: 1 to 16 pages a ring (4) */
    uint32_t max_indirect_segments; /* 0 to 256; up to 11 of a request's need
                                       no such thing (256) */
    bool use_persistent;            /* grants that stay, if the back end wants
                                       them: data is copied then (false) */
    bool is_untrusted;              /* the back end sees no byte but those of
                                       requests: data is copied. The node
                                       "trusted" of the toolstack's, when it
                                       is 0, means the same (false) */
    bool use_discard;               /* (true) */
    enum vbdfront_abi abi;          /* (native) */
    /* To behave as another system's driver, borrowed until close; NULL: as
     * this one (NULL) */
    const struct vbdfront_habits *habits;
};
/* Fills in the defaults, which are in brackets above. */
void vbdfront_get_defaults(struct vbdfront_config *config);

/* What was negotiated. Sectors are 512 bytes always. */
struct vbdfront_info {
    uint64_t nr_sectors;
    uint32_t sector_bytes;          /* smallest unit of I/O: 512 to 4096 */
    uint32_t physical_sector_bytes;
    uint32_t max_segments;          /* pages in one ring request */
    uint32_t nr_queues;
    uint32_t ring_pages, ring_slots; /* of each queue */
    bool read_only, is_cdrom, is_removable;
    bool is_persistent, is_untrusted; /* see vbdfront_config */
    bool has_flush, has_barrier, has_discard, has_secure;
    /* In bytes; 0 without has_discard. Space is freed in pieces of
     * discard_granularity, the first of which begins at discard_alignment. */
    uint32_t discard_granularity, discard_alignment;
};

/* One operation of any length. The caller fills in the upper part and keeps
 * it and the data until done(). */
struct vbdfront_io {
    enum vbdfront_op op;
    unsigned flags;
    uint64_t sector;      /* 512 bytes; a multiple of sector_bytes/512 */
    uint32_t nr_sectors;  /* 0 only for FLUSH and BARRIER; who discards 2 TiB
                             and more does so in several operations */
    void *data;           /* in memory that can be granted (page_alloc),
                             aligned to sector_bytes; NULL for DISCARD */
    /* 0; -EIO; -EOPNOTSUPP (the back end has no such operation); -EROFS;
     * -EINVAL (range, alignment). Called once, from submit() (a refusal) or
     * from poll() and what polls; it may submit. After -EIO look at
     * vbdfront_stats.pages_lost: when it has risen, the back end still holds
     * pages of data, which must never be used again (XSA-396). */
    void (*done)(struct vbdfront_io *io, int error);
    void *owner;          /* the caller's */
    /* The driver's own. */
    uint64_t front_private[12];
};

/* node: the device's directory in XenStore ("/local/domain/5/device/vbd/51712"
 * or relative; a restored domain has another number, so that only what is
 * relative can be resumed), copied. port: borrowed until close. config:
 * copied; NULL for the defaults. 0, -ENOMEM, -ENAMETOOLONG, -EINVAL (the
 * config). */
int vbdfront_open(const struct vbdfront_port *port, const char *node,
                  const struct vbdfront_config *config,
                  struct vbdfront **front);
void vbdfront_close(struct vbdfront *front); /* disconnects if need be */

/* Goes through the xenbus states until both ends are Connected; a device left
 * behind by an earlier user is started anew. timeout_us is for each wait.
 * -ETIMEDOUT, -ENOENT (no such device), -EPROTO (the back end's nodes make no
 * sense), -EIO (it closed), -ENOMEM, -EISCONN; vbdfront_reason() has a
 * sentence. */
int vbdfront_connect(struct vbdfront *front, uint64_t timeout_us);
/* Waits for what is in flight, then closes and takes every grant back; takes
 * no more operations. timeout_us is for each wait; what is in flight after the
 * first of them fails with -EIO. The disk is closed in any case. 0; -ETIMEDOUT
 * when the back end did not follow; -EBUSY when it still maps pages of ours:
 * those pages are never used again. */
int vbdfront_disconnect(struct vbdfront *front, uint64_t timeout_us);

/* The guest has been restored, maybe elsewhere: its memory is what it was; its
 * grants, event ports and watches are gone (port.h). For each disk, before
 * anything else is asked of it. It connects as vbdfront_connect() does, to
 * whatever the new back end offers, and sends again, in the order of
 * submission, everything whose answer it had not taken before (in a poll): what
 * stands on the old ring is not believed.
 *
 * So a write may be done twice, the second time after others that overlap it
 * and were in flight with it, even if these are done by then. Nobody sees that
 * who does not rely on the order of such writes. Durability and barriers are
 * what they were.
 *
 * What the new disk cannot do fails as if it were submitted now, but with -EIO
 * where it does not fit (a smaller disk, larger sectors). Features, size and
 * vbdfront_info may be different; what is less is said in vbdfront_reason(). A
 * suspend that was cancelled needs none of this. 0; -EIO when the disk is
 * BROKEN, which it stays; an error of vbdfront_connect(): all that was in
 * flight has failed with -EIO, and the disk is CLOSED, as is one that was. */
int vbdfront_resume(struct vbdfront *front, uint64_t timeout_us);

enum vbdfront_state vbdfront_state(const struct vbdfront *front);
const struct vbdfront_info *vbdfront_info(const struct vbdfront *front);
const char *vbdfront_reason(const struct vbdfront *front);

/* Takes an operation; it is split to what was negotiated and queued when the
 * ring is full. Requests go out with vbdfront_poll() (one push for a batch). */
void vbdfront_submit(struct vbdfront *front, struct vbdfront_io *io);
/* Pushes what is queued, notifies if asked to, handles responses and the back
 * end's state (when a watch has fired; a resize changes vbdfront_info: what was
 * submitted earlier and lies beyond a new end is refused by the back end, so it
 * fails with -EIO; a size that makes no sense is not believed, nor is any later
 * one of this connection). Returns the number of operations completed. Then
 * port->wait() may sleep. */
unsigned vbdfront_poll(struct vbdfront *front);
/* poll until nothing is in flight or timeout_us has passed: 0, -ETIMEDOUT. */
int vbdfront_drain(struct vbdfront *front, uint64_t timeout_us);
/* Operations submitted and not yet done. */
unsigned vbdfront_in_flight(const struct vbdfront *front);

/* One operation from start to end: submit, poll, wait; as long as it takes. */
int vbdfront_do(struct vbdfront *front, enum vbdfront_op op, unsigned flags,
                uint64_t sector, uint32_t nr_sectors, void *data);

struct vbdfront_stats {
    uint64_t ring_requests, responses, pushes, notifies;
    uint64_t grants_held, pages_lost; /* lost: never given back by the peer */
};
void vbdfront_get_stats(const struct vbdfront *front,
                        struct vbdfront_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
