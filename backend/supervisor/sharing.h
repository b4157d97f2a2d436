/* SPDX-License-Identifier: MIT
 * Who may have a target together with whom (C1). */
#ifndef VBDD_SUPERVISOR_SHARING_H
#define VBDD_SUPERVISOR_SHARING_H

#include "backend/supervisor/disk.h"

/* May the vbd join those that the disk has? False with the sentence that
 * names the holder. */
bool sharing_may_join(const struct disk *disk, const struct vbd *vbd,
                      const struct target *target, char *reason,
                      unsigned reason_size);

/* The uuid path of a domain's virtual machine; the toolstack's to write. False
 * when there is none. */
bool sharing_read_vm(const struct supervisor *supervisor, uint32_t domid,
                     char vm[STORE_VALUE_BYTES]);

#endif
