/* SPDX-License-Identifier: MIT
 * Event channels. All are masked, so that Xen marks what has fired and
 * interrupts nobody; to sleep is a hypercall that ends when one of them is
 * marked. No interrupt is ever enabled, and firmware may be called in between
 * (upcall.c has the other way). */
#include "frontend/port-hvm/private.h"

#include <xen/memory.h>
#include <xen/sched.h>

enum {
    MAX_PORTS = 128, /* SCHEDOP_poll takes no more */
    WORD_BITS = 8 * sizeof(xen_ulong_t),
};
static const uint64_t max_sleep_us = 1000000000;

static volatile struct shared_info *shared;
static evtchn_port_t ports[MAX_PORTS]; /* that are open */
static unsigned nr_ports;

int hvm_events_start(void)
{
    int error;

    if (!shared)
        shared = hvm_page_alloc(1);
    if (!shared)
        return -XEN_ENOMEM;
    error = hvm_page_replace((void *)(uintptr_t)shared,
                             XENMAPSPACE_shared_info, 0);
    for (unsigned i = 0; i < WORD_BITS && !error; i++)
        shared->evtchn_mask[i] = ~(xen_ulong_t)0;
    nr_ports = 0;
    return error;
}

volatile struct shared_info *hvm_shared_info(void)
{
    return shared;
}

/* --- channels ------------------------------------------------------------ */

int hvm_event_op(unsigned command, void *argument)
{
    return (int)hvm_hypercall(__HYPERVISOR_event_channel_op, command,
                              (uintptr_t)argument, 0);
}

void hvm_event_adopt(evtchn_port_t port)
{
    ports[nr_ports++] = port;
}

int32_t hvm_event_alloc(uint32_t domid)
{
    struct evtchn_alloc_unbound op = { .dom = DOMID_SELF,
                                       .remote_dom = (domid_t)domid };
    int error = nr_ports < MAX_PORTS
                    ? hvm_event_op(EVTCHNOP_alloc_unbound, &op)
                    : -XEN_ENOSPC;

    if (error)
        return error;
    hvm_event_adopt(op.port);
    return (int32_t)op.port;
}

void hvm_event_close(evtchn_port_t port)
{
    struct evtchn_close op = { .port = port };

    hvm_event_op(EVTCHNOP_close, &op);
    hvm_event_take(port);
    for (unsigned i = 0; i < nr_ports; i++)
        if (ports[i] == port)
            ports[i] = ports[--nr_ports];
}

void hvm_event_notify(evtchn_port_t port)
{
    struct evtchn_send op = { .port = port };

    hvm_event_op(EVTCHNOP_send, &op);
}

/* --- marks --------------------------------------------------------------- */

static xen_ulong_t bit_of(evtchn_port_t port)
{
    return (xen_ulong_t)1 << port % WORD_BITS;
}

bool hvm_event_is_pending(evtchn_port_t port)
{
    return __atomic_load_n(&shared->evtchn_pending[port / WORD_BITS],
                           __ATOMIC_SEQ_CST) & bit_of(port);
}

void hvm_event_mask(evtchn_port_t port, bool is_masked)
{
    volatile xen_ulong_t *word = &shared->evtchn_mask[port / WORD_BITS];

    if (is_masked)
        __atomic_fetch_or(word, bit_of(port), __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(word, ~bit_of(port), __ATOMIC_SEQ_CST);
}

bool hvm_event_take(evtchn_port_t port)
{
    return __atomic_fetch_and(&shared->evtchn_pending[port / WORD_BITS],
                              ~bit_of(port), __ATOMIC_SEQ_CST) & bit_of(port);
}

bool hvm_events_take(void)
{
    bool has_fired = false;

    for (unsigned i = 0; i < nr_ports; i++)
        has_fired |= hvm_event_take(ports[i]);
    return has_fired;
}

/* --- sleep --------------------------------------------------------------- */

static void sleep_until_one(evtchn_port_t *which, unsigned nr,
                            uint64_t timeout_us)
{
    struct sched_poll poll = { .nr_ports = nr };
    uint16_t masks = hvm_pic_mask();

    if (timeout_us > max_sleep_us)
        timeout_us = max_sleep_us;
    poll.timeout = hvm_clock_ns() + timeout_us * 1000;
    if (hvm_upcall_is_used()) {
        hvm_upcall_sleep(which, nr, poll.timeout);
    } else {
        set_xen_guest_handle(poll.ports, which);
        hvm_hypercall(__HYPERVISOR_sched_op, SCHEDOP_poll, (uintptr_t)&poll,
                      0);
    }
    hvm_pic_unmask(masks);
}

void hvm_event_sleep(evtchn_port_t port, uint64_t timeout_us)
{
    sleep_until_one(&port, 1, timeout_us);
}

void hvm_events_sleep(uint64_t timeout_us)
{
    sleep_until_one(ports, nr_ports, timeout_us);
}
