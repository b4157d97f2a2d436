/* SPDX-License-Identifier: MIT
 * The simulated world; see coherency-sim.h. */
#include "tests/unit/coherency-sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/coherency/coherency.h"
#include "tests/unit/coherency-model.h"
#include "tests/unit/coherency-sim-engine.h"

enum {
    CLIENT_DEPTH = 8, /* requests of one client in flight */
    OP_COUNT = 1024,  /* used in turn, so that none is used again soon */
    OP_CELLS = 24,
    OP_BYTES = (OP_CELLS + 24) * CELL_BYTES, /* and room to be misaligned */
    WORLD_OPERATIONS = 5000,
    PRUNE_AT = 24,
};
struct op {
    struct coherency_request request;
    struct world *world;
    unsigned client, index; /* in world->out */
    uint64_t name;
    bool is_out;
    bool is_behind_end; /* of the disk as it was when this was accepted */
    char *memory; /* OP_BYTES */
};

struct world_client {
    struct coherency_client *client; /* NULL: closed */
    enum coherency_client_kind kind;
    bool is_write_through, is_closing;
    unsigned out;
};

struct world {
    struct sim_engine sim;
    struct sim_report *report;
    struct coherency *disk;
    struct coherency_environment environment;
    uint64_t now; /* the model's time: counts events */
    uint64_t timer_at_us;
    uint64_t fail_stopped_at; /* in events, 0: not */
    struct world_client clients[MODEL_CLIENTS];
    struct op ops[OP_COUNT], *out[OP_COUNT];
    unsigned next_op, out_count;
    struct model model;
};

static uint64_t world_random(struct world *world, uint64_t below)
{
    return sim_random(&world->sim, below);
}

/* In blocks of any size. */
static uint64_t world_random_size(struct world *world)
{
    uint64_t most = SIM_CELLS / SIM_BLOCK_CELLS_MOST;

    return (most - world_random(world, most / 2)) * SIM_BLOCK_CELLS_MOST *
           CELL_BYTES;
}

static void world_blame(struct world *world, const char *sentence)
{
    if (!world->model.verdict[0])
        snprintf(world->model.verdict, sizeof(world->model.verdict), "%s",
                 sentence);
}

_Static_assert((int)SIM_CELLS == (int)MODEL_CELLS, "one disk");

/* --- the environment --- */

static uint64_t environment_now_us(void *context)
{
    return ((struct world *)context)->sim.now_us;
}

static void environment_set_timer(void *context, uint64_t at_us)
{
    ((struct world *)context)->timer_at_us = at_us;
}

static void environment_fail_stop(void *context, const char *sentence)
{
    struct world *world = context;

    (void)sentence;
    if (world->fail_stopped_at)
        world_blame(world, "C8: fail-stop was published twice");
    world->fail_stopped_at = ++world->now;
    world->report->fail_stops++;
}

static void environment_warn(void *context, const char *sentence)
{
    (void)context;
    (void)sentence;
}

/* --- requests --- */

static bool op_is_flush(const struct op *op)
{
    return op->request.op == COHERENCY_FLUSH ||
           op->request.op == COHERENCY_BARRIER;
}

/* The cell behind its last one. */
static unsigned op_end(const struct op *op)
{
    return cell_at(op->request.offset_bytes + op->request.length_bytes);
}

/* DISCARD takes whole granules only, and leaves the edges alone. */
static bool op_touches(const struct op *op, uint64_t cell)
{
    const struct engine_info *info = &op->world->sim.engine.info;
    uint64_t granule = info->discard_granularity_bytes > info->block_bytes
                           ? info->discard_granularity_bytes
                           : info->block_bytes;
    uint64_t shift = info->discard_granularity_bytes > info->block_bytes
                         ? info->discard_alignment_bytes % granule
                         : 0;
    uint64_t at = cell_start(&op->world->sim, cell);

    if (op->request.op == COHERENCY_READ || op->is_behind_end)
        return false;
    if (op->request.op != COHERENCY_DISCARD)
        return true;
    if (at < shift)
        return false;
    at -= (at - shift) % granule;
    return at >= op->request.offset_bytes &&
           at + granule <= op->request.offset_bytes + op->request.length_bytes;
}

/* A BARRIER that is refused holds up nothing. */
static void world_find_gate(struct world *world, unsigned client)
{
    uint64_t gate = UINT64_MAX;

    for (unsigned i = 0; i < world->out_count; i++)
        if (world->out[i]->client == client &&
            world->out[i]->request.op == COHERENCY_BARRIER &&
            !world->out[i]->is_behind_end &&
            world->out[i]->name < gate)
            gate = world->out[i]->name;
    world->model.clients[client].gate = gate;
}

/* Forgets what neither a crash nor a read that is out may show any more. */
static void world_prune(struct world *world, unsigned s)
{
    struct model_write *writes = world->model.cells[s].writes;
    unsigned k = world->model.cells[s].count - 1;
    uint64_t oldest = UINT64_MAX;

    for (unsigned i = 0; i < world->out_count; i++)
        if (world->out[i]->name < oldest)
            oldest = world->out[i]->name;
    while (k > 0 && (writes[k].name >= oldest ||
                     !model_is_durable(&world->model, &writes[k])))
        k--;
    world->model.cells[s].count -= k;
    memmove(writes, writes + k,
            world->model.cells[s].count * sizeof(*writes));
}

static void op_judge_flush(struct op *op, int error)
{
    struct world *world = op->world;
    struct model *model = &world->model;
    struct world_client *client = &world->clients[op->client];
    bool is_ring = client->kind == COHERENCY_CLIENT_RING;
    bool has_data = op->request.length_bytes > 0;

    if (!error) {
        if (world->fail_stopped_at)
            world_blame(world, "C8: a flush was answered OK in fail-stop");
        if (op->name > model->flushed)
            model->flushed = op->name;
        if (has_data || op->request.op == COHERENCY_BARRIER)
            model->clients[op->client].barrier = op->name;
    } else if (error != -ECANCELED && is_ring) {
        if (!has_data)
            world_blame(world, "C8: an empty flush was answered with an "
                               "error");
        if (client->client &&
            !coherency_client_is_write_through(client->client))
            world_blame(world, "C8: a failed flush, but no write-through");
        client->is_write_through = true;
        model_secure(model, op->client);
    }
}

static void op_judge_error(struct op *op, int error)
{
    struct world *world = op->world;

    if (error == -ECANCELED && !world->clients[op->client].is_closing)
        world_blame(world, "a request was cancelled without a close");
    if (!error && op->is_behind_end)
        world_blame(world, "C14: a request was served behind the end");
    if (error && error != -ECANCELED && error != -EIO &&
        !(error == -EINVAL && op->is_behind_end) &&
        !(error == -EOPNOTSUPP && op->request.flags & COHERENCY_FAST))
        world_blame(world, "an error nobody has made");
    if (!error && world->fail_stopped_at && op->name > world->fail_stopped_at)
        world_blame(world, "C8: a request was served in fail-stop");
}

static void op_judge(struct op *op, int error)
{
    struct world *world = op->world;
    uint64_t at = op->request.offset_bytes;
    bool is_durable = op_is_flush(op) || (op->request.flags & COHERENCY_FUA) ||
                      world->clients[op->client].is_write_through;

    op_judge_error(op, error);
    for (unsigned c = cell_at(at); c < op_end(op); c++) {
        if (op_touches(op, c))
            model_answer(&world->model, c, op->name, error, is_durable,
                         world->now);
        else if (op->request.op == COHERENCY_READ && !error)
            model_see(&world->model, c,
                      cell_name(&world->sim, op->request.data, at, c),
                      op->name, false);
    }
    if (op->request.op == COHERENCY_READ)
        world->report->reads_judged++;
    if (op_is_flush(op))
        op_judge_flush(op, error);
}

static void op_done(struct coherency_request *request, int error)
{
    struct op *op = request->owner;
    struct world *world = op->world;

    world->now++;
    if (!op->is_out) {
        world_blame(world, "a request was answered twice");
        return;
    }
    op->is_out = false;
    world->clients[op->client].out--;
    world->out[op->index] = world->out[--world->out_count];
    world->out[op->index]->index = op->index;
    if (op->request.op == COHERENCY_BARRIER)
        world_find_gate(world, op->client);
    if (!world->sim.is_calm)
        op_judge(op, error);
}

static void op_choose_kind(struct op *op)
{
    struct world *world = op->world;
    unsigned dice = (unsigned)world_random(world, 100);
    bool has_data = true;

    op->request.flags = 0;
    if (dice < 36) {
        op->request.op = COHERENCY_READ;
    } else if (dice < 74) {
        op->request.op = COHERENCY_WRITE;
        op->request.flags = dice < 46 ? COHERENCY_FUA : 0;
    } else if (dice < 80) {
        op->request.op = COHERENCY_ZERO;
        op->request.flags = (dice < 76 ? COHERENCY_FUA : 0) |
                            (dice % 2 ? COHERENCY_FAST : 0);
        world->report->zeroes++;
    } else if (dice < 91) {
        op->request.op = COHERENCY_FLUSH;
        has_data = dice < 83;
    } else if (dice < 96) {
        op->request.op = COHERENCY_BARRIER;
        has_data = dice < 94;
    } else {
        op->request.op = COHERENCY_DISCARD;
        op->request.flags = dice < 97 ? COHERENCY_FUA : 0;
    }
    if (!has_data)
        op->request.offset_bytes = op->request.length_bytes = 0;
}

/* Aligned, or not, or as its offset is. */
static void op_choose_memory(struct op *op)
{
    struct world *world = op->world;
    uint64_t congruent = op->request.offset_bytes %
                         world->sim.engine.info.memory_align;

    op->request.data = op->memory + (world_random(world, 2) ? congruent
                                     : sim_chance(&world->sim, 100) ? 64
                                                                    : 0);
}

/* Half of them whole blocks, most of them in a quarter of the disk. */
static void op_choose_place(struct op *op)
{
    struct world *world = op->world;
    uint64_t count = 1 + world_random(world, OP_CELLS);
    uint64_t room = world_random(world, 3) ? MODEL_CELLS / 4 : MODEL_CELLS;
    uint64_t first, per_block = sim_block_cells(&world->sim);

    if (world_random(world, 3) == 0)
        count = 1 + count % 3;
    first = world_random(world, room - count);
    if (world_random(world, 2)) {
        first -= first % per_block;
        count += (per_block - count % per_block) % per_block;
    }
    op->request.offset_bytes = cell_start(&world->sim, first);
    op->request.length_bytes =
        cell_start(&world->sim, first + count) - op->request.offset_bytes;
    op_choose_memory(op);
}

static enum model_mark op_mark(const struct op *op)
{
    return op->request.op == COHERENCY_DISCARD ? MARK_ANYTHING
           : op->request.op == COHERENCY_ZERO  ? MARK_ZEROS
                                               : MARK_NAME;
}

static void op_fill(struct op *op)
{
    struct world *world = op->world;
    uint64_t at = op->request.offset_bytes;

    for (unsigned c = cell_at(at); c < op_end(op); c++) {
        /* What a read leaves untouched must not look like an answer. */
        cell_fill(&world->sim, op->request.data, at, c,
                  op->request.op == COHERENCY_READ ? sim_garbage : op->name);
        if (!op_touches(op, c))
            continue;
        if (world->model.cells[c].count > PRUNE_AT)
            world_prune(world, c);
        model_accept(&world->model, c, op->name, op->client, op_mark(op));
    }
}

static struct op *world_take_op(struct world *world)
{
    struct op *op;

    do
        op = &world->ops[world->next_op++ % OP_COUNT];
    while (op->is_out);
    return op;
}

static void op_submit(struct op *op, unsigned client)
{
    struct world *world = op->world;

    op->client = client;
    op->name = ++world->now;
    op->is_out = true;
    op->index = world->out_count;
    op->request.done = op_done;
    op->request.owner = op;
    world->out[world->out_count++] = op;
    world->clients[client].out++;
    world->report->operations++;
    op->is_behind_end = op->request.offset_bytes + op->request.length_bytes >
                        world->sim.engine.info.size_bytes;
    op_fill(op);
    if (op->request.op == COHERENCY_ZERO)
        op->request.data = NULL;
    if (op->request.op == COHERENCY_BARRIER)
        world_find_gate(world, client);
    coherency_submit(world->clients[client].client, &op->request);
}

static void world_submit(struct world *world)
{
    unsigned client = (unsigned)world_random(world, MODEL_CLIENTS);
    struct world_client *owner = &world->clients[client];
    struct op *op;

    if (!owner->client || owner->out >= CLIENT_DEPTH)
        return;
    /* The caller is going to fail a FLUSH of this vbd: from here on its
     * writes are durable (C8). */
    if (sim_chance(&world->sim, 1)) {
        coherency_client_set_write_through(owner->client);
        owner->is_write_through = true;
    }
    op = world_take_op(world);
    op_choose_place(op);
    op_choose_kind(op);
    world->report->odd +=
        (op->request.offset_bytes | op->request.length_bytes) % 512 != 0;
    op_submit(op, client);
}

/* --- clients --- */

static void client_is_idle(void *context)
{
    struct world_client *client = context;

    client->is_closing = client->is_write_through = false;
}

static void world_open_client(struct world *world, unsigned c)
{
    if (coherency_client_open(world->disk, world->clients[c].kind, false,
                              &world->clients[c].client))
        abort();
}

static void world_close_client(struct world *world, unsigned c)
{
    struct world_client *client = &world->clients[c];
    struct coherency_client *gone = client->client;

    client->client = NULL;
    client->is_closing = true;
    coherency_client_close(gone, client_is_idle, client);
}

static void world_reopen(struct world *world)
{
    unsigned c = (unsigned)world_random(world, MODEL_CLIENTS);

    if (world->clients[c].client)
        world_close_client(world, c);
    else if (!world->clients[c].is_closing)
        world_open_client(world, c);
    world->report->reopened++;
}

/* --- the run --- */

static void world_tick(struct world *world, uint64_t span_us)
{
    world->sim.now_us += span_us;
    if (world->timer_at_us && world->timer_at_us <= world->sim.now_us) {
        world->timer_at_us = 0;
        coherency_timer(world->disk);
    }
}

/* Lets everything run out; what is left then waits for something that never
 * comes, unless it is held by fail-stop. */
static void world_drain(struct world *world)
{
    while (world->sim.pending_count || world->timer_at_us) {
        if (world->sim.pending_count)
            sim_engine_complete(&world->sim);
        else
            world_tick(world, world->timer_at_us - world->sim.now_us);
    }
    for (unsigned i = 0; i < world->out_count; i++) {
        const struct op *op = world->out[i];

        if (!world->fail_stopped_at || !op_is_flush(op) ||
            world->clients[op->client].kind != COHERENCY_CLIENT_RING)
            world_blame(world, "C4: a request waits for nothing");
        else
            world->report->held++;
    }
}

static void world_crash(struct world *world)
{
    uint64_t names[SIM_CELLS];

    sim_engine_crash(&world->sim, names);
    for (unsigned s = 0; s < MODEL_CELLS; s++)
        model_see(&world->model, s, names[s], UINT64_MAX, true);
    world->report->crashes_judged++;
}

/* The target has another size now: the disk follows where it has grown. */
static void world_resize(struct world *world)
{
    const struct engine_info *info = coherency_info(world->disk);
    uint64_t before = info->size_bytes, target = world_random_size(world);
    bool is_smaller = target < before;
    int error;

    world->sim.target_bytes = target;
    error = coherency_resize(world->disk);
    if (error != (is_smaller ? -EINVAL : 0) ||
        info->size_bytes != (is_smaller ? before : target))
        world_blame(world, "C14: a disk shrank, or did not grow");
    world->report->resizes++;
}

static void world_step(struct world *world)
{
    uint64_t dice = world_random(world, 100);

    world_tick(world, world_random(world, 300));
    if (dice < 46)
        world_submit(world);
    for (uint64_t n = world_random(world, 3); n > 0; n--)
        if (world->sim.pending_count &&
            (dice >= 46 || world->sim.pending_count > 64))
            sim_engine_complete(&world->sim);
    if (sim_chance(&world->sim, 25))
        world_crash(world);
    if (world_random(world, 4000) == 0)
        world_reopen(world);
    if (world_random(world, 2000) == 0)
        world_resize(world);
    if (world_random(world, 400) == 0)
        world_drain(world);
}

static void world_choose_engine(struct world *world)
{
    struct engine_info *info = &world->sim.engine.info;
    static const uint32_t most[] = {4096, 8192, 1 << 20};
    static const uint32_t aligns[] = {1, 512, 512, 4096};

    info->size_bytes = world_random_size(world);
    info->block_bytes =
        world->sim.is_odd || world_random(world, 2) ? 4096 : 512;
    info->physical_bytes = 4096;
    info->memory_align = aligns[world_random(world, 4)];
    info->max_bytes = most[world_random(world, 3)];
    info->discard_granularity_bytes = world_random(world, 2) ? 8192 : 0;
    info->discard_alignment_bytes = world_random(world, 2) ? 4096 : 0;
    info->can_fua = world_random(world, 2);
    info->can_discard = true;
    info->can_zero_fast = world_random(world, 2);
    info->flush_retry = world_random(world, 4) > 0;
}

/* splitmix64: neighbouring seeds must make different worlds. */
static uint64_t seed_mix(uint64_t seed)
{
    seed *= 0x9e3779b97f4a7c15u;
    seed = (seed ^ seed >> 30) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ seed >> 27) * 0x94d049bb133111ebu;
    return seed ^ seed >> 31;
}

static struct world *world_open(uint64_t seed, struct sim_report *report)
{
    struct world *world = calloc(1, sizeof(*world));
    struct coherency_config config = {.flush_retry_us = 1000 * 1000,
                                      .honest_flush_us = 100 * 1000};

    if (!world)
        abort();
    world->sim.random = seed_mix(seed) | 1;
    world->sim.is_odd = seed % 2;
    world->report = report;
    world_choose_engine(world);
    sim_engine_open(&world->sim);
    world->environment = (struct coherency_environment){
        world, environment_now_us, environment_set_timer, environment_fail_stop,
        environment_warn};
    for (unsigned c = 0; c < MODEL_CLIENTS; c++)
        world->model.clients[c].gate = UINT64_MAX;
    for (unsigned s = 0; s < MODEL_CELLS; s++) {
        /* What was there before: write 0. */
        world->model.cells[s].count = 1;
        world->model.cells[s].writes[0].fate = FATE_WRITTEN;
        world->model.cells[s].writes[0].is_durable = true;
    }
    for (unsigned i = 0; i < OP_COUNT; i++) {
        world->ops[i].world = world;
        world->ops[i].memory = aligned_alloc(4096, OP_BYTES);
    }
    if (coherency_open(&world->sim.engine, &config, &world->environment,
                       &world->disk))
        abort();
    for (unsigned c = 0; c < MODEL_CLIENTS; c++) {
        world->clients[c].kind = c == 2 || (c == 3 && world_random(world, 2))
                                     ? COHERENCY_CLIENT_HONEST
                                     : COHERENCY_CLIENT_RING;
        world_open_client(world, c);
    }
    return world;
}

static void world_close(struct world *world)
{
    struct coherency_stats stats;

    for (unsigned c = 0; c < MODEL_CLIENTS; c++)
        if (world->clients[c].client)
            world_close_client(world, c);
    while (world->sim.pending_count)
        sim_engine_complete(&world->sim);
    if (world->out_count)
        world_blame(world, "a request outlived its client");
    coherency_get_stats(world->disk, &stats);
    world->report->engine_flushes += stats.engine_flushes;
    world->report->flush_failures += stats.flush_failures;
    world->report->merged += stats.merged;
    world->report->waited += stats.waited;
    coherency_close(world->disk);
    for (unsigned i = 0; i < OP_COUNT; i++)
        free(world->ops[i].memory);
    free(world);
}

/* One in three worlds ends with flushes that never succeed again. */
static void world_run(struct world *world, uint64_t operations)
{
    uint64_t end = world->report->operations + operations;
    uint64_t sick = world_random(world, 3) == 0
                        ? end - world_random(world, operations / 4 + 1)
                        : UINT64_MAX;

    while (world->report->operations < end && !world->model.verdict[0]) {
        if (world->report->operations >= sick) {
            world->sim.sick_until_us = UINT64_MAX;
            world->sim.sick_errno = world_random(world, 2) ? EIO : ENOSPC;
            sick = UINT64_MAX;
        }
        /* In fail-stop rings fill with flushes that are held. */
        if (world->fail_stopped_at && world_random(world, 50) == 0)
            world_reopen(world);
        world_step(world);
    }
    if (!world->model.verdict[0])
        world_drain(world);
    memcpy(world->report->verdict, world->model.verdict,
           sizeof(world->report->verdict));
    world->sim.is_calm = true;
}

void sim_run(uint64_t seed, uint64_t operations, struct sim_report *report)
{
    uint64_t number = seed * 1000003;

    memset(report, 0, sizeof(*report));
    while (report->operations < operations && !report->verdict[0]) {
        uint64_t left = operations - report->operations;
        struct world *world = world_open(number++, report);

        world_run(world, left < WORLD_OPERATIONS ? left : WORLD_OPERATIONS);
        world_close(world);
    }
}
