/* SPDX-License-Identifier: MIT
 * The commands list and show: what there is, as JSON. */
#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/gather.h"
#include "backend/supervisor/nbd.h"
#include "common/host/vdev.h"

static const char *mode_text(const struct vbd *vbd)
{
    return !vbd->is_writable ? "r" : vbd->is_shared ? "w!" : "w";
}

static json_t *vbd_json(const struct vbd *vbd)
{
    char vdev[VDEV_NAME_BYTES];
    json_t *json = json_pack(
        "{s:s, s:i, s:s, s:i, s:s, s:s, s:s, s:b, s:s, s:o}",
        "vbd", vbd->name, "domid", (int)vbd->domid,
        "vdev", vdev_print(vbd->devid, vdev), "devid", (int)vbd->devid,
        "node", vbd->path,
        "state", xenbus_state_text(vbd->state),
        "front", xenbus_state_text(vbd->front),
        "suspended", (int)vbd->is_suspended,
        "ring", vbd_ring_text(vbd->ring), "error", command_text(vbd->error));

    if (json && vbd->disk) {
        json_object_set_new(json, "disk", command_number(vbd->disk->number));
        json_object_set_new(json, "mode", json_string(mode_text(vbd)));
    }
    return json;
}

/* One of them, "" when all is well. */
static const char *disk_error(const struct disk *disk)
{
    return disk->why[0] ? disk->why : disk->fail_stop;
}

static json_t *disk_json(const struct disk *disk)
{
    const struct disk_options *options = &disk->target.options;
    json_t *json = json_pack(
        "{s:o, s:o, s:s, s:s, s:s, s:o, s:b, s:b}",
        "disk", command_number(disk->number),
        "target", command_text(disk->target.path),
        "key", disk->target.key, "state", disk_state_text(disk),
        "engine", options->engine, "error", command_text(disk_error(disk)),
        "read_only", (int)disk->is_read_only,
        "buffered", (int)options->is_buffered);

    if (json && disk->worker)
        json_object_set_new(json, "worker",
                            json_integer(worker_pid(disk->worker)));
    if (json && disk->worker)
        json_object_set_new(json, "cgroup", command_text(disk->cgroup));
    if (json && disk->ready.size_bytes) {
        json_object_set_new(json, "bytes",
                            command_number(disk->ready.size_bytes));
        json_object_set_new(json, "sector_bytes",
                            json_integer(disk->ready.sector_bytes));
        json_object_set_new(json, "physical_bytes",
                            json_integer(disk->ready.physical_bytes));
        json_object_set_new(json, "claim", command_text(disk->ready.claim));
    }
    if (json && disk->door.fd >= 0)
        json_object_set_new(json, "emulated_clients",
                            command_number(disk->emulated.nr_clients));
    return json;
}

/* The vbds that are ours: of the disk, or all when it is NULL. */
static json_t *vbds_json(const struct supervisor *supervisor,
                         const struct disk *disk)
{
    json_t *array = json_array();
    const struct vbd *vbd;

    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        if (vbd->state != XENBUS_UNKNOWN && (!disk || vbd->disk == disk))
            json_array_append_new(array, vbd_json(vbd));
    return array;
}

void command_list(struct client *client, json_t *request)
{
    const struct supervisor *supervisor = client_supervisor(client);
    json_t *disks = json_array();
    const struct disk *disk;

    (void)request;
    TAILQ_FOREACH(disk, &supervisor->disks, link)
        json_array_append_new(disks, disk_json(disk));
    client_reply(client, json_pack("{s:o, s:o}", "disks", disks, "vbds",
                                   vbds_json(supervisor, NULL)));
}

/* With what only the disk's worker knows. disk may be NULL, body is stolen. */
static void show(struct client *client, json_t *body, struct disk *disk)
{
    struct gather *gather = gather_new(client, body, false);

    if (!gather)
        return;
    if (disk)
        json_object_set_new(body, "disk", disk_json(disk));
    if (disk && disk->door.fd >= 0)
        nbd_show(gather, disk, body);
    gather_finish(gather);
}

static void show_disk(struct client *client, struct disk *disk)
{
    show(client, json_pack("{s:o}", "vbds",
                           vbds_json(client_supervisor(client), disk)), disk);
}

static void show_vbd(struct client *client, const struct vbd *vbd)
{
    show(client, json_pack("{s:o}", "vbd", vbd_json(vbd)), vbd->disk);
}

/* A vbd need not have a disk to be shown. */
void command_show(struct client *client, json_t *request)
{
    const struct vbd *vbd;
    struct disk *disk;

    if (json_object_get(request, "vbd") && !json_object_get(request, "disk")) {
        vbd = command_find_vbd(client, request);
        if (vbd)
            show_vbd(client, vbd);
    } else {
        disk = command_find_disk(client, request);
        if (disk)
            show_disk(client, disk);
    }
}
