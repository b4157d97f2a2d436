/* SPDX-License-Identifier: MIT
 * Transactions: a version of the tree of one's own. What was changed in it is
 * done again to the common one at its end, when none of the nodes that it
 * looked at has changed there: as with xenstored, one who writes to his own
 * nodes all the time disturbs nobody else. */
#include <errno.h>

#include "common/local/alloc.h"
#include "common/local/store/store.h"
#include "common/local/store/tree.h"

int transaction_start(struct store_client *client, uint32_t *id)
{
    struct store *store = client->store;
    struct store_transaction *transaction;

    if (client->domid != 0 &&
        client->nr_transactions >= STORE_MAX_TRANSACTIONS)
        return -ENOSPC;
    transaction = alloc_new(sizeof *transaction);
    do
        *id = ++store->last_transaction;
    while (*id == 0 || transaction_find(client, *id));
    transaction->id = *id;
    transaction->base = tree_ref(store->root);
    transaction->root = tree_ref(store->root);
    transaction->last_access = &transaction->accesses;
    transaction->next = client->transactions;
    client->transactions = transaction;
    client->nr_transactions++;
    return 0;
}

struct store_transaction *transaction_find(struct store_client *client,
                                           uint32_t id)
{
    struct store_transaction *transaction = client->transactions;

    while (transaction && transaction->id != id)
        transaction = transaction->next;
    return transaction;
}

void transaction_note(struct store_transaction *transaction, const char *path,
                      enum store_access_kind kind)
{
    size_t length = strlen(path);
    struct store_access *access = alloc_new(sizeof *access + length + 1);

    access->kind = kind;
    memcpy(access->path, path, length);
    *transaction->last_access = access;
    transaction->last_access = &access->next;
    transaction->nr_accesses++;
    transaction->has_changes |= kind != STORE_LOOKED;
}

/* What is there now is not what was there before. Of a version's nodes, those
 * with nothing new in or below them are the very same ones. */
static bool has_changed(const struct tree_node *before,
                        const struct tree_node *now,
                        const struct store_access *access)
{
    const struct tree_node *was = tree_find(before, access->path);
    const struct tree_node *is = tree_find(now, access->path);

    if (access->kind == STORE_REMOVED || !was != !is)
        return was != is;
    if (!was) { /* one that is made is put into the list of the one above */
        was = tree_find_nearest(before, access->path);
        is = tree_find_nearest(now, access->path);
    }
    return !tree_is_same(was, is);
}

bool transaction_is_stale(const struct store_client *client,
                          const struct store_transaction *transaction)
{
    const struct tree_node *now = client->store->root;

    if (!transaction->has_changes || now == transaction->base)
        return false;
    for (const struct store_access *access = transaction->accesses; access;
         access = access->next)
        if (has_changed(transaction->base, now, access))
            return true;
    return false;
}

/* Makes the node at path what it is in `from`. */
static void copy_node(struct tree_node **root, const struct tree_node *from,
                      const char *path)
{
    const struct tree_node *source = tree_find(from, path);
    char parent[PATH_BYTES];
    struct tree_node *node;

    if (!source)
        return; /* removed later on */
    strcpy(parent, path);
    *strrchr(parent, '/') = '\0';
    if (!tree_find(*root, parent))
        copy_node(root, from, parent);
    node = tree_make(root, path, 0);
    tree_set_value(node, source->value, source->value_bytes);
    tree_set_perms(node, source->perms, source->nr_perms);
}

static void redo(struct tree_node **root,
                 const struct store_transaction *transaction)
{
    for (const struct store_access *access = transaction->accesses; access;
         access = access->next) {
        if (access->kind == STORE_CHANGED)
            copy_node(root, transaction->root, access->path);
        else if (access->kind == STORE_REMOVED &&
                 tree_find(*root, access->path))
            tree_remove(root, access->path);
    }
}

void transaction_commit(struct store_client *client,
                        struct store_transaction *transaction)
{
    struct store *store = client->store;
    struct tree_node *before = tree_ref(store->root);

    redo(&store->root, transaction);
    for (struct store_access *access = transaction->accesses; access;
         access = access->next)
        if (access->kind != STORE_LOOKED)
            watch_fire(store, before, access->path,
                       access->kind == STORE_REMOVED);
    tree_unref(before);
    transaction_abort(client, transaction);
}

void transaction_abort(struct store_client *client,
                       struct store_transaction *transaction)
{
    struct store_transaction **at = &client->transactions;

    while (*at != transaction)
        at = &(*at)->next;
    *at = transaction->next;
    client->nr_transactions--;
    while (transaction->accesses) {
        struct store_access *access = transaction->accesses;

        transaction->accesses = access->next;
        free(access);
    }
    tree_unref(transaction->base);
    tree_unref(transaction->root);
    free(transaction);
}
