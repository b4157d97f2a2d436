/* SPDX-License-Identifier: MIT
 * What an implementation of platform.h supplies (contracts there). */
#ifndef VBDD_PLATFORM_OPS_H
#define VBDD_PLATFORM_OPS_H

#include "backend/platform/platform.h"

struct platform_ops {
    void (*close)(struct platform *platform);
    int (*event_fd)(struct platform *platform);
    /* Or NULL where there is nothing to join. */
    int (*event_join)(struct platform *platform, uint32_t domid, int fd);
    void (*event_leave)(struct platform *platform, uint32_t domid);
    int (*event_bind)(struct platform *platform, uint32_t domid,
                      uint32_t remote_port);
    int (*event_unbind)(struct platform *platform, uint32_t port);
    int (*event_notify)(struct platform *platform, uint32_t port);
    int (*event_take)(struct platform *platform, uint32_t *ports,
                      unsigned max);
    int (*grant_map)(struct platform *platform, uint32_t domid,
                     const uint32_t *grefs, unsigned nr, bool writable,
                     void **pages);
    int (*grant_unmap)(struct platform *platform, void *pages, unsigned nr);
    int (*grant_copy)(struct platform *platform, struct platform_copy *copies,
                      unsigned nr);
};

struct platform {
    const struct platform_ops *ops;
    struct platform_held held; /* kept by platform.c and the implementation */
};

int platform_local_open(const char *dir, struct platform **platform,
                        char *reason, unsigned reason_size);
int platform_xen_open(struct platform **platform, char *reason,
                      unsigned reason_size);

#endif
