/* SPDX-License-Identifier: MIT
 * The machine's own interrupts, which are firmware's. One that waits to be
 * delivered, such as the timer's tick, ends each sleep at once, although
 * interrupts are disabled: so their controllers are masked while the port
 * sleeps. A PVH guest has none, and nothing is at these I/O ports. */
#include "frontend/port-hvm/private.h"

#include "frontend/port-hvm/cpu.h"

enum { FIRST_MASK = 0x21, SECOND_MASK = 0xa1, ALL = 0xff };

uint16_t hvm_pic_mask(void)
{
    uint32_t first = cpu_in(FIRST_MASK, 1), second = cpu_in(SECOND_MASK, 1);

    cpu_out(FIRST_MASK, 1, ALL);
    cpu_out(SECOND_MASK, 1, ALL);
    return (uint16_t)(first | second << 8);
}

void hvm_pic_unmask(uint16_t masks)
{
    cpu_out(FIRST_MASK, 1, masks);
    cpu_out(SECOND_MASK, 1, masks >> 8);
}
