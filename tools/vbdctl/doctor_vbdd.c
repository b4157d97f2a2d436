/* SPDX-License-Identifier: MIT
 * What vbdd says of a target, if it runs: whether it is one of its disks. */
#include <string.h>

#include "tools/vbdctl/doctor.h"
#include "tools/vbdctl/vbdctl.h"

static json_t *find_disk(const json_t *reply, const char *key)
{
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(reply, "disks"), i, disk) {
        const char *its = json_string_value(json_object_get(disk, "key"));

        if (its && strcmp(its, key) == 0)
            return disk;
    }
    return NULL;
}

/* The disk as vbdd has it, with its vbds. */
static json_t *tell_disk(json_t *disk, const json_t *reply)
{
    json_t *vbds = json_array(), *vbd;
    size_t i;

    json_array_foreach(json_object_get(reply, "vbds"), i, vbd)
        if (json_equal(json_object_get(vbd, "disk"),
                       json_object_get(disk, "disk")))
            json_array_append(vbds, vbd);
    disk = json_copy(disk);
    json_object_set_new(disk, "vbds", vbds);
    return disk;
}

/* A further attachment, by the rules of C1. */
static void judge_disk(struct examination *e, const json_t *disk)
{
    const char *state = json_string_value(json_object_get(disk, "state"));
    bool is_read_only = json_is_true(json_object_get(disk, "read_only"));
    int number = (int)json_integer_value(json_object_get(disk, "disk"));

    if (!state || strcmp(state, "ready") != 0)
        forbid(e, true, "it is disk %d of vbdd, which is %s; see vbdctl show "
               "%d", number, state ? state : "in no state", number);
    else if (is_read_only)
        forbid(e, false, "vbdd serves it read-only already, as disk %d; to "
               "write, detach that first", number);
    else
        forbid(e, false, "vbdd serves it already, as disk %d; to write, too, "
               "needs the same virtual machine or mode w!", number);
}

void doctor_ask_vbdd(struct examination *e)
{
    json_t *request = json_pack("{s:s}", "command", "list");
    pid_t vbdd = 0;
    json_t *reply = ask_quietly(e->socket, request, &vbdd), *disk;

    json_object_set_new(e->report, "vbdd", json_boolean(reply));
    disk = e->key[0] ? find_disk(reply, e->key) : NULL;
    if (disk) {
        e->ourselves[1] = vbdd;
        e->ourselves[2] =
            (pid_t)json_integer_value(json_object_get(disk, "worker"));
        judge_disk(e, disk);
        json_object_set_new(e->report, "disk", tell_disk(disk, reply));
    }
    json_decref(request);
    json_decref(reply);
}
