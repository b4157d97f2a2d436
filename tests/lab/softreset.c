/* SPDX-License-Identifier: MIT
 * In dom0: has a domain shut down for a soft reset, as Linux does by itself
 * before it goes over to a crash kernel. */
#define __XEN_TOOLS__ /* the hypercall numbers of today */

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/sched.h>
#include <xen/sys/privcmd.h>

int main(int argc, char **argv)
{
    struct sched_remote_shutdown shutdown = { .reason = SHUTDOWN_soft_reset };
    privcmd_hypercall_t call = {
        .op = __HYPERVISOR_sched_op,
        .arg = { SCHEDOP_remote_shutdown, (uint64_t)(uintptr_t)&shutdown },
    };
    int fd = open("/dev/xen/privcmd", O_RDWR);

    if (argc != 2)
        return 2;
    shutdown.domain_id = (domid_t)atoi(argv[1]);
    if (fd < 0 || ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0) {
        perror("softreset");
        return 1;
    }
    return 0;
}
