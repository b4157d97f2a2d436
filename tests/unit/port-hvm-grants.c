/* SPDX-License-Identifier: MIT
 * Claim: a reference grants what was asked for and nothing else; it never comes
 * to an end while its page is mapped (XSA-396), however both happen at once;
 * the table's own entries are left alone, a full table is said, and references
 * outlast a restore as port.h has it. Source: xen/grant_table.h. Mechanism: the
 * table is the test's, which maps pages as Xen does: also right behind the look
 * at an entry, for which grants.c is part of this file. */
#include "frontend/port-hvm/private.h"

#include "tests/unit/tap.h"

#include <errno.h>

#include <xen/grant_table.h>
#include <xen/memory.h>

enum { NR_ENTRIES = 2 * HVM_PAGE_BYTES / sizeof(struct grant_entry_v1) };

static unsigned nr_replaced;

/* --- what grants.c is made with ------------------------------------------- */

static bool maps_next;

static uint16_t look_and_map(uint16_t *flags)
{
    uint16_t seen = *flags;

    if (maps_next)
        *flags |= GTF_writing;
    maps_next = false;
    return seen;
}
#define __atomic_load_n(flags, order) look_and_map(flags)
#include "frontend/port-hvm/grants.c"

void *hvm_page_alloc(unsigned nr)
{
    void *pages = aligned_alloc(HVM_PAGE_BYTES, nr * (size_t)HVM_PAGE_BYTES);

    memset(pages, 0, nr * (size_t)HVM_PAGE_BYTES);
    return pages;
}

int hvm_page_replace(void *page, unsigned space, uint32_t index)
{
    CHECK_EQ(space, XENMAPSPACE_grant_table);
    CHECK_EQ((uintptr_t)page, (uintptr_t)table + index * HVM_PAGE_BYTES);
    memset(page, 0, HVM_PAGE_BYTES);
    nr_replaced++;
    return 0;
}

long hvm_hypercall(unsigned number, uintptr_t first, uintptr_t second,
                   uintptr_t third)
{
    struct gnttab_query_size *query = (void *)second;

    CHECK_EQ(number, __HYPERVISOR_grant_table_op);
    CHECK_EQ(first, GNTTABOP_query_size);
    CHECK_EQ(third, 1);
    query->max_nr_frames = 2;
    query->status = GNTST_okay;
    return 0;
}

/* --- the tests ------------------------------------------------------------ */

static void *page_of(uint32_t frame)
{
    return (void *)((uintptr_t)frame * HVM_PAGE_BYTES);
}

static void check_entries(void)
{
    int32_t gref = hvm_grant_access(3, page_of(0x1234), false);

    REQUIRE(gref >= GNTTAB_NR_RESERVED_ENTRIES && gref < NR_ENTRIES);
    CHECK_EQ(table[gref].flags, GTF_permit_access);
    CHECK_EQ(table[gref].domid, 3);
    CHECK_EQ(table[gref].frame, 0x1234);
    CHECK_EQ(hvm_grant_end((uint32_t)gref), 0);
    CHECK_EQ(table[gref].flags, 0);
    gref = hvm_grant_access(0, page_of(0x56), true);
    CHECK_EQ(table[gref].flags, GTF_permit_access | GTF_readonly);
    CHECK_EQ(table[gref].frame, 0x56);
    CHECK_EQ(hvm_grant_end((uint32_t)gref), 0);
}

static void check_busy(void)
{
    int32_t gref = hvm_grant_access(0, page_of(1), false);
    const uint16_t uses[] = { GTF_reading, GTF_writing,
                              GTF_reading | GTF_writing };

    for (unsigned i = 0; i < 3; i++) {
        table[gref].flags |= uses[i];
        CHECK_EQ(hvm_grant_end((uint32_t)gref), -EBUSY);
        CHECK_EQ(table[gref].flags, GTF_permit_access | uses[i]);
        table[gref].flags = GTF_permit_access;
    }
    CHECK_EQ(hvm_grant_end((uint32_t)gref), 0);
}

/* Each number once, and the reserved ones never. */
static void check_full(void)
{
    static uint8_t has[NR_ENTRIES];
    int32_t gref;
    unsigned nr = 0;

    while ((gref = hvm_grant_access(0, page_of(nr), false)) >= 0) {
        REQUIRE(gref < NR_ENTRIES);
        CHECK(!has[gref]++);
        CHECK(gref >= GNTTAB_NR_RESERVED_ENTRIES);
        nr++;
    }
    CHECK_EQ(gref, -ENOSPC);
    CHECK_EQ(nr, NR_ENTRIES - GNTTAB_NR_RESERVED_ENTRIES);
    CHECK_EQ(hvm_grant_end(100), 0);
    CHECK_EQ(hvm_grant_access(0, page_of(9), false), 100);
    CHECK_EQ(hvm_grant_access(0, page_of(9), false), -ENOSPC);
    for (uint32_t i = GNTTAB_NR_RESERVED_ENTRIES; i < NR_ENTRIES; i++)
        CHECK_EQ(hvm_grant_end(i), 0);
}

static void check_restored(void)
{
    const struct grant_entry_v1 *before = table;
    int32_t held = hvm_grant_access(0, page_of(1), false), next;

    nr_replaced = 0;
    table[held].flags |= GTF_writing; /* by the end that is left behind */
    CHECK_EQ(hvm_grants_start(), 0);
    CHECK_EQ(nr_replaced, 2);
    CHECK(table == before);
    CHECK_EQ(table[held].flags, 0);
    next = hvm_grant_access(0, page_of(2), false);
    CHECK(next != held);
    CHECK_EQ(hvm_grant_end((uint32_t)held), 0);
    CHECK_EQ(hvm_grant_end((uint32_t)next), 0);
}

/* The peer maps the page when its grant has been looked at, and has not ended
 * yet. */
static void check_race(void)
{
    int32_t gref = hvm_grant_access(0, page_of(1), false);

    maps_next = true;
    CHECK_EQ(hvm_grant_end((uint32_t)gref), -EBUSY);
    CHECK(!maps_next);
    CHECK_EQ(table[gref].flags, GTF_permit_access | GTF_writing);
    CHECK(hvm_grant_access(0, page_of(2), false) != gref);
    table[gref].flags = GTF_permit_access;
    CHECK_EQ(hvm_grant_end((uint32_t)gref), 0);
}

int main(void)
{
    REQUIRE(hvm_grants_start() == 0);
    REQUIRE(nr_replaced == 2);
    TEST("an entry says who may touch which page, and how", check_entries);
    TEST("a page that is mapped stays granted", check_busy);
    TEST("each reference is given once, and that there is none is said",
         check_full);
    TEST("references outlast a restore, what they grant does not",
         check_restored);
    TEST("a grant ends or is mapped, never both", check_race);
    return tap_done();
}
