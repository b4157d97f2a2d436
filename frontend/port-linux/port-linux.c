/* SPDX-License-Identifier: MIT
 * The port to a Linux guest's devices for Xen. */
#include "config.h" /* for GNU extensions */

#include "frontend/port-linux/port-linux.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xenstore.h>
#include <xentoollog.h>

#include "common/host/log.h"
#include "frontend/port-hosted/port-hosted.h"
#include "frontend/port-linux/grants.h"

enum { PAGE_BYTES = 4096 };

struct port_linux {
    struct port_hosted base;
    /* Xen's libraries would say what the driver says, or what is none of the
     * user's business. */
    xentoollog_logger *logger;
    struct grants grants;
    xenevtchn_handle *events;
};

static int last_error(void)
{
    return errno ? -errno : -EIO;
}

/* --- grants ------------------------------------------------------------- */

static int32_t grant_access(void *context, uint32_t domid, void *page,
                            bool read_only)
{
    struct port_linux *port = context;

    return grants_give(&port->grants, domid, page, read_only);
}

static int grant_end(void *context, uint32_t gref)
{
    struct port_linux *port = context;

    return grants_end(&port->grants, gref);
}

/* --- events ------------------------------------------------------------- */

static int32_t event_alloc(void *context, uint32_t domid)
{
    struct port_linux *port = context;
    int event_port;

    errno = 0;
    event_port = xenevtchn_bind_unbound_port(port->events, domid);
    return event_port < 0 ? last_error() : event_port;
}

static void event_close(void *context, uint32_t event_port)
{
    struct port_linux *port = context;

    xenevtchn_unbind(port->events, event_port);
}

static void event_notify(void *context, uint32_t event_port)
{
    struct port_linux *port = context;

    xenevtchn_notify(port->events, event_port);
}

/* As many as there can be at once, so that a peer that does nothing else than
 * notify does not keep us here. */
static void take_events(void *context)
{
    enum { MOST = 16 };
    struct port_linux *port = context;

    for (unsigned i = 0; i < MOST; i++) {
        int event_port = xenevtchn_pending(port->events);

        if (event_port < 0)
            return;
        xenevtchn_unmask(port->events, (evtchn_port_t)event_port);
    }
}

/* --- open, close -------------------------------------------------------- */

bool port_linux_is_here(void)
{
    return access("/dev/xen/xenbus", F_OK) == 0 ||
           access("/proc/xen/xenbus", F_OK) == 0;
}

/* module: without which there is no such device. */
static int lack(int error, const char *device, const char *module)
{
    log_error("%s cannot be used: %s (it needs root, and the kernel's %s)",
              device, strerror(-error), module);
    return error;
}

static int open_pages(struct port_linux *port, uint32_t nr_pages)
{
    void *memory = mmap(NULL, (size_t)nr_pages * PAGE_BYTES,
                        PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return -errno;
    return port_hosted_start_pages(&port->base, memory, nr_pages, 0);
}

static int open_grants(struct port_linux *port)
{
    int error = grants_open(&port->grants, &port->base.pages, port->logger);

    return error ? lack(error, "/dev/xen/gntalloc", "xen-gntalloc") : 0;
}

/* The descriptor may be readable when there is nothing to be read
 * (xenevtchn.h). */
static int open_events(struct port_linux *port)
{
    int fd;

    errno = 0;
    port->events = xenevtchn_open(port->logger, 0);
    if (!port->events)
        return lack(last_error(), "/dev/xen/evtchn", "xen-evtchn");
    fd = xenevtchn_fd(port->events);
    return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0 ? 0
                                                                    : -errno;
}

static int open_store(struct port_linux *port)
{
    errno = 0;
    port->base.store = xs_open(0);
    return port->base.store ? 0 : lack(last_error(), "/dev/xen/xenbus",
                                       "xenbus");
}

static void fill_table(struct port_linux *port)
{
    struct vbdfront_port *table = &port->base.table;

    port_hosted_init(&port->base, xenevtchn_fd(port->events), take_events);
    table->grant_access = grant_access;
    table->grant_end = grant_end;
    table->event_alloc = event_alloc;
    table->event_close = event_close;
    table->event_notify = event_notify;
}

int port_linux_open(uint32_t nr_pages, struct port_linux **out)
{
    struct port_linux *port = calloc(1, sizeof *port);
    int error;

    if (!port)
        return -ENOMEM;
    port->logger = (xentoollog_logger *)xtl_createlogger_stdiostream(
        stderr, XTL_CRITICAL, 0);
    error = port->logger ? open_pages(port, nr_pages) : -ENOMEM;
    if (error)
        log_error("there is no memory for %u pages", nr_pages);
    else
        error = open_grants(port);
    if (!error)
        error = open_events(port);
    if (!error)
        error = open_store(port);
    if (error) {
        port_linux_close(port);
        return error;
    }
    fill_table(port);
    *out = port;
    return 0;
}

void port_linux_close(struct port_linux *port)
{
    struct pages *pages;

    if (!port)
        return;
    pages = &port->base.pages;
    if (pages->memory)
        munmap(pages->memory, (size_t)pages->nr_pages * PAGE_BYTES);
    port_hosted_deinit(&port->base);
    grants_close(&port->grants);
    if (port->events)
        xenevtchn_close(port->events);
    if (port->logger)
        xtl_logger_destroy(port->logger);
    free(port);
}

const struct vbdfront_port *port_linux_table(struct port_linux *port)
{
    return &port->base.table;
}
