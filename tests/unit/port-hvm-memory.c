/* SPDX-License-Identifier: MIT
 * Claim: the pages that the port gives out are whole, zeroed, contiguous,
 * nobody else's, and all of the memory but for what the allocator needs; too
 * little memory is an error. Source: port.h, XSA-403. Mechanism: random
 * allocations against a list of them; guard bytes around the memory. */
#include "frontend/port-hvm/private.h"

#include "tests/unit/tap.h"

#include <errno.h>

#include <xen/memory.h>

enum { NR_PAGES = 64, MAX_RUN = 9, NR_RUNS = 20, GUARD = 0x5a };

static uint8_t *memory; /* with a page before and behind */
static struct xen_add_to_physmap replaced;

long hvm_hypercall(unsigned number, uintptr_t first, uintptr_t second,
                   uintptr_t third)
{
    (void)third;
    CHECK_EQ(number, __HYPERVISOR_memory_op);
    CHECK_EQ(first, XENMEM_add_to_physmap);
    replaced = *(struct xen_add_to_physmap *)second;
    return -EPERM;
}

static unsigned nr_pages_to_have(void)
{
    unsigned nr = 0;

    while (hvm_page_alloc(1))
        nr++;
    return nr;
}

static void check_start(void)
{
    uint8_t *start = memory + HVM_PAGE_BYTES;

    CHECK_EQ(hvm_memory_start(start, 0), -ENOMEM);
    CHECK_EQ(hvm_memory_start(start, HVM_PAGE_BYTES - 1), -ENOMEM);
    CHECK_EQ(hvm_memory_start(start + 1, HVM_PAGE_BYTES), -ENOMEM);
    CHECK_EQ(hvm_memory_start(start, HVM_PAGE_BYTES), 0);
    CHECK_EQ(nr_pages_to_have(), 0);
    CHECK_EQ(hvm_memory_start(start + 1, 5 * HVM_PAGE_BYTES), 0);
    CHECK_EQ(nr_pages_to_have(), 3);
    CHECK_EQ(hvm_memory_start(start, NR_PAGES * HVM_PAGE_BYTES), 0);
    CHECK_EQ(nr_pages_to_have(), NR_PAGES - 1);
}

struct run {
    uint8_t *start;
    unsigned nr;
};

static void check_new(const struct run *run, unsigned tag)
{
    CHECK_EQ((uintptr_t)run->start % HVM_PAGE_BYTES, 0);
    CHECK(run->start >= memory + 2 * HVM_PAGE_BYTES);
    CHECK(run->start + run->nr * HVM_PAGE_BYTES <=
          memory + (1 + NR_PAGES) * HVM_PAGE_BYTES);
    for (unsigned i = 0; i < run->nr * HVM_PAGE_BYTES; i++)
        REQUIRE(run->start[i] == 0);
    memset(run->start, (int)tag + 1, run->nr * (size_t)HVM_PAGE_BYTES);
}

static void check_old(const struct run *run, unsigned tag)
{
    for (unsigned i = 0; i < run->nr * HVM_PAGE_BYTES; i++)
        REQUIRE(run->start[i] == tag + 1);
    CHECK(true);
}

static void check_random(void)
{
    struct run runs[NR_RUNS] = { { 0 } };
    unsigned nr_given = 0;

    srand((unsigned)tap_seed());
    CHECK_EQ(hvm_memory_start(memory + HVM_PAGE_BYTES,
                              NR_PAGES * HVM_PAGE_BYTES), 0);
    for (unsigned long i = 0; i < tap_scaled(5000); i++) {
        unsigned tag = (unsigned)rand() % NR_RUNS;
        struct run *run = &runs[tag];

        if (run->start) {
            check_old(run, tag);
            hvm_page_free(run->start, run->nr);
            run->start = NULL;
            continue;
        }
        run->nr = 1 + (unsigned)rand() % MAX_RUN;
        run->start = hvm_page_alloc(run->nr);
        if (run->start) {
            check_new(run, tag);
            nr_given++;
        }
    }
    CHECK(nr_given > 0);
    for (unsigned i = 0; i < NR_RUNS; i++)
        if (runs[i].start)
            hvm_page_free(runs[i].start, runs[i].nr);
    CHECK(hvm_page_alloc(NR_PAGES - 1));
    for (unsigned i = 0; i < HVM_PAGE_BYTES; i++) {
        CHECK_EQ(memory[i], GUARD);
        CHECK_EQ(memory[(1 + NR_PAGES) * HVM_PAGE_BYTES + i], GUARD);
    }
}

static void check_replaced(void)
{
    CHECK_EQ(hvm_page_replace(memory, XENMAPSPACE_grant_table, 3), -EPERM);
    CHECK_EQ(replaced.domid, DOMID_SELF);
    CHECK_EQ(replaced.space, XENMAPSPACE_grant_table);
    CHECK_EQ(replaced.idx, 3);
    CHECK_EQ(replaced.gpfn, (uintptr_t)memory / HVM_PAGE_BYTES);
}

int main(void)
{
    size_t bytes = (NR_PAGES + 2) * (size_t)HVM_PAGE_BYTES;

    memory = aligned_alloc(HVM_PAGE_BYTES, bytes);
    REQUIRE(memory);
    memset(memory, GUARD, bytes);
    TEST("all whole pages are to have but those of the flags", check_start);
    TEST("pages are zeroed, and nobody else's", check_random);
    TEST("Xen is told which page is to be replaced", check_replaced);
    free(memory);
    return tap_done();
}
