/* SPDX-License-Identifier: MIT
 * Who uses a grant: what Xen keeps in its active entries, in a memfd of each
 * domain that the server shares with back ends only.
 *
 * A word for each grant has a bit for each back-end connection (its slot);
 * how often that connection uses the grant is its own affair. So a process
 * that is killed, even in the middle of a copy, leaves nothing behind that
 * the server could not take back: the bits of its slot.
 *
 * The flags that the guest sees (GTF_reading, GTF_writing) are set by each
 * user and cleared by the last one. That the last one is clearing is itself
 * a state of the word, else the flags of a user who comes just then would go
 * as well:
 *     0 -> users -> one user -> CLEARING + that user -> 0
 * Any thread, any process. */
#ifndef VBDD_LOCAL_PINS_H
#define VBDD_LOCAL_PINS_H

#include <stdbool.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "common/local/local.h"

enum { PINS_SLOTS = 63 };

struct pins {
    uint32_t is_alive; /* the server's: 0 when the domain has died */
    uint32_t padding;
    uint64_t words[LOCAL_MAX_GRANTS];
};

void pins_set(uint64_t *word, unsigned slot);
/* Does nothing when the slot's bit is not set. */
void pins_clear(uint64_t *word, unsigned slot, struct grant_entry_v1 *entry);

/* Judges a live entry as Xen does (domid, GTF_permit_access, GTF_readonly)
 * and sets its in-use flags, all in one step. The caller has pinned it.
 * 0 or -EACCES. */
int pins_use_entry(struct grant_entry_v1 *entry, uint32_t domid,
                   bool writable);

#endif
