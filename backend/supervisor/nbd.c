/* SPDX-License-Identifier: MIT
 * What is said of emulated clients, and the command nbd. What workers say are
 * numbers, which are shown and nothing else. */
#include "backend/supervisor/nbd.h"

#include <time.h>

#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/gather.h"

enum { TIME_BYTES = 32 };

/* --- stats ---------------------------------------------------------------- */

static json_t *counts_json(const uint64_t counts[8])
{
    static const char *const names[8] = {
        "read", "write", "disconnect", "flush", "trim", "cache",
        "write_zeroes", "block_status",
    };
    json_t *json = json_object();

    for (unsigned i = 0; i < 8; i++)
        json_object_set_new(json, names[i], command_number(counts[i]));
    return json;
}

/* Of all connections since the worker started. */
static void set_totals(json_t *object, const struct message_nbd_stats *stats)
{
    json_object_update_new(object, json_pack(
        "{s:o, s:o, s:o, s:o}",
        "accepted", command_number(stats->accepted),
        "handovers", command_number(stats->handovers),
        "lost", command_number(stats->lost),
        "refused", command_number(stats->refused)));
}

static void take_counts(struct disk *disk, json_t *object,
                        const struct message *reply)
{
    const struct message_nbd_stats *stats = &reply->nbd_stats;

    emulated_take_stats(&disk->emulated, stats);
    set_totals(object, stats);
    json_object_update_new(object, json_pack(
        "{s:o, s:o, s:o, s:o}",
        "requests", counts_json(stats->requests),
        "errors", counts_json(stats->errors),
        "bytes_read", command_number(stats->bytes_read),
        "bytes_written", command_number(stats->bytes_written)));
}

static void ask(struct gather *gather, struct disk *disk, json_t *nbd,
                gather_take *take)
{
    struct message request = { .type = MESSAGE_NBD_STATS };

    gather_ask(gather, disk, &request, nbd, take);
}

void nbd_count(struct gather *gather, struct disk *disk, json_t *body)
{
    json_t *nbd = json_pack("{s:o}", "disk", command_number(disk->number));

    if (json_object_set_new(body, "nbd", nbd) == 0)
        ask(gather, disk, nbd, take_counts);
}

/* --- show ----------------------------------------------------------------- */

static json_t *client_json(const struct disk *disk,
                           const struct message_nbd_client *client)
{
    return json_pack(
        "{s:o, s:i, s:s, s:s, s:b, s:o, s:o, s:o, s:o}",
        "client", command_number(client->number), "pid", (int)client->pid,
        "process", emulated_process(&disk->emulated, client->number),
        "state", client->is_negotiating ? "negotiating" : "serving",
        "read_only", client->is_read_only != 0,
        "in_flight", command_number(client->in_flight),
        "requests", command_number(client->requests),
        "bytes_read", command_number(client->bytes_read),
        "bytes_written", command_number(client->bytes_written));
}

static void take_clients(struct disk *disk, json_t *object,
                         const struct message *reply)
{
    const struct message_nbd_stats *stats = &reply->nbd_stats;
    json_t *clients = json_array();

    emulated_take_stats(&disk->emulated, stats);
    for (unsigned i = 0; i < stats->nr_clients && i < MESSAGE_NBD_CLIENTS; i++)
        json_array_append_new(clients, client_json(disk, &stats->clients[i]));
    set_totals(object, stats);
    json_object_set_new(object, "handed_over",
                        json_boolean(stats->was_handed_over));
    json_object_set_new(object, "clients", clients);
}

/* "2026-11-20T12:16:44Z", or "" for never. */
static const char *time_text(time_t at, char text[TIME_BYTES])
{
    struct tm parts;

    if (!at || !gmtime_r(&at, &parts) ||
        !strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", &parts))
        text[0] = '\0';
    return text;
}

void nbd_show(struct gather *gather, struct disk *disk, json_t *body)
{
    const struct disk_options *options = &disk->target.options;
    const struct emulated *emulated = &disk->emulated;
    char handed_over_at[TIME_BYTES], last_at[TIME_BYTES];
    json_t *nbd = json_pack(
        "{s:o, s:s, s:s, s:s, s:s, s:s}",
        "disk", command_number(disk->number), "owner", options->nbd_owner,
        "after_handover", options->refuses_after_handover ? "refuse" : "allow",
        "handed_over_at", time_text(emulated->handed_over_at, handed_over_at),
        "last_event", emulated->last,
        "last_event_at", time_text(emulated->last_at, last_at));

    if (json_object_set_new(body, "nbd", nbd) == 0 &&
        disk->state == DISK_READY)
        ask(gather, disk, nbd, take_clients);
}

/* --- the command ---------------------------------------------------------- */

static const struct vbd *first_with_door(const struct disk *disk)
{
    const struct vbd *vbd = TAILQ_FIRST(&disk->vbds);

    while (vbd && !disk_has_door(disk, vbd))
        vbd = TAILQ_NEXT(vbd, disk_link);
    return vbd;
}

void command_nbd(struct client *client, json_t *request)
{
    struct disk *disk = command_find_disk(client, request);
    char uri[DOOR_URI_BYTES];
    const struct vbd *vbd;

    if (!disk)
        return;
    if (disk->state != DISK_READY) {
        client_refuse(client, "disk %u is %s: no emulated disk can connect",
                      (unsigned)disk->number, disk_state_text(disk));
        return;
    }
    if (disk->door.fd < 0) {
        client_refuse(client, "disk %u has no NBD socket: its option nbd is "
                      "no", (unsigned)disk->number);
        return;
    }
    vbd = json_object_get(request, "vbd") ? command_find_vbd(client, request)
                                          : first_with_door(disk);
    if (!vbd || !disk_has_door(disk, vbd)) {
        client_refuse(client, "disk %u is written by other vbds: its NBD "
                      "socket is not for a read-only one",
                      (unsigned)disk->number);
        return;
    }
    door_print_uri(vbd, uri);
    client_reply(client, json_pack("{s:o, s:s, s:s}",
                                   "disk", command_number(disk->number),
                                   "vbd", vbd->name, "uri", uri));
}
