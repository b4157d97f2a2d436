/* SPDX-License-Identifier: MIT
 * xenstored's part: one tree, doors (listening sockets, one for each living
 * domain), and the clients that came through them and speak xs_wire.h. The
 * second half is for the store's own files. One thread. */
#ifndef VBDD_LOCAL_STORE_H
#define VBDD_LOCAL_STORE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include <xen/io/xs_wire.h>

#include "common/local/store/path.h"

struct store;
struct store_door;
struct tree_node;

struct store *store_new(struct ev_loop *loop,
                        bool (*is_domain_alive)(void *context,
                                                uint32_t domid),
                        void *context);
void store_free(struct store *store);
/* Whoever comes through the door is domain domid. */
int store_open_door(struct store *store, uint32_t domid, const char *path,
                    struct store_door **door);
/* Its clients are sent away, the socket file is removed. */
void store_close_door(struct store *store, struct store_door *door);
/* A domain was born: it gets its place in the tree when it has none. */
void store_introduce(struct store *store, uint32_t domid);
void store_release(struct store *store); /* one has died */

/* --- inside --------------------------------------------------------------- */

/* What a guest may do, so that it cannot exhaust us. Domain 0 has no limits
 * but the last. */
enum {
    STORE_MAX_WATCHES = 128,
    STORE_MAX_TRANSACTIONS = 10,
    STORE_MAX_ACCESSES = 1024,  /* in one transaction */
    STORE_MAX_CLIENTS = 32,     /* through one door */
    STORE_MAX_NODES = 1 << 16,  /* of all together: no new ones beyond it */
    STORE_MAX_UNREAD = 4 << 20, /* bytes that a client does not read */
};

struct store {
    struct ev_loop *loop;
    bool (*is_domain_alive)(void *context, uint32_t domid);
    void *context;
    struct tree_node *root;
    struct store_client *clients;
    uint32_t last_transaction;
    /* Where replies and events are put together. */
    char reply[XENSTORE_PAYLOAD_MAX], event[XENSTORE_PAYLOAD_MAX];
};

struct store_watch {
    struct store_watch *next;
    char *path;  /* absolute, or @special */
    char *token;
    unsigned skip; /* events leave out this much of a path: it is relative */
};

/* What a transaction did to a node; a change was a look as well. */
enum store_access_kind { STORE_LOOKED, STORE_CHANGED, STORE_REMOVED };

struct store_access {
    struct store_access *next;
    enum store_access_kind kind;
    char path[];
};

struct store_transaction {
    struct store_transaction *next;
    uint32_t id;
    struct tree_node *base, *root; /* as it began, as it sees itself */
    struct store_access *accesses, **last_access; /* in order */
    unsigned nr_accesses;
    bool has_changes;
};

struct store_client {
    struct ev_io io;
    struct store_client *next;
    struct store *store;
    struct store_door *door;
    uint32_t domid;
    bool is_lost; /* gets nothing any more; freed at its next event */

    union {
        struct xsd_sockmsg header;
        char bytes[sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX];
    } input;
    unsigned input_bytes;

    char *output; /* [output_start, output_end) is still to be sent */
    size_t output_start, output_end, output_room;

    struct store_watch *watches, **last_watch;
    unsigned nr_watches;
    struct store_transaction *transactions;
    unsigned nr_transactions;
};

/* --- store.c: messages in and out ----------------------------------------- */
/* Queues one message; a client that does not read is lost. */
void store_send(struct store_client *client, const struct xsd_sockmsg *header,
                const void *data);

/* --- request.c ------------------------------------------------------------ */
/* Carries out the message in client->input and answers it. */
void request_serve(struct store_client *client);

/* --- watch.c -------------------------------------------------------------- */
/* Paths as the client gave them. 0 or -errno. */
int watch_add(struct store_client *client, const char *path,
              const char *token);
int watch_remove(struct store_client *client, const char *path,
                 const char *token);
void watch_remove_all(struct store_client *client);
/* The event that each new watch begins with. */
void watch_fire_first(struct store_client *client);
/* Tells all who watch it that path was changed between two versions. */
void watch_fire(struct store *store, const struct tree_node *before,
                const char *path, bool is_removal);
void watch_fire_special(struct store *store, const char *name);

/* --- transaction.c -------------------------------------------------------- */
int transaction_start(struct store_client *client, uint32_t *id);
struct store_transaction *transaction_find(struct store_client *client,
                                           uint32_t id);
void transaction_note(struct store_transaction *transaction, const char *path,
                      enum store_access_kind kind);
/* It would change the store, and of what it went by something is not as it
 * was when it began. */
bool transaction_is_stale(const struct store_client *client,
                          const struct store_transaction *transaction);
/* Ends it; it must not be stale. */
void transaction_commit(struct store_client *client,
                        struct store_transaction *transaction);
void transaction_abort(struct store_client *client,
                       struct store_transaction *transaction);

#endif
