/* SPDX-License-Identifier: MIT
 * Claim: a target is looked at without side effects and without waiting: what
 * is neither block device nor file is not even opened, what somebody holds
 * exclusively is looked at all the same; sizes, alignment, the device below and
 * the page cache are told as they are, and what sysfs does not say is not made
 * up.
 * Source: COHERENCY.md C12; open(2), statx(2), cachestat(2).
 * Mechanism: real files in /var/tmp and /dev/shm; a sysfs of ordinary files;
 * a process for which the kernel has no cachestat(2). */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/storage-tree.h"

static struct blockdev looked;

static int look(const char *name)
{
    return blockdev_look(tree_path(name), &looked);
}

static void make_sized(const char *name, off_t bytes)
{
    tree_text(name, "");
    REQUIRE(truncate(tree_path(name), bytes) == 0);
}

/* --- what can be a target ------------------------------------------------- */

static void check_kinds(void)
{
    CHECK_EQ(look("missing"), -ENOENT);
    CHECK_EQ(look("proc"), -EISDIR);
    CHECK_EQ(blockdev_look("/dev/null", &looked), -EINVAL);
    CHECK_EQ(blockdev_look("", &looked), -ENOENT);
    tree_link("loop", "loop");
    CHECK_EQ(look("loop"), -ELOOP);
    make_sized("disk", 1 << 20);
    tree_link("link", "disk");
    CHECK_EQ(look("link"), 0);
    CHECK_EQ(looked.size_bytes, 1 << 20);
    CHECK(!looked.is_block);
    CHECK_STR(looked.name, "");
    CHECK_STR(looked.loop_file, "");
    CHECK(!looked.is_read_only);
}

/* A reader of a FIFO, even one that comes and goes, lets its writer go on. */
static void check_fifo(void)
{
    const char *path;
    pid_t writer;
    int status;

    REQUIRE(mkfifo(tree_path("fifo"), 0600) == 0);
    path = tree_path("fifo");
    writer = fork();
    REQUIRE(writer >= 0);
    if (writer == 0)
        _exit(open(path, O_WRONLY) < 0);
    for (unsigned i = 0; i < 1000; i++)
        CHECK_EQ(look("fifo"), -EINVAL);
    CHECK_EQ(waitpid(writer, &status, WNOHANG), 0);
    kill(writer, SIGKILL);
    waitpid(writer, &status, 0);
}

/* As nobody: root may read anything. */
static void check_unreadable(void)
{
    pid_t child;
    int status;

    make_sized("secret", 4096);
    REQUIRE(chmod(tree_path("secret"), 0) == 0 && chmod(tree, 0755) == 0);
    child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) < 0)
            _exit(99);
        _exit(-look("secret"));
    }
    waitpid(child, &status, 0);
    CHECK_EQ(WEXITSTATUS(status), EACCES);
}

/* --- files ---------------------------------------------------------------- */

static void check_sizes(void)
{
    static const off_t sizes[] = { 0, 1, 511, 512, 4096, 1LL << 40 };

    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        make_sized("disk", sizes[i]);
        CHECK_EQ(look("disk"), 0);
        CHECK_EQ(looked.size_bytes, sizes[i]);
    }
    make_sized("disk", 1 << 20);
}

/* Root may write anything else. */
static void check_immutable(void)
{
    int fd = open(tree_path("disk"), O_RDONLY), flags = 0;

    REQUIRE(fd >= 0);
    CHECK_EQ(look("disk"), 0);
    CHECK(!looked.is_read_only);
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
        flags |= FS_IMMUTABLE_FL;
        if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0) {
            CHECK_EQ(look("disk"), 0);
            CHECK(looked.is_read_only);
        } else {
            NOTE("no file can be made immutable here");
        }
        flags &= ~FS_IMMUTABLE_FL;
        ioctl(fd, FS_IOC_SETFLAGS, &flags);
    }
    close(fd);
}

/* What we say O_DIRECT takes, it takes. */
static void check_direct(void)
{
    static char buffer[8192] __attribute__((aligned(4096)));
    int fd = open(tree_path("disk"), O_RDONLY | O_DIRECT);

    CHECK_EQ(look("disk"), 0);
    CHECK_EQ(looked.logical_bytes != 0, fd >= 0);
    NOTE("O_DIRECT in /var/tmp wants %u bytes", looked.logical_bytes);
    if (fd >= 0)
        CHECK_EQ(pread(fd, buffer, looked.logical_bytes,
                       looked.logical_bytes), looked.logical_bytes);
    close(fd);
    CHECK_EQ(blockdev_look("/proc/self/status", &looked), 0);
    CHECK_EQ(looked.logical_bytes, 0);
}

/* The device below a file, as each driver has it in sysfs. */
static void put_queue(const char *at, const char *name, const char *value)
{
    char path[128];

    snprintf(path, sizeof path, "sys/devices/%s/queue/%s", at, name);
    tree_text(path, value);
}

static void check_queue(void)
{
    struct stat status;

    REQUIRE(stat(tree_path("disk"), &status) == 0);
    CHECK_EQ(look("disk"), 0);
    CHECK(!looked.is_queue_known);
    CHECK_EQ(looked.discard_max_bytes, 0);
    tree_device("vda", 200, 0);
    tree_device("vda/vda1", major(status.st_dev), minor(status.st_dev));
    put_queue("vda", "write_cache", "write back\n");
    put_queue("vda", "fua", "1\n");
    put_queue("vda", "rotational", "1\n");
    put_queue("vda", "discard_granularity", "65536\n");
    put_queue("vda", "discard_max_bytes", "2199023255040\n");
    put_queue("vda", "write_zeroes_max_bytes", "4294966784\n");
    CHECK_EQ(look("disk"), 0);
    CHECK(looked.is_queue_known && looked.has_write_cache && looked.has_fua &&
          looked.is_rotational);
    CHECK_EQ(looked.discard_granularity_bytes, 65536);
    CHECK_EQ(looked.discard_max_bytes, 2199023255040);
    CHECK_EQ(looked.write_zeroes_max_bytes, 4294966784);
    put_queue("vda", "write_cache", "write through\n");
    put_queue("vda", "fua", "");
    put_queue("vda", "rotational", "no number");
    put_queue("vda", "discard_max_bytes", "\n\n\n");
    CHECK_EQ(look("disk"), 0);
    CHECK(looked.is_queue_known && !looked.has_write_cache &&
          !looked.has_fua && !looked.is_rotational);
    CHECK_EQ(looked.discard_max_bytes, 0);
}

/* --- the page cache ------------------------------------------------------- */

static int make_dirty(void)
{
    static char data[1 << 20];
    int fd = open(tree_path("disk"), O_RDWR);

    memset(data, 1, sizeof data);
    REQUIRE(fd >= 0 && pwrite(fd, data, sizeof data, 0) == sizeof data);
    return fd;
}

/* The kernel may write back on its own at any time: then once more. */
static void check_cache(void)
{
    struct page_cache cache = { .is_known = false };
    int fd = -1;

    for (unsigned i = 0; i < 20 && cache.dirty_bytes != 1 << 20; i++) {
        close(fd);
        fd = make_dirty();
        CHECK_EQ(page_cache_look(fd, &cache), 0);
        CHECK_EQ(cache.cached_bytes, 1 << 20);
    }
    if (cache.is_known)
        CHECK_EQ(cache.dirty_bytes, 1 << 20);
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(page_cache_look(fd, &cache), 0);
    CHECK_EQ(cache.cached_bytes, 1 << 20);
    CHECK_EQ(cache.dirty_bytes, 0);
    CHECK_EQ(cache.writeback_bytes, 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
    CHECK_EQ(page_cache_look(fd, &cache), 0);
    CHECK_EQ(cache.cached_bytes, 0);
    close(fd);
    CHECK_EQ(page_cache_look(fd, &cache), -EBADF);
}

enum { CACHESTAT_NUMBER = 451 };

static void forbid_cachestat(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, CACHESTAT_NUMBER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { sizeof filter / sizeof *filter, filter };

    REQUIRE(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* The last test: there is no way back. A size that is no whole page, and one
 * of more than one window. */
static void check_old_kernel(void)
{
    struct page_cache cache;
    int fd = make_dirty(), big;

    forbid_cachestat();
    CHECK_EQ(ftruncate(fd, (1 << 20) - 100), 0);
    CHECK_EQ(page_cache_look(fd, &cache), 0);
    CHECK(!cache.is_known);
    CHECK_EQ(cache.cached_bytes, 1 << 20);
    CHECK_EQ(cache.dirty_bytes, 0);
    close(fd);
    make_sized("big", 65LL << 30);
    big = open(tree_path("big"), O_RDWR);
    CHECK_EQ(page_cache_look(big, &cache), -EFBIG);
    CHECK_EQ(ftruncate(big, 1LL << 30), 0);
    CHECK_EQ(pwrite(big, "x", 1, (1LL << 30) - 1), 1);
    CHECK_EQ(page_cache_look(big, &cache), 0);
    CHECK_EQ(cache.cached_bytes, sysconf(_SC_PAGESIZE));
    CHECK_EQ(ftruncate(big, 0), 0);
    CHECK_EQ(page_cache_look(big, &cache), 0);
    CHECK_EQ(cache.cached_bytes, 0);
    close(big);
}

int main(void)
{
    tree_begin();
    TEST("only block devices and files are looked at", check_kinds);
    TEST("a FIFO's writer notices nothing", check_fifo);
    TEST("what may not be read is refused", check_unreadable);
    TEST("sizes are told", check_sizes);
    TEST("a file that nobody may change is read-only", check_immutable);
    TEST("what O_DIRECT wants is told, and that it is not to be had",
         check_direct);
    TEST("the device below a file is told, or that it is not known",
         check_queue);
    if (getenv("VALGRIND")) {
        tap_skip("pages are counted", "no valgrind: it reads what is mapped");
        return tree_end();
    }
    TEST("dirty, clean and dropped pages are counted", check_cache);
    TEST("without cachestat, pages are counted", check_old_kernel);
    return tree_end();
}
