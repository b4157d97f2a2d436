/* SPDX-License-Identifier: MIT
 * Domains: birth, death, memory, who holds what of them. */
#include "config.h" /* for GNU extensions */

#include "common/local/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/local/alloc.h"
#include "common/local/store/store.h"

struct domain *domain_find(const struct server *server, uint32_t domid)
{
    struct domain *domain = server->domains;

    while (domain && domain->domid != domid)
        domain = domain->next;
    return domain;
}

/* Shared memory whose size nobody can change: a guest that cut it off would
 * kill its back ends. Maps its first map_bytes. */
static int make_memory(const char *name, size_t bytes, size_t map_bytes,
                       int *fd, void **map)
{
    *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (*fd < 0 || ftruncate(*fd, (off_t)bytes) < 0 ||
        fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
        return -errno;
    *map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    if (*map == MAP_FAILED) {
        *map = NULL;
        return -errno;
    }
    return 0;
}

static int give_memory(struct domain *domain, uint32_t nr_pages)
{
    int error;

    domain->nr_pages = nr_pages;
    error = make_memory("guest", (size_t)nr_pages * LOCAL_PAGE_BYTES,
                        LOCAL_MAX_GRANTS * sizeof *domain->grants,
                        &domain->memory_fd, (void **)&domain->grants);
    if (!error)
        error = make_memory("pins", sizeof *domain->pins,
                            sizeof *domain->pins, &domain->pins_fd,
                            (void **)&domain->pins);
    if (!error)
        __atomic_store_n(&domain->pins->is_alive, 1, __ATOMIC_RELEASE);
    return error;
}

static void free_domain(struct domain *domain)
{
    if (domain->grants)
        munmap(domain->grants, LOCAL_MAX_GRANTS * sizeof *domain->grants);
    if (domain->pins)
        munmap(domain->pins, sizeof *domain->pins);
    if (domain->memory_fd >= 0)
        close(domain->memory_fd);
    if (domain->pins_fd >= 0)
        close(domain->pins_fd);
    free(domain);
}

/* The folder of a guest's store socket; domain 0's is DIR itself. */
static void domain_dir(const struct server *server, uint32_t domid,
                       char *path, size_t bytes)
{
    snprintf(path, bytes, "%s/domain-%u", server->dir, domid);
}

static int open_door(struct server *server, struct domain *domain)
{
    char path[128];

    if (domain->domid != 0) {
        domain_dir(server, domain->domid, path, sizeof path);
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    local_store_path(server->dir, domain->domid, path, sizeof path);
    return store_open_door(server->store, domain->domid, path, &domain->door);
}

int domain_create(struct server *server, uint32_t domid, uint32_t nr_pages,
                  struct domain **out)
{
    struct domain *domain;
    int error = 0;

    if (domain_find(server, domid))
        return -EEXIST;
    domain = alloc_new(sizeof *domain);
    domain->domid = domid;
    domain->memory_fd = domain->pins_fd = -1;
    if (nr_pages)
        error = give_memory(domain, nr_pages);
    if (!error)
        error = open_door(server, domain);
    if (error) {
        free_domain(domain);
        return error;
    }
    domain->next = server->domains;
    server->domains = domain;
    *out = domain;
    store_introduce(server->store, domid);
    return 0;
}

void domain_destroy(struct server *server, struct domain *domain)
{
    struct domain **at = &server->domains;
    char path[128];

    while (*at != domain)
        at = &(*at)->next;
    *at = domain->next;
    if (domain->pins)
        __atomic_store_n(&domain->pins->is_alive, 0, __ATOMIC_RELEASE);
    store_close_door(server->store, domain->door);
    if (domain->domid != 0) {
        domain_dir(server, domain->domid, path, sizeof path);
        rmdir(path);
        store_release(server->store);
    }
    free_domain(domain);
}

int domain_join(struct domain *domain, struct connection *connection)
{
    int slot = -EUSERS;

    for (int i = PINS_SLOTS - 1; i >= 0; i--) {
        if (domain->slots[i] == connection)
            return i;
        if (!domain->slots[i])
            slot = i;
    }
    if (slot >= 0)
        domain->slots[slot] = connection;
    return slot;
}

void domain_leave(struct domain *domain, struct connection *connection)
{
    for (unsigned slot = 0; slot < PINS_SLOTS; slot++) {
        if (domain->slots[slot] != connection)
            continue;
        for (unsigned gref = 0; gref < LOCAL_MAX_GRANTS; gref++)
            pins_clear(&domain->pins->words[gref], slot,
                       &domain->grants[gref]);
        domain->slots[slot] = NULL;
    }
}
