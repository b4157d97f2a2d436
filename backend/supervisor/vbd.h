/* SPDX-License-Identifier: MIT
 * A vbd: one back-end node of the store, backend/vbd/DOMID/DEVID or
 * backend/vbd3/DOMID/DEVID, and the one attachment of a disk to a domain that
 * it stands for. Both name the same front end: of two such nodes only one is
 * served at a time. Loop thread only.
 *
 * It lives as long as its node exists or its ring or its disk is not given
 * back, whichever is longer. Nothing is queued for it: whatever happens sets
 * its dirty flag, and vbd_evaluate() compares what is with what should be. */
#ifndef VBDD_SUPERVISOR_VBD_H
#define VBDD_SUPERVISOR_VBD_H

#include "backend/control/message.h"
#include "backend/supervisor/features.h"
#include "backend/supervisor/supervisor.h"
#include "backend/supervisor/waiter.h"
#include "common/blkif/xenbus.h"

enum { VBD_PATH_BYTES = 128, VBD_NAME_BYTES = 48 };

/* The script of a node that is ours is called this. */
#define VBD_SCRIPT "block-vbdd"

/* What the worker has of this vbd. Those in ...ING wait for its answer, and are
 * left by that answer, or by the worker's death, only: one call at a time.
 * PAUSED: the domain is suspended (domain.h). HELD: no worker has it; it waits
 * as its hold record says (hold.h). */
enum vbd_ring {
    VBD_RING_NONE, VBD_RING_CONNECTING, VBD_RING_CONNECTED, VBD_RING_PAUSING,
    VBD_RING_PAUSED, VBD_RING_RESUMING, VBD_RING_DISCONNECTING, VBD_RING_HELD,
};

struct vbd {
    TAILQ_ENTRY(vbd) link; /* in supervisor->vbds */
    struct supervisor *supervisor;
    uint32_t number;       /* in tokens and messages; never used twice */
    enum vbd_tree tree;
    uint32_t domid, devid;
    char path[VBD_PATH_BYTES];     /* of the back-end node */
    char frontend[VBD_PATH_BYTES]; /* of the front end's; "" until known */
    char name[VBD_NAME_BYTES];     /* "5/xvda", for people */

    bool is_dirty;
    bool is_gone;        /* its node was deleted */
    bool is_removed;     /* the toolstack wants it to be released */
    bool was_alive, is_dead, is_suspended; /* the domain */
    bool is_domain_checked; /* domain.c's, within one look at all */
    bool is_write_failed;
    bool is_left_over;   /* by an earlier vbdd, whose worker may still have
                            its ring */
    bool was_put_off;    /* for those who write, when it was found */
    bool is_in_xentop;   /* xentop.c's: it has a file there */

    enum xenbus_state state; /* as we wrote it; UNKNOWN: not looked at yet */
    enum xenbus_state front; /* as last seen */
    enum xenbus_state after_ring; /* where to go once the ring is given back */
    enum vbd_ring ring;
    struct features offer;        /* what its front end was told */

    /* While attached to a disk (disk.h). */
    struct disk *disk;
    TAILQ_ENTRY(vbd) disk_link;
    bool is_writable;
    bool is_shared;            /* mode w! */
    struct vbd_options options;
    uint64_t published_bytes;  /* as sectors says */
    struct waiters attaching;  /* told when the disk is ready, or is not */
    struct waiters releasing;  /* told when it is off its disk */
    struct waiters vanishing;  /* told when it is freed */

    char error[MESSAGE_TEXT_BYTES]; /* as published, or why it is not served;
                                       "" when none */
    struct log_limit limit;    /* for what its guest can cause */
};

/* Makes the object for a node; it is dirty. NULL without memory. */
struct vbd *vbd_new(struct supervisor *supervisor, enum vbd_tree tree,
                    uint32_t domid, uint32_t devid);
struct vbd *vbd_find(struct supervisor *supervisor, enum vbd_tree tree,
                     uint32_t domid, uint32_t devid);
struct vbd *vbd_find_number(struct supervisor *supervisor, uint32_t number);

/* Takes the next step or steps. May free the vbd. */
void vbd_evaluate(struct vbd *vbd);
/* Has it evaluated soon. */
void vbd_set_dirty(struct vbd *vbd);

/* Gives ring and disk back, whatever the front end says, and then tells the
 * waiter (borrowed until then), if there is one; never from within. */
void vbd_release(struct vbd *vbd, struct waiter *waiter);
/* Only tells the waiter, once the toolstack and the front end have closed the
 * vbd and it is off its disk. */
void vbd_await_release(struct vbd *vbd, struct waiter *waiter);
/* The same once its node has been found deleted and nothing is left of it. */
void vbd_await_end(struct vbd *vbd, struct waiter *waiter);

/* From its disk: the worker says that its ring broke the protocol. */
void vbd_broken(struct vbd *vbd, const char *text);
/* From its disk: the worker has gone, and the ring with it. */
void vbd_worker_lost(struct vbd *vbd);

/* From its disk, which it is off now: vbdd stops, and the worker has ended. */
void vbd_let_go(struct vbd *vbd);
/* It has no disk to go on with: if it was held its front end has lost it. */
void vbd_lose_hold(struct vbd *vbd, const char *text);

/* Does it serve a front end, which knows the disk's size? */
bool vbd_is_connected(const struct vbd *vbd);
/* Has the worker a ring of it, served or paused, that is to be given back? */
bool vbd_holds_ring(const struct vbd *vbd);
const char *vbd_ring_text(enum vbd_ring ring);

#endif
