/* SPDX-License-Identifier: MIT
 * The command stats: what workers have counted, for each disk and for each
 * vbd that has a ring. */
#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/gather.h"
#include "backend/supervisor/nbd.h"
#include "backend/supervisor/percentile.h"

struct number {
    const char *name;
    uint64_t value;
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

/* Without the empty buckets at both ends. */
static json_t *buckets_json(const uint64_t *buckets)
{
    unsigned first = 0, end = MESSAGE_LATENCY_BUCKETS;
    json_t *array = json_array();

    while (first < end && !buckets[first])
        first++;
    while (end > first && !buckets[end - 1])
        end--;
    for (unsigned i = first; i < end; i++)
        json_array_append_new(array, json_pack(
            "{s:o, s:o, s:o}",
            "from_us", command_number(percentile_edge_us(i)),
            "below_us", command_number(percentile_edge_us(i + 1)),
            "count", command_number(buckets[i])));
    return array;
}

static json_t *latency_json(const uint64_t *buckets, uint64_t total_us,
                            bool has_histogram)
{
    json_t *json = json_pack(
        "{s:o, s:o, s:o, s:o, s:o}",
        "total_us", command_number(total_us),
        "p50_us", command_number(percentile_us(buckets, 500)),
        "p99_us", command_number(percentile_us(buckets, 990)),
        "p999_us", command_number(percentile_us(buckets, 999)),
        "max_us", command_number(percentile_us(buckets, 1000)));

    if (has_histogram)
        json_object_set_new(json, "buckets", buckets_json(buckets));
    return json;
}

static void set_numbers(json_t *object, const struct number *numbers,
                        unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        json_object_set_new(object, numbers[i].name,
                            command_number(numbers[i].value));
}

static void set_stats(json_t *object, const struct message_stats *stats,
                      bool has_histogram)
{
    const struct number numbers[] = {
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

    set_numbers(object, numbers, sizeof numbers / sizeof *numbers);
    json_object_set_new(object, "requests", operations_json(stats->requests));
    json_object_set_new(object, "errors", operations_json(stats->errors));
    json_object_set_new(object, "latency",
                        latency_json(stats->latency, stats->latency_us,
                                     has_histogram));
    json_object_set_new(object, "flush_latency",
                        latency_json(stats->flush_latency,
                                     stats->flush_latency_us, has_histogram));
    json_object_set_new(object, "system_calls_per_response",
                        json_real(responses > 0
                                  ? (double)stats->system_calls / responses
                                  : 0));
}

static void take_stats(struct disk *disk, json_t *object,
                       const struct message *reply)
{
    (void)disk;
    set_stats(object, &reply->stats, false);
}

static void take_histogram(struct disk *disk, json_t *object,
                           const struct message *reply)
{
    (void)disk;
    set_stats(object, &reply->stats, true);
}

static json_t *queue_json(const struct message_queue_stats *queue)
{
    const struct number numbers[] = {
        { "ring_pages", queue->nr_pages },
        { "slots", queue->slots },
        { "requests", queue->requests },
        { "indirect_requests", queue->indirect_requests },
        { "in_flight", queue->in_flight },
        { "responses", queue->responses },
        { "take_batches", queue->take_batches },
        { "answer_batches", queue->answer_batches },
        { "notifies_sent", queue->notifies_sent },
    };
    json_t *json = json_object();

    set_numbers(json, numbers, sizeof numbers / sizeof *numbers);
    return json;
}

static void take_vbd(struct disk *disk, json_t *object,
                     const struct message *reply)
{
    const struct message_vbd_stats *stats = &reply->vbd_stats;
    const struct number numbers[] = {
        { "persistent_grants", stats->persistent_grants },
        { "max_persistent_grants", stats->max_persistent_grants },
        { "persistent_hits", stats->persistent_hits },
        { "persistent_misses", stats->persistent_misses },
        { "persistent_evictions", stats->persistent_evictions },
    };
    json_t *queues = json_array();

    (void)disk;
    set_numbers(object, numbers, sizeof numbers / sizeof *numbers);
    for (unsigned i = 0; i < stats->nr_queues && i < BLKIF_MAX_QUEUES; i++)
        json_array_append_new(queues, queue_json(&stats->queues[i]));
    json_object_set_new(object, "queues", queues);
}

/* --- asking --------------------------------------------------------------- */

static void ask_vbd(struct gather *gather, struct disk *disk,
                    const struct vbd *vbd, json_t *vbds)
{
    struct message request = { .type = MESSAGE_VBD_STATS,
                               .vbd = vbd->number };
    json_t *json = json_pack("{s:s, s:o, s:s}", "vbd", vbd->name,
                             "disk", command_number(disk->number),
                             "ring", vbd_ring_text(vbd->ring));

    json_array_append_new(vbds, json);
    if (vbd_holds_ring(vbd))
        gather_ask(gather, disk, &request, json, take_vbd);
}

/* only: of its vbds, or NULL. */
static void ask_disk(struct gather *gather, struct disk *disk, json_t *disks,
                     const struct vbd *only, gather_take *take)
{
    struct message request = { .type = MESSAGE_STATS };
    json_t *vbds = json_array();
    json_t *json = json_pack("{s:o, s:o, s:s, s:o}",
                             "disk", command_number(disk->number),
                             "target", command_text(disk->target.path),
                             "state", disk_state_text(disk), "vbds", vbds);
    const struct vbd *vbd;

    if (!json)
        return;
    json_array_append_new(disks, json);
    gather_ask(gather, disk, &request, json, take);
    if (disk->door.fd >= 0)
        nbd_count(gather, disk, json);
    TAILQ_FOREACH(vbd, &disk->vbds, disk_link)
        if (!only || vbd == only)
            ask_vbd(gather, disk, vbd, vbds);
}

void command_stats(struct client *client, json_t *request)
{
    bool has_histogram = json_is_true(json_object_get(request, "histogram"));
    gather_take *take = has_histogram ? take_histogram : take_stats;
    bool is_one_vbd = json_object_get(request, "vbd");
    const struct vbd *only = NULL;
    struct disk *one = NULL, *disk;
    json_t *disks = json_array();
    struct gather *gather;

    if (is_one_vbd || json_object_get(request, "disk")) {
        one = command_find_disk(client, request);
        if (!one)
            return;
        only = is_one_vbd ? command_find_vbd(client, request) : NULL;
    }
    gather = gather_new(client, json_pack("{s:o}", "disks", disks), false);
    if (!gather)
        return;
    TAILQ_FOREACH(disk, &client_supervisor(client)->disks, link)
        if (!one || disk == one)
            ask_disk(gather, disk, disks, only, take);
    gather_finish(gather);
}
