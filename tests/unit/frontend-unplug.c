/* SPDX-License-Identifier: MIT
 * Claim: a guest's emulated devices are taken away exactly when the machine
 * has the unplug ports and the host agrees, and exactly those that were named.
 * Source: Xen's docs/misc/hvm-emulated-unplug. Mechanism: a platform device of
 * the test's, which writes down each access. */
#include "tests/unit/tap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "frontend/unplug.h"

/* The platform device: what it says, and what it was told. */
struct platform {
    bool is_there, refuses;
    uint8_t version;
    char accesses[200]; /* "in 10/2, out 12/2=3, ..." */
    unsigned unplugged;
    bool is_refused;
};

static void note(struct platform *platform, const char *what, uint16_t port,
                 unsigned bytes)
{
    size_t used = strlen(platform->accesses);

    snprintf(platform->accesses + used, sizeof platform->accesses - used,
             "%s%s %x/%u", used ? ", " : "", what, port, bytes);
}

static uint32_t in(void *context, uint16_t port, unsigned bytes)
{
    struct platform *platform = context;

    note(platform, "in", port, bytes);
    if (!platform->is_there)
        return bytes == 1 ? 0xff : 0xffff; /* an empty bus */
    if (port == 0x10 && bytes == 2)
        return platform->is_refused ? 0xd249 : 0x49d2;
    return port == 0x12 && bytes == 1 ? platform->version : 0xff;
}

static void out(void *context, uint16_t port, unsigned bytes, uint32_t value)
{
    struct platform *platform = context;
    char what[16];

    snprintf(what, sizeof what, "out %x to", value);
    note(platform, what, port, bytes);
    if (port == 0x10 && bytes == 4)
        platform->is_refused = platform->refuses;
    if (port == 0x10 && bytes == 2)
        platform->unplugged |= value;
}

static int unplug(struct platform *platform, unsigned devices)
{
    const struct vbdfront_io_port port = { platform, in, out };
    const struct vbdfront_product product = { 0xffff, 7 };

    return vbdfront_unplug(&port, product, devices);
}

static void check_version_1(void)
{
    struct platform platform = { .is_there = true, .version = 1 };

    CHECK_EQ(unplug(&platform, VBDFRONT_UNPLUG_DISKS |
                               VBDFRONT_UNPLUG_NVME), 0);
    CHECK_STR(platform.accesses, "in 10/2, in 12/1, out ffff to 12/2, "
              "out 7 to 10/4, in 10/2, out 9 to 10/2");
    CHECK_EQ(platform.unplugged, 9);
}

static void check_version_0(void)
{
    struct platform platform = { .is_there = true };

    CHECK_EQ(unplug(&platform, VBDFRONT_UNPLUG_AUX_DISKS), 0);
    CHECK_STR(platform.accesses, "in 10/2, in 12/1, out 4 to 10/2");
}

static void check_refused(void)
{
    struct platform platform = { .is_there = true, .version = 1,
                                 .refuses = true };

    CHECK_EQ(unplug(&platform, VBDFRONT_UNPLUG_DISKS), -EPERM);
    CHECK_EQ(platform.unplugged, 0);
}

static void check_unknown_version(void)
{
    struct platform platform = { .is_there = true, .version = 2 };

    CHECK_EQ(unplug(&platform, VBDFRONT_UNPLUG_DISKS), -EPROTO);
    CHECK_STR(platform.accesses, "in 10/2, in 12/1");
}

static void check_no_platform(void)
{
    struct platform platform = { .version = 1 };

    CHECK_EQ(unplug(&platform, VBDFRONT_UNPLUG_DISKS), -ENODEV);
    CHECK_STR(platform.accesses, "in 10/2");
}

static void check_bad_devices(void)
{
    struct platform platform = { .is_there = true, .version = 1 };

    CHECK_EQ(unplug(&platform, 0), -EINVAL);
    CHECK_EQ(unplug(&platform, 1u << 4), -EINVAL);
    CHECK_EQ(unplug(&platform, 1u << 16 | VBDFRONT_UNPLUG_DISKS), -EINVAL);
    CHECK_STR(platform.accesses, "");
}

int main(void)
{
    TEST("version 1: who asks is told first, then the devices go",
         check_version_1);
    TEST("version 0: the devices go", check_version_0);
    TEST("a product that the host refuses takes nothing away", check_refused);
    TEST("a version that is not known takes nothing away",
         check_unknown_version);
    TEST("nothing is written to a machine without the ports",
         check_no_platform);
    TEST("none, or unknown, devices are refused", check_bad_devices);
    return tap_done();
}
