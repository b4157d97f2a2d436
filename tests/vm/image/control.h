/* SPDX-License-Identifier: MIT
 * Whoever started the flush-correctness VM and sees the disk from outside. On
 * Xen the domain's own node data/vbd-test/ask holds "NUMBER WORDS", and
 * data/vbd-test/answer gets "NUMBER TEXT"; on a machine without Xen they are
 * lines on COM1, the first after "ask: ". tests/vm/answers.sh has the words.
 * "unknown WHY" is always an answer: then a case is skipped, with WHY. */
#ifndef VBDD_VM_CONTROL_H
#define VBDD_VM_CONTROL_H

#include "tests/vm/image/steps.h"
#include "tests/vm/image/tap.h"

/* Is anybody there? */
void control_start(void);
/* The answer's TEXT, until the next question. */
const char *control_ask(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* The sectors as they are on the device, read past all caches. */
enum verdict control_see(uint64_t sector, uint32_t nr_sectors,
                         struct mark mark);
/* As they would be if the power were cut now. */
enum verdict control_see_durable(uint64_t sector, uint32_t nr_sectors,
                                 struct mark mark);
/* SKIP where control_see_durable() could not tell. */
enum verdict control_needs_durable(void);

/* TEXT, or its first word. */
bool control_is(const char *text, const char *word);

#endif
