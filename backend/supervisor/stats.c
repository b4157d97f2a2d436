/* SPDX-License-Identifier: MIT
 * The command stats: asks the workers, and answers when they have, or without
 * those that are too slow. */
#include <errno.h>
#include <stdlib.h>

#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/percentile.h"

static const double LIMIT_SECONDS = 2.0;

/* One stats request; freed when it has been answered and every worker has. */
struct gather {
    struct client *client; /* NULL once it has been answered */
    struct ev_loop *loop;
    json_t *disks;
    unsigned outstanding;
    bool is_starting;
    ev_timer limit;
};

struct ask {
    struct gather *gather;
    json_t *disk; /* borrowed from gather->disks, which outlives it */
};

static json_t *operations_json(const uint64_t counts[6])
{
    static const char *const names[6] = {
        "read", "write", "barrier", "flush", NULL /* reserved */, "discard",
    };
    json_t *json = json_object();

    for (unsigned i = 0; i < 6; i++)
        if (names[i])
            json_object_set_new(json, names[i], command_number(counts[i]));
    return json;
}

static json_t *latency_json(const uint64_t *buckets)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o}",
        "p50_us", command_number(percentile_us(buckets, 500)),
        "p99_us", command_number(percentile_us(buckets, 990)),
        "p999_us", command_number(percentile_us(buckets, 999)),
        "max_us", command_number(percentile_us(buckets, 1000)));
}

static void set_stats(json_t *disk, const struct message_stats *stats)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        { "bytes_read", stats->bytes_read },
        { "bytes_written", stats->bytes_written },
        { "unsupported", stats->unsupported },
        { "engine_flushes", stats->engine_flushes },
        { "flush_failures", stats->flush_failures },
        { "waited", stats->waited },
        { "merged", stats->merged },
        { "notifies_sent", stats->notifies_sent },
        { "events_taken", stats->events_taken },
        { "take_batches", stats->take_batches },
        { "answer_batches", stats->answer_batches },
        { "responses", stats->responses },
        { "system_calls", stats->system_calls },
        { "wakeups", stats->wakeups },
        { "in_flight", stats->in_flight },
        { "bytes_in_flight", stats->bytes_in_flight },
        { "budget_bytes", stats->budget_bytes },
    };
    double responses = (double)stats->responses;

    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        json_object_set_new(disk, numbers[i].name,
                            command_number(numbers[i].value));
    json_object_set_new(disk, "requests", operations_json(stats->requests));
    json_object_set_new(disk, "errors", operations_json(stats->errors));
    json_object_set_new(disk, "latency", latency_json(stats->latency));
    json_object_set_new(disk, "flush_latency",
                        latency_json(stats->flush_latency));
    json_object_set_new(disk, "system_calls_per_response",
                        json_real(responses > 0
                                  ? (double)stats->system_calls / responses
                                  : 0));
}

/* Answers the client if it is time, frees if nobody needs it any more. */
static void settle(struct gather *gather, bool is_late)
{
    if (gather->is_starting)
        return;
    if (gather->client && (!gather->outstanding || is_late)) {
        /* A copy: late answers go on into the original. */
        client_reply(gather->client, json_pack("{s:o}", "disks",
                                               json_deep_copy(gather->disks)));
        gather->client = NULL;
        ev_timer_stop(gather->loop, &gather->limit);
    }
    if (!gather->outstanding) {
        json_decref(gather->disks);
        free(gather);
    }
}

static void answered(void *context, const struct message *reply)
{
    struct ask *ask = context;
    struct gather *gather = ask->gather;

    if (reply && !reply->error) {
        json_object_del(ask->disk, "error");
        set_stats(ask->disk, &reply->stats);
    }
    free(ask);
    gather->outstanding--;
    settle(gather, false);
}

static void on_limit(struct ev_loop *loop, ev_timer *timer, int revents)
{
    (void)loop;
    (void)revents;
    settle(timer->data, true);
}

static void ask_disk(struct gather *gather, struct disk *disk)
{
    struct message request = { .type = MESSAGE_STATS };
    struct ask *ask = malloc(sizeof *ask);
    json_t *json = json_pack("{s:o, s:o, s:s, s:s}",
                             "disk", command_number(disk->number),
                             "target", command_text(disk->target.path),
                             "state", disk_state_text(disk),
                             "error", "its worker has not answered");

    json_array_append_new(gather->disks, json);
    if (!ask || !json || disk->state == DISK_FAILED || !disk->worker) {
        free(ask);
        return;
    }
    *ask = (struct ask){ gather, json };
    if (worker_call(disk->worker, &request, answered, ask) < 0)
        free(ask);
    else
        gather->outstanding++;
}

void command_stats(struct client *client, json_t *request)
{
    struct supervisor *supervisor = client_supervisor(client);
    const json_t *number = json_object_get(request, "disk");
    struct gather *gather = calloc(1, sizeof *gather);
    struct disk *disk;
    bool is_found = !number;

    if (!gather || !(gather->disks = json_array())) {
        free(gather);
        client_reply(client, NULL);
        return;
    }
    gather->client = client;
    gather->loop = supervisor->loop;
    gather->is_starting = true;
    ev_timer_init(&gather->limit, on_limit, LIMIT_SECONDS, 0.);
    gather->limit.data = gather;
    ev_timer_start(gather->loop, &gather->limit);
    TAILQ_FOREACH(disk, &supervisor->disks, link) {
        if (number && json_integer_value(number) != disk->number)
            continue;
        ask_disk(gather, disk);
        is_found = true;
    }
    gather->is_starting = false;
    if (!is_found) {
        client_refuse(client, "there is no disk %lld",
                      (long long)json_integer_value(number));
        gather->client = NULL;
        ev_timer_stop(gather->loop, &gather->limit);
    }
    settle(gather, false);
}
