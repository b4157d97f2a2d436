/* SPDX-License-Identifier: MIT
 * Pages of a guest that stay mapped from one request to the next (blkif.h,
 * feature-persistent): a bounded table, least recently used out first. Every
 * page in it is unmapped exactly once, on whatever way it leaves (XSA-371).
 * Loop thread only. */
#ifndef VBDD_DISK_PERSISTENT_H
#define VBDD_DISK_PERSISTENT_H

#include <stdbool.h>
#include <stdint.h>

struct persistent;
struct platform;

enum { PERSISTENT_MAX_PAGES = 1 << 16 };

struct persistent_stats {
    uint32_t pages, max_pages;         /* mapped now */
    uint64_t hits, misses, evictions;  /* evicted: to make room */
};

/* At most max_pages (0 to PERSISTENT_MAX_PAGES) of domid, and fewer when all
 * tables of the process together have too many. 0 or -ENOMEM. platform is
 * borrowed until close. */
int persistent_open(struct platform *platform, uint32_t domid,
                    uint32_t max_pages, struct persistent **table);
/* Unmaps all. NULL is allowed. */
void persistent_close(struct persistent *table);
/* The page of gref, mapped writable, valid until the next call for the table;
 * or NULL: it cannot be mapped so, or there is no room. Then it is for the
 * caller to copy, and the copy says whether the grant is any good. batch: a
 * number that never goes down; what was used in a batch is not put out for
 * more of the same, or a large batch would put itself out. */
void *persistent_page(struct persistent *table, uint32_t gref, uint64_t batch);
/* Unmaps a bounded number of those not used since the last call; true while
 * any is left, so that the caller knows to call again. */
bool persistent_trim(struct persistent *table);
struct persistent_stats persistent_get_stats(const struct persistent *table);

#endif
