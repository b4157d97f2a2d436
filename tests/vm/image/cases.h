/* SPDX-License-Identifier: MIT
 * The cases, in the order in which they can be judged: what takes the emulated
 * disk away comes last. */
#ifndef VBDD_VM_CASES_H
#define VBDD_VM_CASES_H

void cases_paths(void);    /* one path writes, another looks */
void cases_at_once(void);  /* two paths at the same time */
void cases_durable(void);  /* FLUSH, FUA, BARRIER */
void cases_ring(void);     /* what only the ring has */
void cases_handover(void); /* reconnect, suspend, unplug */

#endif
