/* SPDX-License-Identifier: MIT
 * The file in which xentop looks. */
#include "backend/disk/xentop.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <xen/io/blkif.h>

int xentop_open(struct xentop *xentop, int fd)
{
    struct xentop_stats *file = MAP_FAILED;
    struct stat status;
    int error = 0;

    if (fd < 0 || xentop->file)
        error = -EINVAL;
    else if (fstat(fd, &status) < 0 ||
             status.st_size < (off_t)sizeof *file)
        error = -EINVAL; /* a shorter one would be a trap */
    else
        file = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    0);
    if (!error && file == MAP_FAILED)
        error = -errno;
    if (fd >= 0)
        close(fd);
    if (error)
        return error;
    xentop->own.version = XENTOP_VERSION;
    *file = xentop->own;
    xentop->file = file;
    return 0;
}

void xentop_close(struct xentop *xentop)
{
    if (xentop->file)
        munmap(xentop->file, sizeof *xentop->file);
    xentop->file = NULL;
}

static struct xentop_stats *stats_of(struct xentop *xentop)
{
    return xentop->file ? xentop->file : &xentop->own;
}

static bool is_write(unsigned operation)
{
    return operation == BLKIF_OP_WRITE || operation == BLKIF_OP_WRITE_BARRIER;
}

void xentop_take(struct xentop *xentop, unsigned operation)
{
    struct xentop_stats *stats = stats_of(xentop);

    if (operation == BLKIF_OP_READ)
        stats->reads_submitted++;
    else if (is_write(operation))
        stats->writes_submitted++;
}

void xentop_answer(struct xentop *xentop, unsigned operation, bool is_error,
                   uint64_t sectors, uint64_t took_us)
{
    struct xentop_stats *stats = stats_of(xentop);

    stats->io_errors += is_error;
    if (operation == BLKIF_OP_READ) {
        stats->reads_completed++;
        stats->read_sectors += sectors;
        stats->read_us += took_us;
    } else if (is_write(operation)) {
        stats->writes_completed++;
        stats->written_sectors += sectors;
        stats->write_us += took_us;
    }
}
