/* SPDX-License-Identifier: MIT
 * A balanced (AVL) tree of byte ranges that knows which of them overlap a
 * given one, and which of those was accepted last. The nodes are the caller's;
 * nothing is allocated. */
#ifndef VBDD_COHERENCY_RANGE_TREE_H
#define VBDD_COHERENCY_RANGE_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "backend/coherency/list.h"

struct range {
    uint64_t start_bytes, end_bytes; /* [start, end), whole blocks */
    uint64_t sequence;               /* order of acceptance, unique */
    bool is_exclusive;
    struct list waiters; /* of those that hang on this range */
    /* The tree's. height 0: in no tree. The last three are of the whole
     * subtree and let a search pass it by. */
    unsigned height;
    struct range *left, *right;
    uint64_t max_end_bytes, min_sequence, max_sequence;
};

/* A tree is its root; NULL is the empty one. Each node visited adds one to
 * *steps. */
void range_tree_insert(struct range **root, struct range *range,
                       uint64_t *steps);
void range_tree_remove(struct range **root, struct range *range,
                       uint64_t *steps);
/* The range that overlaps `wanted` and was accepted last among those accepted
 * before it and after *best (which may be NULL); else *best stays. */
void range_tree_find_blocker(struct range *root, const struct range *wanted,
                             struct range **best, uint64_t *steps);

#endif
