/* SPDX-License-Identifier: MIT
 * The guest's side: its memory and its grant table. */
#include "config.h" /* for GNU extensions */

#include "common/local/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Maps and closes fd. */
static int map_memory(int fd, uint32_t nr_pages, uint8_t **memory)
{
    int error = 0;

    *memory = mmap(NULL, (size_t)nr_pages * LOCAL_PAGE_BYTES,
                   PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*memory == MAP_FAILED)
        error = -errno;
    close(fd);
    return error;
}

int local_domain_create(struct local *local, uint32_t domid,
                        uint32_t nr_pages)
{
    struct local_reply reply;
    int fd, result;
    uint8_t *memory;

    if (local->memory)
        return -EBUSY;
    if (!local->free_grefs)
        local->free_grefs = calloc(LOCAL_MAX_GRANTS,
                                   sizeof *local->free_grefs);
    if (!local->is_granted)
        local->is_granted = calloc(LOCAL_MAX_GRANTS,
                                   sizeof *local->is_granted);
    if (!local->free_grefs || !local->is_granted)
        return -ENOMEM;
    result = local_call(local, LOCAL_OP_CREATE, domid, nr_pages, &fd, 1,
                        &reply);
    if (result < 0)
        return result;
    result = map_memory(fd, nr_pages, &memory);
    if (result)
        return result;
    local->memory = memory;
    local->nr_pages = nr_pages;
    local->nr_free_grefs = 0;
    for (unsigned gref = LOCAL_MAX_GRANTS; gref-- > LOCAL_FIRST_GREF;)
        local->free_grefs[local->nr_free_grefs++] = (uint16_t)gref;
    return 0;
}

int local_domain_restore(struct local *local, uint32_t domid)
{
    const size_t bytes = (size_t)local->nr_pages * LOCAL_PAGE_BYTES,
                 table_bytes = LOCAL_GRANT_FRAMES * LOCAL_PAGE_BYTES;
    struct local_reply reply;
    uint8_t *memory;
    int fd, result;

    result = local_call(local, LOCAL_OP_RESTORE, domid, 0, &fd, 1, &reply);
    if (result < 0)
        return result;
    local_ports_forget(local);
    result = map_memory(fd, local->nr_pages, &memory);
    if (result)
        return result;
    memcpy(memory + table_bytes, local->memory + table_bytes,
           bytes - table_bytes);
    /* In the old memory's place, where all pointers of the guest point. */
    if (mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
               local->memory) == MAP_FAILED) {
        result = -errno;
        munmap(memory, bytes);
    }
    return result;
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
    free(local->is_granted);
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
    local->is_granted[gref] = true;
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

    if (!local->memory || gref >= LOCAL_MAX_GRANTS ||
        !local->is_granted[gref])
        return -EINVAL;
    entry = own_entry(local, gref);
    flags = __atomic_load_n(&entry->flags, __ATOMIC_SEQ_CST);
    do {
        if (flags & (GTF_reading | GTF_writing))
            return -EBUSY;
    } while (!__atomic_compare_exchange_n(&entry->flags, &flags, 0, false,
                                          __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    local->is_granted[gref] = false;
    local->free_grefs[local->nr_free_grefs++] = (uint16_t)gref;
    return 0;
}
