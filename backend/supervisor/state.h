/* SPDX-License-Identifier: MIT
 * Writing into a vbd's node: some pairs, and its state with them. Loop thread
 * only. */
#ifndef VBDD_SUPERVISOR_STATE_H
#define VBDD_SUPERVISOR_STATE_H

#include "common/blkif/xenbus.h"

struct vbd;

enum { STATE_MAX_PAIRS = 12 }; /* that of the state included */

struct state_pair {
    const char *name, *value; /* NULL: the node is removed */
};

/* Writes the pairs, and after them the state (which takes one more place).
 * 0, or -errno: then nothing is written, the vbd is as before, and will be
 * evaluated again. */
int state_write(struct vbd *vbd, struct state_pair *pairs, unsigned nr,
                enum xenbus_state state);
int state_set(struct vbd *vbd, enum xenbus_state state);

#endif
