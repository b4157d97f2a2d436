/* SPDX-License-Identifier: MIT
 * What becomes of the domains that have vbds, and what that means for their
 * rings. Loop thread only.
 *
 * A domain that dies has closed its front ends. One that is suspended has not:
 * it may go on with the very same rings. Until then its vbds are paused: the
 * worker takes nothing more, and what was taken is on the disk, so that
 * whoever carries the domain elsewhere finds all of it there (docs/PROTOCOL.md,
 * section 3). */
#ifndef VBDD_SUPERVISOR_DOMAIN_H
#define VBDD_SUPERVISOR_DOMAIN_H

#include "backend/supervisor/supervisor.h"

struct domain_watch;

/* Without Xen's control interface (a driver domain has none) this only knows
 * who is alive, and says so. 0 or -ENOMEM. */
int domain_start(struct supervisor *supervisor);
void domain_stop(struct supervisor *supervisor);

/* Something has become of some domain: asks once for each that has vbds. */
void domain_check_all(struct supervisor *supervisor);
/* Asks for the domain of one vbd, which is new. */
void domain_check(struct vbd *vbd);

/* Has the vbd's ring paused, or resumed, as its domain is; for a vbd that
 * waits for nothing. The worker's answer makes it dirty. */
void domain_follow(struct vbd *vbd);

#endif
