/* SPDX-License-Identifier: MIT
 * Cuts the power of a disk at each FLUSH that it was sent: replays what Linux's
 * dm-log-writes has logged, and has each cut judged.
 *
 *   logreplay LOG COPY COMMAND [ARGUMENT...]
 *
 * COPY holds what the disk held when the log began; it is overwritten. At each
 * cut `COMMAND ARGUMENT... COPY CUT` is run, CUT being a few words: 0 says that
 * all is well, 1 that it is not, anything else ends the replay. COMMAND leaves
 * COPY as it is.
 *
 * The log has the writes in the order in which they were completed, those that
 * had been completed when a FLUSH was sent before that FLUSH. So there are two
 * cuts to each FLUSH: what it covers is there, and nothing else; and then, of
 * what was written before the next one, any part, by VBDD_TEST_SEED. What
 * survives is a block of 4 KiB as a whole, and a FUA write always.
 *
 * LOG may be anything: it is looked through before the first cut. Exit status:
 * 0 nothing found, 1 violations, 2 something else is wrong. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* --- dm-log-writes' format (the kernel's log-writes.rst) ------------------ */

#define LOG_MAGIC UINT64_C(0x6a736677736872)
enum { LOG_VERSION = 1, LOG_SECTOR_MIN = 512, LOG_SECTOR_MAX = 4096 };
enum { FLAG_FLUSH = 1, FLAG_FUA = 2, FLAG_DISCARD = 4, FLAG_MARK = 8,
       FLAG_METADATA = 16, FLAGS = 31 };

struct log_head {
    uint64_t magic, version, nr_entries;
    uint32_t sector_bytes;
};

/* Alone in its sector, but for the text of a mark; the data follows. */
struct log_entry {
    uint64_t sector, nr_sectors, flags, text_bytes;
};

struct log {
    const char *name;
    const uint8_t *bytes;
    uint64_t size, nr_entries, sector_bytes;
};

/* All in bytes. */
struct entry {
    uint64_t number; /* 1 is the first one */
    uint64_t next;   /* where the next one begins */
    uint64_t to, length, flags;
    const uint8_t *data;
};

static const char *copy_name;
static int copy_fd;
static uint64_t copy_size, seed;

__attribute__((format(printf, 1, 2), noreturn))
static void die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("logreplay: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

__attribute__((noreturn))
static void blame(const struct log *log, const struct entry *entry,
                  const char *what)
{
    die("%s: entry %" PRIu64 " of %" PRIu64 " %s", log->name, entry->number,
        log->nr_entries, what);
}

/* --- reading -------------------------------------------------------------- */

static struct log open_log(const char *name)
{
    struct log log = { .name = name };
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    struct log_head head;
    struct stat stat;

    if (fd < 0 || fstat(fd, &stat) < 0)
        die("%s: %s", name, strerror(errno));
    log.size = (uint64_t)stat.st_size;
    if (log.size < LOG_SECTOR_MIN)
        die("%s is too short for a log of dm-log-writes", name);
    log.bytes = mmap(NULL, log.size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (log.bytes == MAP_FAILED)
        die("%s: %s", name, strerror(errno));
    close(fd);
    memcpy(&head, log.bytes, sizeof head);
    log.nr_entries = le64toh(head.nr_entries);
    log.sector_bytes = le32toh(head.sector_bytes);
    if (le64toh(head.magic) != LOG_MAGIC ||
        le64toh(head.version) != LOG_VERSION)
        die("%s is no log of dm-log-writes, or one of another version", name);
    if (log.sector_bytes < LOG_SECTOR_MIN ||
        log.sector_bytes > LOG_SECTOR_MAX ||
        (log.sector_bytes & (log.sector_bytes - 1)) != 0)
        die("%s: sectors of %" PRIu64 " bytes cannot be", name,
            log.sector_bytes);
    return log;
}

/* A range of the disk, in bytes. */
static void find_place(const struct log *log, struct entry *entry,
                       uint64_t sector, uint64_t nr_sectors)
{
    uint64_t most = copy_size / log->sector_bytes;

    if (sector > most || nr_sectors > most - sector)
        blame(log, entry, "goes beyond the disk's end");
    entry->to = sector * log->sector_bytes;
    entry->length = nr_sectors * log->sector_bytes;
}

/* The data behind the entry's own sector; a mark has its text in that. */
static void find_data(const struct log *log, struct entry *entry)
{
    uint64_t start = entry->next + log->sector_bytes;

    entry->data = log->bytes + start;
    entry->next = start;
    if (entry->flags & FLAG_DISCARD)
        return;
    if (entry->length > log->size - start)
        blame(log, entry, "goes beyond the log's end");
    entry->next += entry->length;
}

/* False: there was none any more. Starts with zeros. */
static bool next_entry(const struct log *log, struct entry *entry)
{
    struct log_entry wire;

    if (entry->number == log->nr_entries)
        return false;
    entry->number++;
    if (entry->number == 1)
        entry->next = log->sector_bytes;
    if (entry->next > log->size ||
        log->sector_bytes > log->size - entry->next)
        blame(log, entry, "begins beyond the log's end");
    memcpy(&wire, log->bytes + entry->next, sizeof wire);
    entry->flags = le64toh(wire.flags);
    if (entry->flags & ~(uint64_t)FLAGS)
        blame(log, entry, "has flags that nobody knows");
    if (le64toh(wire.text_bytes) > log->sector_bytes - sizeof wire)
        blame(log, entry, "has a text that is too long");
    find_place(log, entry, le64toh(wire.sector), le64toh(wire.nr_sectors));
    find_data(log, entry);
    return true;
}

/* --- replaying ------------------------------------------------------------ */

enum { BLOCK_BYTES = 4096 };

/* Whether a block of an entry survives; the same each time. (The mixing is
 * that of splitmix64.) */
static bool survives(const struct entry *entry, uint64_t at)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) +
                 entry->number * UINT64_C(0xd1b54a32d192ed03) + at;

    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (entry->flags & FLAG_FUA) || (x >> 31 & 1);
}

static void replay(const struct entry *entry, bool is_whole)
{
    static const uint8_t zeros[BLOCK_BYTES];
    uint64_t end = entry->to + entry->length, next;

    for (uint64_t at = entry->to; at < end; at = next) {
        bool discards = (entry->flags & FLAG_DISCARD) != 0;

        next = (at | (BLOCK_BYTES - 1)) + 1;
        next = next < end ? next : end;
        if (!is_whole && !survives(entry, at))
            continue;
        if (pwrite(copy_fd, discards ? zeros : entry->data + (at - entry->to),
                   next - at, (off_t)at) != (ssize_t)(next - at))
            die("%s: %s", copy_name, strerror(errno));
    }
}

/* --- judging -------------------------------------------------------------- */

struct cuts {
    char **command; /* the last two words are COPY and the cut */
    char words[96];
    uint64_t nr_flushes, nr_cuts, nr_bad;
};

static void cut(struct cuts *cuts, const char *what)
{
    int status;
    pid_t pid;

    snprintf(cuts->words, sizeof cuts->words, "after flush %" PRIu64 "%s",
             cuts->nr_flushes, what);
    status = posix_spawnp(&pid, cuts->command[0], NULL, NULL, cuts->command,
                          environ);
    if (status != 0)
        die("%s: %s", cuts->command[0], strerror(status));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
        die("%s could not judge the cut %s: status %#x", cuts->command[0],
            cuts->words, (unsigned)status);
    cuts->nr_cuts++;
    cuts->nr_bad += WEXITSTATUS(status) == 1;
    if (WEXITSTATUS(status) == 1)
        printf("LOGREPLAY: violation %s\n", cuts->words);
    fflush(stdout);
}

/* What was written up to the next FLUSH: in part, a cut; as a whole, with that
 * FLUSH. False: there is no such FLUSH any more. */
static bool replay_epoch(const struct log *log, struct entry *entry,
                         struct cuts *cuts)
{
    struct entry ahead = *entry;
    uint64_t nr_bytes = 0;

    while (next_entry(log, &ahead) && !(ahead.flags & FLAG_FLUSH)) {
        replay(&ahead, false);
        nr_bytes += ahead.length;
    }
    if (nr_bytes > 0)
        cut(cuts, ", with a part of what came then");
    while (next_entry(log, entry)) {
        replay(entry, true);
        if (entry->flags & FLAG_FLUSH)
            return true;
    }
    return false;
}

static void replay_all(const struct log *log, struct cuts *cuts)
{
    struct entry entry = { .number = 0 };

    while (replay_epoch(log, &entry, cuts)) {
        cuts->nr_flushes++;
        cut(cuts, "");
    }
}

static void open_copy(const char *name)
{
    struct stat stat;

    copy_name = name;
    copy_fd = open(name, O_RDWR | O_CLOEXEC);
    if (copy_fd < 0 || fstat(copy_fd, &stat) < 0)
        die("%s: %s", name, strerror(errno));
    copy_size = (uint64_t)stat.st_size;
}

/* COMMAND ARGUMENT... COPY CUT */
static struct cuts prepare(int nr, char **words)
{
    struct cuts cuts = { .command = calloc((size_t)nr + 3, sizeof *words) };

    if (!cuts.command)
        die("%s", strerror(ENOMEM));
    memcpy(cuts.command, words, (size_t)nr * sizeof *words);
    return cuts;
}

int main(int argc, char **argv)
{
    const char *text = getenv("VBDD_TEST_SEED");
    struct entry entry = { .number = 0 };
    struct cuts cuts;
    struct log log;

    if (argc < 4)
        die("expected LOG COPY COMMAND [ARGUMENT...]");
    seed = text ? strtoull(text, NULL, 10) : 1;
    open_copy(argv[2]);
    log = open_log(argv[1]);
    while (next_entry(&log, &entry))
        ;
    cuts = prepare(argc - 3, argv + 3);
    cuts.command[argc - 3] = argv[2];
    cuts.command[argc - 2] = cuts.words;
    replay_all(&log, &cuts);
    printf("LOGREPLAY: %" PRIu64 " flushes, %" PRIu64 " cuts, %" PRIu64
           " violations, seed %" PRIu64 "\n", cuts.nr_flushes, cuts.nr_cuts,
           cuts.nr_bad, seed);
    return cuts.nr_bad > 0;
}
