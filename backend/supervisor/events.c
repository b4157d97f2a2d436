/* SPDX-License-Identifier: MIT
 * Giving a worker the event channels of a vbd's domain. */
#include "backend/supervisor/events.h"

#include <errno.h>
#include <string.h>

#include "backend/platform/platform.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/worker.h"
#include "common/host/log.h"

/* CONNECT, which comes next, tells the guest's administrator. */
static void given(void *context, const struct message *reply)
{
    static struct log_limit limit; /* guests can have it said */

    (void)context;
    if (reply && reply->error)
        log_limited(&limit, LOG_LEVEL_ERROR,
                    "a worker cannot use event channels: %s",
                    strerror(-reply->error));
}

void events_give(struct vbd *vbd)
{
    static bool has_warned;
    struct message request = { .type = MESSAGE_EVENTS, .vbd = vbd->number,
                               .domid = vbd->domid };
    bool is_restricted;
    int fd = platform_event_open(vbd->supervisor->options.local_dir,
                                 vbd->domid, &is_restricted);

    if (fd == -ENOTSUP) /* the stand-in needs none */
        return;
    if (fd < 0) {
        log_limited(&vbd->limit, LOG_LEVEL_ERROR,
                    "%s: cannot open event channels (/dev/xen/evtchn): %s; is "
                    "xen-evtchn loaded?", vbd->name, strerror(-fd));
        return;
    }
    if (!is_restricted && !has_warned) {
        log_warning("this kernel cannot restrict event channels to one "
                    "domain: a worker can bind to any");
        has_warned = true;
    }
    worker_call_with(vbd->disk->worker, &request, fd, given, NULL);
}
