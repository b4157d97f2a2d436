/* SPDX-License-Identifier: MIT
 * Xen is found by CPUID, writes the stubs of its hypercalls into a page, and
 * is called through them, as a guest of 32 bits does. */
#include "frontend/port-hvm/private.h"

#include <xen/arch-x86/cpuid.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#include "frontend/port-hvm/cpu.h"

enum {
    LEAVES_STEP = 0x100, /* another hypervisor's leaves may come first */
    LEAVES_END = XEN_CPUID_FIRST_LEAF + 0x10000,
    STUB_BYTES = 32,
};

static uint32_t first_leaf;
static uint8_t *stubs;

bool hvm_xen_find(void)
{
    for (first_leaf = XEN_CPUID_FIRST_LEAF; first_leaf < LEAVES_END;
         first_leaf += LEAVES_STEP) {
        struct cpu_id id = cpu_id(first_leaf);

        if (id.ebx == XEN_CPUID_SIGNATURE_EBX &&
            id.ecx == XEN_CPUID_SIGNATURE_ECX &&
            id.edx == XEN_CPUID_SIGNATURE_EDX && id.eax >= first_leaf + 2)
            return true;
    }
    return false;
}

uint32_t hvm_xen_version(void)
{
    return cpu_id(first_leaf + 1).eax;
}

void hvm_xen_start(void *page)
{
    stubs = page;
    cpu_write_msr(cpu_id(first_leaf + 2).ebx, (uintptr_t)page);
}

long hvm_hypercall(unsigned number, uintptr_t first, uintptr_t second,
                   uintptr_t third)
{
    uintptr_t result = (uintptr_t)stubs + number * STUB_BYTES;

    __asm__ volatile("call *%0"
                     : "+a"(result), "+b"(first), "+c"(second), "+d"(third)
                     : : "memory", "cc");
    return (long)result;
}

uint64_t hvm_param_get(uint32_t index)
{
    struct xen_hvm_param param = { .domid = DOMID_SELF, .index = index };

    if (hvm_hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param,
                      (uintptr_t)&param, 0) != 0)
        return 0;
    return param.value;
}

int hvm_param_set(uint32_t index, uint64_t value)
{
    struct xen_hvm_param param = { .domid = DOMID_SELF, .index = index,
                                   .value = value };

    return (int)hvm_hypercall(__HYPERVISOR_hvm_op, HVMOP_set_param,
                              (uintptr_t)&param, 0);
}
