/* SPDX-License-Identifier: MIT
 * What the int13 agent (a boot sector and what it loads) and who drives it say
 * to each other over the first serial port (115200 8N1, no handshake). For C
 * and for the assembler: only #define outside of __ASSEMBLER__.
 *
 * The agent boots from the emulated disk (the primary master) under a BIOS,
 * says AGENT_HELLO and serves one command at a time: the 16 bytes of struct
 * agent_command, for WRITE followed by count stamps. It answers with the 8
 * bytes of struct agent_answer, for READ followed by count stamps (also after
 * an error; they mean nothing then). All integers little-endian. Reads and
 * writes are int13 EDD (AH=42h, 43h): no flush is ever implied.
 *
 * An unknown op, or a count that is 0 or more than the op takes, is answered
 * with AGENT_REFUSED and no stamps; none may follow such a command either. */
#ifndef VBDD_INT13_AGENT_H
#define VBDD_INT13_AGENT_H

#define AGENT_READ 'R'    /* count sectors; answers their stamps */
#define AGENT_WRITE 'W'   /* count sectors, stamps follow */
#define AGENT_FLUSH 'F'   /* ATA FLUSH CACHE (E7h) at ports 1F0h-1F7h */
#define AGENT_LOAD 'L'    /* as READ, of up to AGENT_MAX_BULK, no stamps:
                             for timing */
#define AGENT_STORE 'S'   /* as WRITE of up to AGENT_MAX_BULK sectors of
                             whatever is in memory, no stamps follow */
/* These take no count. */
#define AGENT_MAILBOX 'M' /* as READ of AGENT_MAILBOX_SECTOR, count 1 */
#define AGENT_INFO 'I'    /* answers one stamp's room: the first 8 bytes are
                             the sectors that the BIOS sees (AH=48h) */
#define AGENT_QUIT 'Q'    /* answers, and powers the machine off */

#define AGENT_MAX_COUNT 16 /* sectors a command with stamps */
#define AGENT_MAX_BULK 127 /* sectors: what one EDD call takes */
#define AGENT_REFUSED 1    /* a status: int13's own code for it */
/* The agent itself is in the sectors before it. Written by the agent once,
 * before it says hello: a stamp with writer AGENT_WRITER, sequence 1, run 0. */
#define AGENT_MAILBOX_SECTOR 63
#define AGENT_WRITER 13
#define AGENT_HELLO "vbdd int13 agent 1\r\n"

#ifndef __ASSEMBLER__
#include <stdint.h>

struct agent_command {
    uint8_t op, count;
    uint16_t tag; /* echoed */
    uint32_t reserved;
    uint64_t sector;
} __attribute__((packed));

struct agent_answer {
    uint8_t op;
    uint8_t status; /* 0, or int13's AH, or the ATA status of FLUSH */
    uint16_t tag;
    uint16_t torn;  /* bit i: the 16 stamps of sector i are not all the same */
    uint16_t reserved;
} __attribute__((packed));
#endif
#endif
