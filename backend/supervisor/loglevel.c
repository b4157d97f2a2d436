/* SPDX-License-Identifier: MIT
 * The command log-level: how much is logged, by us and by the workers. */
#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/gather.h"
#include "common/host/log.h"

static json_t *level_json(const struct disk *disk)
{
    return json_pack("{s:o, s:s}", "disk", command_number(disk->number),
                     "level", log_level_text(disk->log_level));
}

static void set_own_level(struct supervisor *supervisor, enum log_level level)
{
    supervisor->options.log_level = level;
    log_set_level(level);
}

static void take_level(struct disk *disk, json_t *object,
                       const struct message *reply)
{
    const char *text = json_string_value(json_object_get(object, "level"));

    (void)reply; /* it has done what it was asked */
    log_level_parse(text, &disk->log_level);
}

static void ask_disk(struct gather *gather, struct disk *disk,
                     enum log_level level, json_t *disks)
{
    struct message request = { .type = MESSAGE_LOG_LEVEL,
                               .log_level = level };
    json_t *json = level_json(disk);

    if (!json)
        return;
    json_array_append_new(disks, json);
    json_object_set_new(json, "level", json_string(log_level_text(level)));
    gather_ask(gather, disk, &request, json, take_level);
}

/* The level that is asked for; false when it was refused. */
static bool take_argument(struct client *client, const json_t *request,
                          enum log_level *level)
{
    const char *text = json_string_value(json_object_get(request, "level"));

    if (log_level_parse(text, level) == 0)
        return true;
    client_refuse(client, "log-level: '%.50s' is no level: expected error, "
                  "warning, info or debug", text);
    return false;
}

void command_log_level(struct client *client, json_t *request)
{
    struct supervisor *supervisor = client_supervisor(client);
    bool is_set = json_object_get(request, "level");
    enum log_level level = supervisor->options.log_level;
    struct disk *one = NULL, *disk;
    json_t *disks = json_array();
    struct gather *gather;

    if (is_set && !take_argument(client, request, &level))
        return;
    if (json_object_get(request, "disk") &&
        !(one = command_find_disk(client, request)))
        return;
    if (is_set && !one)
        set_own_level(supervisor, level);
    gather = gather_new(client, json_pack("{s:s, s:o}", "level",
                                          log_level_text(
                                              supervisor->options.log_level),
                                          "disks", disks), true);
    if (!gather)
        return;
    TAILQ_FOREACH(disk, &supervisor->disks, link) {
        if (one && disk != one)
            continue;
        if (is_set && (one || disk->state == DISK_STARTING ||
                       disk->state == DISK_READY))
            ask_disk(gather, disk, level, disks);
        else
            json_array_append_new(disks, level_json(disk));
    }
    gather_finish(gather);
}
