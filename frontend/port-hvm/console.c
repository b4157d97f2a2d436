/* SPDX-License-Identifier: MIT
 * Xen's console: a ring to xenconsoled in dom0. What it is sent back is not
 * read. */
#include "frontend/port-hvm/private.h"

#include <xen/hvm/params.h>
#include <xen/io/console.h>

#include "frontend/port-hvm/port-hvm.h"

enum { PATIENCE_US = 1000000 };

static volatile struct xencons_interface *ring;
static evtchn_port_t port;

int hvm_console_start(void)
{
    uint64_t frame = hvm_param_get(HVM_PARAM_CONSOLE_PFN);

    ring = (void *)((uintptr_t)frame * HVM_PAGE_BYTES);
    port = (evtchn_port_t)hvm_param_get(HVM_PARAM_CONSOLE_EVTCHN);
    return 0;
}

static size_t put(const char *text, size_t bytes)
{
    uint32_t produced = ring->out_prod;
    uint32_t used = produced -
                    __atomic_load_n(&ring->out_cons, __ATOMIC_ACQUIRE);
    size_t i;

    for (i = 0; i < bytes && used + i < sizeof ring->out; i++)
        ring->out[MASK_XENCONS_IDX(produced + i, ring->out)] = text[i];
    __atomic_store_n(&ring->out_prod, produced + (uint32_t)i,
                     __ATOMIC_RELEASE);
    hvm_event_notify(port);
    return i;
}

bool port_hvm_console(const char *text, size_t bytes)
{
    uint64_t end = hvm_clock_us() + PATIENCE_US;

    if (!ring)
        return false;
    while (bytes > 0 && hvm_clock_us() < end) {
        size_t done;

        hvm_event_take(port);
        done = put(text, bytes);
        text += done;
        bytes -= done;
        if (bytes > 0)
            hvm_event_sleep(port, PATIENCE_US);
    }
    return true;
}
