/* SPDX-License-Identifier: MIT
 * Xen's event channels, one handle for each domain: a handle is restricted by
 * the kernel to ports of that domain before the worker gets it, so that a
 * worker can bind to no port of anybody else. Errors are -errno. */
#ifndef VBDD_PLATFORM_XEN_EVENT_H
#define VBDD_PLATFORM_XEN_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <xentoollog.h>

struct xen_events;

/* logger is borrowed. NULL with errno set. */
struct xen_events *xen_events_open(xentoollog_logger *logger);
void xen_events_close(struct xen_events *events);
/* Readable when a port has fired. Borrowed. */
int xen_events_fd(const struct xen_events *events);

/* fd: of xen_event_fd_open(), ours from now on, whatever is returned. A domain
 * that has a handle already keeps it. */
int xen_events_join(struct xen_events *events, uint32_t domid, int fd);
/* The handle goes, and whatever is still bound through it. */
void xen_events_leave(struct xen_events *events, uint32_t domid);

int xen_events_bind(struct xen_events *events, uint32_t domid,
                    uint32_t remote_port);
int xen_events_unbind(struct xen_events *events, uint32_t port);
int xen_events_notify(struct xen_events *events, uint32_t port);
/* As platform_event_take(); adds to system_calls. */
int xen_events_take(struct xen_events *events, uint32_t *ports, unsigned max,
                    uint64_t *system_calls);

/* In the supervisor, which is root: a new handle's descriptor, restricted to
 * domid; *is_restricted says whether the kernel could. */
int xen_event_fd_open(uint32_t domid, bool *is_restricted);

#endif
