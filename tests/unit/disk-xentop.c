/* SPDX-License-Identifier: MIT
 * Claim: a vbd's requests are counted as xentop has them, in whatever file the
 * supervisor gives, from what was counted before; a file in which writing would
 * kill the worker is refused, and nothing is kept of it. Source: xentop.h.
 * Mechanism: files of all sizes, and the numbers at their places. */
#include "backend/disk/xentop.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xen/io/blkif.h>

#include "tests/unit/tap.h"

static int file_of(off_t bytes)
{
    int fd = memfd_create("xentop", MFD_CLOEXEC);

    REQUIRE(fd >= 0 && ftruncate(fd, bytes) == 0);
    return fd;
}

static int is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void check_counts(void)
{
    struct xentop xentop = { 0 };
    int fd = file_of(sizeof(struct xentop_stats)), seen = dup(fd);
    uint64_t numbers[12];

    xentop_take(&xentop, BLKIF_OP_READ); /* before there is a file */
    CHECK_EQ(xentop_open(&xentop, fd), 0);
    CHECK(!is_open(fd));
    xentop_answer(&xentop, BLKIF_OP_READ, false, 8, 100);
    xentop_take(&xentop, BLKIF_OP_WRITE);
    xentop_take(&xentop, BLKIF_OP_WRITE);
    xentop_answer(&xentop, BLKIF_OP_WRITE, false, 16, 7);
    xentop_answer(&xentop, BLKIF_OP_WRITE, true, 0, 3);
    xentop_take(&xentop, BLKIF_OP_WRITE_BARRIER);
    xentop_answer(&xentop, BLKIF_OP_WRITE_BARRIER, false, 1, 1);
    xentop_take(&xentop, BLKIF_OP_FLUSH_DISKCACHE);
    xentop_answer(&xentop, BLKIF_OP_FLUSH_DISKCACHE, false, 0, 1000);
    xentop_take(&xentop, BLKIF_OP_DISCARD);
    xentop_answer(&xentop, BLKIF_OP_DISCARD, true, 0, 1000);
    xentop_take(&xentop, 99);
    CHECK_EQ(pread(seen, numbers, sizeof numbers, 0), sizeof numbers);
    CHECK_EQ(((uint32_t *)numbers)[0], 1);
    CHECK_EQ(((uint32_t *)numbers)[1], 0);
    for (unsigned i = 1; i < 12; i++) {
        static const uint64_t wanted[12] = { 0, 0, 1, 1, 8, 100,
                                             3, 3, 17, 11, 2, 0 };

        CHECK_EQ(numbers[i], wanted[i]);
    }
    xentop_close(&xentop);
    xentop_take(&xentop, BLKIF_OP_READ); /* after it */
    close(seen);
}

static void check_refused(void)
{
    struct xentop xentop = { 0 };
    int fd;

    CHECK_EQ(xentop_open(&xentop, -1), -EINVAL);
    fd = file_of(sizeof(struct xentop_stats) - 1);
    CHECK_EQ(xentop_open(&xentop, fd), -EINVAL);
    CHECK(!is_open(fd));
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_EQ(xentop_open(&xentop, fd), -EINVAL);
    CHECK(!is_open(fd));
    fd = file_of(4096);
    CHECK_EQ(xentop_open(&xentop, fd), 0);
    fd = file_of(4096);
    CHECK_EQ(xentop_open(&xentop, fd), -EINVAL); /* it has one */
    CHECK(!is_open(fd));
    xentop_close(&xentop);
    xentop_close(&xentop);
}

int main(void)
{
    TEST("requests are counted as xentop has them", check_counts);
    TEST("a file that is none is refused", check_refused);
    return tap_done();
}
