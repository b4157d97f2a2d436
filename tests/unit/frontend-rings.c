/* SPDX-License-Identifier: MIT
 * Claim: several queues, rings of several pages and each layout of ring
 * entries are agreed on as blkif.h says ("ring-page-order", "Multiple hardware
 * queues/rings", "protocol"), never beyond what either end can; all of them
 * are used; a barrier is one to all of them; and whatever is missing on the
 * way up, all is given back. Mechanism: the real core over a fake port, whose
 * back end finds the rings by their nodes. */
#include "tests/unit/frontend-disk.h"

/* What the back end offers, and what this end is ready for. */
static struct vbdfront_config prepare(const char *queues, const char *order)
{
    struct vbdfront_config config;

    fake_init(&world);
    fake_set(&world, FAKE_BACKEND, "multi-queue-max-queues", queues);
    fake_set(&world, FAKE_BACKEND, "max-ring-page-order", order);
    vbdfront_get_defaults(&config);
    config.max_queues = 4;
    return config;
}

/* --- the way up --------------------------------------------------------- */

static void check_agreed(uint32_t queues, uint32_t pages)
{
    const struct vbdfront_info *info = vbdfront_info(front);

    CHECK_EQ(info->nr_queues, queues);
    CHECK_EQ(info->ring_pages, pages);
    CHECK_EQ(world.nr_queues, queues);
    CHECK_EQ(world.ring_pages, pages);
    CHECK_EQ(info->ring_slots, world.rings[0].slots);
    CHECK_EQ(world.ports_used, queues);
    CHECK_EQ(world.grants_used, queues * pages);
}

static void stamp(uint8_t *data, uint32_t nr_sectors, uint32_t salt)
{
    for (uint32_t i = 0; i < nr_sectors; i++) {
        memset(data + i * 512, (int)(i * 13 + salt), 512);
        memcpy(data + i * 512, &i, sizeof i);
    }
}

/* Stamped data there and back again. */
static void check_data(uint32_t salt)
{
    enum { SECTORS = 2000 };
    uint8_t *back = buffer + 256 * 4096;

    stamp(buffer, SECTORS, salt);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 77, SECTORS, buffer), 0);
    CHECK(memcmp(world.disk + 77 * 512, buffer, SECTORS * 512) == 0);
    memset(back, 0, SECTORS * 512);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 77, SECTORS, back), 0);
    CHECK(memcmp(back, buffer, SECTORS * 512) == 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 0, 200, buffer), 0);
}

static void check_every_size(void)
{
    static const char *const queues[] = { "1", "2", "4" };
    static const char *const orders[] = { "0", "1", "4" };

    for (unsigned i = 0; i < 27; i++) {
        struct vbdfront_config config = prepare(queues[i % 3],
                                                orders[i / 3 % 3]);

        config.abi = (enum vbdfront_abi)(i / 9);
        start_as(&config);
        check_agreed((uint32_t)atoi(queues[i % 3]),
                     1u << atoi(orders[i / 3 % 3]));
        if (config.abi != VBDFRONT_ABI_NATIVE)
            CHECK_EQ(world.rings[0].abi, config.abi);
        check_data(i);
        for (unsigned queue = 0; queue < world.nr_queues; queue++)
            CHECK(world.nr_served[queue] > 0);
        stop();
    }
}

static void check_node(const char *leaf, const char *value)
{
    const char *found = fake_get(&world, FAKE_NODE, leaf);

    if (!value)
        CHECK(!found);
    else
        CHECK_STR(found ? found : "nothing", value);
}

static void check_nodes(void)
{
    struct vbdfront_config config = prepare("2", "1");

    start_as(&config);
    check_node("multi-queue-num-queues", "2");
    check_node("ring-page-order", "1");
    check_node("queue-0/ring-ref0", "8");
    check_node("queue-0/ring-ref1", "9");
    check_node("queue-0/event-channel", "3");
    check_node("queue-1/ring-ref0", "10");
    check_node("queue-1/ring-ref1", "11");
    check_node("queue-1/event-channel", "4");
    check_node("ring-ref", NULL); /* "must not" */
    check_node("event-channel", NULL);
    check_node("queue-0/ring-ref", NULL);
    stop();

    config = prepare("2", "0");
    start_as(&config);
    check_node("queue-0/ring-ref", "8");
    check_node("queue-1/ring-ref", "9");
    check_node("queue-1/ring-ref0", NULL);
    check_node("ring-page-order", NULL);
    stop();

    config = prepare("1", "4");
    start_as(&config);
    check_node("ring-ref15", "23");
    check_node("event-channel", "3");
    check_node("multi-queue-num-queues", NULL);
    stop();
}

/* What a boot loader's driver has left must not be taken for ours. */
static void check_stale_nodes(void)
{
    start_usual();
    vbdfront_disconnect(front, SECOND);
    fake_set(&world, FAKE_NODE, "ring-page-order", "3");
    fake_set(&world, FAKE_NODE, "ring-ref0", "4000");
    fake_set(&world, FAKE_NODE, "num-ring-pages", "8");
    fake_set(&world, FAKE_NODE, "multi-queue-num-queues", "4");
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    check_node("ring-page-order", "0");
    check_node("multi-queue-num-queues", "1");
    check_node("num-ring-pages", "1");
    CHECK_STR(fake_get(&world, FAKE_NODE, "ring-ref0"), "8");
    check_node("ring-ref", "8");
    check_data(1);
    stop();
}

/* --- the least of both -------------------------------------------------- */

static void check_offer(const char *queues, const char *order,
                        uint32_t want_queues, uint32_t want_pages)
{
    struct vbdfront_config config = prepare(queues, order);

    start_as(&config);
    check_agreed(want_queues, want_pages);
    check_data(9);
    stop();
}

static void check_mad_offers(void)
{
    check_offer("0", "0", 1, 1);
    check_offer("3", "2", 3, 4);
    check_offer("99", "99", 4, 16);
    check_offer("4294967295", "4294967295", 4, 16);
    check_offer("\1", "\1", 1, 1);
}

static void check_own_limits(void)
{
    struct vbdfront_config config = prepare("4", "4");

    config.max_queues = 2;
    config.max_ring_page_order = 1;
    start_as(&config);
    check_agreed(2, 2);
    stop();
    prepare("4", "4");
    start();
    check_agreed(1, 16); /* the defaults */
    stop();
}

static void check_impossible_config(void)
{
    struct vbdfront_config good, bad;

    fake_init(&world);
    vbdfront_get_defaults(&good);
#define IMPOSSIBLE(field, value)                                             \
    bad = good;                                                              \
    bad.field = (value);                                                     \
    CHECK_EQ(vbdfront_open(&world.port, FAKE_NODE, &bad, &front), -EINVAL)
    IMPOSSIBLE(max_queues, 0);
    IMPOSSIBLE(max_queues, 5);
    IMPOSSIBLE(max_ring_page_order, 5);
    IMPOSSIBLE(abi, (enum vbdfront_abi)3);
#undef IMPOSSIBLE
    CHECK(fake_is_clean(&world));
}

/* --- what is missing on the way up -------------------------------------- */

static void connect_without(unsigned *limit, unsigned enough)
{
    struct vbdfront_stats stats;

    REQUIRE(enough > 2);
    for (*limit = 0; *limit < enough; ++*limit) {
        int error = vbdfront_connect(front, SECOND);

        CHECK(error == -ENOMEM || error == -ENOSPC);
        CHECK(vbdfront_reason(front)[0] != '\0');
        CHECK_EQ(world.grants_used, 0);
        CHECK_EQ(world.ports_used, 0);
        CHECK_EQ(world.nr_watches, 0);
        vbdfront_get_stats(front, &stats);
        CHECK_EQ(stats.grants_held, 0);
        CHECK_EQ(stats.pages_lost, 0);
    }
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    vbdfront_disconnect(front, SECOND);
}

static void check_nothing_leaks(void)
{
    struct vbdfront_config config = prepare("4", "1");
    unsigned own, pages;

    REQUIRE(vbdfront_open(&world.port, FAKE_NODE, &config, &front) == 0);
    own = world.pages_used;
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    pages = world.pages_used;
    vbdfront_disconnect(front, SECOND);
    CHECK_EQ(world.pages_used, own);
    connect_without(&world.grants_limit, 4 * 2);
    connect_without(&world.ports_limit, 4);
    connect_without(&world.pages_limit, pages);
    vbdfront_close(front);
    CHECK(fake_is_clean(&world));
    CHECK_EQ(world.violations, 0);
}

/* XSA-396: one page of a ring that is kept, and the others go back. */
static void check_ring_kept(void)
{
    struct vbdfront_config config = prepare("2", "2");
    struct vbdfront_stats stats;
    unsigned own;
    void *ring;

    REQUIRE(vbdfront_open(&world.port, FAKE_NODE, &config, &front) == 0);
    own = world.pages_used;
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    ring = world.grants[8].page;
    world.grants[10].is_busy = true;
    CHECK_EQ(vbdfront_disconnect(front, SECOND), -EBUSY);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.pages_lost, 1);
    CHECK_EQ(stats.grants_held, 0);
    CHECK_EQ(world.grants_used, 1);
    CHECK_EQ(world.pages_used, own + 4); /* the whole of that ring */
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK(world.rings[0].shared != ring);
    vbdfront_close(front);
    CHECK_EQ(world.violations, 0);
    free(ring);
}

/* --- all of them are used ----------------------------------------------- */

static void check_all_slots(void)
{
    struct vbdfront_config config = prepare("4", "0");

    start_as(&config);
    world.holds = true;
    for (unsigned i = 0; i < 200; i++)
        submit(i, VBDFRONT_READ, 0, i * 8, 8, buffer + i * 4096);
    turn();
    CHECK_EQ(world.nr_held, 4 * 32);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(world.nr_served[i], 32);
    while (world.nr_held > 0)
        answer_all();
    CHECK_EQ(nr_done, 200);
    stop();

    config = prepare("1", "4");
    start_as(&config);
    world.holds = true;
    submit(0, VBDFRONT_READ, 0, 0, 512, buffer);
    for (unsigned i = 0; i < 250; i++)
        submit(1 + i, VBDFRONT_READ, 0, i, 88, buffer + i * 4096);
    turn();
    CHECK_EQ(world.nr_held, 256);
    while (world.nr_held > 0)
        answer_all();
    CHECK_EQ(nr_done, 251);
    stop();
}

/* Each queue with something new is pushed once, and notified once. */
static void check_pushes(void)
{
    struct vbdfront_config config = prepare("4", "0");
    struct vbdfront_stats stats;

    start_as(&config);
    turn(); /* every queue asks for an event */
    for (unsigned i = 0; i < 2; i++)
        submit(i, VBDFRONT_READ, 0, i, 1, buffer + i * 4096);
    vbdfront_poll(front);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.pushes, 2);
    CHECK_EQ(stats.notifies, 2);
    CHECK_EQ(world.notifications, 2);
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    stop();
}

/* --- order -------------------------------------------------------------- */

static void check_barrier(void)
{
    struct vbdfront_config config = prepare("2", "0");

    start_as(&config);
    world.holds = true;
    submit(0, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(1, VBDFRONT_WRITE, 0, 8, 8, buffer);
    submit(2, VBDFRONT_BARRIER, 0, 100, 3 * 88, buffer);
    submit(3, VBDFRONT_WRITE, 0, 0, 8, buffer);
    turn();
    CHECK_LOG(W, W);
    CHECK_EQ(world.nr_served[0], 1);
    CHECK_EQ(world.nr_served[1], 1);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
    CHECK_EQ(world.nr_log, 0); /* the other queue is not empty */
    answer_all();
    CHECK_LOG(B, W, B); /* all of it where it is one: on one queue */
    CHECK_EQ(world.nr_served[1], 1);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
    CHECK_EQ(world.nr_log, 0);
    answer_all();
    CHECK_EQ(results[2], 0);
    CHECK_LOG(W);
    answer_all();
    CHECK_EQ(results[3], 0);
    submit(4, VBDFRONT_WRITE, 0, 0, 8, buffer);
    submit(5, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    turn();
    CHECK_LOG(W, F); /* a flush needs no such thing */
    answer_all();
    stop();
}

/* --- lies --------------------------------------------------------------- */

static void start_four(void)
{
    struct vbdfront_config config = prepare("2", "1");

    start_as(&config);
    world.holds = true;
    for (unsigned i = 0; i < 4; i++)
        submit(i, VBDFRONT_WRITE, 0, i * 8, 8, buffer + i * 4096);
    turn();
    REQUIRE(world.nr_held == 4 && world.nr_served[1] == 2);
}

static void check_broken(void)
{
    vbdfront_poll(front);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_BROKEN);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(results[i], -EIO);
    world.holds = false;
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    check_data(3);
    stop();
}

static void lie(unsigned queue, uint64_t id, uint8_t operation)
{
    back_ring_put(&world.rings[queue], id, operation, BLKIF_RSP_OKAY);
    back_ring_push(&world.rings[queue]);
    check_broken();
}

static void check_lies(void)
{
    start_four(); /* the first queue's request is none of the second's */
    REQUIRE(world.held_queue[0] == 0);
    lie(1, world.held[0].id, W);
    start_four();
    lie(1, world.rings[1].slots, W);
    start_four();
    REQUIRE(world.held_queue[2] == 1);
    lie(1, world.held[2].id, R);
    start_four();
    world.rings[1].rsp_prod += 3;
    back_ring_push(&world.rings[1]);
    check_broken();
}

int main(void)
{
    TEST("queues, ring sizes and layouts go together in any way",
         check_every_size);
    TEST("the nodes are those of blkif.h", check_nodes);
    TEST("nodes of an earlier user are overwritten", check_stale_nodes);
    TEST("an offer beyond measure is cut to ours", check_mad_offers);
    TEST("no more is used than was configured", check_own_limits);
    TEST("a config that cannot be is refused", check_impossible_config);
    TEST("whatever is missing on the way up, nothing leaks",
         check_nothing_leaks);
    TEST("a page of a ring that is kept is never used again (XSA-396)",
         check_ring_kept);
    TEST("every slot of every queue is used", check_all_slots);
    TEST("each queue is pushed and notified for itself", check_pushes);
    TEST("a barrier leaves all queues empty around it (C6)", check_barrier);
    TEST("each queue checks its own answers", check_lies);
    return tap_done();
}
