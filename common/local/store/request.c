/* SPDX-License-Identifier: MIT
 * The requests of the XenStore wire protocol (xs_wire.h; what they mean is in
 * Xen's docs/misc/xenstore.txt). Each is judged here, completely, before the
 * tree is touched. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/local/alloc.h"
#include "common/local/store/store.h"
#include "common/local/store/tree.h"

struct request {
    struct store_client *client;
    struct store *store;
    struct store_transaction *transaction; /* NULL: none */
    struct tree_node **root;               /* the version it works on */
    char *rest, *end;                      /* of the payload */
    char path[PATH_BYTES];
};

/* --- reading the payload -------------------------------------------------- */

/* The next string, which must end inside the payload; else NULL. */
static char *take_string(struct request *request)
{
    char *string = request->rest;
    size_t room = (size_t)(request->end - string);
    char *zero = room ? memchr(string, '\0', room) : NULL;

    if (!zero)
        return NULL;
    request->rest = zero + 1;
    return string;
}

static bool is_at_end(const struct request *request)
{
    return request->rest == request->end;
}

static int take_path(struct request *request)
{
    const char *given = take_string(request);

    return given ? path_resolve(request->client->domid, given, request->path)
                 : -EINVAL;
}

static int take_only_path(struct request *request)
{
    int error = take_path(request);

    return !error && !is_at_end(request) ? -EINVAL : error;
}

/* Decimal digits and nothing else. */
static int parse_number(const char *text, uint32_t *number)
{
    uint64_t value = 0;

    if (!*text)
        return -EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -EINVAL;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > UINT32_MAX)
            return -EINVAL;
    }
    *number = (uint32_t)value;
    return 0;
}

static int take_only_number(struct request *request, uint32_t *number)
{
    const char *text = take_string(request);

    return text && is_at_end(request) ? parse_number(text, number) : -EINVAL;
}

/* --- answering ------------------------------------------------------------ */

static int reply(struct request *request, const void *data, size_t bytes)
{
    struct xsd_sockmsg header = request->client->input.header;

    header.len = (uint32_t)bytes;
    store_send(request->client, &header, data);
    return 0;
}

static int reply_string(struct request *request, const char *string)
{
    return reply(request, string, strlen(string) + 1);
}

static void reply_error(struct store_client *client, int error)
{
    struct xsd_sockmsg header = client->input.header;
    const char *name = "EINVAL";

    for (unsigned i = 0; i < sizeof xsd_errors / sizeof *xsd_errors; i++)
        if (xsd_errors[i].errnum == -error)
            name = xsd_errors[i].errstring;
    header.type = XS_ERROR;
    header.len = (uint32_t)strlen(name) + 1;
    store_send(client, &header, name);
}

/* --- the tree ------------------------------------------------------------- */

/* The node at request->path, when all the bits of `need` are granted. What is
 * missing is judged by the last node above that exists: who may not read
 * there is not told what is missing. */
static int find_node(struct request *request, unsigned need,
                     const struct tree_node **out)
{
    const struct tree_node *node = tree_find(*request->root, request->path);
    const struct tree_node *nearest = node;

    if (request->transaction) {
        if (request->client->domid != 0 &&
            request->transaction->nr_accesses >= STORE_MAX_ACCESSES)
            return -ENOSPC;
        transaction_note(request->transaction, request->path, STORE_LOOKED);
    }
    if (!nearest)
        nearest = tree_find_nearest(*request->root, request->path);
    if ((tree_access(nearest, request->client->domid) & need) != need)
        return -EACCES;
    *out = node;
    return node ? 0 : -ENOENT;
}

/* Answers OK and tells whom it concerns. */
static int changed(struct request *request, const struct tree_node *before,
                   bool is_removal)
{
    reply_string(request, "OK");
    if (request->transaction)
        transaction_note(request->transaction, request->path,
                         is_removal ? STORE_REMOVED : STORE_CHANGED);
    else
        watch_fire(request->store, before, request->path, is_removal);
    return 0;
}

static int do_read(struct request *request)
{
    const struct tree_node *node;
    int error = take_only_path(request);

    if (!error)
        error = find_node(request, TREE_READ, &node);
    return error ? error : reply(request, node->value, node->value_bytes);
}

/* The payload's rest becomes the value; none (NULL) makes a missing node. */
static int set_value(struct request *request, const char *value)
{
    const struct tree_node *there;
    struct tree_node *before, *node;
    int error = find_node(request, TREE_WRITE, &there);

    if (error && error != -ENOENT)
        return error;
    if (!error && !value)
        return reply_string(request, "OK"); /* MKDIR of what exists */
    if (error && request->client->domid != 0 &&
        tree_count_nodes() >= STORE_MAX_NODES)
        return -ENOSPC;
    before = tree_ref(*request->root);
    node = tree_make(request->root, request->path, request->client->domid);
    if (value)
        tree_set_value(node, value, (unsigned)(request->end - value));
    error = changed(request, before, false);
    tree_unref(before);
    return error;
}

static int do_write(struct request *request)
{
    int error = take_path(request);

    return error ? error : set_value(request, request->rest);
}

static int do_mkdir(struct request *request)
{
    int error = take_only_path(request);

    return error ? error : set_value(request, NULL);
}

/* What is not there need not be removed, if only its parent is there. */
static int remove_missing(struct request *request)
{
    *strrchr(request->path, '/') = '\0';
    return tree_find(*request->root, request->path)
        ? reply_string(request, "OK") : -ENOENT;
}

static int do_rm(struct request *request)
{
    const struct tree_node *there;
    struct tree_node *before;
    int error = take_only_path(request);

    if (!error && strcmp(request->path, "/") == 0)
        error = -EINVAL;
    if (!error)
        error = find_node(request, TREE_WRITE, &there);
    if (error == -ENOENT)
        return remove_missing(request);
    if (error)
        return error;
    before = tree_ref(*request->root);
    tree_remove(request->root, request->path);
    error = changed(request, before, true);
    tree_unref(before);
    return error;
}

/* --- directories ---------------------------------------------------------- */

/* Appends the names of children from byte `offset` of their list on, as many
 * as fit whole. True: up to the last. */
static bool list_children(const struct tree_node *node, size_t offset,
                          char *list, size_t room, size_t *used)
{
    size_t at = 0;

    *used = 0;
    for (unsigned i = 0; i < node->nr_children; i++) {
        const char *name = node->children[i]->name;
        size_t bytes = strlen(name) + 1;

        at += bytes;
        if (at <= offset)
            continue;
        if (*used + bytes > room)
            return false;
        memcpy(list + *used, name, bytes);
        *used += bytes;
    }
    return true;
}

static int do_directory(struct request *request)
{
    const struct tree_node *node;
    size_t used;
    int error = take_only_path(request);

    if (!error)
        error = find_node(request, TREE_READ, &node);
    if (error)
        return error;
    if (!list_children(node, 0, request->store->reply,
                       sizeof request->store->reply, &used))
        return -E2BIG;
    return reply(request, request->store->reply, used);
}

/* Generation of the list, a part of it, and an empty name at its end. */
static int do_directory_part(struct request *request)
{
    char *list = request->store->reply;
    const struct tree_node *node;
    size_t head, used;
    uint32_t offset;
    int error = take_path(request);

    if (!error)
        error = take_only_number(request, &offset);
    if (!error)
        error = find_node(request, TREE_READ, &node);
    if (error)
        return error;
    head = (size_t)sprintf(list, "%llu",
                           (unsigned long long)node->generation) + 1;
    if (list_children(node, offset, list + head,
                      sizeof request->store->reply - head - 1, &used))
        list[head + used++] = '\0';
    return reply(request, list, head + used);
}

/* --- permissions ---------------------------------------------------------- */

static const char perm_letters[] = "nrwb"; /* by TREE_READ | TREE_WRITE */

static int do_get_perms(struct request *request)
{
    char *list = request->store->reply;
    const struct tree_node *node;
    size_t used = 0;
    int error = take_only_path(request);

    if (!error)
        error = find_node(request, TREE_READ, &node);
    if (error)
        return error;
    for (unsigned i = 0; i < node->nr_perms; i++) {
        size_t room = sizeof request->store->reply - used;
        int length = snprintf(list + used, room, "%c%u",
                              perm_letters[node->perms[i].bits],
                              node->perms[i].domid);

        if ((size_t)length >= room)
            return -E2BIG;
        used += (size_t)length + 1;
    }
    return reply(request, list, used);
}

static int parse_perm(const char *text, struct tree_perm *perm)
{
    const char *letter = *text ? strchr(perm_letters, *text) : NULL;

    if (!letter)
        return -EINVAL;
    perm->bits = (unsigned)(letter - perm_letters);
    return parse_number(text + 1, &perm->domid);
}

static int take_perms(struct request *request, struct tree_perm *perms,
                      unsigned max, unsigned *nr)
{
    for (*nr = 0; !is_at_end(request); ++*nr) {
        const char *text = take_string(request);

        if (!text || *nr == max || parse_perm(text, &perms[*nr]) < 0)
            return -EINVAL;
    }
    return *nr > 0 ? 0 : -EINVAL;
}

static int do_set_perms(struct request *request)
{
    struct tree_perm perms[64];
    const struct tree_node *there;
    struct tree_node *before;
    unsigned nr;
    int error = take_path(request);

    if (!error)
        error = take_perms(request, perms, sizeof perms / sizeof *perms, &nr);
    if (!error)
        error = find_node(request, TREE_WRITE | TREE_OWN, &there);
    if (!error && request->client->domid != 0 &&
        perms[0].domid != request->client->domid)
        error = -EPERM; /* a guest cannot give its nodes away */
    if (error)
        return error;
    before = tree_ref(*request->root);
    tree_set_perms(tree_make(request->root, request->path, 0), perms, nr);
    error = changed(request, before, false);
    tree_unref(before);
    return error;
}

/* --- watches -------------------------------------------------------------- */

/* A path, a token and no more. */
static bool take_watch(struct request *request, const char **path,
                       const char **token)
{
    *path = take_string(request);
    *token = *path ? take_string(request) : NULL;
    return *token && is_at_end(request);
}

static int do_watch(struct request *request)
{
    const char *path, *token;
    int error;

    if (!take_watch(request, &path, &token))
        return -EINVAL;
    error = watch_add(request->client, path, token);
    if (error)
        return error;
    reply_string(request, "OK");
    watch_fire_first(request->client);
    return 0;
}

static int do_unwatch(struct request *request)
{
    const char *path, *token;
    int error;

    if (!take_watch(request, &path, &token))
        return -EINVAL;
    error = watch_remove(request->client, path, token);
    return error ? error : reply_string(request, "OK");
}

static int do_reset_watches(struct request *request)
{
    watch_remove_all(request->client);
    while (request->client->transactions)
        transaction_abort(request->client, request->client->transactions);
    return reply_string(request, "OK");
}

/* --- transactions --------------------------------------------------------- */

static int do_transaction_start(struct request *request)
{
    char text[16];
    uint32_t id;
    int error = request->transaction ? -EBUSY
                                     : transaction_start(request->client, &id);

    if (error)
        return error;
    snprintf(text, sizeof text, "%u", id);
    return reply_string(request, text);
}

static int do_transaction_end(struct request *request)
{
    struct store_transaction *transaction = request->transaction;
    const char *verdict = take_string(request);
    bool is_stale;

    if (!transaction)
        return -ENOENT;
    if (!verdict || !is_at_end(request) ||
        (strcmp(verdict, "T") != 0 && strcmp(verdict, "F") != 0))
        return -EINVAL;
    is_stale = transaction_is_stale(request->client, transaction);
    if (*verdict == 'T' && !is_stale) {
        reply_string(request, "OK");
        transaction_commit(request->client, transaction);
        return 0;
    }
    transaction_abort(request->client, transaction);
    return *verdict == 'T' ? -EAGAIN : reply_string(request, "OK");
}

/* --- domains -------------------------------------------------------------- */

static int do_get_domain_path(struct request *request)
{
    uint32_t domid;
    int error = take_only_number(request, &domid);

    if (error)
        return error;
    path_of_domain(domid, request->path);
    return reply_string(request, request->path);
}

static int do_is_domain_introduced(struct request *request)
{
    uint32_t domid;
    int error = take_only_number(request, &domid);

    if (error)
        return error;
    return reply_string(request,
                        request->store->is_domain_alive(
                            request->store->context, domid) ? "T" : "F");
}

/* Domains come and go with their connections to the hypervisor. */
static int do_refuse(struct request *request)
{
    return request->client->domid == 0 ? -EINVAL : -EACCES;
}

/* --- which is which ------------------------------------------------------- */

static const struct {
    int (*serve)(struct request *request); /* 0: has answered; or -errno */
    bool has_transaction; /* else the id in its header means nothing */
} handlers[XS_TYPE_COUNT] = {
    [XS_DIRECTORY] = { do_directory, true },
    [XS_DIRECTORY_PART] = { do_directory_part, true },
    [XS_READ] = { do_read, true },
    [XS_WRITE] = { do_write, true },
    [XS_MKDIR] = { do_mkdir, true },
    [XS_RM] = { do_rm, true },
    [XS_GET_PERMS] = { do_get_perms, true },
    [XS_SET_PERMS] = { do_set_perms, true },
    [XS_WATCH] = { do_watch, false },
    [XS_UNWATCH] = { do_unwatch, false },
    [XS_RESET_WATCHES] = { do_reset_watches, false },
    [XS_TRANSACTION_START] = { do_transaction_start, true },
    [XS_TRANSACTION_END] = { do_transaction_end, true },
    [XS_GET_DOMAIN_PATH] = { do_get_domain_path, false },
    [XS_IS_DOMAIN_INTRODUCED] = { do_is_domain_introduced, false },
    [XS_INTRODUCE] = { do_refuse, false },
    [XS_RELEASE] = { do_refuse, false },
    [XS_RESUME] = { do_refuse, false },
    [XS_SET_TARGET] = { do_refuse, false },
};

void request_serve(struct store_client *client)
{
    const struct xsd_sockmsg *header = &client->input.header;
    struct request request;
    int error = 0;

    request.client = client;
    request.store = client->store;
    request.transaction = NULL;
    request.root = &client->store->root;
    request.rest = client->input.bytes + sizeof *header;
    request.end = request.rest + header->len;
    if (header->type >= XS_TYPE_COUNT || !handlers[header->type].serve)
        error = -ENOSYS;
    else if (handlers[header->type].has_transaction && header->tx_id != 0) {
        request.transaction = transaction_find(client, header->tx_id);
        if (request.transaction)
            request.root = &request.transaction->root;
        else
            error = -ENOENT;
    }
    if (!error)
        error = handlers[header->type].serve(&request);
    if (error)
        reply_error(client, error);
}
