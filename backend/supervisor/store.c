/* SPDX-License-Identifier: MIT
 * libxenstore, wrapped. */
#include "backend/supervisor/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenstore.h>

/* Somebody who writes to the same nodes all the time may disturb a few of
 * our transactions, not all the others' service. */
enum { MAX_TRANSACTION_TRIES = 100 };

struct store {
    struct xs_handle *handle;
    xs_transaction_t transaction; /* XBT_NULL outside of one */
};

static int open_with(unsigned long flags, struct store **store)
{
    struct store *opened = calloc(1, sizeof *opened);

    if (!opened)
        return -ENOMEM;
    opened->handle = xs_open(flags);
    if (!opened->handle) {
        int error = errno ? -errno : -EIO;

        free(opened);
        return error;
    }
    *store = opened;
    return 0;
}

int store_open(struct store **store)
{
    return open_with(0, store);
}

int store_open_again(struct store **store)
{
    return open_with(XS_OPEN_SOCKETONLY, store);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    xs_close(store->handle);
    free(store);
}

int store_fd(const struct store *store)
{
    return xs_fileno(store->handle);
}

int store_watch(struct store *store, const char *path, const char *token)
{
    return xs_watch(store->handle, path, token) ? 0 : -errno;
}

void store_unwatch(struct store *store, const char *path, const char *token)
{
    xs_unwatch(store->handle, path, token);
}

int store_next_event(struct store *store, char path[STORE_PATH_BYTES],
                     char token[STORE_TOKEN_BYTES])
{
    char **event;

    while ((event = xs_check_watch(store->handle))) {
        bool fits = strlen(event[XS_WATCH_PATH]) < STORE_PATH_BYTES &&
                    strlen(event[XS_WATCH_TOKEN]) < STORE_TOKEN_BYTES;

        if (fits) {
            strcpy(path, event[XS_WATCH_PATH]);
            strcpy(token, event[XS_WATCH_TOKEN]);
        }
        free(event);
        if (fits)
            return 0;
    }
    return -errno;
}

int store_read(struct store *store, const char *path, char *value,
               unsigned size, unsigned *length)
{
    unsigned bytes;
    char *read = xs_read(store->handle, store->transaction, path, &bytes);

    if (!read)
        return -errno;
    if (bytes >= size) {
        free(read);
        return -E2BIG;
    }
    memcpy(value, read, bytes);
    value[bytes] = '\0';
    if (length)
        *length = bytes;
    free(read);
    return 0;
}

static int join(char path[STORE_PATH_BYTES], const char *dir,
                const char *name)
{
    return snprintf(path, STORE_PATH_BYTES, "%s/%s", dir, name) <
                   STORE_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

int store_read_in(struct store *store, const char *dir, const char *name,
                  char *value, unsigned size, unsigned *length)
{
    char path[STORE_PATH_BYTES];
    int error = join(path, dir, name);

    return error ? error : store_read(store, path, value, size, length);
}

int store_list(struct store *store, const char *path, char ***names,
               unsigned *nr)
{
    *names = xs_directory(store->handle, store->transaction, path, nr);
    return *names ? 0 : -errno;
}

int store_write(struct store *store, const char *dir, const char *name,
                const char *value)
{
    char path[STORE_PATH_BYTES];
    int error = join(path, dir, name);

    if (error)
        return error;
    if (!value)
        return store_remove(store, path);
    return xs_write(store->handle, store->transaction, path, value,
                    (unsigned)strlen(value)) ? 0 : -errno;
}

int store_remove(struct store *store, const char *path)
{
    if (xs_rm(store->handle, store->transaction, path) || errno == ENOENT)
        return 0;
    return -errno;
}

int store_make_dir(struct store *store, const char *path, uint32_t owner,
                   uint32_t reader)
{
    struct xs_permissions permissions[2] = {
        { .id = owner, .perms = XS_PERM_NONE },
        { .id = reader, .perms = XS_PERM_READ },
    };

    if (!xs_mkdir(store->handle, store->transaction, path) ||
        !xs_set_permissions(store->handle, store->transaction, path,
                            permissions, 2))
        return -errno;
    return 0;
}

bool store_domain_is_alive(struct store *store, uint32_t domid)
{
    bool is_alive;

    errno = 0;
    is_alive = xs_is_domain_introduced(store->handle, domid);
    /* A store that cannot answer has not said that the domain is dead. */
    return is_alive || (errno != 0 && errno != ENOENT);
}

int store_transact(struct store *store,
                   int (*body)(struct store *store, void *context),
                   void *context)
{
    for (unsigned try = 0; try < MAX_TRANSACTION_TRIES; try++) {
        int error;
        bool has_ended;

        store->transaction = xs_transaction_start(store->handle);
        if (store->transaction == XBT_NULL)
            return -errno;
        error = body(store, context);
        has_ended = xs_transaction_end(store->handle, store->transaction,
                                       error != 0);
        store->transaction = XBT_NULL;
        if (error)
            return error;
        if (has_ended)
            return 0;
        if (errno != EAGAIN)
            return -errno;
    }
    return -EAGAIN;
}
