/* SPDX-License-Identifier: MIT
 * A target's lease: a locked file that a worker inherits and keeps open as
 * long as it lives, also when its supervisor has died. So the next supervisor
 * knows that somebody is still at work on the target, and when that is over.
 * (The target's claim would only refuse it.) Loop thread only. */
#ifndef VBDD_SUPERVISOR_LEASE_H
#define VBDD_SUPERVISOR_LEASE_H

#include <stdbool.h>

struct supervisor;

/* key: the target's. Returns a descriptor above those that a worker is started
 * with; the lease lasts until the last copy of it is closed. -EWOULDBLOCK:
 * somebody else has it; or another -errno. */
int lease_take(const struct supervisor *supervisor, const char *key);
/* Has an earlier worker with this lease left word that the disk was in
 * fail-stop (C8)? Whatever it wrote into the file says so. */
bool lease_has_note(int lease);
void lease_clear_note(int lease);
/* Has somebody, also one of ours? What cannot be known is answered by yes. */
bool lease_is_taken(const struct supervisor *supervisor, const char *key);
/* Nobody has it any more. A note stays for the next one, whatever was written,
 * as a single byte. */
void lease_remove(const struct supervisor *supervisor, const char *key);

#endif
