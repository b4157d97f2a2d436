/* SPDX-License-Identifier: MIT
 * What the back end needs of the hypervisor: event channels and grants, on
 * Xen (libxenevtchn, libxengnttab) or on the local stand-in. One process uses
 * one platform; nothing above this folder knows which.
 * (XenStore needs no second implementation: libxenstore serves both.) */
#ifndef VBDD_PLATFORM_H
#define VBDD_PLATFORM_H

#include <stdbool.h>
#include <stdint.h>

enum { PLATFORM_PAGE_BYTES = 4096 };

struct platform;

/* local_dir: the stand-in's directory (borrowed), or NULL for Xen. Opens what
 * needs root: the grant device, the connection to the stand-in. Returns
 * 0 or -errno with a sentence in reason. */
int platform_open(const char *local_dir, struct platform **platform,
                  char *reason, unsigned reason_size);
void platform_close(struct platform *platform);

/* --- event channels (event.h of Xen: interdomain ports) --------------------
 * One descriptor for all ports of the process. Loop thread only. */

/* In the supervisor, as root: a descriptor through which a worker can bind to
 * ports of domid and, where the kernel can restrict it (evtchn's
 * RESTRICT_DOMID), of no other domain. The caller's; -errno, -ENOTSUP on the
 * stand-in, which needs none. */
int platform_event_open(const char *local_dir, uint32_t domid,
                        bool *is_restricted);
/* In the worker, before the first bind to a port of domid: takes that
 * descriptor over, whatever is returned; one is enough, a second one is closed.
 * leave: after the last unbind. On the stand-in both do nothing. */
int platform_event_join(struct platform *platform, uint32_t domid, int fd);
void platform_event_leave(struct platform *platform, uint32_t domid);

/* Readable when a port has fired. Borrowed. */
int platform_event_fd(struct platform *platform);
/* Binds to remote_port of domid; returns the local port or -errno. The port
 * is pending at once, as on Xen, so that nothing sent before is missed.
 * -EPERM for a domain that was not joined. */
int platform_event_bind(struct platform *platform, uint32_t domid,
                        uint32_t remote_port);
int platform_event_unbind(struct platform *platform, uint32_t port);
int platform_event_notify(struct platform *platform, uint32_t port);
/* Acknowledges (clears and unmasks) what has fired and writes the ports;
 * returns how many, at most max, 0 when none, or -errno. */
int platform_event_take(struct platform *platform, uint32_t *ports,
                        unsigned max);

/* --- grants ----------------------------------------------------------------- */

/* Maps nr pages of domid, granted by grefs, one after the other. Either all
 * are mapped (0) or none (-errno; every element's status is checked: XSA-361).
 * unmap with the same nr exactly once for each successful map. */
int platform_grant_map(struct platform *platform, uint32_t domid,
                       const uint32_t *grefs, unsigned nr, bool writable,
                       void **pages);
int platform_grant_unmap(struct platform *platform, void *pages, unsigned nr);

/* One piece of a batched copy between a granted page and our memory. Must
 * stay within the page. */
struct platform_copy {
    uint32_t domid, gref;
    uint16_t offset_bytes, length_bytes;
    void *local;       /* our side */
    bool to_guest;     /* direction */
    int16_t error;     /* out: 0 or -errno, of this element alone */
};
/* One batched operation. Returns 0 when the batch was carried out (look at
 * each error), or -errno when nothing was. local may lie anywhere. */
int platform_grant_copy(struct platform *platform, struct platform_copy *copies,
                        unsigned nr);

/* What this process holds now; all 0 after everything was given back. */
struct platform_held {
    unsigned ports, mapped_pages;
    uint64_t system_calls; /* since open, made through this interface */
};
void platform_get_held(const struct platform *platform,
                       struct platform_held *held);

#endif
