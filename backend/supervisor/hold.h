/* SPDX-License-Identifier: MIT
 * Hold records (backend/control/hold.h): made for each vbd that is connected,
 * found and judged when a vbd is to go on with the rings that an earlier vbdd
 * has served. Loop thread only.
 *
 * The state directory is root's. What is in a record is judged all the same,
 * and each that is of no use is removed. */
#ifndef VBDD_SUPERVISOR_HOLD_H
#define VBDD_SUPERVISOR_HOLD_H

#include <stdbool.h>

#include "backend/control/message.h"

struct supervisor;
struct vbd;

/* Removes the records of nodes that are gone, and what is no record. */
void holds_begin(const struct supervisor *supervisor);

/* Makes the record of a vbd on a disk whose rings, those of connect, begin.
 * Returns its descriptor, or -1: then it is said that there will be none. */
int hold_make(const struct vbd *vbd, const struct message_connect *connect);
/* Fills in connect->standing from the vbd's record, if that is of these rings
 * and of nobody else. Returns its descriptor, or -errno with a sentence. Call
 * it when no worker of an earlier vbdd has the target any more. */
int hold_resume(const struct vbd *vbd, struct message_connect *connect,
                char *reason, unsigned reason_size);
/* Is there one? It need not be of any use. */
bool hold_exists(const struct vbd *vbd);
/* May a worker of an earlier vbdd still be at work on its ring? */
bool hold_is_in_use(const struct vbd *vbd);
/* Removes it. why: for the log, if there was one; or NULL. */
void hold_drop(const struct vbd *vbd, const char *why);

#endif
