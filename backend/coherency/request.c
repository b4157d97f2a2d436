/* SPDX-License-Identifier: MIT
 * How a request moves from step to step, and how it ends. */
#include <errno.h>

#include "backend/coherency/request.h"

void request_wake(struct request *request)
{
    assert(!request->is_at_engine);
    list_append(&request_disk(request)->ready, &request->place);
}

/* A secure discard has to be irrevocable when it is answered (blkif.h). */
bool request_must_be_durable(const struct request *request)
{
    if (request_is_flush(request))
        return !BUG(BARRIER_NOT_DURABLE);
    if (request->client->is_write_through && !BUG(NO_WRITE_THROUGH))
        return true;
    if (BUG(IGNORE_FUA))
        return false;
    return request_public(request)->flags & (COHERENCY_FUA | COHERENCY_SECURE);
}

/* Between the I/O and the answer: C7, and C8 before a failing answer. */
static bool request_needs_flush(const struct request *request)
{
    if (request->error)
        return request_is_flush(request);
    return request->is_volatile && request_must_be_durable(request);
}

void request_fail(struct request *request, int error)
{
    request->error = error;
    request->step = STEP_DURABLE;
    if (request_is_flush(request))
        request->client->is_write_through = true;
}

void request_flushed(struct request *request)
{
    request->waiting_since_us = 0;
    request->step = request->step == STEP_FLUSH && request_has_data(request)
                        ? STEP_IO
                        : STEP_DONE;
}

void request_release_range(struct request *request)
{
    struct coherency *disk = request_disk(request);

    if (range_is_in(&request->range))
        range_release(&disk->ranges, &request->range, &disk->ready);
}

static void request_count(const struct request *request)
{
    const struct coherency_request *public = request_public(request);
    struct coherency_stats *stats = &request_disk(request)->stats;

    stats->in_flight--;
    if (request->error) {
        stats->errors[public->op]++;
        return;
    }
    switch (public->op) {
    case COHERENCY_READ:
        stats->bytes_read += public->length_bytes;
        break;
    case COHERENCY_WRITE:
    case COHERENCY_FLUSH:
    case COHERENCY_BARRIER:
        stats->bytes_written += public->length_bytes;
        break;
    case COHERENCY_DISCARD:
        stats->bytes_discarded += public->length_bytes;
        break;
    case COHERENCY_ZERO:
        stats->bytes_zeroed += public->length_bytes;
        break;
    }
}

/* Nothing waits for it any more when done() is called, but those that did
 * have not begun: they are on the ready list. */
static void request_finish(struct request *request)
{
    struct coherency_request *public = request_public(request);

    assert(!request->is_at_engine && list_is_empty(&request->place));
    request_release_range(request);
    client_leave_writes(request);
    bounce_close(request);
    list_remove(&request->all);
    request_count(request);
#ifdef COHERENCY_BUGS
    request->client->has_written |= request->is_volatile;
#endif
    public->done(public, request->error);
}

/* In fail-stop no FLUSH or BARRIER has one, whatever has become of it (C8). */
static bool request_has_result(const struct request *request)
{
    if (request_disk(request)->is_fail_stopped && request_is_flush(request))
        return false;
    return request->step == STEP_DONE ||
           (request->step == STEP_DURABLE && !request_needs_flush(request));
}

/* Of a closed client, and in fail-stop, no request goes on that has no result
 * of its own. */
static bool request_ends_early(struct request *request)
{
    if (request_has_result(request))
        return false;
    if (request->client->is_closing) {
        request->error = -ECANCELED;
    } else if (request_disk(request)->is_fail_stopped) {
        request->error = -EIO;
        if (request_is_flush(request) &&
            request->client->kind == COHERENCY_CLIENT_RING) {
            request->step = STEP_FLUSH; /* held: it will have no result */
            return true;
        }
    } else {
        return false;
    }
    request_finish(request);
    return true;
}

static bool request_waits_for_range(struct request *request)
{
    struct coherency *disk = request_disk(request);
    struct range *blocker = range_find_blocker(&disk->ranges, &request->range);

    if (!blocker)
        return false;
    if (!request->has_waited)
        disk->stats.waited++;
    request->has_waited = true;
    list_append(&blocker->waiters, &request->place);
    return true;
}

static bool request_reads_edge_early(const struct request *request)
{
    return BUG(EDGE_READ_EARLY) && request_op(request) == COHERENCY_WRITE &&
           request_public(request)->offset_bytes > request->range.start_bytes &&
           !request->bounce;
}

/* As far as it gets: until it waits, is at the engine, held or done. */
void request_advance(struct request *request)
{
    if (request_ends_early(request))
        return;
    if (request->step == STEP_TURN) {
        if (!client_has_turn(request))
            return;
        request->step = STEP_RANGE;
    }
    if (request->step == STEP_RANGE) {
        if (request_has_data(request) && !request_reads_edge_early(request) &&
            request_waits_for_range(request))
            return;
        request->step = request_is_flush(request) ? STEP_FLUSH : STEP_IO;
    }
    if (request->step == STEP_FLUSH) {
        flush_join(request);
        return;
    }
    if (request->step == STEP_IO && part_start(request))
        return;
    if (request->step == STEP_DURABLE) {
        request_release_range(request);
        if (request_needs_flush(request)) {
            flush_join(request);
            return;
        }
    }
    request_finish(request);
}

void disk_run(struct coherency *disk)
{
    struct list *place;

    if (disk->is_running)
        return;
    disk->is_running = true;
    while ((place = list_take_first(&disk->ready)))
        request_advance(LIST_ITEM(place, struct request, place));
    disk->is_running = false;
    clients_retire(disk);
}

void disk_wake_all(struct coherency *disk)
{
    struct list *link;

    LIST_EACH(link, &disk->clients)
    client_wake_all(LIST_ITEM(link, struct coherency_client, link));
}

#ifdef COHERENCY_BUGS
static void request_done_already(struct coherency_request *public, int error)
{
    (void)public;
    (void)error;
}

void request_answer_early(struct request *request)
{
    struct coherency_request *public = request_public(request);

    public->done(public, 0);
    public->done = request_done_already;
}
#endif
