/* SPDX-License-Identifier: MIT
 * The platform on Xen: grants through libxengnttab, whose device is opened
 * once, as root, and event channels (xen_event.h); errno is turned into -errno
 * here and there and nowhere else. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xengnttab.h>
#include <xentoollog.h>
#include <xen/grant_table.h>

#include "backend/platform/ops.h"
#include "backend/platform/xen_event.h"

struct platform_xen {
    struct platform base;
    struct xen_events *events;
    xengnttab_handle *grants;
    /* The libraries log each failed map; a guest could flood the log so. The
     * callers report failures themselves, rate-limited (XSA-180). */
    xentoollog_logger_stdiostream *logger;
};

static struct platform_xen *xen_of(struct platform *platform)
{
    return (struct platform_xen *)platform;
}

/* The libraries return -1 and set errno; some leave it 0. */
static int last_error(void)
{
    return errno ? -errno : -EIO;
}

static void xen_close(struct platform *platform)
{
    struct platform_xen *xen = xen_of(platform);

    if (xen->grants)
        xengnttab_close(xen->grants);
    xen_events_close(xen->events);
    if (xen->logger)
        xtl_logger_destroy((xentoollog_logger *)xen->logger);
    free(xen);
}

static int xen_event_fd(struct platform *platform)
{
    return xen_events_fd(xen_of(platform)->events);
}

static int xen_event_join(struct platform *platform, uint32_t domid, int fd)
{
    return xen_events_join(xen_of(platform)->events, domid, fd);
}

static void xen_event_leave(struct platform *platform, uint32_t domid)
{
    xen_events_leave(xen_of(platform)->events, domid);
}

static int xen_event_bind(struct platform *platform, uint32_t domid,
                          uint32_t remote_port)
{
    return xen_events_bind(xen_of(platform)->events, domid, remote_port);
}

static int xen_event_unbind(struct platform *platform, uint32_t port)
{
    return xen_events_unbind(xen_of(platform)->events, port);
}

static int xen_event_notify(struct platform *platform, uint32_t port)
{
    return xen_events_notify(xen_of(platform)->events, port);
}

static int xen_event_take(struct platform *platform, uint32_t *ports,
                          unsigned max)
{
    return xen_events_take(xen_of(platform)->events, ports, max,
                           &platform->held.system_calls);
}

static int xen_grant_map(struct platform *platform, uint32_t domid,
                         const uint32_t *grefs, unsigned nr, bool writable,
                         void **pages)
{
    platform->held.system_calls += 2; /* ioctl and mmap */
    /* gntdev maps all of them or fails the mmap: no half-mapped batch. */
    *pages = xengnttab_map_domain_grant_refs(
        xen_of(platform)->grants, nr, domid, (uint32_t *)grefs,
        PROT_READ | (writable ? PROT_WRITE : 0));
    return *pages ? 0 : last_error();
}

static int xen_grant_unmap(struct platform *platform, void *pages,
                           unsigned nr)
{
    platform->held.system_calls += 3; /* two ioctls and munmap */
    return xengnttab_unmap(xen_of(platform)->grants, pages, nr) == 0
               ? 0 : last_error();
}

static int16_t error_from_grant_status(int16_t status)
{
    switch (status) {
    case GNTST_okay:
        return 0;
    case GNTST_bad_domain:
        return -ESRCH;
    case GNTST_bad_copy_arg:
    case GNTST_bad_page:
        return -EFAULT;
    case GNTST_eagain:
        return -EAGAIN;
    default:
        return -EACCES;
    }
}

static void fill_segment(xengnttab_grant_copy_segment_t *segment,
                         const struct platform_copy *copy)
{
    *segment = (xengnttab_grant_copy_segment_t){ .len = copy->length_bytes };
    if (copy->to_guest) {
        segment->source.virt = copy->local;
        segment->dest.foreign.ref = copy->gref;
        segment->dest.foreign.offset = copy->offset_bytes;
        segment->dest.foreign.domid = (uint16_t)copy->domid;
        segment->flags = GNTCOPY_dest_gref;
    } else {
        segment->dest.virt = copy->local;
        segment->source.foreign.ref = copy->gref;
        segment->source.foreign.offset = copy->offset_bytes;
        segment->source.foreign.domid = (uint16_t)copy->domid;
        segment->flags = GNTCOPY_source_gref;
    }
}

static int xen_grant_copy(struct platform *platform,
                          struct platform_copy *copies, unsigned nr)
{
    enum { BATCH = 64 };
    xengnttab_grant_copy_segment_t segments[BATCH];

    for (unsigned done = 0; done < nr; ) {
        unsigned batch = nr - done < BATCH ? nr - done : BATCH;

        for (unsigned i = 0; i < batch; i++)
            fill_segment(&segments[i], &copies[done + i]);
        platform->held.system_calls++;
        if (xengnttab_grant_copy(xen_of(platform)->grants, batch, segments))
            return last_error();
        for (unsigned i = 0; i < batch; i++)
            copies[done + i].error =
                error_from_grant_status(segments[i].status);
        done += batch;
    }
    return 0;
}

static const struct platform_ops xen_ops = {
    .close = xen_close,
    .event_fd = xen_event_fd,
    .event_join = xen_event_join,
    .event_leave = xen_event_leave,
    .event_bind = xen_event_bind,
    .event_unbind = xen_event_unbind,
    .event_notify = xen_event_notify,
    .event_take = xen_event_take,
    .grant_map = xen_grant_map,
    .grant_unmap = xen_grant_unmap,
    .grant_copy = xen_grant_copy,
};

int platform_xen_open(struct platform **platform, char *reason,
                      unsigned reason_size)
{
    struct platform_xen *xen = calloc(1, sizeof *xen);
    int error;

    if (!xen)
        return -ENOMEM;
    errno = 0;
    xen->base.ops = &xen_ops;
    xen->logger = xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    xen->events = xen_events_open((xentoollog_logger *)xen->logger);
    if (xen->events)
        xen->grants = xengnttab_open((xentoollog_logger *)xen->logger, 0);
    if (!xen->grants) {
        error = last_error();
        snprintf(reason, reason_size, xen->events
                 ? "cannot open the grant device (/dev/xen/gntdev): %s; is "
                   "this a Xen host, and is xen-gntdev loaded?"
                 : "cannot wait for events: %s", strerror(-error));
        xen_close(&xen->base);
        return error;
    }
    *platform = &xen->base;
    return 0;
}
