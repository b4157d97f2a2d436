/* SPDX-License-Identifier: MIT
 * The back end's side of the grant table: map, unmap, copy. */
#include "common/local/client.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One successful local_grant_map(). */
struct mapping {
    uint8_t *pages; /* first: what the tree is ordered by */
    struct local_peer *peer;
    unsigned nr;
    uint32_t grefs[];
};

/* --- the memory of the domains that we serve ------------------------------ */

static size_t peer_bytes(const struct local_peer *peer)
{
    return (size_t)peer->nr_pages * LOCAL_PAGE_BYTES;
}

static void put_peer(struct local_peer *peer)
{
    if (--peer->refs > 0)
        return;
    if (peer->memory)
        munmap(peer->memory, peer_bytes(peer));
    if (peer->pins)
        munmap(peer->pins, sizeof *peer->pins);
    close(peer->memory_fd);
    free(peer);
}

static void *map_shared(int fd, size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                        0);

    return memory == MAP_FAILED ? NULL : memory;
}

/* Fetches what the domain is in this life of it. */
static int fetch_peer(struct local *local, uint32_t domid,
                      struct local_peer **out)
{
    struct local_reply reply;
    struct local_peer *peer;
    int fds[2], slot;

    slot = local_call(local, LOCAL_OP_MEMORY, domid, 0, fds, 2, &reply);
    if (slot < 0)
        return slot;
    peer = calloc(1, sizeof *peer);
    if (!peer) {
        close(fds[0]);
        close(fds[1]);
        return -ENOMEM;
    }
    peer->refs = 1;
    peer->domid = domid;
    peer->nr_pages = reply.nr_pages;
    peer->memory_fd = fds[0];
    peer->slot = (unsigned)slot;
    peer->memory = map_shared(fds[0], peer_bytes(peer));
    peer->pins = map_shared(fds[1], sizeof *peer->pins);
    local->held.system_calls += 3;
    close(fds[1]);
    if (!peer->memory || !peer->pins) {
        put_peer(peer);
        return -ENOMEM;
    }
    peer->next = local->peers;
    local->peers = peer;
    *out = peer;
    return 0;
}

/* The living domain domid: no system call when it is known. What is known of
 * a dead one is forgotten; its mappings keep it for as long as they last. */
static int find_peer(struct local *local, uint32_t domid,
                     struct local_peer **out)
{
    for (struct local_peer **at = &local->peers; *at; at = &(*at)->next) {
        struct local_peer *peer = *at;

        if (peer->domid != domid)
            continue;
        if (__atomic_load_n(&peer->pins->is_alive, __ATOMIC_ACQUIRE)) {
            *out = peer;
            return 0;
        }
        *at = peer->next;
        put_peer(peer);
        break;
    }
    return fetch_peer(local, domid, out);
}

/* --- using a grant -------------------------------------------------------- */

static struct grant_entry_v1 *peer_entry(struct local_peer *peer,
                                         uint32_t gref)
{
    return (struct grant_entry_v1 *)peer->memory + gref;
}

static void release_grant(struct local_peer *peer, uint32_t gref)
{
    if (--peer->own[gref] == 0)
        pins_clear(&peer->pins->words[gref], peer->slot,
                   peer_entry(peer, gref));
}

/* Checks and pins; the frame is read once, afterwards, as Xen does. */
static int use_grant(struct local_peer *peer, uint32_t gref, bool writable,
                     uint32_t *frame)
{
    int error;

    if (gref < LOCAL_FIRST_GREF || gref >= LOCAL_MAX_GRANTS)
        return -EACCES;
    if (peer->own[gref]++ == 0)
        pins_set(&peer->pins->words[gref], peer->slot);
    error = pins_use_entry(peer_entry(peer, gref), 0, writable);
    *frame = __atomic_load_n(&peer_entry(peer, gref)->frame,
                             __ATOMIC_ACQUIRE);
    if (!error && *frame >= peer->nr_pages)
        error = -EACCES;
    if (error)
        release_grant(peer, gref);
    return error;
}

/* --- map and unmap -------------------------------------------------------- */

static int compare_mappings(const void *left, const void *right)
{
    const struct mapping *a = left, *b = right;

    return (a->pages > b->pages) - (a->pages < b->pages);
}

/* Gives back a mapping of which `done` pages were reached. */
static void drop_mapping(struct local *local, struct mapping *mapping,
                         unsigned done)
{
    local->held.system_calls++;
    munmap(mapping->pages, (size_t)mapping->nr * LOCAL_PAGE_BYTES);
    while (done > 0)
        release_grant(mapping->peer, mapping->grefs[--done]);
    put_peer(mapping->peer);
    free(mapping);
}

static int map_page(struct local *local, struct mapping *mapping,
                    unsigned index, bool writable)
{
    struct local_peer *peer = mapping->peer;
    uint32_t frame;
    int error = use_grant(peer, mapping->grefs[index], writable, &frame);

    if (error)
        return error;
    local->held.system_calls++;
    if (mmap(mapping->pages + (size_t)index * LOCAL_PAGE_BYTES,
             LOCAL_PAGE_BYTES, PROT_READ | (writable ? PROT_WRITE : 0),
             MAP_SHARED | MAP_FIXED, peer->memory_fd,
             (off_t)frame * LOCAL_PAGE_BYTES) == MAP_FAILED) {
        error = -errno;
        release_grant(peer, mapping->grefs[index]);
    }
    return error;
}

/* An address range for nr pages and its record; nothing is mapped yet. */
static int new_mapping(struct local *local, struct local_peer *peer,
                       const uint32_t *grefs, unsigned nr,
                       struct mapping **out)
{
    struct mapping *mapping;
    void *pages;

    mapping = malloc(sizeof *mapping + nr * sizeof *grefs);
    if (!mapping)
        return -ENOMEM;
    local->held.system_calls++;
    pages = mmap(NULL, (size_t)nr * LOCAL_PAGE_BYTES, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) {
        free(mapping);
        return -errno;
    }
    mapping->pages = pages;
    mapping->peer = peer;
    mapping->nr = nr;
    memcpy(mapping->grefs, grefs, nr * sizeof *grefs);
    peer->refs++;
    *out = mapping;
    return 0;
}

int local_grant_map(struct local *local, uint32_t domid, const uint32_t *grefs,
                    unsigned nr, bool writable, void **pages)
{
    struct local_peer *peer;
    struct mapping *mapping = NULL;
    unsigned done = 0;
    int error = local_take_fault(local, LOCAL_FAULT_MAP);

    if (!error && (nr == 0 || nr > LOCAL_MAX_GRANTS))
        error = -EINVAL;
    if (!error)
        error = find_peer(local, domid, &peer);
    if (!error)
        error = new_mapping(local, peer, grefs, nr, &mapping);
    if (error)
        return error;
    while (!error && done < nr) {
        error = map_page(local, mapping, done, writable);
        done += !error;
    }
    if (!error && !tsearch(mapping, &local->mappings, compare_mappings))
        error = -ENOMEM;
    if (error) {
        drop_mapping(local, mapping, done);
        return error;
    }
    local->held.mapped_pages += nr;
    *pages = mapping->pages;
    return 0;
}

int local_grant_unmap(struct local *local, void *pages, unsigned nr)
{
    struct mapping wanted = { .pages = pages }, *mapping, **found;

    found = tfind(&wanted, &local->mappings, compare_mappings);
    if (!found || (*found)->nr != nr)
        return -EINVAL;
    mapping = *found;
    tdelete(mapping, &local->mappings, compare_mappings);
    local->held.mapped_pages -= nr;
    drop_mapping(local, mapping, nr);
    return 0;
}

/* --- copy ----------------------------------------------------------------- */

int local_grant_copy(struct local *local, uint32_t domid, uint32_t gref,
                     uint16_t offset_bytes, uint16_t length_bytes,
                     void *ours, bool to_guest)
{
    struct local_peer *peer;
    uint32_t frame;
    uint8_t *theirs;
    int error = local_take_fault(local, LOCAL_FAULT_COPY);

    if (!error)
        error = find_peer(local, domid, &peer);
    if (!error && offset_bytes + length_bytes > LOCAL_PAGE_BYTES)
        error = -EFAULT;
    if (!error)
        error = use_grant(peer, gref, to_guest, &frame);
    if (error)
        return error;
    theirs = peer->memory + (size_t)frame * LOCAL_PAGE_BYTES + offset_bytes;
    if (to_guest)
        memcpy(theirs, ours, length_bytes);
    else
        memcpy(ours, theirs, length_bytes);
    release_grant(peer, gref);
    return 0;
}

void local_grants_free(struct local *local)
{
    while (local->mappings) {
        /* A node of a tsearch(3) tree begins with its key. */
        struct mapping *mapping = *(struct mapping **)local->mappings;

        local_grant_unmap(local, mapping->pages, mapping->nr);
    }
    while (local->peers) {
        struct local_peer *peer = local->peers;

        local->peers = peer->next;
        put_peer(peer);
    }
}
