/* SPDX-License-Identifier: MIT
 * Sleep that ends by interrupt: what is waited for is unmasked, Xen raises our
 * vector, and its handler has nothing to do but to end the halt. The descriptors
 * of whoever has interrupts of his own are put back; no other interrupt comes
 * meanwhile (pic.c). */
#include "frontend/port-hvm/private.h"

#include <xen/hvm/params.h>
#include <xen/vcpu.h>

#include "frontend/port-hvm/port-hvm.h"

enum {
    VECTOR = 0x20, /* the first that is not the processor's own */
    PRESENT_INTERRUPT_GATE = 0x8e,
};

struct gate {
    uint16_t offset_low, selector, type, offset_high;
};
struct table {
    uint16_t limit;
    const struct gate *gates;
} __attribute__((packed));

static struct gate gates[VECTOR + 1];
static volatile struct vcpu_info *vcpu;
static evtchn_port_t timer;
static bool is_used;

void port_hvm_use_upcall(bool is_wanted)
{
    is_used = is_wanted;
}

bool hvm_upcall_is_used(void)
{
    return is_used;
}

/* Xen raises the vector for as long as this flag is set. */
__attribute__((interrupt)) static void end_halt(void *frame)
{
    (void)frame;
    vcpu->evtchn_upcall_pending = 0;
}

static void make_gate(void)
{
    uintptr_t offset = (uintptr_t)end_halt;
    struct gate *gate = &gates[VECTOR];

    gate->offset_low = (uint16_t)offset;
    gate->offset_high = (uint16_t)(offset >> 16);
    gate->type = PRESENT_INTERRUPT_GATE << 8;
    __asm__("mov %%cs, %0" : "=r"(gate->selector));
}

/* A vector is asked for in any case: from that the toolstack knows that there
 * is a driver here that takes part in a suspend. */
int hvm_upcall_start(void)
{
    struct evtchn_bind_virq bind = { .virq = VIRQ_TIMER };
    int error = hvm_event_op(EVTCHNOP_bind_virq, &bind);

    if (error)
        return error;
    timer = bind.port;
    vcpu = &hvm_shared_info()->vcpu_info[0];
    make_gate();
    return hvm_param_set(HVM_PARAM_CALLBACK_IRQ,
                         (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 |
                             VECTOR);
}

/* Between sti and hlt nothing comes: what was to come ends the halt. */
static void halt(void)
{
    const struct table ours = { sizeof gates - 1, gates };
    struct table theirs;

    __asm__ volatile("sidt %0; lidt %1; sti; hlt; cli; lidt %0"
                     : "=m"(theirs) : "m"(ours) : "memory");
}

static bool is_any_pending(const evtchn_port_t *ports, unsigned nr)
{
    while (nr > 0)
        if (hvm_event_is_pending(ports[--nr]))
            return true;
    return false;
}

static void mask(const evtchn_port_t *ports, unsigned nr, bool is_masked)
{
    hvm_event_mask(timer, is_masked);
    while (nr > 0)
        hvm_event_mask(ports[--nr], is_masked);
}

static int set_timer(uint64_t deadline_ns)
{
    struct vcpu_set_singleshot_timer op = { .timeout_abs_ns = deadline_ns };

    hvm_event_take(timer);
    return (int)hvm_hypercall(__HYPERVISOR_vcpu_op,
                              VCPUOP_set_singleshot_timer, 0,
                              (uintptr_t)&op);
}

/* What fires before it is unmasked raises nothing, hence the look between the
 * two; nor does what finds the word's bit in evtchn_pending_sel set. */
void hvm_upcall_sleep(const evtchn_port_t *ports, unsigned nr,
                      uint64_t deadline_ns)
{
    if (set_timer(deadline_ns) != 0)
        return;
    vcpu->evtchn_upcall_pending = 0;
    __atomic_store_n(&vcpu->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
    mask(ports, nr, false);
    if (!is_any_pending(ports, nr) && !hvm_event_is_pending(timer))
        halt();
    mask(ports, nr, true);
}
