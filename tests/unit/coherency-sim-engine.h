/* SPDX-License-Identifier: MIT
 * A simulated engine with a volatile cache: completes in any order, fails now
 * and then, and can be asked what a crash at this moment would leave. It
 * remembers of each block every version since the last durable one; after a
 * crash a block holds any of its versions, or what a write that is still
 * under way brings. */
#ifndef VBDD_TESTS_COHERENCY_SIM_ENGINE_H
#define VBDD_TESTS_COHERENCY_SIM_ENGINE_H

#include "backend/engine/engine.h"

enum {
    CELL_BYTES = 512,
    SIM_CELLS = 256,
    SIM_BLOCK_CELLS_MOST = 8,
    SIM_VERSIONS = 32,
    SIM_PENDING = 512,
};
static const uint64_t sim_garbage = UINT64_MAX - 1;
static const uint64_t sim_zeros = UINT64_MAX - 2;

struct sim_version {
    uint64_t serial; /* when it was completed */
    uint64_t names[SIM_BLOCK_CELLS_MOST];
};

struct sim_block {
    unsigned count; /* versions[0] is durable, the last is what reads see */
    struct sim_version versions[SIM_VERSIONS];
};

struct sim_engine {
    struct engine engine; /* first: engine_submit() gets this */
    uint64_t random, serial, flush_serial;
    uint64_t now_us, sick_until_us; /* flushes fail until then */
    int sick_errno;
    bool is_calm; /* nothing fails any more */
    bool is_odd;  /* cells begin anywhere in their block */
    uint64_t target_bytes; /* what engine_resize() finds */
    unsigned pending_count;
    struct engine_request *pending[SIM_PENDING];
    struct sim_block blocks[SIM_CELLS];
};

/* info is filled in; every cell holds name 0. */
void sim_engine_open(struct sim_engine *sim);
/* Ends one of the pending requests, whichever. */
void sim_engine_complete(struct sim_engine *sim);
void sim_engine_crash(struct sim_engine *sim, uint64_t names[SIM_CELLS]);
unsigned sim_block_cells(const struct sim_engine *sim);

uint64_t sim_random(struct sim_engine *sim, uint64_t below);
bool sim_chance(struct sim_engine *sim, unsigned in_thousand);

/* Cells are what requests begin and end at: sectors, or in an odd world 32 to
 * 992 bytes, as many to a block. Where one begins on the disk, in bytes: */
uint64_t cell_start(const struct sim_engine *sim, uint64_t cell);
/* Whose bytes these are; `offset_bytes` is where a cell begins. */
static inline unsigned cell_at(uint64_t offset_bytes)
{
    return (unsigned)(offset_bytes / CELL_BYTES);
}
/* What is in a cell: the name of the write, where it belongs (from 1, so that
 * no write leaves zeros), the name; or all zeros (sim_zeros). data is what the
 * disk holds from data_bytes on. */
void cell_fill(const struct sim_engine *sim, char *data, uint64_t data_bytes,
               uint64_t cell, uint64_t name);
/* Its name; sim_garbage if that is not what is in it. */
uint64_t cell_name(const struct sim_engine *sim, const char *data,
                   uint64_t data_bytes, uint64_t cell);

#endif
