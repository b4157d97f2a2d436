/* SPDX-License-Identifier: MIT
 * What the implementations of domain.h fill in. */
#ifndef VBDD_PLATFORM_DOMAIN_OPS_H
#define VBDD_PLATFORM_DOMAIN_OPS_H

#include "backend/platform/domain.h"

struct domains {
    void (*close)(struct domains *domains);
    int (*look)(struct domains *domains, uint32_t domid);
};

int domains_local_open(const char *dir, struct domains **domains, char *reason,
                       unsigned reason_size);
int domains_xen_open(struct domains **domains, char *reason,
                     unsigned reason_size);

#endif
