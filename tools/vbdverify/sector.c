/* SPDX-License-Identifier: MIT
 * The checker: one sector, its clusters, and what is forgotten of them. */
#include "tools/vbdverify/private.h"

struct sector *sector_of(struct check *check, uint64_t number)
{
    struct sector *sector = &check->sectors[number - check->config.sector];

    if (sector->room > 0)
        return sector;
    sector->clusters = check_grow(NULL, sizeof *sector->clusters, 0,
                                  &sector->room);
    sector->clusters[sector->nr++] = (struct cluster){
        .value = VALUE_ZEROS, .first.path = ACT_START,
        .last.path = ACT_START };
    return sector;
}

static struct cluster *find(const struct sector *sector, uint64_t value)
{
    for (uint64_t i = sector->nr; i-- > 0;) {
        if (sector->clusters[i].value == value)
            return &sector->clusters[i];
    }
    return NULL;
}

/* --- forgetting ----------------------------------------------------------- */

static uint64_t cluster_start(const struct cluster *cluster)
{
    return cluster->first.answered < cluster->last.invoked
               ? cluster->first.answered : cluster->last.invoked;
}

static uint64_t cluster_end(const struct cluster *cluster)
{
    return cluster->first.answered < cluster->last.invoked
               ? cluster->last.invoked : cluster->first.answered;
}

const struct cluster *sector_newest(struct check *check,
                                    const struct sector *sector,
                                    uint64_t event)
{
    const struct cluster *newest = NULL;
    struct act why;

    for (uint64_t i = 0; i < sector->nr; i++) {
        const struct cluster *at = &sector->clusters[i];

        if (at->first.answered < event &&
            (!newest || cluster_start(newest) < cluster_start(at)) &&
            (!check->config.has_image ||
             check_durable(check, at->value, &why)))
            newest = at;
    }
    return newest;
}

/* What has failed, or was never answered, is never forgotten: it would look
 * like one that nobody has seen. */
static bool is_certain(struct check *check, const struct cluster *cluster)
{
    return cluster->value == VALUE_ZEROS ||
           check_written(check, cluster->value)->outcome == OUTCOME_OK;
}

static void forget(struct check *check, uint64_t number,
                   struct sector *sector)
{
    const struct cluster *newest =
        sector_newest(check, sector, check_oldest(check, number));
    uint64_t left = 0, start = newest ? cluster_start(newest) : 0;

    for (uint64_t i = 0; i < sector->nr; i++) {
        const struct cluster *at = &sector->clusters[i];

        if (cluster_end(at) >= start || !is_certain(check, at))
            sector->clusters[left++] = *at;
    }
    sector->nr = left;
}

static void add(struct check *check, uint64_t number, struct sector *sector,
                const struct cluster *cluster)
{
    if (sector->nr == sector->room) {
        forget(check, number, sector);
        if (sector->nr > sector->room / 2)
            sector->clusters = check_grow(sector->clusters, sizeof *cluster,
                                          sector->room, &sector->room);
    }
    sector->clusters[sector->nr++] = *cluster;
}

/* --- what was seen -------------------------------------------------------- */

static void take_reader(struct cluster *cluster, const struct act *reader)
{
    if (!reader)
        return;
    if (reader->answered < cluster->first.answered)
        cluster->first = *reader;
    if (reader->invoked > cluster->last.invoked)
        cluster->last = *reader;
}

enum supposed sector_suppose(struct check *check, uint64_t number,
                             uint64_t value, const struct act *reader,
                             struct cluster *cluster)
{
    const struct cluster *known = find(sector_of(check, number), value);
    const struct written *written = check_written(check, value);

    *cluster = (struct cluster){ .value = value };
    if (known) {
        *cluster = *known;
    } else if (value == VALUE_ZEROS) {
        cluster->first.path = cluster->last.path = ACT_START;
    } else {
        if (!written || number - written->sector >= written->nr_sectors)
            return SUPPOSED_UNWRITTEN;
        cluster->first = act_of_written(value, written);
        cluster->last = cluster->first;
    }
    take_reader(cluster, reader);
    return known || (written && written->outcome != OUTCOME_OK)
               ? SUPPOSED : SUPPOSED_FORGOTTEN;
}

const struct cluster *sector_conflict(const struct sector *sector,
                                      const struct cluster *cluster)
{
    for (uint64_t i = 0; i < sector->nr; i++) {
        const struct cluster *at = &sector->clusters[i];

        if (at->value != cluster->value && cluster_precedes(at, cluster) &&
            cluster_precedes(cluster, at))
            return at;
    }
    return NULL;
}

bool cluster_is_zeros(struct check *check, const struct cluster *cluster)
{
    return cluster->value == VALUE_ZEROS ||
           check_written(check, cluster->value)->kind == OPERATION_ZERO;
}

/* Zeros were read where there has been a ZERO: it, another, or the first. */
static void take_zeros(struct check *check, uint64_t number,
                       const struct act *reader)
{
    struct sector *sector = sector_of(check, number);
    const struct cluster *other = sector_newest(check, sector, reader->invoked);
    struct cluster cluster = { .first.path = ACT_START,
                               .last.path = ACT_START };

    if (sector->vague_zeros > 0)
        return;
    for (uint64_t i = 0; i < sector->nr; i++) {
        if (!cluster_is_zeros(check, &sector->clusters[i]))
            continue;
        cluster = sector->clusters[i];
        take_reader(&cluster, reader);
        other = sector_conflict(sector, &cluster);
        if (!other)
            return;
    }
    take_reader(&cluster, reader);
    explain_stale(check, number, reader, &cluster, other);
}

static void take_value(struct check *check, uint64_t number,
                       const struct act *reader, uint64_t value)
{
    struct sector *sector = sector_of(check, number);
    struct cluster *known = find(sector, value), cluster;
    const struct cluster *other = NULL;

    if (known && reader->invoked < known->last.invoked)
        return; /* nothing new */
    switch (sector_suppose(check, number, value, reader, &cluster)) {
    case SUPPOSED_UNWRITTEN:
        explain_unwritten(check, number, reader, value);
        return;
    case SUPPOSED_FORGOTTEN:
        other = sector_newest(check, sector, reader->invoked);
        break;
    case SUPPOSED:
        other = sector_conflict(sector, &cluster);
        break;
    }
    if (other)
        explain_stale(check, number, reader, &cluster, other);
    else if (known)
        *known = cluster;
    else
        add(check, number, sector, &cluster);
}

void sector_take_read(struct check *check, uint64_t number,
                      const struct operation *operation, uint64_t value)
{
    struct check_path_stats *stats = &check->stats.paths[operation->path];
    struct sector *sector = sector_of(check, number);
    struct act reader = act_of_operation(operation);

    if (sector->is_discarded || operation->invoked < sector->rewritten) {
        stats->unjudged++;
        return;
    }
    stats->judged++;
    if (value == VALUE_ZEROS && sector->zeros > 0)
        take_zeros(check, number, &reader);
    else
        take_value(check, number, &reader, value);
}

/* --- what was written ----------------------------------------------------- */

void sector_begin(struct check *check, uint64_t number,
                  const struct operation *operation)
{
    struct sector *sector = sector_of(check, number);

    if (operation->kind == OPERATION_DISCARD) {
        sector->open_discards++;
        sector->is_discarded = true;
    } else {
        sector->zeros++;
        sector->vague_zeros++;
    }
}

void sector_take_write(struct check *check, uint64_t number,
                       const struct operation *operation)
{
    struct sector *sector = sector_of(check, number);
    struct act write = act_of_operation(operation);
    struct cluster cluster = { .value = value_of_operation(operation),
                               .first = write, .last = write };

    if (operation->kind == OPERATION_DISCARD) {
        sector->open_discards--;
        sector->discarded = operation->answered;
        return;
    }
    if (operation->outcome != OUTCOME_OK)
        return;
    if (operation->kind == OPERATION_ZERO)
        sector->vague_zeros--;
    if (sector->is_discarded && sector->open_discards == 0 &&
        operation->invoked > sector->discarded) {
        sector->is_discarded = false;
        sector->rewritten = operation->answered;
    }
    if (!find(sector, cluster.value))
        add(check, number, sector, &cluster);
}
