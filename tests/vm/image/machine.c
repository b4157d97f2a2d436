/* SPDX-License-Identifier: MIT
 * Time by the processor's counter, measured against the PC's timer; COM1. */
#include "tests/vm/image/machine.h"
#include "tests/vm/image/pv.h"

enum {
    TIMER_2 = 0x42, TIMER_MODE = 0x43,
    ONE_SHOT_2 = 0xb0,        /* timer 2, both bytes, counts down once */
    SPEAKER = 0x61, GATE_2 = 1, SOUND = 2, HAS_COUNTED = 0x20,
    TICKS = 11932,            /* of 1193182 Hz: 10 ms */
    TICKS_US = 10000,
};
enum {
    COM1 = 0x3f8, COM1_INTERRUPTS = 0x3f9, COM1_FIFO = 0x3fa,
    COM1_LINE = 0x3fb, COM1_MODEM = 0x3fc, COM1_STATUS = 0x3fd,
    COM1_SCRATCH = 0x3ff,     /* keeps what is written, if there is a COM1 */
    HAS_BYTE = 0x01, CAN_SEND = 0x20,
    FIFO_BYTES = 16,
};
enum { ACPI_CONTROL = 0x604, SLEEP_OFF = 0x2000 };

static uint32_t counts_per_us;
static bool has_serial;

static uint64_t counter(void)
{
    uint64_t value;

    __asm__ volatile("rdtsc" : "=A"(value));
    return value;
}

void clock_start(void)
{
    uint64_t start;

    out8(SPEAKER, (uint8_t)((in8(SPEAKER) & ~SOUND) | GATE_2));
    out8(TIMER_MODE, ONE_SHOT_2);
    out8(TIMER_2, TICKS & 0xff);
    out8(TIMER_2, TICKS >> 8);
    start = counter();
    while (!(in8(SPEAKER) & HAS_COUNTED))
        ;
    counts_per_us = (uint32_t)(counter() - start) / TICKS_US + 1;
}

uint64_t clock_in_us(uint32_t us)
{
    return counter() + (uint64_t)us * counts_per_us;
}

bool clock_is_past(uint64_t moment)
{
    return (int64_t)(counter() - moment) >= 0;
}

void clock_wait_us(uint32_t us)
{
    uint64_t end = clock_in_us(us);

    while (!clock_is_past(end)) {
        if (pv_has_xen())
            pv_wait(us); /* the processor is others' meanwhile */
    }
}

uint32_t clock_any_number(void)
{
    return (uint32_t)(counter() >> 10);
}

void serial_start(void)
{
    out8(COM1_SCRATCH, 0x5a);
    has_serial = in8(COM1_SCRATCH) == 0x5a;
    if (!has_serial)
        return;
    out8(COM1_INTERRUPTS, 0);
    out8(COM1_LINE, 0x80);    /* the next two are the divisor: */
    out8(COM1, 1);
    out8(COM1_INTERRUPTS, 0);
    out8(COM1_LINE, 0x03);    /* 8N1 */
    out8(COM1_FIFO, 0x07);    /* on, empty */
    out8(COM1_MODEM, 0x03);
}

void serial_send(const char *text, size_t bytes)
{
    uint64_t end = clock_in_us(1000000);

    while (has_serial && bytes > 0) {
        size_t piece = bytes < FIFO_BYTES ? bytes : FIFO_BYTES;

        bytes -= piece;
        while (!(in8(COM1_STATUS) & CAN_SEND) && !clock_is_past(end))
            ;
        __asm__ volatile("rep outsb"
                         : "+S"(text), "+c"(piece) : "d"(COM1) : "memory");
    }
}

int serial_receive(void)
{
    return has_serial && in8(COM1_STATUS) & HAS_BYTE ? in8(COM1) : -1;
}

void machine_power_off(void)
{
    pv_power_off();
    __asm__ volatile("outw %w0, %w1" : : "a"(SLEEP_OFF), "Nd"(ACPI_CONTROL));
    for (;;)
        __asm__ volatile("cli; hlt");
}
