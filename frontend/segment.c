/* SPDX-License-Identifier: MIT
 * Data to granted segments and back. A segment is a range of sectors in one
 * page; a grant lives as long as its request. The peer gets no more right to a
 * page than it needs: read-only for writes. Where data goes through pages of
 * the driver's own, each has it in the same place as the caller's page. */
#include "frontend/private.h"

static const uint64_t revoke_wait_us = 1000;

int32_t front_grant(struct vbdfront *front, void *page, bool read_only)
{
    int32_t grant = front->port->grant_access(
        front->port->context, front->backend_id, page, read_only);

    if (grant >= 0)
        front->stats.grants_held++;
    return grant;
}

int front_grant_end(struct vbdfront *front, uint32_t grant)
{
    return front_grant_end_by(front, grant, 0);
}

int front_grant_end_by(struct vbdfront *front, uint32_t grant,
                       uint64_t end_us)
{
    const struct vbdfront_port *port = front->port;
    int error;

    while ((error = port->grant_end(port->context, grant)) != 0 &&
           port->now_us(port->context) < end_us)
        port->wait(port->context, revoke_wait_us);
    front->stats.grants_held--;
    if (error)
        front->stats.pages_lost++;
    return error;
}

static struct blkif_wire_segment *segments_of(struct front_shadow *shadow)
{
    return shadow->descriptors
               ? (struct blkif_wire_segment *)(void *)
                     shadow->descriptors->memory
               : shadow->segments;
}

/* Does data go through pages of the driver's own? */
static bool uses_own_pages(const struct vbdfront *front)
{
    return front->info.is_untrusted || front->info.is_persistent;
}

/* A page for bytes from data on, which do not leave the caller's page. */
static int32_t grant_data(struct front_queue *queue,
                          struct front_shadow *shadow, uint8_t *data,
                          uint32_t bytes, bool read_only)
{
    uint32_t offset = (uint32_t)((uintptr_t)data % BLKIF_PAGE_BYTES);
    struct front_page *page;

    if (!uses_own_pages(queue->front))
        return front_grant(queue->front, data - offset, read_only);
    page = front_page_take(queue->front, read_only);
    if (!page)
        return -XEN_ENOSPC;
    if (read_only)
        __builtin_memcpy(page->memory + offset, data, bytes);
    page->next = shadow->pages;
    shadow->pages = page;
    return (int32_t)page->grant;
}

/* The number of sectors of the next segment; 0 when it cannot be granted. */
static uint32_t add_segment(struct front_queue *queue,
                            struct front_shadow *shadow, uint8_t *data,
                            uint32_t nr_sectors, bool read_only)
{
    struct blkif_wire_segment *segment =
        &segments_of(shadow)[shadow->nr_segments];
    uint32_t first = (uint32_t)((uintptr_t)data % BLKIF_PAGE_BYTES) /
                     BLKIF_SECTOR_BYTES;
    uint32_t count = BLKIF_SECTORS_PER_PAGE - first;
    int32_t grant;

    if (count > nr_sectors)
        count = nr_sectors;
    grant = grant_data(queue, shadow, data, count * BLKIF_SECTOR_BYTES,
                       read_only);
    if (grant < 0)
        return 0;
    /* one by one: the padding, which the peer may see, stays 0 */
    segment->gref = (uint32_t)grant;
    segment->first_sector = (uint8_t)first;
    segment->last_sector = (uint8_t)(first + count - 1);
    shadow->nr_segments++;
    return count;
}

/* Without a page for the descriptors, a plain request does as well. */
static uint32_t most_segments(struct front_queue *queue,
                              struct front_shadow *shadow,
                              uint32_t nr_sectors)
{
    uint32_t first = (uint32_t)((uintptr_t)shadow->data % BLKIF_PAGE_BYTES) /
                     BLKIF_SECTOR_BYTES;

    if (queue->front->info.max_segments > BLKIF_WIRE_SEGMENTS &&
        nr_sectors > BLKIF_WIRE_SEGMENTS * BLKIF_SECTORS_PER_PAGE - first)
        shadow->descriptors = front_page_take(queue->front, true);
    return shadow->descriptors ? queue->front->info.max_segments
                               : (uint32_t)BLKIF_WIRE_SEGMENTS;
}

uint32_t front_segments_grant(struct front_queue *queue,
                              struct front_shadow *shadow,
                              uint32_t nr_sectors, bool read_only,
                              bool may_be_indirect)
{
    uint32_t covered = 0, count = 1;
    uint32_t most = may_be_indirect
                        ? most_segments(queue, shadow, nr_sectors)
                        : (uint32_t)BLKIF_WIRE_SEGMENTS;

    while (covered < nr_sectors && shadow->nr_segments < most && count > 0) {
        count = add_segment(queue, shadow,
                            shadow->data +
                                (size_t)covered * BLKIF_SECTOR_BYTES,
                            nr_sectors - covered, read_only);
        covered += count;
    }
    if (covered == 0)
        front_segments_end(queue, shadow, false);
    return covered;
}

/* Of segment i: from its page to where it belongs. */
static void copy_out(const struct front_shadow *shadow, uint32_t i,
                     const uint8_t *memory)
{
    size_t offset = (uintptr_t)shadow->data % BLKIF_PAGE_BYTES;
    size_t start = (size_t)i * BLKIF_PAGE_BYTES, end = start + BLKIF_PAGE_BYTES;
    size_t data_end = offset +
                      (size_t)shadow->nr_sectors * BLKIF_SECTOR_BYTES;

    if (i == 0)
        start = offset;
    if (end > data_end)
        end = data_end;
    __builtin_memcpy(shadow->data + (start - offset),
                     memory + start % BLKIF_PAGE_BYTES, end - start);
}

/* The grant is taken back first: unless it is one that stays, what is copied
 * then does not change any more. */
static int end_own_page(struct front_queue *queue,
                        struct front_shadow *shadow, bool has_arrived)
{
    struct front_page *page = shadow->pages;

    shadow->pages = page->next;
    shadow->nr_segments--;
    if (front_page_return(queue->front, page) != 0)
        return -XEN_EBUSY;
    if (has_arrived)
        copy_out(shadow, shadow->nr_segments, page->memory);
    return 0;
}

/* The descriptors can be relied upon here: when data is in the caller's pages,
 * the peer can only read them. */
static int end_callers_page(struct front_queue *queue,
                            struct front_shadow *shadow)
{
    return front_grant_end(queue->front,
                           segments_of(shadow)[--shadow->nr_segments].gref);
}

int front_segments_end(struct front_queue *queue, struct front_shadow *shadow,
                       bool has_arrived)
{
    int result = 0;

    while (shadow->nr_segments > 0) {
        if ((shadow->pages ? end_own_page(queue, shadow, has_arrived)
                           : end_callers_page(queue, shadow)) != 0)
            result = -XEN_EBUSY;
    }
    if (shadow->descriptors &&
        front_page_return(queue->front, shadow->descriptors) != 0)
        result = -XEN_EBUSY;
    shadow->descriptors = NULL;
    return result;
}
