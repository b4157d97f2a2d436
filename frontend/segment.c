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

uint32_t front_segments_grant(struct front_queue *queue,
                              struct front_shadow *shadow, uint8_t *data,
                              uint32_t nr_sectors, bool read_only)
{
    uint32_t covered = 0;

    while (covered < nr_sectors && shadow->nr_segments < BLKIF_WIRE_SEGMENTS) {
        uint8_t *start = data + (size_t)covered * BLKIF_SECTOR_BYTES;
        uint32_t offset = (uint32_t)((uintptr_t)start % BLKIF_PAGE_BYTES);
        uint32_t first = offset / BLKIF_SECTOR_BYTES;
        uint32_t count = BLKIF_SECTORS_PER_PAGE - first;
        int32_t grant = front_grant(queue->front, start - offset, read_only);

        if (grant < 0)
            break;
        if (count > nr_sectors - covered)
            count = nr_sectors - covered;
        shadow->segments[shadow->nr_segments++] = (struct blkif_wire_segment){
            .gref = (uint32_t)grant,
            .first_sector = (uint8_t)first,
            .last_sector = (uint8_t)(first + count - 1),
        };
        covered += count;
    }
    return covered;
}

int front_segments_end(struct front_queue *queue, struct front_shadow *shadow)
{
    int result = 0;

    while (shadow->nr_segments > 0) {
        uint32_t grant = shadow->segments[--shadow->nr_segments].gref;

        if (front_grant_end(queue->front, grant) != 0)
            result = -XEN_EBUSY;
    }
    return result;
}
