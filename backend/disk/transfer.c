/* SPDX-License-Identifier: MIT
 * The three ways to a guest's pages: copied by the hypervisor, in batches;
 * mapped for one request; kept mapped. */
#include "backend/disk/transfer.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "backend/disk/vbd.h"

/* Bounds the memory of a batch; one that is full is run. Enough for what one
 * ring's turn takes without indirect segments (TAKE_BATCH). */
enum { COPY_BATCH = 512 };

/* One for the process: too large for the stack, and the loop is one thread. */
static struct {
    struct platform_copy copies[COPY_BATCH];
    struct ring_request *owners[COPY_BATCH];
    unsigned nr;
    uint64_t number; /* of the batch, from 1 */
} batch = { .number = 1 };

/* The guest may call it what it likes: to the guest it failed. */
static void fail(struct ring_request *r, uint32_t gref, const char *what,
                 int error)
{
    struct vbd *vbd = r->queue->vbd;

    if (r->error)
        return;
    r->error = -EIO;
    log_limited(&vbd->worker->guest_log, LOG_LEVEL_WARNING,
                "domain %u: grant %u of a request cannot be %s: %s",
                vbd->domid, gref, what, strerror(-error));
}

/* --- copied --------------------------------------------------------------- */

static void run_copies(struct worker *worker)
{
    int error = platform_grant_copy(worker->platform, batch.copies, batch.nr);

    for (unsigned i = 0; i < batch.nr; i++) {
        int here = error ? error : batch.copies[i].error;

        if (here)
            fail(batch.owners[i], batch.copies[i].gref, "copied", here);
    }
    batch.nr = 0;
}

static void add_copy(struct ring_request *r, const struct platform_copy *copy)
{
    if (batch.nr == COPY_BATCH)
        run_copies(r->queue->vbd->worker);
    batch.owners[batch.nr] = r;
    batch.copies[batch.nr] = *copy;
    batch.copies[batch.nr++].domid = r->queue->vbd->domid;
}

static uint16_t segment_offset(const struct blkif_wire_segment *s)
{
    return (uint16_t)(s->first_sector * BLKIF_SECTOR_BYTES);
}

static uint16_t segment_bytes(const struct blkif_wire_segment *s)
{
    return (uint16_t)((s->last_sector - s->first_sector + 1) *
                      BLKIF_SECTOR_BYTES);
}

static void copy_segment(struct ring_request *r,
                         const struct blkif_wire_segment *s, char *data,
                         bool to_guest)
{
    add_copy(r, &(struct platform_copy){
        .gref = s->gref,
        .offset_bytes = segment_offset(s),
        .length_bytes = segment_bytes(s),
        .local = data,
        .to_guest = to_guest,
    });
}

/* --- mapped --------------------------------------------------------------- */

static void move_segment(char *page, const struct blkif_wire_segment *s,
                         char *data, bool to_guest)
{
    char *theirs = page + segment_offset(s);

    if (to_guest)
        memcpy(theirs, data, segment_bytes(s));
    else
        memcpy(data, theirs, segment_bytes(s));
}

static void map_all(struct ring_request *r, bool to_guest)
{
    static uint32_t grefs[BLKIF_MAX_INDIRECT_SEGMENTS];
    const struct blkif_wire_segment *segments = ring_request_segments(r);
    struct platform *platform = r->queue->vbd->worker->platform;
    uint32_t nr = r->io.nr_segments;
    char *data = r->data;
    void *pages;
    int error;

    if (nr == 0)
        return;
    for (uint32_t i = 0; i < nr; i++)
        grefs[i] = segments[i].gref;
    error = platform_grant_map(platform, r->queue->vbd->domid, grefs, nr,
                               to_guest, &pages);
    if (error) {
        fail(r, grefs[0], "mapped, with those that follow it", error);
        return;
    }
    for (uint32_t i = 0; i < nr; i++) {
        move_segment((char *)pages + (size_t)i * BLKIF_PAGE_BYTES,
                     &segments[i], data, to_guest);
        data += segment_bytes(&segments[i]);
    }
    platform_grant_unmap(platform, pages, nr);
}

/* --- all ------------------------------------------------------------------ */

void transfer_add_descriptors(struct ring_request *r)
{
    /* They are copied as they are. */
    _Static_assert(sizeof(struct blkif_wire_segment) == 8 &&
                   offsetof(struct blkif_wire_segment, first_sector) == 4 &&
                   offsetof(struct blkif_wire_segment, last_sector) == 5,
                   "blkif.h, struct blkif_request_segment");

    add_copy(r, &(struct platform_copy){
        .gref = r->io.indirect_gref,
        .length_bytes = (uint16_t)(r->io.nr_segments * sizeof *r->indirect),
        .local = r->indirect,
    });
}

void transfer_add_data(struct ring_request *r, bool to_guest)
{
    const struct blkif_wire_segment *segments = ring_request_segments(r);
    struct vbd *vbd = r->queue->vbd;
    char *data = r->data;

    if (r->error)
        return;
    if (vbd->grants == MESSAGE_GRANTS_MAP) {
        map_all(r, to_guest);
        return;
    }
    for (uint32_t i = 0; i < r->io.nr_segments; i++) {
        const struct blkif_wire_segment *s = &segments[i];
        char *page = vbd->persistent
                         ? persistent_page(vbd->persistent, s->gref,
                                           batch.number)
                         : NULL;

        if (page)
            move_segment(page, s, data, to_guest);
        else
            copy_segment(r, s, data, to_guest);
        data += segment_bytes(s);
    }
}

void transfer_run(struct worker *worker)
{
    run_copies(worker);
    batch.number++;
}
