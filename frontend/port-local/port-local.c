/* SPDX-License-Identifier: MIT
 * The port to the local stand-in: hypercalls through common/local, the store
 * through libxenstore over the domain's own socket. */
#include "config.h" /* for GNU extensions */

#include "frontend/port-local/port-local.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xenstore.h>

#include "common/local/local.h"
#include "frontend/port-hosted/port-hosted.h"

struct port_local {
    struct port_hosted base;
    char *dir;
    uint32_t domid;
    struct local *local;
};

/* --- grants ------------------------------------------------------------- */

static int32_t grant_access(void *context, uint32_t domid, void *page,
                            bool read_only)
{
    struct port_local *port = context;

    return local_grant_access(port->local, domid,
                              pages_index(&port->base.pages, page),
                              read_only);
}

static int grant_end(void *context, uint32_t gref)
{
    struct port_local *port = context;

    return local_grant_end(port->local, gref);
}

/* --- events ------------------------------------------------------------- */

static int32_t event_alloc(void *context, uint32_t domid)
{
    struct port_local *port = context;

    return local_event_alloc_unbound(port->local, domid);
}

static void event_close(void *context, uint32_t event_port)
{
    struct port_local *port = context;

    local_event_close(port->local, event_port);
}

static void event_notify(void *context, uint32_t event_port)
{
    struct port_local *port = context;

    local_event_notify(port->local, event_port);
}

static void take_events(void *context)
{
    struct port_local *port = context;
    uint32_t ports[16];

    while (local_event_take(port->local, ports, 16) == 16)
        ;
}

/* --- open, close -------------------------------------------------------- */

/* libxenstore takes its socket from the environment only. */
static int open_store(struct port_local *port)
{
    const char *variable = "XENSTORED_PATH", *found = getenv(variable);
    char path[256], *saved = found ? strdup(found) : NULL;
    int error = local_store_path(port->dir, port->domid, path, sizeof path);

    if (!error && found && !saved)
        error = -ENOMEM;
    if (!error) {
        setenv(variable, path, 1);
        port->base.store = xs_open(0);
        error = port->base.store ? 0 : -errno;
        if (saved)
            setenv(variable, saved, 1);
        else
            unsetenv(variable);
    }
    free(saved);
    return error;
}

int port_local_open(const char *dir, uint32_t domid, uint32_t nr_pages,
                    struct port_local **out)
{
    struct port_local *port = calloc(1, sizeof *port);
    struct vbdfront_port *table;
    int error;

    if (!port)
        return -ENOMEM;
    port->domid = domid;
    port->dir = strdup(dir);
    error = port->dir ? local_open(dir, &port->local) : -ENOMEM;
    if (!error)
        error = local_domain_create(port->local, domid, nr_pages);
    if (!error)
        error = port_hosted_start_pages(&port->base,
                                        local_domain_memory(port->local),
                                        nr_pages, LOCAL_GRANT_FRAMES);
    if (!error)
        error = open_store(port);
    if (error) {
        port_local_close(port);
        return error;
    }
    port_hosted_init(&port->base, local_event_fd(port->local), take_events);
    table = &port->base.table;
    table->grant_access = grant_access;
    table->grant_end = grant_end;
    table->event_alloc = event_alloc;
    table->event_close = event_close;
    table->event_notify = event_notify;
    *out = port;
    return 0;
}

void port_local_close(struct port_local *port)
{
    if (!port)
        return;
    port_hosted_deinit(&port->base);
    if (port->local)
        local_close(port->local);
    free(port->dir);
    free(port);
}

const struct vbdfront_port *port_local_table(struct port_local *port)
{
    return &port->base.table;
}

/* --- suspend ------------------------------------------------------------ */

int port_local_suspend(struct port_local *port)
{
    return local_domain_suspend(port->local, port->domid);
}

int port_local_resume(struct port_local *port)
{
    return local_domain_resume(port->local, port->domid);
}

int port_local_restore(struct port_local *port, uint32_t domid)
{
    int error = local_domain_restore(port->local, domid);

    if (error)
        return error;
    xs_close(port->base.store);
    port->base.store = NULL;
    port->domid = domid;
    return open_store(port);
}
