/* SPDX-License-Identifier: MIT
 * Contiguous pages out of a guest's memory, first fit: for ports, the driver
 * itself asks port.h. Not thread-safe. */
#ifndef VBDFRONT_PAGES_H
#define VBDFRONT_PAGES_H

#include <stdbool.h>
#include <stdint.h>

struct pages {
    uint8_t *memory;  /* borrowed; page 0 begins here */
    uint32_t nr_pages;
    uint32_t first;   /* none before this is ours to give */
    bool *is_used;    /* borrowed; of each page, all false to begin with */
};

/* nr contiguous pages, zeroed, or NULL. */
void *pages_alloc(struct pages *pages, uint32_t nr);
/* Which of the pages that is. */
uint32_t pages_index(const struct pages *pages, const void *page);
void pages_free(struct pages *pages, void *start, uint32_t nr);

#endif
