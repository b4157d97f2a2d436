/* SPDX-License-Identifier: MIT
 * THE MODEL: what a disk may show. It knows nothing of how the layer works.
 * Time is one counter that ticks at each event. A write is named by the time
 * it was accepted at, and that name is what it leaves in each of its cells: the
 * bytes that requests begin and end at, which may be sectors.
 * For each cell the model keeps the writes it was given, oldest first.
 * (A ZERO leaves no name: any of them may have left the zeros that are seen.)
 * It judges two kinds of sightings: what a read returned (C3, C4), and what a
 * crash at this moment would leave (C5-C8). */
#ifndef VBDD_TESTS_COHERENCY_MODEL_H
#define VBDD_TESTS_COHERENCY_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { MODEL_CELLS = 256, MODEL_CLIENTS = 4, MODEL_DEPTH = 512 };

enum model_fate {
    FATE_OPEN,     /* unanswered: old or new */
    FATE_WRITTEN,  /* answered OK: new */
    FATE_FAILED,   /* answered with an error: old or new */
    FATE_SEEN,     /* failed or unanswered, but a read has returned it: new */
    FATE_VANISHED, /* the same, but a read has returned an older one: old */
};

static const uint64_t model_zeros = UINT64_MAX - 2; /* what a ZERO leaves */

enum model_mark {
    MARK_NAME,
    MARK_ZEROS,
    MARK_ANYTHING, /* DISCARD (C10) */
};

struct model_write {
    uint64_t name, answered_at;
    unsigned client;
    enum model_fate fate;
    enum model_mark mark; /* what it leaves */
    bool is_durable; /* once written, by itself: FUA, BARRIER (C6-C8) */
};

struct model {
    uint64_t flushed; /* writes answered before this are durable (C5) */
    struct {
        uint64_t barrier; /* its writes accepted before this are, too (C6) */
        uint64_t gate;    /* its oldest unanswered BARRIER, or UINT64_MAX */
    } clients[MODEL_CLIENTS];
    struct {
        unsigned count;
        struct model_write writes[MODEL_DEPTH];
    } cells[MODEL_CELLS];
    char verdict[160]; /* the first broken promise, or "" */
};

static inline void model_blame(struct model *model, const char *promise,
                               unsigned cell, uint64_t got, uint64_t want)
{
    if (!model->verdict[0])
        snprintf(model->verdict, sizeof(model->verdict),
                 "%s (cell %u: %llu, not %llu)", promise, cell,
                 (unsigned long long)got, (unsigned long long)want);
}

static inline bool model_is_durable(const struct model *model,
                                    const struct model_write *write)
{
    return write->fate == FATE_WRITTEN &&
           (write->is_durable || write->answered_at < model->flushed ||
            write->name < model->clients[write->client].barrier);
}

static inline void model_accept(struct model *model, unsigned s, uint64_t name,
                                unsigned client, enum model_mark mark)
{
    struct model_write write = {.name = name, .client = client,
                                .mark = mark};

    if (model->cells[s].count == MODEL_DEPTH)
        model_blame(model, "the model is full", s, name, 0);
    else
        model->cells[s].writes[model->cells[s].count++] = write;
}

static inline void model_answer(struct model *model, unsigned s, uint64_t name,
                                int error, bool is_durable, uint64_t now)
{
    for (unsigned k = model->cells[s].count; k-- > 0;) {
        struct model_write *write = &model->cells[s].writes[k];

        if (write->name != name)
            continue;
        if (!error && write->fate == FATE_VANISHED)
            model_blame(model, "C3: a read missed a write", s, 0, name);
        if (!error)
            write->fate = FATE_WRITTEN;
        else if (write->fate == FATE_OPEN)
            write->fate = FATE_FAILED;
        write->is_durable |= is_durable;
        write->answered_at = now;
    }
}

/* C8: a FLUSH or BARRIER of this client has been answered with a failure: all
 * that the client had been told is written must be durable. */
static inline void model_secure(struct model *model, unsigned client)
{
    for (unsigned s = 0; s < MODEL_CELLS; s++)
        for (unsigned k = 0; k < model->cells[s].count; k++)
            if (model->cells[s].writes[k].client == client)
                model->cells[s].writes[k].is_durable = true;
}

static inline bool model_shows(const struct model_write *write, uint64_t value)
{
    return value == (write->mark == MARK_ZEROS ? model_zeros : write->name);
}

/* A cell shows `value`: to a read accepted at `before`, or to who comes
 * after a crash now (before is UINT64_MAX). A read must show the newest write
 * accepted before it (C3, C4), a crash the newest durable one or one accepted
 * after that; those that failed or are open may show or not. */
static inline void model_see(struct model *model, unsigned s, uint64_t value,
                             uint64_t before, bool is_crash)
{
    const char *lost = is_crash ? "C5-C8: lost in a crash" : "C3, C4: a read";

    for (unsigned k = model->cells[s].count; k-- > 0;) {
        struct model_write *write = &model->cells[s].writes[k];
        uint64_t gate = model->clients[write->client].gate;

        if (write->fate == FATE_VANISHED && write->mark == MARK_NAME &&
            model_shows(write, value))
            model_blame(model, "C3: gone in a read, and back", s, value, 0);
        if (write->name >= before || write->fate == FATE_VANISHED)
            continue;
        if (write->mark == MARK_ANYTHING)
            return;
        if (model_shows(write, value)) {
            if (write->mark == MARK_ZEROS) /* its own, or an older one's */
                return;
            if (!is_crash && write->fate != FATE_WRITTEN)
                write->fate = FATE_SEEN;
            if (write->name > gate) /* cannot have begun */
                model_blame(model, "C6: passed a barrier", s, value, gate);
            return;
        }
        if (is_crash ? model_is_durable(model, write)
                     : write->fate == FATE_WRITTEN ||
                           write->fate == FATE_SEEN) {
            model_blame(model, lost, s, value, write->name);
            return;
        }
        if (!is_crash)
            write->fate = FATE_VANISHED;
    }
    model_blame(model, "C3: nobody has written this", s, value, 0);
}

#endif
