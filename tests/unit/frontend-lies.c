/* SPDX-License-Identifier: MIT
 * Claim: no answer that a back end may invent does more than break the disk:
 * each of the four checks (overflow, id range, in flight, same operation), a
 * page that is not given back, silence, and closing in mid-I/O; everything in
 * flight is answered once, with -EIO, and a reconnect heals. Source:
 * ARCHITECTURE.md, XSA-391, XSA-396. Mechanism: the real core over a fake port,
 * whose back end lies as told. */
#include "tests/unit/frontend-disk.h"

static void check_kept_page(void)
{
    struct vbdfront_stats stats;
    uint32_t gref;

    start_usual();
    world.holds = true;
    submit(0, VBDFRONT_READ, 0, 0, 8, buffer);
    submit(1, VBDFRONT_READ, 0, 8, 8, buffer + 4096);
    turn();
    gref = world.held[0].segments[0].gref;
    world.grants[gref].is_busy = true;
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    vbdfront_poll(front);
    CHECK_EQ(results[0], -EIO);
    CHECK_EQ(results[1], -EIO);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_BROKEN);
    CHECK_STR(vbdfront_reason(front), "the back end answered a request and "
              "still holds its pages: they must never be used again");
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.pages_lost, 1);
    world.grants[gref].is_busy = false; /* for the fake's own books */
    world.port.grant_end(&world, gref);
    stop();
}

/* --- a lying back end --------------------------------------------------- */

/* After each lie: broken, everything failed, said why; and well again after a
 * reconnect. */
static void check_broken(const char *sentence)
{
    vbdfront_poll(front);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_BROKEN);
    if (sentence)
        CHECK_STR(vbdfront_reason(front), sentence);
    for (unsigned i = 0; i < 3; i++)
        CHECK(results[i] == -EIO);
    CHECK_EQ(vbdfront_in_flight(front), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 1, buffer), -EIO);
    world.holds = false;
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 1, buffer), 0);
    stop();
}

static void start_three(void)
{
    start_usual();
    world.holds = true;
    for (unsigned i = 0; i < 3; i++)
        submit(i, VBDFRONT_WRITE, 0, i * 8, 8, buffer + i * 4096);
    turn();
    REQUIRE(world.nr_held == 3);
}

static void check_overflow(void)
{
    start_three();
    for (unsigned i = 0; i < 4; i++)
        back_ring_put(&world.rings[0], world.held[i % 3].id, W, BLKIF_RSP_OKAY);
    back_ring_push(&world.rings[0]);
    check_broken("the back end's response index is ahead of what it was "
                 "asked");
    start_three();
    world.rings[0].rsp_prod += 0x80000000u;
    back_ring_push(&world.rings[0]);
    check_broken(NULL);
    start_three();
    world.rings[0].rsp_prod--;
    back_ring_push(&world.rings[0]);
    check_broken(NULL);
}

static void check_id_range(void)
{
    start_three();
    fake_answer(&world, 32, W, BLKIF_RSP_OKAY);
    check_broken("the back end answered request id 32, which is out of "
                 "range");
    start_three();
    fake_answer(&world, UINT64_MAX, W, BLKIF_RSP_OKAY);
    check_broken("the back end answered request id 18446744073709551615, "
                 "which is out of range");
}

static void check_not_in_flight(void)
{
    uint64_t stale;

    start_three();
    fake_answer(&world, 17, W, BLKIF_RSP_OKAY); /* never used */
    check_broken("the back end answered request id 17, which is not in "
                 "flight");
    start_three(); /* the right slot, another request */
    fake_answer(&world, world.held[0].id + (1ull << 32), W, BLKIF_RSP_OKAY);
    check_broken(NULL);

    start_usual(); /* one of an earlier request, whose slot is used again */
    world.holds = true;
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    stale = world.held[0].id;
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
    for (unsigned i = 0; i < 3; i++)
        submit(i, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    fake_answer(&world, stale, W, BLKIF_RSP_OKAY);
    check_broken(NULL);
}

static void check_duplicate(void)
{
    start_three();
    fake_answer(&world, world.held[1].id, W, BLKIF_RSP_OKAY);
    fake_answer(&world, world.held[1].id, W, BLKIF_RSP_OKAY);
    vbdfront_poll(front);
    CHECK_EQ(results[1], 0); /* the first was good */
    results[1] = -EIO;
    check_broken(NULL);
}

static void check_operation(void)
{
    start_three();
    fake_answer(&world, world.held[0].id, R, BLKIF_RSP_OKAY);
    check_broken("the back end answered operation 0 to a request of "
                 "operation 1");
    start_three();
    fake_answer(&world, world.held[0].id, 255, BLKIF_RSP_OKAY);
    check_broken(NULL);
}

/* Any bytes at all in the ring's page: nothing but BROKEN may come of it. */
static void check_random_lies(void)
{
    unsigned long rounds = tap_scaled(2000);
    uint64_t random = tap_seed();

    start_usual();
    world.holds = true;
    for (unsigned long round = 0; round < rounds; round++) {
        uint8_t *page;

        for (unsigned i = 0; i < 3; i++)
            submit(i, VBDFRONT_WRITE, 0, i * 8, 8, buffer + i * 4096);
        turn();
        page = world.grants[8].page;
        for (unsigned i = 0; i < 40; i++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            page[(random >> 33) % (i < 8 ? 16 : 512)] =
                (uint8_t)(random >> 55 & 1 ? random >> 56 : random >> 62);
        }
        world.has_ring = false; /* it would read its own rubbish */
        vbdfront_poll(front);
        vbdfront_disconnect(front, 1000);
        CHECK_EQ(vbdfront_in_flight(front), 0);
        for (unsigned i = 0; i < 3; i++)
            CHECK(results[i] != UNDONE);
        REQUIRE(vbdfront_connect(front, SECOND) == 0);
    }
    stop();
}

/* --- the end ------------------------------------------------------------ */

static void check_close_in_flight(void)
{
    start_three();
    fake_set_backend_state(&world, XENBUS_CLOSING);
    world.port.wait(&world, 0);
    check_broken("the back end " FAKE_BACKEND " went to Closing");
}

static void check_silent_backend(void)
{
    start_three();
    submit(3, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(results[i], -EIO);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CLOSED);
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
    TEST("a page that is not given back breaks the disk (XSA-396)",
         check_kept_page);
    TEST("a response index ahead of the requests breaks the disk (XSA-391)",
         check_overflow);
    TEST("an id out of range breaks the disk (XSA-391)", check_id_range);
    TEST("an id that is not in flight breaks the disk (XSA-391)",
         check_not_in_flight);
    TEST("a second answer breaks the disk (XSA-391)", check_duplicate);
    TEST("an answer of another operation breaks the disk (XSA-391)",
         check_operation);
    TEST("whatever is in the ring, nothing worse than BROKEN comes of it",
         check_random_lies);
    TEST("a back end that closes fails what is in flight",
         check_close_in_flight);
    TEST("what a silent back end holds fails at disconnect",
         check_silent_backend);
    TEST("disconnect waits for what is in flight", check_drain_before_close);
    return tap_done();
}
