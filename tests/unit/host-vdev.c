/* SPDX-License-Identifier: MIT
 * Claim: names of virtual disks and their numbers are libxl's.
 * Source: docs/misc/vbd-interface.txt of Xen. */
#include <stdio.h>

#include "common/host/vdev.h"
#include "tests/unit/tap.h"

static void check_both_ways(void)
{
    static const struct {
        const char *name;
        uint32_t devid;
    } rows[] = {
        { "xvda", 51712 }, { "xvda1", 51713 }, { "xvda15", 51727 },
        { "xvdb", 51728 }, { "xvdp", 51952 }, { "xvdp15", 51967 },
        { "xvda16", 268435472 }, { "xvdq", 268439552 },
        { "xvdz", 268441856 }, { "xvdaa", 268442112 },
        { "xvdq255", 268439807 }, { "hda", 768 }, { "hda63", 831 },
        { "hdb", 832 }, { "hdc", 5632 }, { "hdd2", 5698 }, { "sda", 2048 },
        { "sdb1", 2065 }, { "sdp15", 2303 },
    };
    char name[VDEV_NAME_BYTES];
    uint32_t devid;

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK_EQ(vdev_parse(rows[i].name, &devid), 0);
        CHECK_EQ(devid, rows[i].devid);
        CHECK_STR(vdev_print(rows[i].devid, name), rows[i].name);
    }
}

static void check_numbers(void)
{
    char name[VDEV_NAME_BYTES];
    uint32_t devid;

    CHECK_EQ(vdev_parse("51712", &devid), 0);
    CHECK_EQ(devid, 51712);
    CHECK_STR(vdev_print(7, name), "7");
    CHECK_STR(vdev_print(UINT32_MAX, name), "4294967295");
    CHECK_STR(vdev_print(3 << 8 | 130, name), "898");
}

static void check_bad(void)
{
    static const char *const bad[] = {
        "", "xvd", "xvdA", "xvda0", "xvda01", "xvda256", "xvda-1", "xvda1x",
        "hde", "hda64", "sdq", "sda16", "vda", "0", "-1", "2147483648",
        "99999999999999999999", "xvda 1", "xvdaaaaaaaaaaaa", "XVDA", "hd1",
    };
    uint32_t devid = 42;

    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!CHECK(vdev_parse(bad[i], &devid) < 0))
            NOTE("%s is taken for %u", bad[i], devid);
    }
}

int main(void)
{
    TEST("names have libxl's numbers, and numbers their names",
         check_both_ways);
    TEST("a number stands for itself", check_numbers);
    TEST("what is no name is refused", check_bad);
    return tap_done();
}
