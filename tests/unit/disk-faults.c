/* SPDX-License-Identifier: MIT
 * Claim: a bad sector, a full file system and a target that has shrunk cost
 * exactly the requests that touch them, and leave the data of all others
 * right; a flush that fails is never answered in a way that a guest takes for
 * success, on any ring of the disk.
 * Source: C3, C8, C15.
 * Mechanism: a real vbdd-disk on real files; the error engine where the
 * kernel cannot be made to fail. What each sector must hold is kept here. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>

#include "tests/unit/disk-rig.h"

enum { SECTOR = 512, SECTORS = 2048, SLOTS = 32, PAGES = 11, WORDS = 64,
       WRITES = 8192 };

static char folder[128], target[160], aside[160];

/* --- what each sector holds ---------------------------------------------- */

/* Every write has a tag of its own, and a sector says whose it is. */
struct span {
    uint64_t sector, nr;
    bool has_failed;
};

static struct span writes[WRITES];
static unsigned nr_writes;
static unsigned newest[SECTORS]; /* tag of the last write answered OK */

static void fill_sector(void *out, uint64_t sector, uint64_t tag)
{
    uint64_t *words = out;

    for (unsigned i = 0; i < WORDS; i++)
        words[i] = tag << 32 | sector << 8 | i;
}

/* A failed write leaves each of its blocks old or new (C3). */
static bool sector_is_right(const void *in, uint64_t sector)
{
    uint64_t copy[WORDS], wanted[WORDS], tag;

    memcpy(copy, in, SECTOR);
    tag = copy[0] >> 32;
    fill_sector(wanted, sector, tag);
    if (memcmp(copy, wanted, SECTOR))
        return false;
    if (tag == newest[sector])
        return true;
    return tag > newest[sector] && tag < nr_writes &&
           writes[tag].has_failed && sector >= writes[tag].sector &&
           sector - writes[tag].sector < writes[tag].nr;
}

/* A target of SECTORS sectors, all of them written by tag 0. */
static void make_target(void)
{
    int fd = open(target, O_RDWR | O_CREAT | O_TRUNC, 0600);
    char sector[SECTOR];

    REQUIRE(fd >= 0);
    memset(newest, 0, sizeof newest);
    nr_writes = 1;
    for (uint64_t i = 0; i < SECTORS; i++) {
        fill_sector(sector, i, 0);
        REQUIRE(write(fd, sector, SECTOR) == SECTOR);
    }
    REQUIRE(fsync(fd) == 0 && close(fd) == 0);
}

static unsigned wrong_sectors_of_target(void)
{
    int fd = open(target, O_RDONLY);
    char sector[SECTOR];
    unsigned wrong = 0;

    REQUIRE(fd >= 0);
    for (uint64_t i = 0; i < SECTORS; i++)
        wrong += read(fd, sector, SECTOR) != SECTOR ||
                 !sector_is_right(sector, i);
    close(fd);
    return wrong;
}

/* --- rounds of a full ring ----------------------------------------------- */

static uint64_t seed;

static unsigned any(unsigned below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % below;
}

struct entry {
    struct blkif_wire_request request;
    uint64_t nr;         /* sectors */
    unsigned frame, tag; /* tag: of a write */
    int status;          /* as answered */
};

/* Some segments are whole pages, some are parts of one. */
static void cut_segments(struct entry *entry)
{
    entry->nr = 0;
    for (unsigned i = 0; i < entry->request.nr_segments; i++) {
        struct blkif_wire_segment *segment = &entry->request.segments[i];

        if (any(3) == 0) {
            segment->first_sector = (uint8_t)any(8);
            segment->last_sector = (uint8_t)(segment->first_sector +
                any(8u - segment->first_sector));
        }
        entry->nr += segment->last_sector - segment->first_sector + 1u;
    }
}

/* The data of a write, or what must still be there if nothing is read. */
static void fill_pages(struct rig_guest *guest, struct entry *entry)
{
    uint64_t sector = entry->request.sector;

    for (unsigned i = 0; i < entry->request.nr_segments; i++) {
        struct blkif_wire_segment *segment = &entry->request.segments[i];
        char *page = rig_frame(guest, entry->frame + i);

        memset(page, 0xa5, LOCAL_PAGE_BYTES);
        if (entry->request.operation != BLKIF_OP_WRITE)
            continue;
        for (unsigned n = segment->first_sector; n <= segment->last_sector; n++)
            fill_sector(page + n * SECTOR, sector++, entry->tag);
    }
}

/* edge: a sector near which there is something to find out. */
static void make_entry(struct rig_guest *guest, unsigned slot, bool may_write,
                       uint64_t edge, struct entry *entry)
{
    static const int around[] = { -1, 0, 1 };
    uint64_t sector;

    entry->frame = RIG_DATA_FRAME + slot * PAGES;
    entry->request = rig_request_at(guest, may_write && any(2) ?
                                    BLKIF_OP_WRITE : BLKIF_OP_READ, 0,
                                    entry->frame, 1 + any(PAGES), false);
    entry->request.id = slot;
    cut_segments(entry);
    sector = any(2) ? edge + (uint64_t)around[any(3)] : any(SECTORS);
    if (any(2)) /* ends there instead of starting there */
        sector -= sector < entry->nr ? sector : entry->nr;
    if (sector > SECTORS - entry->nr)
        sector = SECTORS - entry->nr;
    entry->request.sector = sector;
    if (entry->request.operation == BLKIF_OP_WRITE) {
        REQUIRE(nr_writes < WRITES);
        entry->tag = nr_writes;
        writes[nr_writes++] = (struct span){ sector, entry->nr, false };
    }
    fill_pages(guest, entry);
}

static void settle_write(const struct entry *entry)
{
    writes[entry->tag].has_failed = entry->status != BLKIF_RSP_OKAY;
    if (entry->status == BLKIF_RSP_OKAY)
        for (uint64_t i = 0; i < entry->nr; i++)
            newest[entry->request.sector + i] = entry->tag;
}

/* Every sector that was asked for, and no other byte of the pages; of a
 * failed read nothing at all. */
static unsigned wrong_sectors_of_read(struct rig_guest *guest,
                                      const struct entry *entry)
{
    uint64_t sector = entry->request.sector;
    unsigned wrong = 0;
    char untouched[SECTOR];

    memset(untouched, 0xa5, sizeof untouched);
    for (unsigned i = 0; i < entry->request.nr_segments; i++) {
        const struct blkif_wire_segment *segment = &entry->request.segments[i];

        for (unsigned n = 0; n < 8; n++) {
            char *data = rig_frame(guest, entry->frame + i) + n * SECTOR;
            bool asked = n >= segment->first_sector &&
                         n <= segment->last_sector;

            if (asked && entry->status == BLKIF_RSP_OKAY)
                wrong += !sector_is_right(data, sector);
            else
                wrong += memcmp(data, untouched, SECTOR) != 0;
            sector += asked;
        }
    }
    return wrong;
}

/* How many requests were answered with an error; each is judged by must_fail,
 * in the order in which they were accepted (C4). */
static unsigned run_round(struct rig_guest *guest, bool may_write,
                          uint64_t edge,
                          bool (*must_fail)(const struct entry *entry))
{
    static struct entry entries[SLOTS];
    struct blkif_wire_response responses[SLOTS];
    unsigned wrong = 0, failed = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        make_entry(guest, i, may_write, edge, &entries[i]);
        entries[i].status = 99;
        front_ring_put(&guest->queues[0].ring, &entries[i].request);
    }
    rig_push(guest);
    CHECK_EQ(rig_wait(guest, responses, SLOTS, 30), SLOTS);
    for (unsigned i = 0; i < SLOTS; i++)
        if (CHECK(responses[i].id < SLOTS))
            entries[responses[i].id].status = responses[i].status;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct entry *entry = &entries[i];

        if (entry->request.operation == BLKIF_OP_WRITE)
            settle_write(entry);
        else
            wrong += wrong_sectors_of_read(guest, entry);
        CHECK_EQ(entry->status, must_fail(entry) ? BLKIF_RSP_ERROR
                                                 : BLKIF_RSP_OKAY);
        failed += entry->status == BLKIF_RSP_ERROR;
        rig_end_grants(guest, &entry->request);
    }
    CHECK_EQ(wrong, 0);
    return failed;
}

static void open_on_target(struct rig *rig, struct rig_guest *guest,
                           const char *engine)
{
    const char *const arguments[] = { "--target", target, NULL };

    rig_open(rig, engine, arguments);
    rig_guest_open(rig, guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(rig, guest, RIG_DOMID, 1) == 0);
}

static void close_all(struct rig *rig, struct rig_guest *guest)
{
    CHECK_EQ(rig_disconnect(rig, guest, 1), 0);
    rig_guest_close(guest);
    CHECK_EQ(rig_detach(rig), 0);
}

/* --- a range of bad sectors ---------------------------------------------- */

enum { BAD_START = 512, BAD_END = 640 };

static bool touches_bad_range(const struct entry *entry)
{
    return entry->request.sector < BAD_END &&
           entry->request.sector + entry->nr > BAD_START;
}

static void check_bad_range(void)
{
    struct rig rig;
    struct rig_guest guest;
    uint64_t failed = 0;

    make_target();
    open_on_target(&rig, &guest,
                   "error:read=EIO,write=EIO,range=256K+64K/aio");
    for (unsigned i = 0; i < tap_scaled(60); i++)
        failed += run_round(&guest, true, i % 2 ? BAD_START : BAD_END,
                            touches_bad_range);
    struct message_stats stats = rig_stats(&rig);
    NOTE("%llu requests touched the bad range",
         (unsigned long long)failed);
    CHECK(failed > 0);
    CHECK_EQ(stats.errors[BLKIF_OP_READ] + stats.errors[BLKIF_OP_WRITE],
             failed);
    close_all(&rig, &guest);
    CHECK_EQ(wrong_sectors_of_target(), 0);
}

/* C13: a write of less than a block reads the rest of it. */
static void check_bad_merge(void)
{
    static const char *const nothing[] = { NULL };
    static const struct {
        uint64_t sector;
        uint8_t sectors;
        int status;
    } rows[] = {
        { 16, 1, BLKIF_RSP_ERROR }, { 23, 1, BLKIF_RSP_ERROR },
        { 15, 1, BLKIF_RSP_OKAY }, { 24, 1, BLKIF_RSP_OKAY },
        { 16, 8, BLKIF_RSP_OKAY }, { 12, 8, BLKIF_RSP_ERROR },
    };
    struct rig rig;
    struct rig_guest guest;

    rig_open(&rig, "error:read=EIO,range=8K+4K/mem:size=1M,block=4096",
             nothing);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_WRITE,
                                                  rows[i].sector, 1, true);

        r.segments[0].last_sector = (uint8_t)(rows[i].sectors - 1);
        if (!CHECK_EQ(rig_do(&guest, r), rows[i].status))
            NOTE("row %u", i);
        rig_end_grants(&guest, &r);
    }
    close_all(&rig, &guest);
}

/* --- a target that shrinks ----------------------------------------------- */

static uint64_t end_of_target; /* in sectors */

static bool ends_behind_target(const struct entry *entry)
{
    return entry->request.sector + entry->nr > end_of_target;
}

static bool nothing_fails(const struct entry *entry)
{
    (void)entry;
    return false;
}

static void check_shrunk(void)
{
    struct rig rig;
    struct rig_guest guest;
    unsigned failed = 0;

    make_target();
    open_on_target(&rig, &guest, "aio");
    run_round(&guest, true, SECTORS / 2, nothing_fails);
    /* a whole number of blocks, since a block that is partly there may be
     * read or not, as the file system likes */
    end_of_target = SECTORS / 2 + 8;
    REQUIRE(truncate(target, (off_t)end_of_target * SECTOR) == 0);
    for (unsigned i = 0; i < tap_scaled(30); i++)
        failed += run_round(&guest, false, end_of_target, ends_behind_target);
    NOTE("%u reads met the end", failed);
    CHECK(failed > 0);
    /* it grows again: what was cut off reads as zeros, so it is rewritten */
    REQUIRE(truncate(target, SECTORS * SECTOR) == 0);
    for (uint64_t sector = 0; sector < SECTORS; sector += PAGES * 8u) {
        unsigned pages = (unsigned)(SECTORS - sector) / 8;
        struct entry entry = { .frame = RIG_DATA_FRAME, .tag = nr_writes };

        pages = pages < PAGES ? pages : PAGES;
        entry.request = rig_request(&guest, BLKIF_OP_WRITE, sector, pages,
                                    true);
        entry.nr = pages * 8u;
        REQUIRE(nr_writes < WRITES);
        writes[nr_writes++] = (struct span){ sector, entry.nr, false };
        fill_pages(&guest, &entry);
        entry.status = rig_do(&guest, entry.request);
        CHECK_EQ(entry.status, BLKIF_RSP_OKAY);
        settle_write(&entry);
        rig_end_grants(&guest, &entry.request);
    }
    run_round(&guest, true, SECTORS / 2, nothing_fails);
    close_all(&rig, &guest);
    CHECK_EQ(wrong_sectors_of_target(), 0);
}

/* --- a full file system -------------------------------------------------- */

enum { FULL_KIB = 512, BALLAST_KIB = 128 };

/* A small file system of our own, in a name space that ends with us. */
static const char *mount_small(void)
{
    char options[32];

    if (geteuid() != 0)
        return "root, to mount a small file system";
    snprintf(options, sizeof options, "size=%uk", FULL_KIB);
    if (unshare(CLONE_NEWNS) < 0 ||
        mount("none", "/", "", MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", folder, "tmpfs", 0, options) < 0)
        return "a kernel that lets it mount a tmpfs";
    return NULL;
}

static void make_sparse_target(void)
{
    static char ballast[BALLAST_KIB * 1024];
    int fd = open(aside, O_WRONLY | O_CREAT, 0600);

    REQUIRE(write(fd, ballast, sizeof ballast) == sizeof ballast);
    close(fd);
    fd = open(target, O_RDWR | O_CREAT | O_TRUNC, 0600);
    REQUIRE(fd >= 0 && ftruncate(fd, SECTORS * SECTOR) == 0);
    close(fd);
}

static uint64_t free_blocks(void)
{
    struct statvfs status;

    REQUIRE(statvfs(folder, &status) == 0);
    return status.f_bavail * status.f_bsize / 4096;
}

/* Writes block i; its status. */
static int write_block(struct rig_guest *guest, unsigned block)
{
    struct blkif_wire_request r = rig_request(guest, BLKIF_OP_WRITE,
                                              block * 8, 1, true);
    int status;

    memset(rig_frame(guest, RIG_DATA_FRAME), 1 + (int)block % 200,
           LOCAL_PAGE_BYTES);
    status = rig_do(guest, r);
    rig_end_grants(guest, &r);
    return status;
}

/* The byte that fills the block, -1 if it is not one and the same. */
static int byte_of_block(struct rig_guest *guest, unsigned block)
{
    struct blkif_wire_request r = rig_request(guest, BLKIF_OP_READ, block * 8,
                                              1, false);
    unsigned char *page = (unsigned char *)rig_frame(guest, RIG_DATA_FRAME);
    int status = rig_do(guest, r);

    rig_end_grants(guest, &r);
    for (unsigned i = 1; i < LOCAL_PAGE_BYTES; i++)
        if (page[i] != page[0])
            return -1;
    return status == BLKIF_RSP_OKAY ? page[0] : -1;
}

static unsigned wrong_blocks(struct rig_guest *guest, unsigned written)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < SECTORS / 8; i++)
        wrong += byte_of_block(guest, i) !=
                 (i < written ? 1 + (int)i % 200 : 0);
    return wrong;
}

static void check_full(void)
{
    const struct blkif_wire_request flush = {
        .operation = BLKIF_OP_FLUSH_DISKCACHE };
    unsigned room, written = 0, refused = 0;
    struct rig rig;
    struct rig_guest guest;

    make_sparse_target();
    open_on_target(&rig, &guest, "aio");
    room = (unsigned)free_blocks();
    REQUIRE(room > 0 && room < SECTORS / 8);
    while (written < room && write_block(&guest, written) == BLKIF_RSP_OKAY)
        written++;
    CHECK_EQ(written, room);
    for (unsigned i = written; i < SECTORS / 8; i++)
        refused += write_block(&guest, i) == BLKIF_RSP_ERROR;
    CHECK_EQ(refused, SECTORS / 8 - written);
    /* what has its room goes on */
    for (unsigned i = 0; i < written; i++)
        CHECK_EQ(write_block(&guest, i), BLKIF_RSP_OKAY);
    CHECK_EQ(rig_do(&guest, flush), BLKIF_RSP_OKAY);
    CHECK_EQ(wrong_blocks(&guest, written), 0);
    CHECK_EQ(rig_stats(&rig).errors[BLKIF_OP_WRITE], refused);
    CHECK_EQ(rig_stats(&rig).is_fail_stopped, 0);
    /* somebody makes room */
    REQUIRE(unlink(aside) == 0);
    room = written + (unsigned)free_blocks();
    CHECK(room > written);
    for (; written < room; written++)
        CHECK_EQ(write_block(&guest, written), BLKIF_RSP_OKAY);
    CHECK_EQ(write_block(&guest, room), BLKIF_RSP_ERROR);
    CHECK_EQ(wrong_blocks(&guest, written), 0);
    CHECK_EQ(rig_do(&guest, flush), BLKIF_RSP_OKAY);
    close_all(&rig, &guest);
}

int main(void)
{
    const char *where = getenv("VBDD_TEST_DIR"), *missing;

    snprintf(folder, sizeof folder, "%s/vbdd-disk-faults.XXXXXX",
             where ? where : "/var/tmp");
    REQUIRE(mkdtemp(folder));
    snprintf(target, sizeof target, "%s/target", folder);
    snprintf(aside, sizeof aside, "%s/aside", folder);
    seed = tap_seed();
    TEST("EIO on a range of sectors costs exactly the requests that touch it",
         check_bad_range);
    TEST("a sub-block write fails where the rest of its block cannot be read",
         check_bad_merge);
    TEST("a target that shrinks costs exactly the reads that meet its end",
         check_shrunk);
    unlink(target);
    missing = mount_small();
    if (missing)
        tap_skip("a full file system costs exactly the writes without room",
                 missing);
    else
        TEST("a full file system costs exactly the writes without room",
             check_full);
    umount(folder);
    rmdir(folder);
    return tap_done();
}
