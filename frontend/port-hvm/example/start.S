/* SPDX-License-Identifier: MIT
 * The guest's first instructions, for both who may load it: Xen's tools (PVH,
 * by the note) and a multiboot loader, such as QEMU's in an HVM guest. Both
 * enter 32-bit protected mode with flat segments and without paging; neither
 * promises a stack, nor that the descriptors are still in memory. */
#include <xen/elfnote.h>

        .section .note.Xen, "a", @note
        .long   4, 4, XEN_ELFNOTE_PHYS32_ENTRY
        .asciz  "Xen"
        .long   start

        .section .multiboot, "a"
        .equ    MAGIC, 0x1badb002
        .long   MAGIC, 0, -MAGIC

        .text
        .globl  start
start:  cli
        cld
        lgdt    table
        ljmp    $8, $flat
flat:   mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %fs
        mov     %eax, %gs
        mov     %eax, %ss
        mov     $stack, %esp
        call    example_run
        ud2

        .section .rodata
        .balign 8
gdt:    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
table:  .word   . - gdt - 1
        .long   gdt

        .bss
        .balign 16
        .skip   16384
stack:
        .section .note.GNU-stack, "", @progbits
