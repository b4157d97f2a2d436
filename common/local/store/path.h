/* SPDX-License-Identifier: MIT
 * Paths of the store: absolute, components between single slashes. */
#ifndef VBDD_LOCAL_STORE_PATH_H
#define VBDD_LOCAL_STORE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/xs_wire.h>

/* Any legal path, with the prefix that a relative one gets. */
enum { PATH_BYTES = XENSTORE_ABS_PATH_MAX + 32 };

/* The domain's own place: what its relative paths start from. */
void path_of_domain(uint32_t domid, char path[PATH_BYTES]);
/* Makes what a client wrote absolute; -EINVAL for what no node can be named:
 * other characters than xenstored takes, an empty component, too long. */
int path_resolve(uint32_t domid, const char *given, char path[PATH_BYTES]);
/* Is path top, or below it? */
bool path_is_within(const char *path, const char *top);
/* The next component behind *rest, which moves on; NULL at the end. */
const char *path_next(const char **rest, size_t *length);

#endif
