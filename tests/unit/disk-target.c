/* SPDX-License-Identifier: MIT
 * Claim: a target is claimed or refused with a sentence that names it and says
 * what was expected; a writer excludes every other opener that locks, readers
 * share; a refusal leaves nothing open.
 * Source: COHERENCY.md C1, C12.
 * Mechanism: real files and loop devices (as root). */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/disk/target.h"
#include "tests/unit/tap.h"

static char dir[] = "/var/tmp/vbdd-target.XXXXXX";
static char path[128], other[128];
static char reason[256];

static unsigned open_fds(void)
{
    unsigned nr = 0;

    for (int fd = 0; fd < 256; fd++)
        nr += fcntl(fd, F_GETFD) >= 0;
    return nr;
}

static void make_file(const char *name, off_t bytes)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && ftruncate(fd, bytes) == 0);
    close(fd);
}

static int try_open(const char *name, bool read_only, struct target *target)
{
    reason[0] = 0;
    return target_open(name, read_only, false, target, reason, sizeof reason);
}

static void check_refused(const char *name, bool read_only, int error,
                          const char *says)
{
    struct target target;
    unsigned before = open_fds();

    CHECK_EQ(try_open(name, read_only, &target), error);
    CHECK(strstr(reason, name) != NULL);
    if (!CHECK(strstr(reason, says) != NULL))
        printf("# said: %s\n", reason);
    CHECK_EQ(open_fds(), before);
    CHECK_EQ(target.claim_fd, -1);
}

static void check_refusals(void)
{
    check_refused("/nonexistent/disk", false, -ENOENT, "No such file");
    check_refused(dir, false, -EISDIR, "is a directory");
    check_refused("/dev/null", false, -EINVAL, "expected a block device");
    make_file(path, 0);
    check_refused(path, false, -EINVAL, "has 0 bytes");
    make_file(path, 1000);
    check_refused(path, false, -EINVAL, "has 1000 bytes");
}

static void check_sharing(void)
{
    struct target first, second;

    make_file(path, 1 << 20);
    REQUIRE(link(path, other) == 0);
    CHECK_EQ(try_open(path, false, &first), 0);
    CHECK(first.is_direct);
    check_refused(other, false, -EBUSY, "is locked");
    check_refused(path, true, -EBUSY, "is locked");
    CHECK_EQ(target_close(&first, &(const char *){ NULL }), 0);

    CHECK_EQ(try_open(path, true, &first), 0);
    CHECK_EQ(try_open(other, true, &second), 0);
    CHECK_STR(first.key, second.key);
    CHECK_EQ(write(first.io_fd, "x", 1), -1);
    check_refused(path, false, -EBUSY, "is locked");
    CHECK_EQ(target_close(&first, &(const char *){ NULL }), 0);
    CHECK_EQ(target_close(&second, &(const char *){ NULL }), 0);
    unlink(other);
}

/* The claim goes with the last descriptor of it, also one that was passed on:
 * that is what holds a target for its worker's supervisor. */
static void check_claim_outlives(void)
{
    struct target target, second;
    int copy;

    make_file(path, 1 << 20);
    CHECK_EQ(try_open(path, false, &target), 0);
    copy = dup(target.claim_fd);
    CHECK_EQ(target_close(&target, &(const char *){ NULL }), 0);
    check_refused(path, false, -EBUSY, "is locked");
    close(copy);
    CHECK_EQ(try_open(path, false, &second), 0);
    CHECK_EQ(target_close(&second, &(const char *){ NULL }), 0);
}

static char loop[64];

static int run(const char *command, char *line, size_t bytes)
{
    FILE *pipe = popen(command, "r");
    char *got = pipe && line ? fgets(line, (int)bytes, pipe) : NULL;

    if (got)
        line[strcspn(line, "\n")] = 0;
    return pipe ? pclose(pipe) : -1;
}

static void check_block_device(void)
{
    char command[512];
    struct target target, second;

    CHECK_EQ(try_open(loop, false, &target), 0);
    CHECK(target.is_block);
    check_refused(loop, false, -EBUSY, "is busy");
    snprintf(command, sizeof command, "mount %s %s 2>/dev/null", loop, dir);
    CHECK(run(command, NULL, 0) != 0);
    CHECK_EQ(target_close(&target, &(const char *){ NULL }), 0);
    snprintf(command, sizeof command,
             "mkfs.ext4 -q -F %s >/dev/null 2>&1 && mount %s %s", loop, loop,
             dir);
    if (run(command, NULL, 0) == 0) {
        check_refused(loop, false, -EBUSY, "it is mounted");
        snprintf(command, sizeof command, "umount %s", dir);
        CHECK_EQ(run(command, NULL, 0), 0);
    }
    CHECK_EQ(try_open(loop, true, &target), 0);
    CHECK_EQ(try_open(loop, true, &second), 0);
    CHECK_EQ(target_close(&second, &(const char *){ NULL }), 0);
    CHECK_EQ(target_close(&target, &(const char *){ NULL }), 0);
    snprintf(command, sizeof command, "blockdev --setro %s", loop);
    CHECK_EQ(run(command, NULL, 0), 0);
    check_refused(loop, false, -EROFS, "attach it with mode r");
    /* the mark would outlive the loop device's file */
    snprintf(command, sizeof command, "blockdev --setrw %s", loop);
    CHECK_EQ(run(command, NULL, 0), 0);
}

int main(void)
{
    char command[512];

    REQUIRE(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/disk", dir);
    snprintf(other, sizeof other, "%s/other", dir);
    TEST("what cannot be a target is refused by name and reason",
         check_refusals);
    TEST("one writer or many readers, whatever name the target is reached by",
         check_sharing);
    TEST("a claim lives as long as anybody holds its descriptor",
         check_claim_outlives);
    make_file(path, 16 << 20);
    snprintf(command, sizeof command, "losetup --show -f %s 2>/dev/null",
             path);
    if (geteuid() == 0 && run(command, loop, sizeof loop) == 0) {
        unlink(path);
        TEST("a claimed block device refuses mount, a mounted one the claim",
             check_block_device);
        snprintf(command, sizeof command, "losetup -d %s", loop);
        run(command, NULL, 0);
    } else {
        tap_skip("a claimed block device refuses mount", "root and losetup");
    }
    snprintf(command, sizeof command, "rm -rf %s", dir);
    run(command, NULL, 0);
    return tap_done();
}
