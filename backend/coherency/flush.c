/* SPDX-License-Identifier: MIT
 * Engine flushes and who waits for them (C5), what happens when one fails,
 * and fail-stop (C8).
 *
 * At most one flush is at the engine. Who needs one waits for the next to
 * start; when it starts, all that wait go with it. When it fails they all
 * wait again. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/coherency/request.h"

enum { RETRY_FIRST_US = 10 * 1000, RETRY_MOST_US = 1000 * 1000 };
enum { SENTENCE_SIZE = 200 };

/* Errors that may pass: a path that is being switched, memory that is short.
 * Anything else (ENOSPC, EROFS, EREMCHG, ...) says that data is lost. */
static bool errno_is_transient(int error)
{
    static const int transient[] = {EIO,    EAGAIN,    EINTR,   EBUSY,
                                    ENOMEM, ETIMEDOUT, ENOLINK, EREMOTEIO};
    size_t i;

    for (i = 0; i < sizeof(transient) / sizeof(*transient); i++)
        if (error == -transient[i])
            return true;
    return false;
}

static uint64_t disk_now_us(const struct coherency *disk)
{
    uint64_t now_us = disk->environment->now_us(disk->environment->context);

    return now_us ? now_us : 1; /* 0 stands for `never` */
}

void disk_set_timer(struct coherency *disk, uint64_t at_us)
{
    if (at_us == disk->timer_at_us)
        return;
    disk->timer_at_us = at_us;
    disk->environment->set_timer(disk->environment->context, at_us);
}

static uint64_t time_add(uint64_t at_us, uint64_t span_us)
{
    return at_us > UINT64_MAX - span_us ? UINT64_MAX : at_us + span_us;
}

static uint64_t time_earlier(uint64_t a_us, uint64_t b_us)
{
    if (a_us == 0 || b_us == 0)
        return a_us ? a_us : b_us;
    return a_us < b_us ? a_us : b_us;
}

/* When an honest client will have waited long enough for flushes that keep
 * failing; 0: never. */
static uint64_t flush_deadline_us(const struct request *request)
{
    const struct coherency *disk = request_disk(request);
    uint64_t since_us = disk->flush.failing_since_us;

    if (request->client->kind != COHERENCY_CLIENT_HONEST || since_us == 0)
        return 0;
    if (request->waiting_since_us > since_us)
        since_us = request->waiting_since_us;
    return time_add(since_us, disk->config.honest_flush_us);
}

static void flush_done(struct engine_request *io, int error);

void flush_open(struct coherency *disk)
{
    list_init(&disk->flush.waiting);
    list_init(&disk->flush.running);
    disk->flush.io.op = ENGINE_FLUSH;
    disk->flush.io.done = flush_done;
}

/* Everything that waits goes with this one, nothing that comes later. */
static void flush_start(struct coherency *disk)
{
    struct flush *flush = &disk->flush;
    struct list *link;

    if (flush->is_at_engine || flush->retry_at_us ||
        list_is_empty(&flush->waiting))
        return;
    LIST_EACH(link, &flush->waiting)
    LIST_ITEM(link, struct request, place)->is_at_engine = true;
    list_append_all(&flush->running, &flush->waiting);
    flush->is_at_engine = true;
    disk->stats.engine_flushes++;
    engine_submit(disk->engine, &flush->io);
}

void flush_join(struct request *request)
{
    struct coherency *disk = request_disk(request);

#ifdef COHERENCY_BUGS
    if (BUG(FLUSH_PER_CLIENT) && !request->client->has_written) {
        request_flushed(request);
        request_wake(request);
        return;
    }
    request->client->has_written = false;
    if (BUG(JOIN_RUNNING_FLUSH) && disk->flush.is_at_engine) {
        request->is_at_engine = true;
        list_append(&disk->flush.running, &request->place);
        return;
    }
#endif
    if (request->waiting_since_us == 0)
        request->waiting_since_us = disk_now_us(disk);
    disk_set_timer(disk,
                   time_earlier(disk->timer_at_us, flush_deadline_us(request)));
    list_append(&disk->flush.waiting, &request->place);
    flush_start(disk);
}

static void disk_warn(struct coherency *disk, const char *sentence)
{
    disk->environment->warn(disk->environment->context, sentence);
}

static void flush_succeeded(struct coherency *disk)
{
    struct flush *flush = &disk->flush;
    struct list *place;

    if (flush->failing_since_us)
        disk_warn(disk, "the disk flushes again: all that waited is durable");
    flush->failing_since_us = 0;
    disk_set_timer(disk, 0);
    while ((place = list_take_first(&flush->running))) {
        struct request *request = LIST_ITEM(place, struct request, place);

        request->is_at_engine = false;
        request_flushed(request);
        request_wake(request);
    }
    flush_start(disk);
}

static void disk_fail_stop(struct coherency *disk, int error,
                           uint64_t failing_us)
{
    char sentence[SENTENCE_SIZE];

    if (failing_us > 0)
        snprintf(sentence, sizeof(sentence),
                 "flushes have failed for %" PRIu64 " ms (%s): the disk has "
                 "stopped",
                 failing_us / 1000, strerror(-error));
    else
        snprintf(sentence, sizeof(sentence),
                 "a flush has failed (%s) and is not tried again: the disk has "
                 "stopped",
                 strerror(-error));
    disk->is_fail_stopped = true;
    disk_set_timer(disk, 0);
    disk_wake_all(disk);
    disk->environment->fail_stop(disk->environment->context, sentence);
}

static void flush_retry_later(struct coherency *disk, int error,
                              uint64_t now_us)
{
    struct flush *flush = &disk->flush;
    char sentence[SENTENCE_SIZE];

    if (flush->failing_since_us == 0) {
        flush->failing_since_us = now_us;
        flush->delay_us = RETRY_FIRST_US;
        snprintf(sentence, sizeof(sentence),
                 "a flush has failed (%s): it will be tried again",
                 strerror(-error));
        disk_warn(disk, sentence);
    }
    flush->retry_at_us = time_earlier(
        time_add(now_us, flush->delay_us),
        time_add(flush->failing_since_us, disk->config.flush_retry_us));
    flush->delay_us *= 2;
    if (flush->delay_us > RETRY_MOST_US)
        flush->delay_us = RETRY_MOST_US;
    disk_set_timer(disk, time_earlier(disk->timer_at_us, flush->retry_at_us));
}

/* Those who waited are woken, and wait for the next one, or end. */
static void flush_failed(struct coherency *disk, int error)
{
    struct flush *flush = &disk->flush;
    uint64_t now_us = disk_now_us(disk), failing_us = 0;
    struct list *place;

    disk->stats.flush_failures++;
    while ((place = list_take_first(&flush->running))) {
        struct request *request = LIST_ITEM(place, struct request, place);

        request->is_at_engine = false;
        request_wake(request);
    }
    if (flush->failing_since_us)
        failing_us = now_us - flush->failing_since_us;
    if (disk->engine->info.flush_retry && errno_is_transient(error) &&
        failing_us < disk->config.flush_retry_us)
        flush_retry_later(disk, error, now_us);
    else
        disk_fail_stop(disk, error, failing_us);
}

static void flush_done(struct engine_request *io, int error)
{
    struct coherency *disk = LIST_ITEM(io, struct coherency, flush.io);

    disk->flush.is_at_engine = false;
    disk->is_running = true; /* what the environment may ask for comes later */
    if (error && !BUG(FLUSH_FAILURE_IGNORED))
        flush_failed(disk, error);
    else
        flush_succeeded(disk);
    disk->is_running = false;
    disk_run(disk);
}

/* An honest client is told; whether the disk can flush again, others wait to
 * learn. Returns the next deadline in the list. */
static uint64_t flush_expire(struct list *list, uint64_t now_us)
{
    uint64_t next_us = 0;
    struct list *place, *after;

    LIST_EACH_SAFE(place, after, list)
    {
        struct request *request = LIST_ITEM(place, struct request, place);
        uint64_t deadline_us = flush_deadline_us(request);

        if (deadline_us == 0 || deadline_us > now_us) {
            next_us = time_earlier(next_us, deadline_us);
            continue;
        }
        request->is_at_engine = false;
        request->error = -EIO;
        request->step = STEP_DONE;
        request_wake(request);
    }
    return next_us;
}

void flush_timer(struct coherency *disk)
{
    struct flush *flush = &disk->flush;
    uint64_t now_us = disk_now_us(disk), next_us;

    disk->timer_at_us = 0; /* it has run out */
    next_us = time_earlier(flush_expire(&flush->waiting, now_us),
                           flush_expire(&flush->running, now_us));
    if (flush->retry_at_us && flush->retry_at_us <= now_us) {
        flush->retry_at_us = 0;
        /* Nobody waits any more: whoever comes next begins anew. */
        if (list_is_empty(&flush->waiting))
            flush->failing_since_us = 0;
        flush_start(disk);
    }
    disk_set_timer(disk, time_earlier(next_us, flush->retry_at_us));
}
