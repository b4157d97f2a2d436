/* SPDX-License-Identifier: MIT
 * The disk or the vbd that a request is about. Both are named by what is used
 * once only, so that there is never more than one. */
#include <string.h>

#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"

struct vbd *command_find_vbd(struct client *client, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "vbd"));
    struct vbd *vbd;

    TAILQ_FOREACH(vbd, &client_supervisor(client)->vbds, link)
        if (vbd->state != XENBUS_UNKNOWN && strcmp(vbd->name, name) == 0)
            return vbd;
    client_refuse(client, "there is no vbd '%.50s': expected DOMID/VDEV",
                  name);
    return NULL;
}

static struct disk *find_number(struct client *client, json_int_t number)
{
    struct disk *disk = NULL;

    if (number > 0 && number <= UINT32_MAX)
        disk = disk_find(client_supervisor(client), (uint32_t)number);
    if (!disk)
        client_refuse(client, "there is no disk %lld", (long long)number);
    return disk;
}

struct disk *command_find_disk(struct client *client, const json_t *request)
{
    const json_t *number = json_object_get(request, "disk");
    struct vbd *vbd;

    if (!number == !json_object_get(request, "vbd")) {
        client_refuse(client, "%s: expected either disk or vbd",
                      json_string_value(json_object_get(request,
                                                        "command")));
        return NULL;
    }
    if (number)
        return find_number(client, json_integer_value(number));
    vbd = command_find_vbd(client, request);
    if (vbd && !vbd->disk)
        client_refuse(client, "%s has no disk: it is not attached", vbd->name);
    return vbd ? vbd->disk : NULL;
}
