/* SPDX-License-Identifier: MIT
 * The domain that we are: one of the stand-in's, made for this run, or the
 * guest of Xen's in which this program runs. */
#include "config.h"

#include "tools/vbdfront/cli.h"

#include <errno.h>

#ifdef WITH_XEN
#include "frontend/port-linux/port-linux.h"
#endif
#include "tools/guest/guest.h"

static struct port_local *port_local;

#ifdef WITH_XEN
static struct port_linux *port_linux;

const char *platform_lacks_xen(void)
{
    return port_linux_is_here() ? NULL : "this is no guest of Xen's: there is "
                                         "no /dev/xen/xenbus";
}

static bool open_xen(struct cli *cli)
{
    if (port_linux_open(GUEST_PAGES, &port_linux) != 0)
        return false;
    cli->port = port_linux_table(port_linux);
    return true;
}

/* The claim ends with this process. */
bool platform_claim(const struct cli *cli)
{
    return cli->local_dir ||
           port_linux_claim("/sys/bus/xen", cli->vdev) != -EBUSY;
}
#else
const char *platform_lacks_xen(void)
{
    return "this vbdfront was built without Xen";
}

static bool open_xen(struct cli *cli)
{
    (void)cli;
    return false;
}

bool platform_claim(const struct cli *cli)
{
    (void)cli;
    return true;
}
#endif

bool platform_open(struct cli *cli)
{
    if (!cli->local_dir)
        return open_xen(cli);
    port_local = guest_open(cli->local_dir, (uint32_t)cli->domid);
    if (port_local)
        cli->port = port_local_table(port_local);
    return port_local;
}

void platform_close(void)
{
    port_local_close(port_local);
#ifdef WITH_XEN
    port_linux_close(port_linux);
#endif
}
