/* SPDX-License-Identifier: MIT
 * A level that hands everything on: the base of error, delay, log and cache. */
#include "backend/engine/stack.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct stack_item {
    struct engine_request below;  /* first: done() gets back to the item */
    struct engine_request *above; /* what it stands for */
    struct stack *stack;
    struct stack_item *next_item;
};

void stack_init(struct stack *stack, const struct engine_ops *ops,
                struct engine *next,
                void (*come_back)(struct stack *stack,
                                  struct engine_request *request, int error))
{
    stack->engine.ops = ops;
    stack->engine.next = next;
    stack->engine.info = next->info;
    stack->come_back = come_back;
}

void stack_free(struct stack *stack)
{
    struct stack_item *item = stack->items;

    assert(!stack->finished.first);
    engine_close(stack->engine.next);
    while (item) {
        struct stack_item *next_item = item->next_item;

        free(item);
        item = next_item;
    }
    free(stack);
}

static struct stack_item *get_item(struct stack *stack)
{
    struct stack_item *item =
        (struct stack_item *)engine_list_take(&stack->free);

    if (item)
        return item;
    item = calloc(1, sizeof *item);
    if (!item)
        return NULL;
    item->stack = stack;
    item->next_item = stack->items;
    stack->items = item;
    return item;
}

/* The item is free before the level hears of it: it may submit again. */
static void below_done(struct engine_request *below, int error)
{
    struct stack_item *item = (struct stack_item *)below;

    engine_list_append(&item->stack->free, below);
    item->stack->come_back(item->stack, item->above, error);
}

void stack_forward(struct stack *stack, struct engine_request *request)
{
    struct stack_item *item = get_item(stack);

    if (!item) {
        stack_finish(stack, request, -ENOMEM);
        return;
    }
    item->above = request;
    item->below.op = request->op;
    item->below.flags = request->flags;
    item->below.offset_bytes = request->offset_bytes;
    item->below.length_bytes = request->length_bytes;
    item->below.data = request->data;
    item->below.done = below_done;
    engine_submit(stack->engine.next, &item->below);
}

void stack_finish(struct stack *stack, struct engine_request *request,
                  int error)
{
    stack_of(request)->error = error;
    engine_list_append(&stack->finished, request);
}

void stack_submit(struct engine *engine, struct engine_request *request)
{
    stack_forward((struct stack *)engine, request);
}

void stack_commit(struct engine *engine)
{
    engine->next->ops->commit(engine->next);
}

unsigned stack_reap(struct engine *engine, unsigned max)
{
    struct stack *stack = (struct stack *)engine;
    struct engine_request *request;
    unsigned count = 0;

    while (count < max && (request = engine_list_take(&stack->finished))) {
        stack->come_back(stack, request, stack_of(request)->error);
        count++;
    }
    if (count < max)
        count += engine->next->ops->reap(engine->next, max - count);
    return count;
}

void stack_wait(struct engine *engine, unsigned least, unsigned timeout_us)
{
    if (!((struct stack *)engine)->finished.first && engine->next->ops->wait)
        engine->next->ops->wait(engine->next, least, timeout_us);
}

int stack_poll_fd(struct engine *engine)
{
    return engine->next->ops->poll_fd(engine->next);
}

int stack_resize(struct engine *engine)
{
    int error = engine_resize(engine->next);

    engine->info.size_bytes = engine->next->info.size_bytes;
    return error;
}

int stack_extent(struct engine *engine, uint64_t offset_bytes,
                 uint64_t *length_bytes, bool *is_hole)
{
    return engine_extent(engine->next, offset_bytes, length_bytes, is_hole);
}
