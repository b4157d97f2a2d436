/* SPDX-License-Identifier: MIT
 * The order of requests that share a block (C4). A range is in from its
 * acceptance until its owner has no more to do to those blocks; the owner may
 * start when nothing that conflicts and was accepted earlier is in. Ranges
 * conflict when they overlap and one of them is exclusive. */
#ifndef VBDD_COHERENCY_RANGE_H
#define VBDD_COHERENCY_RANGE_H

#include "backend/coherency/range_tree.h"

struct range_locks {
    struct range *exclusive, *shared; /* two trees: readers search but one */
    uint64_t steps;                   /* nodes visited, ever */
};

/* start, end, sequence and is_exclusive are filled in. */
void range_accept(struct range_locks *locks, struct range *range);
bool range_is_in(const struct range *range);
/* The latest of those that must be gone before `range` may start, or NULL.
 * Who waits appends itself to its waiters and asks again when woken. */
struct range *range_find_blocker(struct range_locks *locks,
                                 const struct range *range);
/* The waiters of the range, first come first, are appended to `woken`. */
void range_release(struct range_locks *locks, struct range *range,
                   struct list *woken);
/* The same for what lies below start_bytes; the rest keeps its place in the
 * order. */
void range_shrink(struct range_locks *locks, struct range *range,
                  uint64_t start_bytes, struct list *woken);

#endif
