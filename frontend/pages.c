/* SPDX-License-Identifier: MIT
 * The page allocator: a flag for each page. Front ends allocate seldom and
 * keep what they have, so first fit is good enough. */
#include "frontend/pages.h"

#include <stddef.h>

enum { PAGE_BYTES = 4096 };

/* The length of the free run at start, at most nr. */
static uint32_t free_run(const struct pages *pages, uint32_t start,
                         uint32_t nr)
{
    uint32_t run = 0;

    while (run < nr && start + run < pages->nr_pages &&
           !pages->is_used[start + run])
        run++;
    return run;
}

void *pages_alloc(struct pages *pages, uint32_t nr)
{
    uint32_t start = pages->first, run;
    uint8_t *memory;

    while ((run = free_run(pages, start, nr)) < nr) {
        start += run + 1;
        if (start >= pages->nr_pages)
            return NULL;
    }
    memory = pages->memory + (size_t)start * PAGE_BYTES;
    __builtin_memset(&pages->is_used[start], true, nr);
    __builtin_memset(memory, 0, (size_t)nr * PAGE_BYTES);
    return memory;
}

uint32_t pages_index(const struct pages *pages, const void *page)
{
    const uint8_t *at = page;

    return (uint32_t)((size_t)(at - pages->memory) / PAGE_BYTES);
}

void pages_free(struct pages *pages, void *start, uint32_t nr)
{
    __builtin_memset(&pages->is_used[pages_index(pages, start)], false, nr);
}
