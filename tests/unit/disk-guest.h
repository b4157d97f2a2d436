/* SPDX-License-Identifier: MIT
 * The guest that a test of the worker plays: its memory, its rings, its
 * requests. It may be as hostile as it likes. */
#ifndef VBDD_TESTS_DISK_GUEST_H
#define VBDD_TESTS_DISK_GUEST_H

#include <poll.h>
#include <stdint.h>
#include <unistd.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "common/blkif/validate.h"
#include "common/host/log.h"
#include "common/local/local.h"
#include "tests/unit/tap.h"

/* Its frames: the grant table, the rings of all queues, data; and at the end
 * what an indirect request keeps its descriptors in. */
enum {
    RIG_FRAMES = 1024,
    RIG_RING_FRAME = LOCAL_GRANT_FRAMES,
    RIG_DATA_FRAME = RIG_RING_FRAME + BLKIF_MAX_QUEUES * BLKIF_MAX_RING_PAGES,
    RIG_DESCRIPTOR_FRAME = RIG_FRAMES - 64,
};

struct rig_queue {
    struct front_ring ring;
    uint32_t port, nr_pages;
    uint32_t grefs[BLKIF_MAX_RING_PAGES];
};

/* One guest with one vbd. */
struct rig_guest {
    struct local *local;
    char *memory;
    enum blkif_abi abi;
    unsigned nr_queues;
    struct rig_queue queues[BLKIF_MAX_QUEUES];
};

static inline char *rig_frame(struct rig_guest *guest, unsigned frame)
{
    return guest->memory + (size_t)frame * LOCAL_PAGE_BYTES;
}

/* --- rings ---------------------------------------------------------------- */

static inline void rig_make_ring(struct rig_guest *guest, unsigned n,
                                 unsigned nr_pages)
{
    struct rig_queue *queue = &guest->queues[n];
    unsigned frame = RIG_RING_FRAME + n * BLKIF_MAX_RING_PAGES;
    int port = local_event_alloc_unbound(guest->local, 0);

    REQUIRE(port > 0);
    *queue = (struct rig_queue){ .port = (uint32_t)port,
                                 .nr_pages = nr_pages };
    for (unsigned i = 0; i < nr_pages; i++) {
        int32_t gref = local_grant_access(guest->local, 0, frame + i, false);
        REQUIRE(gref > 0);
        queue->grefs[i] = (uint32_t)gref;
    }
    memset(rig_frame(guest, frame), 0, nr_pages * LOCAL_PAGE_BYTES);
    front_ring_init(&queue->ring, rig_frame(guest, frame), nr_pages,
                    guest->abi);
}

static inline void rig_make_rings(struct rig_guest *guest, unsigned nr_queues,
                                  unsigned nr_pages)
{
    guest->nr_queues = nr_queues;
    for (unsigned n = 0; n < nr_queues; n++)
        rig_make_ring(guest, n, nr_pages);
}

/* 0 when nobody has any page of them mapped. */
static inline int rig_end_rings(struct rig_guest *guest)
{
    int error = 0;

    for (unsigned n = 0; n < guest->nr_queues; n++) {
        struct rig_queue *queue = &guest->queues[n];

        local_event_close(guest->local, queue->port);
        for (unsigned i = 0; i < queue->nr_pages; i++) {
            int here = local_grant_end(guest->local, queue->grefs[i]);
            error = error ? error : here;
        }
    }
    return error;
}

static inline void rig_push_on(struct rig_guest *guest, unsigned n)
{
    if (front_ring_push(&guest->queues[n].ring))
        local_event_notify(guest->local, guest->queues[n].port);
}

static inline void rig_push(struct rig_guest *guest)
{
    rig_push_on(guest, 0);
}

/* Waits for nr responses, at most about `seconds`; returns how many came. */
static inline unsigned rig_wait_on(struct rig_guest *guest, unsigned n,
                                   struct blkif_wire_response *responses,
                                   unsigned nr, unsigned seconds)
{
    struct front_ring *ring = &guest->queues[n].ring;
    uint64_t end = host_now_us() + seconds * 1000000ull;
    unsigned got = 0;

    while (got < nr && host_now_us() < end) {
        struct pollfd wait = { .fd = local_event_fd(guest->local),
                               .events = POLLIN };
        uint32_t ports[4];
        int here = front_ring_take(ring, responses + got, nr - got);

        if (here < 0)
            return 0;
        got += (unsigned)here;
        if (got < nr && !front_ring_final_check(ring)) {
            poll(&wait, 1, 200);
            local_event_take(guest->local, ports, 4);
        }
    }
    return got;
}

static inline unsigned rig_wait(struct rig_guest *guest,
                                struct blkif_wire_response *responses,
                                unsigned nr, unsigned seconds)
{
    return rig_wait_on(guest, 0, responses, nr, seconds);
}

/* One request and its answer's status; 99 when there was none. */
static inline int rig_do_on(struct rig_guest *guest, unsigned n,
                            struct blkif_wire_request request)
{
    struct blkif_wire_response response = { .status = 99 };

    front_ring_put(&guest->queues[n].ring, &request);
    rig_push_on(guest, n);
    if (rig_wait_on(guest, n, &response, 1, 10) != 1)
        return 99;
    CHECK_EQ(response.id, request.id);
    CHECK_EQ(response.operation, blkif_response_operation(&request));
    return response.status;
}

static inline int rig_do(struct rig_guest *guest,
                         struct blkif_wire_request request)
{
    return rig_do_on(guest, 0, request);
}

/* --- requests ------------------------------------------------------------- */

/* A request for whole pages: segment i is frame + i, granted as said. */
static inline struct blkif_wire_request
rig_request_at(struct rig_guest *guest, uint8_t operation, uint64_t sector,
               unsigned frame, unsigned pages, bool read_only)
{
    struct blkif_wire_request request = {
        .operation = operation, .nr_segments = (uint8_t)pages,
        .sector = sector, .id = 0x1234567890abcdef ^ sector };

    for (unsigned i = 0; i < pages; i++) {
        int32_t gref = local_grant_access(guest->local, 0, frame + i,
                                          read_only);
        REQUIRE(gref > 0);
        request.segments[i] = (struct blkif_wire_segment){
            .gref = (uint32_t)gref, .last_sector = 7 };
    }
    return request;
}

/* The same with the first of the data frames. */
static inline struct blkif_wire_request
rig_request(struct rig_guest *guest, uint8_t operation, uint64_t sector,
            unsigned pages, bool read_only)
{
    return rig_request_at(guest, operation, sector, RIG_DATA_FRAME, pages,
                          read_only);
}

static inline void rig_end_grants(struct rig_guest *guest,
                                  const struct blkif_wire_request *request)
{
    for (unsigned i = 0; i < request->nr_segments; i++)
        CHECK_EQ(local_grant_end(guest->local, request->segments[i].gref), 0);
}

/* An indirect request of nr segments, of which the test sees to the sectors;
 * segment i lies in frame + i, the descriptors in descriptor_frame. */
static inline struct blkif_wire_request
rig_indirect_at(struct rig_guest *guest, uint8_t operation, uint64_t sector,
                unsigned descriptor_frame, unsigned frame, unsigned nr,
                bool read_only)
{
    struct blkif_request_segment *descriptors =
        (void *)rig_frame(guest, descriptor_frame);
    int32_t gref = local_grant_access(guest->local, 0, descriptor_frame, true);
    struct blkif_wire_request request = {
        .operation = BLKIF_OP_INDIRECT, .indirect_operation = operation,
        .nr_indirect_segments = (uint16_t)nr, .sector = sector,
        .id = 0xabcdef9876543210 ^ sector,
        .indirect_grefs = { (uint32_t)gref } };

    REQUIRE(gref > 0);
    for (unsigned i = 0; i < nr; i++) {
        gref = local_grant_access(guest->local, 0, frame + i, read_only);
        REQUIRE(gref > 0);
        descriptors[i] = (struct blkif_request_segment){
            .gref = (uint32_t)gref, .last_sect = 7 };
    }
    return request;
}

static inline struct blkif_request_segment *
rig_descriptors(struct rig_guest *guest)
{
    return (void *)rig_frame(guest, RIG_DESCRIPTOR_FRAME);
}

static inline struct blkif_wire_request
rig_indirect(struct rig_guest *guest, uint8_t operation, uint64_t sector,
             unsigned nr, bool read_only)
{
    return rig_indirect_at(guest, operation, sector, RIG_DESCRIPTOR_FRAME,
                           RIG_DATA_FRAME, nr, read_only);
}

/* nr: of the descriptors, as they were made. */
static inline void rig_end_indirect(struct rig_guest *guest,
                                    const struct blkif_wire_request *request,
                                    unsigned descriptor_frame, unsigned nr)
{
    const struct blkif_request_segment *descriptors =
        (void *)rig_frame(guest, descriptor_frame);

    for (unsigned i = 0; i < nr; i++)
        CHECK_EQ(local_grant_end(guest->local, descriptors[i].gref), 0);
    CHECK_EQ(local_grant_end(guest->local, request->indirect_grefs[0]), 0);
}

/* --- data ----------------------------------------------------------------- */

static inline char rig_stamp_at(unsigned at, unsigned seed)
{
    return (char)(seed * 31 + at / 512 + at * 7);
}

static inline void rig_stamp(struct rig_guest *guest, unsigned pages,
                             unsigned seed)
{
    for (unsigned i = 0; i < pages * LOCAL_PAGE_BYTES; i++)
        rig_frame(guest, RIG_DATA_FRAME)[i] = rig_stamp_at(i, seed);
}

static inline unsigned rig_differences(struct rig_guest *guest, unsigned pages,
                                       unsigned seed)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < pages * LOCAL_PAGE_BYTES; i++)
        wrong += rig_frame(guest, RIG_DATA_FRAME)[i] != rig_stamp_at(i, seed);
    return wrong;
}

/* How often text stands in the file (the log engine's). */
static inline unsigned rig_occurrences(const char *path, const char *text)
{
    char line[256];
    unsigned n = 0;
    FILE *file = fopen(path, "r");

    while (file && fgets(line, sizeof line, file))
        n += strstr(line, text) != NULL;
    if (file)
        fclose(file);
    return n;
}

#endif
