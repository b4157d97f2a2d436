/* SPDX-License-Identifier: MIT
 * Mounts and swap, from /proc. */
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/storage/search.h"
#include "common/storage/sysfs.h"

/* --- btrfs ---------------------------------------------------------------- */

/* Its mounts show a number that is no device's, and one device of several; all
 * of them stand in sysfs. */
struct btrfs {
    char directory[SEARCH_PATH_BYTES]; /* its; "": none has the target */
    struct holder member; /* the device there that is the target */
};

static void find_btrfs(const struct search *search, struct btrfs *btrfs)
{
    char pattern[BLOCKDEV_PATH_BYTES], number[32];
    glob_t found;

    btrfs->directory[0] = 0;
    snprintf(pattern, sizeof pattern, "%s/fs/btrfs/*/devices/*/dev",
             storage_sysfs);
    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc && !btrfs->directory[0]; i++) {
        struct identity device = { .is_block = true };

        storage_read(found.gl_pathv[i], number, sizeof number);
        device.device = sysfs_parse_device(number);
        if (search_begin(search, &device, HOLDER_MOUNT, &btrfs->member))
            snprintf(btrfs->directory, sizeof btrfs->directory, "%.*s",
                     (int)(strstr(found.gl_pathv[i], "/devices/") -
                           found.gl_pathv[i]), found.gl_pathv[i]);
    }
    globfree(&found);
}

static bool is_of_btrfs(const struct btrfs *btrfs, dev_t source)
{
    char name[BLOCKDEV_NAME_BYTES], path[SEARCH_PATH_BYTES + sizeof name + 16];

    sysfs_name(source, name);
    snprintf(path, sizeof path, "%s/devices/%s", btrfs->directory, name);
    return btrfs->directory[0] && name[0] && access(path, F_OK) == 0;
}

/* --- mounts --------------------------------------------------------------- */

struct mount {
    dev_t device; /* of its super block; no block device's where it has many */
    char *point, *type, *source;
};

/* Cuts a line of mountinfo (proc(5)) in pieces. */
static bool parse_mount(char *line, struct mount *mount)
{
    char *rest = strstr(line, " - ");
    unsigned number[2];
    int at = 0;

    if (!rest || sscanf(line, "%*d %*d %u:%u %*s %n", &number[0], &number[1],
                        &at) != 2 || !at)
        return false;
    mount->device = makedev(number[0], number[1]);
    mount->point = strtok_r(line + at, " ", &line);
    mount->type = strtok_r(rest + 3, " \n", &rest);
    mount->source = strtok_r(NULL, " \n", &rest);
    if (!mount->point || !mount->source)
        return false;
    text_unescape(mount->point);
    text_unescape(mount->source);
    return true;
}

static bool is_mount_of(const struct search *search, const struct btrfs *btrfs,
                        const struct mount *mount, struct holder *holder)
{
    struct identity by_number = { true, mount->device, 0 }, by_source;

    if (search_begin(search, &by_number, HOLDER_MOUNT, holder))
        return true;
    if (strncmp(mount->source, "/dev/", 5) != 0 ||
        !identity_look(AT_FDCWD, mount->source, &by_source))
        return false;
    if (search_begin(search, &by_source, HOLDER_MOUNT, holder))
        return true;
    if (strcmp(mount->type, "btrfs") != 0 ||
        !is_of_btrfs(btrfs, by_source.device))
        return false;
    *holder = btrfs->member;
    return true;
}

/* How many mounts pid sees; it is named if it is not ourselves. */
static unsigned look_at_mounts(struct search *search,
                               const struct btrfs *btrfs, pid_t pid)
{
    FILE *lines = proc_open(pid, pid ? "mountinfo" : "self/mountinfo");
    unsigned nr = 0;
    char *line = NULL;
    size_t size = 0;

    while (lines && !search->is_over && getline(&line, &size, lines) > 0) {
        struct holder holder;
        struct mount mount;

        if (!parse_mount(line, &mount) ||
            !is_mount_of(search, btrfs, &mount, &holder))
            continue;
        text_escape(holder.what, sizeof holder.what, mount.point);
        if (pid)
            proc_name(&holder, pid);
        holder.excludes = true;
        search_report(search, &holder);
        nr++;
    }
    free(line);
    if (lines)
        fclose(lines);
    return nr;
}

/* --- mounts that we cannot see -------------------------------------------- */

/* A service with a file system view of its own may still have mounted what was
 * unmounted everywhere else. */
struct namespaces {
    const struct btrfs *btrfs;
    unsigned nr, nr_mounts;
    unsigned long seen[64];
};

static void look_in_namespace(struct search *search, pid_t pid, void *context)
{
    struct namespaces *namespaces = context;
    char path[BLOCKDEV_PATH_BYTES], link[64];
    ssize_t got;
    unsigned long inode;

    snprintf(path, sizeof path, "%s/%d/ns/mnt", storage_procfs, (int)pid);
    got = readlink(path, link, sizeof link - 1);
    link[got > 0 ? got : 0] = 0;
    if (namespaces->nr_mounts || namespaces->nr == 64 ||
        sscanf(link, "mnt:[%lu]", &inode) != 1)
        return;
    for (unsigned i = 0; i < namespaces->nr; i++)
        if (namespaces->seen[i] == inode)
            return;
    namespaces->seen[namespaces->nr++] = inode;
    namespaces->nr_mounts = look_at_mounts(search, namespaces->btrfs, pid);
}

static bool find_elsewhere(struct search *search, const struct btrfs *btrfs)
{
    struct namespaces namespaces = { .btrfs = btrfs };

    proc_walk(search, look_in_namespace, &namespaces);
    return namespaces.nr_mounts > 0;
}

void search_mounts(struct search *search)
{
    struct btrfs btrfs;

    if (!search->target.is_block)
        return;
    find_btrfs(search, &btrfs);
    if (look_at_mounts(search, &btrfs, 0) ||
        find_elsewhere(search, &btrfs) || !btrfs.directory[0])
        return;
    text_escape(btrfs.member.what, sizeof btrfs.member.what, btrfs.directory);
    btrfs.member.excludes = true;
    search_report(search, &btrfs.member);
}

/* --- swap ----------------------------------------------------------------- */

/* The kernel keeps nobody from a swap file, and writes to it past everybody:
 * we refuse it, and all swap, also to readers. */
void search_swaps(struct search *search)
{
    FILE *lines = proc_open(0, "swaps");
    struct identity identity;
    struct holder holder;
    size_t size = 0;
    char *line = NULL;

    while (lines && !search->is_over && getline(&line, &size, lines) > 0) {
        line[strcspn(line, " \t\n")] = 0;
        text_unescape(line);
        if (line[0] != '/' || !identity_look(AT_FDCWD, line, &identity) ||
            !search_begin(search, &identity, HOLDER_SWAP, &holder))
            continue;
        text_escape(holder.what, sizeof holder.what, line);
        holder.excludes = holder.excludes_reader = true;
        search_report(search, &holder);
    }
    free(line);
    if (lines)
        fclose(lines);
}
