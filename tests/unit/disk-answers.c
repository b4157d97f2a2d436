/* SPDX-License-Identifier: MIT
 * Claim: whatever is asked for, on whichever ring, the answer is a whole
 * response in the layout of that ring, with its padding zeroed (XSA-216: what
 * the back end's stack held before), and not a byte more is written into the
 * ring; and a FLUSH or BARRIER with data, which the front-end driver does not
 * make of a FLUSH, has written it.
 * Source: blkif.h, blkif_response; C6, C8, C15; XSA-216.
 * Mechanism: a real vbdd-disk over the stand-in; a guest that fills each slot
 * before it uses it, and has written down what must be there afterwards; a
 * second guest, of another layout, reads what the first has written. The
 * combinations are those of the conformance table (tests/conformance). */
#include "tests/unit/disk-rig.h"

enum { DISK_SECTORS = (1 << 20) / 512, SEGMENTS = BLKIF_WIRE_SEGMENTS,
       INDIRECT = 14, FILL = 0xa5, NO_GRANT = LOCAL_MAX_GRANTS - 1,
       MOST_SLOT_BYTES = 112 };

static struct rig rig;
static struct rig_guest guest, witness;
static unsigned unit; /* the smallest I/O, in sectors */
/* Made once for each connection, with pages to move data from and to. */
static struct blkif_wire_request direct, indirect, plain;
static unsigned nr_answers;

/* --- what is asked for ---------------------------------------------------- */

enum shape { EMPTY, DIRECT, IN_PAGES, RANGE };

static const struct kind {
    const char *what;
    uint8_t operation;
    enum shape shape;
    uint64_t sector;
    int16_t status;
    uint8_t nr_segments; /* 0: as they are; DISCARD: the flag */
    uint32_t gref;       /* instead of the last one, or of the pages' */
} kinds[] = {
    { "READ", BLKIF_OP_READ, DIRECT, 8, BLKIF_RSP_OKAY, 0, 0 },
    { "WRITE", BLKIF_OP_WRITE, DIRECT, 8, BLKIF_RSP_OKAY, 0, 0 },
    { "indirect READ", BLKIF_OP_READ, IN_PAGES, 8, BLKIF_RSP_OKAY, 0, 0 },
    { "indirect WRITE", BLKIF_OP_WRITE, IN_PAGES, 8, BLKIF_RSP_OKAY, 0, 0 },
    { "FLUSH", BLKIF_OP_FLUSH_DISKCACHE, EMPTY, 0, BLKIF_RSP_OKAY, 0, 0 },
    { "FLUSH of a sector", BLKIF_OP_FLUSH_DISKCACHE, EMPTY, UINT64_MAX,
      BLKIF_RSP_OKAY, 0, 0 },
    { "FLUSH with data", BLKIF_OP_FLUSH_DISKCACHE, DIRECT, 16,
      BLKIF_RSP_OKAY, 0, 0 },
    { "BARRIER", BLKIF_OP_WRITE_BARRIER, EMPTY, 0, BLKIF_RSP_OKAY, 0, 0 },
    { "BARRIER with data", BLKIF_OP_WRITE_BARRIER, DIRECT, 24,
      BLKIF_RSP_OKAY, 0, 0 },
    { "DISCARD", BLKIF_OP_DISCARD, RANGE, 1024, BLKIF_RSP_OKAY, 0, 0 },
    { "secure DISCARD", BLKIF_OP_DISCARD, RANGE, 1024, BLKIF_RSP_OKAY,
      BLKIF_DISCARD_SECURE, 0 },
    { "READ of nothing", BLKIF_OP_READ, EMPTY, 8, BLKIF_RSP_ERROR, 0, 0 },
    { "READ past the end", BLKIF_OP_READ, DIRECT, DISK_SECTORS - 8,
      BLKIF_RSP_ERROR, 0, 0 },
    { "WRITE past the end", BLKIF_OP_WRITE, DIRECT, DISK_SECTORS,
      BLKIF_RSP_ERROR, 0, 0 },
    { "indirect READ past the end", BLKIF_OP_READ, IN_PAGES,
      DISK_SECTORS - 8, BLKIF_RSP_ERROR, 0, 0 },
    { "DISCARD past the end", BLKIF_OP_DISCARD, RANGE, DISK_SECTORS - 8,
      BLKIF_RSP_ERROR, 0, 0 },
    { "WRITE of 12 segments", BLKIF_OP_WRITE, DIRECT, 8, BLKIF_RSP_ERROR, 12,
      0 },
    { "READ without a grant", BLKIF_OP_READ, DIRECT, 8, BLKIF_RSP_ERROR, 0,
      NO_GRANT },
    { "WRITE without a grant", BLKIF_OP_WRITE, DIRECT, 8, BLKIF_RSP_ERROR, 0,
      NO_GRANT },
    { "WRITE with descriptors nowhere", BLKIF_OP_WRITE, IN_PAGES, 8,
      BLKIF_RSP_ERROR, 0, NO_GRANT },
    { "indirect DISCARD", BLKIF_OP_DISCARD, IN_PAGES, 8, BLKIF_RSP_ERROR, 0,
      0 },
    { "operation 4", 4, EMPTY, 8, BLKIF_RSP_EOPNOTSUPP, 0, 0 },
    { "operation 255", 255, DIRECT, 8, BLKIF_RSP_EOPNOTSUPP, 0, 0 },
    /* these two make the vbd write-through (C8) */
    { "FLUSH past the end", BLKIF_OP_FLUSH_DISKCACHE, DIRECT, DISK_SECTORS,
      BLKIF_RSP_ERROR, 0, 0 },
    { "BARRIER without a grant", BLKIF_OP_WRITE_BARRIER, DIRECT, 8,
      BLKIF_RSP_ERROR, 0, NO_GRANT },
};

/* Of each byte of an id some bit is set: a response is smaller than a request,
 * and its padding lies where an id may have been. */
static struct blkif_wire_request request_of(const struct kind *kind)
{
    struct blkif_wire_request r = { .nr_segments = kind->nr_segments };

    if (kind->shape == DIRECT)
        r = direct;
    if (kind->shape == IN_PAGES)
        r = indirect;
    if (kind->shape == DIRECT && kind->nr_segments)
        r.nr_segments = kind->nr_segments;
    if (kind->shape == DIRECT && kind->gref)
        r.segments[SEGMENTS - 1].gref = kind->gref;
    if (kind->shape == IN_PAGES && kind->gref)
        r.indirect_grefs[0] = kind->gref;
    if (kind->shape == RANGE)
        r.nr_sectors = 64;
    if (kind->shape == IN_PAGES)
        r.indirect_operation = kind->operation;
    else
        r.operation = kind->operation;
    r.sector = kind->sector;
    r.id = 0xa5a5a5a5a5a5a500 | (nr_answers % 255 + 1);
    return r;
}

/* --- what must be in the slot --------------------------------------------- */

static unsigned slot_bytes(enum blkif_abi abi)
{
    return abi == BLKIF_ABI_X86_32   ? 108u
           : abi == BLKIF_ABI_X86_64 ? 112u
                                     : (unsigned)sizeof(struct blkif_request);
}

/* By hand: none of our own code knows better. Returns its length. */
static unsigned write_down(uint8_t bytes[16], uint64_t id, uint8_t operation,
                           int16_t status)
{
    memset(bytes, 0, 16);
    memcpy(bytes, &id, 8);
    bytes[8] = operation;
    memcpy(bytes + 10, &status, 2);
    return guest.abi == BLKIF_ABI_X86_32   ? 12u
           : guest.abi == BLKIF_ABI_X86_64 ? 16u
                                    : (unsigned)sizeof(struct blkif_response);
}

static bool ask(unsigned n, const struct kind *kind)
{
    struct blkif_wire_request r = request_of(kind);
    struct front_ring *ring = &guest.queues[n].ring;
    unsigned bytes = slot_bytes(guest.abi), response_bytes;
    uint8_t *slot = (uint8_t *)rig_frame(&guest, RIG_RING_FRAME +
                                                 n * BLKIF_MAX_RING_PAGES) +
                    64 + (ring->req_prod & (ring->slots - 1)) * bytes;
    struct blkif_wire_response response = { .status = 99 };
    uint8_t want[MOST_SLOT_BYTES], start[16];

    memset(slot, FILL, bytes);
    front_ring_put(ring, &r);
    memcpy(want, slot, bytes);
    response_bytes = write_down(start, r.id, kind->operation, kind->status);
    memcpy(want, start, response_bytes);
    rig_push_on(&guest, n);
    nr_answers++;
    return rig_wait_on(&guest, n, &response, 1, 10) == 1 &&
           response.id == r.id && response.operation == kind->operation &&
           response.status == kind->status && memcmp(slot, want, bytes) == 0;
}

/* --- what FLUSH and BARRIER have written ---------------------------------- */

/* The first and the last segment are not whole pages, where that is allowed. */
static void trim(struct blkif_wire_segment *segments)
{
    segments[0].first_sector = (uint8_t)(unit == 1 ? 3 : 0);
    segments[SEGMENTS - 1].last_sector = (uint8_t)(unit == 1 ? 4 : 7);
}

static bool is_inside(unsigned byte)
{
    unsigned in_page = byte % LOCAL_PAGE_BYTES / 512;
    unsigned page = byte / LOCAL_PAGE_BYTES;

    return in_page >= direct.segments[page].first_sector &&
           in_page <= direct.segments[page].last_sector;
}

static const struct kind *find(const char *what)
{
    const struct kind *kind = kinds;

    while (strcmp(kind->what, what) != 0)
        kind++;
    return kind;
}

static unsigned wrong_bytes(unsigned seed)
{
    const char *data = rig_frame(&witness, RIG_DATA_FRAME);
    unsigned wrong = 0;

    for (unsigned i = 0; i < SEGMENTS * LOCAL_PAGE_BYTES; i++)
        wrong += data[i] != (is_inside(i) ? rig_stamp_at(i, seed)
                                          : (char)FILL);
    return wrong;
}

static void check_write(unsigned n, const char *what)
{
    static unsigned seed;
    const struct kind *kind = find(what);
    uint64_t flushes = rig_stats(&rig).engine_flushes;

    rig_stamp(&guest, SEGMENTS, ++seed);
    if (!CHECK(ask(n, kind)))
        NOTE("%s on queue %u", what, n);
    CHECK(rig_stats(&rig).engine_flushes > flushes);
    memset(rig_frame(&witness, RIG_DATA_FRAME), FILL,
           SEGMENTS * LOCAL_PAGE_BYTES);
    plain.operation = BLKIF_OP_READ;
    plain.sector = kind->sector;
    CHECK_EQ(rig_do(&witness, plain), BLKIF_RSP_OKAY);
    if (!CHECK_EQ(wrong_bytes(seed), 0))
        NOTE("%s on queue %u", what, n);
}

/* --- all of it ------------------------------------------------------------ */

/* On a disk of larger sectors there is nothing smaller. */
static void check_alignment(unsigned n)
{
    static const struct kind refused = {
        "READ at 512 bytes", BLKIF_OP_READ, DIRECT, 9, BLKIF_RSP_ERROR, 0, 0 };
    static const struct kind cut = {
        "WRITE of a part", BLKIF_OP_WRITE, DIRECT, 8, BLKIF_RSP_ERROR, 0, 0 };
    uint8_t *last = &direct.segments[SEGMENTS - 1].last_sector;

    CHECK(ask(n, &refused));
    *last = 6;
    CHECK(ask(n, &cut));
    *last = 7;
}

static void check_queue(unsigned n)
{
    if (unit > 1)
        check_alignment(n);
    check_write(n, "FLUSH with data");
    check_write(n, "BARRIER with data");
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!CHECK(ask(n, &kinds[i])))
            NOTE("%s on queue %u", kinds[i].what, n);
}

static void check_ring(enum blkif_abi abi, unsigned queues, unsigned order)
{
    guest.abi = abi;
    rig.wish.nr_queues = queues;
    rig.ring_pages = 1u << order;
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    for (unsigned n = 0; n < queues; n++)
        check_queue(n);
    if (!CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0))
        NOTE("abi %d, %u queues, order %u", (int)abi, queues, order);
}

static void check_grants(enum message_grants grants)
{
    static const unsigned queues[] = { 1, 2, 4 }, orders[] = { 0, 1, 4 };

    rig.wish.grants = grants;
    for (unsigned abi = 0; abi < BLKIF_ABI_COUNT; abi++)
        for (unsigned i = 0; i < 9; i++)
            check_ring((enum blkif_abi)abi, queues[i / 3], orders[i % 3]);
}

static void open_guests(void)
{
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    rig_guest_open(&rig, &witness, RIG_DOMID + 1, BLKIF_ABI_X86_32);
    REQUIRE(rig_connect(&rig, &witness, RIG_DOMID + 1, 2) == 0);
    direct = rig_request(&guest, 0, 0, SEGMENTS, false);
    indirect = rig_indirect(&guest, 0, 0, INDIRECT, false);
    plain = rig_request(&witness, 0, 0, SEGMENTS, false);
    trim(direct.segments);
    trim(plain.segments);
}

static void close_guests(void)
{
    CHECK_EQ(rig_disconnect(&rig, &witness, 2), 0);
    rig_end_grants(&witness, &plain);
    rig_end_grants(&guest, &direct);
    rig_end_indirect(&guest, &indirect, RIG_DESCRIPTOR_FRAME, INDIRECT);
    rig_guest_close(&witness);
    rig_guest_close(&guest);
}

static void check_disk(const char *engine, unsigned sector_bytes)
{
    static const char *const no_arguments[] = { NULL };

    unit = sector_bytes / 512;
    rig_open(&rig, engine, no_arguments);
    open_guests();
    rig.wish.sector_bytes = sector_bytes;
    rig.wish.has_discard = rig.wish.has_secure = true;
    rig.wish.max_indirect_segments = BLKIF_MAX_INDIRECT_SEGMENTS;
    rig.wish.max_persistent_grants = 64;
    for (unsigned grants = 0; grants < MESSAGE_GRANTS_COUNT; grants++)
        check_grants((enum message_grants)grants);
    close_guests();
    CHECK_EQ(rig_detach(&rig), 0);
    NOTE("%u answers looked at", nr_answers);
}

static void check_512(void)
{
    check_disk("mem:size=1M", 512);
}

static void check_512e(void)
{
    check_disk("mem:size=1M,block=4096", 512);
}

static void check_4096(void)
{
    check_disk("mem:size=1M,block=4096", 4096);
}

int main(void)
{
    TEST("each answer is as blkif.h lays it out, padding 0 (XSA-216), "
         "512-byte sectors", check_512);
    TEST("the same, 512-byte sectors on blocks of 4096", check_512e);
    TEST("the same, 4096-byte sectors", check_4096);
    return tap_done();
}
