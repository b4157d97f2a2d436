/* SPDX-License-Identifier: MIT
 * /dev/xen/gntalloc makes a page, grants it and maps it; a page of ours can
 * not be granted there. So what is mapped is moved to where our page is, with
 * what was on it, and when the grant ends private memory takes its place, with
 * what is on it then. Whoever uses the page sees no difference, and the peer
 * shares it only as long as it is granted.
 *
 * What a peer still maps after the end is the kernel's page, which nobody uses
 * any more and which the kernel frees when the peer lets go: so no end is ever
 * -EBUSY, and no page is lost (XSA-396).
 *
 * Such a page has one reference. Requests for parts of the same page share it;
 * one that needs more than it gives has to wait for the others to end, and one
 * that needs less (a write, from a page that is being read to) gives the peer
 * no more than it has. */
#include "frontend/port-linux/grants.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/host/log.h"

enum { PAGE_BYTES = 4096 };
#define LIMIT "/sys/module/xen_gntalloc/parameters/limit"

struct grant {
    uint32_t gref, domid, nr_holders; /* 0: it is not granted */
    bool is_read_only;
};

int grants_open(struct grants *grants, const struct pages *pages,
                xentoollog_logger *logger)
{
    *grants = (struct grants){ .pages = pages };
    grants->by_page = calloc(pages->nr_pages, sizeof *grants->by_page);
    grants->copy = malloc(PAGE_BYTES);
    if (!grants->by_page || !grants->copy)
        return -ENOMEM;
    errno = 0;
    grants->xen = xengntshr_open(logger, 0);
    if (!grants->xen)
        return errno ? -errno : -EIO;
    return 0;
}

void grants_close(struct grants *grants)
{
    if (grants->xen)
        xengntshr_close(grants->xen);
    free(grants->copy);
    free(grants->page_of);
    free(grants->by_page);
}

/* --- one page ------------------------------------------------------------ */

/* Private memory takes the place of what is mapped at page, with contents,
 * which may be what is there. */
static int make_private(struct grants *grants, void *page,
                        const void *contents)
{
    memcpy(grants->copy, contents, PAGE_BYTES);
    if (mmap(page, PAGE_BYTES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return -errno;
    memcpy(page, grants->copy, PAGE_BYTES);
    return 0;
}

/* When a move fails, what was at its goal may be gone already. */
static int make_shared(struct grants *grants, void *page, void *shared)
{
    int error;

    memcpy(shared, page, PAGE_BYTES);
    if (mremap(shared, PAGE_BYTES, PAGE_BYTES,
               MREMAP_MAYMOVE | MREMAP_FIXED, page) != MAP_FAILED)
        return 0;
    error = -errno;
    make_private(grants, page, shared);
    return error;
}

/* --- what there is ------------------------------------------------------- */

static void say_limit(struct grants *grants)
{
    unsigned limit = 0;
    FILE *file;

    if (grants->has_said_limit)
        return;
    grants->has_said_limit = true;
    file = fopen(LIMIT, "r");
    if (file && fscanf(file, "%u", &limit) != 1)
        limit = 0;
    if (file)
        fclose(file);
    log_warning("the kernel grants no more pages for processes: its limit, "
                LIMIT ", is %u", limit);
}

static int remember(struct grants *grants, uint32_t gref, uint32_t index)
{
    if (gref >= grants->nr_refs) {
        uint32_t nr = gref + 1;
        uint32_t *page_of = realloc(grants->page_of, nr * sizeof *page_of);

        if (!page_of)
            return -ENOMEM;
        grants->page_of = page_of;
        grants->nr_refs = nr;
    }
    grants->page_of[gref] = index;
    return 0;
}

static int refuse(struct grants *grants)
{
    int error = errno ? -errno : -EIO;

    if (error == -ENOSPC)
        say_limit(grants);
    return error;
}

/* The first grant of a page. */
static int share(struct grants *grants, struct grant *grant, void *page)
{
    void *shared;
    int error;

    errno = 0;
    shared = xengntshr_share_pages(grants->xen, grant->domid, 1, &grant->gref,
                                   !grant->is_read_only);
    if (!shared)
        return refuse(grants);
    error = remember(grants, grant->gref, pages_index(grants->pages, page));
    if (!error)
        error = make_shared(grants, page, shared);
    if (error)
        xengntshr_unshare(grants->xen, shared, 1);
    return error;
}

int32_t grants_give(struct grants *grants, uint32_t domid, void *page,
                    bool read_only)
{
    struct grant *grant = &grants->by_page[pages_index(grants->pages, page)];
    int error = 0;

    if (grant->nr_holders == 0) {
        *grant = (struct grant){ .domid = domid, .is_read_only = read_only };
        error = share(grants, grant, page);
    } else if (grant->domid != domid || (grant->is_read_only && !read_only)) {
        error = -EBUSY;
    }
    if (error)
        return error;
    grant->nr_holders++;
    return (int32_t)grant->gref;
}

/* Where there is no private memory the page stays as it is, and must be left
 * alone. */
int grants_end(struct grants *grants, uint32_t gref)
{
    uint32_t index = grants->page_of[gref];
    struct grant *grant = &grants->by_page[index];
    void *page = grants->pages->memory + (size_t)index * PAGE_BYTES;

    assert(grant->nr_holders > 0 && grant->gref == gref);
    if (--grant->nr_holders > 0)
        return 0;
    return make_private(grants, page, page) == 0 ? 0 : -EBUSY;
}
