/* SPDX-License-Identifier: MIT
 * What the toolstack has written into a vbd's back-end directory. No guest can
 * write there, and policy is read from nowhere else. Loop thread only. */
#ifndef VBDD_SUPERVISOR_NODE_H
#define VBDD_SUPERVISOR_NODE_H

#include "backend/supervisor/target.h"

struct vbd;

/* Is the node ours, and is its front end the one that its place says? 0, or
 * -ENOENT when it is somebody else's, or -EINVAL when it is ours and wrong; with
 * a sentence. */
int node_judge(const struct vbd *vbd, char *reason, unsigned reason_size);
/* Where the front end of such a node is. */
void node_print_frontend(const struct vbd *vbd, char *path, unsigned size);

/* Does the kernel's back end serve it as well? Says so in a sentence. */
bool node_is_taken(const struct vbd *vbd, char *reason, unsigned reason_size);

/* Reads what its disk is to be (params and mode). 0 or -errno with a
 * sentence. What is at the path is not looked at. */
int node_read_target(const struct vbd *vbd, struct target *target,
                     char *reason, unsigned reason_size);

#endif
