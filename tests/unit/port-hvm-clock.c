/* SPDX-License-Identifier: MIT
 * Claim: the clock is Xen's, at any scale that Xen may give, also where the
 * processor's counter is behind Xen's note of it; and it goes on from where it
 * was when the guest is restored. Source: xen/xen.h, vcpu_time_info. Mechanism:
 * the note is the test's; the counter is real, so that what is between two reads
 * of it lies between two values. */
#include "frontend/port-hvm/private.h"

#include "tests/unit/tap.h"

#include <math.h>

#include "frontend/port-hvm/cpu.h"

static struct shared_info shared;
static struct vcpu_time_info *const xen = &shared.vcpu_info[0].time;

volatile struct shared_info *hvm_shared_info(void)
{
    return &shared;
}

static uint64_t random_number(void)
{
    return ((uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^
            (uint64_t)rand()) >> rand() % 60;
}

static void check_divide(void)
{
    srand((unsigned)tap_seed());
    for (unsigned long i = 0; i < tap_scaled(100000); i++) {
        uint64_t number = random_number();
        uint32_t by = 1 + (uint32_t)random_number() % 1000000;

        CHECK_EQ(cpu_divide(number, by), number / by);
    }
    CHECK_EQ(cpu_divide(UINT64_MAX, 1000), UINT64_MAX / 1000);
    CHECK_EQ(cpu_divide(999, 1000), 0);
}

static void check_behind(void)
{
    *xen = (struct vcpu_time_info){
        .version = 2, .tsc_timestamp = UINT64_MAX, .system_time = 1234567,
        .tsc_to_system_mul = UINT32_MAX, .tsc_shift = 4,
    };
    CHECK_EQ(hvm_clock_ns(), 1234567);
    CHECK_EQ(hvm_clock_us(), 1234);
}

static double ns_of(uint64_t ticks)
{
    return ldexp((double)ticks, xen->tsc_shift) * xen->tsc_to_system_mul /
           4294967296.0;
}

static void check_scale(int8_t shift, uint32_t multiplier)
{
    uint64_t past = random_number() >> 20, before, now, after;

    *xen = (struct vcpu_time_info){
        .version = 4, .system_time = 1000, .tsc_shift = shift,
        .tsc_to_system_mul = multiplier,
    };
    before = cpu_read_tsc();
    xen->tsc_timestamp = before - past;
    now = hvm_clock_ns() - 1000;
    after = cpu_read_tsc();
    CHECK((double)now >= ns_of(past) * 0.9999999 - 2);
    CHECK((double)now <= ns_of(after - xen->tsc_timestamp) * 1.0000001 + 2);
}

static void check_scales(void)
{
    for (unsigned long i = 0; i < tap_scaled(10000); i++)
        check_scale((int8_t)(rand() % 8 - 4),
                    (uint32_t)random_number() | 1u << 31);
}

static void check_continued(void)
{
    *xen = (struct vcpu_time_info){ .version = 2, .tsc_timestamp = UINT64_MAX,
                                    .system_time = 5000000000 };
    CHECK_EQ(hvm_clock_us(), 5000000);
    xen->system_time = 1000; /* another host's */
    hvm_clock_continue(5000000);
    CHECK_EQ(hvm_clock_us(), 5000000);
    CHECK_EQ(hvm_clock_ns(), 1000);
    xen->system_time = 9000000000000; /* and another's */
    hvm_clock_continue(5000007);
    CHECK_EQ(hvm_clock_us(), 5000007);
    xen->system_time += 3000;
    CHECK_EQ(hvm_clock_us(), 5000010);
    xen->system_time -= 2000; /* another processor's */
    CHECK_EQ(hvm_clock_us(), 5000010);
    xen->system_time += 4000;
    CHECK_EQ(hvm_clock_us(), 5000012);
}

int main(void)
{
    TEST("a division of 64 bits by 32 is one", check_divide);
    TEST("a counter that is behind is no time at all", check_behind);
    TEST("ticks are scaled as Xen says", check_scales);
    TEST("a clock that is set back, by a restore or a little, goes on", check_continued);
    return tap_done();
}
