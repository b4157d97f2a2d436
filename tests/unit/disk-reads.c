/* SPDX-License-Identifier: MIT
 * Claim: of the pages that a request names each byte that it is about is read
 * once (WRITE), or written once (READ), and no other is touched; an indirect
 * request's descriptors are copied once, as many as it has and no more, and
 * what the guest makes of them afterwards changes nothing; a page that is
 * mapped is mapped once (XSA-155, C15).
 * Source: docs/PROTOCOL.md, section 5 and 6; transfer.h.
 * Mechanism: the worker's own way from the ring and back (ringio.c,
 * transfer.c, persistent.c) over a made-up platform that keeps account of each
 * byte, and over a coherency layer that does everything at once. (The slots of
 * the ring are blkif-reads.c's.) */
#include <stdint.h>
#include <stdlib.h>

#include <xen/io/blkif.h>

#include "backend/disk/vbd.h"
#include "tests/unit/tap.h"

enum { DOMID = 3, PAGE = BLKIF_PAGE_BYTES,
       MOST = BLKIF_MAX_INDIRECT_SEGMENTS,
       DESCRIPTORS = 8, DATA = 9, GREFS = DATA + MOST };

static struct worker worker;
static struct vbd vbd;
static struct front_ring front;
static union {
    uint8_t bytes[BLKIF_MAX_RING_PAGES * PAGE];
    uint64_t align;
} shared;

/* --- the made-up platform ------------------------------------------------- */

static uint8_t memory[GREFS][PAGE]; /* the guest's, by grant */
static uint8_t reads[GREFS][PAGE], writes[GREFS][PAGE];
static unsigned maps[GREFS], nr_mapped, bad_calls;
/* Of the pages that are mapped together. */
static uint8_t window[MOST * PAGE];
static uint32_t window_grefs[MOST];

static bool is_bad(const struct platform_copy *copy)
{
    return copy->domid != DOMID || copy->gref < DESCRIPTORS ||
           copy->gref >= GREFS ||
           copy->offset_bytes + copy->length_bytes > PAGE;
}

/* The guest changes its descriptors as soon as they have been read. */
int platform_grant_copy(struct platform *platform,
                        struct platform_copy *copies, unsigned nr)
{
    (void)platform;
    for (unsigned i = 0; i < nr; i++) {
        struct platform_copy *copy = &copies[i];
        uint8_t *page = memory[copy->gref % GREFS];
        uint8_t (*counts)[PAGE] = copy->to_guest ? writes : reads;

        bad_calls += is_bad(copy);
        copy->error = is_bad(copy) ? -13 : 0;
        if (copy->error)
            continue;
        for (unsigned b = 0; b < copy->length_bytes; b++)
            counts[copy->gref][copy->offset_bytes + b]++;
        if (copy->to_guest)
            memcpy(page + copy->offset_bytes, copy->local,
                   copy->length_bytes);
        else
            memcpy(copy->local, page + copy->offset_bytes,
                   copy->length_bytes);
        if (copy->gref == DESCRIPTORS)
            memset(page, 0xff, PAGE);
    }
    return 0;
}

/* One page is mapped where it is; several are, for their one request, in the
 * window. */
int platform_grant_map(struct platform *platform, uint32_t domid,
                       const uint32_t *grefs, unsigned nr, bool writable,
                       void **pages)
{
    (void)platform;
    (void)writable;
    bad_calls += domid != DOMID || nr < 1 || nr > MOST;
    for (unsigned i = 0; i < nr; i++) {
        bad_calls += grefs[i] < DATA || grefs[i] >= GREFS;
        maps[grefs[i] % GREFS]++;
        window_grefs[i] = grefs[i] % GREFS;
        memcpy(window + i * PAGE, memory[window_grefs[i]], PAGE);
    }
    nr_mapped += nr;
    *pages = nr == 1 ? memory[window_grefs[0]] : window;
    return 0;
}

int platform_grant_unmap(struct platform *platform, void *pages, unsigned nr)
{
    (void)platform;
    for (unsigned i = 0; pages == window && i < nr; i++)
        memcpy(memory[window_grefs[i]], window + i * PAGE, PAGE);
    nr_mapped -= nr;
    return 0;
}

void platform_get_held(const struct platform *platform,
                       struct platform_held *held)
{
    (void)platform;
    *held = (struct platform_held){ .mapped_pages = nr_mapped };
}

int platform_event_notify(struct platform *platform, uint32_t port)
{
    (void)platform;
    (void)port;
    return 0;
}

/* --- the rest of the worker ----------------------------------------------- */

static uint8_t disk[MOST * PAGE];
static unsigned nr_submitted;

void coherency_submit(struct coherency_client *client,
                      struct coherency_request *request)
{
    (void)client;
    nr_submitted++;
    if (request->op == COHERENCY_READ)
        memcpy(request->data, disk, request->length_bytes);
    else
        memcpy(disk, request->data, request->length_bytes);
    request->done(request, 0);
}

bool coherency_is_fail_stopped(const struct coherency *stopped)
{
    (void)stopped;
    return false;
}

void coherency_client_set_write_through(struct coherency_client *client)
{
    (void)client;
    bad_calls++;
}

void vbd_break(struct vbd *broken, const char *how)
{
    NOTE("vbd %u is broken: %s", broken->number, how);
    bad_calls++;
}

bool vbd_is_served(const struct vbd *served)
{
    (void)served;
    return true;
}

static void open_vbd(enum blkif_abi abi, unsigned nr_pages,
                     enum message_grants grants)
{
    static const struct worker_options options = { .budget_bytes = 16 << 20 };
    struct queue *queue = &vbd.queues[0];

    worker = (struct worker){ .options = &options, .vbds = &vbd };
    worker.completed_tail = &worker.completed;
    worker.trim_timer.active = 1; /* nothing is trimmed here */
    vbd = (struct vbd){
        .worker = &worker, .domid = DOMID, .grants = grants, .nr_queues = 1,
        .limits = { .nr_sectors = sizeof disk / 512, .sector_alignment = 1,
                    .max_indirect_segments = MOST } };
    queue->vbd = &vbd;
    if (grants == MESSAGE_GRANTS_PERSISTENT)
        REQUIRE(persistent_open(NULL, DOMID, GREFS, &vbd.persistent) == 0);
    front_ring_init(&front, &shared, nr_pages, abi);
    back_ring_init(&queue->ring, &shared, nr_pages, abi);
    queue->requests = calloc(queue->ring.slots, sizeof *queue->requests);
    REQUIRE(queue->requests);
    for (uint32_t i = 0; i < queue->ring.slots; i++) {
        queue->requests[i].queue = queue;
        ring_request_free(&queue->requests[i]);
    }
}

static void close_vbd(void)
{
    persistent_close(vbd.persistent);
    free(vbd.queues[0].requests);
    pool_close(&worker.pool);
    CHECK_EQ(nr_mapped, 0);
}

/* --- requests ------------------------------------------------------------- */

static struct blkif_request_segment segments[MOST];

/* One to eight sectors in each page, and no two neighbours alike. */
static unsigned shape(unsigned nr)
{
    unsigned sectors = 0;

    for (unsigned i = 0; i < nr; i++) {
        unsigned first = i * 3 % 8, last = first + i * 5 % (8 - first);

        segments[i] = (struct blkif_request_segment){
            .gref = DATA + (i ^ 1) % MOST, .first_sect = (uint8_t)first,
            .last_sect = (uint8_t)last };
        sectors += last - first + 1;
    }
    return sectors;
}

static void forget(void)
{
    memset(reads, 0, sizeof reads);
    memset(writes, 0, sizeof writes);
    memset(maps, 0, sizeof maps);
    bad_calls = nr_submitted = 0;
}

static void put(uint8_t operation, unsigned nr, bool is_indirect)
{
    struct blkif_wire_request r = { .operation = operation, .id = 7,
                                    .nr_segments = (uint8_t)nr };

    memset(memory[DESCRIPTORS], 0xff, PAGE);
    memcpy(memory[DESCRIPTORS], segments, nr * sizeof *segments);
    for (unsigned i = 0; i < nr && !is_indirect; i++)
        r.segments[i] = (struct blkif_wire_segment){
            segments[i].gref, segments[i].first_sect, segments[i].last_sect };
    if (is_indirect) {
        r = (struct blkif_wire_request){
            .operation = BLKIF_OP_INDIRECT, .id = 7,
            .indirect_operation = operation,
            .nr_indirect_segments = (uint16_t)nr };
        for (unsigned i = 0; i < BLKIF_WIRE_INDIRECT_PAGES; i++)
            r.indirect_grefs[i] = i ? UINT32_MAX : DESCRIPTORS;
    }
    front_ring_put(&front, &r);
    front_ring_push(&front);
}

/* Where do the data's bytes that are in the guest's pages differ? */
static unsigned differences(unsigned nr)
{
    const uint8_t *data = disk;
    unsigned different = 0;

    for (unsigned i = 0; i < nr; i++) {
        size_t start = segments[i].first_sect * (size_t)512;
        size_t bytes = (segments[i].last_sect + (size_t)1) * 512 - start;

        different += memcmp(memory[segments[i].gref] + start, data,
                            bytes) != 0;
        data += bytes;
    }
    return different;
}

/* Every count is `in` inside of the segments, and 0 elsewhere. */
static unsigned wrong_counts(uint8_t (*counts)[PAGE], unsigned nr, unsigned in)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < nr; i++)
        for (unsigned sector = segments[i].first_sect;
             sector <= segments[i].last_sect; sector++)
            for (unsigned b = 0; b < 512; b++)
                counts[segments[i].gref][sector * 512 + b] ^= (uint8_t)in;
    for (unsigned gref = DATA; gref < GREFS; gref++)
        for (unsigned b = 0; b < PAGE; b++)
            wrong += counts[gref][b] != 0;
    return wrong;
}

static void check_descriptors(unsigned nr, bool is_indirect)
{
    size_t bytes = is_indirect ? nr * sizeof *segments : 0;
    unsigned wrong = 0;

    for (unsigned b = 0; b < PAGE; b++)
        wrong += reads[DESCRIPTORS][b] != (b < bytes) ||
                 writes[DESCRIPTORS][b] != 0;
    CHECK_EQ(wrong, 0);
}

/* is_kept: they have been mapped by a request before this one. */
static void check_maps(unsigned nr, bool is_kept)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < nr; i++)
        maps[segments[i].gref] -=
            vbd.grants != MESSAGE_GRANTS_COPY && !is_kept;
    for (unsigned gref = 0; gref < GREFS; gref++)
        wrong += maps[gref] != 0;
    CHECK_EQ(wrong, 0);
}

static void move(uint8_t operation, unsigned nr, bool is_indirect,
                 bool is_kept)
{
    bool is_read = operation == BLKIF_OP_READ;
    unsigned copied = vbd.grants == MESSAGE_GRANTS_COPY;
    struct blkif_wire_response response = { .status = 99 };

    forget();
    for (unsigned i = 0; i < sizeof disk; i++)
        disk[i] = (uint8_t)(i * 7 + i / 512 + nr + is_read);
    put(operation, nr, is_indirect);
    CHECK_EQ(vbd_take(&vbd), 1);
    worker_answer(&worker);
    CHECK_EQ(front_ring_take(&front, &response, 1), 1);
    CHECK(response.status == BLKIF_RSP_OKAY &&
          response.operation == operation);
    CHECK_EQ(nr_submitted, 1);
    CHECK_EQ(bad_calls, 0);
    CHECK_EQ(differences(nr), 0);
    check_descriptors(nr, is_indirect);
    CHECK_EQ(wrong_counts(reads, nr, !is_read && copied), 0);
    CHECK_EQ(wrong_counts(writes, nr, is_read && copied), 0);
    check_maps(nr, is_kept);
    CHECK_EQ(worker.budget_used, 0);
    CHECK_EQ(worker.pool.used_bytes, 0);
}

static void check_vbd(enum blkif_abi abi, unsigned nr_pages,
                      enum message_grants grants)
{
    static const struct { unsigned nr; bool is_indirect; } rows[] = {
        { 1, false }, { 2, false }, { 11, false }, { 1, true }, { 2, true },
        { 12, true }, { MOST - 1, true }, { MOST, true },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        open_vbd(abi, nr_pages, grants);
        shape(rows[i].nr);
        move(BLKIF_OP_WRITE, rows[i].nr, rows[i].is_indirect, false);
        move(BLKIF_OP_READ, rows[i].nr, rows[i].is_indirect,
             grants == MESSAGE_GRANTS_PERSISTENT);
        close_vbd();
    }
}

static void check_all(enum message_grants grants)
{
    for (unsigned abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        check_vbd((enum blkif_abi)abi, 1, grants);
        check_vbd((enum blkif_abi)abi, BLKIF_MAX_RING_PAGES, grants);
    }
}

static void check_copied(void)
{
    check_all(MESSAGE_GRANTS_COPY);
}

static void check_mapped(void)
{
    check_all(MESSAGE_GRANTS_MAP);
}

static void check_kept(void)
{
    check_all(MESSAGE_GRANTS_PERSISTENT);
}

int main(void)
{
    TEST("grants that are copied: each byte once, descriptors once (XSA-155)",
         check_copied);
    TEST("grants that are mapped: each page once, descriptors copied once",
         check_mapped);
    TEST("grants that stay mapped: each page once, descriptors copied once",
         check_kept);
    return tap_done();
}
