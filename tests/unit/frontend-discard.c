/* SPDX-License-Identifier: MIT
 * Claim: a discard asks for exactly its range, in parts that end where the
 * back end's extents do; a secure one is secure or is refused; and none goes
 * to a back end that has not offered it. Source: blkif.h ("feature-discard",
 * "discard-granularity", "discard-alignment", "discard-secure", notes 4 and
 * 5). Mechanism: the real core over a fake port, which says that its disk is
 * large; the requests on the ring are looked at. */
#include "tests/unit/frontend-disk.h"

enum { PART = 1 << 21 }; /* as frontend/discard.c has it */

static void offer(const char *granularity, const char *alignment,
                  const char *secure)
{
    fake_init(&world);
    fake_set(&world, FAKE_BACKEND, "sectors", "1099511627776");
    fake_set(&world, FAKE_BACKEND, "feature-discard", "1");
    fake_set(&world, FAKE_BACKEND, "discard-granularity", granularity);
    fake_set(&world, FAKE_BACKEND, "discard-alignment", alignment);
    fake_set(&world, FAKE_BACKEND, "discard-secure", secure);
}

static int discard(unsigned flags, uint64_t sector, uint32_t nr_sectors)
{
    return vbdfront_do(front, VBDFRONT_DISCARD, flags, sector, nr_sectors,
                       NULL);
}

static void check_range(void)
{
    offer("4096", "0", "0");
    start();
    CHECK(vbdfront_info(front)->has_discard);
    CHECK(!vbdfront_info(front)->has_secure);
    CHECK_EQ(vbdfront_info(front)->discard_granularity, 4096);
    CHECK_EQ(vbdfront_info(front)->discard_alignment, 0);
    CHECK_EQ(discard(0, 101, 203), 0);
    CHECK_LOG(D);
    CHECK_EQ(world.last.sector, 101);
    CHECK_EQ(world.last.nr_sectors, 203);
    CHECK_EQ(world.last.nr_segments, 0); /* the flags */
    CHECK_EQ(world.last.handle, 51712);
    CHECK_EQ(world.disk[101 * 512 - 1], 0);
    CHECK_EQ(world.disk[101 * 512], 0xdd);
    CHECK_EQ(world.disk[304 * 512 - 1], 0xdd);
    CHECK_EQ(world.disk[304 * 512], 0);
    CHECK_EQ(world.nr_granted, 1); /* the ring's page and nothing else */
    stop();
}

static void check_secure(void)
{
    offer("512", "0", "1");
    start();
    CHECK(vbdfront_info(front)->has_secure);
    CHECK_EQ(discard(VBDFRONT_SECURE, 0, 8), 0);
    CHECK_EQ(world.last.nr_segments, BLKIF_DISCARD_SECURE);
    CHECK_EQ(discard(0, 0, 8), 0);
    CHECK_EQ(world.last.nr_segments, 0);
    stop();
    offer("512", "0", "0");
    start();
    CHECK_EQ(discard(VBDFRONT_SECURE, 0, 8), -EOPNOTSUPP);
    CHECK_EQ(world.nr_log, 0);
    stop();
}

/* Each part ends where an extent does, and together they are the range. */
static void check_parts(uint64_t sector, uint32_t nr_sectors)
{
    const struct vbdfront_info *info = vbdfront_info(front);
    uint64_t at = sector, end = sector + nr_sectors;

    world.holds = true;
    submit(0, VBDFRONT_DISCARD, 0, sector, nr_sectors, NULL);
    while (results[0] == UNDONE && nr_done < 10) {
        turn();
        for (unsigned i = 0; i < world.nr_held; i++) {
            const struct blkif_wire_request *part = &world.held[i];

            CHECK_EQ(part->operation, D);
            CHECK_EQ(part->sector, at);
            CHECK(part->nr_sectors > 0 && part->nr_sectors <= PART);
            at += part->nr_sectors;
            if (at != end && info->discard_granularity < PART)
                CHECK_EQ(at * 512 % info->discard_granularity,
                         info->discard_alignment % info->discard_granularity);
        }
        while (world.nr_held > 0)
            fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    }
    CHECK_EQ(at, end);
    CHECK_EQ(results[0], 0);
    nr_done = 0;
}

static void check_splits(void)
{
    static const char *const extents[][2] = {
        { "512", "0" }, { "65536", "0" }, { "65536", "512" },
        { "196608", "131072" },     /* no power of two, as dm-thin has it */
        { "196608", "4294966784" }, /* the first is far behind the start */
        { "4294966784", "512" },    /* an extent is longer than a part */
    };

    for (unsigned i = 0; i < sizeof extents / sizeof *extents; i++) {
        offer(extents[i][0], extents[i][1], "0");
        start();
        check_parts(1000, PART);
        check_parts(1000, PART + 1);
        check_parts(7, 20 * PART);
        check_parts(1099511627776ull - UINT32_MAX, UINT32_MAX);
        stop();
    }
}

static void check_not_offered(void)
{
    struct vbdfront_config config;

    start_usual();
    CHECK(!vbdfront_info(front)->has_discard);
    CHECK_EQ(vbdfront_info(front)->discard_granularity, 0);
    CHECK_EQ(discard(0, 0, 8), -EOPNOTSUPP);
    stop();
    offer("512", "0", "1"); /* and not wanted */
    vbdfront_get_defaults(&config);
    config.use_discard = false;
    start_as(&config);
    CHECK(!vbdfront_info(front)->has_discard);
    CHECK(!vbdfront_info(front)->has_secure);
    CHECK_EQ(discard(0, 0, 8), -EOPNOTSUPP);
    CHECK_EQ(world.nr_log, 0);
    stop();
}

static void check_refusals(void)
{
    offer("512", "0", "1");
    fake_set(&world, FAKE_BACKEND, "sector-size", "4096");
    fake_set(&world, FAKE_BACKEND, "discard-granularity", "\1");
    start();
    CHECK_EQ(vbdfront_info(front)->discard_granularity, 4096);
    CHECK_EQ(discard(0, 0, 0), -EINVAL);
    CHECK_EQ(discard(0, 4, 8), -EINVAL);
    CHECK_EQ(discard(0, 8, 4), -EINVAL);
    CHECK_EQ(discard(0, 1099511627776ull, 8), -EINVAL);
    CHECK_EQ(discard(VBDFRONT_FUA, 0, 8), -EINVAL);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, VBDFRONT_SECURE, 0, 8, buffer),
             -EINVAL);
    CHECK_EQ(world.nr_log, 0);
    stop();
    offer("512", "0", "1");
    fake_set(&world, FAKE_BACKEND, "info", "4");
    start();
    CHECK_EQ(discard(0, 0, 8), -EROFS);
    CHECK_EQ(world.nr_log, 0);
    stop();
}

static void check_failure(void)
{
    offer("512", "0", "0");
    start();
    world.status = BLKIF_RSP_EOPNOTSUPP;
    CHECK_EQ(discard(0, 0, 8), -EOPNOTSUPP);
    world.status = BLKIF_RSP_ERROR;
    CHECK_EQ(discard(0, 0, 8), -EIO);
    world.status = BLKIF_RSP_OKAY;
    CHECK_EQ(discard(0, 0, 8), 0);
    stop();
}

/* As with other operations, and so with a barrier. */
static void check_order(void)
{
    offer("512", "0", "0");
    start();
    world.holds = true;
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(1, VBDFRONT_DISCARD, 0, 0, 8, NULL);
    submit(2, VBDFRONT_BARRIER, 0, 0, 8, buffer);
    turn();
    CHECK_LOG(W, D, B);
    answer_all();
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(results[i], 0);
    stop();
}

int main(void)
{
    TEST("a discard asks for its range and grants nothing", check_range);
    TEST("a secure discard is secure, or refused", check_secure);
    TEST("a long discard is split where extents end", check_splits);
    TEST("what is not offered, or not wanted, is not asked for",
         check_not_offered);
    TEST("what cannot be is refused here", check_refusals);
    TEST("a failure is told, and switches nothing off", check_failure);
    TEST("a discard keeps its place", check_order);
    return tap_done();
}
