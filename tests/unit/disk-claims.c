/* SPDX-License-Identifier: MIT
 * Claim: a block device is one target by whatever node, and it is claimed with
 * what it lies on: a loop device and its file, a partition and its whole disk
 * exclude each other, in both orders, as far as one of them writes; partitions
 * of one disk do not. The page caches of both are clean, before and after.
 * Source: COHERENCY.md C1, C12.
 * Mechanism: loop devices, with partitions that BLKPG adds; root. */
#include <linux/blkpg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "tests/unit/target-rig.h"

enum { PART_BYTES = 1 << 20, PARTS = 2 };

static char loop[64], parts[PARTS][80], covered[160];

/* --- one device ----------------------------------------------------------- */

static void check_block_device(void)
{
    struct target target, second;

    check_had(loop, false, &target);
    CHECK(target.is_block);
    check_refused(loop, false, -EBUSY, "claimed exclusively");
    CHECK(run(NULL, 0, "mount %s %s 2>/dev/null", loop, dir) != 0);
    close_target(&target);
    check_had(loop, true, &target);
    check_had(loop, true, &second);
    check_refused(loop, false, -EBUSY, "locked (");
    close_target(&second);
    close_target(&target);
}

/* udev looks at a device when a writer has closed it, with a shared lock. */
static void check_udev(void)
{
    struct target target;
    int ready[2];
    char byte;
    pid_t pid;

    REQUIRE(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        int fd = open(loop, O_RDONLY);

        flock(fd, LOCK_SH);
        close(ready[1]);
        close(ready[0]);
        usleep(200 * 1000);
        _exit(0);
    }
    close(ready[1]);
    REQUIRE(pid > 0 && read(ready[0], &byte, 1) == 0);
    close(ready[0]);
    check_had(loop, false, &target);
    close_target(&target);
    REQUIRE(waitpid(pid, NULL, 0) == pid);
}

static void check_mounted(void)
{
    if (run(NULL, 0, "mkfs.ext4 -q -F %s >/dev/null 2>&1 && mount %s %s", loop,
            loop, dir) != 0) {
        NOTE("this machine cannot mount it");
        CHECK(true);
        return;
    }
    check_refused(loop, false, -EBUSY, "mounted on /var/tmp/vbdd-target.");
    CHECK(strstr(reason, "unmount it first") != NULL);
    CHECK_EQ(run(NULL, 0, "umount %s", dir), 0);
}

static void check_read_only_device(void)
{
    struct target target;

    CHECK_EQ(run(NULL, 0, "blockdev --setro %s", loop), 0);
    check_refused(loop, false, -EROFS, "attach it with mode r");
    check_had(loop, true, &target);
    close_target(&target);
    /* the mark would outlive the loop device's file */
    CHECK_EQ(run(NULL, 0, "blockdev --setrw %s", loop), 0);
}

/* Locks are on a node, and this is another one. */
static void check_node_elsewhere(void)
{
    char node[160];
    struct target target, second;
    struct stat status;

    snprintf(node, sizeof node, "%s/node", other);
    REQUIRE(stat(loop, &status) == 0 && mkdir(other, 0700) == 0 &&
            mknod(node, S_IFBLK | 0600, status.st_rdev) == 0);
    check_had(node, true, &target);
    check_refused(loop, false, -EBUSY, "is locked (");
    CHECK(!strstr(reason, "lies on")); /* nor only because of its file */
    check_had(loop, true, &second);
    CHECK_STR(target.key, second.key);
    close_target(&second);
    close_target(&target);
    check_had(loop, false, &target);
    check_refused(node, true, -EBUSY, "is locked (");
    CHECK(!strstr(reason, "lies on"));
    check_refused(node, false, -EBUSY, "claimed exclusively");
    close_target(&target);
    unlink(node);
    rmdir(other);
}

/* --- a loop device and its file ------------------------------------------- */

static void check_loop_and_file(void)
{
    struct target target, second;

    check_refused(path, false, -EBUSY, "behind the loop device /dev/loop");
    check_refused(path, true, -EBUSY, loop);
    check_had(loop, false, &target);
    CHECK_EQ(target.claim.nr_fds, 2);
    check_refused(path, false, -EBUSY, "locked (");
    check_refused(path, true, -EBUSY, "locked (");
    close_target(&target);
    check_had(loop, true, &target);
    check_had(loop, true, &second);
    close_target(&second);
    close_target(&target);
}

/* The file first; and a second loop device over the same file. */
static void check_loop_after_file(void)
{
    char second[64];
    struct target target;

    make_file(other, 1 << 20);
    check_had(other, false, &target);
    REQUIRE(make_loop(other, second));
    check_refused(second, false, -EBUSY, "lies on /var/tmp/vbdd-target.");
    CHECK(strstr(reason, "/other, which is locked (") != NULL);
    close_target(&target);
    free_loop(second);
    REQUIRE(make_loop(path, second));
    check_refused(loop, false, -EBUSY, second);
    check_refused(second, false, -EBUSY, loop);
    free_loop(second);
    unlink(other);
}

static void check_loop_read_only(void)
{
    char second[64];
    struct target target;

    make_file(other, 1 << 20);
    REQUIRE(run(second, 64, "losetup -r --show -f %s", other) == 0);
    check_had(other, true, &target);
    close_target(&target);
    check_refused(other, false, -EBUSY, second);
    free_loop(second);
    unlink(other);
}

static void check_loop_over_loop(void)
{
    char second[64];
    struct target target;

    REQUIRE(make_loop(loop, second));
    check_refused(loop, false, -EBUSY, second);
    check_had(second, false, &target);
    CHECK_EQ(target.claim.nr_fds, 3);
    check_refused(loop, false, -EBUSY, "claimed exclusively");
    check_refused(path, false, -EBUSY, "locked (");
    close_target(&target);
    free_loop(second);
}

static void check_file_gone(void)
{
    char second[64];
    struct target target;

    make_file(other, 1 << 20);
    REQUIRE(make_loop(other, second));
    unlink(other);
    check_had(second, false, &target);
    CHECK_EQ(target.claim.nr_fds, 1);
    close_target(&target);
    free_loop(second);
}

/* The name leads to another file, with a file system mounted over it. */
static void check_file_covered(void)
{
    char second[64];

    REQUIRE(mkdir(other, 0700) == 0);
    snprintf(covered, sizeof covered, "%s/disk", other);
    make_file(covered, 1 << 20);
    REQUIRE(make_loop(covered, second) &&
            run(NULL, 0, "mount -t tmpfs none %s", other) == 0);
    make_file(covered, 1 << 20);
    check_refused(second, false, -ESTALE, "been replaced by something else");
    CHECK(strstr(reason, "lies on ") != NULL);
    CHECK_EQ(run(NULL, 0, "umount %s", other), 0);
    free_loop(second);
    run(NULL, 0, "rm -r %s", other);
}

/* --- partitions ----------------------------------------------------------- */

static int partition(int op, int number)
{
    struct blkpg_partition part = { .start = number * 2LL * PART_BYTES,
                                    .length = PART_BYTES, .pno = number };
    struct blkpg_ioctl_arg request = { op, 0, sizeof part, &part };
    int fd = open(loop, O_RDONLY);
    int result = ioctl(fd, BLKPG, &request);

    close(fd);
    return result;
}

static bool add_partitions(void)
{
    for (int i = 0; i < PARTS; i++) {
        snprintf(parts[i], sizeof parts[i], "%sp%d", loop, i + 1);
        partition(BLKPG_DEL_PARTITION, i + 1); /* they outlive a loop's file */
        if (partition(BLKPG_ADD_PARTITION, i + 1) < 0)
            return false;
    }
    return true;
}

static const struct {
    const char *first, *second;
    bool is_first_read_only, is_second_read_only, is_had;
} pairs[] = {
    { parts[0], parts[1], false, false, true },
    { parts[0], parts[1], false, true, true },
    { parts[0], parts[0], true, true, true },
    { parts[0], parts[0], false, true, false },
    { loop, parts[0], true, true, true },
    { loop, parts[0], true, false, false },
    { loop, parts[0], false, true, false },
    { loop, parts[0], false, false, false },
};

static void check_pair(const char *first, bool is_first_read_only,
                       const char *second, bool is_second_read_only,
                       bool is_had)
{
    struct target target, beside;

    check_had(first, is_first_read_only, &target);
    if (is_had) {
        check_had(second, is_second_read_only, &beside);
        close_target(&beside);
    } else {
        check_refused(second, is_second_read_only, -EBUSY, "");
    }
    close_target(&target);
}

static void check_pairs(void)
{
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        check_pair(pairs[i].first, pairs[i].is_first_read_only,
                   pairs[i].second, pairs[i].is_second_read_only,
                   pairs[i].is_had);
        check_pair(pairs[i].second, pairs[i].is_second_read_only,
                   pairs[i].first, pairs[i].is_first_read_only,
                   pairs[i].is_had);
    }
}

static uint64_t cached(int fd)
{
    struct page_cache cache;

    REQUIRE(page_cache_look(fd, &cache) == 0);
    return cache.cached_bytes;
}

/* What was written through `by`, and stays in its page cache, is on `target`
 * when that is attached; what it read meanwhile is dropped at detach. */
static void check_caches(const char *name, off_t at, const char *by,
                         off_t by_at)
{
    static char sector[4096] __attribute__((aligned(4096)));
    struct target target;
    int fd = open(by, O_RDWR);

    memset(sector, (int)by_at / PART_BYTES + 'a', sizeof sector);
    REQUIRE(fd >= 0 &&
            pwrite(fd, sector, sizeof sector, by_at) == sizeof sector);
    CHECK(cached(fd) > 0);
    check_had(name, true, &target);
    memset(sector, 0, sizeof sector);
    CHECK_EQ(pread(target.io_fd, sector, sizeof sector, at), sizeof sector);
    CHECK_EQ(sector[4095], (int)by_at / PART_BYTES + 'a');
    close_target(&target);

    check_had(name, false, &target);
    CHECK_EQ(cached(fd), 0);
    REQUIRE(pread(fd, sector, sizeof sector, by_at) == sizeof sector);
    memset(sector, 'z', sizeof sector);
    CHECK_EQ(pwrite(target.io_fd, sector, sizeof sector, at), sizeof sector);
    close_target(&target);
    CHECK_EQ(cached(fd), 0);
    REQUIRE(pread(fd, sector, sizeof sector, by_at) == sizeof sector);
    CHECK_EQ(sector[0], 'z');
    close(fd);
}

static void check_related_caches(void)
{
    check_caches(parts[1], 0, loop, 4 * PART_BYTES);
    check_caches(loop, 2 * PART_BYTES, parts[0], 0);
}

static void check_partitions(void)
{
    if (!add_partitions()) {
        tap_skip("partitions and their whole disk", "BLKPG");
        return;
    }
    TEST("partitions and their whole disk exclude each other if one writes",
         check_pairs);
    TEST("a partition's page cache and its whole disk's are both clean",
         check_related_caches);
    for (int i = 0; i < PARTS; i++)
        partition(BLKPG_DEL_PARTITION, i + 1);
}

int main(void)
{
    rig_open();
    make_file(path, 16 << 20);
    if (!make_loop(path, loop)) {
        tap_skip("claims of block devices", "root and losetup");
        rig_close();
        return tap_done();
    }
    TEST("a claimed block device refuses mount and a second claim",
         check_block_device);
    TEST("a short shared lock, as udev's, is waited for", check_udev);
    TEST("a mounted one is refused, and said where it is mounted",
         check_mounted);
    TEST("a device that cannot be written is had read-only",
         check_read_only_device);
    TEST("a node made elsewhere is the same device", check_node_elsewhere);
    TEST("a loop device claims its file", check_loop_and_file);
    TEST("a file in use refuses its loop device, and one loop device another",
         check_loop_after_file);
    TEST("who only reads may read beside a loop device that does",
         check_loop_read_only);
    TEST("a loop device over a loop device claims all the way down",
         check_loop_over_loop);
    TEST("a loop device whose file has no name is claimed alone",
         check_file_gone);
    TEST("a file that another one covers is not taken for it",
         check_file_covered);
    check_partitions();
    free_loop(loop);
    rig_close();
    return tap_done();
}
