/* SPDX-License-Identifier: MIT
 * The checker: events, what is in flight, and the log of writes. */
#include "tools/vbdverify/check.h"

#include <errno.h>
#include <stdlib.h>

#include "common/host/log.h"
#include "tools/vbdverify/private.h"

void *check_grow(void *array, size_t bytes, uint64_t nr, uint64_t *room)
{
    if (nr < *room)
        return array;
    *room = *room ? 2 * *room : 4;
    array = realloc(array, *room * bytes);
    if (!array) {
        log_error("there is no memory for %llu times %zu bytes",
                  (unsigned long long)*room, bytes);
        abort();
    }
    return array;
}

int check_open(const struct check_config *config, struct check **out)
{
    struct check *check = calloc(1, sizeof *check);

    if (!check)
        return -ENOMEM;
    check->config = *config;
    check->sectors = calloc(config->nr_sectors, sizeof *check->sectors);
    if (!check->sectors) {
        check_close(check);
        return -ENOMEM;
    }
    *out = check;
    return 0;
}

void check_close(struct check *check)
{
    if (!check)
        return;
    for (uint64_t i = 0; check->sectors && i < check->config.nr_sectors; i++)
        free(check->sectors[i].clusters);
    for (unsigned i = 0; i < CHECK_MAX_PATHS; i++)
        free(check->paths[i].written);
    free(check->sectors);
    free(check->in_flight);
    free(check);
}

const struct check_stats *check_get_stats(const struct check *check)
{
    return &check->stats;
}

/* --- the log of writes ---------------------------------------------------- */

struct written *check_written(struct check *check, uint64_t value)
{
    uint64_t sequence = value_sequence(value);
    struct check_path *path;

    if (value_writer(value) < 1 ||
        value_writer(value) > check->config.nr_paths)
        return NULL;
    path = &check->paths[value_writer(value) - 1];
    return sequence >= 1 && sequence <= path->nr_written
               ? &path->written[sequence - 1] : NULL;
}

static void log_write(struct check *check, const struct operation *operation)
{
    struct check_path *path = &check->paths[operation->path];

    path->written = check_grow(path->written, sizeof *path->written,
                               path->nr_written, &path->room);
    path->written[path->nr_written++] = (struct written){
        .sector = operation->sector,
        .nr_sectors = (uint16_t)operation->nr_sectors,
        .invoked = operation->invoked, .answered = UINT64_MAX,
        .invoked_us = operation->invoked_us, .kind = (uint8_t)operation->kind,
        .outcome = OUTCOME_OPEN,
    };
}

static void log_answer(struct check *check, const struct operation *operation)
{
    struct written *written = check_written(check,
                                            value_of_operation(operation));

    written->outcome = (uint8_t)operation->outcome;
    written->answered = operation->answered;
    written->took_us = (uint32_t)(operation->answered_us -
                                  operation->invoked_us);
}

struct act act_of_operation(const struct operation *operation)
{
    return (struct act){
        .kind = operation->kind, .path = operation->path,
        .sequence = operation->sequence,
        .invoked = operation->invoked, .answered = operation->answered,
        .invoked_us = operation->invoked_us,
        .answered_us = operation->answered_us,
    };
}

struct act act_of_written(uint64_t value, const struct written *written)
{
    return (struct act){
        .kind = (enum operation_kind)written->kind,
        .path = value_writer(value) - 1, .sequence = value_sequence(value),
        .invoked = written->invoked, .answered = written->answered,
        .invoked_us = written->invoked_us,
        .answered_us = written->invoked_us + written->took_us,
    };
}

bool check_durable(struct check *check, uint64_t value, struct act *why)
{
    const struct written *written = check_written(check, value);
    const struct act *barrier;

    if (!written || written->outcome != OUTCOME_OK)
        return false;
    *why = act_of_written(value, written);
    if (why->kind == OPERATION_FUA || why->kind == OPERATION_BARRIER)
        return true;
    barrier = &check->paths[why->path].barrier;
    *why = written->answered < check->flush.invoked ? check->flush : *barrier;
    return written->answered < check->flush.invoked ||
           written->invoked < barrier->invoked;
}

/* --- events --------------------------------------------------------------- */

static bool overlaps(const struct in_flight *one, const struct in_flight *other)
{
    return one->sector < other->end && other->sector < one->end &&
           one->path != other->path && (one->changes || other->changes);
}

static void count_overlaps(struct check *check, const struct in_flight *new)
{
    for (unsigned i = 0; i < check->nr_in_flight; i++) {
        if (!overlaps(new, &check->in_flight[i]))
            continue;
        check->stats.overlaps++;
        check->stats.paths[new->path].overlaps++;
        check->stats.paths[check->in_flight[i].path].overlaps++;
    }
}

static void put_in_flight(struct check *check, struct operation *operation)
{
    struct in_flight new = {
        .sector = operation->sector,
        .end = operation->sector + operation->nr_sectors,
        .path = operation->path, .changes = operation_changes(operation),
        .operation = operation,
    };

    count_overlaps(check, &new);
    check->in_flight = check_grow(check->in_flight, sizeof new,
                                  check->nr_in_flight,
                                  &check->in_flight_room);
    operation->in_flight = check->nr_in_flight;
    check->in_flight[check->nr_in_flight++] = new;
}

static void end_in_flight(struct check *check,
                          const struct operation *operation)
{
    struct in_flight *last = &check->in_flight[--check->nr_in_flight];

    last->operation->in_flight = operation->in_flight;
    check->in_flight[operation->in_flight] = *last;
}

uint64_t check_oldest(const struct check *check, uint64_t sector)
{
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < check->nr_in_flight; i++) {
        const struct in_flight *at = &check->in_flight[i];

        if (at->sector <= sector && sector < at->end &&
            at->operation->invoked < oldest)
            oldest = at->operation->invoked;
    }
    return oldest;
}

void check_invoke(struct check *check, struct operation *operation,
                  uint64_t now_us)
{
    operation->outcome = OUTCOME_OPEN;
    operation->invoked = ++check->stats.events;
    operation->answered = UINT64_MAX;
    operation->invoked_us = operation->answered_us = now_us;
    put_in_flight(check, operation);
    if (!operation_changes(operation))
        return;
    log_write(check, operation);
    if (operation->kind != OPERATION_DISCARD &&
        operation->kind != OPERATION_ZERO)
        return;
    for (uint32_t i = 0; i < operation->nr_sectors; i++)
        sector_begin(check, operation->sector + i, operation);
}

/* What it says of what was written before it. */
static void take_flush(struct check *check, const struct operation *operation)
{
    struct act *barrier = &check->paths[operation->path].barrier;

    if (operation->outcome != OUTCOME_OK)
        return;
    if (operation->invoked > check->flush.invoked)
        check->flush = act_of_operation(operation);
    if (operation->kind == OPERATION_BARRIER &&
        operation->invoked > barrier->invoked)
        *barrier = act_of_operation(operation);
}

static void take_sectors(struct check *check,
                         const struct operation *operation,
                         const uint64_t *values)
{
    for (uint32_t i = 0; i < operation->nr_sectors; i++) {
        if (operation->kind != OPERATION_READ)
            sector_take_write(check, operation->sector + i, operation);
        else if (operation->outcome == OUTCOME_OK)
            sector_take_read(check, operation->sector + i, operation,
                             values[i]);
    }
}

void check_answer(struct check *check, struct operation *operation,
                  enum outcome outcome, const uint64_t *values,
                  uint64_t now_us)
{
    struct check_path_stats *stats = &check->stats.paths[operation->path];
    struct check_path *path = &check->paths[operation->path];

    operation->outcome = outcome;
    operation->answered = ++check->stats.events;
    operation->answered_us = now_us;
    stats->operations[operation->kind]++;
    stats->failed += outcome == OUTCOME_FAILED;
    end_in_flight(check, operation);
    if (operation_changes(operation)) {
        log_answer(check, operation);
        if (outcome == OUTCOME_OK && operation->invoked > path->newest_done)
            path->newest_done = operation->invoked;
    }
    if (operation->kind == OPERATION_FLUSH ||
        operation->kind == OPERATION_BARRIER)
        take_flush(check, operation);
    take_sectors(check, operation, values);
}
