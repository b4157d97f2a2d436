/* SPDX-License-Identifier: MIT
 * The guest's side: its memory and its grant table. */
#include "common/local/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int local_domain_create(struct local *local, uint32_t domid,
                        uint32_t nr_pages)
{
    struct local_reply reply;
    int fd, result;
    void *memory;

    if (local->memory)
        return -EBUSY;
    if (!local->free_grefs)
        local->free_grefs = calloc(LOCAL_MAX_GRANTS,
                                   sizeof *local->free_grefs);
    if (!local->free_grefs)
        return -ENOMEM;
    result = local_call(local, LOCAL_OP_CREATE, domid, nr_pages, &fd, 1,
                        &reply);
    if (result < 0)
        return result;
    memory = mmap(NULL, (size_t)nr_pages * LOCAL_PAGE_BYTES,
                  PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    result = memory == MAP_FAILED ? -errno : 0;
    close(fd);
    if (result)
        return result;
    local->memory = memory;
    local->nr_pages = nr_pages;
    local->nr_free_grefs = 0;
    for (unsigned gref = LOCAL_MAX_GRANTS; gref-- > LOCAL_FIRST_GREF;)
        local->free_grefs[local->nr_free_grefs++] = (uint16_t)gref;
    return 0;
}

void *local_domain_memory(struct local *local)
{
    return local->memory;
}

void local_guest_free(struct local *local)
{
    if (local->memory)
        munmap(local->memory, (size_t)local->nr_pages * LOCAL_PAGE_BYTES);
    free(local->free_grefs);
}

static struct grant_entry_v1 *own_entry(struct local *local, uint32_t gref)
{
    return (struct grant_entry_v1 *)local->memory + gref;
}

int32_t local_grant_access(struct local *local, uint32_t domid,
                           uint32_t frame, bool read_only)
{
    struct grant_entry_v1 *entry;
    uint32_t gref;

    if (local->nr_free_grefs == 0)
        return -ENOSPC;
    gref = local->free_grefs[--local->nr_free_grefs];
    entry = own_entry(local, gref);
    entry->frame = frame;
    entry->domid = (domid_t)domid;
    /* Everything else before the flags (grant_table.h). */
    __atomic_store_n(&entry->flags,
                     GTF_permit_access | (read_only ? GTF_readonly : 0),
                     __ATOMIC_RELEASE);
    return (int32_t)gref;
}

int local_grant_end(struct local *local, uint32_t gref)
{
    struct grant_entry_v1 *entry;
    uint16_t flags;

    if (!local->memory || gref < LOCAL_FIRST_GREF || gref >= LOCAL_MAX_GRANTS)
        return -EINVAL;
    entry = own_entry(local, gref);
    flags = __atomic_load_n(&entry->flags, __ATOMIC_SEQ_CST);
    do {
        if ((flags & GTF_type_mask) == GTF_invalid)
            return -EINVAL;
        if (flags & (GTF_reading | GTF_writing))
            return -EBUSY;
    } while (!__atomic_compare_exchange_n(&entry->flags, &flags, 0, false,
                                          __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    local->free_grefs[local->nr_free_grefs++] = (uint16_t)gref;
    return 0;
}
