/* SPDX-License-Identifier: MIT
 * Features. The nodes are described in docs/PROTOCOL.md. */
#include "backend/supervisor/features.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <xen/io/blkif.h>

#include "backend/supervisor/disk.h"
#include "backend/supervisor/node.h"
#include "backend/supervisor/state.h"
#include "common/host/log.h"

enum { VALUE_BYTES = 24 };

struct nodes {
    struct state_pair pairs[STATE_MAX_PAIRS];
    char values[STATE_MAX_PAIRS][VALUE_BYTES];
    unsigned nr;
};

static void add(struct nodes *nodes, const char *name, uint64_t value)
{
    char *text = nodes->values[nodes->nr];

    assert(nodes->nr < STATE_MAX_PAIRS - 1);
    snprintf(text, VALUE_BYTES, "%" PRIu64, value);
    nodes->pairs[nodes->nr++] = (struct state_pair){ name, text };
}

static void raise_to(uint32_t *most, uint32_t value)
{
    if (*most < value)
        *most = value;
}

/* --- what was said before ------------------------------------------------- */

/* A number of our own node, 0 when there is none. What a later version has
 * said is taken as far as this one goes. */
static int recall(const struct vbd *vbd, const char *name, uint32_t max,
                  uint32_t *number)
{
    char value[STORE_VALUE_BYTES];
    unsigned length;
    uint64_t parsed = 0;
    int error = store_read_in(vbd->supervisor->store, vbd->path, name, value,
                              sizeof value, &length);

    if (!error)
        xenbus_parse_number(value, length, UINT32_MAX, &parsed);
    *number = parsed < max ? (uint32_t)parsed : max;
    return error == -ENOENT || error == -E2BIG ? 0 : error;
}

int features_recall(struct vbd *vbd)
{
    uint32_t queues = 0, order = 0, indirect = 0, persistent = 0, discard = 0,
             secure = 0, sector = 0, physical = 0;
    const struct {
        const char *name;
        uint32_t max, *number;
    } rows[] = {
        { "multi-queue-max-queues", BLKIF_MAX_QUEUES, &queues },
        { "max-ring-page-order", BLKIF_MAX_RING_PAGE_ORDER, &order },
        { "feature-max-indirect-segments", BLKIF_MAX_INDIRECT_SEGMENTS,
          &indirect },
        { "feature-persistent", 1, &persistent },
        { "feature-discard", 1, &discard }, { "discard-secure", 1, &secure },
        { "sector-size", UINT32_MAX, &sector },
        { "physical-sector-size", UINT32_MAX, &physical },
    };
    int error = 0;

    for (unsigned i = 0; i < sizeof rows / sizeof *rows && !error; i++)
        error = recall(vbd, rows[i].name, rows[i].max, rows[i].number);
    vbd->offer = (struct features){
        .ring = { .max_queues = queues, .max_ring_page_order = order,
                  .has_persistent = persistent },
        .max_indirect_segments = indirect, .has_discard = discard,
        .has_secure = secure, .physical_bytes = physical,
        .sector_bytes = sector == 512 || sector == 4096 ? sector : 0,
    };
    return error;
}

/* --- InitWait ------------------------------------------------------------- */

/* As the vbd's node asks for them. When it cannot be understood the attach
 * will say so; nobody is kept waiting for it. */
static struct vbd_options read_options(const struct vbd *vbd)
{
    char reason[16]; /* nobody reads it */
    struct target target;

    return node_read_target(vbd, &target, reason, sizeof reason) < 0
               ? vbd->supervisor->config.defaults.vbd : target.options.vbd;
}

int features_advertise(struct vbd *vbd)
{
    const struct vbd_options options = read_options(vbd);
    struct features *offer = &vbd->offer;
    struct nodes nodes = { .nr = 0 };
    int error;

    raise_to(&offer->ring.max_queues, options.max_queues);
    raise_to(&offer->ring.max_ring_page_order, options.max_ring_page_order);
    raise_to(&offer->max_indirect_segments, options.max_indirect_segments);
    offer->ring.has_persistent |= options.grants == MESSAGE_GRANTS_PERSISTENT;
    add(&nodes, "feature-flush-cache", 1);
    add(&nodes, "feature-barrier", 1);
    add(&nodes, "feature-persistent", offer->ring.has_persistent);
    add(&nodes, "feature-max-indirect-segments",
        offer->max_indirect_segments);
    add(&nodes, "multi-queue-max-queues", offer->ring.max_queues);
    add(&nodes, "max-ring-page-order", offer->ring.max_ring_page_order);
    add(&nodes, "max-ring-pages", 1u << offer->ring.max_ring_page_order);
    nodes.pairs[nodes.nr++] = (struct state_pair){ "error", NULL };
    error = state_write(vbd, nodes.pairs, nodes.nr, XENBUS_INIT_WAIT);
    if (!error)
        vbd->error[0] = '\0';
    return error;
}

/* --- Connected ------------------------------------------------------------ */

/* Does a node that the toolstack writes hold this? */
static bool holds(const struct vbd *vbd, const char *name, const char *text)
{
    char value[STORE_VALUE_BYTES];

    return store_read_in(vbd->supervisor->store, vbd->path, name, value,
                         sizeof value, NULL) == 0 && strcmp(value, text) == 0;
}

static uint32_t sector_bytes(const struct vbd *vbd,
                             const struct vbd_options *options)
{
    return vbd->offer.sector_bytes ? vbd->offer.sector_bytes
                                   : options->sector_bytes;
}

bool features_fit(const struct vbd *vbd, const struct vbd_options *options,
                  const struct message_ready *ready, char *reason,
                  unsigned reason_size)
{
    uint32_t bytes = sector_bytes(vbd, options);

    if (ready->sector_bytes > bytes) {
        snprintf(reason, reason_size, "%s cannot have sectors of %" PRIu32
                 " bytes: those of its target have %" PRIu32, vbd->name,
                 bytes, ready->sector_bytes);
        return false;
    }
    /* Who was told of such sectors keeps them, and loses no more than the end
     * of what his disk has grown by (C14). */
    if (!vbd->offer.sector_bytes && ready->size_bytes % bytes) {
        snprintf(reason, reason_size, "%s cannot have sectors of %" PRIu32
                 " bytes: the target's size, %" PRIu64 " bytes, is not a "
                 "multiple of that", vbd->name, bytes, ready->size_bytes);
        return false;
    }
    return true;
}

void features_settle(struct vbd *vbd, struct message_connect *connect)
{
    const struct message_ready *ready = &vbd->disk->ready;
    struct features *offer = &vbd->offer;

    if (ready->can_discard && vbd->is_writable &&
        !holds(vbd, "discard-enable", "0")) {
        offer->has_discard = true;
        offer->has_secure |= ready->can_secure;
    }
    connect->has_discard = offer->has_discard;
    connect->has_secure = offer->has_secure;
    connect->sector_bytes = sector_bytes(vbd, &vbd->options);
    connect->max_indirect_segments = offer->max_indirect_segments;
    connect->max_persistent_grants = vbd->options.max_persistent_grants;
    /* Persistent ones are for those front ends only that want them. */
    connect->grants = vbd->options.grants == MESSAGE_GRANTS_MAP
                          ? MESSAGE_GRANTS_MAP : MESSAGE_GRANTS_COPY;
}

static uint32_t info_bits(const struct vbd *vbd)
{
    return (holds(vbd, "device-type", "cdrom") ? VDISK_CDROM : 0u) |
           (holds(vbd, "removable", "1") ? VDISK_REMOVABLE : 0u) |
           (vbd->is_writable ? 0u : VDISK_READONLY);
}

/* What its front end is told. A disk that has grown need not end with a whole
 * sector. */
static uint64_t whole_sectors(const struct vbd *vbd)
{
    uint32_t sector = sector_bytes(vbd, &vbd->options);

    return vbd->disk->ready.size_bytes / sector *
           (sector / BLKIF_SECTOR_BYTES);
}

/* One that has become smaller cannot shrink under a front end (C14): what is
 * not there any more fails. */
void features_resume(struct vbd *vbd)
{
    uint64_t told = 0, sectors = whole_sectors(vbd);
    char value[STORE_VALUE_BYTES];
    unsigned length;

    if (store_read_in(vbd->supervisor->store, vbd->path, "sectors", value,
                      sizeof value, &length) == 0)
        xenbus_parse_number(value, length, UINT64_MAX, &told);
    if (told > sectors)
        log_error("%s: %s has become smaller: of the %" PRIu64 " sectors that "
                  "its guest knows of, %" PRIu64 " are left", vbd->name,
                  vbd->disk->target.path, told, sectors);
    vbd->published_bytes = told >= sectors ? vbd->disk->ready.size_bytes : 0;
}

int features_publish(struct vbd *vbd)
{
    const struct message_ready *ready = &vbd->disk->ready;
    uint32_t sector = sector_bytes(vbd, &vbd->options),
             physical = vbd->offer.physical_bytes;
    struct nodes nodes = { .nr = 0 };
    int error;

    if (!physical)
        physical = ready->physical_bytes;
    raise_to(&physical, sector);
    add(&nodes, "sectors", whole_sectors(vbd));
    add(&nodes, "sector-size", sector);
    add(&nodes, "physical-sector-size", physical);
    add(&nodes, "info", info_bits(vbd));
    /* Of what the engine cannot do any more, the old nodes stand. */
    if (vbd->offer.has_discard && ready->can_discard) {
        add(&nodes, "feature-discard", 1);
        add(&nodes, "discard-granularity", ready->discard_granularity_bytes);
        add(&nodes, "discard-alignment", ready->discard_alignment_bytes);
        add(&nodes, "discard-secure", vbd->offer.has_secure);
    }
    error = state_write(vbd, nodes.pairs, nodes.nr, XENBUS_CONNECTED);
    if (!error) {
        vbd->offer.sector_bytes = sector;
        vbd->offer.physical_bytes = physical;
        vbd->published_bytes = ready->size_bytes;
    }
    return error;
}
