/* SPDX-License-Identifier: MIT
 * The door: opening a disk, and what is let in. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/coherency/request.h"

int coherency_open(struct engine *engine, const struct coherency_config *config,
                   const struct coherency_environment *environment,
                   struct coherency **disk)
{
    struct coherency *new_disk = calloc(1, sizeof(*new_disk));

    if (!new_disk)
        return -ENOMEM;
    new_disk->engine = engine;
    new_disk->config = *config;
    new_disk->environment = environment;
    new_disk->is_fail_stopped = config->start_fail_stopped;
    list_init(&new_disk->clients);
    list_init(&new_disk->ready);
    flush_open(new_disk);
    *disk = new_disk;
    return 0;
}

void coherency_close(struct coherency *disk)
{
    if (!disk)
        return;
    assert(list_is_empty(&disk->clients));
    assert(!disk->flush.is_at_engine);
    disk_set_timer(disk, 0);
    free(disk);
}

void coherency_timer(struct coherency *disk)
{
    flush_timer(disk);
    disk_run(disk);
}

int coherency_resize(struct coherency *disk)
{
    return engine_resize(disk->engine);
}

int coherency_extent(struct coherency *disk, uint64_t offset_bytes,
                     uint64_t *length_bytes, bool *is_hole)
{
    uint64_t size_bytes = disk->engine->info.size_bytes;

    if (disk->is_fail_stopped)
        return -EIO;
    if (offset_bytes >= size_bytes || *length_bytes == 0)
        return -EINVAL;
    if (*length_bytes > size_bytes - offset_bytes)
        *length_bytes = size_bytes - offset_bytes;
    return engine_extent(disk->engine, offset_bytes, length_bytes, is_hole);
}

const struct engine_info *coherency_info(const struct coherency *disk)
{
    return &disk->engine->info;
}

bool coherency_is_fail_stopped(const struct coherency *disk)
{
    return disk->is_fail_stopped;
}

void coherency_get_stats(const struct coherency *disk,
                         struct coherency_stats *stats)
{
    *stats = disk->stats;
    stats->tree_steps = disk->ranges.steps;
    stats->is_fail_stopped = disk->is_fail_stopped;
}

static bool request_is_empty_flush(const struct request *request)
{
    return request_is_flush(request) && !request_has_data(request);
}

/* Inside the disk, and at least one byte. */
static bool request_fits(const struct request *request)
{
    const struct coherency_request *public = request_public(request);
    uint64_t size_bytes = request_disk(request)->engine->info.size_bytes;

    return public->length_bytes > 0 && public->length_bytes <= size_bytes &&
           public->offset_bytes <= size_bytes - public->length_bytes;
}

static bool client_may_write(const struct coherency_client *client)
{
    return !client->is_read_only && !client->disk->config.read_only &&
           !client->disk->engine->info.read_only;
}

/* Where the request begins, or that it is refused. */
static void request_admit(struct request *request)
{
    struct coherency *disk = request_disk(request);
    int error;

    request->step = STEP_TURN;
    if (disk->is_fail_stopped || request->client->is_closing)
        return; /* it gets no further */
    request->step = STEP_DONE;
    if (request_is_empty_flush(request)) {
        /* Nothing has been written through an engine that cannot write. */
        if (disk->engine->info.read_only)
            return;
        request->step = STEP_FLUSH;
        if (request_op(request) == COHERENCY_BARRIER) {
            request->step = STEP_TURN;
            client_accept_write(request);
        }
        return;
    }
    if (request->range.is_exclusive && !client_may_write(request->client)) {
        /* It has no writes that a failing answer could endanger (C8). */
        request->error = -EROFS;
        return;
    }
    error = request_fits(request) ? part_prepare(request) : -EINVAL;
    if (error) {
        request_fail(request, error);
        return;
    }
    if (request->range.start_bytes >= request->range.end_bytes)
        return; /* a DISCARD of no whole granule */
    request->next_bytes = request->range.start_bytes;
    request->step = STEP_RANGE;
    range_accept(&disk->ranges, &request->range);
    if (request->range.is_exclusive) {
        request->step = STEP_TURN;
        client_accept_write(request);
    }
}

void coherency_submit(struct coherency_client *client,
                      struct coherency_request *public)
{
    struct request *request =
        (struct request *)(void *)public->coherency_private;
    struct coherency *disk = client->disk;

    memset(request, 0, offsetof(struct request, io));
    request->client = client;
    list_init(&request->all);
    list_init(&request->write);
    list_init(&request->place);
    request->range.sequence = ++disk->last_sequence;
    request->range.is_exclusive = public->op != COHERENCY_READ;
    list_append(&client->requests, &request->all);
    disk->stats.requests[public->op]++;
    disk->stats.in_flight++;
    request_admit(request);
    request_wake(request);
    disk_run(disk);
}
