/* SPDX-License-Identifier: MIT
 * The PC around the flush-correctness VM: I/O ports, time, the serial line. No
 * interrupts: whoever waits looks again and again. */
#ifndef VBDD_VM_MACHINE_H
#define VBDD_VM_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out32(uint16_t port, uint32_t value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

/* Time is the processor's; once. */
void clock_start(void);
/* A moment that is_past() tells when it has come. */
uint64_t clock_in_us(uint32_t us);
bool clock_is_past(uint64_t moment);
void clock_wait_us(uint32_t us);
/* A number that is another one at each boot. */
uint32_t clock_any_number(void);

/* COM1, 115200 8N1. A machine may have none: then nothing is sent, and nothing
 * comes. */
void serial_start(void);
void serial_send(const char *text, size_t bytes);
/* A byte that has come, or -1. */
int serial_receive(void);

/* For good; by Xen or by ACPI where QEMU's pc has it. */
void machine_power_off(void) __attribute__((noreturn));

#endif
