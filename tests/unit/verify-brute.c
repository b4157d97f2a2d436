/* SPDX-License-Identifier: MIT
 * Claim: the checker says of a history that it cannot be if and only if no
 * order of its operations explains it, and of a crash image likewise.
 * Source: C3, C5, C6, C7 of docs/COHERENCY.md.
 * Mechanism: random histories of one sector, of up to ten operations on three
 * paths, most of them with reads that return anything. Each is judged once
 * more by trying every order of its operations, with and without those that
 * failed or were not answered; of each order, what a crash may leave is the
 * value of its last durable write, or of any after that. */
#include "tests/unit/verify-rig.h"

enum { MOST = 10, VALUES = MOST + 1 };

static uint64_t randomness;

static unsigned any_below(unsigned end)
{
    randomness = randomness * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(randomness >> 33) % end;
}

/* --- a random history ----------------------------------------------------- */

/* A write is named by its place; the start by MOST. */
struct event {
    unsigned index;
    bool is_answer;
};

static struct {
    enum operation_kind kind;
    unsigned path;
    enum outcome outcome;
    unsigned found; /* READ */
    bool happens;   /* a write: it has an effect */
    bool has_happened;
    uint64_t invoked, answered;
} ops[MOST];
static unsigned nr_ops;
static struct event events[2 * MOST];
static unsigned nr_events;
static unsigned content; /* of the simulated sector */

static bool changes(unsigned i)
{
    return ops[i].kind != OPERATION_READ && ops[i].kind != OPERATION_FLUSH;
}

static void put_event(unsigned index, bool is_answer)
{
    events[nr_events++] = (struct event){ index, is_answer };
    if (is_answer)
        ops[index].answered = nr_events;
    else
        ops[index].invoked = nr_events;
}

/* As a disk would do it, between invocation and answer. */
static void happen(unsigned i)
{
    if (ops[i].has_happened)
        return;
    ops[i].has_happened = true;
    if (!changes(i))
        ops[i].found = content;
    else if (ops[i].happens)
        content = i;
}

static void invoke(void)
{
    static const enum operation_kind kinds[] = {
        OPERATION_READ, OPERATION_READ, OPERATION_READ, OPERATION_WRITE,
        OPERATION_WRITE, OPERATION_WRITE, OPERATION_FUA, OPERATION_FLUSH,
        OPERATION_BARRIER };
    unsigned i = nr_ops++;

    memset(&ops[i], 0, sizeof ops[i]);
    ops[i].kind = kinds[any_below(sizeof kinds / sizeof *kinds)];
    ops[i].path = any_below(RIG_PATHS);
    ops[i].answered = UINT64_MAX;
    ops[i].outcome = any_below(5) ? OUTCOME_OK
        : any_below(2) ? OUTCOME_FAILED : OUTCOME_OPEN;
    ops[i].happens = ops[i].outcome == OUTCOME_OK || any_below(2);
    put_event(i, false);
}

/* One that is open happens, and is answered if it is to be. */
static void answer(void)
{
    unsigned i = any_below(nr_ops);

    if (ops[i].answered != UINT64_MAX)
        return;
    if (any_below(2))
        happen(i);
    if (ops[i].outcome == OUTCOME_OPEN)
        return;
    happen(i);
    put_event(i, true);
}

static void make_history(bool is_odd)
{
    unsigned wanted = 2 + any_below(MOST - 1);

    nr_ops = nr_events = 0;
    content = MOST;
    invoke();
    for (unsigned spare = 8 * MOST; spare > 0; spare--) {
        if (nr_ops < wanted && any_below(3) == 0)
            invoke();
        else
            answer();
    }
    for (unsigned i = 0; i < nr_ops; i++)
        ops[i].outcome = ops[i].answered == UINT64_MAX ? OUTCOME_OPEN
                                                       : ops[i].outcome;
    for (unsigned i = 0; is_odd && i < nr_ops; i++) {
        if (!any_below(3))
            ops[i].found = any_below(4) ? any_below(nr_ops) : MOST;
    }
}

/* --- every order ---------------------------------------------------------- */

static bool is_legal, may_be_left[VALUES];
static bool is_durable[MOST], is_over[MOST];

/* from: of the values so far, what a crash may still leave. */
static void note_order(const unsigned *writes, unsigned nr)
{
    unsigned from = 0;

    is_legal = true;
    for (unsigned i = 0; i < nr; i++) {
        if (is_durable[writes[i]])
            from = i + 1;
    }
    if (from == 0)
        may_be_left[MOST] = true;
    for (unsigned i = from ? from - 1 : 0; i < nr; i++)
        may_be_left[writes[i]] = true;
}

static bool may_be_next(unsigned i, unsigned left)
{
    for (unsigned j = 0; j < nr_ops; j++) {
        if ((left & 1u << j) && j != i && ops[j].answered < ops[i].invoked)
            return false;
    }
    return true;
}

/* left: those that still have to happen. */
static void try_orders(unsigned left, unsigned value, unsigned *writes,
                       unsigned nr)
{
    if (!left)
        note_order(writes, nr);
    for (unsigned i = 0; i < nr_ops; i++) {
        if (!(left & 1u << i) || !may_be_next(i, left))
            continue;
        if (changes(i)) {
            writes[nr] = i;
            try_orders(left & ~(1u << i), i, writes, nr + 1);
        } else if (ops[i].kind == OPERATION_FLUSH || ops[i].found == value) {
            try_orders(left & ~(1u << i), value, writes, nr);
        }
    }
}

static void try_everything(void)
{
    unsigned writes[MOST], must = 0, may = 0;

    is_legal = false;
    memset(may_be_left, 0, sizeof may_be_left);
    for (unsigned i = 0; i < nr_ops; i++) {
        if (ops[i].outcome == OUTCOME_OK || is_over[i])
            must |= 1u << i;
        else if (changes(i))
            may |= 1u << i;
    }
    for (unsigned some = may;; some = (some - 1) & may) {
        try_orders(must | some, MOST, writes, 0);
        if (some == 0)
            break;
    }
}

static bool carried_out(unsigned i)
{
    return ops[i].outcome == OUTCOME_OK || is_over[i];
}

/* What the promises make durable, when the image holds `image`. */
static void find_durable(unsigned image)
{
    for (unsigned b = 0; b < nr_ops; b++) {
        is_over[b] = false;
        for (unsigned i = 0; i < nr_ops; i++)
            is_over[b] |= ops[b].kind == OPERATION_BARRIER &&
                ops[b].outcome == OUTCOME_OPEN && changes(i) &&
                ops[i].path == ops[b].path &&
                ops[i].invoked > ops[b].invoked &&
                (ops[i].outcome == OUTCOME_OK || i == image);
    }
    for (unsigned i = 0; i < nr_ops; i++) {
        bool by_itself = ops[i].kind == OPERATION_FUA ||
                         ops[i].kind == OPERATION_BARRIER;

        is_durable[i] = by_itself && carried_out(i);
        for (unsigned f = 0; f < nr_ops; f++) {
            bool is_barrier = ops[f].kind == OPERATION_BARRIER;

            if (!changes(i) || !carried_out(i) || !carried_out(f))
                continue;
            if (is_barrier || ops[f].kind == OPERATION_FLUSH)
                is_durable[i] |= ops[i].answered < ops[f].invoked;
            if (is_barrier && ops[f].path == ops[i].path)
                is_durable[i] |= ops[i].invoked < ops[f].invoked;
        }
    }
}

/* --- the checker ---------------------------------------------------------- */

static uint64_t value_of(unsigned i, struct operation *const *told)
{
    if (i == MOST)
        return VALUE_ZEROS;
    return told[i] && changes(i) ? value_of_operation(told[i])
                                 : VALUE_OF(VALUE_FOREIGN, 0);
}

static void tell(bool has_image, struct operation **told)
{
    rig_open(has_image);
    memset(told, 0, MOST * sizeof *told);
    for (unsigned k = 0; k < nr_events; k++) {
        unsigned i = events[k].index;

        if (!events[k].is_answer)
            told[i] = begin(ops[i].kind, ops[i].path);
        else if (ops[i].kind == OPERATION_READ &&
                 ops[i].outcome == OUTCOME_OK)
            end_read(told[i], value_of(ops[i].found, told));
        else
            end(told[i], ops[i].outcome);
    }
}

static void show(const char *what)
{
    NOTE("%s; %s", what, rig_sentence);
    for (unsigned k = 0; k < nr_events; k++) {
        unsigned i = events[k].index;

        NOTE("%u: %s %u, kind %d, path %u, outcome %d, found %u", k + 1,
             events[k].is_answer ? "answer" : "invoke", i, ops[i].kind,
             ops[i].path, ops[i].outcome, ops[i].found);
    }
}

static unsigned long nr_legal, nr_illegal, nr_left, nr_lost;

static void check_images(void)
{
    struct operation *told[MOST];
    uint64_t values[RIG_SECTORS] = { 0 };

    for (unsigned image = 0; image <= MOST; image++) {
        if (image < MOST && (image >= nr_ops || !changes(image)))
            continue;
        find_durable(image);
        try_everything();
        tell(true, told);
        values[0] = value_of(image, told);
        check_image(check, values);
        nr_left += may_be_left[image];
        nr_lost += !may_be_left[image];
        if (!CHECK_EQ(rig_violations() == 0, may_be_left[image]))
            show("an image");
    }
}

static void check_random(void)
{
    struct operation *told[MOST];

    randomness = tap_seed();
    for (unsigned long n = tap_scaled(100000); n > 0; n--) {
        make_history(n % 8 > 2);
        memset(is_over, 0, sizeof is_over);
        try_everything();
        nr_legal += is_legal;
        nr_illegal += !is_legal;
        tell(n % 2, told);
        if (!CHECK_EQ(rig_violations() == 0, is_legal))
            show("a history");
        if (is_legal && n % 4 == 0)
            check_images();
    }
    NOTE("%lu histories are legal, %lu not; %lu images, %lu not", nr_legal,
         nr_illegal, nr_left, nr_lost);
    CHECK(nr_legal > nr_illegal / 10);
    CHECK(nr_illegal > nr_legal / 10);
    CHECK(nr_lost > nr_left / 10);
}

int main(void)
{
    TEST("the checker and every order agree", check_random);
    check_close(check);
    return tap_done();
}
