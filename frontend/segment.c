/* SPDX-License-Identifier: MIT
 * Data to granted segments and back. A segment is a range of sectors in one
 * page; a grant lives as long as its request. The peer gets no more right to a
 * page than it needs: read-only for writes. */
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

/* Those of an indirect request are in a page that the peer can only read: so
 * what is written there can be relied upon when it comes back. */
static struct blkif_wire_segment *segments_of(struct front_shadow *shadow)
{
    return shadow->descriptors
               ? (struct blkif_wire_segment *)(void *)
                     shadow->descriptors->memory
               : shadow->segments;
}

/* The number of sectors of the next segment; 0 when it cannot be granted. */
static uint32_t add_segment(struct front_queue *queue,
                            struct front_shadow *shadow, uint8_t *data,
                            uint32_t nr_sectors, bool read_only)
{
    struct blkif_wire_segment *segment =
        &segments_of(shadow)[shadow->nr_segments];
    uint32_t offset = (uint32_t)((uintptr_t)data % BLKIF_PAGE_BYTES);
    uint32_t first = offset / BLKIF_SECTOR_BYTES;
    uint32_t count = BLKIF_SECTORS_PER_PAGE - first;
    int32_t grant = front_grant(queue->front, data - offset, read_only);

    if (grant < 0)
        return 0;
    if (count > nr_sectors)
        count = nr_sectors;
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
        shadow->descriptors = front_page_take(queue, true);
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
        front_segments_end(queue, shadow);
    return covered;
}

int front_segments_end(struct front_queue *queue, struct front_shadow *shadow)
{
    const struct blkif_wire_segment *segments = segments_of(shadow);
    int result = 0;

    while (shadow->nr_segments > 0) {
        if (front_grant_end(queue->front,
                            segments[--shadow->nr_segments].gref) != 0)
            result = -XEN_EBUSY;
    }
    if (shadow->descriptors &&
        front_page_return(queue, shadow->descriptors) != 0)
        result = -XEN_EBUSY;
    shadow->descriptors = NULL;
    return result;
}
