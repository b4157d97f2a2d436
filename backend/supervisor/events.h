/* SPDX-License-Identifier: MIT
 * On Xen, what lets a worker bind to event channels of one domain: it gets no
 * event channel device of its own, so that it can bind to nobody else's. */
#ifndef VBDD_SUPERVISOR_EVENTS_H
#define VBDD_SUPERVISOR_EVENTS_H

#include "backend/supervisor/vbd.h"

/* Before the vbd's CONNECT. What fails is logged; CONNECT fails then. */
void events_give(struct vbd *vbd);

#endif
