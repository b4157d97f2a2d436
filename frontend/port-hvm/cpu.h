/* SPDX-License-Identifier: MIT
 * The processor's instructions that C has no words for. */
#ifndef VBDD_PORT_HVM_CPU_H
#define VBDD_PORT_HVM_CPU_H

#include <stdint.h>

struct cpu_id {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpu_id cpu_id(uint32_t leaf)
{
    struct cpu_id id = { .eax = leaf };

    __asm__ volatile("cpuid" : "+a"(id.eax), "=b"(id.ebx), "+c"(id.ecx),
                     "=d"(id.edx));
    return id;
}

static inline void cpu_write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value),
                     "d"((uint32_t)(value >> 32)) : "memory");
}

static inline uint64_t cpu_read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* What C would take a library for where registers have 32 bits. */
static inline uint64_t cpu_divide(uint64_t number, uint32_t by)
{
    uint32_t high = (uint32_t)(number >> 32), low = (uint32_t)number;
    uint32_t rest = high % by;

    __asm__("divl %2" : "+a"(low), "+d"(rest) : "r"(by) : "cc");
    return (uint64_t)(high / by) << 32 | low;
}

static inline uint32_t cpu_in(uint16_t port, unsigned bytes)
{
    uint32_t value = 0;

    if (bytes == 1)
        __asm__ volatile("inb %w1, %b0" : "+a"(value) : "Nd"(port));
    else if (bytes == 2)
        __asm__ volatile("inw %w1, %w0" : "+a"(value) : "Nd"(port));
    else
        __asm__ volatile("inl %w1, %0" : "+a"(value) : "Nd"(port));
    return value;
}

static inline void cpu_out(uint16_t port, unsigned bytes, uint32_t value)
{
    if (bytes == 1)
        __asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(port));
    else if (bytes == 2)
        __asm__ volatile("outw %w0, %w1" : : "a"(value), "Nd"(port));
    else
        __asm__ volatile("outl %0, %w1" : : "a"(value), "Nd"(port));
}

#endif
