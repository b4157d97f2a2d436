/* SPDX-License-Identifier: MIT
 * The worker's loop. Each round serves every ring, hands the engine one batch,
 * reaps, and answers; then it sleeps in epoll, or, while many requests are in
 * flight, in the engine until about half of them are done.
 *
 * The latter is what keeps system calls per request low: a fast disk completes
 * requests one by one, and a wake-up, a submit and a notify for each would be
 * three system calls a request. Waiting for half of what is in flight makes it
 * about three for every 16 at queue depth 32, for a delay of at most
 * BUSY_WAIT_US. Where a wait ran into that limit the disk is slow, epoll costs
 * nothing, and the next wait is tried only after completions came quickly. */
#include "backend/disk/vbd.h"

enum {
    BUSY_DEPTH = 8,     /* in flight; below it latency matters more */
    BUSY_WAIT_US = 200, /* the most that an answer is held back */
    BUSY_ROUNDS = 16,   /* then look at the sockets once */
    SERVE_ROUNDS = 4,   /* rings are looked at so often before sleeping */
    REAP_BATCH = 256,
    MAX_PORTS = 64,
};

/* Whoever was first becomes last, so that at the byte budget's limit each vbd
 * has its turn. */
static void rotate_vbds(struct worker *worker)
{
    struct vbd *first = worker->vbds, **tail = &worker->vbds;

    if (!first || !first->next)
        return;
    worker->vbds = first->next;
    first->next = NULL;
    while (*tail)
        tail = &(*tail)->next;
    *tail = first;
}

static unsigned take_all(struct worker *worker)
{
    unsigned taken = 0;

    rotate_vbds(worker);
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next)
        for (unsigned i = 0; i < vbd->nr_queues; i++)
            taken += queue_take(&vbd->queues[i]);
    return taken;
}

/* Asks every ring for an event at its next request; true when one has more
 * already. A ring that waits for budget is not asked: answers free budget, and
 * after each answer there is another round. */
static bool rings_have_more(struct worker *worker)
{
    bool more = false;

    if (worker_affordable(worker) == 0)
        return false;
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next)
        if (!vbd->is_broken && !vbd->is_closing)
            for (unsigned i = 0; i < vbd->nr_queues; i++)
                more |= back_ring_final_check(&vbd->queues[i].ring);
    return more;
}

static void take_events(struct worker *worker)
{
    uint32_t ports[MAX_PORTS];
    int nr = platform_event_take(worker->platform, ports, MAX_PORTS);

    worker->events_fired = false;
    if (nr > 0)
        worker->stats.events_taken += (unsigned)nr;
}

/* One round: everything that can be done without sleeping, within bounds.
 * Returns how many requests were completed. */
static unsigned serve(struct worker *worker)
{
    unsigned reaped = 0;

    if (worker->events_fired)
        take_events(worker);
    worker->wants_more = false;
    for (unsigned round = 0; round < SERVE_ROUNDS; round++) {
        unsigned taken = take_all(worker);

        worker->engine->ops->commit(worker->engine);
        unsigned now = worker->engine->ops->reap(worker->engine, REAP_BATCH);
        /* What the completions set in motion. */
        worker->engine->ops->commit(worker->engine);
        worker_answer(worker);
        reaped += now;
        worker->wants_more = taken || now;
        if (!taken && !now)
            break;
    }
    vbd_finish_disconnects(worker);
    worker_finish_detach(worker);
    return reaped;
}

/* True when the round slept in the engine, so that epoll is not needed. */
static bool wait_for_batch(struct worker *worker, unsigned *rounds)
{
    if (!worker->is_busy || worker->outstanding < BUSY_DEPTH ||
        ++*rounds % BUSY_ROUNDS == 0)
        return false;
    worker->engine->ops->wait(worker->engine, worker->outstanding / 2,
                              BUSY_WAIT_US);
    return true;
}

static void sleep_or_poll(struct worker *worker)
{
    bool may_sleep = !worker->wants_more && !rings_have_more(worker);

    worker->stats.system_calls++;
    worker->stats.wakeups += may_sleep;
    ev_run(worker->loop, may_sleep ? EVRUN_ONCE : EVRUN_NOWAIT);
}

void worker_run(struct worker *worker)
{
    bool can_wait = worker->engine->ops->wait != NULL;
    unsigned rounds = 0;

    while (!worker->is_finished) {
        unsigned in_flight = worker->outstanding, reaped;
        bool waited = wait_for_batch(worker, &rounds);

        if (!waited)
            sleep_or_poll(worker);
        reaped = serve(worker);
        if (can_wait)
            worker->is_busy = waited ? reaped >= in_flight / 2 : reaped > 0;
    }
}
