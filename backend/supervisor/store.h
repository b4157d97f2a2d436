/* SPDX-License-Identifier: MIT
 * XenStore: a thin wrapper that turns libxenstore's errno into -errno, bounds
 * what is read, and repeats transactions. Loop thread only.
 *
 * Every call is one round trip to xenstored and waits for it; xenstored is
 * trusted to answer. Values are bytes: whoever reads a peer's value gets its
 * length and judges it. */
#ifndef VBDD_SUPERVISOR_STORE_H
#define VBDD_SUPERVISOR_STORE_H

#include <stdbool.h>
#include <stdint.h>

enum { STORE_PATH_BYTES = 1024, /* far above any path we use; longer ones of
                                   others are ignored */
       STORE_VALUE_BYTES = 256, /* of a node that holds a number or a state */
       STORE_TOKEN_BYTES = 32 };

struct store;

/* Connects; XENSTORED_PATH says where, as for every Xen tool. */
int store_open(struct store **store);
/* The same where one has been lost: -errno at once when none listens. (In dom0
 * the kernel would take the requests, and wait for a xenstored.) */
int store_open_again(struct store **store);
void store_close(struct store *store);

/* Readable when store_next_event() may have something. */
int store_fd(const struct store *store);
int store_watch(struct store *store, const char *path, const char *token);
void store_unwatch(struct store *store, const char *path, const char *token);
/* Takes one watch event without waiting. -EAGAIN: none left; an event whose
 * path or token does not fit is skipped. */
int store_next_event(struct store *store, char path[STORE_PATH_BYTES],
                     char token[STORE_TOKEN_BYTES]);

/* Reads a node of at most size - 1 bytes; 0-terminated, *length (may be NULL)
 * counts the bytes before that. -E2BIG when it is longer, -ENOENT when there
 * is none. */
int store_read(struct store *store, const char *path, char *value,
               unsigned size, unsigned *length);
/* The same for DIR/NAME. */
int store_read_in(struct store *store, const char *dir, const char *name,
                  char *value, unsigned size, unsigned *length);
/* Children's names: one malloc()ed block to be freed; *nr says how many. */
int store_list(struct store *store, const char *path, char ***names,
               unsigned *nr);
/* A NULL value removes the node. */
int store_write(struct store *store, const char *dir, const char *name,
                const char *value);
/* 0 also when there is nothing at path. */
int store_remove(struct store *store, const char *path);
/* Makes the directory path, owned by owner (who may do anything in it) and
 * readable by reader; nodes made in it later are the same. */
int store_make_dir(struct store *store, const char *path, uint32_t owner,
                   uint32_t reader);
bool store_domain_is_alive(struct store *store, uint32_t domid);

/* Runs body, whose store calls are then one transaction, again and again
 * until it is not disturbed. body returns 0, or -errno to have nothing
 * happen. Returns what body returned, or -EAGAIN when it was disturbed every
 * time, or -errno. */
int store_transact(struct store *store,
                   int (*body)(struct store *store, void *context),
                   void *context);

#endif
