/* SPDX-License-Identifier: MIT
 * Pages. An address is where memory is, so that a page's frame is its address
 * without the lower bits. */
#include "frontend/port-hvm/private.h"

#include <xen/memory.h>

#include "frontend/pages.h"

static struct pages pages;

/* The flags of the pages take the first of them. */
int hvm_memory_start(void *memory, size_t bytes)
{
    uintptr_t start = ((uintptr_t)memory + HVM_PAGE_BYTES - 1) &
                      ~(uintptr_t)(HVM_PAGE_BYTES - 1);
    uintptr_t skipped = start - (uintptr_t)memory;
    uint32_t nr, nr_flags;

    if (bytes < skipped + HVM_PAGE_BYTES)
        return -XEN_ENOMEM;
    nr = (uint32_t)((bytes - skipped) / HVM_PAGE_BYTES);
    nr_flags = (nr + HVM_PAGE_BYTES - 1) / HVM_PAGE_BYTES;
    __builtin_memset((void *)start, 0, nr_flags * (size_t)HVM_PAGE_BYTES);
    pages = (struct pages){ .memory = (uint8_t *)start, .nr_pages = nr,
                            .first = nr_flags, .is_used = (bool *)start };
    return 0;
}

void *hvm_page_alloc(unsigned nr)
{
    return pages_alloc(&pages, nr);
}

void hvm_page_free(void *start, unsigned nr)
{
    pages_free(&pages, start, nr);
}

int hvm_page_replace(void *page, unsigned space, uint32_t index)
{
    struct xen_add_to_physmap op = {
        .domid = DOMID_SELF, .space = space, .idx = index,
        .gpfn = (uintptr_t)page / HVM_PAGE_BYTES,
    };

    return (int)hvm_hypercall(__HYPERVISOR_memory_op, XENMEM_add_to_physmap,
                              (uintptr_t)&op, 0);
}
