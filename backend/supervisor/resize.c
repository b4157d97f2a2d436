/* SPDX-License-Identifier: MIT
 * The command resize: a worker looks at its target's size again, and the front
 * ends that are connected are told at once (C14). */
#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/gather.h"

/* Refuses for a disk that nobody serves. */
static bool is_serving(struct client *client, const struct disk *disk)
{
    const char *state = disk_state_text(disk);

    if (disk->state == DISK_FAILED)
        client_refuse(client, "disk %u has failed: %s; detach and attach it "
                      "again", (unsigned)disk->number, disk->why);
    else if (disk->fail_stop[0])
        client_refuse(client, "disk %u is in fail-stop: %s; detach and attach "
                      "it again", (unsigned)disk->number, disk->fail_stop);
    else if (disk->state != DISK_READY)
        client_refuse(client, "disk %u is %s: its size is looked at when it "
                      "is opened", (unsigned)disk->number, state);
    else
        return true;
    return false;
}

static void take_size(struct disk *disk, json_t *object,
                      const struct message *reply)
{
    uint64_t old_bytes = disk->ready.size_bytes;
    json_t *vbds = json_array();
    const struct vbd *vbd;

    json_object_set_new(object, "vbds", vbds);
    if (!disk_set_size(disk, reply->ready.size_bytes)) {
        json_object_set_new(object, "error", json_string(
            "its worker said a size that cannot be, and is killed"));
        return;
    }
    json_object_set_new(object, "bytes",
                        command_number(disk->ready.size_bytes));
    if (disk->ready.size_bytes == old_bytes)
        return;
    TAILQ_FOREACH(vbd, &disk->vbds, disk_link)
        if (vbd_is_connected(vbd))
            json_array_append_new(vbds, json_string(vbd->name));
}

void command_resize(struct client *client, json_t *request)
{
    struct disk *disk = command_find_disk(client, request);
    struct message message = { .type = MESSAGE_RESIZE };
    struct gather *gather;
    json_t *body;

    if (!disk || !is_serving(client, disk))
        return;
    body = json_pack("{s:o, s:o}", "disk", command_number(disk->number),
                     "old_bytes", command_number(disk->ready.size_bytes));
    gather = gather_new(client, body, true);
    if (!gather)
        return;
    gather_ask(gather, disk, &message, body, take_size);
    gather_finish(gather);
}
