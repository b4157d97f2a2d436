/* SPDX-License-Identifier: MIT
 * The command features: what each vbd was offered, as it stands in the store
 * (C14: what was offered once is honoured), and what its front end took of
 * it, as its worker has it. */
#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/gather.h"
#include "common/blkif/ring.h"

/* A node's number; absent what blkif.h says that its absence means. */
static uint64_t read_node(const struct vbd *vbd, const char *name,
                          uint64_t max, uint64_t absent)
{
    char value[STORE_VALUE_BYTES];
    uint64_t number = absent;
    unsigned length;

    if (store_read_in(vbd->supervisor->store, vbd->path, name, value,
                      sizeof value, &length) == 0)
        xenbus_parse_number(value, length, max, &number);
    return number;
}

static bool is_set(const struct vbd *vbd, const char *name)
{
    return read_node(vbd, name, 1, 0) == 1;
}

static json_t *offered_json(const struct vbd *vbd)
{
    return json_pack(
        "{s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:b, s:o, s:o}",
        "queues", command_number(read_node(vbd, "multi-queue-max-queues",
                                           UINT32_MAX, 1)),
        "ring_pages", command_number(1ull << read_node(
                          vbd, "max-ring-page-order", 31, 0)),
        "indirect_segments", command_number(read_node(
                          vbd, "feature-max-indirect-segments", UINT32_MAX,
                          0)),
        "persistent", is_set(vbd, "feature-persistent"),
        "flush", is_set(vbd, "feature-flush-cache"),
        "barrier", is_set(vbd, "feature-barrier"),
        "discard", is_set(vbd, "feature-discard"),
        "secure_discard", is_set(vbd, "discard-secure"),
        "sector_bytes", command_number(read_node(vbd, "sector-size",
                                                 UINT32_MAX, 0)),
        "physical_bytes", command_number(read_node(
                          vbd, "physical-sector-size", UINT32_MAX, 0)));
}

static const char *abi_text(uint32_t abi)
{
    switch ((enum blkif_abi)abi) {
    case BLKIF_ABI_NATIVE: return "native";
    case BLKIF_ABI_X86_32: return "x86_32";
    case BLKIF_ABI_X86_64: return "x86_64";
    }
    return "?";
}

static const char *grants_text(uint32_t grants)
{
    switch ((enum message_grants)grants) {
    case MESSAGE_GRANTS_COPY: return "copy";
    case MESSAGE_GRANTS_MAP: return "map";
    case MESSAGE_GRANTS_PERSISTENT: return "persistent";
    }
    return "?";
}

static void take_features(struct disk *disk, json_t *object,
                          const struct message *reply)
{
    const struct message_vbd_stats *vbd = &reply->vbd_stats;

    (void)disk;
    json_object_set_new(object, "taken", json_pack(
        "{s:s, s:o, s:o, s:o, s:s, s:b, s:b, s:o, s:b, s:b}",
        "abi", abi_text(vbd->abi), "queues", command_number(vbd->nr_queues),
        "ring_pages", command_number(vbd->queues[0].nr_pages),
        "indirect_segments", command_number(vbd->max_indirect_segments),
        "grants", grants_text(vbd->grants),
        "discard", (int)vbd->has_discard,
        "secure_discard", (int)vbd->has_secure,
        "sector_bytes", command_number(vbd->sector_bytes),
        "write_through", (int)vbd->is_write_through,
        "paused", (int)vbd->is_paused));
}

static void ask_vbd(struct gather *gather, struct vbd *vbd, json_t *vbds)
{
    struct message request = { .type = MESSAGE_VBD_STATS,
                               .vbd = vbd->number };
    json_t *json = json_pack("{s:s, s:s, s:s, s:o}", "vbd", vbd->name,
                             "state", xenbus_state_text(vbd->state),
                             "ring", vbd_ring_text(vbd->ring),
                             "offered", offered_json(vbd));

    if (!json)
        return;
    json_array_append_new(vbds, json);
    if (vbd->disk)
        json_object_set_new(json, "disk", command_number(vbd->disk->number));
    if (vbd_holds_ring(vbd))
        gather_ask(gather, vbd->disk, &request, json, take_features);
}

void command_features(struct client *client, json_t *request)
{
    struct vbd *one = NULL, *vbd;
    json_t *vbds = json_array();
    struct gather *gather;

    if (json_object_get(request, "vbd")) {
        one = command_find_vbd(client, request);
        if (!one)
            return;
    }
    gather = gather_new(client, json_pack("{s:o}", "vbds", vbds), false);
    if (!gather)
        return;
    TAILQ_FOREACH(vbd, &client_supervisor(client)->vbds, link)
        if (vbd->state != XENBUS_UNKNOWN && (!one || vbd == one))
            ask_vbd(gather, vbd, vbds);
    gather_finish(gather);
}
