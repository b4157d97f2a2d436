/* SPDX-License-Identifier: MIT
 * The port to the local stand-in: hypercalls through common/local, the store
 * through libxenstore over the domain's own socket. */
#include "config.h" /* for GNU extensions */

#include "frontend/port-local/port-local.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenstore.h>

#include "common/host/log.h"
#include "common/local/local.h"
#include "frontend/pages.h"

#define WATCH_TOKEN "front"

struct port_local {
    struct vbdfront_port table;
    char *dir;
    uint32_t domid;
    struct local *local;
    struct xs_handle *store;
    struct pages pages;
    uint64_t store_events;
};

/* --- memory and grants -------------------------------------------------- */

static void *page_alloc(void *context, unsigned nr)
{
    struct port_local *port = context;

    return pages_alloc(&port->pages, nr);
}

static void page_free(void *context, void *start, unsigned nr)
{
    struct port_local *port = context;

    pages_free(&port->pages, start, nr);
}

static int32_t grant_access(void *context, uint32_t domid, void *page,
                            bool read_only)
{
    struct port_local *port = context;
    size_t offset = (size_t)((uint8_t *)page - port->pages.memory);

    return local_grant_access(port->local, domid,
                              (uint32_t)(offset / LOCAL_PAGE_BYTES),
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

/* --- store -------------------------------------------------------------- */

static int store_read(void *context, const char *path, char *value,
                      size_t bytes)
{
    struct port_local *port = context;
    unsigned length;
    char *text = xs_read(port->store, XBT_NULL, path, &length);
    int result = (int)length;

    if (!text)
        return -errno;
    if (length >= bytes) {
        result = -E2BIG;
    } else {
        memcpy(value, text, length);
        value[length] = '\0';
    }
    free(text);
    return result;
}

static int store_write(void *context, const char *path, const char *value)
{
    struct port_local *port = context;

    return xs_write(port->store, XBT_NULL, path, value,
                    (unsigned)strlen(value)) ? 0 : -errno;
}

int port_local_store_remove(struct port_local *port, const char *path)
{
    return xs_rm(port->store, XBT_NULL, path) ? 0 : -errno;
}

static int store_watch(void *context, const char *path)
{
    struct port_local *port = context;

    return xs_watch(port->store, path, WATCH_TOKEN) ? 0 : -errno;
}

static int store_unwatch(void *context, const char *path)
{
    struct port_local *port = context;

    return xs_unwatch(port->store, path, WATCH_TOKEN) ? 0 : -errno;
}

static uint64_t store_events(void *context)
{
    struct port_local *port = context;

    return port->store_events;
}

/* --- time --------------------------------------------------------------- */

static void take_store_events(struct port_local *port)
{
    char **event;

    while ((event = xs_check_watch(port->store)) != NULL) {
        port->store_events++;
        free(event);
    }
}

static void take_port_events(struct port_local *port)
{
    uint32_t ports[16];

    while (local_event_take(port->local, ports, 16) == 16)
        ;
}

void port_local_get_fds(const struct port_local *port, int fds[2])
{
    fds[0] = local_event_fd(port->local);
    fds[1] = xs_fileno(port->store);
}

static void wait_for_events(void *context, uint64_t timeout_us)
{
    struct port_local *port = context;
    struct timespec timeout = {
        .tv_sec = (time_t)(timeout_us / 1000000),
        .tv_nsec = (long)(timeout_us % 1000000 * 1000),
    };
    int numbers[2];
    struct pollfd fds[2];

    port_local_get_fds(port, numbers);
    for (unsigned i = 0; i < 2; i++)
        fds[i] = (struct pollfd){ .fd = numbers[i], .events = POLLIN };
    if (ppoll(fds, 2, &timeout, NULL) <= 0)
        return;
    if (fds[0].revents)
        take_port_events(port);
    if (fds[1].revents)
        take_store_events(port);
}

static uint64_t now_us(void *context)
{
    (void)context;
    return host_now_us();
}

static void log_sentence(void *context, const char *sentence)
{
    (void)context;
    log_warning("%s", sentence);
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
        port->store = xs_open(0);
        error = port->store ? 0 : -errno;
        if (saved)
            setenv(variable, saved, 1);
        else
            unsetenv(variable);
    }
    free(saved);
    return error;
}

static int start_pages(struct port_local *port, uint32_t nr_pages)
{
    port->pages = (struct pages){
        .memory = local_domain_memory(port->local), .nr_pages = nr_pages,
        .first = LOCAL_GRANT_FRAMES,
        .is_used = calloc(nr_pages, sizeof *port->pages.is_used),
    };
    return port->pages.is_used ? 0 : -ENOMEM;
}

int port_local_open(const char *dir, uint32_t domid, uint32_t nr_pages,
                    struct port_local **out)
{
    struct port_local *port = calloc(1, sizeof *port);
    int error;

    if (!port)
        return -ENOMEM;
    port->domid = domid;
    port->dir = strdup(dir);
    error = port->dir ? local_open(dir, &port->local) : -ENOMEM;
    if (!error)
        error = local_domain_create(port->local, domid, nr_pages);
    if (!error)
        error = start_pages(port, nr_pages);
    if (!error)
        error = open_store(port);
    if (error) {
        port_local_close(port);
        return error;
    }
    port->table = (struct vbdfront_port){
        .context = port,
        .page_alloc = page_alloc, .page_free = page_free,
        .grant_access = grant_access, .grant_end = grant_end,
        .event_alloc = event_alloc, .event_close = event_close,
        .event_notify = event_notify, .store_read = store_read,
        .store_write = store_write, .store_watch = store_watch,
        .store_unwatch = store_unwatch, .store_events = store_events,
        .wait = wait_for_events, .now_us = now_us, .log = log_sentence,
    };
    *out = port;
    return 0;
}

void port_local_close(struct port_local *port)
{
    if (!port)
        return;
    xs_close(port->store);
    if (port->local)
        local_close(port->local);
    free(port->pages.is_used);
    free(port->dir);
    free(port);
}

const struct vbdfront_port *port_local_table(struct port_local *port)
{
    return &port->table;
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
    xs_close(port->store);
    port->store = NULL;
    port->domid = domid;
    return open_store(port);
}
