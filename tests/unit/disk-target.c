/* SPDX-License-Identifier: MIT
 * Claim: a target is claimed or refused with a sentence that names it, says
 * who has it and fits in a message; a writer excludes every other opener that
 * locks, readers share, QEMU's byte locks are understood and taken; pages that
 * somebody keeps mapped refuse a writer; a refusal leaves nothing open.
 * Source: COHERENCY.md C1, C12; /proc/locks beside qemu-nbd, qemu-io and
 * qemu-system-x86_64 7.2 for QEMU's bytes.
 * Mechanism: real files; a second process where somebody is to be named. */
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/host/packet.h"
#include "tests/unit/target-rig.h"

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
    check_had(path, false, &first);
    CHECK(first.is_direct);
    check_refused(other, false, -EBUSY, "locked (");
    check_refused(path, true, -EBUSY, "locked (");
    close_target(&first);

    check_had(path, true, &first);
    check_had(other, true, &second);
    CHECK_STR(first.key, second.key);
    CHECK_EQ(write(first.io_fd, "x", 1), -1);
    check_refused(path, false, -EBUSY, "locked (");
    close_target(&first);
    close_target(&second);
    unlink(other);
}

/* --- QEMU's bytes --------------------------------------------------------- */

static int lock_byte(int fd, short type, off_t byte, off_t length)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET,
                          .l_start = byte, .l_len = length };

    return fcntl(fd, F_OFD_SETLK, &lock);
}

static bool is_locked(int fd, off_t byte)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET,
                          .l_start = byte, .l_len = 1 };

    REQUIRE(fcntl(fd, F_OFD_GETLK, &lock) == 0);
    return lock.l_type != F_UNLCK;
}

static const struct {
    unsigned byte;
    bool is_ours_writing, is_ours_reading; /* we hold it */
    bool refuses_writer, refuses_reader;   /* another one's refuses us */
} bytes[] = {
    { 99, false, false, false, false },
    { 100, true, true, true, false }, /* reads */
    { 101, true, false, true, true }, /* writes */
    { 102, false, false, true, true },
    { 103, false, false, true, true },
    { 104, false, false, false, false },
    { 200, true, false, true, true }, /* nobody else may read */
    { 201, true, true, true, false },
    { 202, true, true, false, false },
    { 203, true, true, false, false },
    { 204, false, false, false, false },
};

static void check_bytes_held(bool read_only)
{
    struct target target;
    int fd = open(path, O_RDWR);

    check_had(path, read_only, &target);
    for (unsigned i = 0; i < sizeof bytes / sizeof *bytes; i++)
        if (!CHECK(is_locked(fd, bytes[i].byte) ==
                   (read_only ? bytes[i].is_ours_reading
                              : bytes[i].is_ours_writing)))
            printf("# byte %u of a %s\n", bytes[i].byte,
                   read_only ? "reader" : "writer");
    close_target(&target);
    CHECK(!is_locked(fd, 101) && !is_locked(fd, 201));
    close(fd);
}

static void check_byte(unsigned byte, bool read_only, bool refuses)
{
    struct target target;
    int fd = open(path, O_RDWR);

    REQUIRE(lock_byte(fd, F_RDLCK, byte, 1) == 0);
    if (refuses) {
        check_refused(path, read_only, -EBUSY, "QEMU");
    } else {
        check_had(path, read_only, &target);
        close_target(&target);
    }
    close(fd);
}

static void check_qemu_bytes(void)
{
    make_file(path, 1 << 20);
    check_bytes_held(false);
    check_bytes_held(true);
    for (unsigned i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        check_byte(bytes[i].byte, false, bytes[i].refuses_writer);
        check_byte(bytes[i].byte, true, bytes[i].refuses_reader);
    }
}

/* Who locks all of it keeps us from our own bytes. */
static void check_write_lock(void)
{
    int fd = open(path, O_RDWR);

    REQUIRE(lock_byte(fd, F_WRLCK, 0, 0) == 0);
    check_refused(path, false, -EBUSY, "QEMU");
    check_refused(path, true, -EBUSY, "QEMU");
    close(fd);
}

/* --- how long a claim lasts ----------------------------------------------- */

/* That is what holds a target for its worker's supervisor. */
static void check_claim_outlives(void)
{
    struct target target;
    int pair[2], passed[PACKET_MAX_FDS], fd = open(path, O_RDONLY);
    unsigned nr = 0;
    char byte = 0;

    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    check_had(path, false, &target);
    CHECK_EQ(packet_send(pair[0], &byte, 1, target.claim.fds,
                         target.claim.nr_fds), 0);
    close_target(&target);
    CHECK_EQ(packet_receive(pair[1], &byte, 1, passed, PACKET_MAX_FDS, &nr),
             0);
    CHECK_EQ(nr, 1);
    check_refused(path, false, -EBUSY, "locked (");
    CHECK(is_locked(fd, 101) && is_locked(fd, 200));
    while (nr > 0)
        close(passed[--nr]);
    CHECK(!is_locked(fd, 101));
    check_had(path, false, &target);
    close_target(&target);
    close(pair[0]);
    close(pair[1]);
    close(fd);
}

/* --- who is named --------------------------------------------------------- */

/* A process called "holder" that does as it is told and waits to be killed. */
static pid_t start_holder(void (*hold)(int fd))
{
    int pipe_fds[2];
    char byte;
    pid_t pid;

    REQUIRE(pipe(pipe_fds) == 0);
    pid = fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_NAME, "holder");
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        hold(open(path, O_RDWR));
        close(pipe_fds[1]);
        pause();
        _exit(0);
    }
    close(pipe_fds[1]);
    REQUIRE(read(pipe_fds[0], &byte, 1) == 0);
    close(pipe_fds[0]);
    return pid;
}

static void stop_holder(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void hold_flock(int fd) { flock(fd, LOCK_EX); }

static void hold_byte(int fd) { lock_byte(fd, F_RDLCK, 101, 1); }

static void hold_pages(int fd)
{
    volatile char *page = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, 0);

    (void)(page[0] + page[4096]);
}

/* "holder, pid 12" is in the sentence. */
static void check_named(pid_t pid, bool read_only, const char *says)
{
    char name[64];

    snprintf(name, sizeof name, "holder, pid %d", (int)pid);
    check_refused(path, read_only, -EBUSY, name);
    if (!CHECK(strstr(reason, says) != NULL))
        printf("# said: %s\n", reason);
    NOTE("%s", reason);
    stop_holder(pid);
}

static void check_names(void)
{
    struct target target;
    pid_t pid;

    make_file(path, 1 << 20);
    check_named(start_holder(hold_flock), false, "end that first");
    check_named(start_holder(hold_byte), true, "QEMU");
    check_named(start_holder(hold_pages), false,
                "KiB in the page cache that cannot be dropped");
    pid = start_holder(hold_pages);
    check_had(path, true, &target); /* nothing of it can become stale */
    close_target(&target);
    stop_holder(pid);
}

/* A path of any length leaves room for why, who and what to do. */
static void check_long_path(void)
{
    char name[512], deep[1024];
    struct target target;
    pid_t pid;

    memset(name, 'x', sizeof name);
    snprintf(deep, sizeof deep, "%s/%.200s", dir, name);
    REQUIRE(mkdir(deep, 0700) == 0);
    snprintf(deep, sizeof deep, "%s/%.200s/%.200s-end", dir, name, name);
    make_file(path, 1 << 20);
    REQUIRE(link(path, deep) == 0);
    pid = start_holder(hold_flock);
    CHECK_EQ(try_open(deep, false, &target), -EBUSY);
    NOTE("%s", reason);
    CHECK(strlen(reason) < MESSAGE_TEXT_BYTES);
    CHECK(strstr(reason, "target ...xxxx") && strstr(reason, "xxx-end is "));
    CHECK(strstr(reason, "holder, pid") && strstr(reason, "end that first"));
    stop_holder(pid);
}

/* --- the page cache ------------------------------------------------------- */

static uint64_t cached(int fd)
{
    struct page_cache cache;

    REQUIRE(page_cache_look(fd, &cache) == 0);
    return cache.cached_bytes;
}

static void check_page_cache(void)
{
    static char page[4096] = "dirty";
    struct target target;
    int fd;

    make_file(path, 1 << 20);
    fd = open(path, O_RDWR);
    for (int read_only = 1; read_only >= 0; read_only--) {
        for (int i = 0; i < 16; i++)
            REQUIRE(pwrite(fd, page, sizeof page, i * 8192) == sizeof page);
        CHECK(cached(fd) >= 16 * sizeof page);
        check_had(path, read_only, &target);
        CHECK_EQ(cached(fd), 0);
        if (read_only)
            close_target(&target);
    }
    REQUIRE(pread(fd, page, sizeof page, 0) == sizeof page);
    CHECK_STR(page, "dirty");
    CHECK(cached(fd) > 0);
    close_target(&target);
    CHECK_EQ(cached(fd), 0);
    close(fd);
}

int main(void)
{
    rig_open();
    TEST("what cannot be a target is refused by name and reason",
         check_refusals);
    TEST("one writer or many readers, whatever name the target is reached by",
         check_sharing);
    TEST("QEMU's bytes are taken and respected, one by one", check_qemu_bytes);
    TEST("a write lock over all of it refuses everybody", check_write_lock);
    TEST("a claim lives as long as anybody holds its descriptor",
         check_claim_outlives);
    TEST("who is in the way is named, and pages that stay refuse a writer",
         check_names);
    TEST("a path that is too long is cut, not what follows it",
         check_long_path);
    TEST("the page cache is written back and dropped, before and after",
         check_page_cache);
    rig_close();
    return tap_done();
}
