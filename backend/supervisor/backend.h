/* SPDX-License-Identifier: MIT
 * The store as a source of events: finds the back-end nodes, and has the vbds
 * that something happened to evaluated. Loop thread only.
 *
 * A storm of events costs each vbd one evaluation at a time, not one for each
 * event, and every pass of the loop a bounded number of them, in turn. */
#ifndef VBDD_SUPERVISOR_BACKEND_H
#define VBDD_SUPERVISOR_BACKEND_H

#include "backend/supervisor/supervisor.h"

struct backend;

/* Watches the store and finds what is there. 0 or -errno. */
int backend_start(struct supervisor *supervisor);
void backend_stop(struct supervisor *supervisor);

/* A vbd has become dirty. */
void backend_wake(struct supervisor *supervisor);
/* A vbd could not do what it had to: it is evaluated again in a second. */
void backend_retry(struct vbd *vbd);
/* backend_path/TREE/DOMID/DEVID. */
void backend_print_path(const struct supervisor *supervisor,
                        enum vbd_tree tree, uint32_t domid, uint32_t devid,
                        char *path, unsigned size);
/* The vbd of such a node as far as it is known, or NULL. */
struct vbd *backend_find(struct supervisor *supervisor, const char *path);
/* Looks at a node of the toolstack now, not when its event comes: its vbd, or
 * NULL when there is none at path. One that is not served stays UNKNOWN, with
 * the reason in its error. */
struct vbd *backend_look(struct supervisor *supervisor, const char *path);

#endif
