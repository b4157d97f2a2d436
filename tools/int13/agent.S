/* SPDX-License-Identifier: MIT
 * The int13 agent: a guest without an operating system, in 16-bit code. It
 * boots from the emulated disk as a boot loader does and does at once what the
 * serial line tells it to; agent.h has the words.
 *
 * For readers who do not write boot sectors daily:
 *  - The BIOS loads the disk's first 512 bytes to 07c00h, jumps there with the
 *    disk's number in dl, and stays around: `int 0x13` is a call into it, the
 *    function in ah, a set carry flag for an error with its code in ah.
 *  - The functions 41h to 48h ("EDD") count sectors from 0 and take a "disk
 *    address packet" at si: how many, to or from which memory, from which
 *    sector on. The BIOS drives the IDE controller by itself; nothing here, and
 *    nothing there, ever flushes unless it is told so.
 *  - An address is segment * 16 + offset, both of 16 bits. All here is below
 *    10000h, with segment 0; only the bulk buffer is not.
 *  - lods, stos, movs and cmps go through memory by si (from ds) and di (es),
 *    rep repeats them cx times, and the 32-bit registers are there as well.
 *
 * Memory: the stack below 07c00h, this code from there on, SECTORS, BULK. */
#include "tools/int13/agent.h"

#define SECTOR 512
#define STAMP 32
#define SECTORS 0x9000      /* for AGENT_MAX_COUNT of them: up to 0b000h */
#define BULK 0x10000000     /* segment 1000h, offset 0: a packet has it so */

#define EDD_READ 0x42
#define EDD_WRITE 0x43
#define EDD_PARAMETERS 0x48

#define COM1 0x3f8          /* data, and from there on: */
#define COM1_INTERRUPTS (COM1 + 1)
#define COM1_FIFO (COM1 + 2)
#define COM1_LINE (COM1 + 3)
#define COM1_MODEM (COM1 + 4)
#define COM1_STATUS (COM1 + 5)
#define HAS_BYTE 0x01
#define CAN_SEND 0x20
#define HAS_SENT 0x40       /* the last bit, too */

#define ATA_DEVICE 0x1f6
#define ATA_COMMAND 0x1f7   /* read: status, and that clears the interrupt */
#define ATA_STATUS 0x3f6    /* the same without clearing anything */
#define ATA_MASTER 0xa0
#define ATA_FLUSH_CACHE 0xe7
#define ATA_BUSY 0x80
#define ATA_FAILED 0x21     /* device fault, error */

#define PIC 0x20
#define PIC_MASK 0x21
#define END_OF_INTERRUPT 0x20
#define IRQ4_VECTOR 0x0c    /* COM1's */

    .intel_syntax noprefix
    .code16
    .text
    .globl start

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
    mov drive, dl
    mov si, offset rest
    mov ah, EDD_READ
    int 0x13
    jc asleep
    ljmp 0, offset main     /* some BIOSes come in by 07c0h:0 */

asleep:
    hlt
    jmp asleep

rest:                       /* a disk address packet: */
    .byte 16, 0             /* its length */
    .word agent_sectors - 1
    .word start + SECTOR, 0 /* to there, segment 0 */
    .quad 1                 /* from there on */

drive:
    .byte 0

    .org SECTOR - 2
    .byte 0x55, 0xaa        /* "bootable" */

/* ---- the agent -------------------------------------------------------- */

main:
    call serial_setup
    call write_mailbox
    mov si, offset hello
    mov cx, offset HELLO_BYTES
    call put_bytes

serve:
    mov di, offset command
    mov cx, offset COMMAND_BYTES
    call get_bytes

    mov al, command_op
    mov answer_op, al
    mov ax, command_tag
    mov answer_tag, ax
    mov byte ptr answer_status, 0
    mov word ptr answer_torn, 0

    call carry_out
    call put_answer

    mov si, SECTORS         /* then bp stamps, one of each sector */
next_stamp:
    test bp, bp
    jz serve
    mov cx, STAMP
    call put_bytes
    add si, SECTOR - STAMP
    dec bp
    jmp next_stamp

/* Finds the operation and jumps to it; it returns with bp: how many stamps go
 * after the answer. */
carry_out:
    xor bp, bp
    mov si, offset operations
find:
    lodsw                   /* al: the letter, ah: the largest count - 1 */
    mov bx, ax
    lodsw
    cmp bl, command_op
    je found
    cmp si, offset operations_end
    jb find
refuse:
    mov byte ptr answer_status, AGENT_REFUSED
    ret
found:
    mov cl, command_count
    dec cl                  /* no count at all becomes a very large one */
    cmp cl, bh
    ja refuse
    jmp ax

#define ANY_COUNT 256
operations:
    .byte AGENT_READ, AGENT_MAX_COUNT - 1
    .word read
    .byte AGENT_WRITE, AGENT_MAX_COUNT - 1
    .word write
    .byte AGENT_FLUSH, ANY_COUNT - 1
    .word flush
    .byte AGENT_LOAD, AGENT_MAX_BULK - 1
    .word load
    .byte AGENT_STORE, AGENT_MAX_BULK - 1
    .word store
    .byte AGENT_MAILBOX, ANY_COUNT - 1
    .word mailbox
    .byte AGENT_INFO, ANY_COUNT - 1
    .word info
    .byte AGENT_QUIT, ANY_COUNT - 1
    .word quit
operations_end:

mailbox:
    mov byte ptr command_count, 1
    mov dword ptr command_sector, AGENT_MAILBOX_SECTOR
    mov dword ptr command_sector + 4, 0
read:
    mov ah, EDD_READ
    call transfer
    call find_torn
    movzx bp, byte ptr command_count
    ret

write:
    movzx bp, byte ptr command_count
    mov di, SECTORS
next_sector:
    mov cx, STAMP
    call get_bytes
    call fill_sector
    dec bp
    jnz next_sector
    mov ah, EDD_WRITE
    jmp transfer

load:
    mov ah, EDD_READ
    jmp bulk
store:
    mov ah, EDD_WRITE
bulk:
    mov dword ptr packet_memory, BULK
    call transfer
    mov dword ptr packet_memory, SECTORS
    ret

/* The command's sectors by int13. ah: EDD_READ or EDD_WRITE */
transfer:
    movzx cx, byte ptr command_count
    mov packet_count, cx
    mov si, offset command_sector
    mov di, offset packet_sector
    movsd
    movsd
    mov si, offset packet
/* One call of the BIOS; its code goes into the answer if it failed. */
call_bios:
    mov al, 0               /* of a write: do not verify */
    mov dl, drive
    int 0x13
    jnc bios_is_content
    mov answer_status, ah
bios_is_content:
    cld                     /* who knows what a BIOS leaves behind */
    ret

/* di: behind the stamp that a sector begins with; comes back behind the
 * sector. Each copy is made from the one before it. */
fill_sector:
    lea si, [di - STAMP]
    mov cx, (SECTOR - STAMP) / 4
    rep movsd
    ret

/* A sector is whole if it does not change when it is moved by one stamp. */
find_torn:
    xor ax, ax              /* one bit for each torn sector */
    mov dx, 1               /* this sector's bit */
    mov bx, SECTORS
    movzx bp, byte ptr command_count
next_to_judge:
    mov si, bx
    lea di, [bx + STAMP]
    mov cx, (SECTOR - STAMP) / 4
    repe cmpsd
    je is_whole
    or ax, dx
is_whole:
    add bx, SECTOR
    shl dx, 1
    dec bp
    jnz next_to_judge
    mov answer_torn, ax
    ret

/* The disk's size, as the BIOS knows it, where the first stamp would be. */
info:
    mov di, SECTORS
    mov cx, STAMP / 4
    xor eax, eax
    rep stosd
    mov si, offset parameters
    mov ah, EDD_PARAMETERS
    call call_bios
    mov si, offset parameters_sectors
    mov di, SECTORS
    movsd
    movsd
    mov bp, 1
    ret

/* The BIOS has no call for it, so by the controller's own ports. */
flush:
    call ata_wait
    mov dx, ATA_DEVICE
    mov al, ATA_MASTER
    out dx, al
    call ata_wait
    mov dx, ATA_COMMAND
    mov al, ATA_FLUSH_CACHE
    out dx, al
    call ata_wait
    mov dx, ATA_COMMAND
    in al, dx
    test al, ATA_FAILED
    jz flushed
    mov answer_status, al
flushed:
    ret

/* The status is not to be believed for 400 ns; four looks take longer. */
ata_wait:
    mov dx, ATA_STATUS
    mov cx, 4
not_yet:
    in al, dx
    loop not_yet
busy:
    in al, dx
    test al, ATA_BUSY
    jnz busy
    ret

/* Power off by ACPI, at the place where SeaBIOS puts it on QEMU's pc. */
quit:
    call put_answer
    mov dx, COM1_STATUS
still_sending:
    in al, dx
    test al, HAS_SENT
    jz still_sending
    mov dx, 0x604
    mov ax, 0x2000
    out dx, ax
    jmp asleep

/* The command has been assembled for it: AGENT_MAILBOX_SECTOR, count 1. */
write_mailbox:
    mov si, offset mailbox_stamp
    mov di, SECTORS
    mov cx, STAMP / 4
    rep movsd
    call fill_sector
    mov ah, EDD_WRITE
    jmp transfer

/* ---- the serial line --------------------------------------------------- */

/* 115200 8N1. Its interrupt does nothing but end a hlt, so that a guest that
 * waits for a command costs its host nothing. */
serial_setup:
    mov word ptr [IRQ4_VECTOR * 4], offset interrupt
    mov word ptr [IRQ4_VECTOR * 4 + 2], 0
    mov si, offset serial_registers
next_register:
    lodsw
    mov dx, ax
    lodsb
    out dx, al
    cmp si, offset serial_registers_end
    jb next_register
    in al, PIC_MASK
    and al, 0xef            /* IRQ 4 */
    out PIC_MASK, al
    ret

interrupt:
    push ax
    mov al, END_OF_INTERRUPT
    out PIC, al
    pop ax
    iret

#define PORT(port, value) .word port; .byte value
serial_registers:
    PORT(COM1_LINE, 0x80)   /* the next two are the divisor: */
    PORT(COM1, 1)
    PORT(COM1_INTERRUPTS, 0)
    PORT(COM1_LINE, 0x03)   /* 8N1 */
    PORT(COM1_FIFO, 0x07)   /* on, empty, interrupt at the first byte */
    PORT(COM1_MODEM, 0x0b)  /* ready, and interrupts let through */
    PORT(COM1_INTERRUPTS, 1) /* when a byte is there */
serial_registers_end:

/* To di, cx bytes. Between sti and hlt nothing comes in, so that no byte is
 * slept through. */
get_bytes:
    mov dx, COM1_STATUS
    cli
    in al, dx
    test al, HAS_BYTE
    jnz has_byte
    sti
    hlt
    jmp get_bytes
has_byte:
    sti
    mov dx, COM1
    insb
    loop get_bytes
    ret

put_answer:
    mov si, offset answer
    mov cx, offset ANSWER_BYTES
/* From si, cx bytes. */
put_bytes:
    mov dx, COM1_STATUS
    in al, dx
    test al, CAN_SEND
    jz put_bytes
    mov dx, COM1
    outsb
    loop put_bytes
    ret

/* ---- data ---------------------------------------------------------------- */

hello:
    .ascii AGENT_HELLO
HELLO_BYTES = . - hello

mailbox_stamp:              /* tools/stamp/stamp.h */
    .ascii "VBDD"
    .long AGENT_WRITER
    .quad 1                 /* sequence */
    .quad AGENT_MAILBOX_SECTOR
    .long 0                 /* run */
    .long 0x1b7d07aa        /* CRC-32 of the 28 bytes above */

command:                    /* struct agent_command */
command_op:
    .byte 0
command_count:
    .byte 1
command_tag:
    .word 0
    .long 0
command_sector:
    .quad AGENT_MAILBOX_SECTOR
COMMAND_BYTES = . - command

answer:                     /* struct agent_answer */
answer_op:
    .byte 0
answer_status:
    .byte 0
answer_tag:
    .word 0
answer_torn:
    .word 0
    .word 0
ANSWER_BYTES = . - answer

packet:                     /* EDD's disk address packet */
    .byte 16, 0
packet_count:
    .word 0
packet_memory:
    .long SECTORS
packet_sector:
    .quad 0

parameters:                 /* what EDD_PARAMETERS fills in */
    .word 26                /* its length */
    .fill 14
parameters_sectors:
    .quad 0
    .word 0
