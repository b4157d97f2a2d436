/* SPDX-License-Identifier: MIT
 * Clients: whose turn it is among the writes and barriers of one client (C6),
 * write-through (C8), and their end. */
#include <errno.h>
#include <stdlib.h>

#include "backend/coherency/request.h"

static struct request *client_first_write(const struct coherency_client *client)
{
    return list_is_empty(&client->writes)
               ? NULL
               : LIST_ITEM(client->writes.next, struct request, write);
}

void client_accept_write(struct request *request)
{
    struct coherency_client *client = request->client;

    list_append(&client->writes, &request->write);
    if (request_op(request) == COHERENCY_BARRIER &&
        client->gate_sequence == no_gate)
        client->gate_sequence = request->range.sequence;
}

/* A FLUSH with data or a BARRIER has its turn when it is the oldest write of
 * its client, any other write when no barrier is older. */
bool client_has_turn(const struct request *request)
{
    const struct coherency_client *client = request->client;

    if (request_is_flush(request))
        return client_first_write(client) == request || BUG(BARRIER_NO_DRAIN);
    return request->range.sequence < client->gate_sequence ||
           BUG(BARRIER_NO_GATE);
}

/* The oldest barrier is gone: lets pass what it held, up to the next one. */
static void client_move_gate(struct coherency_client *client)
{
    struct list *link;

    client->gate_sequence = no_gate;
    LIST_EACH(link, &client->writes)
    {
        struct request *request = LIST_ITEM(link, struct request, write);

        if (request_op(request) == COHERENCY_BARRIER) {
            client->gate_sequence = request->range.sequence;
            return;
        }
        if (request->step == STEP_TURN)
            request_wake(request);
    }
}

void client_leave_writes(struct request *request)
{
    struct coherency_client *client = request->client;
    struct request *first;

    if (list_is_empty(&request->write))
        return;
    list_remove(&request->write);
    if (request->range.sequence == client->gate_sequence)
        client_move_gate(client);
    first = client_first_write(client);
    if (first && first->step == STEP_TURN)
        request_wake(first);
}

void client_wake_all(struct coherency_client *client)
{
    struct list *link;

    LIST_EACH(link, &client->requests)
    {
        struct request *request = LIST_ITEM(link, struct request, all);

        if (!request->is_at_engine)
            request_wake(request);
    }
}

int coherency_client_open(struct coherency *disk,
                          enum coherency_client_kind kind, bool read_only,
                          struct coherency_client **client)
{
    struct coherency_client *new_client = calloc(1, sizeof(*new_client));

    if (!new_client)
        return -ENOMEM;
    new_client->disk = disk;
    new_client->kind = kind;
    new_client->is_read_only = read_only;
    new_client->gate_sequence = no_gate;
    list_init(&new_client->link);
    list_init(&new_client->requests);
    list_init(&new_client->writes);
    list_append(&disk->clients, &new_client->link);
    *client = new_client;
    return 0;
}

void coherency_client_close(struct coherency_client *client,
                            void (*idle)(void *context), void *context)
{
    struct coherency *disk = client->disk;

    assert(!client->is_closing);
    client->is_closing = true;
    client->idle = idle;
    client->idle_context = context;
    disk->closing_clients++;
    client_wake_all(client);
    disk_run(disk);
}

/* A flush at the engine may have outlived those that wanted it; the disk must
 * not be closed under it, so the last client is not idle until it is over.
 * Others do not wait: there might always be a next flush. */
static void clients_take_idle(struct coherency *disk, struct list *idle)
{
    struct list *link, *after;

    LIST_EACH_SAFE(link, after, &disk->clients)
    {
        struct coherency_client *client =
            LIST_ITEM(link, struct coherency_client, link);

        if (disk->flush.is_at_engine && list_is_single(&disk->clients))
            return;
        if (client->is_closing && list_is_empty(&client->requests)) {
            list_append(idle, link);
            disk->closing_clients--;
        }
    }
}

void clients_retire(struct coherency *disk)
{
    struct list idle, *link;

    if (disk->closing_clients == 0)
        return;
    list_init(&idle);
    clients_take_idle(disk, &idle);
    /* From here on the disk is not touched: idle() may close it. */
    while ((link = list_take_first(&idle))) {
        struct coherency_client *client =
            LIST_ITEM(link, struct coherency_client, link);
        void (*call)(void *context) = client->idle;
        void *context = client->idle_context;

        free(client);
        if (call)
            call(context);
    }
}

void coherency_client_set_write_through(struct coherency_client *client)
{
    client->is_write_through = true;
}

bool coherency_client_is_write_through(const struct coherency_client *client)
{
    return client->is_write_through;
}
