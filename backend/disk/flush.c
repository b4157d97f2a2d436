/* SPDX-License-Identifier: MIT
 * An honest client of the disk with one flush. */
#include "backend/disk/flush.h"

#include "backend/disk/worker.h"

static void idle(void *context)
{
    struct disk_flush *flush = context;

    flush->client = NULL;
    flush->worker->wants_more = true;
    flush->done(flush->context, flush->error);
}

static void submit(struct disk_flush *flush);

static void end(struct disk_flush *flush)
{
    flush->is_ending = true;
    coherency_client_close(flush->client, idle, flush);
}

static void flushed(struct coherency_request *request, int error)
{
    struct disk_flush *flush = request->owner;

    flush->error = error;
    if (flush->is_ending)
        return;
    /* As an honest client we are told of a failure that is still being retried;
     * the disk itself has not given up before it fail-stops (C8, C12). */
    if (error && !coherency_is_fail_stopped(flush->worker->disk))
        submit(flush);
    else
        end(flush);
}

static void submit(struct disk_flush *flush)
{
    flush->request = (struct coherency_request){
        .op = COHERENCY_FLUSH, .done = flushed, .owner = flush,
    };
    flush->worker->wants_more = true; /* it wants a commit */
    coherency_submit(flush->client, &flush->request);
}

int disk_flush_begin(struct disk_flush *flush, struct worker *worker,
                     void (*done)(void *context, int error), void *context)
{
    int error;

    *flush = (struct disk_flush){ .worker = worker, .done = done,
                                  .context = context };
    error = coherency_client_open(worker->disk, COHERENCY_CLIENT_HONEST, false,
                                  &flush->client);
    if (!error)
        submit(flush);
    return error;
}

void disk_flush_cancel(struct disk_flush *flush)
{
    if (flush->client && !flush->is_ending)
        end(flush);
}
