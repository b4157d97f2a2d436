/* SPDX-License-Identifier: MIT
 * Claim: whoever publishes and whoever goes to sleep cannot miss each other,
 * whatever the interleaving and with a processor's store buffers (ring.h: "back
 * sees new requests /before/ we check req_event"). Mechanism: a model checker.
 * Every access of ring.c to an index comes here; a producer and a consumer, the
 * real functions, are run in all interleavings of these accesses over x86-TSO
 * memory (each actor's stores wait in a queue of its own until drained, by the
 * scheduler at any time, or by a sequentially consistent store at once). An end
 * at which somebody waits for ever is a lost wake-up. To show that it would be
 * found, two broken variants are run as well.
 *
 * An actor is replayed from its start for each step: what it loaded is logged,
 * so that a world is a plain value that can be copied. */
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "tests/unit/tap.h"

enum { PRODUCER, CONSUMER, ACTORS };
enum { EVENT = 4, WORDS = 5 }; /* after the four indices */
enum { MAX_STEPS = 60, MAX_QUEUE = 8, MAX_WORLDS = 1u << 21 };

struct actor {
    uint32_t log[MAX_STEPS]; /* what each step loaded */
    uint32_t steps;
    uint32_t queue_words[MAX_QUEUE], queue_values[MAX_QUEUE], queued;
    uint32_t is_done, waits; /* waits: its next step is to wait for EVENT */
};

struct world {
    uint32_t memory[WORDS];
    struct actor actors[ACTORS];
};

static union {
    uint8_t bytes[BLKIF_PAGE_BYTES];
    uint64_t align;
} page; /* only its address is used */

/* The scenario. */
static unsigned nr_messages;
static bool is_response, has_final_check, has_barriers;

/* The step that is being run. */
static struct world *world;
static struct actor *actor;
static uint32_t position;
static bool has_stepped;
static jmp_buf step_over;

/* --- memory --------------------------------------------------------------- */

static void drain_one(struct world *in, struct actor *of)
{
    in->memory[of->queue_words[0]] = of->queue_values[0];
    of->queued--;
    for (uint32_t i = 0; i < of->queued; i++) {
        of->queue_words[i] = of->queue_words[i + 1];
        of->queue_values[i] = of->queue_values[i + 1];
    }
    of->queue_words[of->queued] = of->queue_values[of->queued] = 0;
}

static uint32_t load(uint32_t word)
{
    for (uint32_t i = actor->queued; i-- > 0;)
        if (actor->queue_words[i] == word)
            return actor->queue_values[i];
    return world->memory[word];
}

static void store(uint32_t word, uint32_t value, int order)
{
    REQUIRE(actor->queued < MAX_QUEUE);
    actor->queue_words[actor->queued] = word;
    actor->queue_values[actor->queued++] = value;
    while (order == __ATOMIC_SEQ_CST && actor->queued)
        drain_one(world, actor);
}

/* --- steps ---------------------------------------------------------------- */

/* True when the step is to be done now; false when it is replayed (its value
 * is *logged). Does not return when this run has had its step. */
static bool is_new_step(uint32_t **logged, bool waits)
{
    if (position == actor->steps && has_stepped) {
        actor->waits = waits;
        longjmp(step_over, 1);
    }
    REQUIRE(position < MAX_STEPS);
    *logged = &actor->log[position++];
    if (position <= actor->steps)
        return false;
    actor->steps++;
    has_stepped = true;
    return true;
}

/* An index, or a slot: what is in those is not this test's business. */
static bool is_index(const volatile uint32_t *word, uint32_t *index)
{
    *index = (uint32_t)(word - (const volatile uint32_t *)&page);
    return *index < EVENT;
}

uint32_t ring_test_load(const volatile uint32_t *word, int order);
uint32_t ring_test_load(const volatile uint32_t *word, int order)
{
    uint32_t index, *logged;

    (void)order;
    if (!is_index(word, &index))
        return 0;
    if (is_new_step(&logged, false))
        *logged = load(index);
    return *logged;
}

void ring_test_store(volatile uint32_t *word, uint32_t value, int order);
void ring_test_store(volatile uint32_t *word, uint32_t value, int order)
{
    uint32_t index, *logged;

    if (is_index(word, &index) && is_new_step(&logged, false))
        store(index, value, has_barriers ? order : __ATOMIC_RELEASE);
}

/* A hypercall: it orders, and may find the event pending already. */
static void notify(void)
{
    uint32_t *logged;

    if (is_new_step(&logged, false))
        store(EVENT, 1, __ATOMIC_SEQ_CST);
}

static void wait_event(void)
{
    uint32_t *logged;

    if (is_new_step(&logged, true))
        store(EVENT, 0, __ATOMIC_SEQ_CST);
}

/* --- the actors ----------------------------------------------------------- */

static void produce(void)
{
    struct front_ring front = { .shared = &page, .slots = 32 };
    struct back_ring back = { .shared = &page, .slots = 32 };
    struct blkif_wire_request request = { .id = 0 };

    for (unsigned i = 0; i < nr_messages; i++) {
        bool is_asked;

        if (is_response) {
            back_ring_put(&back, 0, 0, 0);
            is_asked = back_ring_push(&back);
        } else {
            front_ring_put(&front, &request);
            is_asked = front_ring_push(&front);
        }
        if (is_asked)
            notify();
    }
}

static void consume(void)
{
    struct front_ring front = { .shared = &page, .slots = 32,
                                .req_prod = nr_messages };
    struct back_ring back = { .shared = &page, .slots = 32 };
    struct blkif_wire_request requests[4];
    struct blkif_wire_response responses[4];
    unsigned taken = 0;

    for (;;) {
        int nr = is_response ? front_ring_take(&front, responses, 4)
                             : back_ring_take(&back, requests, 4);
        bool is_more = false;

        REQUIRE(nr >= 0);
        taken += (unsigned)nr;
        if (taken == nr_messages)
            return;
        if (has_final_check)
            is_more = is_response ? front_ring_final_check(&front)
                                  : back_ring_final_check(&back);
        else if (nr > 0)
            is_more = true;
        if (!is_more)
            wait_event();
    }
}

static void run_step(struct world *in, int who)
{
    world = in;
    actor = &in->actors[who];
    position = 0;
    has_stepped = false;
    if (setjmp(step_over) == 0) {
        if (who == PRODUCER)
            produce();
        else
            consume();
        actor->is_done = 1;
    }
}

/* --- all interleavings ---------------------------------------------------- */

static uint64_t *visited; /* hashes of worlds; 2^-40 or so to err */
static unsigned long nr_worlds, nr_ends, nr_lost;

static bool is_known(const struct world *of)
{
    const uint32_t *words = (const uint32_t *)of;
    uint64_t hash = 14695981039346656037u;
    size_t at;

    for (size_t i = 0; i < sizeof(*of) / sizeof(*words); i++) {
        hash = (hash ^ words[i]) * 1099511628211u;
        hash ^= hash >> 29;
    }
    hash |= 1;
    for (at = hash >> 40 & (MAX_WORLDS - 1); visited[at];
         at = (at + 1) & (MAX_WORLDS - 1))
        if (visited[at] == hash)
            return true;
    REQUIRE(nr_worlds < MAX_WORLDS / 2);
    visited[at] = hash;
    nr_worlds++;
    return false;
}

static void explore(const struct world *from)
{
    bool is_end = true;

    if (is_known(from))
        return;
    for (int who = 0; who < ACTORS; who++) {
        const struct actor *of = &from->actors[who];
        struct world next = *from;

        if (!of->is_done && !(of->waits && !from->memory[EVENT])) {
            is_end = false;
            run_step(&next, who);
            explore(&next);
        }
        if (of->queued) {
            is_end = false;
            next = *from;
            drain_one(&next, &next.actors[who]);
            explore(&next);
        }
    }
    if (is_end) {
        nr_ends++;
        nr_lost += !from->actors[PRODUCER].is_done ||
                   !from->actors[CONSUMER].is_done;
    }
}

/* Returns the number of lost wake-ups. first_event: what the consumer asked
 * for before; 1: the next message. */
static unsigned long count_lost(bool response, uint32_t first_event,
                                bool final_check, bool barriers)
{
    struct world start = { .memory = { 0, first_event, 0, first_event } };

    nr_messages = tap_scaled(100) < 100 ? 2 : 4;
    is_response = response;
    has_final_check = final_check;
    has_barriers = barriers;
    nr_worlds = nr_ends = nr_lost = 0;
    visited = calloc(MAX_WORLDS, sizeof(*visited));
    REQUIRE(visited != NULL);
    explore(&start);
    free(visited);
    NOTE("%lu worlds, %lu ends, %lu lost", nr_worlds, nr_ends, nr_lost);
    CHECK(nr_ends > 0);
    return nr_lost;
}

static void check_requests(void)
{
    for (uint32_t event = 0; event <= 2; event++)
        CHECK_EQ(count_lost(false, event, true, true), 0);
}

static void check_responses(void)
{
    for (uint32_t event = 0; event <= 2; event++)
        CHECK_EQ(count_lost(true, event, true, true), 0);
}

static void check_no_final_check(void)
{
    CHECK(count_lost(false, 1, false, true) > 0);
    CHECK(count_lost(true, 1, false, true) > 0);
}

static void check_no_barriers(void)
{
    CHECK(count_lost(false, 1, true, false) > 0);
    CHECK(count_lost(true, 1, true, false) > 0);
}

int main(void)
{
    TEST("no interleaving loses a request's wake-up", check_requests);
    TEST("no interleaving loses a response's wake-up", check_responses);
    TEST("the model finds what sleeping without the final check loses",
         check_no_final_check);
    TEST("the model finds what missing barriers lose", check_no_barriers);
    return tap_done();
}
