/* SPDX-License-Identifier: MIT
 * The platform on the local stand-in (common/local). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/platform/ops.h"
#include "common/local/local.h"

struct platform_local {
    struct platform base;
    struct local *local;
};

static struct local *local_of(struct platform *platform)
{
    return ((struct platform_local *)platform)->local;
}

static void local_platform_close(struct platform *platform)
{
    local_close(local_of(platform));
    free(platform);
}

static int local_platform_event_fd(struct platform *platform)
{
    return local_event_fd(local_of(platform));
}

static int local_platform_event_bind(struct platform *platform,
                                     uint32_t domid, uint32_t remote_port)
{
    return local_event_bind(local_of(platform), domid, remote_port);
}

static int local_platform_event_unbind(struct platform *platform,
                                       uint32_t port)
{
    return local_event_close(local_of(platform), port);
}

static int local_platform_event_notify(struct platform *platform,
                                       uint32_t port)
{
    return local_event_notify(local_of(platform), port);
}

static int local_platform_event_take(struct platform *platform,
                                     uint32_t *ports, unsigned max)
{
    platform->held.system_calls++;
    return local_event_take(local_of(platform), ports, max);
}

/* The stand-in's own. */
static uint64_t calls_so_far(struct platform *platform)
{
    struct local_held held;

    local_get_held(local_of(platform), &held);
    return held.system_calls;
}

static int local_platform_grant_map(struct platform *platform, uint32_t domid,
                                    const uint32_t *grefs, unsigned nr,
                                    bool writable, void **pages)
{
    uint64_t before = calls_so_far(platform);
    int error = local_grant_map(local_of(platform), domid, grefs, nr, writable,
                                pages);

    platform->held.system_calls += calls_so_far(platform) - before;
    return error;
}

static int local_platform_grant_unmap(struct platform *platform, void *pages,
                                      unsigned nr)
{
    uint64_t before = calls_so_far(platform);
    int error = local_grant_unmap(local_of(platform), pages, nr);

    platform->held.system_calls += calls_so_far(platform) - before;
    return error;
}

static int local_platform_grant_copy(struct platform *platform,
                                     struct platform_copy *copies, unsigned nr)
{
    for (unsigned i = 0; i < nr; i++) {
        struct platform_copy *copy = &copies[i];

        copy->error = (int16_t)local_grant_copy(
            local_of(platform), copy->domid, copy->gref, copy->offset_bytes,
            copy->length_bytes, copy->local, copy->to_guest);
    }
    return 0;
}

static const struct platform_ops local_platform_ops = {
    .close = local_platform_close,
    .event_fd = local_platform_event_fd,
    .event_bind = local_platform_event_bind,
    .event_unbind = local_platform_event_unbind,
    .event_notify = local_platform_event_notify,
    .event_take = local_platform_event_take,
    .grant_map = local_platform_grant_map,
    .grant_unmap = local_platform_grant_unmap,
    .grant_copy = local_platform_grant_copy,
};

int platform_local_open(const char *dir, struct platform **platform,
                        char *reason, unsigned reason_size)
{
    struct platform_local *local = calloc(1, sizeof *local);
    int error;

    if (!local)
        return -ENOMEM;
    local->base.ops = &local_platform_ops;
    error = local_open(dir, &local->local);
    if (error) {
        snprintf(reason, reason_size,
                 "no stand-in hypervisor in %s: %s; start `vbdd-local %s`",
                 dir, strerror(-error), dir);
        free(local);
        return error;
    }
    *platform = &local->base;
    return 0;
}
