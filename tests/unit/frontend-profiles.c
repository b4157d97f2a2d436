/* SPDX-License-Identifier: MIT
 * Claim: as each of its profiles the driver writes the nodes that the system's
 * own driver writes, in that order, goes through the same states, and flushes
 * as it does; no two profiles are the same.
 * Source: docs/PROTOCOL.md, section 9.
 * Mechanism: a back end that offers all there is, and a list of what is
 * written into the front end's directory and of what comes through the ring. */
#include <xen/io/protocols.h>

#include "tests/unit/frontend-disk.h"
#include "tools/vbdfront/profile.h"

enum { LIST_BYTES = 1000, NO_SECTOR = 0 };

static char written[LIST_BYTES];
static int (*write_node)(void *context, const char *path, const char *value);

/* Of grants and ports only that they are there. */
static int note_write(void *context, const char *path, const char *value)
{
    const char *leaf = path + sizeof FAKE_NODE;
    bool is_number = strstr(leaf, "ring-ref") || strstr(leaf, "event-channel");
    size_t used = strlen(written);

    REQUIRE(strncmp(path, FAKE_NODE, sizeof FAKE_NODE - 1) == 0);
    snprintf(written + used, sizeof written - used, "%s%s%s%s",
             used ? " " : "", leaf, is_number ? "" : "=",
             is_number ? "" : value);
    return write_node(context, path, value);
}

static void make_world(void)
{
    fake_init(&world);
    fake_set(&world, FAKE_BACKEND, "feature-persistent", "1");
    fake_set(&world, FAKE_BACKEND, "multi-queue-max-queues", "2");
    fake_set(&world, FAKE_BACKEND, "max-ring-page-order", "1");
    fake_set(&world, FAKE_BACKEND, "max-ring-pages", "2");
    fake_offer_indirect(&world, 256);
    write_node = world.port.store_write;
    world.port.store_write = note_write;
    written[0] = '\0';
}

static const struct profile *find(const char *name)
{
    const struct profile *profile = profile_take(&name);

    REQUIRE(profile);
    return profile;
}

static void open_as(const char *name)
{
    REQUIRE(vbdfront_open(&world.port, FAKE_NODE, &find(name)->config,
                          &front) == 0);
}

static const struct wanted {
    const char *name, *connects, *disconnects;
    unsigned max_segments;
    bool sees_resize, waits; /* for InitWait */
    uint8_t flush[3]; /* operations, 0 ends them */
    bool has_sector;  /* the last of them */
} wanted[] = {
    { "linux", "multi-queue-num-queues=2 queue-0/ring-ref "
      "queue-0/event-channel queue-1/ring-ref queue-1/event-channel "
      "protocol=x86_64-abi feature-persistent=1 state=3 state=4",
      "state=5 state=6", 32, true, true, { F }, false },
    { "linux-2006", "ring-ref event-channel state=3 state=4",
      "state=5 state=6", 11, false, true, { B }, false },
    { "kdump", "ring-ref event-channel protocol=x86_64-abi "
      "feature-persistent=1 state=3 state=4",
      "state=5 state=6", 32, true, true, { F }, false },
    { "windows", "state=5 state=6 state=1 queue-0/event-channel "
      "queue-1/event-channel queue-0/ring-ref0 queue-0/ring-ref1 "
      "queue-1/ring-ref0 queue-1/ring-ref1 multi-queue-num-queues=2 "
      "ring-page-order=1 protocol=x86_64-abi feature-persistent=1 "
      "target-id=0 feature-surprise-remove=1 feature-online-resize=1 "
      "feature-large-sector-size=1 state=3 state=4", "state=5 state=6", 256, true, true, { F }, true },
    { "freebsd", "ring-ref0 ring-ref1 num-ring-pages=2 ring-page-order=1 "
      "event-channel protocol=x86_64-abi state=3 state=4",
      "state=5 state=6", 33, false, true, { F }, false },
    { "netbsd", "ring-ref event-channel protocol=x86_64-abi state=3 state=4",
      "state=5 state=6", 17, false, false, { F }, true },
    { "ovmf", "ring-ref event-channel protocol=x86_64-abi state=4",
      "state=5 state=6 state=1", 11, false, false, { B, F }, false },
    { "mini-os", "ring-ref event-channel protocol=x86_64-abi state=4",
      "state=5 state=6 state=1", 11, false, false, { B, F }, false },
};
enum { NR_WANTED = sizeof wanted / sizeof *wanted };

/* The lists above are of a 64-bit PC. */
static bool is_listed(void)
{
    return strcmp(XEN_IO_PROTO_ABI_NATIVE, XEN_IO_PROTO_ABI_X86_64) == 0;
}

static void check_flush(const struct wanted *want)
{
    unsigned before = world.nr_log;

    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    CHECK_EQ(world.nr_log - before, strlen((const char *)want->flush));
    CHECK(memcmp(world.log + before, want->flush, world.nr_log - before) == 0);
    CHECK_EQ(world.last.nr_segments, 0);
    CHECK_EQ(world.last.sector != NO_SECTOR, want->has_sector);
}

static void check_resize(const struct wanted *want)
{
    uint64_t before = vbdfront_info(front)->nr_sectors;

    fake_set(&world, FAKE_BACKEND, "sectors", "24576");
    fake_set_backend_state(&world, XENBUS_CONNECTED);
    world.port.wait(&world, 0);
    vbdfront_poll(front);
    CHECK_EQ(vbdfront_info(front)->nr_sectors,
             want->sees_resize ? 24576 : before);
}

static void check_profile(const struct wanted *want)
{
    make_world();
    open_as(want->name);
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    if (is_listed())
        CHECK_STR(written, want->connects);
    CHECK_EQ(vbdfront_info(front)->max_segments, want->max_segments);
    check_flush(want);
    check_resize(want);
    written[0] = '\0';
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    CHECK_STR(written, want->disconnects);
    vbdfront_close(front);
    CHECK(fake_is_clean(&world));
}

static void check_all(void)
{
    for (unsigned i = 0; i < NR_WANTED; i++)
        check_profile(&wanted[i]);
}

static void check_complete(void)
{
    unsigned nr = 0;

    for (; profiles[nr].name; nr++)
        CHECK(nr < NR_WANTED && strcmp(profiles[nr].name,
                                       wanted[nr].name) == 0);
    CHECK_EQ(nr, NR_WANTED);
}

/* Those that write and do the same differ in what they leave behind. */
static void check_all_differ(void)
{
    for (unsigned i = 0; i < NR_WANTED; i++) {
        for (unsigned j = 0; j < i; j++)
            CHECK(strcmp(wanted[i].connects, wanted[j].connects) != 0 ||
                  find(wanted[i].name)->removes !=
                      find(wanted[j].name)->removes);
    }
}

/* --- what is found in the store ------------------------------------------ */

static void check_leftovers(void)
{
    const char *words[] = { "2", "1", "1" };
    const char *leaves[] = { "num-ring-pages", "ring-page-order",
                             "multi-queue-num-queues" };

    for (unsigned i = 0; i < NR_WANTED; i++) {
        make_world();
        for (unsigned j = 0; j < 3; j++)
            fake_set(&world, FAKE_NODE, leaves[j], words[j]);
        fake_set(&world, FAKE_NODE, "feature-persistent", "1");
        open_as(wanted[i].name);
        CHECK_EQ(vbdfront_connect(front, SECOND), 0);
        CHECK_EQ(atoi(fake_get(&world, FAKE_NODE, "num-ring-pages")),
                 vbdfront_info(front)->ring_pages);
        CHECK_EQ(1 << atoi(fake_get(&world, FAKE_NODE, "ring-page-order")),
                 vbdfront_info(front)->ring_pages);
        vbdfront_close(front);
        CHECK(fake_is_clean(&world));
    }
}

/* The crashed kernel's state is still Connected, and so is the back end. */
static void check_reset(void)
{
    make_world();
    fake_set(&world, FAKE_NODE, "state", "4");
    fake_set(&world, FAKE_BACKEND, "state", "4");
    open_as("kdump");
    CHECK_EQ(vbdfront_connect(front, SECOND), 0);
    CHECK(strncmp(written, "state=5 state=6 state=1 ring-ref ", 33) == 0);
    vbdfront_close(front);
    CHECK(fake_is_clean(&world));
}

/* --- a back end that is late --------------------------------------------- */

static void late_backend(struct fake *fake)
{
    if (fake->now_us > SECOND)
        fake_live(fake);
}

static void check_who_waits(void)
{
    for (unsigned i = 0; i < NR_WANTED; i++) {
        make_world();
        world.backend = late_backend;
        fake_set(&world, FAKE_BACKEND, "state", "1");
        open_as(wanted[i].name);
        CHECK_EQ(vbdfront_connect(front, SECOND / 2), -ETIMEDOUT);
        CHECK_EQ(strstr(written, "ring-ref") == NULL, wanted[i].waits);
        vbdfront_close(front);
    }
}

int main(void)
{
    TEST("each profile is in the list", check_complete);
    TEST("each writes, flushes and ends as its system does", check_all);
    TEST("no two are the same", check_all_differ);
    TEST("what an earlier user has left does not contradict them",
         check_leftovers);
    TEST("kdump takes a crashed kernel's device through Closed", check_reset);
    TEST("NetBSD, OVMF and mini-os alone do not wait for InitWait",
         check_who_waits);
    return tap_done();
}
