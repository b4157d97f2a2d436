/* SPDX-License-Identifier: MIT
 * A vbd whose domain is suspended: nothing more is taken, what was taken ends
 * and is answered, the disk is flushed, and only then is the pause answered,
 * for the domain may go on elsewhere from then on. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/disk/vbd.h"

static void tell_outcome(struct vbd *vbd, int error)
{
    struct pause *pause = &vbd->pause;
    struct message reply = { .type = MESSAGE_REPLY, .vbd = vbd->number,
                             .error = error };

    if (error == -ESHUTDOWN || error == -ECANCELED)
        snprintf(reply.text, sizeof reply.text, "the vbd was %s before its "
                 "pause had come to its end",
                 error == -ESHUTDOWN ? "disconnected or held" : "resumed");
    else if (error)
        snprintf(reply.text, sizeof reply.text, "the vbd is paused, but what "
                 "was written may not be durable: %s", strerror(-error));
    for (unsigned i = 0; i < pause->nr_tags; i++) {
        reply.tag = pause->tags[i];
        worker_send(vbd->worker, &reply, NULL, 0);
    }
    pause->nr_tags = 0;
}

static void finish(struct vbd *vbd, int error)
{
    vbd->pause.state = PAUSE_DONE;
    vbd->pause.outcome = error;
    tell_outcome(vbd, error);
}

static void flushed(void *context, int error)
{
    struct vbd *vbd = context;

    /* Else it was ended, and may even have begun anew. */
    if (vbd->pause.state == PAUSE_FLUSHING)
        finish(vbd, error);
}

int vbd_pause(struct vbd *vbd, uint32_t tag)
{
    struct pause *pause = &vbd->pause;

    if (pause->nr_tags == PAUSE_ASKERS)
        return -EBUSY;
    pause->tags[pause->nr_tags++] = tag;
    if (pause->state == PAUSE_DONE && !pause->outcome) {
        tell_outcome(vbd, 0);
    } else if (pause->state == PAUSE_NONE || pause->state == PAUSE_DONE) {
        pause->state = PAUSE_DRAINING; /* after a failure, once more */
    }
    return 0;
}

void vbd_end_pause(struct vbd *vbd, int error)
{
    vbd->pause.state = PAUSE_NONE;
    tell_outcome(vbd, error);
    disk_flush_cancel(&vbd->pause.flush);
}

void vbd_resume(struct vbd *vbd)
{
    vbd_end_pause(vbd, -ECANCELED);
}

void vbd_continue_pauses(struct worker *worker)
{
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next) {
        struct pause *pause = &vbd->pause;
        int error;

        if (pause->state != PAUSE_DRAINING || !vbd_is_drained(vbd) ||
            disk_flush_is_running(&pause->flush))
            continue;
        pause->state = PAUSE_FLUSHING;
        error = disk_flush_begin(&pause->flush, worker, flushed, vbd);
        if (error)
            finish(vbd, error);
    }
}
