/* SPDX-License-Identifier: MIT
 * Pages of the driver's own: for descriptors, and for data when the back end
 * is not to see the caller's pages, or keeps pages mapped (then their grants
 * stay too). The page that was used last is used first, so that such a back
 * end keeps few (blkif.h, "feature-persistent"). All queues share them: grants
 * that stay with one queue could leave none for another.
 *
 * A page's memory stays until the connection ends. What is written down of the
 * pages lies in memory that is never granted. */
#include "frontend/private.h"

enum {
    SLAB_PAGES = (BLKIF_PAGE_BYTES - sizeof(void *)) /
                 sizeof(struct front_page),
    MAX_PAGES = 2048, /* 8 MiB */
};

struct front_slab {
    struct front_slab *next;
    struct front_page pages[SLAB_PAGES];
};
_Static_assert(sizeof(struct front_slab) <= BLKIF_PAGE_BYTES, "one page");

static void push(struct vbdfront *front, struct front_page *page)
{
    page->next = front->free_pages;
    front->free_pages = page;
}

static bool add_slab(struct vbdfront *front)
{
    const struct vbdfront_port *port = front->port;
    struct front_slab *slab;

    if (front->nr_pool_pages + SLAB_PAGES > MAX_PAGES)
        return false;
    slab = port->page_alloc(port->context, 1);
    if (!slab)
        return false;
    slab->next = front->slabs;
    front->slabs = slab;
    front->nr_pool_pages += SLAB_PAGES;
    for (unsigned i = SLAB_PAGES; i-- > 0;)
        push(front, &slab->pages[i]);
    return true;
}

/* A back end that may keep pages mapped needs them writable, whatever for
 * (blkif.h, note 8). */
static bool grant_page(struct vbdfront *front, struct front_page *page,
                       bool read_only)
{
    int32_t grant = front_grant(front, page->memory,
                                read_only && !front->info.is_persistent);

    if (grant < 0)
        return false;
    page->grant = (uint32_t)grant;
    page->is_granted = true;
    return true;
}

/* XSA-403: for a back end that is not trusted, a page has nothing on it but
 * what is put there for this request. */
struct front_page *front_page_take(struct vbdfront *front, bool read_only)
{
    const struct vbdfront_port *port = front->port;
    struct front_page *page;

    if (!front->free_pages && !add_slab(front))
        return NULL;
    page = front->free_pages;
    if (!page->memory)
        page->memory = port->page_alloc(port->context, 1);
    if (!page->memory)
        return NULL;
    if (front->info.is_untrusted)
        __builtin_memset(page->memory, 0, BLKIF_PAGE_BYTES);
    if (!page->is_granted && !grant_page(front, page, read_only))
        return NULL;
    front->free_pages = page->next;
    return page;
}

/* XSA-396: memory that the peer keeps is not used again, and never freed. */
static int end_page(struct vbdfront *front, struct front_page *page,
                    uint64_t end_us)
{
    int error = front_grant_end_by(front, page->grant, end_us);

    page->is_granted = false;
    if (error)
        page->memory = NULL;
    return error;
}

int front_page_return(struct vbdfront *front, struct front_page *page)
{
    int error = front->info.is_persistent ? 0 : end_page(front, page, 0);

    push(front, page);
    return error;
}

/* Returns how many pages the peer keeps. */
static unsigned close_slab(struct vbdfront *front, struct front_slab *slab,
                           uint64_t end_us)
{
    const struct vbdfront_port *port = front->port;
    unsigned nr_kept = 0;

    for (unsigned i = 0; i < SLAB_PAGES; i++) {
        struct front_page *page = &slab->pages[i];

        if (page->is_granted && end_page(front, page, end_us) != 0)
            nr_kept++;
        if (page->memory)
            port->page_free(port->context, page->memory, 1);
    }
    return nr_kept;
}

void front_pool_close(struct vbdfront *front, uint64_t end_us)
{
    const struct vbdfront_port *port = front->port;
    unsigned nr_kept = 0;

    while (front->slabs) {
        struct front_slab *slab = front->slabs;

        nr_kept += close_slab(front, slab, end_us);
        front->slabs = slab->next;
        port->page_free(port->context, slab, 1);
    }
    front->free_pages = NULL;
    front->nr_pool_pages = 0;
    if (nr_kept > 0)
        front_say(front, "the back end %s still maps pages of the driver's: "
                  "%u", front->backend, nr_kept);
}
