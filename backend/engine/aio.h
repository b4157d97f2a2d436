/* SPDX-License-Identifier: MIT
 * The parts of the aio engine: aio.c drives, aio_target.c asks what the
 * descriptor is, aio_ring.c takes completions without a system call,
 * aio_helper.c makes the calls that block. */
#ifndef VBDD_ENGINE_AIO_H
#define VBDD_ENGINE_AIO_H

#include <libaio.h>

#include "backend/engine/private.h"

/* In a request's engine_private, while it is with aio. */
struct aio_request {
    struct iocb iocb;
    uint32_t done_bytes; /* of a READ or WRITE that came back short */
    int error;           /* once it waits for reap() */
};

_Static_assert(sizeof(struct aio_request) <=
               sizeof ((struct engine_request *)0)->engine_private,
               "aio's part of a request must fit");

static inline struct aio_request *aio_of(struct engine_request *request)
{
    return (struct aio_request *)request->engine_private;
}

/* --- aio_target.c --------------------------------------------------------- */

/* Fills info from config->fd; *is_block says whether it is a block device.
 * Returns 0, or -errno with a sentence. */
int aio_target_probe(const struct engine_config *config,
                     struct engine_info *info, bool *is_block, char *reason,
                     unsigned reason_size);
/* How big the target is now, in bytes and to the last one. 0 or -errno. */
int aio_target_size(int fd, bool is_block, uint64_t *size_bytes);
/* Where the file ends, as far as this machine knows: asks no server. 0 where
 * that cannot be told. */
uint64_t aio_target_file_end(int fd);

/* As engine_extent(), of a file. */
int aio_target_extent(int fd, uint64_t offset_bytes, uint64_t *length_bytes,
                      bool *is_hole);

/* --- aio_ring.c ----------------------------------------------------------- */

/* The kernel's completion ring as it lies in our memory (struct aio_ring of
 * fs/aio.c): the kernel moves tail, whoever takes a completion moves head. */
struct aio_ring {
    unsigned id;
    unsigned slots;
    unsigned head, tail; /* atomically; both < slots */
    unsigned magic, compat_features, incompat_features, header_length;
    struct io_event events[];
};

/* The ring of context, or NULL if it does not look exactly as known. */
struct aio_ring *aio_ring_of(io_context_t context);
unsigned aio_ring_count(const struct aio_ring *ring);
bool aio_ring_take(struct aio_ring *ring, struct io_event *event);

/* --- aio_helper.c --------------------------------------------------------- */

struct aio_helper;

/* Starts the thread. It adds 1 to event_fd for each request that it has
 * finished. Both descriptors are borrowed until close. */
int aio_helper_open(int fd, bool is_block, int event_fd,
                    struct aio_helper **helper);
/* What was submitted must have been taken back. NULL is allowed. */
void aio_helper_close(struct aio_helper *helper);
/* FLUSH, DISCARD or ZERO; the result will be in aio_of(request)->error. */
void aio_helper_submit(struct aio_helper *helper,
                       struct engine_request *request);
/* How many are with the helper, finished ones included; NULL has none. */
unsigned aio_helper_count(const struct aio_helper *helper);
/* Moves the finished ones to list; returns how many. *system_calls grows by
 * what they took. */
unsigned aio_helper_take(struct aio_helper *helper, struct engine_list *list,
                         uint64_t *system_calls);

#endif
