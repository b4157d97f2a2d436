/* SPDX-License-Identifier: MIT
 * Claim: a back end that is not trusted sees no byte of ours but those of the
 * requests; one that keeps pages mapped is given the same pages again and
 * again; data arrives whole in both cases. (What it may do to them: lies-rings.c.)
 * Source: blkif.h ("trusted", "feature-persistent", notes 7 to 9), XSA-403
 * (CVE-2022-26365, 33740, 33741, 33742). Mechanism: the real core over a fake
 * port; the back end looks at every byte of every page that is granted, each
 * time that it has its turn. */
#include "tests/unit/frontend-disk.h"

enum { SECRET = 0x5e, PUBLIC = 0x77, ON_DISK = 0x33 };

static unsigned nr_secrets; /* bytes that the back end has found */

static void start_bounce(bool untrusted, bool persistent, uint32_t indirect)
{
    struct vbdfront_config config;

    fake_init(&world);
    fake_offer_indirect(&world, indirect);
    vbdfront_get_defaults(&config);
    config.is_untrusted = untrusted;
    config.use_persistent = persistent;
    if (persistent) {
        fake_set(&world, FAKE_BACKEND, "feature-persistent", "1");
        world.maps_persistently = true;
    }
    start_as(&config);
    CHECK_EQ(vbdfront_info(front)->is_untrusted, untrusted);
    CHECK_EQ(vbdfront_info(front)->is_persistent, persistent);
}

/* --- what is to be seen ------------------------------------------------- */

static void inspect(struct fake *fake)
{
    for (unsigned i = 0; i < FAKE_GRANTS; i++) {
        const uint8_t *page = fake->grants[i].page;

        for (unsigned byte = 0; page && byte < 4096; byte++)
            nr_secrets += page[byte] == SECRET;
    }
}

static void looks_and_lives(struct fake *fake)
{
    inspect(fake);
    fake_live(fake);
    inspect(fake);
}

/* Writes and reads nr_sectors in the middle of secrets. */
static void do_among_secrets(uint32_t offset, uint32_t nr_sectors)
{
    uint8_t *data = buffer + offset * 512;

    memset(buffer, SECRET, BUFFER_PAGES * 4096);
    memset(data, PUBLIC, nr_sectors * 512);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 8, nr_sectors, data), 0);
    CHECK_EQ(world.disk[8 * 512], PUBLIC);
    CHECK_EQ(world.disk[(8 + nr_sectors) * 512 - 1], PUBLIC);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_BARRIER, 0, 8, nr_sectors, data), 0);
    memset(buffer, SECRET, BUFFER_PAGES * 4096);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 8, nr_sectors, data), 0);
    CHECK_EQ(data[0], PUBLIC);
    CHECK_EQ(data[nr_sectors * 512 - 1], PUBLIC);
}

static void count_secrets(bool untrusted, bool persistent, uint32_t indirect)
{
    start_bounce(untrusted, persistent, indirect);
    world.backend = looks_and_lives;
    nr_secrets = 0;
    do_among_secrets(3, 1);
    do_among_secrets(0, 8);
    do_among_secrets(7, 2);
    do_among_secrets(5, 400);
    stop();
}

static void check_nothing_is_seen(void)
{
    for (unsigned i = 0; i < 4; i++) {
        count_secrets(true, i & 1, i & 2 ? 256 : 0);
        CHECK_EQ(nr_secrets, 0);
    }
    count_secrets(false, false, 0); /* and it would have been found */
    CHECK(nr_secrets > 0);
}

/* Nor what an earlier request of ours has left on the page. */
static void check_pages_are_zeroed(void)
{
    for (unsigned persistent = 0; persistent < 2; persistent++) {
        unsigned found = 0;

        start_bounce(true, persistent, 256);
        memset(buffer, PUBLIC, BUFFER_PAGES * 4096);
        CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 800, buffer), 0);
        world.holds = true;
        submit(0, VBDFRONT_READ, 0, 0, 1, buffer);
        turn();
        for (unsigned byte = 0; byte < 4096; byte++) {
            const struct blkif_wire_segment *segment =
                &world.held[0].segments[0];
            const uint8_t *page = world.grants[segment->gref].page;

            found += page[byte] != 0;
        }
        CHECK_EQ(found, 0);
        answer_all();
        stop();
    }
}

static void connect_as(const char *trusted, bool is_untrusted, int error)
{
    fake_init(&world);
    fake_set(&world, FAKE_NODE, "trusted", trusted);
    REQUIRE(vbdfront_open(&world.port, FAKE_NODE, NULL, &front) == 0);
    CHECK_EQ(vbdfront_connect(front, SECOND), error);
    CHECK_EQ(vbdfront_info(front)->is_untrusted, is_untrusted);
    vbdfront_close(front);
    CHECK(fake_is_clean(&world));
}

static void check_node(void)
{
    connect_as("\1", false, 0);
    connect_as("1", false, 0);
    connect_as("0", true, 0);
    connect_as("no", false, -EPROTO);
    connect_as("2", false, -EPROTO);
    CHECK_STR(world.last_sentence, FAKE_NODE "/trusted is \"2\", expected a "
              "number of at most 1");
}

/* --- the data ----------------------------------------------------------- */

static void fill(uint8_t *data, size_t bytes, unsigned salt)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i / 512 * 7 + i + salt);
}

static void check_one(uint32_t offset, uint32_t nr_sectors)
{
    uint8_t *data = buffer + offset * 512;
    uint32_t at = 1000 + offset;

    fill(data, nr_sectors * 512, nr_sectors);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, at, nr_sectors, data), 0);
    CHECK(memcmp(world.disk + at * 512, data, nr_sectors * 512) == 0);
    CHECK_EQ(world.disk[(at + nr_sectors) * 512], 0);
    CHECK_EQ(world.disk[at * 512 - 1], 0);
    memset(buffer, 0xee, BUFFER_PAGES * 4096);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, at, nr_sectors, data), 0);
    if (!CHECK(memcmp(world.disk + at * 512, data, nr_sectors * 512) == 0))
        NOTE("%u sectors from %u on", nr_sectors, offset);
    CHECK_EQ(data[nr_sectors * 512], 0xee);
    if (offset)
        CHECK_EQ(data[-1], 0xee);
    memset(world.disk, 0, sizeof world.disk);
}

static void check_data(void)
{
    static const uint32_t counts[] = { 1, 5, 7, 8, 9, 81, 88, 89, 97, 1000,
                                       3000 };

    for (unsigned i = 2; i < 8; i++) {
        start_bounce(i & 4, i & 2, i & 1 ? 256 : 0);
        for (uint32_t offset = 0; offset < 8; offset++) {
            for (unsigned j = 0; j < sizeof counts / sizeof *counts; j++)
                check_one(offset, counts[j]);
        }
        stop();
    }
}

/* What did not arrive is not copied: the caller's data stays as it is. */
static void check_failed_read(void)
{
    for (unsigned persistent = 0; persistent < 2; persistent++) {
        start_bounce(true, persistent, 0);
        memset(buffer, ON_DISK, 4096);
        world.status = BLKIF_RSP_ERROR;
        CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 8, buffer), -EIO);
        CHECK_EQ(buffer[0], ON_DISK);
        CHECK_EQ(buffer[4095], ON_DISK);
        stop();
    }
}

/* --- grants that stay --------------------------------------------------- */

static void check_grants_stay(void)
{
    struct vbdfront_stats stats;
    unsigned nr_granted;

    start_bounce(false, true, 256);
    CHECK_STR(fake_get(&world, FAKE_NODE, "feature-persistent"), "1");
    do_among_secrets(3, 2000);
    nr_granted = world.nr_granted;
    for (unsigned i = 0; i < 20; i++)
        do_among_secrets(3, 2000);
    CHECK_EQ(world.nr_granted, nr_granted);
    CHECK_EQ(world.grants_used, nr_granted);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, nr_granted);
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    CHECK_EQ(world.grants_used, 0);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 0);
    CHECK_EQ(stats.pages_lost, 0);
    CHECK_EQ(vbdfront_connect(front, SECOND), 0); /* once more */
    do_among_secrets(3, 2000);
    stop();
}

/* The page that was used last is used first: small requests one by one need
 * one page. */
static void check_last_first(void)
{
    start_bounce(false, true, 0);
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, i, 1, buffer), 0);
    CHECK_EQ(world.nr_granted, 1 + 1);
    stop();
}

static void check_both_ends(void)
{
    start_usual(); /* we do not want */
    CHECK(!fake_get(&world, FAKE_NODE, "feature-persistent"));
    vbdfront_disconnect(front, SECOND);
    fake_set(&world, FAKE_BACKEND, "feature-persistent", "1");
    fake_set(&world, FAKE_NODE, "feature-persistent", "1"); /* a boot loader */
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK(!vbdfront_info(front)->is_persistent);
    CHECK_STR(fake_get(&world, FAKE_NODE, "feature-persistent"), "0");
    stop();

    start_bounce(false, true, 0);
    vbdfront_disconnect(front, SECOND);
    fake_set(&world, FAKE_BACKEND, "feature-persistent", "0");
    world.maps_persistently = false;
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK(!vbdfront_info(front)->is_persistent);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 8, buffer), 0);
    CHECK_EQ(world.grants_used, 1);
    stop();
}

static void check_bounded(void)
{
    enum { BOUND = 2048 + 32 };
    struct vbdfront_config config;
    unsigned before;

    fake_init(&world);
    fake_offer_indirect(&world, 256);
    fake_set(&world, FAKE_BACKEND, "feature-persistent", "1");
    fake_set(&world, FAKE_BACKEND, "max-ring-page-order", "4");
    fake_set(&world, FAKE_BACKEND, "multi-queue-max-queues", "4");
    world.maps_persistently = true;
    vbdfront_get_defaults(&config);
    config.use_persistent = true;
    config.max_queues = 4;
    start_as(&config);
    before = world.pages_used;
    world.holds = true;
    for (unsigned i = 0; i < 100; i++)
        submit(i, VBDFRONT_WRITE, 0, i * 8, 2048, buffer);
    turn();
    CHECK(world.pages_used - before > BOUND / 2);
    CHECK(world.pages_used - before <= BOUND);
    for (unsigned i = 0; i < 1000 && nr_done < 100; i++)
        answer_all();
    CHECK_EQ(nr_done, 100);
    CHECK(world.pages_used - before <= BOUND);
    stop();
}

/* Those that stay must not leave another queue without any. */
static void check_few_grants(void)
{
    struct vbdfront_config config;

    fake_init(&world);
    fake_offer_indirect(&world, 256);
    fake_set(&world, FAKE_BACKEND, "feature-persistent", "1");
    fake_set(&world, FAKE_BACKEND, "multi-queue-max-queues", "2");
    world.maps_persistently = true;
    vbdfront_get_defaults(&config);
    config.use_persistent = true;
    config.max_queues = 2;
    start_as(&config);
    world.grants_limit = 2 + 3;
    for (unsigned i = 0; i < 4; i++)
        submit(i, VBDFRONT_WRITE, 0, i * 8, 400, buffer);
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    submit(4, VBDFRONT_BARRIER, 0, 0, 200, buffer);
    CHECK_EQ(vbdfront_drain(front, SECOND), 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(results[i], 0);
    stop();
}

int main(void)
{
    TEST("an untrusted back end sees the requests' bytes only (XSA-403)",
         check_nothing_is_seen);
    TEST("pages are zeroed each time for an untrusted back end (XSA-403)",
         check_pages_are_zeroed);
    TEST("the toolstack says who is trusted", check_node);
    TEST("data arrives whole, and not a byte more", check_data);
    TEST("what did not arrive is not copied", check_failed_read);
    TEST("grants that stay are used again, and end with the connection",
         check_grants_stay);
    TEST("the page that was used last is used first", check_last_first);
    TEST("grants stay only if both ends want that", check_both_ends);
    TEST("the driver's own pages are bounded", check_bounded);
    TEST("few grants are enough for every queue", check_few_grants);
    return tap_done();
}
