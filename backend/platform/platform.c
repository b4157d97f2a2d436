/* SPDX-License-Identifier: MIT
 * Chooses the platform and keeps the account of what is held. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "backend/platform/ops.h"
#ifdef WITH_XEN
#include "backend/platform/xen_event.h"
#endif

int platform_open(const char *local_dir, struct platform **platform,
                  char *reason, unsigned reason_size)
{
    if (local_dir)
        return platform_local_open(local_dir, platform, reason, reason_size);
#ifdef WITH_XEN
    return platform_xen_open(platform, reason, reason_size);
#else
    snprintf(reason, reason_size,
             "this vbdd was built without Xen; use --local DIR");
    return -ENOTSUP;
#endif
}

int platform_event_open(const char *local_dir, uint32_t domid,
                        bool *is_restricted)
{
    *is_restricted = false;
    if (local_dir)
        return -ENOTSUP;
#ifdef WITH_XEN
    return xen_event_fd_open(domid, is_restricted);
#else
    (void)domid;
    return -ENOTSUP;
#endif
}

void platform_close(struct platform *platform)
{
    if (platform)
        platform->ops->close(platform);
}

int platform_event_fd(struct platform *platform)
{
    return platform->ops->event_fd(platform);
}

int platform_event_join(struct platform *platform, uint32_t domid, int fd)
{
    if (platform->ops->event_join)
        return platform->ops->event_join(platform, domid, fd);
    close(fd);
    return 0;
}

void platform_event_leave(struct platform *platform, uint32_t domid)
{
    if (platform->ops->event_leave)
        platform->ops->event_leave(platform, domid);
}

int platform_event_bind(struct platform *platform, uint32_t domid,
                        uint32_t remote_port)
{
    int port = platform->ops->event_bind(platform, domid, remote_port);

    if (port >= 0)
        platform->held.ports++;
    return port;
}

int platform_event_unbind(struct platform *platform, uint32_t port)
{
    int error = platform->ops->event_unbind(platform, port);

    if (!error)
        platform->held.ports--;
    return error;
}

int platform_event_notify(struct platform *platform, uint32_t port)
{
    platform->held.system_calls++;
    return platform->ops->event_notify(platform, port);
}

int platform_event_take(struct platform *platform, uint32_t *ports,
                        unsigned max)
{
    return platform->ops->event_take(platform, ports, max);
}

int platform_grant_map(struct platform *platform, uint32_t domid,
                       const uint32_t *grefs, unsigned nr, bool writable,
                       void **pages)
{
    int error = platform->ops->grant_map(platform, domid, grefs, nr, writable,
                                         pages);

    if (!error)
        platform->held.mapped_pages += nr;
    return error;
}

int platform_grant_unmap(struct platform *platform, void *pages, unsigned nr)
{
    int error = platform->ops->grant_unmap(platform, pages, nr);

    if (!error)
        platform->held.mapped_pages -= nr;
    return error;
}

int platform_grant_copy(struct platform *platform,
                        struct platform_copy *copies, unsigned nr)
{
    return nr ? platform->ops->grant_copy(platform, copies, nr) : 0;
}

void platform_get_held(const struct platform *platform,
                       struct platform_held *held)
{
    *held = platform->held;
}
