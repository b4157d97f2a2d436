/* SPDX-License-Identifier: MIT
 * vbdctl doctor: the examination of a target, and the facts. */
#include "tools/vbdctl/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backend/control/key.h"
#include "common/storage/sysfs.h"
#include "tools/vbdctl/vbdctl.h"

void forbid(struct examination *e, bool is_for_all, const char *format, ...)
{
    char reason[REASON_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    if (!e->not_to_write[0])
        snprintf(e->not_to_write, sizeof e->not_to_write, "%s", reason);
    if (is_for_all && !e->not_at_all[0])
        snprintf(e->not_at_all, sizeof e->not_at_all, "%s", reason);
}

static void set_bytes(json_t *object, const char *name, uint64_t bytes)
{
    json_object_set_new(object, name, json_integer((json_int_t)bytes));
}

/* --- what it is ----------------------------------------------------------- */

static const char *block_kind(const struct blockdev *device)
{
    static const struct {
        const char *prefix, *kind;
    } kinds[] = {
        { "dm-", "device-mapper device" }, { "drbd", "DRBD device" },
        { "loop", "loop device" }, { "md", "RAID (md)" },
        { "mmcblk", "memory card" }, { "nbd", "network block device (NBD)" },
        { "nvme", "NVMe disk" }, { "rbd", "Ceph block device (RBD)" },
        { "sd", "SCSI, SATA or USB disk" }, { "sr", "optical drive" },
        { "vd", "virtio disk" }, { "xvd", "Xen virtual disk" },
        { "zram", "disk in memory (zram)" },
    };

    if (device->whole != device->device)
        return "partition";
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(device->name, kinds[i].prefix,
                    strlen(kinds[i].prefix)) == 0)
            return kinds[i].kind;
    return "block device";
}

static void tell_kind(const struct examination *e)
{
    const struct blockdev *device = &e->device;
    char label[BLOCKDEV_NAME_BYTES] = "", whole[BLOCKDEV_NAME_BYTES] = "";

    if (device->is_block)
        sysfs_read(device->device, "dm/name", label, sizeof label);
    if (device->is_block && device->whole != device->device)
        sysfs_name(device->whole, whole);
    json_object_update_new(e->report, json_pack(
        "{s:s, s:s, s:s, s:s, s:s}", "kind",
        device->is_block ? block_kind(device) : "regular file",
        "name", device->name, "label", label, "whole", whole,
        "loop_file", device->loop_file));
    if (device->loop_file[0])
        json_object_set_new(e->report, "loop_is_direct",
                            json_boolean(device->loop_is_direct));
}

/* --- facts ---------------------------------------------------------------- */

static json_t *known(const struct examination *e, json_t *value)
{
    if (e->device.is_queue_known)
        return value;
    json_decref(value);
    return json_null();
}

static json_t *known_bytes(const struct examination *e, uint64_t bytes)
{
    return known(e, json_integer((json_int_t)bytes));
}

static void tell_facts(const struct examination *e)
{
    const struct blockdev *device = &e->device;

    set_bytes(e->report, "bytes", device->size_bytes);
    set_bytes(e->report, "sector_bytes", device->logical_bytes);
    set_bytes(e->report, "physical_bytes", device->physical_bytes);
    json_object_update_new(e->report, json_pack(
        "{s:b, s:b, s:o, s:o, s:o, s:o, s:o, s:o}",
        "read_only", device->is_read_only,
        "direct", device->is_block || device->logical_bytes != 0,
        "rotational", known(e, json_boolean(device->is_rotational)),
        "write_cache", known(e, json_boolean(device->has_write_cache)),
        "fua", known(e, json_boolean(device->has_fua)),
        "discard_max_bytes", known_bytes(e, device->discard_max_bytes),
        "discard_granularity_bytes",
        known_bytes(e, device->discard_granularity_bytes),
        "write_zeroes_max_bytes",
        known_bytes(e, device->write_zeroes_max_bytes)));
}

/* What a file has of its size already, and what there is for the rest. */
static void tell_space(const struct examination *e, int fd,
                       const struct stat *status)
{
    struct statvfs space;

    if (e->device.is_block || fstatvfs(fd, &space) < 0)
        return;
    set_bytes(e->report, "allocated_bytes", (uint64_t)status->st_blocks * 512);
    set_bytes(e->report, "free_bytes", space.f_bavail * space.f_frsize);
}

static void tell_cache(const struct examination *e, int fd)
{
    struct page_cache cache;
    json_t *told = json_object();

    if (page_cache_look(fd, &cache) == 0) {
        set_bytes(told, "cached_bytes", cache.cached_bytes);
        json_object_set_new(told, "dirty_bytes", cache.is_known
            ? json_integer((json_int_t)(cache.dirty_bytes +
                                        cache.writeback_bytes))
            : json_null());
    }
    json_object_set_new(e->report, "page_cache", told);
}

static void tell_more(struct examination *e)
{
    struct stat status;
    int fd = blockdev_open(e->target);

    if (fd < 0)
        return;
    if (fstat(fd, &status) == 0) {
        target_key(&status, e->key);
        tell_space(e, fd, &status);
    }
    tell_cache(e, fd);
    close(fd);
}

/* -------------------------------------------------------------------------- */

static void refuse_to_look(struct examination *e, int error)
{
    if (error == -EISDIR)
        forbid(e, true, "it is a directory; expected a block device or a "
               "regular file");
    else if (error == -EINVAL)
        forbid(e, true, "it is neither a block device nor a regular file");
    else
        forbid(e, true, "it cannot be looked at: %s%s", strerror(-error),
               error == -EACCES || error == -EPERM ? "; ask as root" : "");
}

static void examine(struct examination *e)
{
    int error = blockdev_look(e->target, &e->device);

    json_object_set_new(e->report, "target", json_string(e->target));
    json_object_set_new(e->report, "socket", json_string(e->socket));
    json_object_set_new(e->report, "is_root", json_boolean(geteuid() == 0));
    if (error) {
        refuse_to_look(e, error);
    } else {
        tell_kind(e);
        tell_facts(e);
        tell_more(e);
        doctor_ask_vbdd(e);
        doctor_find_holders(e);
    }
    doctor_judge(e);
}

int doctor(const struct arguments *arguments)
{
    const char *named =
        json_string_value(json_object_get(arguments->request, "target"));
    char *absolute = named[0] == '/' ? NULL : realpath(named, NULL);
    struct examination e = { .socket = arguments->socket,
                             .target = absolute ? absolute : named,
                             .ourselves = { getpid() },
                             .report = json_object() };

    examine(&e);
    if (arguments->is_json) {
        json_dumpf(e.report, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        print_doctor(e.report);
    }
    json_decref(e.report);
    free(absolute);
    return e.not_at_all[0] ? EXIT_REFUSED : 0;
}
