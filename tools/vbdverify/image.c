/* SPDX-License-Identifier: MIT
 * The checker: what a crash may leave (C5, C6, C7). */
#include "tools/vbdverify/private.h"

static const struct act image = { .path = ACT_IMAGE };

/* --- barriers that were over ---------------------------------------------- */

/* The newest write of a path that is there, or was answered. */
static uint64_t newest_write(struct check *check, unsigned path,
                             const uint64_t *values)
{
    uint64_t newest = check->paths[path].newest_done;

    for (uint64_t i = 0; i < check->config.nr_sectors; i++) {
        const struct written *written = check_written(check, values[i]);

        if (written && value_writer(values[i]) == path + 1 &&
            written->invoked > newest)
            newest = written->invoked;
    }
    return newest;
}

/* C6: what a path began after its BARRIER, began when that was over. */
static void end_barriers(struct check *check, const uint64_t *values)
{
    uint64_t newest[CHECK_MAX_PATHS];

    for (unsigned i = 0; i < check->config.nr_paths; i++)
        newest[i] = newest_write(check, i, values);
    for (uint64_t i = check->nr_in_flight; i-- > 0;) {
        struct operation *operation = check->in_flight[i].operation;

        if (operation->kind == OPERATION_BARRIER &&
            operation->invoked < newest[operation->path])
            check_answer(check, operation, OUTCOME_OK, NULL,
                         operation->invoked_us);
    }
}

/* --- one sector ----------------------------------------------------------- */

/* The earliest answer of this cluster and those it precedes: what was invoked
 * later comes after it, too, by way of one of them. (By way of two there is
 * nothing more: were the second's answer earlier than the first's, those two
 * would conflict.) */
static uint64_t earliest_after(const struct sector *sector,
                               const struct cluster *cluster)
{
    uint64_t earliest = cluster->first.answered;

    for (uint64_t i = 0; i < sector->nr; i++) {
        const struct cluster *at = &sector->clusters[i];

        if (cluster_precedes(cluster, at) && at->first.answered < earliest)
            earliest = at->first.answered;
    }
    return earliest;
}

/* The newest durable one that must come after this; NULL: there is none. */
static const struct cluster *find_lost(struct check *check,
                                       const struct sector *sector,
                                       const struct cluster *cluster,
                                       struct act *why)
{
    uint64_t earliest = earliest_after(sector, cluster);
    const struct cluster *lost = NULL;

    for (uint64_t i = 0; i < sector->nr; i++) {
        const struct cluster *at = &sector->clusters[i];

        if (at->value != cluster->value && at->last.invoked > earliest &&
            (!lost || at->last.invoked > lost->last.invoked) &&
            check_durable(check, at->value, why))
            lost = at;
    }
    return lost && check_durable(check, lost->value, why) ? lost : NULL;
}

/* It has been discarded, and no later write is durable. */
static bool may_hold_anything(struct check *check, const struct sector *sector)
{
    struct act why;

    if (sector->open_discards > 0)
        return true;
    for (uint64_t i = 0; sector->discarded && i < sector->nr; i++) {
        uint64_t value = sector->clusters[i].value;

        if (check_durable(check, value, &why) &&
            check_written(check, value)->invoked > sector->discarded)
            return false;
    }
    return sector->discarded > 0;
}

/* Zeros where there has been a ZERO: one of them, or the first, will do. */
static bool may_hold_zeros(struct check *check, const struct sector *sector)
{
    struct act why;

    if (sector->vague_zeros > 0)
        return true;
    for (uint64_t i = 0; i < sector->nr; i++) {
        const struct cluster *at = &sector->clusters[i];

        if (cluster_is_zeros(check, at) && !find_lost(check, sector, at, &why))
            return true;
    }
    return false;
}

static void judge(struct check *check, uint64_t number, uint64_t value)
{
    const struct sector *sector = sector_of(check, number);
    const struct cluster *other;
    struct cluster cluster;
    struct act why;

    if (may_hold_anything(check, sector) ||
        (value == VALUE_ZEROS && sector->zeros > 0 &&
         may_hold_zeros(check, sector)))
        return;
    switch (sector_suppose(check, number, value, NULL, &cluster)) {
    case SUPPOSED_UNWRITTEN:
        explain_unwritten(check, number, &image, value);
        return;
    case SUPPOSED_FORGOTTEN:
        other = sector_newest(check, sector, UINT64_MAX);
        check_durable(check, other->value, &why);
        explain_lost(check, number, &cluster, other, &why);
        return;
    case SUPPOSED:
        break;
    }
    other = sector_conflict(sector, &cluster);
    if (other)
        explain_stale(check, number, &image, &cluster, other);
    else if ((other = find_lost(check, sector, &cluster, &why)) != NULL)
        explain_lost(check, number, &cluster, other, &why);
}

void check_image(struct check *check, const uint64_t *values)
{
    end_barriers(check, values);
    for (uint64_t i = 0; i < check->config.nr_sectors; i++)
        judge(check, check->config.sector + i, values[i]);
}
