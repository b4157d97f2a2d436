/* SPDX-License-Identifier: MIT
 * All that a guest must supply to the front end: one table of functions. The
 * core calls them from one thread at a time and expects none of them to call
 * back. Freestanding: no libc behind this header. Errors are 0 or -errno, with
 * Linux's numbers (xen/errno.h has the same).
 *
 * When the guest has been restored (vbdfront_resume) memory is what it was.
 * Each reference is its holder's still, though it grants nothing any more:
 * grant_end() takes it back, and is not -EBUSY. Event ports and watches are
 * gone, nobody closes them, and their numbers may be given out again. */
#ifndef VBDD_FRONTEND_PORT_H
#define VBDD_FRONTEND_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vbdfront_port {
    void *context; /* the port's; first argument of every function */

    /* nr contiguous pages of 4096 bytes, zeroed (XSA-403), page-aligned, that
     * may be granted. NULL: no memory. */
    void *(*page_alloc)(void *context, unsigned nr);
    void (*page_free)(void *context, void *pages, unsigned nr);

    /* Grants the page that `page` points to to domid; returns a reference or
     * -errno (-ENOSPC: the table is full). */
    int32_t (*grant_access)(void *context, uint32_t domid, void *page,
                            bool read_only);
    /* Takes the grant back. 0, or -EBUSY when the peer still maps it: then the
     * page must never be used again (XSA-396). */
    int (*grant_end)(void *context, uint32_t gref);

    /* A new port that domid may bind; the port number or -errno. */
    int32_t (*event_alloc)(void *context, uint32_t domid);
    void (*event_close)(void *context, uint32_t port);
    void (*event_notify)(void *context, uint32_t port);

    /* XenStore; paths absolute, or relative to the domain's own directory.
     * Values are 0-terminated text. read: the length without the 0, -ENOENT,
     * -E2BIG when it does not fit into bytes. */
    int (*store_read)(void *context, const char *path, char *value,
                      size_t bytes);
    int (*store_write)(void *context, const char *path, const char *value);
    int (*store_watch)(void *context, const char *path);
    int (*store_unwatch)(void *context, const char *path);
    /* How many watch events wait() has taken so far, of whatever watch: a disk
     * looks into the store only when this has changed. */
    uint64_t (*store_events)(void *context);

    /* Sleeps until one of our event ports or watches fires or timeout_us has
     * passed (0: only look), and acknowledges what fired. May return early. */
    void (*wait)(void *context, uint64_t timeout_us);
    uint64_t (*now_us)(void *context);
    /* A sentence for the log, 0-terminated, without newline. */
    void (*log)(void *context, const char *sentence);
};

#endif
