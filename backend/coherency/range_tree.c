/* SPDX-License-Identifier: MIT
 * The tree of ranges: ordered by start and then by acceptance, AVL-balanced,
 * each node knowing the largest end and the span of sequence numbers below
 * it. Recursion is as deep as the tree is high: 1.44 log2(n). */
#include "backend/coherency/range_tree.h"

static unsigned tree_height(const struct range *node)
{
    return node ? node->height : 0;
}

static void node_include(struct range *node, const struct range *child)
{
    if (!child)
        return;
    if (child->height >= node->height)
        node->height = child->height + 1;
    if (child->max_end_bytes > node->max_end_bytes)
        node->max_end_bytes = child->max_end_bytes;
    if (child->min_sequence < node->min_sequence)
        node->min_sequence = child->min_sequence;
    if (child->max_sequence > node->max_sequence)
        node->max_sequence = child->max_sequence;
}

static void node_update(struct range *node)
{
    node->height = 1;
    node->max_end_bytes = node->end_bytes;
    node->min_sequence = node->max_sequence = node->sequence;
    node_include(node, node->left);
    node_include(node, node->right);
}

static struct range *tree_rotate_right(struct range *root)
{
    struct range *left = root->left;

    root->left = left->right;
    left->right = root;
    node_update(root);
    node_update(left);
    return left;
}

static struct range *tree_rotate_left(struct range *root)
{
    struct range *right = root->right;

    root->right = right->left;
    right->left = root;
    node_update(root);
    node_update(right);
    return right;
}

/* One side has grown or shrunk by at most one. */
static struct range *tree_balance(struct range *root)
{
    unsigned left = tree_height(root->left), right = tree_height(root->right);

    if (left > right + 1) {
        if (tree_height(root->left->left) < tree_height(root->left->right))
            root->left = tree_rotate_left(root->left);
        return tree_rotate_right(root);
    }
    if (right > left + 1) {
        if (tree_height(root->right->right) < tree_height(root->right->left))
            root->right = tree_rotate_right(root->right);
        return tree_rotate_left(root);
    }
    node_update(root);
    return root;
}

static bool range_precedes(const struct range *a, const struct range *b)
{
    return a->start_bytes != b->start_bytes ? a->start_bytes < b->start_bytes
                                            : a->sequence < b->sequence;
}

static struct range *tree_insert(struct range *root, struct range *range,
                                 uint64_t *steps)
{
    ++*steps;
    if (!root) {
        node_update(range);
        return range;
    }
    if (range_precedes(range, root))
        root->left = tree_insert(root->left, range, steps);
    else
        root->right = tree_insert(root->right, range, steps);
    return tree_balance(root);
}

static struct range *tree_take_first(struct range *root, struct range **first,
                                     uint64_t *steps)
{
    ++*steps;
    if (!root->left) {
        *first = root;
        return root->right;
    }
    root->left = tree_take_first(root->left, first, steps);
    return tree_balance(root);
}

static struct range *tree_remove(struct range *root, struct range *range,
                                 uint64_t *steps)
{
    struct range *next;

    ++*steps;
    if (root != range) {
        if (range_precedes(range, root))
            root->left = tree_remove(root->left, range, steps);
        else
            root->right = tree_remove(root->right, range, steps);
        return tree_balance(root);
    }
    if (!root->right)
        return root->left;
    root->right = tree_take_first(root->right, &next, steps);
    next->left = root->left;
    next->right = root->right;
    return tree_balance(next);
}

void range_tree_insert(struct range **root, struct range *range,
                       uint64_t *steps)
{
    range->left = range->right = NULL;
    *root = tree_insert(*root, range, steps);
}

void range_tree_remove(struct range **root, struct range *range,
                       uint64_t *steps)
{
    *root = tree_remove(*root, range, steps);
    range->left = range->right = NULL;
    range->height = 0;
}

static bool tree_may_hold_blocker(const struct range *root,
                                  const struct range *wanted,
                                  const struct range *best)
{
    return root && root->max_end_bytes > wanted->start_bytes &&
           root->min_sequence < wanted->sequence &&
           (!best || root->max_sequence > best->sequence);
}

void range_tree_find_blocker(struct range *root, const struct range *wanted,
                             struct range **best, uint64_t *steps)
{
    struct range *first, *second;

    if (!tree_may_hold_blocker(root, wanted, *best))
        return;
    ++*steps;
    if (root->end_bytes > wanted->start_bytes &&
        root->start_bytes < wanted->end_bytes &&
        root->sequence < wanted->sequence &&
        (!*best || root->sequence > (*best)->sequence))
        *best = root;
    /* The side with the latest sequence first: what is found there spares the
     * other side, whatever order a guest has thought out. */
    first = root->start_bytes < wanted->end_bytes ? root->right : NULL;
    second = root->left;
    if (first && second && second->max_sequence > first->max_sequence) {
        first = root->left;
        second = root->right;
    }
    range_tree_find_blocker(first, wanted, best, steps);
    range_tree_find_blocker(second, wanted, best, steps);
}
