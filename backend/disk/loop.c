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
#include "backend/disk/nbd/nbd.h"
#include "backend/disk/vbd.h"

enum {
    BUSY_DEPTH = 8,     /* in flight; below it latency matters more */
    BUSY_WAIT_US = 200, /* the most that an answer is held back */
    BUSY_ROUNDS = 16,   /* then look at the sockets once */
    SERVE_ROUNDS = 4,   /* rings are looked at so often before sleeping */
    REAP_BATCH = 256,
    MAX_PORTS = 64,
};

/* The list begins with *link from here on. */
static void begin_with(struct worker *worker, struct vbd **link)
{
    struct vbd *first = *link, **tail = link;

    if (first == worker->vbds)
        return;
    while (*tail)
        tail = &(*tail)->next;
    *tail = worker->vbds;
    *link = NULL;
    worker->vbds = first;
}

/* At the byte budget's limit each vbd has its turn: whoever gets nothing, for
 * want of budget, is the first next time, and until then nobody behind it
 * takes what it waits for. */
static unsigned take_all(struct worker *worker)
{
    unsigned taken = 0;

    for (struct vbd **link = &worker->vbds; *link; link = &(*link)->next) {
        unsigned nr = vbd_take(*link);

        taken += nr;
        if (nr == 0 && vbd_waits_for_budget(*link)) {
            begin_with(worker, link);
            break;
        }
    }
    return taken;
}

/* Asks every ring for an event at its next request; true when one has more
 * already. Nobody is asked while one waits for budget: answers free budget, and
 * after each answer there is another round. */
static bool rings_have_more(struct worker *worker)
{
    bool more = false;

    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next)
        if (vbd_waits_for_budget(vbd))
            return false;
    for (struct vbd *vbd = worker->vbds; vbd; vbd = vbd->next)
        if (vbd_is_served(vbd))
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
        bool has_more = take_all(worker) > 0;

        has_more |= nbd_server_serve(worker->nbd);
        worker->engine->ops->commit(worker->engine);
        unsigned now = worker->engine->ops->reap(worker->engine, REAP_BATCH);
        /* What the completions set in motion. */
        worker->engine->ops->commit(worker->engine);
        worker_answer(worker);
        reaped += now;
        worker->wants_more = has_more || now > 0;
        if (!worker->wants_more)
            break;
    }
    vbd_finish_disconnects(worker);
    vbd_continue_pauses(worker);
    worker_continue_hold(worker);
    worker_finish_detach(worker);
    return reaped;
}

static unsigned outstanding(const struct worker *worker)
{
    return worker->outstanding + nbd_server_outstanding(worker->nbd);
}

/* True when the round slept in the engine, so that epoll is not needed. */
static bool wait_for_batch(struct worker *worker, unsigned *rounds)
{
    unsigned in_flight = outstanding(worker);

    if (!worker->is_busy || in_flight < BUSY_DEPTH ||
        ++*rounds % BUSY_ROUNDS == 0)
        return false;
    worker->engine->ops->wait(worker->engine, in_flight / 2, BUSY_WAIT_US);
    nbd_server_look_again(worker->nbd);
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
        unsigned in_flight = outstanding(worker), reaped;
        bool waited = wait_for_batch(worker, &rounds);

        if (!waited)
            sleep_or_poll(worker);
        reaped = serve(worker);
        if (can_wait)
            worker->is_busy = waited ? reaped >= in_flight / 2 : reaped > 0;
    }
}
