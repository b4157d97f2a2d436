/* SPDX-License-Identifier: MIT
 * Grants of pages that are there already, where Linux has only pages that are
 * granted when they are made (gntalloc). */
#ifndef VBDD_PORT_LINUX_GRANTS_H
#define VBDD_PORT_LINUX_GRANTS_H

#include <stdbool.h>
#include <stdint.h>

#include <xengnttab.h>
#include <xentoollog.h>

#include "frontend/pages.h"

struct grants {
    xengntshr_handle *xen;
    const struct pages *pages; /* borrowed */
    struct grant *by_page;     /* of each of pages */
    uint32_t *page_of;         /* by reference */
    uint32_t nr_refs;          /* that page_of has room for */
    void *copy;                /* of a page, for a moment */
    bool has_said_limit;
};

/* 0 or -errno. */
int grants_open(struct grants *grants, const struct pages *pages,
                xentoollog_logger *logger);
void grants_close(struct grants *grants); /* zeroed or open */

/* As port.h has it. A page that is granted already is so once more where the
 * peer gets no right by it that it has not got: else -EBUSY. */
int32_t grants_give(struct grants *grants, uint32_t domid, void *page,
                    bool read_only);
int grants_end(struct grants *grants, uint32_t gref);

#endif
