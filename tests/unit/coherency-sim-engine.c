/* SPDX-License-Identifier: MIT
 * The simulated engine; see coherency-sim-engine.h. */
#include "tests/unit/coherency-sim-engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/engine-contract.h"

uint64_t sim_random(struct sim_engine *sim, uint64_t below)
{
    sim->random ^= sim->random << 13;
    sim->random ^= sim->random >> 7;
    sim->random ^= sim->random << 17;
    return (sim->random >> 11) % below;
}

bool sim_chance(struct sim_engine *sim, unsigned in_thousand)
{
    return sim_random(sim, 1000) < in_thousand;
}

uint64_t cell_start(const struct sim_engine *sim, uint64_t cell)
{
    uint64_t shift = cell % sim_block_cells(sim) * 211 % (CELL_BYTES - 31);

    return cell * CELL_BYTES + (sim->is_odd ? shift : 0);
}

void cell_fill(const struct sim_engine *sim, char *data, uint64_t data_bytes,
               uint64_t cell, uint64_t name)
{
    char *start = data + (cell_start(sim, cell) - data_bytes);
    char *end = data + (cell_start(sim, cell + 1) - data_bytes);
    uint64_t place = cell + 1;

    if (name == sim_zeros) {
        memset(start, 0, (size_t)(end - start));
        return;
    }
    memcpy(start, &name, 8);
    memcpy(start + 8, &place, 8);
    memcpy(end - 8, &name, 8);
}

uint64_t cell_name(const struct sim_engine *sim, const char *data,
                   uint64_t data_bytes, uint64_t cell)
{
    const char *start = data + (cell_start(sim, cell) - data_bytes);
    const char *end = data + (cell_start(sim, cell + 1) - data_bytes);
    uint64_t name, tail, place;

    memcpy(&name, start, 8);
    memcpy(&place, start + 8, 8);
    memcpy(&tail, end - 8, 8);
    if (!name && !place && !tail)
        return sim_zeros;
    return name == tail && place == cell + 1 ? name : sim_garbage;
}

unsigned sim_block_cells(const struct sim_engine *sim)
{
    return sim->engine.info.block_bytes / CELL_BYTES;
}

/* A cache may write back what it likes at any time: here when it is full. */
static struct sim_version *block_push(struct sim_engine *sim,
                                      struct sim_block *block)
{
    struct sim_version *version;

    if (block->count == SIM_VERSIONS) {
        block->count /= 2;
        memmove(block->versions, block->versions + block->count,
                block->count * sizeof(*version));
    }
    version = &block->versions[block->count];
    *version = block->versions[block->count - 1];
    version->serial = ++sim->serial;
    block->count++;
    return version;
}

static void block_harden(struct sim_block *block, uint64_t serial)
{
    unsigned k = block->count - 1;

    while (k > 0 && block->versions[k].serial > serial)
        k--;
    block->count -= k;
    memmove(block->versions, block->versions + k,
            block->count * sizeof(*block->versions));
}

static void engine_do_read(struct sim_engine *sim,
                           struct engine_request *request)
{
    unsigned per_block = sim_block_cells(sim);
    uint64_t at = request->offset_bytes, c = cell_at(at);

    for (; c < cell_at(at + request->length_bytes); c++) {
        struct sim_block *block = &sim->blocks[c / per_block];

        cell_fill(sim, request->data, at, c,
                  block->versions[block->count - 1].names[c % per_block]);
    }
}

static void engine_do_write(struct sim_engine *sim,
                            struct engine_request *request, int error)
{
    unsigned per_block = sim_block_cells(sim);
    uint64_t at = request->offset_bytes, c = cell_at(at);

    for (; c < cell_at(at + request->length_bytes); c += per_block) {
        struct sim_block *block = &sim->blocks[c / per_block];
        struct sim_version *version;

        if (error && sim_random(sim, 2))
            continue;
        version = block_push(sim, block);
        for (unsigned j = 0; j < per_block; j++)
            version->names[j] = cell_name(sim, request->data, at, c + j);
        if (!error && (request->flags & ENGINE_FUA))
            block_harden(block, sim->serial);
    }
}

/* What fails has zeroed some of the blocks. */
static void engine_do_zero(struct sim_engine *sim,
                           struct engine_request *request, int error)
{
    uint64_t block_bytes = sim->engine.info.block_bytes;
    uint64_t first = request->offset_bytes / block_bytes;

    for (uint64_t b = 0; b < request->length_bytes / block_bytes; b++) {
        struct sim_version *version;

        if (error && sim_random(sim, 2))
            continue;
        version = block_push(sim, &sim->blocks[first + b]);
        for (unsigned j = 0; j < sim_block_cells(sim); j++)
            version->names[j] = sim_zeros;
    }
}

static void engine_do_discard(struct sim_engine *sim,
                              struct engine_request *request)
{
    unsigned per_block = sim_block_cells(sim);
    uint64_t block_bytes = sim->engine.info.block_bytes;
    uint64_t first = request->offset_bytes / block_bytes;

    for (uint64_t b = 0; b < request->length_bytes / block_bytes; b++) {
        unsigned way = (unsigned)sim_random(sim, 3);
        struct sim_version *version = block_push(sim, &sim->blocks[first + b]);

        for (unsigned j = 0; way < 2 && j < per_block; j++)
            version->names[j] = way == 0 ? 0 : sim_garbage;
    }
}

static int engine_pick_error(struct sim_engine *sim,
                             const struct engine_request *request)
{
    if (sim->is_calm)
        return 0;
    if (request->op == ENGINE_FLUSH) {
        if (sim_chance(sim, 15) && sim->engine.info.flush_retry &&
            sim->now_us >= sim->sick_until_us) {
            sim->sick_until_us = sim->now_us + sim_random(sim, 300 * 1000);
            sim->sick_errno = EIO;
        }
        return sim->now_us < sim->sick_until_us ? -sim->sick_errno : 0;
    }
    if (request->flags & ENGINE_FAST && sim_random(sim, 2))
        return -EOPNOTSUPP;
    return sim_chance(sim, 4) ? -EIO : 0;
}

void sim_engine_complete(struct sim_engine *sim)
{
    unsigned i = (unsigned)sim_random(sim, sim->pending_count);
    struct engine_request *request = sim->pending[i];
    int error = engine_pick_error(sim, request);

    sim->pending[i] = sim->pending[--sim->pending_count];
    switch (request->op) {
    case ENGINE_READ:
        if (!error)
            engine_do_read(sim, request);
        break;
    case ENGINE_WRITE:
        engine_do_write(sim, request, error);
        break;
    case ENGINE_ZERO:
        engine_do_zero(sim, request, error);
        break;
    case ENGINE_DISCARD:
        engine_do_discard(sim, request);
        break;
    case ENGINE_FLUSH:
        for (unsigned b = 0; !error && b < SIM_CELLS; b++)
            if (sim->blocks[b].count)
                block_harden(&sim->blocks[b], sim->flush_serial);
        break;
    }
    request->done(request, error);
}

static void sim_engine_submit(struct engine *engine,
                              struct engine_request *request)
{
    struct sim_engine *sim = (struct sim_engine *)(void *)engine;

    if (request->op == ENGINE_FLUSH)
        sim->flush_serial = sim->serial;
    if (sim->pending_count == SIM_PENDING ||
        !engine_contract_is_kept(&engine->info, request))
        abort();
    sim->pending[sim->pending_count++] = request;
}

static int sim_engine_resize(struct engine *engine)
{
    struct sim_engine *sim = (struct sim_engine *)(void *)engine;

    if (sim->target_bytes < engine->info.size_bytes)
        return -EINVAL;
    engine->info.size_bytes = sim->target_bytes;
    return 0;
}

void sim_engine_open(struct sim_engine *sim)
{
    static const struct engine_ops ops = {.name = "sim",
                                          .submit = sim_engine_submit,
                                          .resize = sim_engine_resize};

    sim->engine.ops = &ops;
    for (unsigned b = 0; b < SIM_CELLS / sim_block_cells(sim); b++)
        sim->blocks[b].count = 1;
}

/* Of a write or ZERO under way any blocks may have arrived. */
static void crash_add_write(struct sim_engine *sim,
                            const struct engine_request *request,
                            uint64_t *names)
{
    unsigned per_block = sim_block_cells(sim);
    uint64_t at = request->offset_bytes, c = cell_at(at);

    for (; c < cell_at(at + request->length_bytes); c += per_block) {
        if (sim_random(sim, 2))
            continue;
        for (uint64_t i = c; i < c + per_block; i++)
            names[i] = request->data ? cell_name(sim, request->data, at, i)
                                     : sim_zeros;
    }
}

void sim_engine_crash(struct sim_engine *sim, uint64_t names[SIM_CELLS])
{
    unsigned per_block = sim_block_cells(sim);

    for (unsigned b = 0; b < SIM_CELLS / per_block; b++) {
        struct sim_block *block = &sim->blocks[b];
        uint64_t k = sim_random(sim, 2) ? 0 : sim_random(sim, block->count);

        memcpy(names + b * per_block, block->versions[k].names,
               per_block * sizeof(*names));
    }
    for (unsigned p = 0; p < sim->pending_count; p++)
        if (sim->pending[p]->op == ENGINE_WRITE ||
            sim->pending[p]->op == ENGINE_ZERO)
            crash_add_write(sim, sim->pending[p], names);
}
