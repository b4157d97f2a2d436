/* SPDX-License-Identifier: MIT
 * How far this implementation of blkif goes. Pure. */
#ifndef VBDD_BLKIF_LIMITS_H
#define VBDD_BLKIF_LIMITS_H

enum {
    BLKIF_SECTOR_BYTES = 512,  /* the unit of every sector number on the wire
                                  (blkif.h, 2024: always 512) */
    BLKIF_PAGE_BYTES = 4096,
    BLKIF_SECTORS_PER_PAGE = BLKIF_PAGE_BYTES / BLKIF_SECTOR_BYTES,
    BLKIF_MAX_RING_PAGE_ORDER = 4,
    BLKIF_MAX_RING_PAGES = 1 << BLKIF_MAX_RING_PAGE_ORDER,
    BLKIF_MAX_QUEUES = 4,
    /* Of an indirect request; their descriptors fill half a page, so only the
       first of a request's eight indirect pages is ever looked at. Linux
       offers and takes the same number. */
    BLKIF_MAX_INDIRECT_SEGMENTS = 256,
};

#endif
