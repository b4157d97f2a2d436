/* SPDX-License-Identifier: MIT
 * Block devices over the target: device-mapper and its like, and loops. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/loop.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/storage/search.h"
#include "common/storage/sysfs.h"

/* Calls visit() with each path below sysfs that matches. */
static void each_path(struct search *search, const char *pattern,
                      void (*visit)(struct search *search, const char *path))
{
    glob_t found;

    if (glob(pattern, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc && !search->is_over; i++)
        visit(search, found.gl_pathv[i]);
    globfree(&found);
}

/* --- holders/ ------------------------------------------------------------- */

/* path is DEVICE/holders/NAME. */
static void take_holder(struct search *search, const char *path)
{
    struct holder holder = { .kind = HOLDER_DEVICE, .excludes = true };
    const char *name = strrchr(path, '/') + 1;
    char file[SEARCH_PATH_BYTES], number[32], label[BLOCKDEV_NAME_BYTES];

    snprintf(file, sizeof file, "%.*s/../dev", (int)(name - path), path);
    storage_read(file, number, sizeof number);
    sysfs_name(sysfs_parse_device(number), holder.device);
    snprintf(file, sizeof file, "%s/dm/name", path);
    storage_read(file, label, sizeof label);
    snprintf(file, sizeof file, label[0] ? "%s (%s)" : "%s", name, label);
    text_escape(holder.what, sizeof holder.what, file);
    search_report(search, &holder);
}

static void look_at_holders(struct search *search, dev_t device,
                            const char *below)
{
    char base[BLOCKDEV_PATH_BYTES], pattern[SEARCH_PATH_BYTES];

    sysfs_path(device, base);
    snprintf(pattern, sizeof pattern, "%s/%sholders/*", base, below);
    each_path(search, pattern, take_holder);
}

void search_devices(struct search *search)
{
    dev_t device = search->target.device;
    char text[32];

    if (!search->target.is_block)
        return;
    look_at_holders(search, device, "");
    if (search->whole != device)
        look_at_holders(search, search->whole, "");
    else if (!sysfs_read(device, "partition", text, sizeof text))
        look_at_holders(search, device, "*/"); /* its partitions */
}

/* --- loops ---------------------------------------------------------------- */

/* What is behind /dev/NAME, by its number where the device can be asked, else
 * by the name of its file. */
static bool look_behind(const char *name, const char *file,
                        struct identity *identity)
{
    char path[BLOCKDEV_PATH_BYTES];
    struct loop_info64 info = { .lo_number = 0 };
    bool is_known;
    int fd;

    snprintf(path, sizeof path, "/dev/%s", name);
    fd = blockdev_open(path);
    is_known = fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0;
    if (fd >= 0)
        close(fd);
    if (!is_known)
        return identity_look(AT_FDCWD, file, identity);
    identity->is_block = info.lo_rdevice != 0;
    identity->device = info.lo_rdevice ? info.lo_rdevice : info.lo_device;
    identity->inode = info.lo_rdevice ? 0 : info.lo_inode;
    return true;
}

/* path is .../block/NAME/loop/backing_file. The kernel lets everybody in beside
 * a loop device, but that has pages of its own of what is behind it: we refuse
 * that, except to read beside one that only reads. */
static void take_loop(struct search *search, const char *path)
{
    char directory[SEARCH_PATH_BYTES], file[SEARCH_PATH_BYTES], number[32];
    struct identity identity;
    struct holder holder;
    const char *name;

    snprintf(directory, sizeof directory, "%.*s",
             (int)(strlen(path) - strlen("/loop/backing_file")), path);
    name = strrchr(directory, '/') + 1;
    snprintf(file, sizeof file, "%.*s/dev", SEARCH_PATH_BYTES - 5, directory);
    storage_read(file, number, sizeof number);
    if (sysfs_parse_device(number) == search->skip_loop ||
        !storage_read(path, file, sizeof file) ||
        !look_behind(name, file, &identity) ||
        !search_begin(search, &identity, HOLDER_LOOP, &holder))
        return;
    snprintf(holder.what, sizeof holder.what, "/dev/%.*s", 200, name);
    holder.excludes = true;
    holder.excludes_reader =
        !sysfs_number(sysfs_parse_device(number), "ro");
    search_report(search, &holder);
}

void search_loops(struct search *search)
{
    char pattern[BLOCKDEV_PATH_BYTES];

    snprintf(pattern, sizeof pattern, "%s/block/loop*/loop/backing_file",
             storage_sysfs);
    each_path(search, pattern, take_loop);
}
