/* SPDX-License-Identifier: MIT
 * Where the flush-correctness VM begins: the boot sector, which brings in the
 * rest by int13; the way into 32-bit protected mode, which is flat and without
 * paging; and the way back for as long as a call of the BIOS takes.
 *
 * For readers who do not write boot sectors daily: tools/int13/agent.S has the
 * words. All of the image lies between 07c00h and 70000h (image.ld), so that
 * 16-bit code, which comes first, has segment 0. */
#include "tests/vm/image/memory.h"

#define SECTOR 512
#define EDD_READ 0x42
#define CHUNK 64            /* sectors for each call of the BIOS, 32 KiB */

#define CODE32 0x08         /* segments, in gdt's order */
#define DATA32 0x10
#define CODE16 0x18
#define DATA16 0x20
#define PROTECTED 1         /* in cr0 */

    .intel_syntax noprefix
    .code16
    .section .boot, "ax"
    .globl start, bios_disk_call, boot_drive

/* ---- sector 0: brings the rest in ------------------------------------- */

start:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, offset start
    sti
    cld
    ljmp 0, offset load     /* some BIOSes come in by 07c0h:0 */
load:
    mov boot_drive, dl
    mov cx, offset image_sectors - 1
next_chunk:
    mov ax, cx
    cmp ax, CHUNK
    jbe last_chunk
    mov ax, CHUNK
last_chunk:
    mov packet_count, ax
    push cx
    mov si, offset packet
    mov ah, EDD_READ
    mov dl, boot_drive
    int 0x13
    pop cx
    jc asleep
    add word ptr packet_segment, CHUNK * SECTOR / 16
    add word ptr packet_sector, CHUNK
    sub cx, packet_count
    jnz next_chunk
    jmp main16

asleep:
    hlt
    jmp asleep

packet:                     /* EDD's disk address packet */
    .byte 16, 0
packet_count:
    .word 0
    .word 0                 /* the first sector goes behind this one: */
packet_segment:
    .word 0x7e0
packet_sector:
    .quad 1

boot_drive:
    .byte 0

    .org SECTOR - 2
    .byte 0x55, 0xaa        /* "bootable" */

/* ---- into protected mode ------------------------------------------------ */

main16:
    in al, 0x92             /* A20, in case that the BIOS left it off */
    or al, 2
    and al, 0xfe            /* this bit would be a reset */
    out 0x92, al
    cli
    lgdt gdt_pointer
    mov eax, cr0
    or al, PROTECTED
    mov cr0, eax
    ljmp CODE32, offset main32

    .code32
main32:
    mov ax, DATA32
    mov ss, ax
    mov esp, offset stack_top
    call load_segments
    mov edi, offset bss_start
    mov ecx, offset bss_end
    sub ecx, edi
    xor eax, eax
    rep stosb
    call vm_main
dead:
    cli
    hlt
    jmp dead

load_segments:              /* ax: which */
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    ret

/* ---- and back, for int13 ------------------------------------------------ */

/* unsigned bios_disk_call(unsigned ax, const void *packet): int 13h for
 * boot_drive; the packet lies in the first MiB. 0, or 100h and the BIOS's code.
 * Whoever else has tables of descriptors gets them back. */
bios_disk_call:
    push ebx
    push esi
    push edi
    push ebp
    mov eax, [esp + 20]
    mov bios_ax, ax
    mov eax, [esp + 24]
    mov edx, eax
    and edx, 15
    mov bios_si, dx
    shr eax, 4
    mov bios_ds, ax
    mov saved_esp, esp
    sgdt saved_gdt
    sidt saved_idt
    lgdt gdt_pointer
    lidt bios_idt_pointer
    ljmp CODE16, offset leave32

    .code16
leave32:
    mov ax, DATA16          /* the limits that real mode wants */
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov eax, cr0
    and al, 0xff - PROTECTED
    mov cr0, eax
    ljmp 0, offset real_mode
real_mode:
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov sp, offset start
    mov ax, bios_ax
    mov si, bios_si
    mov dl, boot_drive
    mov cx, bios_ds
    mov ds, cx
    sti
    int 0x13
    cli
    cld                     /* who knows what a BIOS leaves behind */
    mov cx, 0               /* keeps the flags */
    mov ds, cx
    mov al, 0
    adc al, 0               /* the carry flag: it has failed */
    mov bios_ax, ax
    mov eax, cr0
    or al, PROTECTED
    mov cr0, eax
    ljmp CODE32, offset back32

    .code32
back32:
    mov ax, DATA32
    mov ss, ax
    mov esp, saved_esp
    call load_segments
    lidt saved_idt
    lgdt saved_gdt
    movzx eax, word ptr bios_ax
    xchg al, ah             /* failed: 100h, and the code */
    test ah, ah
    jnz failed
    xor eax, eax
failed:
    pop ebp
    pop edi
    pop esi
    pop ebx
    ret

gdt:
    .quad 0
    .quad 0x00cf9a000000ffff /* code, 32 bits, 4 GiB */
    .quad 0x00cf92000000ffff /* data, 4 GiB */
    .quad 0x00009a000000ffff /* code, 16 bits, 64 KiB */
    .quad 0x000092000000ffff /* data, 64 KiB */
gdt_pointer:
    .word . - gdt - 1
    .long gdt
bios_idt_pointer:
    .word 0x3ff
    .long 0

saved_gdt:
    .fill 6
saved_idt:
    .fill 6
saved_esp:
    .long 0
bios_ax:
    .word 0
bios_si:
    .word 0
bios_ds:
    .word 0

    .bss
    .balign 16
    .fill STACK_BYTES
stack_top:
