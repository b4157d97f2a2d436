/* SPDX-License-Identifier: MIT
 * Claim: no answer that a back end may invent, no word that it may write into a
 * ring, no page that it keeps or scribbles on and no silence of its does more
 * than fail a request or break the disk, with a sentence. Source:
 * docs/THREAT-MODEL.md, "Back ends that lie"; XSA-391, XSA-396, XSA-403.
 * Mechanism: lies-rows.h. */
#include "tests/unit/lies-rows.h"

enum { I = BLKIF_OP_INDIRECT, STORM = 1000 };

static const struct wish plain, indirect = { .indirect = 256 },
    two_queues = { .queues = 2 }, untrusted = { .is_untrusted = true },
    persistent = { .is_persistent = true },
    cautious = { .indirect = 256, .is_untrusted = true,
                 .is_persistent = true };

/* --- whose answer it is --------------------------------------------------- */

static enum outcome answer_id(const void *with)
{
    const uint64_t *id = with;

    enter_and_ask(plain);
    ask(VBDFRONT_WRITE, 0, 24, 8, 64); /* not yet on the ring */
    fake_answer(&world, *id, W, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static enum outcome answer_zeros(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    fake_answer(&world, 0, R, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

/* Their slot is the same. */
static enum outcome answer_another(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    fake_answer(&world, world.held[1].id + (1ull << 32), W, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static enum outcome answer_twice(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    nr_answered = 1;
    fake_answer(&world, world.held[1].id, W, BLKIF_RSP_OKAY);
    fake_answer(&world, world.held[1].id, W, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

/* The slot is in use again. */
static enum outcome answer_later(const void *with)
{
    uint64_t id;

    (void)with;
    enter_and_ask(plain);
    nr_answered = 3;
    id = world.held[1].id;
    answer_all();
    ask_three();
    fake_answer(&world, id, W, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static enum outcome answer_in_next_life(const void *with)
{
    uint64_t id;

    (void)with;
    enter_and_ask(plain);
    id = world.held[1].id;
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
    ask_three();
    fake_answer(&world, id, W, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static enum outcome answer_on_other_ring(const void *with)
{
    (void)with;
    enter_and_ask(two_queues);
    REQUIRE(world.held_queue[0] == 0 && world.nr_queues == 2);
    back_ring_put(&world.rings[1], world.held[0].id, R, BLKIF_RSP_OKAY);
    back_ring_push(&world.rings[1]);
    return outcome_of_requests();
}

static enum outcome answer_operation(const void *with)
{
    const uint8_t *operation = with;

    enter_and_ask(plain);
    fake_answer(&world, world.held[1].id, *operation, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static enum outcome answer_as_indirect(const void *with)
{
    (void)with;
    enter(indirect);
    world.holds = true;
    ask(VBDFRONT_WRITE, 0, 0, 100, 0);
    turn();
    REQUIRE(world.nr_held == 1 && world.held[0].operation == I);
    fake_answer(&world, world.held[0].id, I, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

/* --- what it says --------------------------------------------------------- */

struct answer {
    unsigned index; /* of the three: READ, WRITE, READ */
    int16_t status;
};

static enum outcome answer_status(const void *with)
{
    const struct answer *answer = with;

    enter_and_ask(plain);
    fake_answer_undone(&world, answer->index, answer->status);
    return outcome_of_requests();
}

/* An operation that takes other requests than reads and writes. */
struct special {
    enum vbdfront_op op;
    unsigned flags;
    uint32_t nr_sectors;
    int16_t status;      /* of those */
    bool has_no_barrier;
};

static bool is_special(uint8_t operation)
{
    return operation != R && operation != W;
}

static enum outcome answer_special(const void *with)
{
    const struct special *special = with;

    fake_set(&world, FAKE_BACKEND, "feature-discard", "1");
    if (special->has_no_barrier)
        fake_set(&world, FAKE_BACKEND, "feature-barrier", "0");
    enter(plain);
    world.holds = true;
    ask(special->op, special->flags, 0, special->nr_sectors, 0);
    for (turn(); world.nr_held > 0; turn())
        fake_answer_held(&world, 0, is_special(world.held[0].operation)
                                        ? special->status : BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static enum outcome fail_a_part(const void *with)
{
    (void)with;
    enter(plain);
    world.holds = true;
    ask(VBDFRONT_READ, 0, 0, 5 * 88, 0);
    turn();
    REQUIRE(world.nr_held == 5);
    fake_answer_undone(&world, 3, BLKIF_RSP_ERROR);
    return outcome_of_requests();
}

/* --- the ring's page ------------------------------------------------------ */

static volatile struct blkif_sring *shared(void)
{
    return (volatile struct blkif_sring *)world.rings[0].shared;
}

static enum outcome answer_one_more(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    for (unsigned i = 0; i < 4; i++)
        back_ring_put(&world.rings[0], world.held[i % 3].id,
                      world.held[i % 3].operation, BLKIF_RSP_OKAY);
    back_ring_push(&world.rings[0]);
    return outcome_of_requests();
}

static enum outcome jump(const void *with)
{
    const uint32_t *distance = with;

    enter_and_ask(plain);
    world.rings[0].rsp_prod += *distance;
    back_ring_push(&world.rings[0]);
    return outcome_of_requests();
}

static enum outcome fill_ring(const void *with)
{
    const uint8_t *byte = with;

    enter_and_ask(plain);
    nr_answered = 3;
    answer_all();
    ask_three();
    memset((void *)(uintptr_t)shared(), *byte, 4096);
    return outcome_of_requests();
}

/* It knows what is in them, and so do we. */
static enum outcome fill_slots(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    memset((uint8_t *)(uintptr_t)shared() + 64, 0x77, 4096 - 64);
    return outcome_of_requests();
}

/* They are no reason for us to believe anything. */
static enum outcome change_our_indices(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    shared()->req_prod = 0xdeadbeef;
    shared()->rsp_event = 0xdeadbeef;
    shared()->req_event = 0xdeadbeef;
    answer_all();
    ask_three();
    return outcome_of_requests();
}

static enum outcome answer_before_taken(const void *with)
{
    struct blkif_wire_request request;

    (void)with;
    enter(plain);
    ask(VBDFRONT_WRITE, 0, 0, 8, 0);
    vbdfront_poll(front);
    REQUIRE(back_ring_take(&world.rings[0], &request, 1) == 1);
    world.rings[0].req_cons--;
    fake_answer(&world, request.id, W, BLKIF_RSP_OKAY);
    vbdfront_poll(front);
    world.rings[0].req_cons++;
    return outcome_of_requests();
}

/* --- data ----------------------------------------------------------------- */

/* The page that it was given for one of the three. */
static uint8_t *page_of(unsigned index)
{
    return world.grants[world.held[index].segments[0].gref].page;
}

/* At most half of the data is put there. */
struct part {
    struct wish wish;
    uint32_t bytes;
};

/* What was there before is nowhere to be seen, where we can see to that. */
static enum outcome read_a_part(const void *with)
{
    const struct part *part = with;
    uint8_t rest = part->wish.is_untrusted ? 0 : SECRET;

    is_about_data = true;
    enter_and_ask(part->wish);
    memset(page_of(0), ON_DISK, part->bytes);
    fake_answer_undone(&world, 0, BLKIF_RSP_OKAY);
    vbdfront_poll(front);
    for (unsigned i = 0; i < 4096; i++)
        CHECK_EQ(buffer[8 * 512 + i], i < part->bytes ? ON_DISK : rest);
    return outcome_of_requests();
}

static enum outcome write_undone(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    fake_answer_undone(&world, 1, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

/* The third has but three of the page's sectors. */
static enum outcome read_too_much(const void *with)
{
    (void)with;
    enter_and_ask(untrusted);
    memset(page_of(2), 0xbb, 4096);
    return outcome_of_requests();
}

static enum outcome read_later(const void *with)
{
    uint8_t *page;

    (void)with;
    enter_and_ask(cautious);
    page = page_of(0);
    answer_all();
    CHECK(has_disks_data(&ios[0]));
    memset(page, 0xbb, 4096);
    return outcome_of_requests();
}

/* Data, and where the data is. */
static enum outcome scribble(const void *with)
{
    (void)with;
    is_about_data = true;
    enter_and_ask(cautious);
    ask(VBDFRONT_READ, 0, 200, 100, 100);
    turn();
    for (unsigned i = 0; i < FAKE_GRANTS; i++) {
        if (world.grants[i].page && i != ring_grant())
            memset(world.grants[i].page, 0x0b, 4096);
    }
    while (world.nr_held > 0)
        fake_answer_undone(&world, 0, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static unsigned nr_secrets; /* bytes that the back end has found */

static void look(struct fake *fake)
{
    for (unsigned i = 0; i < FAKE_GRANTS; i++) {
        const uint8_t *page = fake->grants[i].page;

        for (unsigned byte = 0; page && byte < 4096; byte++)
            nr_secrets += page[byte] == SECRET;
    }
}

static void looks_and_lives(struct fake *fake)
{
    look(fake);
    fake_live(fake);
    look(fake);
}

/* A READ, and WRITEs of parts of pages, all of it among secrets. The page that
 * is used first had other data on it before. */
static enum outcome look_around(const void *with)
{
    const struct wish *wish = with;

    memset(buffer + 501 * 512, 1, 100 * 512); /* these may be seen */
    memcpy(before, buffer, BUFFER_BYTES);
    enter(*wish);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 1000, 8, buffer), 0);
    world.backend = looks_and_lives;
    nr_secrets = 0;
    world.holds = true;
    ask(VBDFRONT_READ, 0, 16, 3, 42);
    ask(VBDFRONT_WRITE, 0, 100, 100, 501);
    ask(VBDFRONT_WRITE, 0, 300, 1, 555);
    for (turn(); world.nr_held > 0; turn())
        fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    CHECK_EQ(nr_secrets, 0);
    CHECK_EQ(world.disk[199 * 512], 1);
    return outcome_of_requests();
}

/* --- pages that are kept -------------------------------------------------- */

struct keep {
    struct wish wish;
    unsigned index; /* of the three requests */
    int16_t status; /* that it is answered with */
};

static enum outcome keep_data(const void *with)
{
    const struct keep *keep = with;

    enter_and_ask(keep->wish);
    keep_grant(world.held[keep->index].segments[0].gref);
    fake_answer_held(&world, keep->index, keep->status);
    vbdfront_poll(front);
    if (keep->wish.is_untrusted) /* what is there may still change */
        CHECK_EQ(buffer[8 * 512], SECRET);
    return outcome_of_requests();
}

static enum outcome keep_descriptors(const void *with)
{
    (void)with;
    enter(indirect);
    world.holds = true;
    ask(VBDFRONT_READ, 0, 0, 100, 0);
    turn();
    keep_grant(world.held[0].indirect_grefs[0]);
    fake_answer_held(&world, 0, BLKIF_RSP_OKAY);
    return outcome_of_requests();
}

static enum outcome keep_ring(const void *with)
{
    (void)with;
    enter(plain);
    keep_grant(ring_grant());
    return outcome_of_disconnect();
}

static enum outcome keep_persistent(const void *with)
{
    (void)with;
    enter(persistent);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 8, buffer), 0);
    keep_grant(world.last.segments[0].gref);
    return outcome_of_disconnect();
}

static unsigned nr_turns;

static void lets_go_late(struct fake *fake)
{
    fake_live(fake);
    if (fake_front_state(fake) == XENBUS_CLOSED && ++nr_turns == 20)
        fake->grants[ring_grant()].is_busy = false;
}

static enum outcome keep_ring_a_while(const void *with)
{
    enum outcome outcome;

    (void)with;
    enter(plain);
    keep_grant(ring_grant());
    nr_turns = 0;
    world.backend = lets_go_late;
    outcome = outcome_of_disconnect();
    CHECK_EQ(nr_turns, 20);
    return outcome;
}

/* --- silence, and noise --------------------------------------------------- */

static enum outcome never_answer(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    return outcome_of_disconnect();
}

static void answers_once_closing(struct fake *fake)
{
    if (fake_front_state(fake) == XENBUS_CLOSING) {
        while (fake->nr_held > 0)
            fake_answer_held(fake, 0, BLKIF_RSP_OKAY);
    }
    fake_follow_states(fake);
}

static enum outcome answer_while_closing(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    world.backend = answers_once_closing;
    return outcome_of_disconnect();
}

/* Its ring is where it was: we have nothing there any more. */
static enum outcome answer_after_the_end(const void *with)
{
    enum outcome outcome;

    (void)with;
    enter_and_ask(plain);
    keep_grant(ring_grant());
    world.backend = NULL;
    outcome = outcome_of_disconnect();
    for (unsigned i = 0; i < 3; i++)
        fake_answer_undone(&world, 0, BLKIF_RSP_OKAY);
    CHECK_EQ(vbdfront_poll(front), 0);
    return outcome;
}

static enum outcome die(const void *with)
{
    (void)with;
    enter(plain);
    world.has_ring = false;
    world.backend = NULL;
    return outcome_of_disconnect();
}

static unsigned nr_reads;

static int count_read(void *context, const char *path, char *value,
                      size_t bytes)
{
    nr_reads++;
    return honest_port.store_read(context, path, value, bytes);
}

static enum outcome storm_of_events(const void *with)
{
    struct vbdfront_stats first, last;

    (void)with;
    enter_and_ask(plain);
    vbdfront_get_stats(front, &first);
    world.port.store_read = count_read;
    nr_reads = 0;
    for (unsigned i = 0; i < STORM; i++)
        turn(); /* wait() returns at once */
    vbdfront_get_stats(front, &last);
    CHECK_EQ(last.pushes, first.pushes);
    CHECK_EQ(last.notifies, first.notifies);
    CHECK_EQ(nr_reads, 0);
    return outcome_of_requests();
}

/* Whatever the back end does, it wakes nobody. */
static void sleep_through(void *context, uint64_t timeout_us)
{
    struct fake *fake = context;

    fake_live(fake);
    fake->now_us += timeout_us;
}

static enum outcome no_events(const void *with)
{
    (void)with;
    enter(plain);
    world.port.wait = sleep_through;
    CHECK_EQ(vbdfront_do(front, VBDFRONT_WRITE, 0, 0, 8, buffer), 0);
    CHECK_EQ(vbdfront_do(front, VBDFRONT_READ, 0, 0, 8, buffer), 0);
    ask_three();
    return outcome_of_requests();
}

/* --- the table ------------------------------------------------------------ */

#define ID(id) answer_id, &(const uint64_t){ (id) }
#define OPERATION(operation) answer_operation, &(const uint8_t){ (operation) }
#define STATUS(...) answer_status, &(const struct answer){ __VA_ARGS__ }
#define SPECIAL(...) answer_special, &(const struct special){ __VA_ARGS__ }
#define JUMP(distance) jump, &(const uint32_t){ (distance) }
#define FILL(byte) fill_ring, &(const uint8_t){ (byte) }
#define PART(...) read_a_part, &(const struct part){ __VA_ARGS__ }
#define UNTRUSTED { .is_untrusted = true }
#define KEEP(...) keep_data, &(const struct keep){ __VA_ARGS__ }
#define NO_SUCH BLKIF_RSP_EOPNOTSUPP
#define STALE "which is not in flight"
#define AHEAD "response index is ahead of what it was asked"
#define HOLDS "answered a request and still holds its pages"

static const struct lie lies[] = {
    { 1, "an id past the ring (XSA-391)", BROKEN,
      "the back end answered request id 32, which is out of range", ID(32) },
    { 2, "an id of ones", BROKEN,
      "request id 18446744073709551615, which is out of range",
      ID(UINT64_MAX) },
    { 3, "an answer of zeros", BROKEN, STALE, answer_zeros, NULL },
    { 4, "an id of a free slot (XSA-391)", BROKEN, STALE, ID(17) },
    { 5, "an id of a used slot that was never asked", BROKEN, STALE,
      answer_another, NULL },
    { 6, "an answer twice (XSA-391)", BROKEN, STALE, answer_twice, NULL },
    { 7, "an answer again when its slot is in use again", BROKEN, STALE,
      answer_later, NULL },
    { 8, "an answer to a request of the connection before", BROKEN, STALE,
      answer_in_next_life, NULL },
    { 9, "an answer on another queue's ring", BROKEN, STALE,
      answer_on_other_ring, NULL },
    { 10, "operation READ to a WRITE (XSA-391)", BROKEN,
      "answered operation 0 to a request of operation 1", OPERATION(R) },
    { 11, "operation 255", BROKEN,
      "answered operation 255 to a request of operation 1", OPERATION(255) },
    { 12, "operation INDIRECT to an indirect WRITE", BROKEN,
      "answered operation 6 to a request of operation 1",
      answer_as_indirect, NULL },

    { 13, "status 1", ERROR, NULL, STATUS(1, 1) },
    { 14, "status -3", ERROR, NULL, STATUS(0, -3) },
    { 15, "status 32767", ERROR, NULL, STATUS(1, 32767) },
    { 16, "status -32768", ERROR, NULL, STATUS(0, -32768) },
    { 17, "EOPNOTSUPP to a READ", UNSUPPORTED, NULL,
      STATUS(0, NO_SUCH) },
    { 18, "EOPNOTSUPP to a WRITE", UNSUPPORTED, NULL,
      STATUS(1, NO_SUCH) },
    { 19, "EOPNOTSUPP to a FLUSH that it offers", UNSUPPORTED, NULL,
      SPECIAL(.op = VBDFRONT_FLUSH, .status = NO_SUCH) },
    { 20, "EOPNOTSUPP to the flush of a FUA WRITE", UNSUPPORTED, NULL,
      SPECIAL(.op = VBDFRONT_WRITE, .flags = VBDFRONT_FUA, .nr_sectors = 8,
              .status = NO_SUCH) },
    { 21, "ERROR to the flush of a FUA WRITE", ERROR, NULL,
      SPECIAL(.op = VBDFRONT_WRITE, .flags = VBDFRONT_FUA, .nr_sectors = 8,
              .status = BLKIF_RSP_ERROR) },
    { 22, "EOPNOTSUPP to a BARRIER that it offers", UNSUPPORTED, NULL,
      SPECIAL(.op = VBDFRONT_BARRIER, .nr_sectors = 8, .status = NO_SUCH) },
    { 23, "ERROR to a flush of a BARRIER made of flushes", ERROR, NULL,
      SPECIAL(.op = VBDFRONT_BARRIER, .nr_sectors = 8,
              .status = BLKIF_RSP_ERROR, .has_no_barrier = true) },
    { 24, "EOPNOTSUPP to a DISCARD that it offers", UNSUPPORTED, NULL,
      SPECIAL(.op = VBDFRONT_DISCARD, .nr_sectors = 8, .status = NO_SUCH) },
    { 25, "ERROR to one part of a long READ", ERROR, NULL, fail_a_part, NULL },

    { 26, "one answer more than was asked (XSA-391)", BROKEN, AHEAD,
      answer_one_more, NULL },
    { 27, "rsp_prod jumps by 2^31", BROKEN, AHEAD, JUMP(0x80000000) },
    { 28, "rsp_prod jumps by 0x5a5a5a5a", BROKEN, AHEAD, JUMP(0x5a5a5a5a) },
    { 29, "rsp_prod goes back", BROKEN, AHEAD, JUMP(UINT32_MAX) },
    { 30, "ring filled with ones", BROKEN, AHEAD, FILL(0xff) },
    { 31, "ring filled with zeros", BROKEN, AHEAD, FILL(0) },
    { 32, "requests overwritten in flight", SERVED, NULL, fill_slots, NULL },
    { 33, "req_prod, rsp_event and req_event overwritten", SERVED, NULL,
      change_our_indices, NULL },
    { 34, "an answer before the request is taken", SERVED, NULL,
      answer_before_taken, NULL },

    { 35, "OKAY to a READ without data", SERVED, NULL, PART({ 0 }, 0) },
    { 36, "the same, trusted=0 (XSA-403)", SERVED, NULL, PART(UNTRUSTED, 0) },
    { 37, "OKAY to a READ with half of its data, trusted=0", SERVED, NULL,
      PART(UNTRUSTED, 2048) },
    { 38, "OKAY to a WRITE that is not done", SERVED, NULL,
      write_undone, NULL },
    { 39, "data around a READ's sectors, trusted=0", SERVED, NULL,
      read_too_much, NULL },
    { 40, "data written after the answer, trusted=0", SERVED, NULL,
      read_later, NULL },
    { 41, "all pages scribbled on in flight, trusted=0", SERVED, NULL,
      scribble, NULL },
    { 42, "looks at all that is granted, trusted=0 (XSA-403)", SERVED, NULL,
      look_around, &untrusted },
    { 43, "the same, of pages that stay granted (XSA-403)", SERVED, NULL,
      look_around, &cautious },

    { 44, "page of a READ kept (XSA-396)", BROKEN, HOLDS, KEEP({ 0 }, 0, 0) },
    { 45, "page of a WRITE kept (XSA-396)", BROKEN, HOLDS, KEEP({ 0 }, 1, 0) },
    { 46, "page of a failed READ kept", BROKEN, HOLDS,
      KEEP({ 0 }, 0, BLKIF_RSP_ERROR) },
    { 47, "page of a READ kept, trusted=0", BROKEN, HOLDS,
      KEEP(UNTRUSTED, 0, 0) },
    { 48, "page of descriptors kept (XSA-396)", BROKEN, HOLDS,
      keep_descriptors, NULL },
    { 49, "ring kept after Closed (XSA-396)", KEPT, "still maps the ring",
      keep_ring, NULL },
    { 50, "page that stays granted kept after Closed (XSA-396)", KEPT,
      "still maps pages of the driver's: 1", keep_persistent, NULL },
    { 51, "ring kept for a while after Closed", SERVED, NULL,
      keep_ring_a_while, NULL },

    { 52, "no answer until disconnect", ERROR, NULL, never_answer, NULL },
    { 53, "answers after Closing", ERROR, NULL, answer_while_closing, NULL },
    { 54, "answers after a disconnect that it did not follow", KEPT,
      "still maps the ring", answer_after_the_end, NULL },
    { 55, "no word at disconnect", TIMED_OUT, "stays Connected", die, NULL },
    { 56, "1000 events and no answer", SERVED, NULL, storm_of_events, NULL },
    { 57, "answers and no event", SERVED, NULL, no_events, NULL },
};

/* Any bytes at all in the ring's page: nothing but BROKEN may come of it. */
static void check_random_lies(void)
{
    unsigned long rounds = tap_scaled(2000);
    uint64_t random = tap_seed();

    start_usual();
    world.holds = true;
    for (unsigned long round = 0; round < rounds; round++) {
        uint8_t *page;

        for (unsigned i = 0; i < 3; i++)
            submit(i, VBDFRONT_WRITE, 0, i * 8, 8, buffer + i * 4096);
        turn();
        page = world.grants[8].page;
        for (unsigned i = 0; i < 40; i++) {
            random = random * 6364136223846793005ull + 1442695040888963407ull;
            page[(random >> 33) % (i < 8 ? 16 : 512)] =
                (uint8_t)(random >> 55 & 1 ? random >> 56 : random >> 62);
        }
        world.has_ring = false; /* it would read its own rubbish */
        vbdfront_poll(front);
        vbdfront_disconnect(front, 1000);
        CHECK_EQ(vbdfront_in_flight(front), 0);
        for (unsigned i = 0; i < 3; i++)
            CHECK(results[i] != UNDONE);
        REQUIRE(vbdfront_connect(front, SECOND) == 0);
    }
    stop();
}

int main(void)
{
    run_lies(lies, sizeof lies / sizeof *lies);
    TEST("whatever is in the ring, nothing worse than BROKEN comes of it",
         check_random_lies);
    return tap_done();
}
