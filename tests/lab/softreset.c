/* SPDX-License-Identifier: MIT
 * In a guest: asks Xen for a soft reset, as Linux does before it goes over to
 * a crash kernel. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/sched.h>
#include <xen/sys/privcmd.h>

int main(void)
{
    struct sched_shutdown shutdown = { .reason = SHUTDOWN_soft_reset };
    privcmd_hypercall_t call = {
        .op = __HYPERVISOR_sched_op,
        .arg = { SCHEDOP_shutdown, (uint64_t)(uintptr_t)&shutdown },
    };
    int fd = open("/dev/xen/privcmd", O_RDWR);

    if (fd < 0 || ioctl(fd, IOCTL_PRIVCMD_HYPERCALL, &call) < 0) {
        perror("softreset");
        return 1;
    }
    return 0;
}
