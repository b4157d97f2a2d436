/* SPDX-License-Identifier: MIT
 * Transactions: a version of the tree of one's own. It may replace the
 * common one when that is still the one it was made from. (xenstored compares
 * node by node and so refuses less; a client must be ready for EAGAIN either
 * way.) */
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
    transaction->last_change = &transaction->changes;
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
                      bool is_removal)
{
    size_t length = strlen(path);
    struct store_change *change = alloc_new(sizeof *change + length + 1);

    change->is_removal = is_removal;
    memcpy(change->path, path, length);
    *transaction->last_change = change;
    transaction->last_change = &change->next;
    transaction->nr_changes++;
}

bool transaction_is_stale(const struct store_client *client,
                          const struct store_transaction *transaction)
{
    return transaction->changes && client->store->root != transaction->base;
}

void transaction_commit(struct store_client *client,
                        struct store_transaction *transaction)
{
    struct store *store = client->store;

    if (transaction->changes) {
        tree_unref(store->root);
        store->root = tree_ref(transaction->root);
    }
    for (struct store_change *change = transaction->changes; change;
         change = change->next)
        watch_fire(store, transaction->base, change->path,
                   change->is_removal);
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
    while (transaction->changes) {
        struct store_change *change = transaction->changes;

        transaction->changes = change->next;
        free(change);
    }
    tree_unref(transaction->base);
    tree_unref(transaction->root);
    free(transaction);
}
