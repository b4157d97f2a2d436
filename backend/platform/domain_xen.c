/* SPDX-License-Identifier: MIT
 * Xen's domains: all that is used of libxenctrl. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xenctrl.h>

#include "backend/platform/domain_ops.h"

struct domains_xen {
    struct domains base;
    xc_interface *control;
    xentoollog_logger_stdiostream *logger; /* its errors are ours to tell */
};

/* The library returns -1 and sets errno, or does not. */
static int last_error(void)
{
    return errno ? -errno : -EIO;
}

static void close_xen(struct domains *domains)
{
    struct domains_xen *xen = (struct domains_xen *)domains;

    if (xen->control)
        xc_interface_close(xen->control);
    if (xen->logger)
        xtl_logger_destroy((xentoollog_logger *)xen->logger);
    free(xen);
}

/* Asked for domain domid, Xen tells of the first one from there on. */
static int look_xen(struct domains *domains, uint32_t domid)
{
    struct domains_xen *xen = (struct domains_xen *)domains;
    xc_domaininfo_t info;
    int nr;

    errno = 0;
    nr = xc_domain_getinfolist(xen->control, domid, 1, &info);
    if (nr < 0)
        return last_error();
    if (nr == 0 || info.domain != domid || (info.flags & XEN_DOMINF_dying))
        return DOMAIN_GONE;
    if ((info.flags & XEN_DOMINF_shutdown) &&
        ((info.flags >> XEN_DOMINF_shutdownshift) &
         XEN_DOMINF_shutdownmask) == SHUTDOWN_suspend)
        return DOMAIN_SUSPENDED;
    return DOMAIN_RUNNING;
}

int domains_xen_open(struct domains **domains, char *reason,
                     unsigned reason_size)
{
    struct domains_xen *xen = calloc(1, sizeof *xen);
    int error = 0;

    if (!xen)
        return -ENOMEM;
    xen->base = (struct domains){ close_xen, look_xen };
    xen->logger = xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    errno = 0;
    xen->control = xc_interface_open((xentoollog_logger *)xen->logger, NULL,
                                     0);
    if (!xen->control)
        error = last_error();
    else /* a driver domain may open it, and then ask for nothing */
        error = look_xen(&xen->base, 0);
    if (error < 0) {
        snprintf(reason, reason_size, "Xen's control interface: %s",
                 strerror(-error));
        close_xen(&xen->base);
        return error;
    }
    *domains = &xen->base;
    return 0;
}
