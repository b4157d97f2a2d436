/* SPDX-License-Identifier: MIT
 * The grant table, version 1: 8 bytes for each reference. It is shared with
 * Xen alone; the peers see what Xen makes of it. */
#include "frontend/port-hvm/private.h"

#include <xen/grant_table.h>
#include <xen/memory.h>

enum {
    MAX_FRAMES = 32,
    ENTRIES_PER_FRAME = HVM_PAGE_BYTES / sizeof(struct grant_entry_v1),
    IN_USE = GTF_reading | GTF_writing,
    NONE = 0, /* those below GNTTAB_NR_RESERVED_ENTRIES are Xen's tools' */
};

static struct grant_entry_v1 *table;
static uint32_t nr_frames;
/* Behind each free reference the next one; NONE ends it. */
static uint16_t *next_free;
static uint16_t first_free;

static uint32_t max_frames(void)
{
    struct gnttab_query_size query = { .dom = DOMID_SELF };

    if (hvm_hypercall(__HYPERVISOR_grant_table_op, GNTTABOP_query_size,
                      (uintptr_t)&query, 1) != 0 ||
        query.status != GNTST_okay)
        return 1;
    return query.max_nr_frames < MAX_FRAMES ? query.max_nr_frames
                                            : MAX_FRAMES;
}

static int make_table(void)
{
    uint32_t nr, bytes;

    nr_frames = max_frames();
    nr = nr_frames * ENTRIES_PER_FRAME;
    bytes = nr * sizeof *next_free;
    table = hvm_page_alloc(nr_frames);
    next_free = hvm_page_alloc((bytes + HVM_PAGE_BYTES - 1) / HVM_PAGE_BYTES);
    if (!table || !next_free)
        return -XEN_ENOMEM;
    while (--nr >= GNTTAB_NR_RESERVED_ENTRIES) {
        next_free[nr] = first_free;
        first_free = (uint16_t)nr;
    }
    return 0;
}

/* References outlast a restore (port.h), what they grant does not: Xen's table
 * is a new one. */
int hvm_grants_start(void)
{
    int error = table ? 0 : make_table();

    for (uint32_t i = 0; i < nr_frames && !error; i++)
        error = hvm_page_replace(&table[i * ENTRIES_PER_FRAME],
                                 XENMAPSPACE_grant_table, i);
    return error;
}

int32_t hvm_grant_access(uint32_t domid, void *page, bool read_only)
{
    uint16_t gref = first_free;
    struct grant_entry_v1 *entry = &table[gref];

    if (gref == NONE)
        return -XEN_ENOSPC;
    first_free = next_free[gref];
    entry->domid = (domid_t)domid;
    entry->frame = (uint32_t)((uintptr_t)page / HVM_PAGE_BYTES);
    __atomic_store_n(&entry->flags,
                     GTF_permit_access | (read_only ? GTF_readonly : 0),
                     __ATOMIC_RELEASE);
    return gref;
}

/* Xen sets the bits of who uses it while we look: so it ends only if none was
 * set at the moment of the exchange. */
int hvm_grant_end(uint32_t gref)
{
    struct grant_entry_v1 *entry = &table[gref];
    uint16_t flags = __atomic_load_n(&entry->flags, __ATOMIC_RELAXED);

    do {
        if (flags & IN_USE)
            return -XEN_EBUSY;
    } while (!__atomic_compare_exchange_n(&entry->flags, &flags, 0, false,
                                          __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    next_free[gref] = first_free;
    first_free = (uint16_t)gref;
    return 0;
}
