/* SPDX-License-Identifier: MIT
 * Answers that workers have a part in. */
#include "backend/supervisor/gather.h"

#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"

static const double LIMIT_SECONDS = 2.0;

/* Freed when the client has its answer and every worker has given its own. */
struct gather {
    struct client *client; /* NULL once it has been answered */
    struct ev_loop *loop;
    json_t *body;
    json_t *asked; /* the objects in it */
    unsigned outstanding;
    bool is_strict, is_complete; /* complete: nothing more will be asked */
    ev_timer limit;
};

struct ask {
    struct gather *gather;
    struct disk *disk;
    json_t *object; /* borrowed from the gather, which outlives it */
    gather_take *take;
};

static void set_error(json_t *object, const char *sentence)
{
    json_object_set_new(object, "error", command_text(sentence));
}

/* The first object with an error, or NULL. */
static const json_t *find_failed(const struct gather *gather)
{
    json_t *object;
    size_t i;

    json_array_foreach(gather->asked, i, object)
        if (json_object_get(object, "error"))
            return object;
    return NULL;
}

static void answer(struct gather *gather)
{
    const json_t *failed = gather->is_strict ? find_failed(gather) : NULL;

    if (failed)
        client_refuse(gather->client, "disk %lld: %s",
                      (long long)json_integer_value(
                          json_object_get(failed, "disk")),
                      json_string_value(json_object_get(failed, "error")));
    else /* a copy: late answers go on into the original */
        client_reply(gather->client, json_deep_copy(gather->body));
    gather->client = NULL;
    ev_timer_stop(gather->loop, &gather->limit);
}

/* Answers the client if it is time, frees if nobody needs it any more. */
static void settle(struct gather *gather, bool is_late)
{
    if (!gather->is_complete)
        return;
    if (gather->client && (!gather->outstanding || is_late))
        answer(gather);
    if (gather->outstanding)
        return;
    json_decref(gather->asked);
    json_decref(gather->body);
    free(gather);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    settle(timer->data, true);
}

static void answered(void *context, const struct message *reply)
{
    struct ask *ask = context;
    struct gather *gather = ask->gather;

    if (!reply) {
        set_error(ask->object, "its worker ended before it answered");
    } else if (reply->error) {
        set_error(ask->object, reply->text[0] ? reply->text
                                              : strerror(-reply->error));
    } else {
        json_object_del(ask->object, "error");
        ask->take(ask->disk, ask->object, reply);
    }
    free(ask);
    gather->outstanding--;
    settle(gather, false);
}

struct gather *gather_new(struct client *client, json_t *body, bool is_strict)
{
    struct gather *gather = calloc(1, sizeof *gather);

    if (!gather || !body || !(gather->asked = json_array())) {
        free(gather);
        json_decref(body);
        client_reply(client, NULL);
        return NULL;
    }
    gather->client = client;
    gather->loop = client_supervisor(client)->loop;
    gather->body = body;
    gather->is_strict = is_strict;
    ev_timer_init(&gather->limit, on_limit, LIMIT_SECONDS, 0.);
    gather->limit.data = gather;
    ev_timer_start(gather->loop, &gather->limit);
    return gather;
}

void gather_ask(struct gather *gather, struct disk *disk,
                const struct message *request, json_t *object,
                gather_take *take)
{
    struct ask *ask = NULL;

    json_array_append(gather->asked, object);
    if (disk->state == DISK_FAILED || !disk->worker) {
        set_error(object, disk->why[0] ? disk->why : "it has no worker");
        return;
    }
    set_error(object, "its worker has not answered");
    if (worker_is_overrun(disk->worker))
        return;
    ask = malloc(sizeof *ask);
    if (!ask)
        return;
    *ask = (struct ask){ gather, disk, object, take };
    if (worker_call(disk->worker, request, answered, ask) < 0)
        free(ask);
    else
        gather->outstanding++;
}

void gather_finish(struct gather *gather)
{
    gather->is_complete = true;
    settle(gather, false);
}
