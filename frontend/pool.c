/* SPDX-License-Identifier: MIT
 * Pages of the driver's own. Each queue has its own, so that a back end that
 * keeps pages mapped for a queue sees few of them; and the page that was used
 * last is used first, for the same reason (blkif.h, "feature-persistent").
 *
 * A page's memory stays until the connection ends. What is written down of the
 * pages lies in memory that is never granted. */
#include "frontend/private.h"

enum {
    SLAB_PAGES = (BLKIF_PAGE_BYTES - sizeof(void *)) /
                 sizeof(struct front_page),
    MAX_PAGES = 1024, /* of a queue: 4 MiB */
};

struct front_slab {
    struct front_slab *next;
    struct front_page pages[SLAB_PAGES];
};
_Static_assert(sizeof(struct front_slab) <= BLKIF_PAGE_BYTES, "one page");

static void push(struct front_queue *queue, struct front_page *page)
{
    page->next = queue->free_pages;
    queue->free_pages = page;
}

static bool add_slab(struct front_queue *queue)
{
    const struct vbdfront_port *port = queue->front->port;
    struct front_slab *slab;

    if (queue->nr_pool_pages + SLAB_PAGES > MAX_PAGES)
        return false;
    slab = port->page_alloc(port->context, 1);
    if (!slab)
        return false;
    slab->next = queue->slabs;
    queue->slabs = slab;
    queue->nr_pool_pages += SLAB_PAGES;
    for (unsigned i = SLAB_PAGES; i-- > 0;)
        push(queue, &slab->pages[i]);
    return true;
}

static bool grant_page(struct front_queue *queue, struct front_page *page,
                       bool read_only)
{
    int32_t grant = front_grant(queue->front, page->memory, read_only);

    if (grant < 0)
        return false;
    page->grant = (uint32_t)grant;
    page->is_granted = true;
    return true;
}

struct front_page *front_page_take(struct front_queue *queue, bool read_only)
{
    const struct vbdfront_port *port = queue->front->port;
    struct front_page *page;

    if (!queue->free_pages && !add_slab(queue))
        return NULL;
    page = queue->free_pages;
    if (!page->memory)
        page->memory = port->page_alloc(port->context, 1);
    if (!page->memory || !grant_page(queue, page, read_only))
        return NULL;
    queue->free_pages = page->next;
    return page;
}

/* XSA-396: memory that the peer keeps is not used again, and never freed. */
static int end_page(struct front_queue *queue, struct front_page *page,
                    uint64_t end_us)
{
    int error = front_grant_end_by(queue->front, page->grant, end_us);

    page->is_granted = false;
    if (error)
        page->memory = NULL;
    return error;
}

int front_page_return(struct front_queue *queue, struct front_page *page)
{
    int error = end_page(queue, page, 0);

    push(queue, page);
    return error;
}

void front_pool_close(struct front_queue *queue)
{
    const struct vbdfront_port *port = queue->front->port;

    while (queue->slabs) {
        struct front_slab *slab = queue->slabs;

        for (unsigned i = 0; i < SLAB_PAGES; i++) {
            if (slab->pages[i].memory)
                port->page_free(port->context, slab->pages[i].memory, 1);
        }
        queue->slabs = slab->next;
        port->page_free(port->context, slab, 1);
    }
}
