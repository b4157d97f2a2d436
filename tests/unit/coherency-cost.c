/* SPDX-License-Identifier: MIT
 * Claim: finding whom a request must wait for costs a few steps for each
 * doubling of what is in flight. Source: COHERENCY.md C4. Mechanism: the tree of
 * ranges against a plain list, and nodes visited (stats.tree_steps) for each
 * request over its whole life, at 16 to 16384 in flight. */
#include "backend/coherency/range.h"
#include "tests/unit/coherency-hand.h"

enum { MOST = 16384, STEPS_PER_DOUBLING = 6 };

static uint64_t random_state = 88172645463325252u;

static uint64_t random_below(uint64_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (random_state >> 11) % below;
}

/* --- the tree is right --- */

enum { PLAIN = 200 };
static struct range plain[PLAIN];

static struct range *plain_find_blocker(const struct range *range)
{
    struct range *best = NULL;
    unsigned i;

    for (i = 0; i < PLAIN; i++)
        if (range_is_in(&plain[i]) && plain[i].sequence < range->sequence &&
            plain[i].start_bytes < range->end_bytes &&
            plain[i].end_bytes > range->start_bytes &&
            (plain[i].is_exclusive || range->is_exclusive) &&
            (!best || plain[i].sequence > best->sequence))
            best = &plain[i];
    return best;
}

/* Height and order of the whole tree; returns its height. */
static unsigned check_tree(const struct range *root)
{
    unsigned left, right;

    if (!root)
        return 0;
    left = check_tree(root->left);
    right = check_tree(root->right);
    CHECK(left <= right + 1 && right <= left + 1);
    CHECK(root->height == (left > right ? left : right) + 1);
    CHECK(!root->left || root->left->start_bytes <= root->start_bytes);
    CHECK(!root->right || root->right->start_bytes >= root->start_bytes);
    return root->height;
}

static void check_tree_against_list(void)
{
    struct range_locks locks = {0};
    struct list woken;
    uint64_t sequence = 0;
    unsigned round, agreed = 0, rounds = (unsigned)tap_scaled(100 * 1000);

    list_init(&woken);
    memset(plain, 0, sizeof(plain));
    for (round = 0; round < rounds; round++) {
        struct range *range = &plain[random_below(PLAIN)];

        if (range_is_in(range)) {
            range_release(&locks, range, &woken);
        } else {
            range->start_bytes = random_below(64);
            range->end_bytes = range->start_bytes + 1 + random_below(8);
            range->sequence = ++sequence;
            range->is_exclusive = random_below(2);
            range_accept(&locks, range);
        }
        range = &plain[random_below(PLAIN)];
        agreed +=
            range_find_blocker(&locks, range) == plain_find_blocker(range);
        if (round % 100 == 0) {
            check_tree(locks.exclusive);
            check_tree(locks.shared);
        }
    }
    CHECK_EQ(agreed, rounds);
}

/* --- and it is cheap --- */

struct pattern {
    const char *name;
    /* Where the i-th of n goes. */
    void (*place)(struct ask *ask, unsigned i, unsigned n);
};

static void place_disjoint(struct ask *ask, unsigned i, unsigned n)
{
    (void)n;
    ask->request.op = i % 2 ? COHERENCY_WRITE : COHERENCY_READ;
    ask->request.offset_bytes = (uint64_t)i * 7919 % MOST * 512;
}

/* Each overlaps some four others, wherever they are. */
static void place_overlapping(struct ask *ask, unsigned i, unsigned n)
{
    (void)i;
    ask->request.op = random_below(2) ? COHERENCY_WRITE : COHERENCY_READ;
    ask->request.offset_bytes = random_below(n) * 1024;
    ask->request.length_bytes = (1 + random_below(4)) * 1024;
}

/* Each overlaps some sixty others. */
static void place_crowded(struct ask *ask, unsigned i, unsigned n)
{
    (void)i;
    ask->request.op = random_below(2) ? COHERENCY_WRITE : COHERENCY_READ;
    ask->request.offset_bytes = random_below(n) * 1024;
    ask->request.length_bytes = (1 + random_below(64)) * 1024;
}

/* All reach to the same end, in the order that makes each node of the tree
 * younger than those that a search from the right visits before it. */
static void place_nested(struct ask *ask, unsigned i, unsigned n)
{
    unsigned level = 1;

    while (2 * level <= i + 1)
        level *= 2;
    ask->request.op = COHERENCY_WRITE;
    ask->request.offset_bytes =
        (uint64_t)(2 * (2 * level - 2 - i) + 1) * n / (2 * level) * 512;
    ask->request.length_bytes =
        (uint64_t)(n + 1) * 512 - ask->request.offset_bytes;
}

static void place_hot_writes(struct ask *ask, unsigned i, unsigned n)
{
    (void)i;
    (void)n;
    ask->request.op = COHERENCY_WRITE;
}

static void place_hot_mixed(struct ask *ask, unsigned i, unsigned n)
{
    (void)n;
    ask->request.op = i % 2 ? COHERENCY_WRITE : COHERENCY_READ;
}

static void place_hot_halves(struct ask *ask, unsigned i, unsigned n)
{
    ask->request.op = i < n / 2 ? COHERENCY_READ : COHERENCY_WRITE;
}

static const struct pattern patterns[] = {
    {"no two share a block", place_disjoint},
    {"each overlaps a few others", place_overlapping},
    {"each overlaps sixty others", place_crowded},
    {"all reach to the same end", place_nested},
    {"writes of one block", place_hot_writes},
    {"reads and writes of one block by turns", place_hot_mixed},
    {"half reads, then half writes of one block", place_hot_halves},
};

static double steps_per_request(const struct pattern *pattern, unsigned n)
{
    struct hand hand;
    struct coherency_client *client;
    double steps;
    unsigned i;

    hand_prepare(&hand, 512);
    hand.engine.info.memory_align = 1;
    hand.engine.info.max_bytes = 1 << 30;
    hand.engine.info.size_bytes = (uint64_t)MOST * 4096;
    hand_start(&hand);
    client = hand_ring(&hand);
    for (i = 0; i < n; i++) {
        struct ask *ask = ask_make(&hand, COHERENCY_DISCARD, 0, 512, 0);

        ask->request.data = &hand; /* never looked at: all fail */
        pattern->place(ask, i, n);
        ask_send(client, ask);
    }
    CHECK_EQ(hand_stats(&hand).in_flight, n);
    while (hand.count)
        hand_finish_nth(&hand, (unsigned)random_below(hand.count), -EIO);
    CHECK_EQ(hand_stats(&hand).in_flight, 0);
    steps = (double)hand_stats(&hand).tree_steps / n;
    coherency_client_close(client, NULL, NULL);
    hand_close(&hand);
    return steps;
}

static void check_cost(void)
{
    unsigned i, n, doublings;

    for (i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
        for (n = 16, doublings = 4; n <= MOST; n *= 4, doublings += 2) {
            double steps = steps_per_request(&patterns[i], n);

            NOTE("%s, %u in flight: %.1f nodes a request (%.1f a doubling)",
                 patterns[i].name, n, steps, steps / doublings);
            CHECK(steps <= STEPS_PER_DOUBLING * doublings);
        }
    }
}

int main(void)
{
    TEST("the tree finds what a plain list finds, and stays balanced",
         check_tree_against_list);
    TEST("C4: a request costs a few steps for each doubling of requests in "
         "flight",
         check_cost);
    return tap_done();
}
