/* SPDX-License-Identifier: MIT
 * The stand-in's domains. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/platform/domain_ops.h"
#include "common/local/local.h"

struct domains_local {
    struct domains base;
    struct local *local;
};

static void close_local(struct domains *domains)
{
    local_close(((struct domains_local *)domains)->local);
    free(domains);
}

static int look_local(struct domains *domains, uint32_t domid)
{
    int state = local_domain_state(((struct domains_local *)domains)->local,
                                   domid);

    if (state < 0)
        return state;
    switch ((enum local_domain_state)state) {
    case LOCAL_DOMAIN_GONE: return DOMAIN_GONE;
    case LOCAL_DOMAIN_RUNNING: return DOMAIN_RUNNING;
    case LOCAL_DOMAIN_SUSPENDED: return DOMAIN_SUSPENDED;
    }
    return -EPROTO;
}

int domains_local_open(const char *dir, struct domains **domains, char *reason,
                       unsigned reason_size)
{
    struct domains_local *local = calloc(1, sizeof *local);
    int error = local ? local_open(dir, &local->local) : -ENOMEM;

    if (error) {
        snprintf(reason, reason_size, "%s/hypervisor: %s", dir,
                 strerror(-error));
        free(local);
        return error;
    }
    local->base = (struct domains){ close_local, look_local };
    *domains = &local->base;
    return 0;
}
