/* SPDX-License-Identifier: MIT
 * What is said of a disk's emulated clients (docs/CONTROL.md): the parts of
 * show and stats that its worker is asked for. Loop thread only. */
#ifndef VBDD_SUPERVISOR_NBD_H
#define VBDD_SUPERVISOR_NBD_H

#include <jansson.h>

struct disk;
struct gather;

/* Both for a disk whose door is open. They make an object, put it into body
 * as its "nbd" and ask the worker for the rest of it; a worker that has not
 * said READY is not asked by the first. */
void nbd_show(struct gather *gather, struct disk *disk, json_t *body);
void nbd_count(struct gather *gather, struct disk *disk, json_t *body);

#endif
