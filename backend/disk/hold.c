/* SPDX-License-Identifier: MIT
 * Holding: vbdd stops, or has died, and the guests go on. Their rings are left
 * where they stand: nothing more is taken, what was taken is answered, the disk
 * is flushed, and then the records say how far each ring has come. From then on
 * this worker touches no ring any more; the front ends wait for the next one
 * (docs/COHERENCY.md, "When vbdd is away"). */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "backend/control/hold.h"
#include "backend/disk/nbd/nbd.h"
#include "backend/disk/vbd.h"

/* --- the record ----------------------------------------------------------- */

static int write_standing(int fd, const struct message_standing *standing)
{
    ssize_t written = pwrite(fd, standing, sizeof *standing,
                             offsetof(struct hold, standing));

    return written == (ssize_t)sizeof *standing ? 0
         : written < 0 ? -errno : -EIO;
}

int hold_unseal(int hold_fd)
{
    return write_standing(hold_fd, &(struct message_standing){ .seal = 0 });
}

static void write_record(const struct vbd *vbd, bool is_fail_stopped)
{
    struct message_standing standing = {
        .seal = MESSAGE_STANDING_SEAL,
        .is_fail_stopped = is_fail_stopped,
        .is_write_through = vbd->is_write_through,
        .was_handed_over = nbd_server_was_handed_over(vbd->worker->nbd),
    };
    int error;

    for (unsigned i = 0; i < vbd->nr_queues; i++) {
        standing.queues[i].req_cons = vbd->queues[i].ring.req_cons;
        standing.queues[i].rsp_prod = vbd->queues[i].ring.rsp_prod;
    }
    error = vbd->hold_fd < 0 ? -EBADF : write_standing(vbd->hold_fd, &standing);
    if (error)
        log_error("domain %u: its ring is lost, for its hold record cannot be "
                  "written: %s", vbd->domid, strerror(-error));
}

/* --- the way there -------------------------------------------------------- */

int worker_hold(struct worker *worker, uint32_t tag)
{
    if (worker->is_holding || worker->is_detaching)
        return -EBUSY;
    worker->is_holding = true;
    worker->detach_tag = tag;
    worker->wants_more = true;
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next) {
        if (vbd->is_closing)
            continue;
        vbd->is_held = true;
        vbd_end_pause(vbd, -ESHUTDOWN);
    }
    return 0;
}

/* What fail-stop holds is not answered by that (C8): only here is the client
 * closed, when there is nothing else that it could cut short. */
static void close_client(struct vbd *vbd)
{
    vbd->is_write_through = coherency_client_is_write_through(vbd->client);
    vbd->is_closing = true;
    coherency_client_close(vbd->client, vbd_idle, vbd);
}

void worker_continue_hold(struct worker *worker)
{
    bool is_idle = true;

    if (!worker->is_holding || worker->is_detaching)
        return;
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next) {
        if (vbd->is_held && !vbd->is_closing && vbd_is_drained(vbd))
            close_client(vbd);
        is_idle &= vbd->is_held && vbd->is_idle &&
                   !disk_flush_is_running(&vbd->pause.flush);
    }
    /* What a client's end has canceled just now goes the way of answers yet. */
    if (is_idle && !worker->completed)
        worker_begin_detach(worker, worker->detach_tag);
}

/* A file is made longer also where the memory file system is full. */
void worker_note_fail_stop(const struct worker *worker)
{
    int fd = worker->options->lease_fd;

    if (fd >= 0 && ftruncate(fd, 1) < 0)
        log_error("fail-stop may be forgotten: %s", strerror(errno));
}

void worker_finish_hold(struct worker *worker, bool is_fail_stopped)
{
    struct vbd *vbd;

    is_fail_stopped |= coherency_is_fail_stopped(worker->disk);
    while ((vbd = worker->vbds)) {
        worker->vbds = vbd->next;
        if (!vbd->is_broken)
            write_record(vbd, is_fail_stopped);
        vbd_free(vbd);
    }
}
