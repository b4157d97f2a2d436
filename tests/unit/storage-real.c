/* SPDX-License-Identifier: MIT
 * Claim: on a real kernel a loop device's facts are told, and who has it or its
 * file in use is found: mount, swap, flock, OFD locks, processes, the loop
 * itself; looking is no use: it closes nothing for writing, which would wake
 * udev, and passes by who holds it exclusively.
 * Source: COHERENCY.md C12.
 * Mechanism: real loop devices (as root; one test is run without). */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/wait.h>

#include "tests/unit/storage-tree.h"

static char file_path[512], loop_path[64], mount_point[512];
static struct blockdev file, loop;

static int run(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int run(const char *format, ...)
{
    char command[800];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    return system(command);
}

/* The holders that this test or its children are, or that know no process. */
static unsigned find_ours(const struct blockdev *device, pid_t child)
{
    unsigned nr = 0;

    find(device);
    for (unsigned i = 0; i < nr_found; i++)
        if (!found[i].pid || found[i].pid == getpid() || found[i].pid == child)
            found[nr++] = found[i];
    return nr_found = nr;
}

static bool make_loop(void)
{
    char command[600];
    FILE *pipe;

    snprintf(file_path, sizeof file_path, "%s", tree_path("disk.img"));
    snprintf(mount_point, sizeof mount_point, "%s", tree_path("mnt"));
    REQUIRE(mkdir(mount_point, 0700) == 0);
    REQUIRE(run("truncate -s 16M %s", file_path) == 0);
    snprintf(command, sizeof command, "losetup -f --show %s 2>/dev/null",
             file_path);
    pipe = popen(command, "r");
    if (pipe && fgets(loop_path, sizeof loop_path, pipe))
        loop_path[strcspn(loop_path, "\n")] = 0;
    return pipe && pclose(pipe) == 0 && loop_path[0];
}

/* The loop device goes when this program does, however it ends: a child alone
 * has it open, until its parent has gone. */
static pid_t keeper;

static void keep_loop(void)
{
    int ready[2];
    char byte;

    REQUIRE(pipe(ready) == 0);
    keeper = fork();
    REQUIRE(keeper >= 0);
    if (keeper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (open(loop_path, O_RDONLY) >= 0 && write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    REQUIRE(run("losetup -d %s", loop_path) == 0);
}

/* --- what it is ----------------------------------------------------------- */

static void check_facts(void)
{
    struct stat status;

    REQUIRE(stat(loop_path, &status) == 0);
    CHECK_EQ(blockdev_look(loop_path, &loop), 0);
    CHECK(loop.is_block);
    CHECK_EQ(loop.device, status.st_rdev);
    CHECK_EQ(loop.whole, status.st_rdev);
    CHECK_EQ(loop.node_device, status.st_dev);
    CHECK_EQ(loop.node_inode, status.st_ino);
    CHECK_STR(loop.name, loop_path + strlen("/dev/"));
    CHECK_EQ(loop.size_bytes, 16 << 20);
    CHECK_EQ(loop.logical_bytes, 512);
    CHECK(loop.physical_bytes >= 512);
    CHECK(!loop.is_read_only && !loop.loop_is_direct);
    CHECK(loop.is_queue_known && loop.has_write_cache);
    CHECK_STR(loop.loop_file, file_path);
    CHECK_EQ(blockdev_look(file_path, &file), 0);
    CHECK_EQ(loop.loop_device, file.device);
    CHECK_EQ(loop.loop_inode, file.inode);
}

static void check_read_only(void)
{
    int fd = open(loop_path, O_RDONLY), on = 1;
    struct blockdev other;

    CHECK_EQ(ioctl(fd, BLKROSET, &on), 0);
    CHECK_EQ(blockdev_look(loop_path, &other), 0);
    CHECK(other.is_read_only);
    on = 0;
    CHECK_EQ(ioctl(fd, BLKROSET, &on), 0);
    close(fd);
}

/* The page cache of the device is not that of its file. */
static void check_cache(void)
{
    int fd = open(loop_path, O_RDWR);
    struct page_cache cache = { .is_known = false };
    static const char data[4096] = "x";

    for (unsigned i = 0; i < 20 && cache.dirty_bytes == 0; i++) {
        CHECK_EQ(pwrite(fd, data, sizeof data, 0), sizeof data);
        CHECK_EQ(page_cache_look(fd, &cache), 0);
        CHECK(cache.cached_bytes >= 4096);
        if (!cache.is_known)
            break;
    }
    CHECK(!cache.is_known || cache.dirty_bytes >= 4096);
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(page_cache_look(fd, &cache), 0);
    CHECK_EQ(cache.dirty_bytes, 0);
    close(fd);
}

/* udev looks at a device again when it was closed for writing. */
static void check_no_event(void)
{
    char events[512];
    int notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    REQUIRE(notify >= 0 &&
            inotify_add_watch(notify, loop_path, IN_CLOSE_WRITE) >= 0);
    CHECK_EQ(blockdev_look(loop_path, &loop), 0);
    find(&loop);
    find(&file);
    CHECK_EQ(read(notify, events, sizeof events), -1);
    CHECK_EQ(errno, EAGAIN);
    close(open(loop_path, O_RDWR));
    CHECK(read(notify, events, sizeof events) > 0);
    close(notify);
}

static void check_exclusive(void)
{
    struct blockdev other;
    int fd = open(loop_path, O_RDWR | O_EXCL | O_CLOEXEC);

    REQUIRE(fd >= 0);
    CHECK_EQ(blockdev_look(loop_path, &other), 0);
    CHECK_EQ(other.size_bytes, loop.size_bytes);
    CHECK_EQ(find_ours(&loop, 0), 1);
    check_found(0, HOLDER_OPENER, loop.name, "write", false);
    close(fd);
}

/* --- who has it ----------------------------------------------------------- */

static void check_nobody(void)
{
    CHECK_EQ(find_ours(&loop, 0), 0);
    CHECK_EQ(find_ours(&file, 0), 1);
    check_found(0, HOLDER_LOOP, "", loop_path, true);
}

/* The kernel calls the file deleted; it has another name, and is the same. */
static void check_other_name(void)
{
    char other[600];

    snprintf(other, sizeof other, "%s.other", file_path);
    REQUIRE(link(file_path, other) == 0 && unlink(file_path) == 0);
    CHECK_EQ(find_ours(&file, 0), 1);
    check_found(0, HOLDER_LOOP, "", loop_path, true);
    REQUIRE(rename(other, file_path) == 0);
}

static void check_mount(void)
{
    struct blockdev inside;
    char what[600];

    if (run("mkfs.ext4 -q -F %s >/dev/null 2>&1", loop_path) != 0 ||
        mount(loop_path, mount_point, "ext4", 0, NULL) < 0) {
        NOTE("nothing can be mounted here: %s", strerror(errno));
        CHECK_EQ(find_ours(&loop, 0), 0);
        return;
    }
    CHECK_EQ(find_ours(&loop, 0), 1);
    check_found(0, HOLDER_MOUNT, loop.name, mount_point, true);
    CHECK(holders_name(&loop, what, sizeof what));
    CHECK(strstr(what, mount_point) != NULL);
    snprintf(what, sizeof what, "%s/file", mount_point);
    REQUIRE(run("truncate -s 1M %s", what) == 0);
    CHECK_EQ(blockdev_look(what, &inside), 0);
    CHECK(!inside.is_read_only);
    CHECK_EQ(mount("", mount_point, "", MS_REMOUNT | MS_RDONLY, NULL), 0);
    CHECK_EQ(blockdev_look(what, &inside), 0);
    CHECK(inside.is_read_only);
    CHECK_EQ(umount(mount_point), 0);
    CHECK_EQ(find_ours(&loop, 0), 0);
}

static void check_swap(void)
{
    if (run("mkswap %s >/dev/null 2>&1", loop_path) != 0 ||
        swapon(loop_path, 0) < 0) {
        NOTE("no swap here: %s", strerror(errno));
        CHECK_EQ(find_ours(&loop, 0), 0);
        return;
    }
    CHECK_EQ(find_ours(&loop, 0), 1);
    check_found(0, HOLDER_SWAP, loop.name, loop_path, true);
    CHECK_EQ(swapoff(loop_path), 0);
}

/* A child that has a path open, and perhaps a lock on it, until it is told. */
struct child {
    pid_t pid;
    int pipe[2];
};

static struct child child_open(const char *path, int flags, int how,
                               struct flock *range)
{
    struct child child;
    int fd;
    char byte;

    REQUIRE(pipe(child.pipe) == 0);
    fd = open(path, flags | O_CLOEXEC);
    REQUIRE(fd >= 0 && (!how || flock(fd, how) == 0) &&
            (!range || fcntl(fd, F_OFD_SETLK, range) == 0));
    child.pid = fork();
    REQUIRE(child.pid >= 0);
    if (child.pid == 0) {
        close(child.pipe[1]);
        _exit(read(child.pipe[0], &byte, 1) != 0);
    }
    close(child.pipe[0]);
    close(fd);
    return child;
}

static void child_end(struct child *child)
{
    int status;

    close(child->pipe[1]);
    waitpid(child->pid, &status, 0);
    CHECK_EQ(status, 0);
}

/* The lock is its process's even where another one took it. */
static void check_flock(void)
{
    struct child child = child_open(loop_path, O_RDONLY, LOCK_EX, NULL);

    CHECK_EQ(find_ours(&loop, child.pid), 2);
    check_found(0, HOLDER_LOCK, loop.name, "flock", true);
    CHECK(found[0].excludes_reader);
    CHECK_EQ(found[0].pid, child.pid);
    check_found(1, HOLDER_OPENER, loop.name, "read", false);
    child_end(&child);
    child = child_open(file_path, O_RDONLY, LOCK_SH, NULL);
    CHECK_EQ(find_ours(&file, child.pid), 3);
    check_found(1, HOLDER_LOCK, "", "flock, shared", true);
    CHECK(!found[1].excludes_reader);
    CHECK_EQ(find_ours(&loop, child.pid), 2);
    CHECK_EQ(found[0].kind, HOLDER_LOOP_FILE);
    CHECK(found[0].excludes);
    CHECK(strncmp(found[0].what, file_path, strlen(file_path)) == 0);
    CHECK_EQ(found[1].kind, HOLDER_LOOP_FILE);
    child_end(&child);
    CHECK_EQ(find_ours(&loop, 0), 0);
}

static void check_ofd(void)
{
    struct flock range = { .l_type = F_RDLCK, .l_whence = SEEK_SET,
                           .l_start = 100, .l_len = 2 };
    struct child child = child_open(file_path, O_RDWR, 0, &range);

    CHECK_EQ(find_ours(&file, child.pid), 3);
    check_found(1, HOLDER_LOCK, "", "OFD lock, bytes 100-101, as QEMU's",
                true);
    CHECK_EQ(found[1].pid, child.pid);
    CHECK_STR(found[1].process, found[2].process);
    check_found(2, HOLDER_OPENER, "", "write", false);
    child_end(&child);
}

/* Processes come and go while they are looked at. */
static void check_storm(void)
{
    unsigned long rounds = tap_scaled(200);
    pid_t forker = fork();

    REQUIRE(forker >= 0);
    if (forker == 0)
        for (prctl(PR_SET_PDEATHSIG, SIGKILL);;) {
            pid_t child = fork();

            if (child == 0)
                _exit(open(file_path, O_RDWR) < 0);
            waitpid(child, NULL, 0);
        }
    for (unsigned long i = 0; i < rounds; i++) {
        find(&file);
        if (!CHECK(nr_found >= 1))
            break;
        CHECK_EQ(found[0].kind, HOLDER_LOOP);
    }
    kill(forker, SIGKILL);
    waitpid(forker, NULL, 0);
}

int main(void)
{
    tree_begin();
    storage_sysfs = "/sys";
    storage_procfs = "/proc";
    if (!make_loop()) {
        tap_skip("holders on a real kernel", "root and loop devices");
        return tree_end();
    }
    keep_loop();
    TEST("a loop device is told as it is, with the file behind it",
         check_facts);
    TEST("a read-only device is", check_read_only);
    TEST("a device's page cache is told", check_cache);
    TEST("nobody has it, the loop device has the file", check_nobody);
    TEST("looking is no event for udev", check_no_event);
    TEST("who holds it exclusively does not keep us from looking",
         check_exclusive);
    TEST("a file that has lost a name is still the loop device's",
         check_other_name);
    TEST("a mount is found, and what a read-only one makes of a file",
         check_mount);
    TEST("swap is found", check_swap);
    TEST("flocks are found, on the device and the file behind it",
         check_flock);
    TEST("an OFD lock is found, with its process", check_ofd);
    TEST("processes that come and go do no harm", check_storm);
    kill(keeper, SIGKILL);
    waitpid(keeper, NULL, 0);
    return tree_end();
}
