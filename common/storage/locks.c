/* SPDX-License-Identifier: MIT
 * Locks on the target. Whose one is, fdinfo says of each process that can be
 * looked at (also of OFD locks, and of file systems whose number in /proc/locks
 * is not that of stat(2)); what is left over stands in /proc/locks. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "common/storage/search.h"
#include "common/storage/sysfs.h"

/* --- one lock ------------------------------------------------------------- */

struct lock {
    enum { LOCK_FLOCK, LOCK_POSIX, LOCK_OFD, LOCK_KINDS } kind;
    bool is_write;
    pid_t pid; /* who took it; -1: not said */
    dev_t device;
    ino_t inode;
    uint64_t first, last;
};

/* A line of /proc/locks or, behind "lock:", of fdinfo (proc(5)); false for one
 * that waits, and for leases. */
static bool parse_lock(const char *line, struct lock *lock)
{
    static const char *const kinds[] = { "FLOCK", "POSIX", "OFDLCK" };
    char kind[16], mode[16], last[24];
    unsigned number[2];
    uint64_t inode;
    int pid;

    if (sscanf(line, "%*u: %15s %*s %15s %d %x:%x:%" SCNu64 " %" SCNu64
               " %23s", kind, mode, &pid, &number[0], &number[1], &inode,
               &lock->first, last) != 8)
        return false;
    lock->is_write = strcmp(mode, "WRITE") == 0;
    lock->pid = pid;
    lock->device = makedev(number[0], number[1]);
    lock->inode = (ino_t)inode;
    lock->last = strcmp(last, "EOF") ? strtoull(last, NULL, 10) : UINT64_MAX;
    for (lock->kind = 0; lock->kind < LOCK_KINDS; lock->kind++)
        if (strcmp(kind, kinds[lock->kind]) == 0)
            return true;
    return false;
}

/* QEMU says by shared locks on single bytes what it does with an image: byte
 * 100 + n, it does n; byte 200 + n, nobody else may. n is 0 to read, 1 to
 * write, 2 to write what is there already, 3 to resize (4 is not used any
 * more). */
enum { QEMU_DOES = 100, QEMU_KEEPS = 200, QEMU_READ = 0, QEMU_WRITE = 1,
       QEMU_PERMISSIONS = 5 };

static bool covers(const struct lock *lock, uint64_t first, uint64_t nr)
{
    return lock->kind != LOCK_FLOCK && lock->first < first + nr &&
           lock->last >= first;
}

static bool is_qemu(const struct lock *lock)
{
    return lock->last != UINT64_MAX &&
           (covers(lock, QEMU_DOES, QEMU_PERMISSIONS) ||
            covers(lock, QEMU_KEEPS, QEMU_PERMISSIONS));
}

/* A writer of ours takes an exclusive flock, reads and writes, and lets nobody
 * else do anything; a reader takes a shared one and lets nobody write. */
static bool excludes_writer(const struct lock *lock)
{
    return lock->kind == LOCK_FLOCK || covers(lock, QEMU_DOES, 4) ||
           covers(lock, QEMU_KEEPS, lock->is_write ? 4 : 2);
}

static bool excludes_reader(const struct lock *lock)
{
    if (lock->kind == LOCK_FLOCK)
        return lock->is_write;
    if (lock->is_write)
        return covers(lock, QEMU_DOES, 4) || covers(lock, QEMU_KEEPS, 4);
    return covers(lock, QEMU_DOES + QEMU_WRITE, 3) ||
           covers(lock, QEMU_KEEPS + QEMU_READ, 1);
}

/* Of the whole disk, who uses a partition needs but the right to do so; the
 * locks of its partitions, who uses the disk does not look at: a writer finds
 * their owners by O_EXCL. */
static void judge(const struct search *search, const struct lock *lock,
                  const char *device, struct holder *holder)
{
    bool is_part = search->target.device != search->whole;
    char target[BLOCKDEV_NAME_BYTES] = "";

    if (search->target.is_block)
        sysfs_name(search->target.device, target);
    if (strcmp(device, target) == 0) {
        holder->excludes |= excludes_writer(lock);
        holder->excludes_reader |= excludes_reader(lock);
    } else if (is_part) {
        holder->excludes |= covers(lock, QEMU_KEEPS + QEMU_READ, 2);
        holder->excludes_reader |= covers(lock, QEMU_KEEPS + QEMU_READ, 1);
    }
}

/* --- locks together ------------------------------------------------------- */

enum { MAX_SEEN = 32 };

struct locks {
    const struct search *search;
    struct holder kinds[LOCK_KINDS]; /* of one process; what "": none */
    bool is_qemu[LOCK_KINDS];
    struct lock seen[MAX_SEEN];      /* of all that were looked at */
    unsigned nr_seen;
};

static void append(struct holder *holder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(struct holder *holder, const char *format, ...)
{
    size_t length = strlen(holder->what);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(holder->what + length, sizeof holder->what - length, format,
              arguments);
    va_end(arguments);
}

/* QEMU has half a dozen of them: one holder for all of a kind. */
static void add_lock(struct locks *locks, const struct lock *lock,
                     const char *device)
{
    static const char *const names[] = { "flock", "POSIX lock", "OFD lock" };
    struct holder *holder = &locks->kinds[lock->kind];
    bool is_first = !holder->what[0];

    if (is_first) {
        holder->kind = HOLDER_LOCK;
        snprintf(holder->device, sizeof holder->device, "%s", device);
        append(holder, "%s", names[lock->kind]);
        if (lock->kind == LOCK_FLOCK && !lock->is_write)
            append(holder, ", shared");
    }
    if (lock->kind != LOCK_FLOCK) {
        append(holder, is_first ? ", bytes %" PRIu64 : ", %" PRIu64,
               lock->first);
        if (lock->last == UINT64_MAX)
            append(holder, "-end");
        else if (lock->last != lock->first)
            append(holder, "-%" PRIu64, lock->last);
    }
    judge(locks->search, lock, device, holder);
    locks->is_qemu[lock->kind] |= is_qemu(lock);
}

/* Reports what was added, as pid's (0: whose, is not known). */
static void report_locks(struct search *search, struct locks *locks, pid_t pid)
{
    for (unsigned kind = 0; kind < LOCK_KINDS; kind++) {
        struct holder *holder = &locks->kinds[kind];

        if (holder->what[0] && !search_excepts(search, pid)) {
            if (locks->is_qemu[kind])
                append(holder, ", as QEMU's");
            if (pid > 0)
                proc_name(holder, pid);
            search_report(search, holder);
        }
        *holder = (struct holder){ .pid = 0 };
        locks->is_qemu[kind] = false;
    }
}

static void take_descriptor(const struct holder *holder, FILE *info,
                            void *context)
{
    struct locks *locks = context;
    struct lock lock;
    char line[256];

    while (fgets(line, sizeof line, info)) {
        if (strncmp(line, "lock:", 5) != 0 || !parse_lock(line + 5, &lock))
            continue;
        add_lock(locks, &lock, holder->device);
        if (locks->nr_seen < MAX_SEEN)
            locks->seen[locks->nr_seen++] = lock;
    }
}

static void look_at_process(struct search *search, pid_t pid, void *context)
{
    struct locks *locks = context;

    proc_descriptors(search, pid, take_descriptor, locks);
    report_locks(search, locks, pid);
}

static bool is_seen(const struct locks *locks, const struct lock *lock)
{
    for (unsigned i = 0; i < locks->nr_seen; i++) {
        const struct lock *seen = &locks->seen[i];

        if (seen->kind == lock->kind && seen->is_write == lock->is_write &&
            seen->first == lock->first && seen->last == lock->last)
            return true;
    }
    return false;
}

void search_locks(struct search *search)
{
    FILE *lines = proc_open(0, "locks");
    struct locks locks = { .search = search };
    struct lock lock;
    char line[256], device[BLOCKDEV_NAME_BYTES] = "";

    proc_walk(search, look_at_process, &locks);
    if (search->target.is_block)
        sysfs_name(search->target.device, device);
    while (lines && !search->is_over && fgets(line, sizeof line, lines))
        if (parse_lock(line, &lock) && lock.device == search->node_device &&
            lock.inode == search->node_inode && !is_seen(&locks, &lock)) {
            add_lock(&locks, &lock, device);
            report_locks(search, &locks, lock.pid > 0 ? lock.pid : 0);
        }
    if (lines)
        fclose(lines);
}
