/* SPDX-License-Identifier: MIT
 * Claim: when the guest has been restored, what it had no answer taken to is
 * sent once more to the new back end, in the order of submission and as this
 * one takes it, whatever stands on the old ring; barriers and flushes keep
 * their promises; what the new one cannot do fails with a sentence. A back end
 * that goes while operations are in flight loses none of them either. Source:
 * docs/PROTOCOL.md, section 3; frontend/resume.c. Mechanism: the real core over
 * a fake port, whose grants, ports and watches are gone after a restore: using
 * one is a violation. */
#include "frontend/habits.h"
#include "tests/unit/frontend-disk.h"

static struct vbdfront_config config;

static void offer(const char *leaf, const char *value)
{
    fake_set(&world, FAKE_BACKEND, leaf, value);
}

static void start_holding(void)
{
    fake_init(&world);
    vbdfront_get_defaults(&config);
    config.max_queues = 4;
    start_as(&config);
    world.holds = true;
}

static int resume(void)
{
    int error = vbdfront_resume(front, SECOND);

    world.port.wait(&world, 0);
    return error;
}

static void restore(void)
{
    fake_restore(&world);
    CHECK_EQ(resume(), 0);
}

static void mark(uint8_t *data, uint32_t nr_sectors, uint8_t salt)
{
    for (uint32_t i = 0; i < nr_sectors * 512; i++)
        data[i] = (uint8_t)(i / 512 + i + salt);
}

/* The held request is answered, and the answer taken. */
static void answer(unsigned index, int16_t status)
{
    fake_answer_held(&world, index, status);
    vbdfront_poll(front);
}

/* --- what is answered, what is not -------------------------------------- */

static void check_order(void)
{
    start_holding();
    mark(buffer, 8, 1);
    mark(buffer + 8 * 4096, 8, 2);
    for (unsigned i = 0; i < 6; i++)
        submit(i, VBDFRONT_WRITE, 0, 8 * i, 8, buffer + i * 4096);
    turn();
    fake_answer_held(&world, 3, BLKIF_RSP_OKAY);
    fake_answer_held(&world, 0, BLKIF_RSP_ERROR);
    submit(6, VBDFRONT_WRITE, 0, 8 * 6, 8, buffer + 6 * 4096);
    vbdfront_poll(front); /* takes two; puts one, which is not seen */
    CHECK_EQ(nr_done, 2);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY); /* not taken */
    fake_answer_held(&world, 2, BLKIF_RSP_ERROR);
    submit(7, VBDFRONT_WRITE, 0, 8 * 7, 8, buffer); /* not yet put */
    world.nr_log = 0;
    restore();
    CHECK_EQ(results[0], -EIO);
    CHECK_EQ(results[3], 0);
    CHECK_LOG(W, W, W, W, W, W);
    CHECK_EQ(world.held[0].sector, 8 * 1);
    CHECK_EQ(world.held[1].sector, 8 * 2);
    CHECK_EQ(world.held[2].sector, 8 * 4);
    CHECK_EQ(world.held[3].sector, 8 * 5);
    CHECK_EQ(world.held[4].sector, 8 * 6);
    CHECK_EQ(world.held[5].sector, 8 * 7);
    CHECK_EQ(nr_done, 2);
    answer_all();
    CHECK_EQ(nr_done, 8);
    CHECK_EQ(results[1] | results[5], 0); /* as the new back end says */
    CHECK(memcmp(world.disk + 2 * 4096, buffer + 2 * 4096, 4096) == 0);
    CHECK(memcmp(world.disk + 7 * 4096, buffer, 4096) == 0);
    stop();
}

/* It goes on from the first sector whose answer was not taken. */
static void check_parts(void)
{
    start_holding();
    mark(buffer, 5 * 88, 3);
    submit(0, VBDFRONT_WRITE, 0, 0, 5 * 88, buffer);
    turn();
    CHECK_EQ(world.nr_held, 5);
    answer(4, BLKIF_RSP_OKAY);
    answer(0, BLKIF_RSP_OKAY);
    answer(0, BLKIF_RSP_OKAY);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY); /* not taken */
    restore();
    CHECK_EQ(world.nr_held, 3);
    CHECK_EQ(world.held[0].sector, 2 * 88);
    answer_all();
    CHECK_EQ(results[0], 0);
    CHECK(memcmp(world.disk, buffer, 5 * 88 * 512) == 0);
    submit(0, VBDFRONT_READ, 0, 0, 5 * 88, buffer + 256 * 4096);
    turn();
    answer(0, BLKIF_RSP_OKAY);
    answer(3, BLKIF_RSP_OKAY);
    fake_answer_undone(&world, 1, BLKIF_RSP_OKAY);
    restore();
    restore(); /* and once more: nothing has been answered since */
    CHECK_EQ(world.nr_held, 4);
    answer_all();
    CHECK_EQ(results[0], 0);
    CHECK(memcmp(buffer + 256 * 4096, buffer, 5 * 88 * 512) == 0);
    stop();
}

/* Nothing more of what has failed goes out, and it waits for nothing. */
static void check_failed_part(void)
{
    start_holding();
    submit(0, VBDFRONT_WRITE, 0, 0, 3 * 88, buffer);
    turn();
    fake_answer_held(&world, 1, BLKIF_RSP_ERROR);
    restore(); /* nobody knows of it yet */
    CHECK_EQ(results[0], UNDONE);
    REQUIRE(world.nr_held == 3);
    answer(1, BLKIF_RSP_ERROR);
    CHECK_EQ(results[0], UNDONE);
    restore();
    CHECK_EQ(results[0], -EIO);
    CHECK_EQ(world.nr_held, 0);
    stop();
}

/* The old ring is not looked at: the answer in the copy of the memory is there
 * before its data, or it is rubbish. */
static void check_unbelieved(void)
{
    start_holding();
    mark(world.disk, 8, 7);
    submit(0, VBDFRONT_READ, 0, 0, 8, buffer);
    submit(1, VBDFRONT_WRITE, 0, 8, 8, buffer + 4096);
    turn();
    fake_answer_undone(&world, 0, BLKIF_RSP_OKAY);
    fake_answer(&world, 1, W, BLKIF_RSP_OKAY); /* no such request */
    restore();
    CHECK_LOG(R, W, R, W);
    CHECK_EQ(nr_done, 0);
    memset((void *)(uintptr_t)world.rings[0].shared, 0xff, 4096);
    restore();
    CHECK_LOG(R, W);
    CHECK_EQ(nr_done, 0);
    answer_all();
    CHECK_EQ(nr_done, 2);
    CHECK_EQ(results[0] | results[1], 0);
    CHECK(memcmp(buffer, world.disk, 4096) == 0);
    stop();
}

/* --- another kind of back end ------------------------------------------- */

static void offer_much(void)
{
    offer("multi-queue-max-queues", "4");
    offer("max-ring-page-order", "2");
    offer("feature-persistent", "1");
    fake_offer_indirect(&world, 256);
    world.maps_persistently = true;
}

static void check_much_to_little(void)
{
    fake_init(&world);
    offer_much();
    vbdfront_get_defaults(&config);
    config.max_queues = 4;
    config.use_persistent = true;
    start_as(&config);
    world.holds = true;
    mark(buffer, 8 * 256, 4);
    for (unsigned i = 0; i < 64; i++)
        submit(i, VBDFRONT_WRITE, 0, 32 * i, 32, buffer + 32 * 512 * i);
    submit(64, VBDFRONT_WRITE, 0, 4096, 8 * 256, buffer);
    turn();
    CHECK(world.nr_queues == 4 && world.nr_held == 65);
    answer(10, BLKIF_RSP_OKAY);
    restore();
    CHECK_EQ(vbdfront_info(front)->nr_queues, 1);
    CHECK_EQ(vbdfront_info(front)->ring_slots, 32);
    CHECK_EQ(vbdfront_info(front)->is_persistent, false);
    CHECK_EQ(world.nr_held, 32);
    fake_restore(&world);
    offer_much();
    CHECK_EQ(resume(), 0);
    CHECK_EQ(world.nr_held, 64);
    answer_all();
    CHECK_EQ(nr_done, 65);
    CHECK(memcmp(world.disk, buffer, 8 * 256 * 512) == 0);
    CHECK(memcmp(world.disk + 4096 * 512, buffer, 8 * 256 * 512) == 0);
    stop();
}

/* --- order and durability ----------------------------------------------- */

static void check_barrier(void)
{
    start_holding();
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(1, VBDFRONT_BARRIER, 0, 8, 3 * 88, buffer);
    submit(2, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    CHECK_LOG(W, B, W, B, W);
    answer(0, BLKIF_RSP_OKAY);
    answer(0, BLKIF_RSP_OKAY);
    restore();
    CHECK_LOG(B, W, B, W); /* from the start */
    CHECK_EQ(world.held[0].sector, 8);
    while (world.nr_held > 0) /* not taken, all of it */
        fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    restore();
    CHECK_LOG(B, W, B, W);
    answer(0, BLKIF_RSP_OKAY);
    fake_restore(&world);
    offer("feature-barrier", "0");
    CHECK_EQ(resume(), 0);
    CHECK_LOG(F); /* by other means */
    answer_all();
    CHECK_LOG(W, W, W);
    fake_restore(&world);
    offer("multi-queue-max-queues", "2");
    CHECK_EQ(resume(), 0);
    CHECK_LOG(B, W, B); /* and alone, where there are several queues */
    answer_all();
    CHECK_EQ(results[1], 0);
    CHECK_LOG(W);
    answer_all();
    CHECK_EQ(results[2], 0);
    stop();
}

static void check_flush_and_fua(void)
{
    start_holding();
    submit(0, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    submit(1, VBDFRONT_WRITE, VBDFRONT_FUA, 80, 2 * 88, buffer);
    turn();
    CHECK_LOG(F, W, W);
    answer(1, BLKIF_RSP_OKAY);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY); /* not taken */
    restore();
    CHECK_LOG(F, W);
    CHECK_EQ(world.held[1].sector, 80 + 88);
    fake_answer_held(&world, 1, BLKIF_RSP_OKAY);
    turn();
    CHECK_LOG(F);
    CHECK_EQ(nr_done, 0);
    fake_answer_held(&world, 1, BLKIF_RSP_OKAY); /* not taken */
    fake_restore(&world);
    offer("feature-flush-cache", "0");
    CHECK_EQ(resume(), 0);
    CHECK_LOG(B, B);
    answer_all();
    CHECK_EQ(nr_done, 2);
    CHECK_EQ(results[0] | results[1], 0);
    stop();
}

/* A driver that flushes in two steps where there are both to do it with; its
 * empty requests have a sector number. */
static void check_double_flush(void)
{
    static const uint8_t keys[] = { VBDFRONT_KEY_QUEUES, VBDFRONT_KEY_PROTOCOL,
                                    VBDFRONT_KEY_END };
    static const struct vbdfront_habits habits = {
        .keys = keys, .syncs_twice = true, .sync_sector = 77 };

    fake_init(&world);
    vbdfront_get_defaults(&config);
    config.habits = &habits;
    start_as(&config);
    world.holds = true;
    submit(0, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    submit(1, VBDFRONT_WRITE, VBDFRONT_FUA, 80, 8, buffer);
    turn();
    CHECK_LOG(B, W);
    fake_answer_held(&world, 1, BLKIF_RSP_OKAY);
    turn();
    CHECK_LOG(F);
    fake_restore(&world);
    offer("feature-barrier", "0");
    CHECK_EQ(resume(), 0);
    CHECK_LOG(F, F);
    answer_all();
    CHECK_EQ(nr_done, 2);
    CHECK_EQ(results[0] | results[1], 0);
    stop();
}

/* --- less than before ---------------------------------------------------- */

static void check_no_flush(void)
{
    start_holding();
    submit(0, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    submit(1, VBDFRONT_WRITE, VBDFRONT_FUA, 0, 8, buffer);
    submit(2, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    submit(3, VBDFRONT_BARRIER, 0, 0, 8, buffer);
    world.nr_log = 0;
    fake_restore(&world);
    offer("feature-flush-cache", "0");
    offer("feature-barrier", "0");
    CHECK_EQ(resume(), 0);
    CHECK_EQ(results[0], -EOPNOTSUPP);
    CHECK_EQ(results[1], -EOPNOTSUPP);
    CHECK_EQ(results[3], -EOPNOTSUPP);
    CHECK_STR(vbdfront_reason(front), "the back end " FAKE_BACKEND " has "
              "neither flush nor barrier any more: what must be durable fails "
              "(EOPNOTSUPP)");
    CHECK_LOG(W);
    submit(4, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    CHECK_EQ(results[4], -EOPNOTSUPP);
    answer_all();
    CHECK_EQ(results[2], 0);
    stop();
}

static void check_smaller(void)
{
    start_holding();
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(1, VBDFRONT_WRITE, 0, 1016, 16, buffer);
    submit(2, VBDFRONT_READ, 0, 2000, 8, buffer);
    turn();
    answer(2, BLKIF_RSP_OKAY);
    fake_answer_held(&world, 1, BLKIF_RSP_OKAY); /* not taken */
    fake_restore(&world);
    offer("sectors", "1024");
    CHECK_EQ(resume(), 0);
    CHECK_EQ(results[1], -EIO);
    CHECK_EQ(results[2], 0); /* its answer had been taken */
    CHECK_STR(vbdfront_reason(front), "the disk of " FAKE_BACKEND " has shrunk "
              "from 16384 to 1024 sectors: I/O beyond fails");
    CHECK_EQ(world.nr_held, 1);
    answer_all();
    CHECK_EQ(results[0], 0);
    stop();
}

static void check_less(const char *leaf, const char *value, int error)
{
    start_holding();
    vbdfront_disconnect(front, SECOND);
    offer("feature-discard", "1");
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
    submit(0, VBDFRONT_DISCARD, 0, 4, 8, NULL);
    turn();
    fake_restore(&world);
    offer(leaf, value);
    CHECK_EQ(resume(), 0);
    CHECK_EQ(results[0], error);
    stop();
}

static void check_other_losses(void)
{
    check_less("feature-discard", "0", -EOPNOTSUPP);
    CHECK_STR(world.last_sentence, "the back end " FAKE_BACKEND " has no "
              "discard any more");
    check_less("sector-size", "4096", -EIO);
    check_less("info", "4", -EROFS);
}

/* --- when it does not go well -------------------------------------------- */

static void check_no_new_backend(void)
{
    start_holding();
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(1, VBDFRONT_WRITE, 0, 8, 8, buffer);
    turn();
    answer(0, BLKIF_RSP_OKAY);
    submit(2, VBDFRONT_BARRIER, 0, 8, 8, buffer);
    fake_restore(&world);
    world.backend = NULL;
    CHECK_EQ(resume(), -ETIMEDOUT);
    CHECK_STR(vbdfront_reason(front), "the back end " FAKE_BACKEND " stays "
              "Initialising");
    CHECK_EQ(results[0], 0);
    CHECK_EQ(results[1], -EIO);
    CHECK_EQ(results[2], -EIO);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CLOSED);
    CHECK_EQ(world.ports_used + world.nr_watches + world.grants_used, 0);
    CHECK_EQ(vbdfront_resume(front, SECOND), 0); /* of a disk that is closed */
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CLOSED);
    world.backend = fake_live;
    world.holds = false;
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 8, buffer), 0);
    fake_restore(&world);
    offer("sectors", "many");
    CHECK_EQ(resume(), -EPROTO);
    stop();
}

static void check_broken(void)
{
    start_holding();
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    fake_answer(&world, 1, W, BLKIF_RSP_OKAY); /* no such request */
    vbdfront_poll(front);
    CHECK_EQ(results[0], -EIO);
    fake_restore(&world);
    CHECK_EQ(resume(), -EIO);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_BROKEN);
    CHECK_EQ(world.grants_used, 0);
    fake_restore(&world);
    CHECK_EQ(resume(), -EIO);
    world.holds = false;
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 8, buffer), 0);
    stop();
}

/* --- done() submits ------------------------------------------------------ */

static void on_done_again(struct vbdfront_io *io, int error)
{
    on_done(io, error);
    submit((unsigned)(io - ios) + 10, VBDFRONT_WRITE, 0, io->sector - 8500, 8,
           buffer);
}

/* It will not fit; what is submitted next may. */
static void submit_with_next(unsigned i, uint64_t sector)
{
    ios[i] = (struct vbdfront_io){ .op = VBDFRONT_WRITE, .sector = sector,
                                   .nr_sectors = 8, .data = buffer,
                                   .done = on_done_again };
    results[i] = UNDONE;
    vbdfront_submit(front, &ios[i]);
}

static void check_submit_from_done(void)
{
    start_holding();
    submit_with_next(1, 10000);
    submit(2, VBDFRONT_WRITE, 0, 16, 8, buffer);
    submit_with_next(3, 12000);
    submit(4, VBDFRONT_WRITE, 0, 32, 8, buffer);
    turn();
    fake_restore(&world);
    offer("sectors", "3000");
    CHECK_EQ(resume(), 0);
    CHECK_EQ(results[1], -EIO);
    CHECK_EQ(results[3], -EIO);
    CHECK_EQ(results[13], -EINVAL); /* as any that is submitted now */
    CHECK_EQ(world.nr_held, 3);
    CHECK_EQ(world.held[0].sector, 16);
    CHECK_EQ(world.held[1].sector, 32);
    CHECK_EQ(world.held[2].sector, 1500); /* behind what is older */
    answer_all();
    CHECK_EQ(results[11], 0);
    stop();
}

/* --- a back end that goes ------------------------------------------------ */

static void go(enum xenbus_state state)
{
    if (state == XENBUS_CLOSED)
        world.has_ring = false;
    fake_set_backend_state(&world, state);
    world.port.wait(&world, 0);
    vbdfront_poll(front);
}

/* What was answered is answered; the rest fails, once; and the disk can be had
 * again. */
static void check_detach(enum xenbus_state state)
{
    fake_init(&world);
    offer("multi-queue-max-queues", "4");
    fake_offer_indirect(&world, 256);
    vbdfront_get_defaults(&config);
    config.max_queues = 4;
    start_as(&config);
    world.holds = true;
    for (unsigned i = 0; i < 20; i++)
        submit(i, i % 2 ? VBDFRONT_READ : VBDFRONT_WRITE, 0, 200 * i, 200,
               buffer);
    submit(20, VBDFRONT_BARRIER, 0, 0, 8, buffer);
    submit(21, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    world.follows_states = false;
    go(state);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_BROKEN);
    CHECK_EQ(vbdfront_in_flight(front), 0);
    CHECK_EQ(nr_done, 22);
    CHECK_EQ(results[0], 0);
    for (unsigned i = 1; i < 22; i++)
        CHECK_EQ(results[i], -EIO);
    world.follows_states = true;
    world.holds = false;
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 200, buffer), 0);
    CHECK_EQ(nr_done, 22);
    stop();
}

static void check_detaches(void)
{
    check_detach(XENBUS_CLOSING);
    check_detach(XENBUS_CLOSED);
}

int main(void)
{
    TEST("what no answer was taken to is sent again, in order, and nothing "
         "else", check_order);
    TEST("an operation of many parts goes on where it was", check_parts);
    TEST("one that is known to have failed is over", check_failed_part);
    TEST("what stands on the old ring is not believed", check_unbelieved);
    TEST("the new back end may take less, or more", check_much_to_little);
    TEST("a barrier begins again, as the new back end knows it",
         check_barrier);
    TEST("a flush and a FUA write are as durable as before",
         check_flush_and_fua);
    TEST("a flush in two steps is made as the new back end knows it",
         check_double_flush);
    TEST("what must be durable fails where nothing can be", check_no_flush);
    TEST("what lies beyond a smaller disk fails", check_smaller);
    TEST("so does what else the disk cannot do", check_other_losses);
    TEST("without a new back end all fails, once", check_no_new_backend);
    TEST("a disk that is broken stays so", check_broken);
    TEST("what done() submits comes behind what is older",
         check_submit_from_done);
    TEST("when the back end goes, each operation in flight is done once",
         check_detaches);
    return tap_done();
}
