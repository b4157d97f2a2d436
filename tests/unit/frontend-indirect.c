/* SPDX-License-Identifier: MIT
 * Claim: where the back end takes indirect requests, longer reads and writes
 * become as few of them as they must, with the same data in the same places;
 * nothing else ever does; and the page of descriptors is granted, kept and
 * given back with the same care as data. Source: blkif.h ("BLKIF_OP_INDIRECT",
 * "feature-max-indirect-segments"), XSA-391, XSA-396, XSA-403. Mechanism: the
 * real core over a fake port; the back end reads the descriptors through their
 * grant, which must be read-only. */
#include "tests/unit/frontend-disk.h"

enum { I = BLKIF_OP_INDIRECT };

static void start_indirect(uint32_t offered, uint32_t wanted, uint32_t agreed)
{
    struct vbdfront_config config;

    fake_init(&world);
    fake_offer_indirect(&world, offered);
    vbdfront_get_defaults(&config);
    config.max_indirect_segments = wanted;
    start_as(&config);
    CHECK_EQ(vbdfront_info(front)->max_segments, agreed);
}

/* --- splitting ---------------------------------------------------------- */

static void fill(uint8_t *data, size_t bytes, unsigned salt)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i / 512 * 7 + i + salt);
}

static void check_one_split(uint32_t offset, uint32_t nr_pages, uint32_t max)
{
    uint8_t *data = buffer + offset * 512;
    uint32_t nr_sectors = nr_pages * 8 - offset - (nr_pages & 1);
    uint32_t at = 1000 + offset;

    fill(data, nr_sectors * 512, nr_sectors);
    world.nr_log = 0;
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, at, nr_sectors, data), 0);
    if (!CHECK_EQ(world.nr_log, (nr_pages + max - 1) / max))
        NOTE("%u pages from sector %u on", nr_pages, offset);
    CHECK_EQ(world.log[0], nr_pages > 11 ? I : W);
    CHECK(memcmp(world.disk + at * 512, data, nr_sectors * 512) == 0);
    CHECK_EQ(world.disk[(at + nr_sectors) * 512], 0);
    CHECK_EQ(world.disk[at * 512 - 1], 0);

    memset(buffer, 0xee, BUFFER_PAGES * 4096);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, at, nr_sectors, data), 0);
    CHECK(memcmp(world.disk + at * 512, data, nr_sectors * 512) == 0);
    CHECK_EQ(data[nr_sectors * 512], 0xee); /* not a byte more */
    if (offset)
        CHECK_EQ(data[-1], 0xee);
    memset(world.disk, 0, sizeof world.disk);
}

static void check_splits(void)
{
    static const uint32_t pages[] = { 2, 10, 11, 12, 13, 32, 33, 64, 65, 255,
                                      256, 257, 400, 511 };
    static const uint32_t offers[] = { 12, 32, 256 };

    for (unsigned i = 0; i < 3; i++) {
        start_indirect(offers[i], 256, offers[i]);
        for (unsigned j = 0; j < sizeof pages / sizeof *pages; j++) {
            check_one_split(0, pages[j], offers[i]);
            check_one_split(5, pages[j], offers[i]);
        }
        stop();
    }
}

/* The last part is as long as it is: direct if it can be. */
static void check_mixture(void)
{
    start_indirect(32, 256, 32);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 43 * 8, buffer), 0);
    CHECK_LOG(I, R);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 44 * 8, buffer), 0);
    CHECK_LOG(I, I);
    stop();
}

static void check_every_size(void)
{
    static const char *const queues[] = { "1", "2", "4" };
    static const char *const orders[] = { "0", "1", "4" };
    struct vbdfront_config config;

    vbdfront_get_defaults(&config);
    config.max_queues = 4;
    for (unsigned i = 0; i < 27; i++) {
        config.abi = (enum vbdfront_abi)(i / 9);
        fake_init(&world);
        fake_offer_indirect(&world, 64);
        fake_set(&world, FAKE_BACKEND, "multi-queue-max-queues",
                 queues[i % 3]);
        fake_set(&world, FAKE_BACKEND, "max-ring-page-order",
                 orders[i / 3 % 3]);
        start_as(&config);
        check_one_split(3, 500, 64);
        stop();
    }
}

/* --- when, and when not ------------------------------------------------- */

static void check_offers(void)
{
    start_indirect(4294967295u, 256, 256);
    stop();
    start_indirect(300, 100, 100);
    stop();
    start_indirect(256, 0, 11);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 96, buffer), 0);
    CHECK_LOG(R, R);
    stop();
    start_indirect(11, 256, 11); /* of no use */
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 96, buffer), 0);
    CHECK_LOG(R, R);
    stop();
    start_indirect(0, 256, 11);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 96, buffer), 0);
    CHECK_LOG(R, R);
    stop();
}

static void check_impossible_config(void)
{
    struct vbdfront_config config;

    fake_init(&world);
    vbdfront_get_defaults(&config);
    config.max_indirect_segments = 257;
    CHECK_EQ(vbdfront_open(&world.port, FAKE_NODE, &config, &front), -EINVAL);
    CHECK(fake_is_clean(&world));
}

static void check_operations(void)
{
    start_indirect(256, 256, 256);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 0, 23 * 8, buffer), 0);
    CHECK_LOG(B, W, B);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, VBDFRONT_FUA, 0, 23 * 8,
                         buffer), 0);
    CHECK_LOG(I, F);
    stop();
}

/* --- the descriptors ---------------------------------------------------- */

static void check_descriptors(void)
{
    const uint8_t *page;

    start_indirect(256, 256, 256);
    memset(buffer, 0xff, BUFFER_PAGES * 4096);
    world.holds = true;
    submit(0, VBDFRONT_WRITE, 0, 50, 100, buffer + 512);
    turn();
    REQUIRE(world.nr_held == 1);
    CHECK_EQ(world.last.sector, 50);
    CHECK_EQ(world.last.handle, 51712);
    CHECK_EQ(world.last.indirect_operation, W);
    CHECK_EQ(world.last.nr_indirect_segments, 13);
    for (unsigned i = 1; i < BLKIF_WIRE_INDIRECT_PAGES; i++)
        CHECK_EQ(world.last.indirect_grefs[i], 0);
    page = world.grants[world.last.indirect_grefs[0]].page;
    CHECK(world.grants[world.last.indirect_grefs[0]].read_only);
    CHECK_EQ(page[4], 1); /* first and last sector */
    CHECK_EQ(page[5], 7);
    CHECK_EQ(page[12 * 8 + 4], 0);
    CHECK_EQ(page[12 * 8 + 5], 4);
    for (unsigned i = 0; i < 4096; i++) { /* padding, and what is not used */
        if (i >= 13 * 8 || i % 8 >= 6)
            CHECK_EQ(page[i], 0);
    }
    answer_all();
    CHECK_EQ(results[0], 0);
    CHECK_EQ(world.grants_used, 1);
    stop();
}

static void check_nothing_left(void)
{
    struct vbdfront_stats stats;

    start_indirect(256, 256, 256);
    fill(buffer, 3000 * 512, 4);
    world.grants_limit = 1 + 5; /* the ring's, and five */
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 3000, buffer), 0);
    CHECK(memcmp(world.disk, buffer, 3000 * 512) == 0);
    world.grants_limit = 1 + 1; /* a descriptor, and then no segment */
    world.nr_log = 0;
    submit(0, VBDFRONT_READ, 0, 0, 100, buffer);
    turn();
    CHECK_EQ(world.nr_log, 0);
    CHECK_EQ(world.grants_used, 1);
    world.grants_limit = 100;
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    CHECK_EQ(results[0], 0);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 1);
    stop();

    start_indirect(256, 256, 256);
    world.pages_limit = world.pages_used; /* no page for descriptors */
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 2 * 88, buffer), 0);
    CHECK_LOG(R, R);
    stop();
}

int main(void)
{
    TEST("long data is split into as few requests as there must be",
         check_splits);
    TEST("a last part that is short enough is direct", check_mixture);
    TEST("any number of queues, ring size and layout will do",
         check_every_size);
    TEST("no more is used than both ends can", check_offers);
    TEST("a config beyond ours is refused", check_impossible_config);
    TEST("only reads and writes are indirect", check_operations);
    TEST("descriptors say what is meant and nothing else (XSA-403)",
         check_descriptors);
    TEST("without grants or memory it is slower, not wrong",
         check_nothing_left);
    return tap_done();
}
