/* SPDX-License-Identifier: MIT
 * One loop for all paths: begins operations, takes answers, tells the checker
 * and the history of both. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/host/log.h"
#include "tools/vbdverify/vbdverify.h"

enum { SECOND_US = 1000000, ALIGNMENT = 4096, TICK_MS = 200 };

/* How much further than the slowest a path may be: with fixed shares all of
 * them meet each other from the first operation to the last. */
static const double lead = 0.01;

static struct run *the_run;
static volatile sig_atomic_t is_interrupted;

static uint64_t run_us(const struct run *run)
{
    return host_now_us() - run->start_us;
}

/* --- slots ---------------------------------------------------------------- */

static bool make_slots(struct run *run, struct path *path, unsigned first)
{
    uint64_t nr_bytes = run->load.most_sectors * SECTOR_BYTES;
    void *data;

    path->slots = calloc(path->depth, sizeof *path->slots);
    nr_bytes = (nr_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (path->kind->alloc)
        data = path->kind->alloc(path, path->depth * nr_bytes);
    else
        data = aligned_alloc(ALIGNMENT, path->depth * nr_bytes);
    if (!path->slots || !data) {
        log_error("there is no memory for what %s has in flight", path->name);
        return false;
    }
    for (unsigned i = 0; i < path->depth; i++) {
        path->slots[i] = (struct slot){
            .path = path, .index = i, .number = first + i,
            .data = (uint8_t *)data + i * nr_bytes, .next = path->free };
        path->free = &path->slots[i];
    }
    return true;
}

static bool make_all_slots(struct run *run)
{
    unsigned first = 0;

    for (unsigned i = 0; i < run->nr_paths; i++) {
        if (!make_slots(run, &run->paths[i], first))
            return false;
        first += run->paths[i].depth;
    }
    return true;
}

void run_close_path(struct path *path)
{
    path->kind->close(path);
    if (path->slots && !path->kind->alloc)
        free(path->slots[0].data);
    free(path->slots);
}

/* --- begin ---------------------------------------------------------------- */

static void submit(struct run *run, struct path *path, struct slot *slot)
{
    run->nr_in_flight++;
    path->heard_us = path->nr_invoked == path->nr_answered ? run_us(run)
                                                           : path->heard_us;
    path->nr_invoked++;
    path->kind->submit(path, slot);
}

static void begin(struct run *run, struct path *path)
{
    struct slot *slot = path->free;
    struct operation *operation = &slot->operation;
    uint64_t now_us = run_us(run);

    path->free = slot->next;
    load_choose(&run->load, path, operation);
    if (operation_changes(operation))
        operation->sequence = ++path->sequence;
    if (operation_changes(operation) && operation->kind != OPERATION_ZERO &&
        operation->kind != OPERATION_DISCARD)
        data_fill(operation, run->run, slot->data);
    check_invoke(run->check, operation, now_us);
    if (run->history)
        history_invoke(run->history, slot->number, operation, now_us);
    submit(run, path, slot);
}

static double progress(const struct path *path)
{
    return path->quota ? (double)path->nr_answered / (double)path->quota : 1;
}

static double slowest_progress(const struct run *run)
{
    double slowest = 1;

    for (unsigned i = 0; i < run->nr_paths; i++) {
        if (progress(&run->paths[i]) < slowest)
            slowest = progress(&run->paths[i]);
    }
    return slowest;
}

static void begin_all(struct run *run)
{
    double most = run->time_s ? 1 : slowest_progress(run) + lead;

    for (unsigned i = 0; i < run->nr_paths && !run->is_over; i++) {
        struct path *path = &run->paths[i];

        while (path->free && !path->is_lost &&
               path->nr_invoked < path->quota &&
               (double)path->nr_invoked <= most * (double)path->quota)
            begin(run, path);
    }
}

/* --- answers -------------------------------------------------------------- */

/* With errors that are not allowed the run ends. */
static void take_error(struct run *run, const struct slot *slot, int error)
{
    const struct operation *operation = &slot->operation;

    if (!error || (run->allows_errors && !slot->is_setup))
        return;
    if (!run->has_failed)
        log_error("%s: a %s of %u sectors at sector %llu failed: %s",
                  slot->path->name, operation_name(operation->kind),
                  operation->nr_sectors,
                  (unsigned long long)operation->sector, strerror(-error));
    run->has_failed = run->is_over = true;
}

static void answer(struct run *run, struct slot *slot, int error)
{
    static uint64_t values[HISTORY_SECTORS];
    struct operation *operation = &slot->operation;
    enum outcome outcome = error ? OUTCOME_FAILED : OUTCOME_OK;
    uint64_t now_us = run_us(run);

    if (!error && operation->kind == OPERATION_READ)
        data_look(operation->sector, operation->nr_sectors, run->run,
                  slot->data, values);
    if (run->history)
        history_answer(run->history, slot->number, operation, outcome, values,
                       now_us);
    check_answer(run->check, operation, outcome, values, now_us);
}

void path_done(struct slot *slot, int error)
{
    struct run *run = the_run;
    struct path *path = slot->path;

    if (path->is_lost)
        return; /* too late */
    run->nr_in_flight--;
    path->nr_answered++;
    path->heard_us = run_us(run);
    take_error(run, slot, error);
    if (!slot->is_setup)
        answer(run, slot, error);
    slot->is_setup = false;
    slot->next = path->free;
    path->free = slot;
}

void path_lost(struct path *path, const char *why)
{
    struct run *run = the_run;

    if (path->is_lost)
        return;
    log_error("%s is lost: %s", path->name, why);
    path->is_lost = true;
    run->nr_in_flight -= (unsigned)(path->nr_invoked - path->nr_answered);
    run->has_failed = run->is_over = true;
}

/* --- waiting -------------------------------------------------------------- */

static void find_silent(struct run *run)
{
    for (unsigned i = 0; i < run->nr_paths; i++) {
        struct path *path = &run->paths[i];

        if (!path->is_lost && path->nr_invoked > path->nr_answered &&
            run_us(run) - path->heard_us > run->timeout_s * SECOND_US)
            path_lost(path, "it has not answered for too long");
    }
}

/* Looks at all descriptors, and waits for them when nobody was busy. */
static void wait_for_paths(struct run *run, bool is_busy)
{
    struct pollfd fds[CHECK_MAX_PATHS * PATH_FDS];
    unsigned nr = 0;

    for (unsigned i = 0; i < run->nr_paths; i++) {
        struct path *path = &run->paths[i];

        if (path->kind->prepare && !path->is_lost)
            path->kind->prepare(path);
        for (unsigned k = 0; k < path->nr_fds; k++) {
            fds[nr] = path->fds[k];
            fds[nr++].fd = path->is_lost ? -1 : path->fds[k].fd;
        }
    }
    if (poll(fds, nr, is_busy ? 0 : TICK_MS) == 0 && !is_busy)
        find_silent(run);
    nr = 0;
    for (unsigned i = 0; i < run->nr_paths; i++) {
        for (unsigned k = 0; k < run->paths[i].nr_fds; k++)
            run->paths[i].fds[k].revents = fds[nr++].revents;
    }
}

/* Sends what was begun and takes what has come. */
static void turn(struct run *run)
{
    unsigned before = run->nr_in_flight;

    for (unsigned i = 0; i < run->nr_paths; i++) {
        struct path *path = &run->paths[i];

        if (!path->is_lost)
            path->kind->poll(path);
    }
    wait_for_paths(run, run->nr_in_flight < before);
}

static void drain(struct run *run)
{
    while (run->nr_in_flight > 0)
        turn(run);
}

/* --- the start: zeros, durable -------------------------------------------- */

static void setup_one(struct run *run, struct path *path,
                      enum operation_kind kind, uint64_t sector, uint64_t nr)
{
    struct slot *slot = path->free;

    path->free = slot->next;
    slot->is_setup = true;
    slot->operation = (struct operation){
        .kind = kind, .path = path->index, .sector = sector,
        .nr_sectors = (uint32_t)nr };
    memset(slot->data, 0, nr * SECTOR_BYTES);
    submit(run, path, slot);
}

static void write_zeros(struct run *run, struct path *path)
{
    uint64_t sector = run->load.sector, end = sector + run->load.nr_sectors;
    uint64_t most = run->load.most_sectors;

    if (path->most_sectors && most > path->most_sectors)
        most = path->most_sectors;
    most -= most % path->unit_sectors;
    while (sector < end && !run->has_failed) {
        uint64_t nr = end - sector < most ? end - sector : most;

        if (path->free) {
            setup_one(run, path, OPERATION_WRITE, sector, nr);
            sector += nr;
        } else {
            turn(run);
        }
    }
    drain(run);
    if (path_can(path, OPERATION_FLUSH) && !run->has_failed)
        setup_one(run, path, OPERATION_FLUSH, 0, 0);
    drain(run);
}

/* By the one that can have most in flight. */
static bool set_up(struct run *run)
{
    struct path *writer = NULL;

    for (unsigned i = 0; i < run->nr_paths; i++) {
        struct path *path = &run->paths[i];

        if (path_can(path, OPERATION_WRITE) &&
            (!writer || path->depth > writer->depth))
            writer = path;
    }
    if (!writer) {
        log_error("no path can write");
        return false;
    }
    write_zeros(run, writer);
    writer->nr_invoked = writer->nr_answered = 0;
    return !run->has_failed;
}

/* -------------------------------------------------------------------------- */

static void interrupt(int number)
{
    (void)number;
    is_interrupted = 1;
}

static bool is_done(const struct run *run)
{
    if (run->is_over || is_interrupted)
        return true;
    if (run->time_s)
        return run_us(run) >= run->time_s * SECOND_US;
    for (unsigned i = 0; i < run->nr_paths; i++) {
        if (run->paths[i].nr_answered < run->paths[i].quota)
            return false;
    }
    return true;
}

int run_verify(struct run *run)
{
    the_run = run;
    run->start_us = host_now_us();
    signal(SIGINT, interrupt);
    if (make_all_slots(run) && set_up(run)) {
        run->start_us = host_now_us();
        while (!is_done(run)) {
            begin_all(run);
            turn(run);
        }
        run->is_over = true;
        drain(run);
    } else {
        run->has_failed = true;
    }
    run->end_us = host_now_us();
    return run->has_failed ? EXIT_DISK : EXIT_OK;
}
