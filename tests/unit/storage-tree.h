/* SPDX-License-Identifier: MIT
 * A sysfs and a procfs of a test's own, built of ordinary files, and what a
 * search finds there. */
#ifndef VBDD_TESTS_STORAGE_TREE_H
#define VBDD_TESTS_STORAGE_TREE_H

#include <dirent.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/storage/holders.h"
#include "tests/unit/tap.h"

/* Not inlined: what they have on the stack is not their callers'. */
#define TREE_FUNCTION __attribute__((noinline, unused)) static

static char tree[] = "/var/tmp/vbdd-storage.XXXXXX";
static char tree_sysfs[64], tree_procfs[64];

static inline const char *tree_path(const char *below)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", tree, below);
    return path;
}

/* The directories of a path below the tree. */
TREE_FUNCTION void tree_make_directories(const char *path)
{
    char below[256];

    for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
        snprintf(below, sizeof below, "%.*s", (int)(at - path), path);
        mkdir(tree_path(below), 0755);
    }
}

static inline void tree_text(const char *path, const char *text)
{
    FILE *file;

    tree_make_directories(path);
    file = fopen(tree_path(path), "w");
    REQUIRE(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static inline void tree_link(const char *path, const char *to)
{
    tree_make_directories(path);
    unlink(tree_path(path));
    REQUIRE(symlink(to, tree_path(path)) == 0);
}

/* A device as sysfs has it: at ("sda/sda1") below sys/devices, a link to it
 * below dev/block, and one below block for a whole disk. */
TREE_FUNCTION void tree_device(const char *at, unsigned major_number,
                               unsigned minor_number)
{
    char path[256], to[256], number[32];

    snprintf(number, sizeof number, "%u:%u", major_number, minor_number);
    snprintf(path, sizeof path, "sys/devices/%s/dev", at);
    tree_text(path, number);
    snprintf(path, sizeof path, "sys/devices/%s/holders/", at);
    tree_make_directories(path);
    snprintf(path, sizeof path, "sys/dev/block/%s", number);
    snprintf(to, sizeof to, "../../devices/%s", at);
    tree_link(path, to);
    if (strchr(at, '/')) {
        snprintf(path, sizeof path, "sys/devices/%s/partition", at);
        tree_text(path, "1\n");
    } else {
        snprintf(path, sizeof path, "sys/block/%s", at);
        snprintf(to, sizeof to, "../devices/%s", at);
        tree_link(path, to);
    }
}

TREE_FUNCTION void tree_remove(const char *path)
{
    char command[600];

    snprintf(command, sizeof command, "rm -rf '%s'", tree_path(path));
    REQUIRE(system(command) == 0);
}

/* A block device of /dev, whichever: for what cannot be made up. */
static inline const char *tree_find_node(struct stat *status)
{
    static char path[300];
    DIR *all = opendir("/dev");
    struct dirent *entry;
    bool is_found = false;

    while (all && !is_found && (entry = readdir(all))) {
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        is_found = lstat(path, status) == 0 && S_ISBLK(status->st_mode);
    }
    if (all)
        closedir(all);
    return is_found ? path : NULL;
}

/* From here on the search looks there. */
static inline void tree_begin(void)
{
    REQUIRE(mkdtemp(tree));
    snprintf(tree_sysfs, sizeof tree_sysfs, "%s/sys", tree);
    snprintf(tree_procfs, sizeof tree_procfs, "%s/proc", tree);
    tree_make_directories("sys/fs/btrfs/");
    tree_make_directories("proc/self/");
    storage_sysfs = tree_sysfs;
    storage_procfs = tree_procfs;
}

static inline int tree_end(void)
{
    tree_remove("");
    return tap_done();
}

/* --- what was found ------------------------------------------------------- */

enum { FOUND_MAX = 32 };
static struct holder found[FOUND_MAX];
static unsigned nr_found, found_wanted = FOUND_MAX;

static inline bool take_found(void *context, const struct holder *holder)
{
    (void)context;
    if (nr_found < FOUND_MAX)
        found[nr_found++] = *holder;
    return nr_found < found_wanted;
}

static inline unsigned find_except(const struct blockdev *device,
                                   const pid_t *except)
{
    memset(found, 0, sizeof found);
    nr_found = 0;
    CHECK_EQ(holders_find(device, except, take_found, NULL), 0);
    return nr_found;
}

static inline unsigned find(const struct blockdev *device)
{
    return find_except(device, NULL);
}

static inline void check_found(unsigned i, enum holder_kind kind,
                               const char *device, const char *what,
                               bool excludes)
{
    if (!CHECK(i < nr_found))
        return;
    CHECK_EQ(found[i].kind, kind);
    CHECK_STR(found[i].device, device);
    CHECK_STR(found[i].what, what);
    CHECK_EQ(found[i].excludes, excludes);
}

#endif
