/* SPDX-License-Identifier: MIT
 * Data to granted segments and back. A segment is a range of sectors in one
 * page; a grant lives as long as its request. The peer gets no more right to a
 * page than it needs: read-only for writes. */
#include "frontend/private.h"

int32_t front_grant(struct vbdfront *front, void *page, bool read_only)
{
    int32_t grant = front->port->grant_access(
        front->port->context, front->backend_id, page, read_only);

    if (grant >= 0)
        front->stats.grants_held++;
    return grant;
}

uint32_t front_segments_grant(struct vbdfront *front,
                              struct front_shadow *shadow,
                              struct blkif_wire_request *request,
                              uint8_t *data, uint32_t nr_sectors,
                              bool read_only)
{
    uint32_t covered = 0;

    while (covered < nr_sectors && shadow->nr_grants < BLKIF_WIRE_SEGMENTS) {
        uint8_t *start = data + (size_t)covered * BLKIF_SECTOR_BYTES;
        uint32_t offset = (uint32_t)((uintptr_t)start % BLKIF_PAGE_BYTES);
        uint32_t first = offset / BLKIF_SECTOR_BYTES;
        uint32_t count = BLKIF_SECTORS_PER_PAGE - first;
        int32_t grant = front_grant(front, start - offset, read_only);

        if (grant < 0)
            break;
        if (count > nr_sectors - covered)
            count = nr_sectors - covered;
        shadow->grants[shadow->nr_grants++] = (uint32_t)grant;
        request->segments[request->nr_segments++] =
            (struct blkif_wire_segment){
                .gref = (uint32_t)grant,
                .first_sector = (uint8_t)first,
                .last_sector = (uint8_t)(first + count - 1),
            };
        covered += count;
    }
    return covered;
}

int front_segments_end(struct vbdfront *front, struct front_shadow *shadow)
{
    int result = 0;

    while (shadow->nr_grants > 0) {
        uint32_t grant = shadow->grants[--shadow->nr_grants];

        front->stats.grants_held--;
        if (front->port->grant_end(front->port->context, grant) != 0) {
            front->stats.pages_lost++;
            result = -XEN_EBUSY;
        }
    }
    return result;
}
