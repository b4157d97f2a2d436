/* SPDX-License-Identifier: MIT
 * Claim: the front end goes through the xenbus states in the order of blkif.h
 * ("STATE DIAGRAMS"), from whatever state an earlier user left behind, and
 * gives back all that it took, whatever happened. (What becomes of a back end's
 * lies: lies-nodes.c.) Mechanism: the real core over a fake port, whose back end
 * reacts in wait(). */
#include <errno.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "tests/unit/frontend-fake.h"
#include "tests/unit/tap.h"

static struct fake world;
static struct vbdfront *front;

enum { SECOND = 1000000 };

static void open_front(void)
{
    fake_init(&world);
    REQUIRE(vbdfront_open(&world.port, FAKE_NODE, NULL, &front) == 0);
}

static void close_front(void)
{
    vbdfront_close(front);
    CHECK(fake_is_clean(&world));
    CHECK_EQ(world.violations, 0);
}

/* --- the usual way ------------------------------------------------------ */

static void check_connect(void)
{
    char ring[16], port[16];

    open_front();
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CLOSED);
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CONNECTED);
    CHECK_EQ(fake_front_state(&world), XENBUS_CONNECTED);
    snprintf(ring, sizeof ring, "%s", fake_get(&world, FAKE_NODE, "ring-ref"));
    snprintf(port, sizeof port, "%s",
             fake_get(&world, FAKE_NODE, "event-channel"));
    CHECK_STR(ring, "8");
    CHECK_STR(port, "3");
    CHECK(fake_get(&world, FAKE_NODE, "protocol") != NULL);
    CHECK_EQ(vbdfront_info(front)->nr_sectors, FAKE_DISK_SECTORS);
    CHECK_EQ(vbdfront_info(front)->sector_bytes, 512);
    CHECK_EQ(vbdfront_info(front)->physical_sector_bytes, 512);
    CHECK_EQ(vbdfront_info(front)->max_segments, 11);
    CHECK_EQ(vbdfront_info(front)->ring_slots, 32);
    CHECK(vbdfront_info(front)->has_flush);
    CHECK(vbdfront_info(front)->has_barrier);
    CHECK(!vbdfront_info(front)->has_discard);
    CHECK(!vbdfront_info(front)->read_only);
    CHECK_STR(vbdfront_reason(front), "");
    CHECK_EQ(vbdfront_connect(front, SECOND), -EISCONN);
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CLOSED);
    CHECK_EQ(fake_front_state(&world), XENBUS_CLOSED);
    close_front();
}

static void check_reconnect(void)
{
    unsigned long rounds = tap_scaled(1000);
    struct vbdfront_stats stats;
    uint8_t *page;

    open_front();
    page = world.port.page_alloc(&world, 1);
    for (unsigned long i = 0; i < rounds; i++) {
        if (vbdfront_connect(front, SECOND) != 0 ||
            vbdfront_do(front, VBDFRONT_WRITE, 0, i % 100, 8, page) != 0 ||
            vbdfront_disconnect(front, SECOND) != 0) {
            CHECK(!"a round failed");
            NOTE("round %lu: %s", i, vbdfront_reason(front));
            break;
        }
    }
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 0);
    CHECK_EQ(stats.pages_lost, 0);
    CHECK_EQ(stats.ring_requests, rounds);
    CHECK_EQ(world.grants_used, 0);
    CHECK_EQ(world.ports_used, 0);
    world.port.page_free(&world, page, 1);
    close_front();
}

static void check_close_disconnects(void)
{
    open_front();
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    close_front();
    CHECK_EQ(fake_front_state(&world), XENBUS_CLOSED);
    vbdfront_close(NULL);
}

/* --- what an earlier user left ------------------------------------------ */

static void connect_from(const char *ours, const char *theirs)
{
    open_front();
    fake_set(&world, FAKE_NODE, "state", ours);
    fake_set(&world, FAKE_BACKEND, "state", theirs);
    if (!CHECK_EQ(vbdfront_connect(front, SECOND), 0))
        NOTE("front %s, back %s: %s", ours, theirs, vbdfront_reason(front));
    CHECK(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL) == 0);
    close_front();
}

static void check_leftovers(void)
{
    static const char *const ours[] = { "\1", "1", "3", "4", "5", "6", "no" };

    for (unsigned i = 0; i < sizeof ours / sizeof *ours; i++) {
        connect_from(ours[i], "2");
        connect_from(ours[i], "6");
        if (ours[i][0] != '1' && ours[i][0] != '\1' && ours[i][0] != 'n')
            connect_from(ours[i], "4"); /* it still serves a dead user */
    }
}

/* --- what is not there -------------------------------------------------- */

static void check_no_device(void)
{
    open_front();
    fake_remove(&world, FAKE_NODE, "backend");
    CHECK_EQ(vbdfront_connect(front, SECOND), -ENOENT);
    CHECK_STR(vbdfront_reason(front), "there is no device " FAKE_NODE);
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    close_front();
}

static void check_exhausted_port(void)
{
    open_front();
    world.grants_limit = 0;
    CHECK_EQ(vbdfront_connect(front, SECOND), -ENOSPC);
    CHECK_STR(vbdfront_reason(front),
              "the ring's page cannot be granted (error 28)");
    world.grants_limit = 1;
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    close_front();
}

static int (*fake_write)(void *context, const char *path, const char *value);
static unsigned nr_writes, refused_write;

static int refuse_one(void *context, const char *path, const char *value)
{
    return nr_writes++ == refused_write ? -ENOSPC
                                        : fake_write(context, path, value);
}

static void check_refused_write(void)
{
    enum { NR_WRITES = 5 }; /* two states; ring-ref, event-channel, protocol */

    open_front();
    fake_write = world.port.store_write;
    world.port.store_write = refuse_one;
    for (unsigned i = 0; i <= NR_WRITES; i++) {
        refused_write = i;
        nr_writes = 0;
        CHECK_EQ(vbdfront_connect(front, SECOND),
                 i < NR_WRITES ? -ENOSPC : 0);
        vbdfront_disconnect(front, SECOND);
        CHECK_EQ(world.grants_used + world.ports_used + world.nr_watches, 0);
        fake_make_device(&world);
    }
    close_front();
}

/* --- what disk it is ---------------------------------------------------- */

static void check_defaults(void)
{
    open_front();
    fake_remove(&world, FAKE_BACKEND, "info");
    fake_remove(&world, FAKE_BACKEND, "feature-flush-cache");
    fake_remove(&world, FAKE_BACKEND, "feature-barrier");
    fake_set(&world, FAKE_BACKEND, "sector-size", "4096");
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK_EQ(vbdfront_info(front)->physical_sector_bytes, 4096);
    CHECK(!vbdfront_info(front)->has_flush);
    CHECK(!vbdfront_info(front)->has_barrier);
    CHECK(!vbdfront_info(front)->read_only);
    close_front();
}

static void check_info_bits(void)
{
    open_front();
    fake_set(&world, FAKE_BACKEND, "info", "7");
    fake_set(&world, FAKE_BACKEND, "physical-sector-size", "4096");
    fake_set(&world, FAKE_BACKEND, "feature-discard", "1");
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK(vbdfront_info(front)->read_only);
    CHECK(vbdfront_info(front)->is_cdrom);
    CHECK(vbdfront_info(front)->is_removable);
    CHECK(vbdfront_info(front)->has_discard);
    CHECK_EQ(vbdfront_info(front)->physical_sector_bytes, 4096);
    close_front();
}

/* --- while connected ---------------------------------------------------- */

static void check_resize(void)
{
    open_front();
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    fake_set(&world, FAKE_BACKEND, "sectors", "8000");
    fake_set_backend_state(&world, XENBUS_CONNECTED);
    world.port.wait(&world, 0);
    vbdfront_poll(front);
    CHECK_EQ(vbdfront_info(front)->nr_sectors, 8000);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CONNECTED);
    close_front();
}

static int last_error;

static void keep_error(struct vbdfront_io *io, int error)
{
    (void)io;
    last_error = error;
}

/* What was on its way when the disk shrank is the back end's to refuse; what
 * comes later is refused here. */
static void check_shrink(void)
{
    struct vbdfront_io io = { .op = VBDFRONT_READ, .sector = 9000,
                              .nr_sectors = 8, .done = keep_error };

    open_front();
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    io.data = world.port.page_alloc(&world, 1);
    world.holds = true;
    last_error = 1;
    vbdfront_submit(front, &io);
    vbdfront_poll(front);
    fake_set(&world, FAKE_BACKEND, "sectors", "8000");
    fake_set_backend_state(&world, XENBUS_CONNECTED);
    world.port.wait(&world, 0);
    vbdfront_poll(front);
    CHECK_EQ(vbdfront_info(front)->nr_sectors, 8000);
    CHECK_EQ(last_error, 1);
    fake_answer_held(&world, 0, BLKIF_RSP_ERROR);
    vbdfront_poll(front);
    CHECK_EQ(last_error, -EIO);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 9000, 8, io.data), -EINVAL);
    world.holds = false;
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 7992, 8, io.data), 0);
    world.port.page_free(&world, io.data, 1);
    close_front();
}

static void check_long_node(void)
{
    char node[400];

    fake_init(&world);
    memset(node, 'n', sizeof node);
    node[sizeof node - 1] = '\0';
    CHECK_EQ(vbdfront_open(&world.port, node, NULL, &front), -ENAMETOOLONG);
    CHECK(fake_is_clean(&world));
}

/* A reason is cut, whatever a toolstack calls its folders. */
static void check_long_backend(void)
{
    char backend[241];

    open_front();
    memset(backend, 'b', sizeof backend);
    backend[0] = '/';
    backend[sizeof backend - 1] = '\0';
    fake_set(&world, FAKE_NODE, "backend", backend);
    world.backend = NULL;
    CHECK_EQ(vbdfront_connect(front, SECOND), -ETIMEDOUT);
    CHECK_EQ(strlen(vbdfront_reason(front)), 255);
    CHECK(strncmp(vbdfront_reason(front), "the back end /bbbb", 18) == 0);
    close_front();
}

int main(void)
{
    TEST("a fresh device is connected and closed again", check_connect);
    TEST("a thousand reconnects leave nothing behind", check_reconnect);
    TEST("close disconnects", check_close_disconnects);
    TEST("a device left in any state is started anew", check_leftovers);
    TEST("a device that is not there is told as such", check_no_device);
    TEST("a full grant table fails the connect and leaks nothing",
         check_exhausted_port);
    TEST("a node that is not written fails the connect and leaks nothing",
         check_refused_write);
    TEST("absent nodes have blkif.h's defaults", check_defaults);
    TEST("info's bits are understood", check_info_bits);
    TEST("a resize is seen", check_resize);
    TEST("a disk that shrinks is sane at either side of it", check_shrink);
    TEST("a node's name that is too long is refused", check_long_node);
    TEST("a back end's path that is long is understood, and cut in reasons",
         check_long_backend);
    return tap_done();
}
