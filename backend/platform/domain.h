/* SPDX-License-Identifier: MIT
 * What has become of domains: the one thing that the supervisor needs to know
 * and xenstored does not say. It tells that something happened to some domain
 * (@releaseDomain), but not that the domain is suspended and no more; and that
 * a suspend was cancelled it does not tell at all.
 *
 * On Xen this is libxenctrl, whose ABI changes with every Xen release: it is
 * used in domain_xen.c only, and linked into the supervisor only. */
#ifndef VBDD_PLATFORM_DOMAIN_H
#define VBDD_PLATFORM_DOMAIN_H

#include <stdint.h>

enum domain_state {
    DOMAIN_GONE,      /* there is none, or it is dying */
    DOMAIN_RUNNING,   /* or shut down in any way but the next */
    DOMAIN_SUSPENDED, /* to be saved or migrated: it may go on as it is */
};

struct domains;

/* local_dir: the stand-in's directory, or NULL for Xen. 0 or -errno with a
 * sentence; an unprivileged domain may not ask. */
int domains_open(const char *local_dir, struct domains **domains, char *reason,
                 unsigned reason_size);
void domains_close(struct domains *domains);
/* enum domain_state, or -errno when nothing can be said. A hypercall, or one
 * round trip to the stand-in. */
int domains_look(struct domains *domains, uint32_t domid);

#endif
