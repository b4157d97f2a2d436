/* SPDX-License-Identifier: MIT
 * A control group for each worker. */
#include "backend/supervisor/cgroups.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/host/cgroup.h"
#include "common/host/log.h"
#include "common/storage/sysfs.h"

#define DISK_PREFIX "disk-"

static const char no_groups[] = "workers have no control groups of their own";

/* --- our own group -------------------------------------------------------- */

static const char *find_mount(void)
{
    static const char *const mounts[] = {
        "/sys/fs/cgroup", "/sys/fs/cgroup/unified" /* beside version 1 */
    };
    struct statfs status;

    for (unsigned i = 0; i < sizeof mounts / sizeof *mounts; i++)
        if (statfs(mounts[i], &status) == 0 &&
            status.f_type == CGROUP2_SUPER_MAGIC)
            return mounts[i];
    return NULL;
}

/* Finds where we are: "0::/system.slice/vbdd.service". */
static bool find_own(char path[CGROUP_PATH_BYTES])
{
    const char *mount = find_mount();
    FILE *file = mount ? fopen("/proc/self/cgroup", "re") : NULL;
    char line[CGROUP_PATH_BYTES];
    bool is_found = false;

    while (file && !is_found && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        is_found = strncmp(line, "0::/", 4) == 0 &&
                   snprintf(path, CGROUP_PATH_BYTES, "%s%s", mount, line + 3) <
                       CGROUP_PATH_BYTES;
    }
    if (file)
        fclose(file);
    return is_found;
}

/* What systemd says of a group that it leaves alone: Delegate=. */
static bool is_delegated(const char *path)
{
    char value;

    return (getxattr(path, "user.delegate", &value, 1) == 1 ||
            getxattr(path, "trusted.delegate", &value, 1) == 1) &&
           value == '1';
}

/* The members get each controller that we have; ENOENT and EINVAL are what the
 * kernel says of one that we, or it, have not. */
static void enable_controllers(const char *path)
{
    static const char *const controllers[] = { "+cpu", "+io", "+memory" };

    for (unsigned i = 0; i < sizeof controllers / sizeof *controllers; i++) {
        int error = cgroup_write(path, "cgroup.subtree_control",
                                 controllers[i]);

        if (error && error != -ENOENT && error != -EINVAL)
            log_warning("workers cannot be limited by %s: %s: %s",
                        controllers[i] + 1, path, strerror(-error));
    }
}

/* Those that still have a worker stay. */
static void remove_old(const char *path)
{
    DIR *groups = opendir(path);
    struct dirent *entry;

    while (groups && (entry = readdir(groups)))
        if (strncmp(entry->d_name, DISK_PREFIX, strlen(DISK_PREFIX)) == 0)
            unlinkat(dirfd(groups), entry->d_name, AT_REMOVEDIR);
    if (groups)
        closedir(groups);
}

void cgroups_use(struct cgroups *cgroups, const char *path)
{
    char leaf[CGROUP_PATH_BYTES + 16];
    int error = 0;

    cgroups->path[0] = '\0';
    snprintf(leaf, sizeof leaf, "%s/supervisor", path);
    if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
        error = -errno;
    if (!error)
        error = cgroup_join(leaf);
    if (error) {
        log_info("%s: %s: %s", no_groups, leaf, strerror(-error));
        return;
    }
    snprintf(cgroups->path, sizeof cgroups->path, "%s", path);
    enable_controllers(path);
    remove_old(path);
}

void cgroups_begin(struct cgroups *cgroups)
{
    char own[CGROUP_PATH_BYTES];

    if (!find_own(own))
        log_info("%s: this system has no cgroup v2", no_groups);
    else if (!is_delegated(own))
        log_info("%s: %s is not delegated to vbdd", no_groups, own);
    else
        cgroups_use(cgroups, own);
}

/* --- groups of disks ------------------------------------------------------ */

void cgroups_add(const struct cgroups *cgroups, const char *key,
                 char path[CGROUP_PATH_BYTES])
{
    if (!cgroups->path[0]) {
        path[0] = '\0';
        return;
    }
    if (snprintf(path, CGROUP_PATH_BYTES, "%s/" DISK_PREFIX "%s",
                 cgroups->path, key) < CGROUP_PATH_BYTES) {
        rmdir(path); /* a killed vbdd's, with the limits of that day */
        if (mkdir(path, 0755) == 0 || errno == EEXIST)
            return;
    }
    log_warning("%s: %s; the disk has no control group of its own", path,
                strerror(errno));
    path[0] = '\0';
}

static void add_rate(char *line, unsigned size, const char *name,
                     uint64_t rate)
{
    size_t used = strlen(line);

    if (rate)
        snprintf(line + used, size - used, " %s=%" PRIu64, name, rate);
    else
        snprintf(line + used, size - used, " %s=max", name);
}

void cgroups_limit(const char *path, const char *target, dev_t device,
                   const struct cgroup_rates *rates)
{
    dev_t whole = sysfs_whole(device);
    char line[160];
    int error;

    if (!rates->read_bytes && !rates->written_bytes && !rates->reads &&
        !rates->writes)
        return;
    snprintf(line, sizeof line, "%u:%u", major(whole), minor(whole));
    add_rate(line, sizeof line, "rbps", rates->read_bytes);
    add_rate(line, sizeof line, "wbps", rates->written_bytes);
    add_rate(line, sizeof line, "riops", rates->reads);
    add_rate(line, sizeof line, "wiops", rates->writes);
    error = path[0] ? cgroup_write(path, "io.max", line) : -ENOENT;
    if (error)
        log_warning("%s: its rates cannot be limited ('%s' in io.max): %s",
                    target, line, path[0] ? strerror(-error) : no_groups);
}

void cgroups_remove(const char *path)
{
    if (path[0] && rmdir(path) < 0)
        log_warning("%s: %s", path, strerror(errno));
}
