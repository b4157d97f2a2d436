/* SPDX-License-Identifier: MIT
 * The clock: Xen says what its own showed at some count of the processor's, and
 * how fast that counts. */
#include "frontend/port-hvm/private.h"

#include "frontend/port-hvm/cpu.h"

static uint64_t offset_us; /* Xen's clock begins anew on another host */
static uint64_t last_us;

static uint64_t to_ns(uint64_t ticks, int8_t shift, uint32_t multiplier)
{
    ticks = shift < 0 ? ticks >> -shift : ticks << shift;
    return (ticks >> 32) * multiplier +
           ((uint64_t)(uint32_t)ticks * multiplier >> 32);
}

/* Read again while Xen was writing: then the version is odd, or another. */
uint64_t hvm_clock_ns(void)
{
    volatile struct vcpu_time_info *time =
        &hvm_shared_info()->vcpu_info[0].time;
    uint32_t version;
    uint64_t now, ticks, since;

    do {
        version = __atomic_load_n(&time->version, __ATOMIC_ACQUIRE);
        ticks = cpu_read_tsc();
        since = time->tsc_timestamp;
        ticks = ticks > since ? ticks - since : 0;
        now = time->system_time +
              to_ns(ticks, time->tsc_shift, time->tsc_to_system_mul);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while ((version & 1) || time->version != version);
    return now;
}

/* Each processor's note is a little off: who is moved to another could see time
 * go back, and take that for a very long one. */
uint64_t hvm_clock_us(void)
{
    uint64_t now_us = offset_us + cpu_divide(hvm_clock_ns(), 1000);

    if (now_us > last_us)
        last_us = now_us;
    return last_us;
}

void hvm_clock_continue(uint64_t now_us)
{
    offset_us = now_us - cpu_divide(hvm_clock_ns(), 1000);
}
