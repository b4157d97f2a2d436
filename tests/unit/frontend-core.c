/* SPDX-License-Identifier: MIT
 * Claim: every operation becomes exactly the ring requests that it must, is
 * answered once, and waits its turn when the ring is full. Source: blkif.h
 * ("first_sect", "last_sect", segments), C15. Mechanism: the real core over a
 * fake port; the back end logs what is on the ring, moves the data through
 * checked grants and answers when and what the test says. */
#include "tests/unit/frontend-disk.h"

/* --- splitting ---------------------------------------------------------- */

static void fill(uint8_t *data, size_t bytes, unsigned salt)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i / 512 * 7 + i + salt);
}

static void check_one_split(uint32_t offset, uint32_t nr_sectors)
{
    uint8_t *data = buffer + offset * 512;
    uint32_t pages = (offset % 8 + nr_sectors + 7) / 8;
    uint32_t at = 1000 + offset;

    fill(data, nr_sectors * 512, nr_sectors);
    world.nr_log = 0;
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, at, nr_sectors, data), 0);
    CHECK_EQ(world.nr_log, (pages + 10) / 11);
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
    static const uint32_t counts[] = { 1, 2, 7, 8, 9, 80, 81, 87, 88, 89, 95,
                                       96, 176, 177, 1000, 3000 };

    start_usual();
    for (uint32_t offset = 0; offset < 8; offset++) {
        for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++)
            check_one_split(offset, counts[i]);
    }
    stop();
}

static void check_segments(void)
{
    start_usual();
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 77, 10, buffer + 5 * 512),
             0);
    CHECK_EQ(world.last.sector, 77);
    CHECK_EQ(world.last.handle, 51712);
    CHECK_EQ(world.last.nr_segments, 2);
    CHECK_EQ(world.last.segments[0].first_sector, 5);
    CHECK_EQ(world.last.segments[0].last_sector, 7);
    CHECK_EQ(world.last.segments[1].first_sector, 0);
    CHECK_EQ(world.last.segments[1].last_sector, 6);
    stop();
}

static void check_large_sectors(void)
{
    fake_init(&world);
    fake_set(&world, FAKE_BACKEND, "sector-size", "4096");
    start();
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 8, 16, buffer), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 1, 8, buffer), -EINVAL);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 8, 4, buffer), -EINVAL);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 8, 8, buffer + 512),
             -EINVAL);
    stop();
}

/* --- what is refused here ----------------------------------------------- */

static void check_local_refusals(void)
{
    const uint64_t end = FAKE_DISK_SECTORS;

    start_usual();
#define REFUSED(op, flags, sector, nr, data)                                 \
    CHECK_EQ(vbdfront_do(front, (op), (flags), (sector), (nr), (data)),      \
             -EINVAL)
    REFUSED(VBDFRONT_READ, 0, end, 1, buffer);
    REFUSED(VBDFRONT_READ, 0, end - 1, 2, buffer);
    REFUSED(VBDFRONT_READ, 0, UINT64_MAX, 2, buffer); /* wraps */
    REFUSED(VBDFRONT_READ, 0, 0, UINT32_MAX, buffer);
    REFUSED(VBDFRONT_READ, 0, 0, 0, buffer);
    REFUSED(VBDFRONT_WRITE, 0, 0, 0, buffer);
    REFUSED(VBDFRONT_READ, 0, 0, 1, buffer + 8);
    REFUSED(VBDFRONT_READ, VBDFRONT_FUA, 0, 1, buffer);
    REFUSED(VBDFRONT_WRITE, 2, 0, 1, buffer);
    REFUSED(VBDFRONT_FLUSH, 0, 0, 1, buffer);
    REFUSED(VBDFRONT_BARRIER, 0, end, 1, buffer);
    REFUSED((enum vbdfront_op)9, 0, 0, 1, buffer);
#undef REFUSED
    CHECK_EQ(world.nr_log, 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, end - 1, 1, buffer), 0);
    stop();
}

static void check_read_only(void)
{
    fake_init(&world);
    fake_set(&world, FAKE_BACKEND, "info", "4");
    start();
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 1, buffer), -EROFS);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 0, 1, buffer), -EROFS);
    CHECK_EQ(world.nr_log, 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 1, buffer), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    stop();
}

static void check_closed(void)
{
    start_usual();
    vbdfront_disconnect(front, SECOND);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 1, buffer), -EIO);
    CHECK_EQ(vbdfront_poll(front), 0);
    stop();
}

/* --- the queue ---------------------------------------------------------- */

static void check_ring_full(void)
{
    start_usual();
    world.holds = true;
    for (unsigned i = 0; i < 100; i++)
        submit(i, VBDFRONT_READ, 0, i * 8, 8, buffer + i * 4096);
    CHECK_EQ(world.grants_used, 1); /* nothing goes out before poll */
    turn();
    CHECK_EQ(world.nr_held, 32);
    CHECK_EQ(vbdfront_in_flight(front), 100);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    CHECK_EQ(vbdfront_poll(front), 1);
    world.port.wait(&world, 0);
    CHECK_EQ(world.nr_held, 32); /* the next one took its place */
    CHECK_EQ(world.held[31].sector, 32 * 8);
    world.holds = false;
    while (world.nr_held > 0)
        fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(results[i], 0);
    CHECK_EQ(nr_done, 100);
    stop();
}

static void check_out_of_order(void)
{
    enum { NR = 32 };
    uint32_t random = 12345;

    start_usual();
    world.holds = true;
    for (unsigned i = 0; i < NR; i++)
        submit(i, i % 2 ? VBDFRONT_READ : VBDFRONT_WRITE, 0, i * 200, 100,
               buffer + i * 16 * 4096);
    for (unsigned rounds = 0; nr_done < NR && rounds < 10000; rounds++) {
        turn();
        random = random * 1664525 + 1013904223;
        if (world.nr_held > 0)
            fake_answer_held(&world, (random >> 8) % world.nr_held,
                             BLKIF_RSP_OKAY);
    }
    CHECK_EQ(nr_done, NR);
    for (unsigned i = 0; i < NR; i++)
        CHECK_EQ(results[i], 0);
    CHECK_EQ(world.nr_log, NR * 2);
    stop();
}

static void check_one_push(void)
{
    struct vbdfront_stats stats;

    start_usual();
    world.holds = true;
    turn(); /* the back end asks for an event */
    world.notifications = 0;
    for (unsigned i = 0; i < 20; i++)
        submit(i, VBDFRONT_READ, 0, i, 1, buffer + i * 4096);
    vbdfront_poll(front);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.ring_requests, 20);
    CHECK_EQ(stats.pushes, 1);
    CHECK_EQ(stats.notifies, 1);
    CHECK_EQ(world.notifications, 1);
    submit(20, VBDFRONT_READ, 0, 0, 1, buffer);
    vbdfront_poll(front); /* it has not slept since: no second notify */
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.pushes, 2);
    CHECK_EQ(stats.notifies, 1);
    world.holds = false;
    turn();
    while (world.nr_held > 0)
        fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    stop();
}

static unsigned resubmissions;

static void submit_again(struct vbdfront_io *io, int error)
{
    results[0] = error;
    if (resubmissions-- > 0)
        vbdfront_submit(front, io);
}

static void check_submit_from_done(void)
{
    start_usual();
    resubmissions = 100;
    ios[0] = (struct vbdfront_io){ .op = VBDFRONT_READ, .nr_sectors = 1,
                                   .data = buffer, .done = submit_again };
    vbdfront_submit(front, &ios[0]);
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    CHECK_EQ(world.nr_log, 101);
    stop();
}

static void check_disconnect_ends_submits(void)
{
    start_usual();
    resubmissions = 1;
    ios[0] = (struct vbdfront_io){ .op = VBDFRONT_READ, .nr_sectors = 1,
                                   .data = buffer, .done = submit_again };
    vbdfront_submit(front, &ios[0]);
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    CHECK_EQ(results[0], -EIO);
    CHECK_EQ(world.nr_log, 1);
    stop();
}

static void check_first_error_wins(void)
{
    start_usual();
    world.holds = true;
    submit(0, VBDFRONT_WRITE, 0, 0, 3 * 88, buffer);
    turn();
    REQUIRE(world.nr_held == 3);
    fake_answer_held(&world, 1, BLKIF_RSP_EOPNOTSUPP);
    fake_answer_held(&world, 1, BLKIF_RSP_ERROR);
    vbdfront_poll(front);
    CHECK_EQ(results[0], UNDONE);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    vbdfront_poll(front);
    CHECK_EQ(results[0], -EOPNOTSUPP);
    stop();
}

static void check_failed_stops(void)
{
    start_usual();
    world.holds = true;
    submit(0, VBDFRONT_WRITE, 0, 0, 40 * 88, buffer); /* more than a ring */
    submit(1, VBDFRONT_READ, 0, 0, 1, buffer);
    turn();
    REQUIRE(world.nr_held == 32);
    fake_answer_held(&world, 5, BLKIF_RSP_ERROR);
    turn();
    CHECK_EQ(world.log[32], R); /* no more parts; the next one goes */
    while (world.nr_held > 0)
        fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
    CHECK_EQ(results[0], -EIO);
    CHECK_EQ(results[1], 0);
    CHECK_EQ(world.nr_log, 33);
    stop();
}

/* --- grants ------------------------------------------------------------- */

static void check_grant_exhaustion(void)
{
    struct vbdfront_stats stats;

    start_usual();
    world.grants_limit = 1 + 5; /* the ring's, and five */
    fill(buffer, 3000 * 512, 9);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 3000, buffer), 0);
    CHECK(memcmp(world.disk, buffer, 3000 * 512) == 0);
    CHECK_EQ(world.nr_log, (3000 / 8 + 4) / 5);
    world.grants_limit = 1; /* somebody else has them all */
    submit(0, VBDFRONT_READ, 0, 0, 8, buffer);
    turn();
    CHECK_EQ(results[0], UNDONE);
    CHECK_EQ(vbdfront_drain(front, SECOND), -ETIMEDOUT);
    world.grants_limit = 2;
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    CHECK_EQ(results[0], 0);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 1);
    stop();
}

static unsigned nr_waits;

static void gives_grants_back(struct fake *fake)
{
    if (++nr_waits == 5)
        fake->grants_limit = 2;
    fake_live(fake);
}

static void check_grants_of_others(void)
{
    start_usual();
    world.grants_limit = 1;
    world.backend = gives_grants_back;
    nr_waits = 0;
    submit(0, VBDFRONT_READ, 0, 0, 8, buffer);
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    CHECK_EQ(results[0], 0);
    stop();
}

static void check_drain_before_close(void)
{
    start_usual();
    for (unsigned i = 0; i < 100; i++)
        submit(i, VBDFRONT_WRITE, 0, i * 8, 8, buffer);
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    CHECK_EQ(nr_done, 100);
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(results[i], 0);
    stop();
}

int main(void)
{
    TEST("data is split at page boundaries, exactly", check_splits);
    TEST("segments name the sectors within their pages", check_segments);
    TEST("large sectors are the unit of everything", check_large_sectors);
    TEST("what cannot be is refused here", check_local_refusals);
    TEST("a read-only disk is not written", check_read_only);
    TEST("a closed disk takes nothing", check_closed);
    TEST("a full ring holds operations, in order", check_ring_full);
    TEST("answers may come in any order", check_out_of_order);
    TEST("a batch is one push, and one notify if asked for", check_one_push);
    TEST("done() may submit", check_submit_from_done);
    TEST("a disk that disconnects takes nothing more from done()",
         check_disconnect_ends_submits);
    TEST("disconnect waits for what is in flight", check_drain_before_close);
    TEST("the first error of several parts wins", check_first_error_wins);
    TEST("nothing more of a failed operation goes out", check_failed_stops);
    TEST("a full grant table makes it slower, not wrong",
         check_grant_exhaustion);
    TEST("grants that others give back are found without an event",
         check_grants_of_others);
    return tap_done();
}
