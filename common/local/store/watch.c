/* SPDX-License-Identifier: MIT
 * Watches. One fires for its node and everything below it; when a subtree is
 * removed, those inside it fire as well, with their own paths. A guest hears
 * only of what it may read. */
#include <errno.h>
#include <string.h>

#include "common/local/alloc.h"
#include "common/local/store/store.h"
#include "common/local/store/tree.h"

/* What a client named, and what of it events leave out. */
static int resolve(struct store_client *client, const char *given,
                   char path[PATH_BYTES], unsigned *skip)
{
    *skip = 0;
    if (given[0] == '@') {
        if (strlen(given) > XENSTORE_REL_PATH_MAX)
            return -EINVAL;
        strcpy(path, given);
        return 0;
    }
    if (given[0] != '/') {
        path_of_domain(client->domid, path);
        *skip = (unsigned)strlen(path) + 1;
    }
    return path_resolve(client->domid, given, path);
}

static struct store_watch **find_watch(struct store_client *client,
                                       const char *path, const char *token)
{
    struct store_watch **at = &client->watches;

    while (*at && (strcmp((*at)->path, path) != 0 ||
                   strcmp((*at)->token, token) != 0))
        at = &(*at)->next;
    return at;
}

int watch_add(struct store_client *client, const char *given,
              const char *token)
{
    struct store_watch *watch;
    char path[PATH_BYTES];
    unsigned skip;
    int error = resolve(client, given, path, &skip);

    if (error)
        return error;
    if (*find_watch(client, path, token))
        return -EEXIST;
    if (client->domid != 0 && client->nr_watches >= STORE_MAX_WATCHES)
        return -E2BIG;
    watch = alloc_new(sizeof *watch);
    watch->path = alloc_check(strdup(path));
    watch->token = alloc_check(strdup(token));
    watch->skip = skip;
    *client->last_watch = watch;
    client->last_watch = &watch->next;
    client->nr_watches++;
    return 0;
}

static void remove_watch(struct store_client *client, struct store_watch **at)
{
    struct store_watch *watch = *at;

    *at = watch->next;
    if (!*at)
        client->last_watch = at;
    client->nr_watches--;
    free(watch->path);
    free(watch->token);
    free(watch);
}

int watch_remove(struct store_client *client, const char *given,
                 const char *token)
{
    struct store_watch **at;
    char path[PATH_BYTES];
    unsigned skip;
    int error = resolve(client, given, path, &skip);

    if (error)
        return error;
    at = find_watch(client, path, token);
    if (!*at)
        return -ENOENT;
    remove_watch(client, at);
    return 0;
}

void watch_remove_all(struct store_client *client)
{
    while (client->watches)
        remove_watch(client, &client->watches);
}

static void send_event(struct store_client *client,
                       const struct store_watch *watch, const char *path)
{
    struct xsd_sockmsg header = { .type = XS_WATCH_EVENT };
    char *data = client->store->event;
    size_t path_bytes, token_bytes = strlen(watch->token) + 1;

    /* A relative watch has a path below its domain's place, so has what
     * fires it. */
    path += watch->skip;
    path_bytes = strlen(path) + 1;
    if (path_bytes + token_bytes > XENSTORE_PAYLOAD_MAX)
        return; /* as xenstored: it cannot be said */
    memcpy(data, path, path_bytes);
    memcpy(data + path_bytes, watch->token, token_bytes);
    header.len = (uint32_t)(path_bytes + token_bytes);
    store_send(client, &header, data);
}

void watch_fire_first(struct store_client *client)
{
    struct store_watch *watch = client->watches;

    while (watch->next)
        watch = watch->next;
    send_event(client, watch, watch->path);
}

static bool may_read(const struct tree_node *root, const char *path,
                     uint32_t domid)
{
    const struct tree_node *node = tree_find(root, path);

    return node && (tree_access(node, domid) & TREE_READ);
}

/* Xenstored's rule: the node or its parent is readable; what it was before
 * counts as well. */
static bool may_hear(const struct store_client *client,
                     const struct tree_node *before, const char *path)
{
    const struct tree_node *now = client->store->root;
    char parent[PATH_BYTES];
    char *slash;

    if (client->domid == 0 || may_read(now, path, client->domid) ||
        may_read(before, path, client->domid))
        return true;
    strcpy(parent, path);
    slash = strrchr(parent, '/');
    *slash = '\0';
    return may_read(now, parent, client->domid);
}

static void fire_client(struct store_client *client,
                        const struct tree_node *before, const char *path,
                        bool is_removal)
{
    for (struct store_watch *watch = client->watches; watch;
         watch = watch->next) {
        const char *fired = NULL;

        if (path_is_within(path, watch->path))
            fired = path;
        else if (is_removal && path_is_within(watch->path, path) &&
                 tree_find(before, watch->path))
            fired = watch->path;
        if (fired && may_hear(client, before, fired))
            send_event(client, watch, fired);
    }
}

void watch_fire(struct store *store, const struct tree_node *before,
                const char *path, bool is_removal)
{
    for (struct store_client *client = store->clients; client;
         client = client->next)
        fire_client(client, before, path, is_removal);
}

void watch_fire_special(struct store *store, const char *name)
{
    for (struct store_client *client = store->clients; client;
         client = client->next)
        for (struct store_watch *watch = client->watches;
             client->domid == 0 && watch; watch = watch->next)
            if (strcmp(watch->path, name) == 0)
                send_event(client, watch, watch->path);
}
