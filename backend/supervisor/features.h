/* SPDX-License-Identifier: MIT
 * What a back end says about itself in its node: what a ring may be and carry
 * (before InitWait), and what its disk is (before Connected). What has been
 * said once holds for as long as the node lives, also after a restart and with
 * another configuration (C14). Loop thread only. */
#ifndef VBDD_SUPERVISOR_FEATURES_H
#define VBDD_SUPERVISOR_FEATURES_H

#include "backend/supervisor/config.h"
#include "backend/supervisor/front.h"

struct vbd;

/* The most that was ever said in this node. */
struct features {
    struct front_offer ring;
    uint32_t max_indirect_segments;
    bool has_discard, has_secure;
    uint32_t sector_bytes, physical_bytes; /* 0: not said yet */
};

/* Takes over what an earlier vbdd has said. 0, or -errno when that cannot be
 * read now. */
int features_recall(struct vbd *vbd);
/* Says what a ring may be and carry, and goes to InitWait. The disk need not
 * be there. Returns as state_write(). */
int features_advertise(struct vbd *vbd);
/* Decides what the disk, which is READY, is to this front end, and fills in
 * of connect all that hangs on what was, and will be, said. */
void features_settle(struct vbd *vbd, struct message_connect *connect);
/* Says what the disk is, as settled, and goes to Connected. Returns as
 * state_write(). */
int features_publish(struct vbd *vbd);

/* The vbd goes on with a front end that knows the disk already: finds out
 * whether it knows its size, too. */
void features_resume(struct vbd *vbd);

/* Can a disk that is READY be served to the vbd with the sector size that its
 * options ask for? Else the reason says why not. */
bool features_fit(const struct vbd *vbd, const struct vbd_options *options,
                  const struct message_ready *ready, char *reason,
                  unsigned reason_size);

#endif
