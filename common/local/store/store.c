/* SPDX-License-Identifier: MIT
 * The store's doors and clients: messages in and out. */
#include "config.h" /* for GNU extensions */

#include "common/local/store/store.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/host/socket.h"
#include "common/local/alloc.h"
#include "common/local/store/tree.h"

/* What one client may have done before the others have their turn. */
enum { RECEIVES_PER_TURN = 32 };

struct store_door {
    struct ev_io io;
    struct store *store;
    uint32_t domid;
    unsigned nr_clients;
    char path[sizeof ((struct sockaddr_un *)0)->sun_path];
};

/* --- the store ------------------------------------------------------------ */

struct store *store_new(struct ev_loop *loop,
                        bool (*is_domain_alive)(void *context,
                                                uint32_t domid),
                        void *context)
{
    struct store *store = alloc_new(sizeof *store);

    store->loop = loop;
    store->is_domain_alive = is_domain_alive;
    store->context = context;
    store->root = tree_new();
    return store;
}

void store_free(struct store *store)
{
    tree_unref(store->root);
    free(store);
}

void store_introduce(struct store *store, uint32_t domid)
{
    /* As libxl makes it: the domain may look at its place, no more. */
    const struct tree_perm perms[] = { { 0, 0 }, { domid, TREE_READ } };
    struct tree_node *before = tree_ref(store->root);
    char path[PATH_BYTES];

    path_of_domain(domid, path);
    if (!tree_find(store->root, path)) {
        tree_set_perms(tree_make(&store->root, path, 0), perms,
                       domid == 0 ? 1 : 2);
        watch_fire(store, before, path, false);
    }
    tree_unref(before);
    watch_fire_special(store, "@introduceDomain");
}

void store_release(struct store *store)
{
    watch_fire_special(store, "@releaseDomain");
}

/* --- a client ------------------------------------------------------------- */

static void free_client(struct store_client *client)
{
    struct store_client **at = &client->store->clients;

    while (*at != client)
        at = &(*at)->next;
    *at = client->next;
    watch_remove_all(client);
    while (client->transactions)
        transaction_abort(client, client->transactions);
    ev_io_stop(client->store->loop, &client->io);
    close(client->io.fd);
    client->door->nr_clients--;
    free(client->output);
    free(client);
}

/* Someone may be walking the list of clients: it is freed when the loop tells
 * of the end of its socket. */
static void lose_client(struct store_client *client)
{
    client->is_lost = true;
    client->output_start = client->output_end = 0;
    shutdown(client->io.fd, SHUT_RDWR);
}

static void await_events(struct store_client *client, int events)
{
    if ((client->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(client->store->loop, &client->io);
    ev_io_set(&client->io, client->io.fd, events);
    ev_io_start(client->store->loop, &client->io);
}

static void flush_output(struct store_client *client)
{
    while (client->output_start < client->output_end) {
        ssize_t sent = send(client->io.fd,
                            client->output + client->output_start,
                            client->output_end - client->output_start,
                            MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            lose_client(client);
            break;
        }
        client->output_start += (size_t)sent;
    }
    if (client->output_start == client->output_end)
        client->output_start = client->output_end = 0;
    await_events(client, client->output_end ? EV_READ | EV_WRITE : EV_READ);
}

static void append_output(struct store_client *client, const void *data,
                          size_t bytes)
{
    size_t wanted = client->output_end + bytes;

    if (wanted > client->output_room) {
        client->output_room = wanted * 2;
        client->output = alloc_resize(client->output, client->output_room);
    }
    memcpy(client->output + client->output_end, data, bytes);
    client->output_end = wanted;
}

void store_send(struct store_client *client, const struct xsd_sockmsg *header,
                const void *data)
{
    if (client->is_lost)
        return;
    if (client->output_end + sizeof *header + header->len > STORE_MAX_UNREAD) {
        log_warning("a store client of domain %u was sent away: it left more "
                    "than %d bytes unread", client->domid, STORE_MAX_UNREAD);
        lose_client(client);
        return;
    }
    append_output(client, header, sizeof *header);
    if (header->len)
        append_output(client, data, header->len);
    flush_output(client);
}

/* Receives more of the message under way, serves it when it is whole. False:
 * there is nothing more, or nobody. */
static bool receive(struct store_client *client)
{
    const unsigned header_bytes = sizeof client->input.header;
    unsigned wanted = header_bytes;
    ssize_t got;

    if (client->input_bytes >= header_bytes)
        wanted += client->input.header.len;
    got = recv(client->io.fd, client->input.bytes + client->input_bytes,
               wanted - client->input_bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (got <= 0) {
        lose_client(client);
        return false;
    }
    client->input_bytes += (unsigned)got;
    if (client->input_bytes < header_bytes)
        return true;
    if (client->input.header.len > XENSTORE_PAYLOAD_MAX) {
        lose_client(client); /* there is no way to find its next message */
        return false;
    }
    if (client->input_bytes == header_bytes + client->input.header.len) {
        client->input_bytes = 0;
        request_serve(client);
    }
    return !client->is_lost;
}

static void client_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct store_client *client = (struct store_client *)io;

    (void)loop;
    if ((events & EV_WRITE) && !client->is_lost)
        flush_output(client);
    for (unsigned i = 0; i < RECEIVES_PER_TURN && !client->is_lost; i++)
        if (!receive(client))
            break;
    if (client->is_lost)
        free_client(client);
}

/* --- a door --------------------------------------------------------------- */

static void door_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
    struct store_door *door = (struct store_door *)io;
    struct store_client *client;
    int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0)
        return;
    if (door->domid != 0 && door->nr_clients >= STORE_MAX_CLIENTS) {
        close(fd);
        return;
    }
    client = alloc_new(sizeof *client);
    client->store = door->store;
    client->door = door;
    client->domid = door->domid;
    client->last_watch = &client->watches;
    client->next = door->store->clients;
    door->store->clients = client;
    door->nr_clients++;
    ev_io_init(&client->io, client_ready, fd, EV_READ);
    ev_io_start(loop, &client->io);
}

int store_open_door(struct store *store, uint32_t domid, const char *path,
                    struct store_door **out)
{
    struct store_door *door;
    int fd = socket_listen(path, SOCK_STREAM);

    if (fd < 0)
        return fd;
    door = alloc_new(sizeof *door);
    door->store = store;
    door->domid = domid;
    strcpy(door->path, path);
    ev_io_init(&door->io, door_ready, fd, EV_READ);
    ev_io_start(store->loop, &door->io);
    *out = door;
    return 0;
}

void store_close_door(struct store *store, struct store_door *door)
{
    struct store_client *client = store->clients;

    while (client) {
        struct store_client *next = client->next;

        if (client->door == door)
            free_client(client);
        client = next;
    }
    ev_io_stop(store->loop, &door->io);
    close(door->io.fd);
    unlink(door->path);
    free(door);
}
