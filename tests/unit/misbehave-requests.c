/* SPDX-License-Identifier: MIT
 * Claim: whatever is wrong with a request, with the pages of an indirect one or
 * with its grants costs that request, as docs/PROTOCOL.md says, and nothing
 * else: not the vbd, not its neighbours, not the data outside of it.
 * Source: docs/PROTOCOL.md section 8; XSA-142, XSA-155, XSA-180, XSA-266,
 * XSA-361, XSA-362, XSA-365, XSA-371. Mechanism: misbehave-rows.h. */
#include "tests/unit/misbehave-rows.h"

enum { NO_GRANT = LOCAL_MAX_GRANTS - 1, TIMES = 1000 };

/* What is wrong with one grant. */
enum wrong { NOTHING, GREF_0, GREF_HIGHEST, NOT_GRANTED, FOREIGN, REVOKED,
             ONLY_READABLE, NO_FRAME, THE_RING };

/* A request that is in order but for what is said here. */
struct ask {
    enum device device;
    uint8_t operation, inside; /* the latter of an indirect one */
    unsigned pages, claims;    /* segments; how many are claimed, unless 0 */
    unsigned first, end;       /* sectors of the last segment, unless 0 */
    uint64_t sector, nr_sectors;
    enum wrong segment;        /* the last segment's grant */
    enum wrong descriptors;    /* the indirect page's */
    bool is_secure;
};

/* --- one request ---------------------------------------------------------- */

/* Puts the wrong for the right; what has been granted for that, or 0. */
static uint32_t make_wrong(uint32_t *gref, enum wrong wrong, unsigned frame)
{
    struct local *local = offender.guest.local;
    int32_t granted = 0;

    switch (wrong) {
    case NOTHING:
    case REVOKED:
        return 0;
    case GREF_0:
        *gref = 0;
        return 0;
    case GREF_HIGHEST:
        *gref = UINT32_MAX;
        return 0;
    case NOT_GRANTED:
        *gref = NO_GRANT;
        return 0;
    case THE_RING:
        *gref = offender.guest.queues[0].grefs[0];
        return 0;
    case FOREIGN: /* granted, but to somebody else */
        granted = local_grant_access(local, NEIGHBOUR, frame, false);
        break;
    case ONLY_READABLE:
        granted = local_grant_access(local, 0, frame, true);
        break;
    case NO_FRAME:
        granted = local_grant_access(local, 0, RIG_FRAMES + 5, false);
        break;
    }
    REQUIRE(granted > 0);
    *gref = (uint32_t)granted;
    return *gref;
}

/* Does the request with one of its grants made wrong; all is taken back. */
static int do_wrongly(struct blkif_wire_request *r, uint32_t *gref,
                      enum wrong wrong, unsigned frame)
{
    uint32_t right = *gref, granted = make_wrong(gref, wrong, frame);
    int status;

    if (wrong == REVOKED)
        CHECK_EQ(local_grant_end(offender.guest.local, right), 0);
    status = rig_do(&offender.guest, *r);
    if (wrong != REVOKED)
        CHECK_EQ(local_grant_end(offender.guest.local, right), 0);
    if (granted)
        CHECK_EQ(local_grant_end(offender.guest.local, granted), 0);
    return status;
}

static uint64_t sector_of(const struct ask *ask)
{
    return ask->sector ? ask->sector : ROW_SECTOR;
}

static int do_direct(const struct ask *ask)
{
    struct blkif_wire_request r = rig_request(&offender.guest, ask->operation,
                                              sector_of(ask), ask->pages,
                                              false);
    unsigned last = ask->pages - 1;
    int status;

    if (ask->claims)
        r.nr_segments = (uint8_t)ask->claims;
    if (ask->pages == 0)
        return rig_do(&offender.guest, r);
    if (ask->end) {
        r.segments[last].first_sector = (uint8_t)ask->first;
        r.segments[last].last_sector = (uint8_t)(ask->end - 1);
    }
    status = do_wrongly(&r, &r.segments[last].gref, ask->segment,
                        RIG_DATA_FRAME + last);
    r.nr_segments = (uint8_t)last;
    rig_end_grants(&offender.guest, &r);
    return status;
}

static int do_indirect(const struct ask *ask)
{
    struct blkif_request_segment *segments = rig_descriptors(&offender.guest);
    struct blkif_wire_request r = rig_indirect(&offender.guest, ask->inside,
                                               sector_of(ask), 16, false);
    uint32_t right = segments[15].gref, granted;
    int status;

    r.nr_indirect_segments = (uint16_t)ask->claims;
    if (ask->end) {
        segments[15].first_sect = (uint8_t)ask->first;
        segments[15].last_sect = (uint8_t)(ask->end - 1);
    }
    granted = make_wrong(&segments[15].gref, ask->segment,
                         RIG_DATA_FRAME + 15);
    status = do_wrongly(&r, &r.indirect_grefs[0], ask->descriptors,
                        RIG_DESCRIPTOR_FRAME);
    if (granted)
        CHECK_EQ(local_grant_end(offender.guest.local, granted), 0);
    segments[15].gref = right;
    for (unsigned i = 0; i < 16; i++)
        CHECK_EQ(local_grant_end(offender.guest.local, segments[i].gref), 0);
    return status;
}

static int do_discard(const struct ask *ask)
{
    return rig_do(&offender.guest, (struct blkif_wire_request){
        .operation = BLKIF_OP_DISCARD, .id = 77,
        .nr_segments = ask->is_secure ? BLKIF_DISCARD_SECURE : 0,
        .sector = sector_of(ask), .nr_sectors = ask->nr_sectors });
}

static enum outcome one(const void *with)
{
    const struct ask *ask = with;
    int status;

    offender_join(ask->device, (struct wish){ 0 });
    if (ask->operation == BLKIF_OP_DISCARD)
        status = do_discard(ask);
    else if (ask->operation == BLKIF_OP_INDIRECT)
        status = do_indirect(ask);
    else
        status = do_direct(ask);
    CHECK(data_is_untouched());
    offender.has_written = status == BLKIF_RSP_OKAY;
    return outcome_of(status);
}

/* --- pages that are two things -------------------------------------------- */

/* A READ into the page that its descriptors are in. */
static enum outcome read_over_descriptors(const void *with)
{
    struct blkif_request_segment *segments = rig_descriptors(&offender.guest);
    struct blkif_wire_request r;
    unsigned wrong = 0;
    uint32_t grefs[2];
    int status;

    (void)with;
    offender_join(PLAIN, (struct wish){ 0 });
    r = rig_indirect(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 2, false);
    grefs[1] = segments[1].gref;
    CHECK_EQ(local_grant_end(offender.guest.local, segments[0].gref), 0);
    grefs[0] = (uint32_t)local_grant_access(offender.guest.local, 0,
                                            RIG_DESCRIPTOR_FRAME, false);
    segments[0].gref = grefs[0];
    status = rig_do(&offender.guest, r);
    for (unsigned i = 0; i < LOCAL_PAGE_BYTES; i++) {
        wrong += rig_frame(&offender.guest, RIG_DESCRIPTOR_FRAME)[i] !=
                 rig_stamp_at(i, 1);
        wrong += rig_frame(&offender.guest, RIG_DATA_FRAME + 1)[i] !=
                 rig_stamp_at(LOCAL_PAGE_BYTES + i, 1);
    }
    CHECK_EQ(wrong, 0);
    for (unsigned i = 0; i < 2; i++)
        CHECK_EQ(local_grant_end(offender.guest.local, grefs[i]), 0);
    CHECK_EQ(local_grant_end(offender.guest.local, r.indirect_grefs[0]), 0);
    return outcome_of(status);
}

static enum outcome share_descriptors(const void *with)
{
    struct blkif_wire_response responses[2];
    struct blkif_wire_request r;

    (void)with;
    offender_join(PLAIN, (struct wish){ 0 });
    r = rig_indirect(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 20, false);
    for (r.id = 1; r.id <= 2; r.id++)
        front_ring_put(&offender.guest.queues[0].ring, &r);
    rig_push(&offender.guest);
    CHECK_EQ(rig_wait(&offender.guest, responses, 2, 10), 2);
    CHECK_EQ(responses[0].status, responses[1].status);
    CHECK_EQ(responses[0].id + responses[1].id, 3);
    CHECK_EQ(rig_differences(&offender.guest, 20, 1), 0);
    rig_end_indirect(&offender.guest, &r, RIG_DESCRIPTOR_FRAME, 20);
    return outcome_of(responses[0].status);
}

/* The later segment is what stays in the page. */
static enum outcome read_one_page_twice(const void *with)
{
    const char *page = rig_frame(&offender.guest, RIG_DATA_FRAME);
    struct blkif_wire_request r;
    unsigned wrong = 0;
    int status;

    (void)with;
    offender_join(PLAIN, (struct wish){ 0 });
    r = rig_request(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 1, false);
    r.nr_segments = 2;
    r.segments[1] = r.segments[0];
    status = rig_do(&offender.guest, r);
    for (unsigned i = 0; i < LOCAL_PAGE_BYTES; i++)
        wrong += page[i] != rig_stamp_at(LOCAL_PAGE_BYTES + i, 1);
    CHECK_EQ(wrong, 0);
    r.nr_segments = 1;
    rig_end_grants(&offender.guest, &r);
    return outcome_of(status);
}

/* --- pages that are kept mapped ------------------------------------------- */

/* It cannot be taken back, so its entry is made to name another page. */
static enum outcome regrant_kept_page(const void *with)
{
    struct grant_entry_v1 *table = (void *)rig_frame(&offender.guest, 0);
    struct blkif_wire_request r;
    uint32_t gref;
    int status;

    (void)with;
    offender_join(PLAIN, (struct wish){ .is_persistent = true });
    r = rig_request(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 1, false);
    gref = r.segments[0].gref;
    CHECK_EQ(rig_do(&offender.guest, r), BLKIF_RSP_OKAY);
    CHECK_EQ(local_grant_end(offender.guest.local, gref), -EBUSY);
    table[gref].frame = RIG_DATA_FRAME + 1;
    fill_data();
    status = rig_do(&offender.guest, r);
    CHECK_EQ(rig_differences(&offender.guest, 1, 1), 0);
    CHECK_EQ(rig_frame(&offender.guest, RIG_DATA_FRAME + 1)[0], 0x5a);
    table[gref].frame = RIG_DATA_FRAME;
    rig_front(offender.device, "6");
    CHECK(rig_back_is(offender.device, "6"));
    rig_end_grants(&offender.guest, &r);
    return outcome_of(status);
}

/* What cannot be kept is no better for that. */
static enum outcome use_kept_wrongly(const void *with)
{
    const enum wrong *wrong = with;
    struct blkif_wire_request r;
    int status;

    offender_join(PLAIN, (struct wish){ .is_persistent = true });
    r = rig_request(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 1, false);
    status = do_wrongly(&r, &r.segments[0].gref, *wrong, RIG_DATA_FRAME);
    CHECK(data_is_untouched());
    return outcome_of(status);
}

/* --- ids and numbers ------------------------------------------------------ */

static enum outcome use_ids(const void *with)
{
    const uint64_t *ids = with;
    struct blkif_wire_response responses[2];
    struct blkif_wire_request r;

    offender_join(PLAIN, (struct wish){ 0 });
    r = rig_request(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 1, false);
    for (unsigned i = 0; i < 2; i++) {
        r.id = ids[i];
        front_ring_put(&offender.guest.queues[0].ring, &r);
    }
    rig_push(&offender.guest);
    CHECK_EQ(rig_wait(&offender.guest, responses, 2, 10), 2);
    CHECK((responses[0].id == ids[0] && responses[1].id == ids[1]) ||
          (responses[0].id == ids[1] && responses[1].id == ids[0]));
    CHECK_EQ(responses[0].status, responses[1].status);
    rig_end_grants(&offender.guest, &r);
    return outcome_of(responses[0].status);
}

/* Each is answered; the log has no more than ten lines about it. */
static enum outcome flood_log(const void *with)
{
    struct blkif_wire_request r;
    enum outcome outcome = NO_OUTCOME;

    (void)with;
    offender_join(PLAIN, (struct wish){ 0 });
    r = rig_request(&offender.guest, BLKIF_OP_READ, DISK_SECTORS, 1, false);
    for (unsigned i = 0; i < TIMES; i++) {
        r.id = i;
        outcome = outcome_of(rig_do(&offender.guest, r));
        if (!CHECK_EQ(outcome, ERROR))
            break;
    }
    rig_end_grants(&offender.guest, &r);
    CHECK(rig_count_text(rig_path("vbdd.log"), "request refused") <=
          3 * LOG_LIMIT_BURST); /* of two workers; a minute may end */
    return outcome;
}

/* -------------------------------------------------------------------------- */

#define ASK(...) one, &(const struct ask){ __VA_ARGS__ }
#define R .operation = BLKIF_OP_READ
#define W .operation = BLKIF_OP_WRITE
#define B .operation = BLKIF_OP_WRITE_BARRIER
#define F .operation = BLKIF_OP_FLUSH_DISKCACHE
#define D .operation = BLKIF_OP_DISCARD
/* Of 16 segments, as many as a request has not got itself. */
#define INDIRECT(op, nr)                                                     \
    .operation = BLKIF_OP_INDIRECT, .inside = (op), .claims = (nr)
#define IR INDIRECT(BLKIF_OP_READ, 16)
#define IW INDIRECT(BLKIF_OP_WRITE, 16)

static const struct row rows[] = {
    { 1, "READ of no segments", ERROR, NULL, ASK(R) },
    { 2, "READ of 12 segments", ERROR, NULL,
      ASK(R, .pages = 11, .claims = 12) },
    { 3, "READ of 255 segments", ERROR, NULL,
      ASK(R, .pages = 11, .claims = 255) },
    { 4, "WRITE of no segments", ERROR, NULL, ASK(W) },
    { 5, "WRITE of 12 segments", ERROR, NULL,
      ASK(W, .pages = 11, .claims = 12) },
    { 6, "BARRIER of 12 segments", ERROR, NULL,
      ASK(B, .pages = 11, .claims = 12) },
    { 7, "FLUSH of 12 segments", ERROR, NULL,
      ASK(F, .pages = 11, .claims = 12) },
    { 8, "READ of a segment that ends before it begins", ERROR, NULL,
      ASK(R, .pages = 3, .first = 5, .end = 5) },
    { 9, "WRITE of a segment past its page", ERROR, NULL,
      ASK(W, .pages = 3, .end = 9) },
    { 10, "READ of a segment up to sector 255", ERROR, NULL,
      ASK(R, .pages = 3, .end = 256) },
    { 11, "WRITE past the disk's end", ERROR, NULL,
      ASK(W, .pages = 2, .sector = DISK_SECTORS - 15) },
    { 12, "READ from the disk's end on", ERROR, NULL,
      ASK(R, .pages = 1, .sector = DISK_SECTORS) },
    { 13, "READ that wraps at 2^64", ERROR, NULL,
      ASK(R, .pages = 1, .sector = UINT64_MAX - 3) },
    { 14, "BARRIER past the disk's end", ERROR, NULL,
      ASK(B, .pages = 1, .sector = DISK_SECTORS - 7) },
    { 15, "FLUSH with data past the disk's end", ERROR, NULL,
      ASK(F, .pages = 1, .sector = UINT64_MAX - 7) },
    { 16, "READ from within a sector of 4096", ERROR, NULL,
      ASK(R, .device = SECTORS_4K, .pages = 1, .sector = ROW_SECTOR + 1) },
    { 17, "WRITE of a part of a sector of 4096", ERROR, NULL,
      ASK(W, .device = SECTORS_4K, .pages = 2, .first = 1, .end = 8) },
    { 18, "DISCARD of a part of a sector of 4096", ERROR, NULL,
      ASK(D, .device = SECTORS_4K, .nr_sectors = 7) },
    { 19, "WRITE to a read-only disk (XSA-142)", ERROR, NULL,
      ASK(W, .device = READ_ONLY, .pages = 1) },
    { 20, "BARRIER with data to a read-only disk (XSA-142)", ERROR, NULL,
      ASK(B, .device = READ_ONLY, .pages = 1) },
    { 21, "FLUSH with data to a read-only disk (XSA-266)", ERROR, NULL,
      ASK(F, .device = READ_ONLY, .pages = 1) },
    { 22, "indirect WRITE to a read-only disk (XSA-266)", ERROR, NULL,
      ASK(IW, .device = READ_ONLY) },
    { 23, "DISCARD of a read-only disk (XSA-266)", UNSUPPORTED, NULL,
      ASK(D, .device = READ_ONLY, .nr_sectors = 8) },
    { 24, "operation 4", UNSUPPORTED, NULL, ASK(.operation = 4, .pages = 1) },
    { 25, "operation 7", UNSUPPORTED, NULL, ASK(.operation = 7, .pages = 1) },
    { 26, "operation 255", UNSUPPORTED, NULL,
      ASK(.operation = 255, .pages = 1) },
    { 27, "DISCARD that was not advertised", UNSUPPORTED, NULL,
      ASK(D, .device = BARE, .nr_sectors = 8) },
    { 28, "INDIRECT that was not advertised", UNSUPPORTED, NULL,
      ASK(IR, .device = BARE) },
    { 29, "DISCARD of no sectors", ERROR, NULL, ASK(D) },
    { 30, "DISCARD past the disk's end", ERROR, NULL,
      ASK(D, .sector = DISK_SECTORS - 8, .nr_sectors = 9) },
    { 31, "DISCARD of 2^64 - 1 sectors", ERROR, NULL,
      ASK(D, .nr_sectors = UINT64_MAX) },
    { 32, "secure DISCARD that was not offered", OKAY, NULL,
      ASK(D, .device = ON_FILE, .nr_sectors = 8, .is_secure = true) },

    { 33, "INDIRECT of no segments", ERROR, NULL,
      ASK(INDIRECT(BLKIF_OP_READ, 0)) },
    { 34, "INDIRECT of 257 segments", ERROR, NULL,
      ASK(INDIRECT(BLKIF_OP_WRITE, 257)) },
    { 35, "INDIRECT of 65535 segments", ERROR, NULL,
      ASK(INDIRECT(BLKIF_OP_READ, 65535)) },
    { 36, "INDIRECT for INDIRECT", ERROR, NULL,
      ASK(INDIRECT(BLKIF_OP_INDIRECT, 16)) },
    { 37, "INDIRECT for FLUSH", ERROR, NULL,
      ASK(INDIRECT(BLKIF_OP_FLUSH_DISKCACHE, 16)) },
    { 38, "INDIRECT for BARRIER", ERROR, NULL,
      ASK(INDIRECT(BLKIF_OP_WRITE_BARRIER, 16)) },
    { 39, "INDIRECT for DISCARD", ERROR, NULL,
      ASK(INDIRECT(BLKIF_OP_DISCARD, 16)) },
    { 40, "INDIRECT for operation 77", ERROR, NULL, ASK(INDIRECT(77, 16)) },
    { 41, "descriptor that ends before it begins", ERROR, NULL,
      ASK(IR, .first = 3, .end = 3) },
    { 42, "descriptor past its page", ERROR, NULL, ASK(IW, .end = 9) },
    { 43, "descriptor of a page that is not granted", ERROR, NULL,
      ASK(IW, .segment = NOT_GRANTED) },
    { 44, "indirect page of grant 0", ERROR, NULL,
      ASK(IR, .descriptors = GREF_0) },
    { 45, "indirect page that is not granted", ERROR, NULL,
      ASK(IW, .descriptors = NOT_GRANTED) },
    { 46, "indirect page granted to another domain", ERROR, NULL,
      ASK(IR, .descriptors = FOREIGN) },
    { 47, "indirect page granted for reading only", OKAY, NULL,
      ASK(IW, .descriptors = ONLY_READABLE) },
    { 48, "indirect page taken back before the push", ERROR, NULL,
      ASK(IW, .descriptors = REVOKED) },
    { 49, "indirect page that is the ring", ERROR, NULL,
      ASK(IR, .descriptors = THE_RING) },
    { 50, "indirect READ into its own descriptors (XSA-155)", OKAY, NULL,
      read_over_descriptors, NULL },
    { 51, "indirect page of two requests", OKAY, NULL,
      share_descriptors, NULL },

    { 52, "segment of grant 0", ERROR, NULL,
      ASK(W, .pages = 11, .segment = GREF_0) },
    { 53, "segment of grant 2^32 - 1", ERROR, NULL,
      ASK(W, .pages = 11, .segment = GREF_HIGHEST) },
    { 54, "last segment not granted (XSA-361)", ERROR, NULL,
      ASK(W, .pages = 11, .segment = NOT_GRANTED) },
    { 55, "segment granted to another domain (XSA-362)", ERROR, NULL,
      ASK(W, .pages = 3, .segment = FOREIGN) },
    { 56, "segment taken back before the push (XSA-365)", ERROR, NULL,
      ASK(W, .pages = 3, .segment = REVOKED) },
    { 57, "READ into a page granted for reading only", ERROR, NULL,
      ASK(R, .pages = 1, .segment = ONLY_READABLE) },
    { 58, "grant of a frame that does not exist", ERROR, NULL,
      ASK(W, .pages = 3, .segment = NO_FRAME) },
    { 59, "READ twice into one page", OKAY, NULL,
      read_one_page_twice, NULL },
    { 60, "kept page that is not granted (XSA-371)", ERROR, NULL,
      use_kept_wrongly, &(const enum wrong){ NOT_GRANTED } },
    { 61, "kept page granted for reading only (XSA-371)", ERROR, NULL,
      use_kept_wrongly, &(const enum wrong){ ONLY_READABLE } },
    { 62, "kept page whose grant names another page then", OKAY, NULL,
      regrant_kept_page, NULL },
    { 63, "two requests with one id", OKAY, NULL,
      use_ids, (const uint64_t[]){ 4711, 4711 } },
    { 64, "requests with the ids 0 and 2^64 - 1", OKAY, NULL,
      use_ids, (const uint64_t[]){ 0, UINT64_MAX } },
    { 65, "illegal request 1000 times (XSA-180)", ERROR, NULL,
      flood_log, NULL },
};

int main(void)
{
    return run_rows(rows, sizeof rows / sizeof *rows, "mem:size=4M");
}
