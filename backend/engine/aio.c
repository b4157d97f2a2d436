/* SPDX-License-Identifier: MIT
 * The engine for block devices and files: Linux native asynchronous I/O, one
 * io_submit(2) for a batch, completions taken without a system call.
 *
 * Where a request can be: queued (submit) -> committed (commit; also what did
 * not fit and what came back short) -> with the kernel (in_flight, in the end
 * perhaps in the stash) or with the helper -> finished -> done().
 *
 * How no wake-up gets lost. Every completion adds 1 to event_fd after it can
 * be found in the ring or in the helper's list. owed is what we know to have
 * been or to be added, less what was read; while it is 0 and everything has
 * been taken, event_fd is not readable. reap() reads event_fd only when it
 * has found nothing and something is owed, so that a busy caller pays no
 * system call for it, and then looks once more: a completion whose signal
 * that read has swallowed could be found before it. If the signal comes after
 * the read, event_fd is readable once too often, never too seldom.
 * What gets finished outside reap() signals for itself (aio_kick). */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/engine/aio.h"
#include "backend/engine/parameters.h"
#include "common/host/log.h"

struct aio {
    struct engine engine;
    int fd; /* borrowed */
    bool is_direct, is_block;
    bool is_fixed; /* its size is what the configuration says */
    bool flush_by_helper; /* the kernel has no asynchronous one here */
    int event_fd;
    int64_t owed;
    io_context_t context;
    struct aio_ring *ring; /* NULL: io_getevents(2) only */
    unsigned depth, in_flight;
    struct engine_list queued, committed, finished;
    struct aio_helper *helper; /* started when first needed */
    struct iocb **batch;       /* depth of them */
    /* Taken by io_getevents(2) and waiting for reap(); depth fit. */
    struct io_event *stash;
    unsigned stash_next, stash_end;
};

/* --- open and close ------------------------------------------------------- */

/* As many events as fit below fs.aio-max-nr, which all processes share. */
static int setup_context(struct aio *aio, unsigned wanted, char *reason,
                         unsigned reason_size)
{
    int error;

    aio->depth = wanted;
    while ((error = io_setup((int)aio->depth, &aio->context)) == -EAGAIN &&
           aio->depth > 1)
        aio->depth /= 2;
    if (error)
        return engine_explain(reason, reason_size, error,
                              "aio: no context from the kernel (%s; see "
                              "fs.aio-max-nr)", strerror(-error));
    if (aio->depth < wanted)
        log_warning("aio: fs.aio-max-nr leaves %u of %u requests in flight; "
                    "more will wait", aio->depth, wanted);
    return 0;
}

static void prepare_transfer(struct aio *aio, struct engine_request *request)
{
    struct aio_request *own = aio_of(request);
    char *data = (char *)request->data + own->done_bytes;
    size_t bytes = request->length_bytes - own->done_bytes;
    int64_t offset = (int64_t)(request->offset_bytes + own->done_bytes);

    if (request->op == ENGINE_READ)
        io_prep_pread(&own->iocb, aio->fd, data, bytes, offset);
    else
        io_prep_pwrite(&own->iocb, aio->fd, data, bytes, offset);
}

static void prepare(struct aio *aio, struct engine_request *request)
{
    struct aio_request *own = aio_of(request);

    if (request->op == ENGINE_FLUSH)
        io_prep_fdsync(&own->iocb, aio->fd);
    else
        prepare_transfer(aio, request);
    if (request->flags & ENGINE_FUA)
        own->iocb.aio_rw_flags = RWF_DSYNC;
    own->iocb.data = request;
    io_set_eventfd(&own->iocb, aio->event_fd);
}

/* An empty durable write does nothing, and shows that the kernel takes the
 * flag. */
static bool probe_fua(struct aio *aio)
{
    struct engine_request request = { .op = ENGINE_WRITE, .flags = ENGINE_FUA,
                                      .data = aio };
    struct iocb *iocb = &aio_of(&request)->iocb;
    struct io_event event;
    int count;

    prepare(aio, &request);
    iocb->u.c.flags = 0;
    if (io_submit(aio->context, 1, &iocb) != 1)
        return false;
    do
        count = io_getevents(aio->context, 1, 1, &event, NULL);
    while (count == -EINTR);
    return count == 1 && (long)event.res == 0;
}

static void aio_close(struct engine *engine)
{
    struct aio *aio = (struct aio *)engine;

    assert(aio->in_flight == 0 && !aio->queued.first &&
           !aio->committed.first && !aio->finished.first);
    aio_helper_close(aio->helper);
    if (aio->context)
        io_destroy(aio->context);
    if (aio->event_fd >= 0)
        close(aio->event_fd);
    free(aio->stash);
    free(aio->batch);
    free(aio);
}

static int parse_reap(const char *text, void *value)
{
    bool is_ring = strcmp(text, "ring") == 0;

    if (!is_ring && strcmp(text, "getevents"))
        return -EINVAL;
    *(bool *)value = is_ring;
    return 0;
}

static const struct parameter_type parameter_reap = {
    "ring or getevents", parse_reap,
};

static int start(struct aio *aio, unsigned depth, bool use_ring, char *reason,
                 unsigned reason_size)
{
    int error = setup_context(aio, depth, reason, reason_size);

    if (error)
        return error;
    aio->batch = calloc(aio->depth, sizeof(*aio->batch));
    aio->stash = calloc(aio->depth, sizeof(*aio->stash));
    aio->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!aio->batch || !aio->stash || aio->event_fd < 0)
        return engine_explain(reason, reason_size, -ENOMEM,
                              "aio: no memory or descriptor left");
    /* Buffered, the flag's fdatasync could be told of another write's lost
     * pages, and the flush that should be told would then succeed (C8). */
    aio->engine.info.can_fua = !aio->engine.info.read_only &&
                               aio->is_direct && probe_fua(aio);
    if (use_ring)
        aio->ring = aio_ring_of(aio->context);
    return 0;
}

static int aio_open(const struct engine_config *config, const char *parameters,
                    struct engine *next, struct engine **engine, char *reason,
                    unsigned reason_size)
{
    struct aio *aio = calloc(1, sizeof *aio);
    unsigned depth = config->queue_depth ? config->queue_depth : 128;
    bool use_ring = true;
    const struct parameter table[] = {
        { "reap", &parameter_reap, &use_ring },
        { NULL, NULL, NULL },
    };
    int error;

    if (!aio)
        return engine_explain(reason, reason_size, -ENOMEM,
                              "aio: out of memory");
    aio->engine.ops = &aio_engine_ops;
    aio->engine.next = next;
    aio->fd = config->fd;
    aio->is_direct = config->is_direct;
    aio->is_fixed = config->size_bytes > 0;
    aio->event_fd = -1;
    error = parameters_parse("aio", parameters, table, reason, reason_size);
    if (!error)
        error = aio_target_probe(config, &aio->engine.info, &aio->is_block,
                                 reason, reason_size);
    if (!error)
        error = start(aio, depth, use_ring, reason, reason_size);
    if (error)
        aio_close(&aio->engine);
    else
        *engine = &aio->engine;
    return error;
}

/* --- on the way down ------------------------------------------------------ */

/* Makes poll_fd readable, so that there will be one more reap(). */
static void aio_kick(struct aio *aio)
{
    aio->engine.stats.system_calls++;
    if (eventfd_write(aio->event_fd, 1) == 0)
        aio->owed++;
}

static void finish_soon(struct aio *aio, struct engine_request *request,
                        int error)
{
    aio_of(request)->error = error;
    engine_list_append(&aio->finished, request);
}

/* Outside reap(). */
static void finish_later(struct aio *aio, struct engine_request *request,
                         int error)
{
    finish_soon(aio, request, error);
    aio_kick(aio);
}

/* For the kernel: the request, or what is left of it. */
static void add_to_committed(struct aio *aio, struct engine_request *request)
{
    prepare(aio, request);
    engine_list_append(&aio->committed, request);
}

static void give_to_helper(struct aio *aio, struct engine_request *request)
{
    int error = aio->helper ? 0 : aio_helper_open(aio->fd, aio->is_block,
                                                  aio->event_fd,
                                                  &aio->helper);

    if (error)
        finish_later(aio, request, error);
    else
        aio_helper_submit(aio->helper, request);
}

static void aio_submit(struct engine *engine, struct engine_request *request)
{
    struct aio *aio = (struct aio *)engine;
    int error = engine_refusal(engine, request);

    aio_of(request)->done_bytes = 0;
    if (error)
        finish_later(aio, request, error);
    else
        engine_list_append(&aio->queued, request);
}

/* The kernel would not take this request. Where it cannot flush by itself,
 * the helper does from now on. */
static void refused_by_kernel(struct aio *aio, struct engine_request *request,
                              int error)
{
    if (request->op == ENGINE_FLUSH && error == -EINVAL) {
        aio->flush_by_helper = true;
        give_to_helper(aio, request);
    } else {
        finish_later(aio, request, error);
    }
}

static unsigned fill_batch(struct aio *aio)
{
    struct engine_request *request = aio->committed.first;
    unsigned count = 0;

    while (request && count < aio->depth - aio->in_flight) {
        aio->batch[count++] = &aio_of(request)->iocb;
        request = request->next;
    }
    return count;
}

/* Hands over what fits. What does not fit, or what the kernel has no memory
 * for, stays in order and is tried again by the next reap(). The kernel stops
 * at the first request that it refuses, and names the reason only when that
 * one comes first. */
static void push(struct aio *aio)
{
    unsigned count;
    int taken;

    while ((count = fill_batch(aio)) > 0) {
        taken = io_submit(aio->context, count, aio->batch);
        aio->engine.stats.system_calls++;
        for (int i = 0; i < taken; i++, aio->in_flight++)
            engine_list_take(&aio->committed);
        if (taken > 0 || taken == -EINTR)
            continue;
        if (taken != 0 && taken != -EAGAIN) {
            refused_by_kernel(aio, engine_list_take(&aio->committed), taken);
            continue;
        }
        if (aio->in_flight == 0)
            aio_kick(aio); /* else nothing would bring the next reap() */
        break;
    }
}

/* A write behind the end of a file would make it grow, with a hole where other
 * data has been, and nobody would be told that the file had shrunk. The kernel
 * cannot be asked not to, so we look where the end is, once for each batch
 * that writes to a file. (Who shrinks it between this look and the write may
 * see it grow again.) */
static bool is_behind_end(const struct aio *aio,
                          const struct engine_request *request,
                          uint64_t end_bytes)
{
    return !aio->is_block &&
           (request->op == ENGINE_WRITE || request->op == ENGINE_ZERO) &&
           request->offset_bytes + request->length_bytes > end_bytes;
}

static void aio_commit(struct engine *engine)
{
    struct aio *aio = (struct aio *)engine;
    struct engine_request *request;
    uint64_t end_bytes = 0; /* not looked at yet */

    while ((request = engine_list_take(&aio->queued))) {
        if (is_behind_end(aio, request, end_bytes)) {
            end_bytes = aio_target_file_end(aio->fd);
            engine->stats.system_calls++;
        }
        if (is_behind_end(aio, request, end_bytes))
            finish_later(aio, request, -EIO);
        else if (request->op == ENGINE_DISCARD ||
                 request->op == ENGINE_ZERO ||
                 (request->op == ENGINE_FLUSH && aio->flush_by_helper))
            give_to_helper(aio, request);
        else
            add_to_committed(aio, request);
    }
    push(aio);
}

/* --- on the way up -------------------------------------------------------- */

/* What a completion means. A read or write that moved nothing has met the end
 * of a target that has shrunk; so has a direct one that stops inside a block,
 * and its rest could not even be asked for. */
static void settle(struct aio *aio, struct engine_request *request, long result)
{
    struct aio_request *own = aio_of(request);

    if (result == -EINTR) {
        add_to_committed(aio, request);
    } else if (result == -EINVAL && request->op == ENGINE_FLUSH) {
        refused_by_kernel(aio, request, (int)result);
    } else if (result < 0 || request->op == ENGINE_FLUSH) {
        finish_soon(aio, request, (int)result);
    } else if (own->done_bytes + result == request->length_bytes) {
        finish_soon(aio, request, 0);
    } else if (result == 0 || (aio->is_direct &&
                               result % aio->engine.info.block_bytes)) {
        finish_soon(aio, request, -EIO);
    } else {
        own->done_bytes += (uint32_t)result;
        add_to_committed(aio, request);
    }
}

/* One io_getevents(2) into what is free of the stash. */
static void get_events(struct aio *aio, unsigned least, unsigned timeout_us)
{
    struct timespec timeout = { timeout_us / 1000000,
                                timeout_us % 1000000 * 1000 };
    unsigned kept = aio->stash_end - aio->stash_next;
    int count;

    memmove(aio->stash, aio->stash + aio->stash_next,
            kept * sizeof *aio->stash);
    aio->stash_next = 0;
    aio->stash_end = kept;
    count = io_getevents(aio->context, least, aio->depth - kept,
                         aio->stash + kept, &timeout);
    aio->engine.stats.system_calls++;
    if (count > 0)
        aio->stash_end += (unsigned)count;
}

static bool take_event(struct aio *aio)
{
    struct io_event event;

    if (aio->stash_next < aio->stash_end)
        event = aio->stash[aio->stash_next++];
    else if (!aio->ring || !aio_ring_take(aio->ring, &event))
        return false;
    aio->in_flight--;
    aio->owed++;
    settle(aio, event.data, (long)event.res);
    return true;
}

static unsigned collect(struct aio *aio, unsigned max)
{
    struct engine_request *request;
    unsigned count = 0;

    if (aio_helper_count(aio->helper))
        aio->owed += aio_helper_take(aio->helper, &aio->finished,
                                     &aio->engine.stats.system_calls);
    if (!aio->ring && aio->in_flight && aio->stash_next == aio->stash_end)
        get_events(aio, 0, 0);
    while (count < max) {
        request = engine_list_take(&aio->finished);
        if (request) {
            engine_finish(&aio->engine, request, aio_of(request)->error);
            count++;
        } else if (!take_event(aio)) {
            break;
        }
    }
    return count;
}

static unsigned aio_reap(struct engine *engine, unsigned max)
{
    struct aio *aio = (struct aio *)engine;
    unsigned count = collect(aio, max);
    eventfd_t value;

    if (count == 0 && aio->owed > 0) {
        engine->stats.system_calls++;
        if (eventfd_read(aio->event_fd, &value) == 0)
            aio->owed -= (int64_t)value;
        count = collect(aio, max);
    }
    push(aio);
    return count;
}

static void aio_wait(struct engine *engine, unsigned least,
                     unsigned timeout_us)
{
    struct aio *aio = (struct aio *)engine;
    struct pollfd wanted = { .fd = aio->event_fd, .events = POLLIN };
    struct timespec timeout = { timeout_us / 1000000,
                                timeout_us % 1000000 * 1000 };
    unsigned stashed = aio->stash_end - aio->stash_next;

    if (least > aio->in_flight)
        least = aio->in_flight;
    if (aio->finished.first)
        return;
    if (aio_helper_count(aio->helper)) {
        /* io_getevents() knows nothing of the helper; event_fd does. */
        engine->stats.system_calls++;
        ppoll(&wanted, 1, &timeout, NULL);
    } else if (least > stashed + (aio->ring ? aio_ring_count(aio->ring) : 0)) {
        get_events(aio, least - stashed, timeout_us);
    }
}

static int aio_poll_fd(struct engine *engine)
{
    return ((struct aio *)engine)->event_fd;
}

static int aio_resize(struct engine *engine)
{
    struct aio *aio = (struct aio *)engine;
    uint64_t size_bytes;
    int error = aio->is_fixed ? -EOPNOTSUPP
                              : aio_target_size(aio->fd, aio->is_block,
                                                &size_bytes);

    if (error)
        return error;
    size_bytes -= size_bytes % engine->info.block_bytes;
    if (size_bytes < engine->info.size_bytes)
        return -EINVAL;
    engine->info.size_bytes = size_bytes;
    return 0;
}

/* Only a file can tell. */
static int aio_extent(struct engine *engine, uint64_t offset_bytes,
                      uint64_t *length_bytes, bool *is_hole)
{
    struct aio *aio = (struct aio *)engine;

    return aio->is_block ? 0 : aio_target_extent(aio->fd, offset_bytes,
                                                 length_bytes, is_hole);
}

const struct engine_ops aio_engine_ops = {
    .name = "aio", .open = aio_open, .close = aio_close, .submit = aio_submit,
    .commit = aio_commit, .reap = aio_reap, .wait = aio_wait,
    .poll_fd = aio_poll_fd, .resize = aio_resize, .extent = aio_extent,
};
