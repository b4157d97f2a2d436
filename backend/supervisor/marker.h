/* SPDX-License-Identifier: MIT
 * Fail-stop's memory (C8): a file in the state directory for each target
 * that is in it, holding the reason. */
#ifndef VBDD_SUPERVISOR_MARKER_H
#define VBDD_SUPERVISOR_MARKER_H

#include "backend/supervisor/supervisor.h"

/* key: the target's. False when it could not be written; that is logged. */
bool marker_set(const struct supervisor *supervisor, const char *key,
                const char *reason);
void marker_clear(const struct supervisor *supervisor, const char *key);
/* The reason, or "" when there is no marker. */
void marker_get(const struct supervisor *supervisor, const char *key,
                char *reason, unsigned reason_size);

#endif
