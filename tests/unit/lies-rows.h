/* SPDX-License-Identifier: MIT
 * The table of lies, and what is done around each row: the front end is told
 * the lie, is seen to come to what the row says, has answered each request
 * once and left all memory alone but that of its READs, finds its back end
 * honest again, moves data, and has given back all but what the liar keeps.
 * The rows are those of docs/THREAT-MODEL.md, "Back ends that lie";
 * tests/arch/check-misbehaviours.sh compares them. */
#ifndef VBDD_TESTS_LIES_ROWS_H
#define VBDD_TESTS_LIES_ROWS_H

#include "tests/unit/frontend-disk.h"

/* The words of docs/THREAT-MODEL.md. */
enum outcome { SERVED, NOTED, ERROR, UNSUPPORTED, BROKEN, REFUSED, CLOSED,
               TIMED_OUT, KEPT, NO_OUTCOME };
static const char *const outcome_texts[] = {
    "SERVED", "NOTED", "ERROR", "UNSUPPORTED", "BROKEN", "REFUSED", "CLOSED",
    "TIMED_OUT", "KEPT", "none of them" };

/* check-misbehaviours.sh reads the first four out of the source. */
struct lie {
    unsigned number;
    const char *name;
    enum outcome outcome;
    const char *said; /* in the disk's reason; NULL: nothing has been said */
    enum outcome (*run)(const void *with); /* returns what came of it */
    const void *with;
};

/* How the disk is connected. */
struct wish {
    uint32_t indirect, queues; /* at most; 0: none, one */
    bool is_untrusted, is_persistent;
};

enum { BUFFER_BYTES = BUFFER_PAGES * 4096, ON_DISK = 0x33, SECRET = 0x5e,
       HEALTHY_PLACE = BUFFER_PAGES * 4 }; /* no page of a lie's requests */

static const struct lie *current_lie;
static struct vbdfront_port honest_port;
static uint8_t before[BUFFER_BYTES]; /* the caller's memory */
static unsigned nr_ios;
static unsigned nr_answered;  /* of them, well, before the lie was seen */
static bool is_about_data;    /* the lie is: READs need not have the disk's */

/* --- in ------------------------------------------------------------------ */

static inline void open_disk(struct wish wish)
{
    struct vbdfront_config config;

    vbdfront_get_defaults(&config);
    config.max_queues = wish.queues ? wish.queues : 1;
    config.is_untrusted = wish.is_untrusted;
    config.use_persistent = wish.is_persistent;
    fake_offer_indirect(&world, wish.indirect);
    fake_set(&world, FAKE_BACKEND, "multi-queue-max-queues", "4");
    fake_set(&world, FAKE_BACKEND, "feature-persistent",
             wish.is_persistent ? "1" : "0");
    world.maps_persistently = wish.is_persistent;
    REQUIRE(vbdfront_open(&world.port, FAKE_NODE, &config, &front) == 0);
}

static inline void enter(struct wish wish)
{
    open_disk(wish);
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
}

/* place: the sector of the buffer from which on the data is. */
static inline void ask(enum vbdfront_op op, unsigned flags, uint64_t sector,
                       uint32_t nr_sectors, uint32_t place)
{
    bool has_data = nr_sectors > 0 && op != VBDFRONT_DISCARD;

    submit(nr_ios++, op, flags, sector, nr_sectors,
           has_data ? buffer + place * 512 : NULL);
}

/* What is in flight when the lie is told: a READ, a WRITE, and a READ of a part
 * of a page. The back end holds them in this order. */
static inline void ask_three(void)
{
    world.holds = true;
    ask(VBDFRONT_READ, 0, 0, 8, 8);
    ask(VBDFRONT_WRITE, 0, 8, 8, 24);
    ask(VBDFRONT_READ, 0, 16, 3, 42);
    turn();
    REQUIRE(world.nr_held == 3);
}

static inline void enter_and_ask(struct wish wish)
{
    enter(wish);
    ask_three();
}

/* --- what the back end keeps --------------------------------------------- */

static inline uint32_t ring_grant(void)
{
    uint32_t gref = 0;

    while (world.grants[gref].page != (void *)(uintptr_t)world.rings[0].shared)
        gref++;
    return gref;
}

static inline void keep_grant(uint32_t gref)
{
    world.grants[gref].is_busy = true;
}

/* --- what came of it ----------------------------------------------------- */

static inline enum outcome outcome_of(int error)
{
    switch (error) {
    case 0:
        return world.nr_sentences > 0 ? NOTED : SERVED;
    case -EIO:
        return ERROR;
    case -EOPNOTSUPP:
        return UNSUPPORTED;
    case -EPROTO:
        return REFUSED;
    case -ETIMEDOUT:
        return TIMED_OUT;
    case -EBUSY:
        return KEPT;
    default:
        return NO_OUTCOME;
    }
}

/* Only what was answered before has not failed, and nothing more is taken. */
static inline enum outcome outcome_broken(void)
{
    unsigned nr_good = 0;

    for (unsigned i = 0; i < nr_ios; i++) {
        nr_good += results[i] == 0;
        CHECK(results[i] == 0 || results[i] == -EIO);
    }
    CHECK_EQ(nr_good, nr_answered);
    CHECK_EQ(vbdfront_in_flight(front), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), -EIO);
    for (unsigned i = 0; i < 10; i++) /* it does not look any more */
        CHECK_EQ(vbdfront_poll(front), 0);
    return BROKEN;
}

static inline bool has_disks_data(const struct vbdfront_io *io)
{
    return memcmp(io->data, world.disk + io->sector * 512,
                  io->nr_sectors * 512) == 0;
}

/* All others are answered well: one at most may have failed. */
static inline enum outcome outcome_of_requests(void)
{
    unsigned nr_failed = 0;
    int error = 0;

    vbdfront_poll(front);
    if (vbdfront_state(front) == VBDFRONT_BROKEN)
        return outcome_broken();
    answer_all();
    CHECK_EQ(vbdfront_in_flight(front), 0);
    for (unsigned i = 0; i < nr_ios; i++) {
        error = results[i] ? results[i] : error;
        nr_failed += results[i] != 0;
        if (ios[i].op == VBDFRONT_READ && results[i] == 0 && !is_about_data)
            CHECK(has_disks_data(&ios[i]));
    }
    CHECK(nr_failed <= 1);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CONNECTED);
    return outcome_of(error);
}

static inline enum outcome outcome_of_connect(int error)
{
    if (!error) {
        ask_three();
        return outcome_of_requests();
    }
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CLOSED);
    CHECK_EQ(vbdfront_in_flight(front), 0);
    CHECK(error != -ETIMEDOUT || world.now_us >= SECOND); /* it had the time */
    CHECK_EQ(world.grants_used + world.ports_used + world.nr_watches, 0);
    return error == -EIO ? CLOSED : outcome_of(error);
}

/* Nothing has been answered. */
static inline enum outcome outcome_of_disconnect(void)
{
    int error = vbdfront_disconnect(front, SECOND);

    CHECK(error != -EBUSY || world.now_us >= SECOND);
    CHECK_EQ(vbdfront_state(front), VBDFRONT_CLOSED);
    CHECK_EQ(vbdfront_in_flight(front), 0);
    CHECK_EQ(world.ports_used + world.nr_watches, 0);
    CHECK_EQ(fake_front_state(&world), XENBUS_CLOSED);
    for (unsigned i = 0; i < nr_ios; i++)
        CHECK_EQ(results[i], -EIO);
    return outcome_of(error || nr_ios == 0 ? error : -EIO);
}

/* --- afterwards ---------------------------------------------------------- */

/* The liar's own: they are mapped still. No page of them is granted again. */
static inline void check_kept_pages(struct fake *fake)
{
    for (unsigned i = 0; i < FAKE_GRANTS; i++) {
        for (unsigned j = i + 1; fake->grants[i].is_busy && j < FAKE_GRANTS;
             j++)
            CHECK(fake->grants[j].page != fake->grants[i].page);
    }
}

static inline void live_honestly(struct fake *fake)
{
    check_kept_pages(fake);
    fake_live(fake);
}

static inline void be_honest(void)
{
    world.port = honest_port;
    world.backend = live_honestly;
    world.follows_states = true;
    world.holds = world.maps_persistently = false;
    world.status = BLKIF_RSP_OKAY;
    fake_make_device(&world);
}

/* What it says is believed again: here a size. */
static inline void check_resize(void)
{
    fake_set(&world, FAKE_BACKEND, "sectors", "8000");
    fake_set_backend_state(&world, XENBUS_CONNECTED);
    turn();
    CHECK_EQ(vbdfront_info(front)->nr_sectors, 8000);
}

/* A disk that is broken needs nothing but a connect. */
static inline void check_recovery(void)
{
    uint8_t *data = buffer + HEALTHY_PLACE * 512, *copy = data + 100 * 512;

    be_honest();
    if (vbdfront_state(front) == VBDFRONT_CONNECTED)
        vbdfront_disconnect(front, SECOND);
    if (!CHECK_EQ(vbdfront_connect(front, SECOND), 0))
        NOTE("%s", vbdfront_reason(front));
    for (unsigned i = 0; i < 100 * 512; i++)
        data[i] = (uint8_t)(i / 512 + i);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 900, 100, data), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_FLUSH, 0, 0, 0, NULL), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 900, 100, copy), 0);
    CHECK(memcmp(world.disk + 900 * 512, data, 100 * 512) == 0);
    CHECK(memcmp(copy, data, 100 * 512) == 0);
    check_resize();
}

/* The caller's memory is what it was, but for the data of READs. */
static inline void check_memory(void)
{
    for (unsigned i = 0; i < nr_ios; i++) {
        const uint8_t *data = ios[i].data;

        if (ios[i].op == VBDFRONT_READ)
            memcpy(before + (data - buffer), data, ios[i].nr_sectors * 512);
    }
    CHECK(memcmp(buffer, before, BUFFER_BYTES) == 0);
}

/* At last the liar lets go, for the fake's own books. */
static inline void end_kept_pages(void)
{
    for (uint32_t i = 0; i < FAKE_GRANTS; i++) {
        uint8_t *page = world.grants[i].page;

        if (!page)
            continue;
        CHECK(world.grants[i].is_busy);
        world.grants[i].is_busy = false;
        world.port.grant_end(&world, i);
        if (page < buffer || page >= buffer + BUFFER_BYTES)
            world.port.page_free(&world, page, 1);
    }
}

/* Each grant that is left has been counted as lost. */
static inline void check_end(void)
{
    struct vbdfront_stats stats;

    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.grants_held, 0);
    CHECK_EQ(stats.pages_lost, world.grants_used);
    for (unsigned i = 0; i < nr_ios; i++)
        CHECK(results[i] != UNDONE);
    CHECK_EQ(nr_done, nr_ios);
    end_kept_pages();
    vbdfront_close(front);
    world.port.page_free(&world, buffer, BUFFER_PAGES);
    CHECK(fake_is_clean(&world));
    CHECK_EQ(world.violations, 0);
}

/* --- rows ---------------------------------------------------------------- */

static inline void begin_lie(void)
{
    fake_init(&world);
    honest_port = world.port;
    buffer = world.port.page_alloc(&world, BUFFER_PAGES);
    memset(buffer, SECRET, BUFFER_BYTES);
    memset(before, SECRET, BUFFER_BYTES);
    memset(world.disk, ON_DISK, sizeof world.disk);
    nr_ios = nr_answered = nr_done = 0;
    is_about_data = false;
}

/* However many lies there are in the row, few sentences are said. */
static inline void check_said(const char *said)
{
    const char *reason = vbdfront_reason(front);

    if (!said) {
        CHECK_EQ(world.nr_sentences, 0);
        return;
    }
    if (!CHECK(strstr(reason, said) != NULL))
        NOTE("reason: %s", reason);
    CHECK(world.nr_sentences >= 1 && world.nr_sentences <= 3);
}

static inline void run_lie(void)
{
    const struct lie *lie = current_lie;
    enum outcome outcome;

    begin_lie();
    outcome = lie->run(lie->with);
    if (!CHECK_EQ(outcome, lie->outcome))
        NOTE("wanted %s, got %s", outcome_texts[lie->outcome],
             outcome_texts[outcome]);
    check_said(lie->said);
    check_memory();
    check_recovery();
    check_end();
}

/* VBDD_TEST_ROW=n: that row alone. */
static inline void run_lies(const struct lie *lies, unsigned nr)
{
    unsigned long only = tap_env("VBDD_TEST_ROW", 0);
    char title[128];

    for (unsigned i = 0; i < nr; i++) {
        if (only && only != lies[i].number)
            continue;
        current_lie = &lies[i];
        snprintf(title, sizeof title, "%u: %s: %s", lies[i].number,
                 lies[i].name, outcome_texts[lies[i].outcome]);
        TEST(title, run_lie);
    }
}

#endif
