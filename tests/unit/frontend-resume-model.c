/* SPDX-License-Identifier: MIT
 * Claim: whenever the guest is restored, whatever was in flight, and whatever
 * the new back end is like, each operation is done once, each block holds what
 * a register may hold (C3), barriers keep their order (C6), what is durable
 * stays so (C5, C7), and no grant or page is lost. Source: docs/PROTOCOL.md,
 * section 3. Mechanism: the real core over a fake port does random operations
 * that overlap; the back end carries them out and answers them in any order
 * that blkif allows; at a restore it has carried out any part of what it had,
 * and answered any part of that, but not all data that it answered to have read
 * is in the memory. Each sector says which write it is of. */
#include "common/blkif/validate.h"
#include "tests/unit/frontend-disk.h"

enum {
    RUNS = 150, OPERATIONS = 220, SECTORS = 512, MAX_SECTORS = 160,
    SLOTS = 24, SLOT_PAGES = 21, RESTORE_IN = 40,
    NEVER = 0x7fffffff, DISCARDED = 0xdddddddd, STALE = 0xee,
};
_Static_assert(SLOTS * SLOT_PAGES <= (int)BUFFER_PAGES, "frontend-disk.h");
_Static_assert((int)OPERATIONS <= (int)IOS, "frontend-disk.h");

struct stamp { uint32_t id, sector; };

/* When it was submitted and when it was done. A write's id is its place, + 1;
 * 0 is what the disk held at first. */
static int submitted[IOS], finished[IOS];
static unsigned slots[IOS];
static bool slot_is_used[SLOTS];
static unsigned nr_operations, nr_operations_ever;
static unsigned nr_restores, nr_again, nr_torn;
static int now;
static uint8_t durable[SECTORS * 512];
static bool may_fail; /* this run has back ends that refuse something */
static bool is_suspended; /* the guest, while its memory is copied */
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32) % n;
}

/* --- what may be read ---------------------------------------------------- */

static bool is_write(const struct vbdfront_io *io)
{
    return io->nr_sectors > 0 && (io->op == VBDFRONT_WRITE ||
                                  io->op == VBDFRONT_BARRIER);
}

static bool covers(unsigned i, uint32_t sector)
{
    return sector - ios[i].sector < ios[i].nr_sectors;
}

static bool is_done(unsigned i, int by)
{
    return results[i] == 0 && finished[i] <= by;
}

/* Does what i did come before what j did, in any case? j is done. */
static bool is_before(unsigned i, unsigned j)
{
    if (finished[i] < submitted[j])
        return true;
    for (unsigned barrier = i; barrier <= j && i < j; barrier++) {
        if (ios[barrier].op == VBDFRONT_BARRIER && results[barrier] == 0)
            return true;
    }
    return false;
}

/* Has some write to the sector that was done by then come after that of i? i is
 * nr_operations for what was there at first. */
static bool is_outdated(unsigned i, uint32_t sector, int by)
{
    for (unsigned j = 0; j < nr_operations; j++) {
        if (is_write(&ios[j]) && covers(j, sector) && is_done(j, by) &&
            (i == nr_operations || (i != j && is_before(i, j))))
            return true;
    }
    return false;
}

/* A discarded sector may hold anything for as long as the discard is not
 * outdated; here that is DISCARDED, or what was there. */
static bool is_discarded(uint32_t sector, int by)
{
    for (unsigned i = 0; i < nr_operations; i++) {
        if (ios[i].op == VBDFRONT_DISCARD && covers(i, sector) &&
            !is_outdated(i, sector, by))
            return true;
    }
    return false;
}

static bool is_allowed(const struct stamp *stamp, uint32_t sector, int by)
{
    unsigned i = stamp->id - 1;

    if (stamp->id == DISCARDED)
        return is_discarded(sector, by);
    if (stamp->id == 0)
        return !is_outdated(nr_operations, sector, by);
    return i < nr_operations && is_write(&ios[i]) && covers(i, sector) &&
           stamp->sector == sector && !is_outdated(i, sector, by);
}

static void check_range(const char *what, const uint8_t *data, uint64_t first,
                        uint32_t nr, int by)
{
    for (uint32_t i = 0; i < nr; i++) {
        struct stamp begin, end;
        uint32_t sector = (uint32_t)first + i;

        memcpy(&begin, data + i * 512, sizeof begin);
        memcpy(&end, data + i * 512 + 512 - sizeof end, sizeof end);
        if (!CHECK(is_allowed(&begin, sector, by) &&
                   memcmp(&begin, &end, sizeof begin) == 0)) {
            NOTE("%s: sector %u is of write %u", what, sector, begin.id);
            return;
        }
    }
}

/* --- the operations ------------------------------------------------------ */

/* FUA: the write itself is durable, or one that has come after it. */
static void check_fua(unsigned i)
{
    for (uint32_t n = 0; n < ios[i].nr_sectors; n++) {
        uint32_t sector = (uint32_t)ios[i].sector + n;
        struct stamp stamp;

        memcpy(&stamp, durable + sector * 512, sizeof stamp);
        if (!CHECK(stamp.id == DISCARDED ||
                   (stamp.id > 0 && !is_before(stamp.id - 1, i)))) {
            NOTE("FUA: sector %u is of write %u, not %u", sector, stamp.id,
                 i + 1);
            return;
        }
    }
}

static void check_result(unsigned i)
{
    const struct vbdfront_io *io = &ios[i];

    if (io->op == VBDFRONT_READ)
        check_range("read", io->data, io->sector, io->nr_sectors,
                    submitted[i]);
    else if (io->op == VBDFRONT_FLUSH)
        check_range("flush", durable, 0, SECTORS, submitted[i]);
    else if (io->op == VBDFRONT_BARRIER)
        check_range("barrier", durable, 0, SECTORS, now);
    else if (io->flags & VBDFRONT_FUA && io->op == VBDFRONT_WRITE)
        check_fua(i);
}

static void on_operation(struct vbdfront_io *io, int error)
{
    unsigned i = (unsigned)(io - ios);

    on_done(io, error);
    slot_is_used[slots[i]] = false;
    finished[i] = now++;
    if (!error)
        check_result(i);
    else
        CHECK(may_fail);
}

static void stamp_data(uint8_t *data, unsigned i)
{
    for (uint32_t n = 0; n < ios[i].nr_sectors; n++) {
        struct stamp stamp = { i + 1, (uint32_t)ios[i].sector + n };

        memcpy(data + n * 512, &stamp, sizeof stamp);
        memcpy(data + n * 512 + 512 - sizeof stamp, &stamp, sizeof stamp);
    }
}

static void choose(struct vbdfront_io *io)
{
    uint32_t kind = random_below(16);

    io->nr_sectors = 1 + random_below(random_below(3) ? 24 : MAX_SECTORS);
    io->sector = random_below(SECTORS - io->nr_sectors + 1);
    io->op = kind < 5 ? VBDFRONT_READ : VBDFRONT_WRITE;
    if (kind == 11 || kind == 12)
        io->flags = VBDFRONT_FUA;
    if (kind == 13)
        io->op = VBDFRONT_DISCARD;
    if (kind == 14)
        io->op = VBDFRONT_FLUSH;
    if (kind == 15)
        io->op = VBDFRONT_BARRIER;
    if (kind == 14 || (kind == 15 && !random_below(3)))
        io->sector = io->nr_sectors = 0;
}

static void submit_any(void)
{
    unsigned i = nr_operations, slot = random_below(SLOTS);
    uint8_t *data = buffer + slot * SLOT_PAGES * 4096 + random_below(8) * 512;

    if (i == OPERATIONS || slot_is_used[slot])
        return;
    ios[i] = (struct vbdfront_io){ .done = on_operation };
    choose(&ios[i]);
    if (ios[i].op == VBDFRONT_DISCARD && !vbdfront_info(front)->has_discard)
        return;
    if (ios[i].op != VBDFRONT_DISCARD)
        ios[i].data = data;
    if (is_write(&ios[i]))
        stamp_data(data, i);
    else
        memset(data, STALE, ios[i].nr_sectors * 512);
    slots[i] = slot;
    slot_is_used[slot] = true;
    results[i] = UNDONE;
    finished[i] = NEVER;
    submitted[i] = now++;
    nr_operations++;
    vbdfront_submit(front, &ios[i]);
}

/* --- the back end -------------------------------------------------------- */

/* A barrier waits for what is before it in its queue, and all behind it waits
 * for the barrier. */
static bool may_execute(unsigned index)
{
    for (unsigned i = 0; i < index; i++) {
        if (world.held_queue[i] == world.held_queue[index] &&
            (world.held[i].operation == B || world.held[index].operation == B))
            return false;
    }
    return true;
}

/* And it is answered when all before it has been, and before what is behind it
 * is begun. Of each queue: something was not, a barrier was not. */
static bool is_silent[FAKE_QUEUES], is_mute[FAKE_QUEUES];

static bool may_answer(unsigned queue, bool is_barrier, bool answers)
{
    if (is_mute[queue] || (is_barrier && is_silent[queue]))
        answers = false;
    is_silent[queue] |= !answers;
    is_mute[queue] |= !answers && is_barrier;
    return answers;
}

/* A torn copy of the memory has what was there before, and the answer. */
static void answer_held(unsigned index, bool well)
{
    bool reads = blkif_response_operation(&world.held[index]) == R;

    if (is_suspended && reads && random_below(2)) {
        fake_answer_undone(&world, index, BLKIF_RSP_OKAY);
        nr_torn++;
    } else {
        fake_answer_held(&world, index,
                         well ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR);
    }
}

/* Answers anything it holds, or does without the answer. */
static void execute_any(bool answers, bool well)
{
    unsigned index = world.nr_held ? random_below(world.nr_held) : 0;
    uint8_t operation = world.held[index].operation;

    if (world.nr_held == 0 || !may_execute(index))
        return;
    if (!may_answer(world.held_queue[index], operation == B, answers))
        fake_execute_held(&world, index);
    else
        answer_held(index, well);
    if (well && (operation == F || operation == B))
        memcpy(durable, world.disk, sizeof durable);
}

static void offer_number(const char *leaf, uint32_t number)
{
    char value[16];

    snprintf(value, sizeof value, "%u", number);
    fake_set(&world, FAKE_BACKEND, leaf, value);
}

static void offer_any(void)
{
    uint32_t orders = random_below(4);

    offer_number("multi-queue-max-queues", random_below(2) ? 4 : 1);
    offer_number("max-ring-page-order", random_below(3));
    offer_number("feature-discard", !may_fail || random_below(2));
    if (random_below(2))
        fake_offer_indirect(&world, random_below(2) ? 256 : 16);
    world.maps_persistently = random_below(2);
    offer_number("feature-persistent", world.maps_persistently);
    offer_number("feature-flush-cache", orders & 1 || (!orders && !may_fail));
    offer_number("feature-barrier", orders >> 1);
    if (may_fail && !random_below(4))
        offer_number("sectors", SECTORS / 2);
}

/* --- the life of the guest ----------------------------------------------- */

static void restore_any(void)
{
    uint64_t before, after;
    struct vbdfront_stats stats;

    is_suspended = true;
    for (uint32_t n = random_below(2 * SLOTS); n > 0; n--)
        execute_any(random_below(3), true);
    is_suspended = false;
    memset(is_silent, false, sizeof is_silent);
    memset(is_mute, false, sizeof is_mute);
    vbdfront_get_stats(front, &stats);
    before = stats.ring_requests;
    fake_restore(&world);
    offer_any();
    REQUIRE(vbdfront_resume(front, SECOND) == 0);
    vbdfront_get_stats(front, &stats);
    after = stats.ring_requests;
    nr_again += (unsigned)(after - before);
    nr_restores++;
}

static void step(void)
{
    world.nr_log = 0;
    if (random_below(2))
        submit_any();
    if (!random_below(3))
        vbdfront_poll(front);
    if (!random_below(3))
        fake_serve(&world);
    if (random_below(2))
        execute_any(true, !may_fail || random_below(20));
    if (!random_below(RESTORE_IN))
        restore_any();
}

static void finish_all(void)
{
    for (unsigned i = 0; i < 100000 && vbdfront_in_flight(front) > 0; i++) {
        vbdfront_poll(front);
        fake_serve(&world);
        execute_any(true, true);
    }
    CHECK_EQ(vbdfront_in_flight(front), 0);
    CHECK_EQ(nr_done, nr_operations);
    check_range("end", world.disk, 0, SECTORS, now);
}

static void start_any(void)
{
    struct vbdfront_config config;

    fake_init(&world);
    offer_any();
    vbdfront_get_defaults(&config);
    config.max_queues = 4;
    config.use_persistent = true;
    config.is_untrusted = random_below(2);
    start_as(&config);
    world.holds = true;
    nr_operations = 0;
    now = 0;
    memset(durable, 0, sizeof durable);
}

static void run(void)
{
    struct vbdfront_stats stats;

    start_any();
    while (nr_operations < OPERATIONS)
        step();
    finish_all();
    nr_operations_ever += nr_operations;
    vbdfront_get_stats(front, &stats);
    CHECK_EQ(stats.pages_lost, 0);
    stop();
}

static void check_runs(bool fails)
{
    nr_restores = nr_again = nr_torn = nr_operations_ever = 0;
    may_fail = fails;
    for (unsigned i = 0; i < tap_scaled(RUNS); i++)
        run();
    CHECK(nr_restores > 0 && nr_again > 0 && nr_torn > 0);
    NOTE("%u operations, %u restores, %u requests put at once after them; %u "
         "answers without data", nr_operations_ever, nr_restores, nr_again,
         nr_torn);
}

static void check_good(void)
{
    check_runs(false);
}

static void check_bad(void)
{
    check_runs(true);
}

int main(void)
{
    random_state = tap_seed() * 2 + 1;
    TEST("restores are not to be seen in the data, whatever is in flight",
         check_good);
    TEST("nor where requests fail and back ends lack what earlier ones had",
         check_bad);
    return tap_done();
}
