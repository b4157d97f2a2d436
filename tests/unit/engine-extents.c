/* SPDX-License-Identifier: MIT
 * Claim: aio tells holes of a file from data as the kernel does, calls data
 * what it cannot tell, never says that something behind the file's end reads
 * as zeros, and asks the kernel at most twice.
 * Source: engine.h, engine_extent(); lseek(2), SEEK_DATA and SEEK_HOLE.
 * Mechanism: a sparse file; the linker puts the function below in front of
 * lseek(2) (--wrap). */
#include "config.h"

#include "tests/unit/engine-test.h"

enum { DISK_BYTES = 1 << 20, KIB = 1024 };

static struct engine *engine;
static int fd;
static off_t results[2]; /* of lseek(); 0: the kernel's; else -errno or so */
static unsigned calls;

off_t __real_lseek(int file, off_t offset, int whence);
off_t __wrap_lseek(int file, off_t offset, int whence);

off_t __wrap_lseek(int file, off_t offset, int whence)
{
    off_t result = calls < 2 ? results[calls] : -EFAULT;

    calls++;
    if (!result)
        return __real_lseek(file, offset, whence);
    errno = result < 0 ? (int)-result : errno;
    return result < 0 ? -1 : result;
}

/* Data from 256 to 512 KiB. */
static void open_sparse(const char *specification)
{
    struct engine_config config = { 0 };
    static char data[256 * KIB];

    memset(results, 0, sizeof results);
    config.fd = fd = file_target(DISK_BYTES, O_RDWR);
    REQUIRE(fd >= 0);
    REQUIRE(pwrite(fd, data, sizeof data, 256 * KIB) == sizeof data);
    REQUIRE(engine_open(specification, &config, &engine, reason,
                        sizeof reason) == 0);
}

static void close_sparse(void)
{
    engine_close(engine);
    close(fd);
}

static bool extent_is(uint64_t start, uint64_t most, uint64_t length, bool hole)
{
    uint64_t bytes = most;
    bool is_hole = !hole;
    int error;

    calls = 0;
    error = engine_extent(engine, start, &bytes, &is_hole);
    CHECK(calls <= 2);
    if (!error && bytes == length && is_hole == hole)
        return true;
    NOTE("from %llu on: error %d, %llu bytes of %s", (unsigned long long)start,
         error, (unsigned long long)bytes, is_hole ? "a hole" : "data");
    return false;
}

static void check_sparse(void)
{
    open_sparse("log:file='/dev/null'/error/delay:read=1ms/aio");
    CHECK(extent_is(0, DISK_BYTES, 256 * KIB, true));
    CHECK(extent_is(256 * KIB - 1, DISK_BYTES, 1, true));
    CHECK(extent_is(256 * KIB, DISK_BYTES, 256 * KIB, false));
    CHECK(extent_is(300 * KIB + 7, DISK_BYTES, 212 * KIB - 7, false));
    CHECK(extent_is(512 * KIB, 512 * KIB, 512 * KIB, true));
    CHECK(extent_is(512 * KIB + 1, 100, 100, true));
    CHECK(extent_is(DISK_BYTES - 1, 1, 1, true));
    close_sparse();
}

/* The disk is what it was; behind the end nothing can be read. */
static void check_shrunken(void)
{
    open_sparse("aio");
    REQUIRE(ftruncate(fd, 600 * KIB + 1) == 0);
    CHECK(extent_is(512 * KIB, 512 * KIB, 88 * KIB + 1, true));
    CHECK(extent_is(600 * KIB + 1, 100 * KIB, 100 * KIB, false));
    REQUIRE(ftruncate(fd, 300 * KIB) == 0);
    CHECK(extent_is(256 * KIB, 512 * KIB, 44 * KIB, false));
    CHECK(extent_is(300 * KIB, 100 * KIB, 100 * KIB, false));
    REQUIRE(ftruncate(fd, 0) == 0);
    CHECK(extent_is(0, DISK_BYTES, DISK_BYTES, false));
    close_sparse();
}

static bool all_is_data_after(off_t first, off_t second)
{
    results[0] = first;
    results[1] = second;
    return extent_is(64 * KIB, 128 * KIB, 128 * KIB, false);
}

static void check_no_answer(void)
{
    open_sparse("aio");
    CHECK(all_is_data_after(-EINVAL, -EFAULT));
    CHECK(all_is_data_after(-EOPNOTSUPP, -EFAULT));
    CHECK(all_is_data_after(64 * KIB, -EINVAL));
    /* a file that changes between the two */
    CHECK(all_is_data_after(64 * KIB, 64 * KIB));
    CHECK(all_is_data_after(64 * KIB, -ENXIO));
    /* a file system that has no holes, and says so */
    CHECK(all_is_data_after(64 * KIB, DISK_BYTES));
    close_sparse();
}

static void check_error(void)
{
    uint64_t bytes = 4096;
    bool is_hole;

    open_sparse("aio");
    for (unsigned i = 0; i < 2; i++) {
        calls = 0;
        results[0] = i ? 64 * KIB : -EIO;
        results[1] = -EIO;
        CHECK_EQ(engine_extent(engine, 64 * KIB, &bytes, &is_hole), -EIO);
    }
    close_sparse();
}

/* Is the file system of the build one that has holes? */
static bool can_tell_holes(void)
{
    bool answer;

    open_sparse("aio");
    answer = __real_lseek(fd, 0, SEEK_DATA) == 256 * KIB;
    close_sparse();
    return answer;
}

int main(void)
{
    if (can_tell_holes()) {
        TEST("holes and data of a file are told to the byte, through a stack",
             check_sparse);
        TEST("behind the end of a file nothing is a hole", check_shrunken);
    } else {
        tap_skip("holes and data of a file", "a file system that has holes");
    }
    TEST("what cannot be told is data", check_no_answer);
    TEST("an error of the kernel is the answer", check_error);
    return tap_done();
}
