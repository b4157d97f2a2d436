/* SPDX-License-Identifier: MIT
 * What Linux and Xen's libraries do for the port to a guest's user space, done
 * by the local stand-in, so that conformance-guest runs without Xen: a share is
 * a second mapping of a page of the stand-in's domain, and its grant ends, as
 * with gntalloc, when something else is mapped there and the peer has let go.
 * VBDD_LOCAL_DIR is where the stand-in runs, VBDD_LOCAL_DOMID the domain to
 * be. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xentoollog.h>

#include "common/local/local.h"
#include "tests/unit/tap.h"

enum { PAGE = LOCAL_PAGE_BYTES, LIMIT = 1024, FRAMES = 2 * LIMIT };

static struct local *local;
static uint8_t *memory;
static struct share {
    void *at;  /* NULL: it is mapped no more */
    uint32_t gref; /* 0: free */
} shares[FRAMES];

/* --- pages ---------------------------------------------------------------- */

xengntshr_handle *xengntshr_open(xentoollog_logger *logger, unsigned flags)
{
    uint32_t domid = (uint32_t)tap_env("VBDD_LOCAL_DOMID", 1);
    const char *dir = getenv("VBDD_LOCAL_DIR");
    char path[256];

    (void)logger;
    (void)flags;
    REQUIRE(dir && local_open(dir, &local) == 0);
    REQUIRE(local_domain_create(local, domid,
                                LOCAL_GRANT_FRAMES + FRAMES) == 0);
    REQUIRE(local_store_path(dir, domid, path, sizeof path) == 0);
    setenv("XENSTORED_PATH", path, 1);
    memory = (uint8_t *)local_domain_memory(local) +
             LOCAL_GRANT_FRAMES * PAGE;
    return (void *)shares;
}

int xengntshr_close(xengntshr_handle *handle)
{
    (void)handle;
    return 0;
}

/* Whose peers have let go meanwhile. */
static unsigned end_shares(void)
{
    unsigned nr_mapped = 0;

    for (unsigned i = 0; i < FRAMES; i++) {
        nr_mapped += shares[i].at != NULL;
        if (shares[i].gref && !shares[i].at &&
            local_grant_end(local, shares[i].gref) == 0)
            shares[i].gref = 0;
    }
    return nr_mapped;
}

void *__real_mremap(void *old, size_t old_size, size_t new_size, int flags,
                    void *to);
void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags,
                    void *to);
void *__real_mmap(void *at, size_t size, int protection, int flags, int fd,
                  off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd,
                  off_t offset);

void *xengntshr_share_pages(xengntshr_handle *handle, uint32_t domid,
                            int count, uint32_t *refs, int writable)
{
    unsigned i = 0;
    int32_t gref;

    (void)handle;
    errno = ENOSPC;
    if (end_shares() >= LIMIT)
        return NULL;
    while (i < FRAMES && shares[i].gref)
        i++;
    REQUIRE(count == 1 && i < FRAMES);
    gref = local_grant_access(local, domid, LOCAL_GRANT_FRAMES + i,
                              !writable);
    if (gref < 0)
        return NULL;
    memset(memory + (size_t)i * PAGE, 0, PAGE);
    shares[i].gref = *refs = (uint32_t)gref;
    shares[i].at = __real_mremap(memory + (size_t)i * PAGE, 0, PAGE,
                                 MREMAP_MAYMOVE, NULL);
    REQUIRE(shares[i].at != MAP_FAILED);
    return shares[i].at;
}

/* The share that was mapped at old is at `to` now. */
static void note_move(void *old, void *to)
{
    for (unsigned i = 0; i < FRAMES; i++)
        if (shares[i].at == old)
            shares[i].at = to;
}

int xengntshr_unshare(xengntshr_handle *handle, void *start, uint32_t count)
{
    (void)handle;
    note_move(start, NULL);
    return munmap(start, count * PAGE);
}

void *__wrap_mremap(void *old, size_t old_size, size_t new_size, int flags,
                    void *to)
{
    void *at = __real_mremap(old, old_size, new_size, flags, to);

    if (at != MAP_FAILED)
        note_move(old, at);
    return at;
}

void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd,
                  off_t offset)
{
    if (at && (flags & MAP_FIXED))
        note_move(at, NULL);
    return __real_mmap(at, size, protection, flags, fd, offset);
}

/* --- events --------------------------------------------------------------- */

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned flags)
{
    (void)logger;
    (void)flags;
    return (void *)shares;
}

int xenevtchn_close(xenevtchn_handle *handle)
{
    (void)handle;
    local_close(local);
    return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
    (void)handle;
    return local_event_fd(local);
}

static int answer(int result)
{
    errno = result < 0 ? -result : 0;
    return result < 0 ? -1 : result;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(
    xenevtchn_handle *handle, uint32_t domid)
{
    (void)handle;
    return answer(local_event_alloc_unbound(local, domid));
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t event_port)
{
    (void)handle;
    return answer(local_event_close(local, event_port));
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t event_port)
{
    (void)handle;
    return answer(local_event_notify(local, event_port));
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
    uint32_t event_port;

    (void)handle;
    return local_event_take(local, &event_port, 1) == 1 ? (int)event_port
                                                        : answer(-EAGAIN);
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t event_port)
{
    (void)handle;
    (void)event_port;
    return 0;
}
