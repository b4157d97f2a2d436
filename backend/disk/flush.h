/* SPDX-License-Identifier: MIT
 * A flush of the whole disk on the worker's own behalf, to know that all that
 * was written is durable (detach, pause). Loop thread only. */
#ifndef VBDD_DISK_FLUSH_H
#define VBDD_DISK_FLUSH_H

#include <stddef.h>

#include "backend/coherency/coherency.h"

struct worker;

/* The owner's memory, valid until done(). All zero: none runs. */
struct disk_flush {
    struct worker *worker;
    struct coherency_client *client; /* NULL: none runs */
    struct coherency_request request;
    void (*done)(void *context, int error);
    void *context;
    int error;
    bool is_ending;
};

/* Returns 0 or -errno (then done() is not called). done() is called once, from
 * here or later: 0, or the failure with which the disk gave up (C8), or
 * -ECANCELED. It comes last: nothing of the flush is left in the disk. */
int disk_flush_begin(struct disk_flush *flush, struct worker *worker,
                     void (*done)(void *context, int error), void *context);
/* Ends it early; done() comes all the same. Nothing if none runs. */
void disk_flush_cancel(struct disk_flush *flush);

static inline bool disk_flush_is_running(const struct disk_flush *flush)
{
    return flush->client != NULL;
}

#endif
