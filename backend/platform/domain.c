/* SPDX-License-Identifier: MIT
 * Chooses where domains are asked for. */
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include "backend/platform/domain_ops.h"

int domains_open(const char *local_dir, struct domains **domains, char *reason,
                 unsigned reason_size)
{
    if (local_dir)
        return domains_local_open(local_dir, domains, reason, reason_size);
#ifdef WITH_XEN
    return domains_xen_open(domains, reason, reason_size);
#else
    snprintf(reason, reason_size, "this vbdd was built without Xen");
    return -ENOTSUP;
#endif
}

void domains_close(struct domains *domains)
{
    if (domains)
        domains->close(domains);
}

int domains_look(struct domains *domains, uint32_t domid)
{
    return domains->look(domains, domid);
}
