/* SPDX-License-Identifier: MIT
 * What the stackable engines have in common. Each level sends a request of
 * its own down, so that the one that came in stays untouched: its next and
 * engine_private belong to this level (struct stack_request) until it calls
 * done(), and every level has its own place. The requests sent down come from
 * a free list that only grows to what was in flight at once. */
#ifndef VBDD_ENGINE_STACK_H
#define VBDD_ENGINE_STACK_H

#include "backend/engine/private.h"

struct stack_item;

/* Every stackable engine starts with this. */
struct stack {
    struct engine engine;
    /* request, which was forwarded, has come back; called within reap(). */
    void (*come_back)(struct stack *stack, struct engine_request *request,
                      int error);
    struct engine_list finished; /* here, never sent down */
    struct stack_item *items;    /* all of them */
    struct engine_list free;     /* their requests */
};

/* In the engine_private of a request that came in. */
struct stack_request {
    int error;
    uint64_t mark; /* the level's own: a sequence number, a time */
};

static inline struct stack_request *stack_of(struct engine_request *request)
{
    return (struct stack_request *)request->engine_private;
}

/* stack is the start of an engine allocated with calloc(); next is owned. */
void stack_init(struct stack *stack, const struct engine_ops *ops,
                struct engine *next,
                void (*come_back)(struct stack *stack,
                                  struct engine_request *request, int error));
/* Closes next, frees what is here and the engine itself. */
void stack_free(struct stack *stack);

/* Sends request down. Without memory it is finished with -ENOMEM. */
void stack_forward(struct stack *stack, struct engine_request *request);
/* reap() will answer request with error. */
void stack_finish(struct stack *stack, struct engine_request *request,
                  int error);

/* The operations of a level that changes nothing. */
void stack_submit(struct engine *engine, struct engine_request *request);
void stack_commit(struct engine *engine);
unsigned stack_reap(struct engine *engine, unsigned max);
void stack_wait(struct engine *engine, unsigned least, unsigned timeout_us);
int stack_poll_fd(struct engine *engine);
int stack_resize(struct engine *engine);
int stack_extent(struct engine *engine, uint64_t offset_bytes,
                 uint64_t *length_bytes, bool *is_hole);

#endif
