/* SPDX-License-Identifier: MIT
 * A device or file as such, past whoever serves it: what other stacks are
 * looked at through, and where a look from outside is wanted. Through the aio
 * engine, which has no part in what is verified there. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/engine/engine.h"
#include "common/host/log.h"
#include "tools/vbdverify/path.h"

enum { REAPED = 64 };

struct raw {
    int fd;
    struct engine *engine;
    struct request {
        struct engine_request engine;
        struct slot *slot;
    } *requests; /* by slot */
};

/* --- open ----------------------------------------------------------------- */

static void describe(struct path *path)
{
    struct raw *raw = path->state;
    const struct engine_info *info = &raw->engine->info;

    path->nr_sectors = info->size_bytes / SECTOR_BYTES;
    path->unit_sectors = info->block_bytes / SECTOR_BYTES;
    path->most_sectors = info->max_bytes / SECTOR_BYTES;
    path->can = 1u << OPERATION_READ | 1u << OPERATION_FLUSH;
    if (!info->read_only)
        path->can |= 1u << OPERATION_WRITE | 1u << OPERATION_ZERO;
    if (!info->read_only && info->can_fua)
        path->can |= 1u << OPERATION_FUA;
    if (!info->read_only && info->can_discard)
        path->can |= 1u << OPERATION_DISCARD;
    path->fds[0] = (struct pollfd){
        .fd = raw->engine->ops->poll_fd(raw->engine), .events = POLLIN };
    path->nr_fds = 1;
}

static bool open_raw(struct path *path, const char *what, bool is_direct,
                     bool read_only)
{
    struct raw *raw = calloc(1, sizeof *raw);
    struct engine_config config = { .is_direct = is_direct,
                                    .read_only = read_only,
                                    .queue_depth = path->depth };
    char reason[256];

    path->state = raw;
    if (!raw)
        return false;
    raw->requests = calloc(path->depth, sizeof *raw->requests);
    raw->fd = open(what, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC |
                             (is_direct ? O_DIRECT : 0));
    config.fd = raw->fd;
    if (raw->fd < 0 || !raw->requests) {
        log_error("%s cannot be opened: %s", what, strerror(errno));
        return false;
    }
    if (engine_open("aio", &config, &raw->engine, reason,
                    sizeof reason) != 0) {
        log_error("%s: %s", what, reason);
        return false;
    }
    describe(path);
    return true;
}

static bool raw_open(struct path *path, const char *what)
{
    return open_raw(path, what, true, false);
}

static bool raw_buffered_open(struct path *path, const char *what)
{
    return open_raw(path, what, false, false);
}

static bool look_open(struct path *path, const char *what)
{
    return open_raw(path, what, true, true);
}

/* What is silent may still be read and written by the kernel: it is left as it
 * is. */
static void raw_close(struct path *path)
{
    struct raw *raw = path->state;

    if (path->is_lost)
        path->slots = NULL;
    if (!raw || path->is_lost)
        return;
    engine_close(raw->engine);
    if (raw->fd >= 0)
        close(raw->fd);
    free(raw->requests);
    free(raw);
}

/* --- operations ----------------------------------------------------------- */

static void on_done(struct engine_request *request, int error)
{
    path_done(((struct request *)request)->slot, error);
}

static enum engine_op engine_op(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_READ: return ENGINE_READ;
    case OPERATION_ZERO: return ENGINE_ZERO;
    case OPERATION_DISCARD: return ENGINE_DISCARD;
    case OPERATION_FLUSH: return ENGINE_FLUSH;
    case OPERATION_WRITE:
    case OPERATION_FUA:
    case OPERATION_BARRIER: /* which it has not */
        break;
    }
    return ENGINE_WRITE;
}

static void raw_submit(struct path *path, struct slot *slot)
{
    const struct operation *operation = &slot->operation;
    struct raw *raw = path->state;
    struct request *request = &raw->requests[slot->index];

    *request = (struct request){
        .slot = slot,
        .engine = {
            .op = engine_op(operation->kind),
            .flags = operation->kind == OPERATION_FUA ? ENGINE_FUA : 0,
            .offset_bytes = operation->nr_sectors
                                ? operation->sector * SECTOR_BYTES : 0,
            .length_bytes = operation->nr_sectors * SECTOR_BYTES,
            .data = slot->data, .done = on_done } };
    engine_submit(raw->engine, &request->engine);
}

static void raw_poll(struct path *path)
{
    struct raw *raw = path->state;

    raw->engine->ops->commit(raw->engine);
    while (raw->engine->ops->reap(raw->engine, REAPED) == REAPED)
        ;
}

const struct path_kind path_raw = {
    .name = "raw", .open = raw_open, .close = raw_close,
    .submit = raw_submit, .poll = raw_poll,
};
const struct path_kind path_raw_buffered = {
    .name = "buffered", .open = raw_buffered_open, .close = raw_close,
    .submit = raw_submit, .poll = raw_poll,
};
const struct path_kind path_look = {
    .name = "look", .open = look_open, .close = raw_close,
    .submit = raw_submit, .poll = raw_poll,
};
