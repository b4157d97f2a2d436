/* SPDX-License-Identifier: MIT
 * Claim: a guest that is restored while its disk is busy goes on where it was:
 * each operation is done once, and what was written is on the target, whether
 * the old back end is at work while the memory is copied, has drained, or has
 * died, and whatever the new one offers. From
 * one whose disk is taken away nothing is lost without a word. Source:
 * docs/PROTOCOL.md, section 3. Mechanism: a real vbdd with real workers on the
 * stand-in, whose writes are slow; the driver core as guest in this process.
 * The target is read past everybody. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/host/log.h"
#include "frontend/port-local/port-local.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum {
    DOMID = 5, DOMAIN_PAGES = 8192, ROUNDS = 18, OPERATIONS = 40,
    SLOT_SECTORS = 800, READ_SECTORS = 65536, /* what is only read: from here */
    UNDONE = 1,
};
static const uint64_t PATIENCE_US = 60000000;

static struct rig_device device;
static struct port_local *domain;
static const struct vbdfront_port *port;
static struct vbdfront *front;
static uint8_t *data;
static struct vbdfront_io ios[OPERATIONS];
static int results[OPERATIONS];
static unsigned nr_at_once;

/* --- the target ---------------------------------------------------------- */

static uint8_t *slot(unsigned i)
{
    return data + (size_t)i * SLOT_SECTORS * 512;
}

static void stamp(uint8_t *at, uint64_t sector, uint32_t nr, unsigned round)
{
    for (uint32_t n = 0; n < nr; n++) {
        for (unsigned i = 0; i < 512; i += sizeof(uint64_t)) {
            uint64_t word = (sector + n) << 16 | round << 8 | i / 8;

            memcpy(at + n * 512 + i, &word, sizeof word);
        }
    }
}

static void fill_target(void)
{
    int fd = open(device.target, O_WRONLY);
    ssize_t bytes = (ssize_t)OPERATIONS * SLOT_SECTORS * 512;

    stamp(data, READ_SECTORS, OPERATIONS * SLOT_SECTORS, 255);
    CHECK_EQ(pwrite(fd, data, (size_t)bytes, READ_SECTORS * 512), bytes);
    close(fd);
}

static bool is_on_target(const struct vbdfront_io *io)
{
    static uint8_t got[SLOT_SECTORS * 512];
    int fd = open(device.target, O_RDONLY);
    ssize_t bytes = (ssize_t)io->nr_sectors * 512;
    bool is_there = pread(fd, got, (size_t)bytes, (off_t)io->sector * 512) ==
                        bytes && memcmp(got, io->data, (size_t)bytes) == 0;

    close(fd);
    return is_there;
}

/* --- the guest ----------------------------------------------------------- */

static void on_done(struct vbdfront_io *io, int error)
{
    CHECK_EQ(results[io - ios], UNDONE); /* once */
    results[io - ios] = error;
}

/* Of every kind; most are writes, each to sectors of its own. */
static void submit(unsigned i, unsigned round)
{
    struct vbdfront_io *io = &ios[i];

    *io = (struct vbdfront_io){ .op = VBDFRONT_WRITE, .data = slot(i),
                                .done = on_done };
    io->nr_sectors = 8 * (1 + (i * 37 + round * 11) % 100);
    io->sector = (uint64_t)i * SLOT_SECTORS;
    if (i % 5 == 1)
        io->flags = VBDFRONT_FUA;
    if (i % 20 == 7)
        io->op = VBDFRONT_BARRIER;
    if (i % 20 == 13)
        *io = (struct vbdfront_io){ .op = VBDFRONT_FLUSH, .done = on_done };
    if (i % 5 == 4) {
        io->op = VBDFRONT_READ;
        io->sector += READ_SECTORS;
        memset(io->data, 0, (size_t)io->nr_sectors * 512);
    } else {
        stamp(slot(i), io->sector, io->nr_sectors, round);
    }
    results[i] = UNDONE;
    vbdfront_submit(front, io);
}

static bool attach(unsigned domid, unsigned round)
{
    static const char *const grants[] = { "copy", "map", "persistent" };

    device = rig_device(domid, "xvda", "disk");
    return rig_ok(rig_ask(
        "{\"command\":\"attach\",\"domid\":%u,\"vdev\":\"xvda\",\"target\":"
        "\"%s\",\"options\":{\"engine\":\"delay:write=5ms/aio\",\"buffered\":"
        "\"yes\",\"queues\":\"%u\",\"grants\":\"%s\",\"indirect-segments\":"
        "\"%u\",\"ring-page-order\":\"%u\"}}", domid, device.target,
        round & 1 ? 4 : 1, grants[round % 3], round & 2 ? 64 : 0,
        round % 4));
}

static bool detach(unsigned domid)
{
    return rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":%u,\"vdev\":"
                          "\"xvda\",\"force\":true}", domid));
}

static void start_guest(void)
{
    struct vbdfront_config config;

    vbdfront_get_defaults(&config);
    config.max_queues = 4;
    config.use_persistent = true;
    REQUIRE(port_local_open(rig_dir, DOMID, DOMAIN_PAGES, &domain) == 0);
    port = port_local_table(domain);
    data = port->page_alloc(port->context, OPERATIONS * SLOT_SECTORS / 8);
    REQUIRE(data && attach(DOMID, 0));
    fill_target();
    REQUIRE(vbdfront_open(port, "device/vbd/51712", &config, &front) == 0);
    REQUIRE(vbdfront_connect(front, PATIENCE_US) == 0);
}

static void end_guest(void)
{
    struct vbdfront_stats stats;

    CHECK_EQ(vbdfront_disconnect(front, PATIENCE_US), 0);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 0);
    CHECK_EQ(stats.pages_lost, 0);
    vbdfront_close(front);
    CHECK(detach(device.domid));
    port_local_close(domain);
}

/* --- restores ------------------------------------------------------------ */

static bool await_paused(void)
{
    for (unsigned i = 0; i < 6000; i++) {
        const char *ring = json_string_value(
            json_object_get(rig_vbd(device.name), "ring"));

        if (ring && strcmp(ring, "paused") == 0)
            return true;
        usleep(10000);
    }
    return false;
}

/* As a migration ends; or while the old back end is at work, so that what it
 * does may be in the copy of the memory in part; or after it has died in the
 * middle of it all. */
static void restore(unsigned round)
{
    enum { WORKS, RESTS, DIES, KINDS } old = round / 3 % KINDS;
    unsigned domid = DOMID + round % 2, next = DOMID + (round + 1) % 2;

    if (old == DIES)
        rig_kill_worker(device.target);
    REQUIRE(port_local_suspend(domain) == 0);
    if (old == RESTS)
        CHECK(await_paused());
    if (old == DIES)
        CHECK(rig_await_disk_state(device.target, "failed"));
    REQUIRE(port_local_restore(domain, next) == 0);
    CHECK(detach(domid));
    REQUIRE(attach(next, round + 1));
    CHECK_EQ(vbdfront_resume(front, PATIENCE_US), 0);
}

static void check_round(unsigned round)
{
    for (unsigned i = 0; i < OPERATIONS; i++)
        submit(i, round);
    for (unsigned i = 0; i < 2 * (round % 6); i++) {
        vbdfront_poll(front);
        port->wait(port->context, 3000);
    }
    nr_at_once += vbdfront_in_flight(front);
    restore(round);
    CHECK_EQ(vbdfront_drain(front, PATIENCE_US), 0);
    for (unsigned i = 0; i < OPERATIONS; i++) {
        if (!CHECK_EQ(results[i], 0) || !CHECK(!ios[i].data ||
                                               is_on_target(&ios[i])))
            NOTE("round %u, operation %u, sector %llu", round, i,
                 (unsigned long long)ios[i].sector);
    }
}

static void check_rounds(void)
{
    start_guest();
    for (unsigned round = 0; round < ROUNDS; round++)
        check_round(round);
    CHECK(nr_at_once > ROUNDS);
    NOTE("%u operations were in flight at %u restores", nr_at_once,
         (unsigned)ROUNDS);
    end_guest();
}

/* --- a disk that is taken away ------------------------------------------- */

static void await_broken(void)
{
    uint64_t start_us = port->now_us(port->context);

    while (vbdfront_state(front) == VBDFRONT_CONNECTED &&
           port->now_us(port->context) - start_us < PATIENCE_US) {
        vbdfront_poll(front);
        port->wait(port->context, 10000);
    }
    CHECK_EQ(vbdfront_state(front), VBDFRONT_BROKEN);
    CHECK_EQ(vbdfront_in_flight(front), 0);
}

/* Whether its user closes it first or finds another in its place. */
static void take_away(unsigned round)
{
    for (unsigned i = 0; i < OPERATIONS; i++)
        submit(i, round);
    for (unsigned i = 0; i < 3 * round; i++) {
        vbdfront_poll(front);
        port->wait(port->context, 3000);
    }
    nr_at_once += vbdfront_in_flight(front);
    CHECK(detach(DOMID));
    await_broken();
    for (unsigned i = 0; i < OPERATIONS; i++) {
        CHECK(results[i] == 0 || results[i] == -EIO);
        CHECK(results[i] || !ios[i].data || is_on_target(&ios[i]));
    }
    if (round % 2)
        vbdfront_disconnect(front, PATIENCE_US);
    REQUIRE(attach(DOMID, round));
    REQUIRE(vbdfront_connect(front, PATIENCE_US) == 0);
}

static void check_taken_away(void)
{
    nr_at_once = 0;
    start_guest();
    for (unsigned round = 0; round < 6; round++)
        take_away(round);
    CHECK(nr_at_once > 6);
    NOTE("%u operations were in flight at 6 detaches", nr_at_once);
    end_guest();
}

int main(void)
{
    log_init("supervisor-restore", LOG_LEVEL_ERROR);
    rig_worker = "vbdd-disk";
    rig_start("");
    TEST("a busy disk goes on after a restore, on another vbdd's terms",
         check_rounds);
    TEST("a disk that is taken away in mid-I/O fails each operation once, and "
         "can be had again", check_taken_away);
    rig_end();
    return tap_done();
}
