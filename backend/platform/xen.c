/* SPDX-License-Identifier: MIT
 * The platform on Xen: libxenevtchn and libxengnttab, their errno turned into
 * -errno here and nowhere else. Both devices are opened once, as root. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenevtchn.h>
#include <xengnttab.h>
#include <xentoollog.h>
#include <xen/grant_table.h>

#include "backend/platform/ops.h"

struct platform_xen {
    struct platform base;
    xenevtchn_handle *events;
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
    if (xen->events)
        xenevtchn_close(xen->events);
    if (xen->logger)
        xtl_logger_destroy((xentoollog_logger *)xen->logger);
    free(xen);
}

static int xen_event_fd(struct platform *platform)
{
    return xenevtchn_fd(xen_of(platform)->events);
}

static int xen_event_bind(struct platform *platform, uint32_t domid,
                          uint32_t remote_port)
{
    int port = xenevtchn_bind_interdomain(xen_of(platform)->events, domid,
                                          remote_port);

    return port >= 0 ? port : last_error();
}

static int xen_event_unbind(struct platform *platform, uint32_t port)
{
    return xenevtchn_unbind(xen_of(platform)->events, port) == 0
               ? 0 : last_error();
}

static int xen_event_notify(struct platform *platform, uint32_t port)
{
    return xenevtchn_notify(xen_of(platform)->events, port) == 0
               ? 0 : last_error();
}

static int xen_event_take(struct platform *platform, uint32_t *ports,
                          unsigned max)
{
    struct platform_xen *xen = xen_of(platform);
    unsigned taken = 0;

    /* One port a wake-up is the rule (one vbd); the descriptor stays readable
     * when there are more, so it is not read until it would block. */
    while (taken < max && (taken == 0 || platform->held.ports > 1)) {
        int port = xenevtchn_pending(xen->events);

        platform->held.system_calls++;
        if (port >= 0)
            ports[taken++] = (uint32_t)port;
        else if (taken || errno == EAGAIN || errno == EINTR)
            break;
        else
            return last_error();
    }
    /* Only now: one that is unmasked while the others are read can fire again,
     * and would come up as often as there is room (XSA-332). */
    for (unsigned i = 0; i < taken; i++) {
        platform->held.system_calls++;
        if (xenevtchn_unmask(xen->events, (evtchn_port_t)ports[i]) < 0)
            return last_error();
    }
    return (int)taken;
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
    const char *what = "event channels (/dev/xen/evtchn)";
    int error, flags;

    if (!xen)
        return -ENOMEM;
    xen->base.ops = &xen_ops;
    xen->logger = xtl_createlogger_stdiostream(stderr, XTL_CRITICAL, 0);
    xen->events = xenevtchn_open((xentoollog_logger *)xen->logger, 0);
    if (xen->events) {
        what = "the grant device (/dev/xen/gntdev)";
        xen->grants = xengnttab_open((xentoollog_logger *)xen->logger, 0);
    }
    if (!xen->grants) {
        error = last_error();
        snprintf(reason, reason_size,
                 "cannot open %s: %s; is this a Xen host, and are xen-evtchn "
                 "and xen-gntdev loaded?", what, strerror(-error));
        xen_close(&xen->base);
        return error;
    }
    flags = fcntl(xenevtchn_fd(xen->events), F_GETFL);
    fcntl(xenevtchn_fd(xen->events), F_SETFL, flags | O_NONBLOCK);
    *platform = &xen->base;
    return 0;
}
