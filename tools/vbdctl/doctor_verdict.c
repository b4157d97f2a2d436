/* SPDX-License-Identifier: MIT
 * Whether a target can be attached, and how. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/host/blkback.h"
#include "tools/vbdctl/doctor.h"
#include "tools/vbdctl/vbdctl.h"

enum { MAX_BLOCK_BYTES = 4096, COMMAND_BYTES = 1024 };

static void judge_device(struct examination *e)
{
    const struct blockdev *device = &e->device;

    if (device->size_bytes == 0 || device->size_bytes % 512)
        forbid(e, true, "it has %" PRIu64 " bytes; expected a multiple of 512, "
               "not 0", device->size_bytes);
    if (device->logical_bytes > MAX_BLOCK_BYTES)
        forbid(e, true, "its blocks have %" PRIu32 " bytes; at most %d are "
               "possible", device->logical_bytes, MAX_BLOCK_BYTES);
    if (device->is_read_only)
        forbid(e, false, "it is read-only");
}

static void add_hint(const struct examination *e, const char *hint)
{
    json_array_append_new(json_object_get(e->report, "hints"),
                          json_string(hint));
}

static bool needs_space(const struct examination *e)
{
    json_int_t allocated = json_integer_value(
        json_object_get(e->report, "allocated_bytes"));
    json_int_t space = json_integer_value(
        json_object_get(e->report, "free_bytes"));

    return !e->device.is_block &&
           (uint64_t)(allocated + space) < e->device.size_bytes;
}

/* Whoever keeps a guest from writing is likely to write himself. */
static bool may_change(const struct examination *e)
{
    json_t *holder;
    size_t i;

    json_array_foreach(json_object_get(e->report, "holders"), i, holder)
        if (json_is_true(json_object_get(holder, "excludes")))
            return !e->not_at_all[0];
    return false;
}

static void add_hints(const struct examination *e)
{
    const struct blockdev *device = &e->device;

    json_object_set_new(e->report, "hints", json_array());
    if (!device->is_block && !device->logical_bytes)
        add_hint(e, "its file system cannot do O_DIRECT: buffered=yes, or put "
                 "it elsewhere; buffered, a failed flush stops the disk");
    if (device->logical_bytes == MAX_BLOCK_BYTES)
        add_hint(e, "its sectors have 4096 bytes: what a guest writes in less "
                 "is read, merged and written; sector-size=4096 spares that, "
                 "for guests without an emulated disk only");
    if (needs_space(e))
        add_hint(e, "its file system has not the room for all of it: when that "
                 "is used up, the disk stops");
    if (may_change(e))
        add_hint(e, "a guest that reads it while others write sees it change, "
                 "which no file system expects");
    if (blkback_is_loaded())
        add_hint(e, "xen-blkback is loaded: it takes every disk with "
                 "backendtype=phy before vbdd can; see block-vbdd(8)");
    if (device->loop_file[0] && !device->loop_is_direct)
        add_hint(e, "the loop device keeps pages of its own of the file: "
                 "attach the file itself, or losetup --direct-io=on");
}

/* --- how ------------------------------------------------------------------ */

/* Neither xl's configuration nor a shell needs a word said of these. */
static bool is_plain(const char *path)
{
    for (; *path; path++)
        if (*path <= ' ' || *path > '~' || strchr("\"'\\$`,;&|<>()*?#!~[]{}",
                                                  *path))
            return false;
    return true;
}

static void tell_commands(const struct examination *e)
{
    bool is_read_only = e->not_to_write[0];
    bool is_buffered = !e->device.is_block && !e->device.logical_bytes;
    char command[COMMAND_BYTES];

    if (!is_plain(e->target)) {
        add_hint(e, "its name has characters that have to be quoted: commands "
                 "are not shown");
        return;
    }
    snprintf(command, sizeof command,
             "disk = [ \"vdev=xvda,format=raw,access=%s,backendtype=phy,"
             "script=block-vbdd,target=%s%s\" ]", is_read_only ? "ro" : "rw",
             is_buffered ? "buffered=yes," : "", e->target);
    json_object_set_new(e->report, "xl", json_string(command));
    snprintf(command, sizeof command, "vbdctl --socket %s attach --domid 1 "
             "--vdev xvda --target %s%s%s", e->socket, e->target,
             is_read_only ? " --mode r" : "",
             is_buffered ? " --option buffered=yes" : "");
    json_object_set_new(e->report, "vbdctl", json_string(command));
}

static void set_verdict(const struct examination *e)
{
    const char *verdict = e->not_at_all[0] ? "cannot be attached"
                          : e->not_to_write[0] ? "can be attached read-only"
                                               : "can be attached";
    const char *why = e->not_at_all[0] ? e->not_at_all : e->not_to_write;

    json_object_update_new(e->report, json_pack(
        "{s:b, s:b, s:s, s:s}", "can_write", !e->not_to_write[0],
        "can_read", !e->not_at_all[0], "verdict", verdict, "why", why));
}

void doctor_judge(struct examination *e)
{
    if (json_object_get(e->report, "bytes")) {
        judge_device(e);
        add_hints(e);
    }
    if (!e->not_at_all[0])
        tell_commands(e);
    set_verdict(e);
}
