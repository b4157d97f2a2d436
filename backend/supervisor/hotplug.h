/* SPDX-License-Identifier: MIT
 * What the hotplug script asks for: a vbd gets its disk, or gives it back.
 * Loop thread only. */
#ifndef VBDD_SUPERVISOR_HOTPLUG_H
#define VBDD_SUPERVISOR_HOTPLUG_H

#include "backend/supervisor/supervisor.h"
#include "backend/supervisor/waiter.h"

struct vbd;

/* Attaches the disk that the node at path asks for (its params and mode) and
 * tells the waiter (borrowed until then) how it went; a failed attach leaves
 * nothing behind. After the configured time it is given up. */
void hotplug_add(struct supervisor *supervisor, const char *path,
                 struct waiter *waiter);
/* Takes the vbd off its disk, whatever its front end says, and tells the
 * waiter when the target is free, or still used by others. */
void hotplug_remove(struct supervisor *supervisor, const char *path,
                    struct waiter *waiter);
/* Tells the waiter the same once the vbd has been closed by toolstack and
 * front end; or, when that takes too long, that it has not. */
void hotplug_await_close(struct vbd *vbd, struct waiter *waiter);
/* A vbd that an earlier vbdd had attached gets its disk again. */
void hotplug_resume(struct vbd *vbd);

#endif
