/* SPDX-License-Identifier: MIT
 * Where things lie in the flush-correctness VM's memory. For C and the
 * assembler; image.ld has its own numbers. The BIOS has the first KiB and what
 * lies above 9fc00h; its stack, while it is called, grows down from the image.
 */
#ifndef VBDD_VM_MEMORY_H
#define VBDD_VM_MEMORY_H

/* The image: 7c00h to 70000h, with all that is zeros at first */
#define STACK_BYTES 0x8000
#define BIOS_BUFFER 0x70000    /* 64 KiB, what the BIOS reads and writes */
#define DATA_BUFFERS 0x200000  /* up to PORT_MEMORY: the cases' own */
#define PORT_MEMORY 0x800000   /* what port-hvm is given, up to */
#define MEMORY_END 0x1800000   /* so a guest of 32 MiB has all of it */

#endif
