/* SPDX-License-Identifier: MIT
 * The host's page caches of a target (C12): its own, and those that show the
 * same bytes, because a partition and its whole disk have one each. */
#ifndef VBDD_DISK_CACHE_H
#define VBDD_DISK_CACHE_H

#include <stdbool.h>

#include "backend/disk/refusal.h"

enum { CACHE_RELATED = 64 };

struct cache {
    int fd; /* the target's, borrowed */
    bool is_block;
    int related[CACHE_RELATED]; /* owned: its whole disk, or its partitions */
    unsigned nr_related;
};

/* Opens the related ones of the target behind fd; they stay open, because who
 * has dropped his privileges cannot open them. 0, or -errno with the sentence
 * written and nothing open. */
int cache_open(struct cache *cache, int fd, bool is_block,
               const struct refusal *refusal);
/* Writes them back and drops them. 0, or -errno of the step that failed, its
 * name in *step. */
int cache_drop(const struct cache *cache, const char **step);
/* Before use: as cache_drop(), and nothing must be left, unless nothing is
 * going to be written. 0, or -errno with the sentence written. */
int cache_clean(const struct cache *cache, const struct refusal *refusal);
void cache_close(struct cache *cache);

#endif
