/* SPDX-License-Identifier: MIT
 * The port as a whole: what is started, in which order, and started again when
 * the guest has been restored; and the table for the driver. */
#include "frontend/port-hvm/private.h"

#include <xen/sched.h>

#include "common/blkif/xenbus.h"
#include "frontend/port-hvm/cpu.h"
#include "frontend/port-hvm/port-hvm.h"

static void (*log_to)(const char *sentence);
static void *stubs;
static uint32_t domid;

void hvm_log(const char *sentence)
{
    if (log_to)
        log_to(sentence);
}

/* --- start --------------------------------------------------------------- */

static int find_domid(void)
{
    char text[16];
    uint64_t number;
    int length = hvm_store_read("domid", text, sizeof text);

    if (length < 0)
        return length;
    if (xenbus_parse_number(text, (size_t)length, UINT16_MAX, &number) != 0)
        return -XEN_EINVAL;
    domid = (uint32_t)number;
    return 0;
}

/* The console as soon as there is a clock: sentences may go there. */
static int start_services(void)
{
    static const struct {
        int (*start)(void);
        const char *sentence;
    } services[] = {
        { hvm_events_start, "Xen's shared info page cannot be mapped" },
        { hvm_console_start, "" },
        { hvm_upcall_start, "Xen gives no upcall" },
        { hvm_grants_start, "the grant table cannot be mapped" },
        { hvm_store_start, "there is no XenStore" },
        { find_domid, "XenStore does not say which domain this is" },
    };

    hvm_xen_start(stubs);
    for (unsigned i = 0; i < sizeof services / sizeof *services; i++) {
        int error = services[i].start();

        if (error) {
            hvm_log(services[i].sentence);
            return error == -XEN_ENOMEM ? error : -XEN_EIO;
        }
    }
    return 0;
}

int port_hvm_start(void *memory, size_t bytes,
                   void (*log)(const char *sentence))
{
    int error;

    log_to = log;
    if (!hvm_xen_find())
        return -XEN_ENODEV;
    error = hvm_memory_start(memory, bytes);
    if (error)
        return error;
    stubs = hvm_page_alloc(1);
    return stubs ? start_services() : -XEN_ENOMEM;
}

uint32_t port_hvm_domid(void)
{
    return domid;
}

uint32_t port_hvm_xen_version(void)
{
    return hvm_xen_version();
}

int port_hvm_store_list(const char *path, char *names, size_t bytes)
{
    return hvm_store_list(path, names, bytes);
}

int port_hvm_store_remove(const char *path)
{
    return hvm_store_remove(path);
}

/* --- suspend ------------------------------------------------------------- */

int port_hvm_shutdown(unsigned reason)
{
    struct sched_shutdown op = { .reason = reason };
    uint64_t now_us = hvm_clock_us();
    long result = hvm_hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown,
                                (uintptr_t)&op, 0);

    if (result != 0)
        return (int)result;
    result = start_services();
    if (result == 0)
        hvm_clock_continue(now_us);
    return (int)result;
}

/* --- the tables ---------------------------------------------------------- */

static void *page_alloc(void *context, unsigned nr)
{
    (void)context;
    return hvm_page_alloc(nr);
}

static void page_free(void *context, void *pages, unsigned nr)
{
    (void)context;
    hvm_page_free(pages, nr);
}

static int32_t grant_access(void *context, uint32_t to, void *page,
                            bool read_only)
{
    (void)context;
    return hvm_grant_access(to, page, read_only);
}

static int grant_end(void *context, uint32_t gref)
{
    (void)context;
    return hvm_grant_end(gref);
}

static int32_t event_alloc(void *context, uint32_t to)
{
    (void)context;
    return hvm_event_alloc(to);
}

static void event_close(void *context, uint32_t port)
{
    (void)context;
    hvm_event_close(port);
}

static void event_notify(void *context, uint32_t port)
{
    (void)context;
    hvm_event_notify(port);
}

static int store_read(void *context, const char *path, char *value,
                      size_t bytes)
{
    (void)context;
    return hvm_store_read(path, value, bytes);
}

static int store_write(void *context, const char *path, const char *value)
{
    (void)context;
    return hvm_store_write(path, value);
}

static int store_watch(void *context, const char *path)
{
    (void)context;
    return hvm_store_watch(path, true);
}

static int store_unwatch(void *context, const char *path)
{
    (void)context;
    return hvm_store_watch(path, false);
}

static uint64_t store_events(void *context)
{
    (void)context;
    return hvm_store_events();
}

/* The store's own port first: when it has fired because of an answer, which has
 * been read long since, that is nothing to wake up for. */
static bool take_events(void)
{
    bool has_event = hvm_store_take_events();

    return hvm_events_take() || has_event;
}

static void wait(void *context, uint64_t timeout_us)
{
    (void)context;
    if (take_events() || timeout_us == 0)
        return;
    hvm_events_sleep(timeout_us);
    take_events();
}

static uint64_t now_us(void *context)
{
    (void)context;
    return hvm_clock_us();
}

static void log_sentence(void *context, const char *sentence)
{
    (void)context;
    hvm_log(sentence);
}

const struct vbdfront_port *port_hvm_table(void)
{
    static const struct vbdfront_port table = {
        .page_alloc = page_alloc, .page_free = page_free,
        .grant_access = grant_access, .grant_end = grant_end,
        .event_alloc = event_alloc, .event_close = event_close,
        .event_notify = event_notify, .store_read = store_read,
        .store_write = store_write, .store_watch = store_watch,
        .store_unwatch = store_unwatch, .store_events = store_events,
        .wait = wait, .now_us = now_us, .log = log_sentence,
    };

    return &table;
}

static uint32_t in(void *context, uint16_t port, unsigned bytes)
{
    (void)context;
    return cpu_in(port, bytes);
}

static void out(void *context, uint16_t port, unsigned bytes, uint32_t value)
{
    (void)context;
    cpu_out(port, bytes, value);
}

const struct vbdfront_io_port *port_hvm_io_ports(void)
{
    static const struct vbdfront_io_port ports = { .in = in, .out = out };

    return &ports;
}
