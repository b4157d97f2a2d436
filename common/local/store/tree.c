/* SPDX-License-Identifier: MIT
 * The store's tree: versions that share what they have in common. */
#include "common/local/store/tree.h"

#include <assert.h>

#include "common/local/alloc.h"
#include "common/local/store/path.h"

static unsigned long nr_nodes;
static uint64_t last_generation;

static struct tree_node *new_node(const char *name, size_t length)
{
    struct tree_node *node = alloc_new(sizeof *node + length + 1);

    node->refs = 1;
    node->generation = ++last_generation;
    memcpy(node->name, name, length);
    nr_nodes++;
    return node;
}

struct tree_node *tree_new(void)
{
    const struct tree_perm domain0 = { 0, 0 };
    struct tree_node *root = new_node("", 0);

    tree_set_perms(root, &domain0, 1);
    return root;
}

struct tree_node *tree_ref(struct tree_node *node)
{
    node->refs++;
    return node;
}

void tree_unref(struct tree_node *node)
{
    if (!node || --node->refs > 0)
        return;
    for (unsigned i = 0; i < node->nr_children; i++)
        tree_unref(node->children[i]);
    free(node->children);
    free(node->perms);
    free(node->value);
    free(node);
    nr_nodes--;
}

unsigned long tree_count_nodes(void)
{
    return nr_nodes;
}

/* Is there a child of this name? *index is its place, or would be. */
static bool find_child(const struct tree_node *node, const char *name,
                       size_t length, unsigned *index)
{
    unsigned low = 0, high = node->nr_children;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const char *there = node->children[middle]->name;
        int order = strncmp(there, name, length);

        if (order == 0 && there[length] == '\0') {
            *index = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *index = low;
    return false;
}

const struct tree_node *tree_find(const struct tree_node *root,
                                  const char *path)
{
    const char *name;
    size_t length;
    unsigned index;

    while ((name = path_next(&path, &length)) != NULL) {
        if (!find_child(root, name, length, &index))
            return NULL;
        root = root->children[index];
    }
    return root;
}

const struct tree_node *tree_find_nearest(const struct tree_node *root,
                                          const char *path)
{
    const char *name;
    size_t length;
    unsigned index;

    while ((name = path_next(&path, &length)) != NULL &&
           find_child(root, name, length, &index))
        root = root->children[index];
    return root;
}

static bool is_same_data(const void *one, size_t bytes, const void *other,
                         size_t other_bytes)
{
    return bytes == other_bytes && (!bytes || memcmp(one, other, bytes) == 0);
}

bool tree_is_same(const struct tree_node *one, const struct tree_node *other)
{
    return one == other ||
           (one->generation == other->generation &&
            is_same_data(one->value, one->value_bytes, other->value,
                         other->value_bytes) &&
            is_same_data(one->perms, one->nr_perms * sizeof *one->perms,
                         other->perms, other->nr_perms * sizeof *one->perms));
}

unsigned tree_access(const struct tree_node *node, uint32_t domid)
{
    if (domid == 0 || node->perms[0].domid == domid)
        return TREE_READ | TREE_WRITE | TREE_OWN;
    for (unsigned i = 1; i < node->nr_perms; i++)
        if (node->perms[i].domid == domid)
            return node->perms[i].bits;
    return node->perms[0].bits;
}

static struct tree_node *copy_node(const struct tree_node *node)
{
    struct tree_node *copy = new_node(node->name, strlen(node->name));

    copy->generation = node->generation;
    tree_set_value(copy, node->value, node->value_bytes);
    tree_set_perms(copy, node->perms, node->nr_perms);
    copy->nr_children = node->nr_children;
    copy->children = alloc_copy(node->children, node->nr_children *
                                                    sizeof *node->children);
    for (unsigned i = 0; i < copy->nr_children; i++)
        tree_ref(copy->children[i]);
    return copy;
}

/* Makes the node there ours alone. */
static struct tree_node *own_node(struct tree_node **place)
{
    struct tree_node *node = *place;

    if (node->refs > 1) {
        *place = copy_node(node);
        node->refs--;
    }
    return *place;
}

static void insert_child(struct tree_node *node, unsigned index,
                         struct tree_node *child)
{
    node->children = alloc_resize(node->children, (node->nr_children + 1) *
                                                      sizeof child);
    memmove(node->children + index + 1, node->children + index,
            (node->nr_children - index) * sizeof child);
    node->children[index] = child;
    node->nr_children++;
    node->generation = ++last_generation;
}

static struct tree_node *new_child(const struct tree_node *parent,
                                   const char *name, size_t length,
                                   uint32_t creator)
{
    struct tree_node *child = new_node(name, length);

    tree_set_perms(child, parent->perms, parent->nr_perms);
    if (creator != 0)
        child->perms[0].domid = creator;
    return child;
}

struct tree_node *tree_make(struct tree_node **root, const char *path,
                            uint32_t creator)
{
    struct tree_node *node = own_node(root);
    const char *name;
    size_t length;
    unsigned index;

    while ((name = path_next(&path, &length)) != NULL) {
        if (!find_child(node, name, length, &index))
            insert_child(node, index, new_child(node, name, length, creator));
        node = own_node(&node->children[index]);
    }
    return node;
}

void tree_set_value(struct tree_node *node, const void *value,
                    unsigned bytes)
{
    void *copy = alloc_copy(value, bytes);

    free(node->value);
    node->value = copy;
    node->value_bytes = bytes;
}

void tree_set_perms(struct tree_node *node, const struct tree_perm *perms,
                    unsigned nr)
{
    void *copy = alloc_copy(perms, nr * sizeof *perms);

    free(node->perms);
    node->perms = copy;
    node->nr_perms = nr;
}

void tree_remove(struct tree_node **root, const char *path)
{
    struct tree_node *node = own_node(root), *parent = NULL;
    unsigned index = 0;
    const char *name;
    size_t length;

    while ((name = path_next(&path, &length)) != NULL) {
        bool is_there = find_child(node, name, length, &index);

        assert(is_there);
        (void)is_there;
        parent = node;
        if (*path)
            node = own_node(&node->children[index]);
    }
    assert(parent);
    tree_unref(parent->children[index]);
    parent->nr_children--;
    memmove(parent->children + index, parent->children + index + 1,
            (parent->nr_children - index) * sizeof *parent->children);
    parent->generation = ++last_generation;
}
