/* SPDX-License-Identifier: MIT
 * A connected disk in the fake world, and a few hands to work it with: for
 * each of the front end's test programs that are about data. */
#ifndef VBDD_TESTS_FRONTEND_DISK_H
#define VBDD_TESTS_FRONTEND_DISK_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "tests/unit/frontend-fake.h"
#include "tests/unit/tap.h"

enum { SECOND = 1000000, BUFFER_PAGES = 512, IOS = 256, UNDONE = 1 };
enum { R = BLKIF_OP_READ, W = BLKIF_OP_WRITE, B = BLKIF_OP_WRITE_BARRIER,
       F = BLKIF_OP_FLUSH_DISKCACHE, D = BLKIF_OP_DISCARD };

static struct fake world;
static struct vbdfront *front;
static uint8_t *buffer;
static struct vbdfront_io ios[IOS];
static int results[IOS];
static unsigned nr_done;

static inline void on_done(struct vbdfront_io *io, int error)
{
    unsigned i = (unsigned)(io - ios);

    CHECK_EQ(results[i], UNDONE); /* once */
    results[i] = error;
    nr_done++;
}

static inline void start_as(const struct vbdfront_config *config)
{
    REQUIRE(vbdfront_open(&world.port, FAKE_NODE, config, &front) == 0);
    buffer = world.port.page_alloc(&world, BUFFER_PAGES);
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
    nr_done = 0;
}

static inline void start(void)
{
    start_as(NULL);
}

static inline void start_usual(void)
{
    fake_init(&world);
    start();
}

static inline void start_with(const char *flush, const char *barrier)
{
    fake_init(&world);
    fake_set(&world, FAKE_BACKEND, "feature-flush-cache", flush);
    fake_set(&world, FAKE_BACKEND, "feature-barrier", barrier);
    start();
}

static inline void stop(void)
{
    struct vbdfront_stats stats;

    world.holds = false;
    vbdfront_disconnect(front, SECOND);
    CHECK_EQ(vbdfront_in_flight(front), 0);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 0);
    vbdfront_close(front);
    world.port.page_free(&world, buffer, BUFFER_PAGES);
    CHECK(fake_is_clean(&world));
    CHECK_EQ(world.violations, 0);
}

static inline void submit(unsigned i, enum vbdfront_op op, unsigned flags,
                   uint64_t sector, uint32_t nr_sectors, void *data)
{
    ios[i] = (struct vbdfront_io){ .op = op, .flags = flags, .sector = sector,
                                   .nr_sectors = nr_sectors, .data = data,
                                   .done = on_done };
    memset(ios[i].front_private, 0xa5, sizeof ios[i].front_private);
    results[i] = UNDONE;
    vbdfront_submit(front, &ios[i]);
}

/* One turn: ours goes out, the back end sees it, its answers come in. */
static inline void turn(void)
{
    vbdfront_poll(front);
    world.port.wait(&world, 0);
    vbdfront_poll(front);
}

static inline void check_log(const uint8_t *want, unsigned nr)
{
    CHECK_EQ(world.nr_log, nr);
    for (unsigned i = 0; i < nr && i < world.nr_log; i++) {
        if (!CHECK_EQ(world.log[i], want[i]))
            NOTE("request %u", i);
    }
    world.nr_log = 0;
}
#define CHECK_LOG(...)                                                       \
    check_log((const uint8_t[]){ __VA_ARGS__ },                              \
              sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* Whatever the back end holds is done well. */
static inline void answer_all(void)
{
    while (world.nr_held > 0)
        fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    turn();
}

#endif
