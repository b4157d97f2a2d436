/* SPDX-License-Identifier: MIT
 * Who uses a grant, lock-free. */
#include "common/local/pins.h"

#include <errno.h>
#include <sched.h>

#define PINS_CLEARING (UINT64_C(1) << PINS_SLOTS)

/* On failure *old is what the word holds now. */
static bool exchange(uint64_t *word, uint64_t *old, uint64_t new)
{
    return __atomic_compare_exchange_n(word, old, new, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void pins_set(uint64_t *word, unsigned slot)
{
    uint64_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    for (;;) {
        if (old & PINS_CLEARING) {
            /* Someone is two instructions from done; when it was killed
             * there, the server is about to do them. */
            sched_yield();
            old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
        } else if (exchange(word, &old, old | UINT64_C(1) << slot)) {
            return;
        }
    }
}

void pins_clear(uint64_t *word, unsigned slot, struct grant_entry_v1 *entry)
{
    const uint64_t ours = UINT64_C(1) << slot;
    uint64_t old = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    while (old & ours) {
        uint64_t new = old & ~ours;

        if (old == ours) {
            new = ours | PINS_CLEARING;
        } else if (old & PINS_CLEARING) {
            __atomic_fetch_and(&entry->flags,
                               (uint16_t)~(GTF_reading | GTF_writing),
                               __ATOMIC_SEQ_CST);
            new = 0;
        }
        if (exchange(word, &old, new))
            old = new;
    }
}

int pins_use_entry(struct grant_entry_v1 *entry, uint32_t domid,
                   bool writable)
{
    union {
        struct { uint16_t flags, domid; } seen;
        uint32_t word;
    } old, new;
    uint32_t *word = (uint32_t *)entry; /* flags and domid together */

    old.word = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    do {
        if ((old.seen.flags & GTF_type_mask) != GTF_permit_access ||
            old.seen.domid != domid ||
            (writable && (old.seen.flags & GTF_readonly)))
            return -EACCES;
        new = old;
        new.seen.flags |= GTF_reading | (writable ? GTF_writing : 0);
    } while (!__atomic_compare_exchange_n(word, &old.word, new.word, false,
                                          __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return 0;
}
