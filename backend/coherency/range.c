/* SPDX-License-Identifier: MIT
 * The order of requests that share a block, kept in two trees. */
#include "backend/coherency/range.h"

#include "backend/coherency/bug.h"

static struct range **range_tree(struct range_locks *locks,
                                 const struct range *range)
{
    return range->is_exclusive ? &locks->exclusive : &locks->shared;
}

void range_accept(struct range_locks *locks, struct range *range)
{
    list_init(&range->waiters);
    range_tree_insert(range_tree(locks, range), range, &locks->steps);
}

bool range_is_in(const struct range *range)
{
    return range->height > 0;
}

struct range *range_find_blocker(struct range_locks *locks,
                                 const struct range *range)
{
    struct range *blocker = NULL;

    if (BUG(READ_OVERTAKES) && !range->is_exclusive)
        return NULL;
    range_tree_find_blocker(locks->exclusive, range, &blocker, &locks->steps);
    if (range->is_exclusive)
        range_tree_find_blocker(locks->shared, range, &blocker, &locks->steps);
    return blocker;
}

void range_release(struct range_locks *locks, struct range *range,
                   struct list *woken)
{
    range_tree_remove(range_tree(locks, range), range, &locks->steps);
    if (BUG(LOST_WAITER) && range->waiters.next != range->waiters.previous)
        list_remove(range->waiters.previous);
    list_append_all(woken, &range->waiters);
}

void range_shrink(struct range_locks *locks, struct range *range,
                  uint64_t start_bytes, struct list *woken)
{
    range_tree_remove(range_tree(locks, range), range, &locks->steps);
    range->start_bytes = start_bytes;
    range_tree_insert(range_tree(locks, range), range, &locks->steps);
    list_append_all(woken, &range->waiters);
}
