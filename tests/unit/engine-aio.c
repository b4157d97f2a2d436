/* SPDX-License-Identifier: MIT
 * Claim: aio on a real kernel answers exactly for each request when the
 * target shrinks (-EIO, and no file grows again by a write) or the file system
 * is full (-ENOSPC), follows a target that grows, leaves holes only where they
 * are allowed, hands a batch over in one system call and takes completions
 * without any.
 * Source: C14, C15; ARCHITECTURE.md (system calls per request).
 * Mechanism: a truncated file; a loop device with a limit that moves; small
 * tmpfs and ext4 file systems in a mount namespace of our own (root only); the
 * engine's own count of system calls. */
#include "config.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "tests/unit/engine-test.h"

static struct engine *engine;
static int fd;

static void open_on(int target, const char *specification, int flags,
                    unsigned depth)
{
    struct engine_config config = {
        .fd = fd = target,
        .is_direct = flags & O_DIRECT,
        .queue_depth = depth,
    };

    if (engine_open(specification, &config, &engine, reason, sizeof reason)) {
        NOTE("%s", reason);
        REQUIRE(!"the engine opens");
    }
}

static void close_it(void)
{
    engine_close(engine);
    close(fd);
}

/* --- a target that shrinks ------------------------------------------------ */

static int shrink_flags;

/* The new end lies inside the second of three requests, on a block or not. */
static void check_shrink(void)
{
    static const unsigned ends[] = { 64 << 10, 48 << 10, (48 << 10) + 100,
                                     (32 << 10) + 1 };

    for (unsigned i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct job *jobs[3];

        open_on(file_target(1 << 20, O_RDWR | shrink_flags), "aio",
                shrink_flags, 0);
        REQUIRE(ftruncate(fd, ends[i]) == 0);
        for (unsigned j = 0; j < 3; j++) {
            jobs[j] = job_new(engine, ENGINE_READ, j * (32 << 10), 32 << 10);
            job_submit(engine, jobs[j]);
        }
        drain(engine);
        CHECK_EQ(jobs[0]->error, 0);
        CHECK_EQ(jobs[1]->error, ends[i] == 64 << 10 ? 0 : -EIO);
        CHECK_EQ(jobs[2]->error, -EIO);
        for (unsigned j = 0; j < 3; j++)
            job_free(jobs[j]);
        close_it();
    }
}

static off_t file_size(void)
{
    struct stat status;

    REQUIRE(fstat(fd, &status) == 0);
    return status.st_size;
}

/* As check_shrink(), with writes and zeros: none makes the file grow. */
static void check_shrunken_writes(void)
{
    static const enum engine_op ops[] = { ENGINE_WRITE, ENGINE_ZERO };
    static const off_t ends[] = { 64 << 10, 48 << 10, (48 << 10) + 100, 0 };

    for (unsigned n = 0; n < 2 * sizeof ends / sizeof *ends; n++) {
        unsigned i = n / 2;
        struct job *jobs[3];

        open_on(file_target(1 << 20, O_RDWR | shrink_flags), "aio",
                shrink_flags, 0);
        REQUIRE(ftruncate(fd, ends[i]) == 0);
        for (unsigned j = 0; j < 3; j++) {
            jobs[j] = job_new(engine, ops[n % 2], j * (32 << 10), 32 << 10);
            job_submit(engine, jobs[j]);
        }
        drain(engine);
        CHECK_EQ(jobs[0]->error, ends[i] ? 0 : -EIO);
        CHECK_EQ(jobs[1]->error, ends[i] == 64 << 10 ? 0 : -EIO);
        CHECK_EQ(jobs[2]->error, -EIO);
        CHECK_EQ(file_size(), ends[i]);
        CHECK_EQ(engine_resize(engine), -EINVAL);
        CHECK_EQ(engine->info.size_bytes, 1 << 20);
        /* As big again, it is the disk that it was. */
        REQUIRE(ftruncate(fd, 1 << 20) == 0);
        CHECK_EQ(engine_resize(engine), 0);
        CHECK_EQ(run(engine, jobs[2]), 0);
        for (unsigned j = 0; j < 3; j++)
            job_free(jobs[j]);
        close_it();
    }
}

/* --- a target that grows -------------------------------------------------- */

static void limit_loop(uint64_t bytes)
{
    struct loop_info64 info;

    REQUIRE(ioctl(fd, LOOP_GET_STATUS64, &info) == 0);
    info.lo_sizelimit = bytes;
    REQUIRE(ioctl(fd, LOOP_SET_STATUS64, &info) == 0);
}

static void check_device_grows(void)
{
    struct engine_config config = { .fd = fd, .is_direct = true };

    limit_loop(1 << 20);
    REQUIRE(engine_open("aio", &config, &engine, reason, sizeof reason) == 0);
    CHECK_EQ(engine->info.size_bytes, 1 << 20);
    limit_loop(0);
    CHECK_EQ(engine->info.size_bytes, 1 << 20);
    CHECK_EQ(engine_resize(engine), 0);
    CHECK_EQ(engine->info.size_bytes, 2 << 20);
    CHECK_EQ(run_op(engine, ENGINE_WRITE, 0, (2 << 20) - 4096, 4096), 0);
    limit_loop(1 << 20);
    CHECK_EQ(engine_resize(engine), -EINVAL);
    CHECK_EQ(engine->info.size_bytes, 2 << 20);
    CHECK(run_op(engine, ENGINE_WRITE, 0, (2 << 20) - 4096, 4096) != 0);
    CHECK(run_op(engine, ENGINE_READ, 0, (2 << 20) - 4096, 4096) != 0);
    close_it();
}

/* Claimed as the worker claims it, and with dirty pages in its cache, the
 * device can neither discard nor zero by itself. */
static void check_claimed_device(void)
{
    struct job *job;
    char path[40];
    int claim;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    claim = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
    REQUIRE(claim >= 0);
    open_on(fd, "aio", 0, 0);
    job = job_new(engine, ENGINE_WRITE, 0, 1 << 20);
    CHECK_EQ(run(engine, job), 0);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, 0, 1 << 20), 0);
    CHECK_EQ(run(engine, job), 0);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, 0, 1 << 20), 0);
    job->request.op = ENGINE_READ;
    CHECK_EQ(run(engine, job), 0);
    for (unsigned i = 0; i < 1 << 20; i++)
        if (((char *)job->request.data)[i])
            CHECK(!"what was zeroed is zero");
    job_free(job);
    close_it();
    close(claim);
}

/* What the configuration says of the size stays. */
static void check_fixed_size(void)
{
    struct engine_config config = { .size_bytes = 1 << 19 };

    config.fd = fd = file_target(1 << 20, O_RDWR);
    REQUIRE(engine_open("aio", &config, &engine, reason, sizeof reason) == 0);
    CHECK_EQ(engine_resize(engine), -EOPNOTSUPP);
    CHECK_EQ(engine->info.size_bytes, 1 << 19);
    close_it();
}

/* --- holes ---------------------------------------------------------------- */

static blkcnt_t allocated(void)
{
    struct stat status;

    CHECK_EQ(run_op(engine, ENGINE_FLUSH, 0, 0, 0), 0);
    REQUIRE(fstat(fd, &status) == 0);
    return status.st_blocks;
}

static void check_holes(void)
{
    blkcnt_t full;

    open_on(file_target(1 << 20, O_RDWR), "aio", 0, 0);
    CHECK_EQ(run_op(engine, ENGINE_WRITE, 0, 0, 1 << 20), 0);
    full = allocated();
    CHECK_EQ(run_op(engine, ENGINE_ZERO, ENGINE_NO_HOLE, 0, 1 << 19), 0);
    CHECK(allocated() >= full);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, 0, 1 << 19), 0);
    if (engine->info.can_discard)
        CHECK(allocated() <= full / 2 + 16);
    CHECK_EQ(file_size(), 1 << 20);
    close_it();
}

/* --- a full file system --------------------------------------------------- */

enum { PIECE = 96 << 10, PIECES = 64 };

/* Writes 6 MiB to a file on a file system of 2 MiB: whatever was answered OK
 * is there, whatever was not says ENOSPC, and both happen. */
static void fill_file(int flags)
{
    struct job *jobs[PIECES];
    unsigned good = 0;

    fd = open("full", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | flags, 0600);
    REQUIRE(fd >= 0 && ftruncate(fd, PIECE * PIECES) == 0);
    open_on(fd, "aio", flags, 8);
    for (unsigned i = 0; i < PIECES; i++) {
        jobs[i] = job_new(engine, ENGINE_WRITE, i * PIECE, PIECE);
        memset(jobs[i]->request.data, (int)i + 1, PIECE);
        job_submit(engine, jobs[i]);
    }
    drain(engine);
    for (unsigned i = 0; i < PIECES; i++) {
        CHECK(jobs[i]->error == 0 || jobs[i]->error == -ENOSPC);
        good += jobs[i]->error == 0;
    }
    CHECK(good > 0 && good < PIECES);
    CHECK_EQ(engine->stats.errors[ENGINE_WRITE], PIECES - good);
    for (unsigned i = 0; i < PIECES; i++) {
        unsigned char *data = jobs[i]->request.data;

        memset(data, 0, PIECE);
        jobs[i]->request.op = ENGINE_READ;
        if (jobs[i]->error == 0) {
            CHECK_EQ(run(engine, jobs[i]), 0);
            CHECK(data[0] == i + 1 && data[PIECE - 1] == i + 1);
        }
        job_free(jobs[i]);
    }
    close_it();
    unlink("full");
}

static void check_full_buffered(void)
{
    fill_file(0);
}

static void check_full_direct(void)
{
    fill_file(O_DIRECT);
}

/* A mount namespace of our own: whatever is mounted is gone when we are. */
static bool enter_namespace(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

static bool has_direct(void)
{
    int probe = open("probe", O_RDWR | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);

    if (probe >= 0)
        close(probe);
    unlink("probe");
    return probe >= 0;
}

static void test_full(const char *name, bool is_mounted)
{
    char buffered[100], direct[100];

    snprintf(buffered, sizeof buffered, "a full %s gives ENOSPC to exactly "
             "the writes that failed, buffered", name);
    snprintf(direct, sizeof direct, "a full %s gives ENOSPC to exactly "
             "the writes that failed, direct", name);
    if (!is_mounted) {
        tap_skip(buffered, "root, mkfs.ext4 and a mount");
        tap_skip(direct, "root, mkfs.ext4 and a mount");
        return;
    }
    REQUIRE(chdir("engine-mount") == 0);
    TEST(buffered, check_full_buffered);
    if (has_direct())
        TEST(direct, check_full_direct);
    else
        tap_skip(direct, "a file system with O_DIRECT");
    REQUIRE(chdir("..") == 0);
    umount2("engine-mount", MNT_DETACH);
}

static bool mount_ext4(void)
{
    int loop = loop_target(2 << 20, 512, O_RDWR);
    char command[200], path[40];
    struct stat status;
    bool is_mounted = false;

    if (loop < 0 || fstat(loop, &status) < 0)
        return false;
    snprintf(path, sizeof path, "/dev/loop%u",
             minor(status.st_rdev));
    snprintf(command, sizeof command,
             "PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -F -O ^has_journal %s "
             ">/dev/null 2>&1", path);
    if (system(command) == 0)
        is_mounted = mount(path, "engine-mount", "ext4", 0, NULL) == 0;
    close(loop);
    return is_mounted;
}

/* --- system calls --------------------------------------------------------- */

static void check_batch(void)
{
    enum { BATCH = 32 };
    struct job *jobs[BATCH];
    unsigned rounds = (unsigned)tap_scaled(200);
    uint64_t calls;

    open_on(file_target(1 << 20, O_RDWR), "aio", 0, BATCH);
    for (unsigned i = 0; i < BATCH; i++)
        jobs[i] = job_new(engine, i % 2 ? ENGINE_READ : ENGINE_WRITE,
                          i * 4096, 4096);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < BATCH; i++)
            job_submit(engine, jobs[i]);
        calls = engine->stats.system_calls;
        commit(engine);
        /* The other one asks a file that is written for its end. */
        CHECK_EQ(engine->stats.system_calls, calls + 2);
        /* A busy loop: no poll in between. Buffered I/O has already been done
         * within io_submit(). */
        CHECK_EQ(reap(engine, BATCH), BATCH);
        CHECK_EQ(engine->stats.system_calls, calls + 2);
    }
    /* Idle at last: one read of the eventfd, then nothing. */
    calls = engine->stats.system_calls;
    CHECK_EQ(reap(engine, BATCH), 0);
    CHECK_EQ(engine->stats.system_calls, calls + 1);
    CHECK_EQ(reap(engine, BATCH), 0);
    CHECK_EQ(engine->stats.system_calls, calls + 1);
    CHECK(!is_readable(engine, 0));
    for (unsigned i = 0; i < BATCH; i++)
        job_free(jobs[i]);
    NOTE("%.3f system calls a request", (double)engine->stats.system_calls /
         (double)(engine->stats.requests[ENGINE_READ] +
                  engine->stats.requests[ENGINE_WRITE]));
    close_it();
}

static void check_wait_is_one_call(void)
{
    enum { BATCH = 8 };
    struct job *jobs[BATCH];
    uint64_t calls;

    open_on(file_target(1 << 20, O_RDWR), "aio", 0, BATCH);
    for (unsigned i = 0; i < BATCH; i++) {
        jobs[i] = job_new(engine, ENGINE_FLUSH, 0, 0);
        job_submit(engine, jobs[i]);
    }
    commit(engine);
    calls = engine->stats.system_calls;
    engine->ops->wait(engine, BATCH, HANG_MS * 1000);
    CHECK(engine->stats.system_calls <= calls + 1);
    calls = engine->stats.system_calls;
    CHECK_EQ(reap(engine, BATCH), BATCH);
    CHECK_EQ(engine->stats.system_calls, calls);
    for (unsigned i = 0; i < BATCH; i++)
        job_free(jobs[i]);
    close_it();
}

/* Signals are the loop's: the thread that discards must have them blocked. */
static void check_helper_signals(void)
{
    unsigned long long blocked = 0;
    char path[64], line[128];
    FILE *status;
    pid_t thread = 0;

    open_on(file_target(1 << 20, O_RDWR), "aio", 0, 0);
    if (!engine->info.can_discard) {
        NOTE("this file system has no holes");
        CHECK(true);
        close_it();
        return;
    }
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, 0, 4096), 0);
    for (pid_t id = getpid() + 1; id < getpid() + 1000 && !thread; id++) {
        snprintf(path, sizeof path, "/proc/self/task/%d/status", (int)id);
        thread = access(path, F_OK) == 0 ? id : 0;
    }
    CHECK(thread != 0);
    status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
            break;
    if (status)
        fclose(status);
    CHECK((blocked & 0x7fff) == (0x7fff & ~(1ull << 8)));
    close_it();
}

int main(void)
{
    TEST("32 requests are one io_submit(), their completions no system call",
         check_batch);
    TEST("wait() is at most one system call", check_wait_is_one_call);
    TEST("the helper thread takes no signals", check_helper_signals);
    TEST("behind the end of a shrunken buffered file there is EIO",
         check_shrink);
    TEST("no write makes a shrunken buffered file grow",
         check_shrunken_writes);
    shrink_flags = O_DIRECT;
    fd = file_target(1, O_RDWR | O_DIRECT);
    if (fd >= 0) {
        TEST("behind the end of a shrunken direct file there is EIO",
             check_shrink);
        TEST("no write makes a shrunken direct file grow",
             check_shrunken_writes);
    } else {
        tap_skip("behind the end of a shrunken direct file there is EIO",
                 "a file system with O_DIRECT");
        tap_skip("no write makes a shrunken direct file grow",
                 "a file system with O_DIRECT");
    }
    close(fd);
    fd = loop_target(2 << 20, 512, O_RDWR | O_DIRECT);
    if (fd >= 0)
        TEST("a disk follows a block device that grows", check_device_grows);
    else
        tap_skip("a disk follows a block device that grows",
                 "root and a free loop device");
    fd = loop_target(2 << 20, 512, O_RDWR);
    if (fd >= 0)
        TEST("a claimed device takes DISCARD and ZERO over dirty pages",
             check_claimed_device);
    else
        tap_skip("a claimed device takes DISCARD and ZERO over dirty pages",
                 "root and a free loop device");
    TEST("a disk of a configured size is not resized", check_fixed_size);
    TEST("a ZERO leaves a hole only where it may", check_holes);
    if (mkdir("engine-mount", 0700) < 0 && errno != EEXIST)
        return 99;
    if (!enter_namespace()) {
        tap_skip("a full file system", "root");
    } else {
        test_full("tmpfs", mount("none", "engine-mount", "tmpfs", 0,
                                 "size=2M") == 0);
        test_full("ext4", mount_ext4());
    }
    rmdir("engine-mount");
    return tap_done();
}
