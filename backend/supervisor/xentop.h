/* SPDX-License-Identifier: MIT
 * What xentop sees of our vbds (control/xentop.h). Each that is connected has a
 * file, which its worker counts in, in a directory named for our process; its
 * back-end node says kthread-pid. Both go with the ring. Loop thread only.
 *
 * The directory stands where everybody may write, /dev/shm, and is made, or
 * done without, so that nobody else has a hand in it: files are root's, made
 * anew, whole, and only the worker's descriptor leads to its own.
 *
 * On the stand-in it is in the stand-in's folder. */
#ifndef VBDD_SUPERVISOR_XENTOP_H
#define VBDD_SUPERVISOR_XENTOP_H

#include <stdbool.h>
#include <sys/types.h>

struct supervisor;
struct vbd;

struct xentop {
    int dir;       /* open; -1: not made yet, or it cannot be */
    bool is_off;   /* it cannot be, and that has been said */
};

/* predecessor: the vbdd that served here last, which may have been killed, or
 * 0. What it has left is removed. */
void xentop_begin(struct supervisor *supervisor, pid_t predecessor);
/* Removes all that is left. */
void xentop_end(struct supervisor *supervisor);
/* A vbdd that was killed may have told xentop of this node. */
void xentop_adopt(struct vbd *vbd);
/* The ring is served; is not served any more. */
void xentop_add(struct vbd *vbd);
void xentop_remove(struct vbd *vbd);

#endif
