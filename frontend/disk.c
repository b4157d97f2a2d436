/* SPDX-License-Identifier: MIT
 * XenStore: what disk it is. */
#include "frontend/private.h"

#include <xen/io/blkif.h>

enum {
    MAX_SECTOR_BYTES = 4096,
    MAX_PHYSICAL_BYTES = 1 << 24,
};
static const uint64_t max_sectors = 1ull << 55; /* 2^64 bytes */

/* sector-size first: it is the unit of all that follows. */
static int read_sector_sizes(struct vbdfront *front)
{
    uint64_t logical;
    uint32_t physical;
    int error = front_read_number(front, front->backend, "sector-size", false,
                                  UINT32_MAX, &logical);

    if (error)
        return error;
    if (logical < BLKIF_SECTOR_BYTES || logical > MAX_SECTOR_BYTES ||
        (logical & (logical - 1)) != 0)
        return front_refuse_value(front, "sector-size", logical,
                                  "a power of two from 512 to 4096");
    error = front_read_offer(front, "physical-sector-size",
                             (uint32_t)logical, &physical);
    if (error)
        return error;
    if (physical < logical || physical > MAX_PHYSICAL_BYTES ||
        (physical & (logical - 1)) != 0)
        return front_refuse_value(front, "physical-sector-size", physical,
                                  "a multiple of sector-size up to 16 MiB");
    front->info.sector_bytes = (uint32_t)logical;
    front->info.physical_sector_bytes = physical;
    return 0;
}

int front_read_size(struct vbdfront *front)
{
    uint64_t sectors;
    int error = front_read_number(front, front->backend, "sectors", false,
                            UINT64_MAX, &sectors);

    if (error)
        return error;
    if (sectors == 0 || sectors > max_sectors)
        return front_refuse_value(front, "sectors", sectors, "1 to 2^55");
    if ((sectors & (front->info.sector_bytes / BLKIF_SECTOR_BYTES - 1)) != 0)
        return front_refuse_value(front, "sectors", sectors,
                                  "a multiple of sector-size (in 512 bytes)");
    front->info.nr_sectors = sectors;
    return 0;
}

/* More than a ring entry has room for, or as many as that. */
static int read_max_segments(struct vbdfront *front)
{
    uint32_t offered;
    int error = front_read_offer(front, "feature-max-indirect-segments", 0,
                                 &offered);

    if (offered > front->config.max_indirect_segments)
        offered = front->config.max_indirect_segments;
    front->info.max_segments = offered > BLKIF_WIRE_SEGMENTS
                                   ? offered : (uint32_t)BLKIF_WIRE_SEGMENTS;
    return error;
}

/* Extents are whole sectors, and not nothing; absent nodes mean single
 * sectors. */
static int read_extents(struct vbdfront *front)
{
    struct vbdfront_info *info = &front->info;
    uint32_t in_sector = info->sector_bytes - 1;
    int error = front_read_offer(front, "discard-granularity",
                                 info->sector_bytes,
                                 &info->discard_granularity);

    if (!error)
        error = front_read_offer(front, "discard-alignment", 0,
                                 &info->discard_alignment);
    if (error)
        return error;
    if (info->discard_granularity == 0 ||
        (info->discard_granularity & in_sector) != 0)
        return front_refuse_value(front, "discard-granularity",
                                  info->discard_granularity,
                                  "a multiple of sector-size");
    if ((info->discard_alignment & in_sector) != 0)
        return front_refuse_value(front, "discard-alignment",
                                  info->discard_alignment,
                                  "a multiple of sector-size");
    return 0;
}

static int read_discard(struct vbdfront *front)
{
    struct vbdfront_info *info = &front->info;
    int error = front_read_feature(front, "feature-discard",
                                   &info->has_discard);

    info->has_discard = info->has_discard && front->config.use_discard;
    if (error || !info->has_discard)
        return error;
    error = read_extents(front);
    return error ? error : front_read_feature(front, "discard-secure",
                                              &info->has_secure);
}

static int read_features(struct vbdfront *front)
{
    struct vbdfront_info *info = &front->info;
    int error = front_read_feature(front, "feature-flush-cache",
                                   &info->has_flush);

    info->has_flush = info->has_flush && !front->habits->ignores_flush;
    if (!error)
        error = read_max_segments(front);
    if (!error)
        error = front_read_feature(front, "feature-persistent",
                                   &info->is_persistent);
    info->is_persistent = info->is_persistent && front->config.use_persistent;
    if (!error)
        error = front_read_feature(front, "feature-barrier",
                                   &info->has_barrier);
    info->has_barrier = info->has_barrier && !front->habits->ignores_barrier;
    if (!error)
        error = read_discard(front);
    return error;
}

int front_read_disk(struct vbdfront *front)
{
    struct vbdfront_info *info = &front->info;
    uint32_t bits;
    int error = read_sector_sizes(front);

    if (!error)
        error = front_read_size(front);
    if (!error)
        error = front_read_offer(front, "info", 0, &bits);
    if (!error)
        error = read_features(front);
    if (error)
        return error;
    info->is_cdrom = (bits & VDISK_CDROM) != 0;
    info->is_removable = (bits & VDISK_REMOVABLE) != 0;
    info->read_only = (bits & VDISK_READONLY) != 0;
    return 0;
}
