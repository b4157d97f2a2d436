/* SPDX-License-Identifier: MIT
 * What the cases are made of: stamped sectors that are written by one path and
 * looked for by another. tools/stamp has the stamp. */
#ifndef VBDD_VM_STEPS_H
#define VBDD_VM_STEPS_H

#include <stdbool.h>

#include "tests/vm/image/tap.h"

/* Who wrote, and which of its writes it was. */
struct mark {
    uint32_t writer;
    uint64_t sequence;
};

enum { NR_BUFFERS = 4, BUFFER_SECTORS = 2048, SECTOR_BYTES = 512 };

/* 1 MiB each, page-aligned. 0 is what put() writes from, 1 what see() reads
 * into. */
void *buffer(unsigned number);

/* The disk's size; and that no stamp of an earlier run is taken for one of
 * this. */
void steps_start(uint64_t nr_sectors);
uint64_t disk_sectors(void);
/* Sectors that no case has used yet, a multiple of 2048 (1 MiB). */
uint64_t new_area(void);

struct mark mark_new(const struct path *path);
void mark_fill(void *data, uint64_t sector, uint32_t nr_sectors,
               struct mark mark);
/* Are all of the sectors in data marked so? */
enum verdict mark_check(const struct path *path, const void *data,
                        uint64_t sector, uint32_t nr_sectors,
                        struct mark mark);
/* The mark of one sector; {0, 0}: it has none. */
struct mark mark_read(const void *data, uint64_t sector);
bool mark_is(struct mark one, struct mark other);

/* In as many pieces as the path needs. */
enum verdict put(const struct path *path, uint64_t sector,
                 uint32_t nr_sectors, struct mark mark);
enum verdict see(const struct path *path, uint64_t sector,
                 uint32_t nr_sectors, struct mark mark);

#endif
