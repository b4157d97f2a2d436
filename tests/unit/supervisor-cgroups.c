/* SPDX-License-Identifier: MIT
 * Claim: of a group that was delegated to it vbdd makes a leaf for itself and
 * one for each disk, lets them be limited, tidies up behind a vbdd that was
 * killed, and does without wherever something is not as it should be. Source:
 * the kernel's cgroup-v2 document ("no internal processes"). Mechanism: a
 * folder with the files of a control group; what is written is read there. */
#include "backend/supervisor/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/host/cgroup.h"
#include "common/host/log.h"
#include "common/storage/sysfs.h"
#include "tests/unit/tap.h"

static char own[] = "/tmp/vbdd-cgroup-XXXXXX";
static struct cgroups cgroups;

static const char *in(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof paths[0], "%s/%s", own, name);
    return path;
}

static void make_file(const char *name)
{
    int fd = open(in(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    REQUIRE(fd >= 0);
    close(fd);
}

static const char *content(const char *name)
{
    static char text[256];
    int fd = open(in(name), O_RDONLY);
    ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    text[got > 0 ? got : 0] = '\0';
    close(fd);
    return text;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void check_refused(void)
{
    char path[CGROUP_PATH_BYTES] = "?";

    cgroups_use(&cgroups, own); /* it has no cgroup.procs */
    CHECK_STR(cgroups.path, "");
    cgroups_add(&cgroups, "block-8-0", path);
    CHECK_STR(path, "");
    CHECK(!exists(in("disk-block-8-0")));
    cgroups_remove(path);
    cgroups_use(&cgroups, "/proc/self/nothing");
    CHECK_STR(cgroups.path, "");
}

static void check_taken_over(void)
{
    int fifo;
    char said[64] = "";

    make_file("supervisor/cgroup.procs");
    REQUIRE(mkfifo(in("cgroup.subtree_control"), 0600) == 0);
    fifo = open(in("cgroup.subtree_control"), O_RDWR | O_NONBLOCK);
    cgroups_use(&cgroups, own);
    CHECK_STR(cgroups.path, own);
    CHECK_STR(content("supervisor/cgroup.procs"), "0");
    CHECK(read(fifo, said, sizeof said - 1) > 0);
    CHECK_STR(said, "+cpu+io+memory");
    close(fifo);
    unlink(in("cgroup.subtree_control"));
}

static void check_disks(void)
{
    char path[CGROUP_PATH_BYTES], again[CGROUP_PATH_BYTES];
    struct stat status;

    cgroups_use(&cgroups, own);
    cgroups_add(&cgroups, "file-fd01-77", path);
    CHECK_STR(path, in("disk-file-fd01-77"));
    CHECK(exists(path));
    REQUIRE(chmod(path, S_ISVTX | 0700) == 0);
    cgroups_add(&cgroups, "file-fd01-77", again); /* left by another vbdd */
    CHECK_STR(again, path);
    REQUIRE(stat(path, &status) == 0);
    CHECK(!(status.st_mode & S_ISVTX)); /* made anew, whatever the umask */
    cgroups_remove(path);
    CHECK(!exists(path));
    cgroups_remove(path); /* is said, and no more than that */
}

/* /dev/sda1 of a made-up sysfs; 8:16 is no partition. */
static void make_sysfs(void)
{
    static char path[256];
    int fd;

    snprintf(path, sizeof path, "%s", in("sysfs"));
    storage_sysfs = path;
    REQUIRE(mkdir(in("sysfs"), 0700) == 0 && mkdir(in("sysfs/sda"), 0700) == 0 &&
            mkdir(in("sysfs/sda/sda1"), 0700) == 0 &&
            mkdir(in("sysfs/dev"), 0700) == 0 &&
            mkdir(in("sysfs/dev/block"), 0700) == 0 &&
            symlink("../../sda/sda1", in("sysfs/dev/block/8:1")) == 0);
    make_file("sysfs/sda/sda1/partition");
    make_file("sysfs/sda/dev");
    fd = open(in("sysfs/sda/dev"), O_WRONLY);
    REQUIRE(write(fd, "8:0\n", 4) == 4);
    close(fd);
}

static void check_limits(void)
{
    struct cgroup_rates rates = { .read_bytes = 104857600, .writes = 500 };
    struct cgroup_rates none = { 0 };
    char path[CGROUP_PATH_BYTES];

    make_sysfs();
    cgroups_use(&cgroups, own);
    cgroups_add(&cgroups, "block-8-10", path);
    make_file("disk-block-8-10/io.max");
    cgroups_limit(path, "/dev/sda1", makedev(8, 16), &none);
    CHECK_STR(content("disk-block-8-10/io.max"), "");
    cgroups_limit(path, "/dev/sda1", makedev(8, 1), &rates);
    CHECK_STR(content("disk-block-8-10/io.max"),
              "8:0 rbps=104857600 wbps=max riops=max wiops=500");
    make_file("disk-block-8-10/io.max");
    rates = (struct cgroup_rates){ .written_bytes = 65536, .reads = 10 };
    cgroups_limit(path, "/dev/sda1", makedev(8, 16), &rates);
    CHECK_STR(content("disk-block-8-10/io.max"),
              "8:16 rbps=max wbps=65536 riops=10 wiops=max");
    unlink(in("disk-block-8-10/io.max"));
    /* is said, and no more */
    cgroups_limit(path, "/dev/sda1", makedev(8, 16), &rates);
    cgroups_limit("", "/dev/sda1", makedev(8, 16), &rates);
    cgroups_remove(path);
}

/* rmdir() refuses a group with processes, and a folder with files. */
static void check_tidied(void)
{
    REQUIRE(mkdir(in("disk-old"), 0700) == 0);
    REQUIRE(mkdir(in("disk-busy"), 0700) == 0);
    REQUIRE(mkdir(in("other"), 0700) == 0);
    make_file("disk-busy/process");
    cgroups_use(&cgroups, own);
    CHECK(!exists(in("disk-old")));
    CHECK(exists(in("disk-busy")));
    CHECK(exists(in("other")));
    CHECK(exists(in("supervisor")));
}

static void check_adverse(void)
{
    char path[CGROUP_PATH_BYTES], key[CGROUP_PATH_BYTES];

    REQUIRE(mkdir(in("cgroup.subtree_control"), 0700) == 0);
    cgroups_use(&cgroups, own); /* no limits, but groups */
    CHECK_STR(cgroups.path, own);
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    cgroups_add(&cgroups, key, path);
    CHECK_STR(path, "");
    cgroups_add(&cgroups, "no/such", path);
    CHECK_STR(path, "");
}

static void check_joining(void)
{
    CHECK_EQ(cgroup_join(in("supervisor")), 0);
    CHECK_EQ(cgroup_join(in("other")), -ENOENT);
    CHECK_EQ(cgroup_join(in("disk-busy/process")), -ENOTDIR);
    CHECK_EQ(cgroup_write(in("other"), ".", "x"), -EISDIR);
}

static void remove_all(void)
{
    char command[sizeof own + 16];

    snprintf(command, sizeof command, "rm -rf %s", own);
    CHECK_EQ(system(command), 0);
}

int main(void)
{
    log_init("supervisor-cgroups", LOG_LEVEL_ERROR);
    REQUIRE(mkdtemp(own));
    TEST("what is no control group is left alone", check_refused);
    TEST("a group is taken over", check_taken_over);
    TEST("a disk's group comes and goes", check_disks);
    TEST("a disk's rates are limited on its whole device", check_limits);
    TEST("groups without a worker are removed", check_tidied);
    TEST("what cannot be done is done without", check_adverse);
    TEST("a process joins, or says why not", check_joining);
    TEST("everything is removed", remove_all);
    return tap_done();
}
