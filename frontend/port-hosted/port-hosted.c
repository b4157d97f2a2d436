/* SPDX-License-Identifier: MIT
 * The parts of a port that libc and libxenstore do. */
#include "config.h" /* for GNU extensions */

#include "frontend/port-hosted/port-hosted.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenstore.h>

#include "common/host/log.h"

#define WATCH_TOKEN "front"

/* --- memory ------------------------------------------------------------- */

int port_hosted_start_pages(struct port_hosted *port, void *memory,
                            uint32_t nr_pages, uint32_t first)
{
    port->pages = (struct pages){
        .memory = memory, .nr_pages = nr_pages, .first = first,
        .is_used = calloc(nr_pages, sizeof *port->pages.is_used),
    };
    return port->pages.is_used ? 0 : -ENOMEM;
}

static void *page_alloc(void *context, unsigned nr)
{
    struct port_hosted *port = context;

    return pages_alloc(&port->pages, nr);
}

static void page_free(void *context, void *start, unsigned nr)
{
    struct port_hosted *port = context;

    pages_free(&port->pages, start, nr);
}

/* --- store -------------------------------------------------------------- */

static int store_read(void *context, const char *path, char *value,
                      size_t bytes)
{
    struct port_hosted *port = context;
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
    struct port_hosted *port = context;

    return xs_write(port->store, XBT_NULL, path, value,
                    (unsigned)strlen(value)) ? 0 : -errno;
}

static int store_watch(void *context, const char *path)
{
    struct port_hosted *port = context;

    return xs_watch(port->store, path, WATCH_TOKEN) ? 0 : -errno;
}

static int store_unwatch(void *context, const char *path)
{
    struct port_hosted *port = context;

    return xs_unwatch(port->store, path, WATCH_TOKEN) ? 0 : -errno;
}

static uint64_t store_events(void *context)
{
    struct port_hosted *port = context;

    return port->store_events;
}

/* --- time --------------------------------------------------------------- */

static void take_store_events(struct port_hosted *port)
{
    char **event;

    while ((event = xs_check_watch(port->store)) != NULL) {
        port->store_events++;
        free(event);
    }
}

static void wait_for_events(void *context, uint64_t timeout_us)
{
    struct port_hosted *port = context;
    struct timespec timeout = {
        .tv_sec = (time_t)(timeout_us / 1000000),
        .tv_nsec = (long)(timeout_us % 1000000 * 1000),
    };
    int numbers[2];
    struct pollfd fds[2];

    port_hosted_get_fds(&port->table, numbers);
    for (unsigned i = 0; i < 2; i++)
        fds[i] = (struct pollfd){ .fd = numbers[i], .events = POLLIN };
    if (ppoll(fds, 2, &timeout, NULL) <= 0)
        return;
    if (fds[0].revents)
        port->take_events(port);
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

/* --- the whole ---------------------------------------------------------- */

void port_hosted_init(struct port_hosted *port, int event_fd,
                      void (*take_events)(void *context))
{
    port->event_fd = event_fd;
    port->take_events = take_events;
    port->table = (struct vbdfront_port){
        .context = port,
        .page_alloc = page_alloc, .page_free = page_free,
        .store_read = store_read, .store_write = store_write,
        .store_watch = store_watch, .store_unwatch = store_unwatch,
        .store_events = store_events, .wait = wait_for_events,
        .now_us = now_us, .log = log_sentence,
    };
}

void port_hosted_deinit(struct port_hosted *port)
{
    xs_close(port->store);
    free(port->pages.is_used);
}

void port_hosted_get_fds(const struct vbdfront_port *table, int fds[2])
{
    const struct port_hosted *port = table->context;

    fds[0] = port->event_fd;
    fds[1] = xs_fileno(port->store);
}

int port_hosted_store_remove(const struct vbdfront_port *table,
                             const char *path)
{
    const struct port_hosted *port = table->context;

    return xs_rm(port->store, XBT_NULL, path) ? 0 : -errno;
}
