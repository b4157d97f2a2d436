/* SPDX-License-Identifier: MIT
 * The store's tree. A version of it is a root; to keep one (a transaction,
 * the state before a change) is to hold a reference to its root. Changing a
 * root leaves every other version as it was: the nodes on the way down that
 * others see as well are copied first, the rest is shared. */
#ifndef VBDD_LOCAL_STORE_TREE_H
#define VBDD_LOCAL_STORE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TREE_READ = 1, TREE_WRITE = 2, TREE_OWN = 4 };

struct tree_perm {
    uint32_t domid;
    unsigned bits; /* TREE_READ, TREE_WRITE */
};

struct tree_node {
    unsigned refs;
    uint64_t generation; /* changes with the list of children */
    void *value;
    unsigned value_bytes;
    /* The first names the owner, and what those may who are not named. */
    struct tree_perm *perms;
    unsigned nr_perms;
    struct tree_node **children; /* by name; a reference each */
    unsigned nr_children;
    char name[];
};

/* --- a version ------------------------------------------------------------ */
struct tree_node *tree_new(void); /* the root alone, domain 0's */
struct tree_node *tree_ref(struct tree_node *node);
void tree_unref(struct tree_node *node); /* NULL: nothing */
/* The nodes of all versions together. */
unsigned long tree_count_nodes(void);

/* --- looking -------------------------------------------------------------- */
/* NULL when there is none. */
const struct tree_node *tree_find(const struct tree_node *root,
                                  const char *path);
/* The node, or the last on the way to it that exists. */
const struct tree_node *tree_find_nearest(const struct tree_node *root,
                                          const char *path);
/* Two versions of a node differ at most in what is below their children. */
bool tree_is_same(const struct tree_node *one, const struct tree_node *other);
/* What domid may do: TREE_ bits. Domain 0 and the owner may do all. */
unsigned tree_access(const struct tree_node *node, uint32_t domid);

/* --- changing ------------------------------------------------------------- */
/* The node to be changed; it and those on the way are made when missing,
 * with the permissions of their parent, owned by creator (domain 0 leaves
 * the owner as it is). */
struct tree_node *tree_make(struct tree_node **root, const char *path,
                            uint32_t creator);
/* Values and permissions are copied. */
void tree_set_value(struct tree_node *node, const void *value,
                    unsigned bytes);
void tree_set_perms(struct tree_node *node, const struct tree_perm *perms,
                    unsigned nr);
/* With all below it. It must exist, and not be the root. */
void tree_remove(struct tree_node **root, const char *path);

#endif
