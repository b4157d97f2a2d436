/* SPDX-License-Identifier: MIT
 * Claim: mounts, swap and devices that use a disk, its partitions or what it is
 * a partition of are found and named; those of its neighbours are not; names
 * are printable whatever they are; files of the kernel that are torn or odd do
 * no harm.
 * Source: COHERENCY.md C12; proc(5); Documentation/ABI of Linux for holders/
 * and dm/name.
 * Mechanism: a sysfs and a procfs of ordinary files. */
#include "tests/unit/storage-tree.h"

#define MOUNTS "proc/self/mountinfo"

static struct blockdev sda, sda1, sda2, dm0;

static struct blockdev block(unsigned major_number, unsigned minor_number,
                             unsigned whole_minor)
{
    return (struct blockdev){ .is_block = true,
                              .device = makedev(major_number, minor_number),
                              .whole = makedev(major_number, whole_minor) };
}

/* sda with two partitions, sdb, dm-0 and dm-1 */
static void make_disks(void)
{
    tree_device("sda", 8, 0);
    tree_device("sda/sda1", 8, 1);
    tree_device("sda/sda2", 8, 2);
    tree_device("sdb", 8, 16);
    tree_device("dm-0", 252, 0);
    tree_device("dm-1", 252, 1);
    tree_text("sys/devices/dm-0/dm/name", "vg-lv\n");
    tree_text("sys/devices/dm-1/dm/name", "vg-other\n");
    sda = block(8, 0, 0);
    sda1 = block(8, 1, 0);
    sda2 = block(8, 2, 0);
    dm0 = block(252, 0, 0);
}

/* --- mounts --------------------------------------------------------------- */

static void check_mounts(void)
{
    tree_text(MOUNTS,
              "1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
              "2 1 8:16 / /mnt rw - xfs /dev/sdb rw\n"
              "3 1 8:1 /a /srv rw master:2 shared:3 - ext4 /dev/root rw\n");
    CHECK_EQ(find(&sda1), 2);
    check_found(0, HOLDER_MOUNT, "sda1", "/", true);
    check_found(1, HOLDER_MOUNT, "sda1", "/srv", true);
    CHECK_EQ(find(&sda), 2);
    check_found(0, HOLDER_MOUNT, "sda1", "/", true);
    CHECK_EQ(find(&sda2), 0);
    CHECK_EQ(find(&dm0), 0);
}

static void check_whole_mounted(void)
{
    tree_text(MOUNTS, "1 0 8:0 / /whole rw - ext4 /dev/sda rw\n");
    CHECK_EQ(find(&sda2), 1);
    check_found(0, HOLDER_MOUNT, "sda", "/whole", true);
}

static void check_odd_names(void)
{
    char text[400];

    tree_text(MOUNTS, "1 0 8:0 / /a\\040b\\011\\134\303\251 rw - ext4 x rw\n");
    CHECK_EQ(find(&sda), 1);
    check_found(0, HOLDER_MOUNT, "sda", "/a b\\011\\134\\303\\251", true);
    CHECK_STR(holder_describe(&found[0], text, sizeof text),
              "mounted on /a b\\011\\134\\303\\251 (sda)");
}

/* A name is cut between characters, never in an escape. */
static void check_long_name(void)
{
    char line[2048] = "1 0 8:0 / /", *end = line + strlen(line);

    for (unsigned i = 0; i < 300; i++)
        end += sprintf(end, "\\011");
    strcpy(end, " rw - ext4 x rw\n");
    tree_text(MOUNTS, line);
    CHECK_EQ(find(&sda), 1);
    CHECK_EQ(strlen(found[0].what), 1 + 63 * 4);
    CHECK(strncmp(found[0].what, "/\\011\\011", 9) == 0);
}

static void check_torn_mountinfo(void)
{
    static const char *const torn[] = {
        "", "\n", "1", "1 0 8:0", "1 0 8:0 / / rw ext4 x rw\n",
        "1 0 8:0 / - ext4\n", "1 0 8:0 - ext4 x rw\n",
        "1 0 8:0 / /a rw -", "1 0 8:0 / /a rw - ", "1 0 8:0 / /a rw - ext4",
        "1 0 8: / /a rw - ext4 x rw\n", "x y 8:0 / /a rw - ext4 x rw\n",
        " - - - - - - - \n", "1 0 -8:0 / /a rw - ext4 x rw\n",
    };

    for (unsigned i = 0; i < sizeof torn / sizeof *torn; i++) {
        tree_text(MOUNTS, torn[i]);
        if (!CHECK_EQ(find(&sda), 0))
            NOTE("in line %u", i);
    }
    tree_remove(MOUNTS);
    CHECK_EQ(find(&sda), 0);
}

static void make_btrfs(void)
{
    tree_link("sys/fs/btrfs/0-1/devices/sda2", "../../../../devices/sda/sda2");
    tree_link("sys/fs/btrfs/0-1/devices/sdb", "../../../../devices/sdb");
    tree_link("sys/fs/btrfs/0-2/devices/dm-1", "../../../../devices/dm-1");
}

static const char *node;
static struct stat node_status;

/* The node plays sdb here. */
static void check_source(void)
{
    struct blockdev sdb = { .is_block = true, .device = node_status.st_rdev,
                            .whole = node_status.st_rdev };
    char line[512], number[64];

    tree_device("sdb", major(sdb.device), minor(sdb.device));
    snprintf(line, sizeof line, "1 0 0:40 / /b rw - btrfs %s rw\n"
             "1 0 0:41 / /t rw - tmpfs tmpfs rw\n"
             "1 0 0:42 / /n rw - nfs server:/dev rw\n"
             "1 0 0:43 / /g rw - btrfs /dev/nonexistent rw\n"
             "1 0 0:44 / /o rw - 9p %s rw\n", node, node);
    tree_text(MOUNTS, line);
    CHECK_EQ(find(&sdb), 2);
    check_found(0, HOLDER_MOUNT, "sdb", "/b", true);
    check_found(1, HOLDER_MOUNT, "sdb", "/o", true);
    CHECK_EQ(find(&sda2), 0);
    make_btrfs();
    CHECK_EQ(find(&sda2), 1);
    check_found(0, HOLDER_MOUNT, "sda2", "/b", true);
    CHECK_EQ(find(&sda1), 0);
    tree_remove("sys/fs/btrfs/0-1");
    tree_remove("sys/fs/btrfs/0-2");
    snprintf(number, sizeof number, "sys/dev/block/%u:%u",
             major(sdb.device), minor(sdb.device));
    tree_remove(number);
    tree_device("sdb", 8, 16);
}

static void check_unseen_btrfs(void)
{
    tree_text(MOUNTS, "");
    make_btrfs();
    CHECK_EQ(find(&sda), 1);
    check_found(0, HOLDER_MOUNT, "sda2", tree_path("sys/fs/btrfs/0-1"),
                true);
    CHECK_EQ(find(&dm0), 0);
    tree_remove("sys/fs/btrfs/0-1");
    tree_remove("sys/fs/btrfs/0-2");
}

/* Only the first process of each namespace is asked, and only if we see
 * nothing ourselves. */
static void check_namespaces(void)
{
    static const char *const line = "1 0 8:1 / /private rw - ext4 x rw\n";
    char text[400];

    tree_text(MOUNTS, "");
    tree_link("proc/10/ns/mnt", "mnt:[4026531840]");
    tree_text("proc/10/mountinfo", "");
    tree_link("proc/11/ns/mnt", "mnt:[4026532000]");
    tree_text("proc/11/mountinfo", line);
    tree_text("proc/11/comm", "service\n");
    tree_link("proc/12/ns/mnt", "mnt:[4026531840]");
    tree_text("proc/12/mountinfo", line);
    tree_link("proc/13/ns/mnt", "mnt:[4026532001]");
    tree_text("proc/13/mountinfo", line);
    CHECK_EQ(find(&sda1), 1);
    check_found(0, HOLDER_MOUNT, "sda1", "/private", true);
    CHECK(found[0].pid == 11 || found[0].pid == 13);
    CHECK_STR(holder_describe(&found[0], text, sizeof text),
              found[0].pid == 11
                  ? "mounted on /private (sda1), as service, pid 11 sees it"
                  : "mounted on /private (sda1), as pid 13 sees it");
    tree_text(MOUNTS, "1 0 8:1 / /seen rw - ext4 x rw\n");
    CHECK_EQ(find(&sda1), 1);
    check_found(0, HOLDER_MOUNT, "sda1", "/seen", true);
    CHECK_EQ(found[0].pid, 0);
    tree_remove("proc/10");
    tree_remove("proc/11");
    tree_remove("proc/12");
    tree_remove("proc/13");
    tree_text(MOUNTS, "");
}

/* --- devices -------------------------------------------------------------- */

static void check_devices(void)
{
    tree_link("sys/devices/sda/sda1/holders/dm-0", "../../../dm-0");
    tree_link("sys/devices/sda/sda1/holders/dm-1", "../../../dm-1");
    CHECK_EQ(find(&sda1), 2);
    check_found(0, HOLDER_DEVICE, "sda1", "dm-0 (vg-lv)", true);
    check_found(1, HOLDER_DEVICE, "sda1", "dm-1 (vg-other)", true);
    CHECK_EQ(find(&sda), 2);
    check_found(0, HOLDER_DEVICE, "sda1", "dm-0 (vg-lv)", true);
    CHECK_EQ(find(&sda2), 0);
    CHECK_EQ(find(&dm0), 0);
    tree_remove("sys/devices/sda/sda1/holders/dm-0");
    tree_remove("sys/devices/sda/sda1/holders/dm-1");
}

static void check_whole_held(void)
{
    tree_device("md0", 9, 0);
    tree_link("sys/devices/sda/holders/md0", "../../md0");
    CHECK_EQ(find(&sda2), 1);
    check_found(0, HOLDER_DEVICE, "sda", "md0", true);
    tree_text("sys/devices/dm-1/dm/name", "caf\303\251\n");
    tree_link("sys/devices/sda/holders/dm-1", "../../dm-1");
    CHECK_EQ(find(&sda), 2);
    check_found(0, HOLDER_DEVICE, "sda", "dm-1 (caf\\303\\251)", true);
    tree_remove("sys/devices/sda/holders/md0");
    tree_remove("sys/devices/sda/holders/dm-1");
}

static void check_unknown(void)
{
    const struct blockdev nothing = block(200, 1, 1);

    CHECK_EQ(find(&nothing), 0);
}

static struct blockdev make_file(const char *name)
{
    struct stat status;

    tree_text(name, "x");
    REQUIRE(stat(tree_path(name), &status) == 0);
    return (struct blockdev){ .device = status.st_dev, .inode = status.st_ino,
                              .node_device = status.st_dev,
                              .node_inode = status.st_ino };
}

/* By device and inode, although the name is another one. */
static void check_loops(void)
{
    struct blockdev file = make_file("disk"), other = make_file("other");
    char path[300];

    snprintf(path, sizeof path, "%s/proc/../disk\n", tree);
    tree_device("loop99999", 7, 99999);
    tree_text("sys/devices/loop99999/loop/backing_file", path);
    tree_device("loop99998", 7, 99998);
    tree_text("sys/devices/loop99998/loop/backing_file", "/gone (deleted)\n");
    tree_device("loop99997", 7, 99997);
    CHECK_EQ(find(&file), 1);
    check_found(0, HOLDER_LOOP, "", "/dev/loop99999", true);
    CHECK(found[0].excludes_reader);
    CHECK_EQ(find(&other), 0);
    tree_text("sys/devices/loop99999/ro", "1\n");
    CHECK_EQ(find(&file), 1);
    CHECK(found[0].excludes && !found[0].excludes_reader);
}

/* The file behind a loop device; the loop itself does not count. */
static void check_behind(void)
{
    struct blockdev file = make_file("disk"), loop = block(7, 99999, 99999);
    char path[300], text[400];

    strcpy(loop.loop_file, "/srv/a b.img");
    loop.loop_device = file.device;
    loop.loop_inode = file.inode;
    CHECK_EQ(find(&loop), 0);
    snprintf(path, sizeof path, "%s/disk\n", tree);
    tree_device("loop99996", 7, 99996);
    tree_text("sys/devices/loop99996/loop/backing_file", path);
    CHECK_EQ(find(&loop), 1);
    check_found(0, HOLDER_LOOP_FILE, "loop99999",
                "/srv/a b.img, behind the loop device /dev/loop99996", true);
    CHECK_STR(holder_describe(&found[0], text, sizeof text),
              "a loop device over /srv/a b.img, behind the loop device "
              "/dev/loop99996");
    tree_remove("sys/block/loop99996");
}

/* losetup can put a loop over a disk. */
static void check_behind_block(void)
{
    struct blockdev loop = block(7, 99999, 99999);

    strcpy(loop.loop_file, "/dev/sda1");
    loop.loop_device = makedev(8, 1);
    tree_text(MOUNTS, "1 0 8:0 / /whole rw - ext4 /dev/sda rw\n");
    CHECK_EQ(find(&loop), 1);
    check_found(0, HOLDER_LOOP_FILE, "loop99999",
                "/dev/sda1, mounted on /whole (sda)", true);
    tree_text(MOUNTS, "");
}

/* --- swap ----------------------------------------------------------------- */

static void check_swap_file(void)
{
    struct blockdev file = make_file("swap file");
    char line[512];

    snprintf(line, sizeof line, "Filename Type Size Used Priority\n"
             "/nonexistent\\040(deleted) file 1 0 -2\n"
             "%s/swap\\040file file\t1048572\t0\t-2\n", tree);
    tree_text("proc/swaps", line);
    CHECK_EQ(find(&file), 1);
    check_found(0, HOLDER_SWAP, "", tree_path("swap file"), true);
}

static void check_swap_device(void)
{
    struct blockdev device = { .is_block = true,
                               .device = node_status.st_rdev,
                               .whole = node_status.st_rdev };
    char line[512];

    snprintf(line, sizeof line, "%s partition 1 0 -2\n", node);
    tree_text("proc/swaps", line);
    CHECK_EQ(find(&device), 1);
    check_found(0, HOLDER_SWAP, "", node, true);
    CHECK_EQ(find(&dm0), 0);
    tree_remove("proc/swaps");
}

/* -------------------------------------------------------------------------- */

static void check_stops(void)
{
    tree_text(MOUNTS, "1 0 8:1 / / rw - ext4 x rw\n"
              "1 0 8:1 / /b rw - ext4 x rw\n");
    tree_link("sys/devices/sda/sda1/holders/dm-0", "../../../dm-0");
    CHECK_EQ(find(&sda), 3);
    for (found_wanted = 1; found_wanted < 3; found_wanted++)
        CHECK_EQ(find(&sda), found_wanted);
    found_wanted = FOUND_MAX;
}

static void check_names(void)
{
    char text[200] = "untouched";

    CHECK(holders_name(&sda, text, sizeof text));
    CHECK_STR(text, "mounted on / (sda1)");
    tree_text(MOUNTS, "");
    tree_remove("sys/devices/sda/sda1/holders/dm-0");
    CHECK(!holders_name(&sda, text, sizeof text));
}

int main(void)
{
    tree_begin();
    make_disks();
    TEST("mounts of a disk and its partitions, not of their neighbours",
         check_mounts);
    TEST("a mount of the whole disk is one of its partitions",
         check_whole_mounted);
    TEST("odd names are printable", check_odd_names);
    TEST("a name that is too long is cut between characters", check_long_name);
    TEST("torn lines are passed over", check_torn_mountinfo);
    node = tree_find_node(&node_status);
    if (node)
        TEST("a mount without a device's number is found by its source, and "
             "btrfs by each of its devices", check_source);
    else
        tap_skip("a mount is found by its source", "a block device in /dev");
    TEST("a btrfs that nobody sees mounted is found", check_unseen_btrfs);
    TEST("a mount that only another namespace sees is found, with who sees it",
         check_namespaces);
    TEST("device-mapper's devices are found by number and name",
         check_devices);
    TEST("what holds the whole disk holds its partitions", check_whole_held);
    TEST("a device that sysfs does not know has no holders", check_unknown);
    TEST("a loop device over a file is found, whatever the file's name",
         check_loops);
    TEST("who has the file behind a loop device is found, itself not",
         check_behind);
    TEST("who has the disk behind a loop device is found", check_behind_block);
    TEST("a swap file is found", check_swap_file);
    if (node)
        TEST("a swap device is found", check_swap_device);
    else
        tap_skip("a swap device is found", "a block device in /dev");
    TEST("who has heard enough hears no more", check_stops);
    TEST("the first that excludes is named, or none", check_names);
    return tree_end();
}
