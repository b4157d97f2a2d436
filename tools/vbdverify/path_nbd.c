/* SPDX-License-Identifier: MIT
 * An NBD export, through libnbd's asynchronous calls. One connection. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/host/log.h"
#include "tools/vbdverify/path.h"

#ifdef WITH_LIBNBD
#include <libnbd.h>

/* libnbd forbids calls from its completions: they wait in a list. */
struct export {
    struct nbd_handle *handle;
    struct slot *done;
    int *errors; /* by slot */
};

/* --- open ----------------------------------------------------------------- */

static bool say_failed(const char *what)
{
    log_error("%s: %s", what, nbd_get_error());
    return false;
}

static void describe(struct path *path)
{
    struct export *export = path->state;
    struct nbd_handle *handle = export->handle;
    int64_t least = nbd_get_block_size(handle, LIBNBD_SIZE_MINIMUM);

    path->nr_sectors = (uint64_t)nbd_get_size(handle) / SECTOR_BYTES;
    path->unit_sectors = least > SECTOR_BYTES
                             ? (uint32_t)(least / SECTOR_BYTES) : 1;
    path->can = 1u << OPERATION_READ;
    if (nbd_can_flush(handle) == 1)
        path->can |= 1u << OPERATION_FLUSH;
    path->fds[0].fd = nbd_aio_get_fd(handle);
    path->nr_fds = 1;
    if (nbd_is_read_only(handle) != 0)
        return;
    path->can |= 1u << OPERATION_WRITE;
    if (nbd_can_fua(handle) == 1)
        path->can |= 1u << OPERATION_FUA;
    if (nbd_can_zero(handle) == 1)
        path->can |= 1u << OPERATION_ZERO;
    if (nbd_can_trim(handle) == 1)
        path->can |= 1u << OPERATION_DISCARD;
}

static bool export_open(struct path *path, const char *what)
{
    struct export *export = calloc(1, sizeof *export);

    path->state = export;
    if (!export)
        return false;
    export->errors = calloc(path->depth, sizeof *export->errors);
    export->handle = nbd_create();
    if (!export->errors || !export->handle)
        return say_failed(what);
    if (nbd_connect_uri(export->handle, what) != 0)
        return say_failed(what);
    if (nbd_get_size(export->handle) < 0)
        return say_failed(what);
    describe(path);
    return true;
}

static void export_close(struct path *path)
{
    struct export *export = path->state;

    if (!export)
        return;
    if (export->handle && !path->is_lost &&
        nbd_aio_is_ready(export->handle) == 1)
        nbd_shutdown(export->handle, 0);
    nbd_close(export->handle);
    free(export->errors);
    free(export);
}

/* --- operations ----------------------------------------------------------- */

static int on_done(void *data, int *error)
{
    struct slot *slot = data;
    struct export *export = slot->path->state;

    export->errors[slot->index] = -*error;
    slot->next = export->done;
    export->done = slot;
    return 1; /* it need not be retired by hand */
}

static int64_t start(struct nbd_handle *handle, struct slot *slot)
{
    const struct operation *operation = &slot->operation;
    nbd_completion_callback done = { .callback = on_done, .user_data = slot };
    uint64_t offset = operation->sector * SECTOR_BYTES;
    uint64_t bytes = (uint64_t)operation->nr_sectors * SECTOR_BYTES;

    switch (operation->kind) {
    case OPERATION_READ:
        return nbd_aio_pread(handle, slot->data, bytes, offset, done, 0);
    case OPERATION_WRITE:
        return nbd_aio_pwrite(handle, slot->data, bytes, offset, done, 0);
    case OPERATION_FUA:
        return nbd_aio_pwrite(handle, slot->data, bytes, offset, done,
                              LIBNBD_CMD_FLAG_FUA);
    case OPERATION_ZERO:
        return nbd_aio_zero(handle, bytes, offset, done, 0);
    case OPERATION_DISCARD:
        return nbd_aio_trim(handle, bytes, offset, done, 0);
    case OPERATION_FLUSH:
    case OPERATION_BARRIER: /* which NBD has not */
        break;
    }
    return nbd_aio_flush(handle, done, 0);
}

static bool is_dead(struct nbd_handle *handle)
{
    return nbd_aio_is_dead(handle) == 1 || nbd_aio_is_closed(handle) == 1;
}

/* What a dead connection has taken or not, poll() will see. */
static void export_submit(struct path *path, struct slot *slot)
{
    struct export *export = path->state;
    int error;

    if (start(export->handle, slot) >= 0 || is_dead(export->handle))
        return;
    error = nbd_get_errno() ? nbd_get_errno() : EIO;
    on_done(slot, &error);
}

static void export_prepare(struct path *path)
{
    struct export *export = path->state;
    unsigned direction = nbd_aio_get_direction(export->handle);

    path->fds[0].events = 0;
    if (direction & LIBNBD_AIO_DIRECTION_READ)
        path->fds[0].events |= POLLIN;
    if (direction & LIBNBD_AIO_DIRECTION_WRITE)
        path->fds[0].events |= POLLOUT;
}

static void export_poll(struct path *path)
{
    struct export *export = path->state;
    short ready = path->fds[0].revents;
    struct slot *slot;

    if (ready & (POLLIN | POLLHUP | POLLERR))
        nbd_aio_notify_read(export->handle);
    else if (ready & POLLOUT)
        nbd_aio_notify_write(export->handle);
    while ((slot = export->done) != NULL) {
        int error = export->errors[slot->index];

        export->done = slot->next;
        if (!error || !is_dead(export->handle))
            path_done(slot, error);
    }
    if (is_dead(export->handle))
        path_lost(path, "the server has closed the connection");
}

const struct path_kind path_nbd = {
    .name = "nbd", .open = export_open, .close = export_close,
    .submit = export_submit, .poll = export_poll, .prepare = export_prepare,
};

#else

static bool export_open(struct path *path, const char *what)
{
    (void)path;
    log_error("--nbd %s: vbdverify was built without libnbd", what);
    return false;
}

static void export_close(struct path *path)
{
    (void)path;
}

const struct path_kind path_nbd = {
    .name = "nbd", .open = export_open, .close = export_close,
};

#endif
