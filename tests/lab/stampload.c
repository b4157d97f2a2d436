/* SPDX-License-Identifier: MIT
 * Writes numbered stamps to a disk for as long as it may, says how far they
 * have been acknowledged, and tells later, on this or another machine, whether
 * any of them was lost, torn, or overwritten by an older one.
 *
 *   stampload write DEVICE RUN WRITERS
 *   stampload check DEVICE RUN WRITER=SEQUENCE...
 *
 * Each writer is a process with a range of its own and one write under way.
 * Which block it writes follows from the write's number, so the number of the
 * last write that was acknowledged tells the newest stamp of every block. It
 * reads too: before a block's turn comes again, that its last stamp is still
 * there. The lines of `write` are
 *
 *   STAMPS: run RUN: WRITER=SEQUENCE...     four times a second
 *   STAMPS: run RUN ended: ...              after SIGTERM: all is acknowledged
 *   STAMPS: run RUN failed: ...
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/stamp/stamp.h"

enum {
    BLOCK_BYTES = 4096,
    BLOCK_SECTORS = BLOCK_BYTES / STAMP_SECTOR_BYTES,
    NR_BLOCKS = 64,  /* of each writer */
    STRIDE = 5,      /* from a write's block to the next one's; odd */
    FLUSH_EVERY = 16,
    MAX_WRITERS = 16,
    REPORT_US = 250000,
    MAX_COMPLAINTS = 5,
};

/* Shared by the processes. */
struct progress {
    _Atomic uint64_t acknowledged[MAX_WRITERS];
    _Atomic bool is_ending;
};

struct range {
    int fd;
    uint32_t run, writer;
    uint8_t *block; /* BLOCK_BYTES, aligned */
};

static struct progress *progress;

static uint64_t block_of(uint64_t sequence)
{
    return sequence * STRIDE % NR_BLOCKS;
}

static uint64_t first_sector(const struct range *range, uint64_t block)
{
    return (range->writer * (uint64_t)NR_BLOCKS + block) * BLOCK_SECTORS;
}

/* Past the host's cache where the disk can be had so; a device exclusively. */
static int open_device(const char *path, int flags)
{
    int fd = open(path, flags | O_DIRECT | O_CLOEXEC);

    if (fd < 0 && errno == EINVAL)
        fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "stampload: %s: %s\n", path, strerror(errno));
        exit(1);
    }
    return fd;
}

static struct range open_range(const char *path, int flags, uint32_t run,
                               uint32_t writer)
{
    struct range range = { open_device(path, flags), run, writer,
                           aligned_alloc(BLOCK_BYTES, BLOCK_BYTES) };

    if (!range.block)
        exit(1);
    return range;
}

static bool complain(const struct range *range, uint64_t block,
                     const char *what)
{
    printf("STAMPS: run %" PRIu32 " failed: writer %" PRIu32 ", block %" PRIu64
           ": %s\n", range->run, range->writer, block, what);
    return false;
}

/* --- judging -------------------------------------------------------------- */

static const char *state_text(enum stamp_state state)
{
    switch (state) {
    case STAMP_GOOD: return "a good stamp";
    case STAMP_ZEROS: return "zeros";
    case STAMP_TORN: return "a torn sector";
    case STAMP_FOREIGN: return "something else";
    }
    return "?";
}

static bool judge_sector(const struct range *range, uint64_t block,
                         unsigned index, uint64_t oldest, bool *is_newer)
{
    struct stamp stamp = { 0 };
    enum stamp_state state =
        stamp_look(range->block + index * STAMP_SECTOR_BYTES, &stamp);
    char text[160];

    *is_newer |= stamp.sequence > oldest;
    if (state == STAMP_GOOD && stamp.run == range->run &&
        stamp.sector == first_sector(range, block) + index &&
        stamp.sequence >= oldest)
        return true;
    snprintf(text, sizeof text, "sector %u has %s (run %" PRIu32 ", writer %"
             PRIu32 ", write %" PRIu64 "): expected write %" PRIu64, index,
             state_text(state), stamp.run, stamp.writer, stamp.sequence,
             oldest);
    return complain(range, block, text);
}

/* Is the stamp of write number oldest in its block, or a newer one? */
static bool judge_block(const struct range *range, uint64_t oldest,
                        bool *is_newer)
{
    uint64_t block = block_of(oldest);
    off_t at = (off_t)(first_sector(range, block) * STAMP_SECTOR_BYTES);
    bool is_good = true;

    if (pread(range->fd, range->block, BLOCK_BYTES, at) != BLOCK_BYTES)
        return complain(range, block, strerror(errno));
    for (unsigned i = 0; i < BLOCK_SECTORS && is_good; i++)
        is_good = judge_sector(range, block, i, oldest, is_newer);
    return is_good;
}

/* --- write ---------------------------------------------------------------- */

static bool write_block(const struct range *range, uint64_t sequence)
{
    uint64_t block = block_of(sequence), sector = first_sector(range, block);
    struct stamp stamp = { .magic = STAMP_MAGIC, .writer = range->writer,
                           .sequence = sequence, .run = range->run };

    for (unsigned i = 0; i < BLOCK_SECTORS; i++) {
        stamp.sector = sector + i;
        stamp_fill(range->block + i * STAMP_SECTOR_BYTES, &stamp);
    }
    if (pwrite(range->fd, range->block, BLOCK_BYTES,
               (off_t)(sector * STAMP_SECTOR_BYTES)) != BLOCK_BYTES ||
        (sequence % FLUSH_EVERY == 0 && fdatasync(range->fd) < 0))
        return complain(range, block, strerror(errno));
    return true;
}

/* A writer's life. Nobody but it writes its blocks, so what it reads is known
 * exactly. */
static int write_on(const struct range *range)
{
    bool is_good = true, is_newer = false; /* it cannot be */

    for (uint64_t n = 1; is_good && !progress->is_ending; n++) {
        is_good = write_block(range, n);
        if (is_good)
            progress->acknowledged[range->writer] = n;
        if (is_good && n >= NR_BLOCKS)
            is_good = judge_block(range, n - NR_BLOCKS + 1, &is_newer);
    }
    return is_good ? 0 : 1;
}

static void report(uint32_t run, unsigned nr, const char *what)
{
    char line[32 + MAX_WRITERS * 28];
    int length = snprintf(line, sizeof line, "STAMPS: run %" PRIu32 "%s:", run,
                          what);

    for (unsigned i = 0; i < nr; i++)
        length += snprintf(line + length, sizeof line - (size_t)length,
                           " %u=%" PRIu64, i, progress->acknowledged[i]);
    puts(line);
}

static void on_term(int number)
{
    (void)number;
    progress->is_ending = true;
}

static void start_writer(const char *path, uint32_t run, uint32_t writer)
{
    struct range range;

    if (fork() != 0)
        return;
    signal(SIGTERM, SIG_IGN); /* to the group: the last write is waited for */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    range = open_range(path, O_RDWR, run, writer);
    exit(write_on(&range));
}

static int write_command(const char *path, uint32_t run, unsigned nr)
{
    /* Held to the end; taken only from a block device, and first, so that
     * nobody else has it. */
    int claim = open_device(path, O_RDWR | O_EXCL), status = 0, failed = 0;

    progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (progress == MAP_FAILED)
        return 1;
    signal(SIGTERM, on_term);
    for (unsigned i = 0; i < nr; i++)
        start_writer(path, run, i);
    for (unsigned running = nr; running > 0;) {
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (pid == 0 || (pid < 0 && errno == EINTR)) {
            usleep(REPORT_US);
            report(run, nr, "");
            continue;
        }
        running--;
        failed |= status;
        progress->is_ending |= status;
    }
    report(run, nr, failed ? " failed" : " ended");
    close(claim);
    return failed ? 1 : 0;
}

/* --- check ---------------------------------------------------------------- */

/* All blocks of which the writer's last acknowledged write is known. */
static unsigned check_range(const struct range *range, uint64_t last,
                            unsigned *nr_blocks, unsigned *nr_newer)
{
    uint64_t first = last >= NR_BLOCKS ? last - NR_BLOCKS + 1 : 1;
    unsigned nr_bad = 0;

    for (uint64_t n = first; n <= last && nr_bad < MAX_COMPLAINTS; n++) {
        bool is_newer = false;

        nr_bad += !judge_block(range, n, &is_newer);
        *nr_blocks += 1;
        *nr_newer += is_newer;
    }
    return nr_bad;
}

static int check_command(const char *path, uint32_t run, char **words)
{
    unsigned nr_bad = 0, nr_blocks = 0, nr_newer = 0, writer;
    uint64_t last;

    for (; *words; words++) {
        struct range range;

        if (sscanf(*words, "%u=%" SCNu64, &writer, &last) != 2) {
            fprintf(stderr, "stampload: '%s': expected WRITER=SEQUENCE\n",
                    *words);
            return 2;
        }
        range = open_range(path, O_RDONLY, run, writer);
        nr_bad += check_range(&range, last, &nr_blocks, &nr_newer);
        close(range.fd);
        free(range.block);
    }
    printf("STAMPS: run %" PRIu32 ": %u blocks as acknowledged, %u of them "
           "newer, %u wrong\n", run, nr_blocks - nr_bad, nr_newer, nr_bad);
    return nr_blocks > 0 && nr_bad == 0 ? 0 : 1;
}

static uint32_t number(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 5 && strcmp(argv[1], "write") == 0 && number(argv[4]) >= 1 &&
        number(argv[4]) <= MAX_WRITERS)
        return write_command(argv[2], number(argv[3]), number(argv[4]));
    if (argc >= 5 && strcmp(argv[1], "check") == 0)
        return check_command(argv[2], number(argv[3]), argv + 4);
    fputs("see the top of stampload.c\n", stderr);
    return 2;
}
