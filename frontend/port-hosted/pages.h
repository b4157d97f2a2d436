/* SPDX-License-Identifier: MIT
 * Contiguous pages out of a domain's memory, first fit. Not thread-safe. */
#ifndef VBDD_PORT_HOSTED_PAGES_H
#define VBDD_PORT_HOSTED_PAGES_H

#include <stdbool.h>
#include <stdint.h>

struct pages {
    uint8_t *memory;  /* borrowed; page i is frame i */
    uint32_t nr_pages;
    uint32_t first;   /* none before this is ours to give */
    bool *is_used;
};

/* 0 or -ENOMEM. */
int pages_init(struct pages *pages, void *memory, uint32_t nr_pages,
               uint32_t first);
void pages_deinit(struct pages *pages); /* zeroed or initialised */

/* nr contiguous pages, zeroed, or NULL. */
void *pages_alloc(struct pages *pages, uint32_t nr);
/* Which of the pages that is. */
uint32_t pages_index(const struct pages *pages, const void *page);
void pages_free(struct pages *pages, void *start, uint32_t nr);

#endif
