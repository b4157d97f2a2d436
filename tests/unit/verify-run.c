/* SPDX-License-Identifier: MIT
 * Claim: vbdverify's loop, stamps, checker and history together find each way
 * in which a disk with several paths can lie, and nothing in an honest one,
 * though it answers in any order; the kept history, with the image of a crash
 * at its end or at any moment, is judged as the run was; silence and lost paths end a run.
 * Source: C3, C5, C6, C7 of docs/COHERENCY.md.
 * Mechanism: three paths to a disk in memory that is honest but for one bug,
 * and keeps apart what would survive a crash. */
#include "tests/unit/tap.h"

#include <errno.h>
#include <unistd.h>

#include "common/host/log.h"
#include "tools/vbdverify/vbdverify.h"

enum { SECTORS = 64, FIRST = 1000, PATHS = 3, DEPTH = 8, OPS = 4000 };

enum bug {
    BUG_NONE,
    BUG_LOST_WRITE,
    BUG_PATH_CACHES,   /* path 2 reads what it has read before */
    BUG_LATE_WRITE,    /* answered first, done later */
    BUG_TORN_WRITE,
    BUG_MISPLACED,
    BUG_GOES_BACK,
    BUG_REVIVED,       /* a write that failed comes later */
    BUG_HALF_WRITE,    /* the last of its sectors is left out */
    BUG_ANOTHER_RUN,   /* shows what was there before the run */
    BUG_FLUSH_IS_NOTHING,
    BUG_FLUSH_OF_ONE_PATH,
    BUG_FUA_IS_NOTHING,
    BUG_BARRIER_IS_NOTHING,
    BUG_PATH_DIES,
    BUG_PATH_IS_SILENT,
};

/* The disk. */
static enum bug bug;
static uint8_t now[SECTORS + 1][SECTOR_BYTES];
static uint8_t earlier[SECTORS + 1][SECTOR_BYTES]; /* before its last write */
static uint8_t cache[SECTORS + 1][SECTOR_BYTES];   /* path 2's */
static uint8_t durable[SECTORS + 1][SECTOR_BYTES];
static unsigned last_writer[SECTORS + 1];
static uint8_t cut[SECTORS][SECTOR_BYTES]; /* of a moment of the run */
static uint64_t cut_at;                    /* after so many operations */
static struct slot *queues[PATHS];
static uint8_t late[SECTOR_BYTES];
static uint64_t late_at = SECTORS;
static uint64_t randomness, nr_done;

static bool rarely(void)
{
    randomness = randomness * 6364136223846793005u + 1442695040888963407u;
    return (randomness >> 33) % 50 == 0;
}

static void write_sector(uint64_t at, const uint8_t *data, unsigned path)
{
    memcpy(earlier[at], now[at], SECTOR_BYTES);
    memcpy(now[at], data, SECTOR_BYTES);
    last_writer[at] = path;
}

static void keep_late(uint64_t at, const uint8_t *data)
{
    memcpy(late, data, SECTOR_BYTES);
    late_at = at;
}

/* What was put off is done. */
static void do_late(void)
{
    if (late_at < SECTORS)
        write_sector(late_at, late, 0);
    late_at = SECTORS;
}

static int do_write(const struct slot *slot)
{
    const struct operation *operation = &slot->operation;
    uint64_t at = operation->sector - FIRST;
    uint32_t nr = operation->nr_sectors;
    bool is_odd = !slot->is_setup && rarely();

    if (bug == BUG_REVIVED && is_odd && late_at == SECTORS) {
        keep_late(at, slot->data);
        return -EIO;
    }
    for (uint32_t i = 0; i < nr; i++) {
        const uint8_t *data = slot->data + i * SECTOR_BYTES;
        uint64_t to = at + i + (bug == BUG_MISPLACED && is_odd);

        if (is_odd && (bug == BUG_LOST_WRITE ||
                       (bug == BUG_HALF_WRITE && i + 1 == nr)))
            continue;
        if (bug == BUG_LATE_WRITE && is_odd && late_at == SECTORS)
            keep_late(to, data);
        else
            write_sector(to, data, operation->path);
        if (bug == BUG_TORN_WRITE && is_odd)
            memcpy(now[to] + 256, earlier[to], 256);
        if (operation->kind == OPERATION_FUA ||
            operation->kind == OPERATION_BARRIER)
            memcpy(durable[to], bug == BUG_FUA_IS_NOTHING ? durable[to]
                                                          : now[to],
                   SECTOR_BYTES);
    }
    return 0;
}

static int do_read(const struct slot *slot)
{
    uint64_t at = slot->operation.sector - FIRST;

    for (uint32_t i = 0; i < slot->operation.nr_sectors; i++) {
        bool from_cache = bug == BUG_PATH_CACHES && slot->path->index == 2 &&
                          rarely();
        const uint8_t *from = from_cache ? cache[at + i]
            : bug == BUG_GOES_BACK && rarely() ? earlier[at + i]
            : now[at + i];

        memcpy(slot->data + i * SECTOR_BYTES, from, SECTOR_BYTES);
        if (slot->path->index == 2)
            memcpy(cache[at + i], from, SECTOR_BYTES);
        if (bug == BUG_ANOTHER_RUN && rarely())
            data_fill(&(struct operation){ .sector = FIRST + at + i,
                                           .nr_sectors = 1, .sequence = 1 },
                      77, slot->data + i * SECTOR_BYTES);
    }
    return 0;
}

static void do_flush(const struct slot *slot)
{
    for (unsigned i = 0; i < SECTORS; i++) {
        if (!slot->is_setup &&
            (bug == BUG_FLUSH_IS_NOTHING ||
             (bug == BUG_FLUSH_OF_ONE_PATH &&
              last_writer[i] != slot->operation.path)))
            continue;
        memcpy(durable[i], now[i], SECTOR_BYTES);
    }
}

static int do_operation(const struct slot *slot)
{
    enum operation_kind kind = slot->operation.kind;

    if (rarely())
        do_late();
    if (kind == OPERATION_FLUSH ||
        (kind == OPERATION_BARRIER && bug != BUG_BARRIER_IS_NOTHING))
        do_flush(slot);
    if (kind == OPERATION_READ)
        return do_read(slot);
    return kind == OPERATION_FLUSH ? 0 : do_write(slot);
}

/* --- its paths ------------------------------------------------------------ */

static bool fake_open(struct path *path, const char *what)
{
    (void)what;
    path->nr_sectors = FIRST + SECTORS;
    path->unit_sectors = 1;
    path->can = 1u << OPERATION_READ | 1u << OPERATION_WRITE |
                1u << OPERATION_FUA | 1u << OPERATION_FLUSH |
                1u << OPERATION_BARRIER;
    return true;
}

static void fake_close(struct path *path)
{
    queues[path->index] = NULL;
}

static void fake_submit(struct path *path, struct slot *slot)
{
    slot->next = queues[path->index];
    queues[path->index] = slot;
}

/* Of what is not durable some is there. */
static void cut_power(void)
{
    for (unsigned i = 0; i < SECTORS; i++) {
        rarely();
        memcpy(cut[i], randomness >> 63 ? durable[i] : now[i], SECTOR_BYTES);
    }
}

/* One of those that wait, any but what came after the oldest BARRIER; that one
 * when nothing older is left. */
static struct slot **choose(struct slot **queue)
{
    struct slot **barrier = NULL, **chosen;

    for (struct slot **at = queue; *at; at = &(*at)->next) {
        if ((*at)->operation.kind == OPERATION_BARRIER)
            barrier = at;
    }
    chosen = !barrier ? queue : (*barrier)->next ? &(*barrier)->next
                                                 : barrier;
    while (chosen != barrier && (*chosen)->next && !rarely() &&
           randomness >> 63)
        chosen = &(*chosen)->next;
    return chosen;
}

static void fake_poll(struct path *path)
{
    struct slot **at, *slot;

    if (bug == BUG_PATH_DIES && path->index == 1 && nr_done > OPS / 2)
        path_lost(path, "as this test wants it");
    if (bug == BUG_PATH_IS_SILENT && path->index == 1 && nr_done > OPS / 2)
        return;
    if (!queues[path->index])
        return;
    at = choose(&queues[path->index]);
    slot = *at;
    *at = slot->next;
    path_done(slot, do_operation(slot));
    if (++nr_done == cut_at)
        cut_power();
}

static const struct path_kind fake = {
    .name = "fake", .open = fake_open, .close = fake_close,
    .submit = fake_submit, .poll = fake_poll,
};

/* --- a run ---------------------------------------------------------------- */

static struct run run;
static struct check_stats stats;
static char history_name[64], image_name[64];

/* What a violation has to say. */
static const char *const words[] = {
    [BUG_TORN_WRITE] = "a torn sector", [BUG_MISPLACED] = "what belongs to",
    [BUG_ANOTHER_RUN] = "what another run has left",
    [BUG_PATH_IS_SILENT] = NULL };
static unsigned long nr_said;

static void count_violation(void *context, enum violation violation,
                            uint64_t sector, const char *sentence)
{
    (void)context;
    (void)violation;
    (void)sector;
    if (check_get_stats(run.check)->nr_violations == 1)
        NOTE("%s", sentence);
    nr_said += words[bug] && strstr(sentence, words[bug]);
}

static void open_run(void)
{
    struct check_config config = {
        .nr_paths = PATHS, .names = run.names, .sector = FIRST,
        .nr_sectors = SECTORS, .report = count_violation };

    memset(&run, 0, sizeof run);
    run.load = (struct load){ .sector = FIRST, .nr_sectors = SECTORS,
                              .most_sectors = 4, .random = randomness };
    REQUIRE(load_parse_mix(&run.load, "read=50,write=40,fua=5,flush=3,"
                                      "barrier=2"));
    run.run = 5;
    run.depth = DEPTH;
    run.timeout_s = 1;
    run.allows_errors = bug == BUG_REVIVED;
    run.nr_paths = PATHS;
    for (unsigned i = 0; i < PATHS; i++) {
        struct path *path = &run.paths[i];

        *path = (struct path){ .kind = &fake, .index = i, .depth = DEPTH,
                               .quota = OPS };
        snprintf(path->name, sizeof path->name, "fake %u", i + 1);
        run.names[i] = path->name;
        REQUIRE(fake.open(path, ""));
    }
    REQUIRE(check_open(&config, &run.check) == 0);
    run.history = history_create(history_name, run.run, FIRST, SECTORS,
                                 run.names, PATHS);
    REQUIRE(run.history);
}

static void write_image(uint8_t image[][SECTOR_BYTES])
{
    FILE *file = fopen(image_name, "wb");

    REQUIRE(file);
    REQUIRE(fseek(file, FIRST * SECTOR_BYTES, SEEK_SET) == 0);
    REQUIRE(fwrite(image, SECTOR_BYTES, SECTORS, file) == SECTORS);
    REQUIRE(fclose(file) == 0);
}

/* stats is what the checker says; the status is the run's. */
static int run_with(enum bug which)
{
    int status;

    bug = which;
    nr_done = nr_said = 0;
    memset(now, 0xa5, sizeof now);
    memset(durable, 0xa5, sizeof durable);
    memset(cache, 0, sizeof cache);
    memset(earlier, 0, sizeof earlier);
    late_at = SECTORS;
    open_run();
    status = run_verify(&run);
    CHECK(history_close(run.history));
    stats = *check_get_stats(run.check);
    for (unsigned i = 0; i < PATHS; i++)
        run_close_path(&run.paths[i]);
    check_close(run.check);
    write_image(durable);
    return status;
}

static void check_honest(void)
{
    CHECK_EQ(run_with(BUG_NONE), EXIT_OK);
    CHECK_EQ(stats.nr_violations, 0);
    CHECK(stats.overlaps > OPS / 10);
    for (unsigned i = 0; i < PATHS; i++) {
        uint64_t sum = 0;

        for (unsigned k = 0; k < OPERATION_KINDS; k++)
            sum += stats.paths[i].operations[k];
        CHECK_EQ(sum, OPS);
        CHECK(stats.paths[i].judged > OPS / 2);
        CHECK_EQ(stats.paths[i].failed + stats.paths[i].unjudged, 0);
    }
    CHECK_EQ(judge_history(history_name, NULL, IMAGE_NONE), EXIT_OK);
    CHECK_EQ(judge_history(history_name, image_name, IMAGE_END), EXIT_OK);
}

static void check_bugs(void)
{
    for (unsigned i = BUG_LOST_WRITE; i <= BUG_ANOTHER_RUN; i++) {
        NOTE("bug %u", i);
        CHECK_EQ(run_with(i), EXIT_OK);
        CHECK(stats.nr_violations > 0);
        CHECK(nr_said > 0 || !words[i]);
        CHECK_EQ(judge_history(history_name, NULL, IMAGE_NONE),
                 EXIT_VIOLATIONS);
    }
}

/* What a run ends with may happen to be durable. */
static void check_crashes(void)
{
    for (unsigned i = BUG_FLUSH_IS_NOTHING; i <= BUG_BARRIER_IS_NOTHING;
         i++) {
        int status = EXIT_OK;

        NOTE("bug %u", i);
        for (unsigned tries = 0; tries < 30 && status == EXIT_OK; tries++) {
            CHECK_EQ(run_with(i), EXIT_OK);
            CHECK_EQ(stats.nr_violations, 0);
            CHECK_EQ(judge_history(history_name, NULL, IMAGE_NONE), EXIT_OK);
            status = judge_history(history_name, image_name, IMAGE_END);
        }
        CHECK_EQ(status, EXIT_VIOLATIONS);
    }
}

/* A cut that the run has outlived, judged without being told when it was. */
static int run_with_cut(enum bug which)
{
    rarely();
    cut_at = OPS + (randomness >> 32) % OPS;
    CHECK_EQ(run_with(which), EXIT_OK);
    write_image(cut);
    return judge_history(history_name, image_name, IMAGE_CUT);
}

static void check_cuts(void)
{
    for (unsigned tries = 0; tries < 10; tries++) {
        CHECK_EQ(run_with_cut(BUG_NONE), EXIT_OK);
        CHECK_EQ(judge_history(history_name, image_name, IMAGE_END),
                 EXIT_VIOLATIONS);
    }
    for (unsigned i = BUG_FLUSH_IS_NOTHING; i <= BUG_BARRIER_IS_NOTHING;
         i++) {
        int status = EXIT_OK;

        NOTE("bug %u", i);
        for (unsigned tries = 0; tries < 30 && status == EXIT_OK; tries++)
            status = run_with_cut(i);
        CHECK_EQ(status, EXIT_VIOLATIONS);
    }
}

static void check_lost_paths(void)
{
    for (unsigned i = BUG_PATH_DIES; i <= BUG_PATH_IS_SILENT; i++) {
        CHECK_EQ(run_with(i), EXIT_DISK);
        CHECK_EQ(stats.nr_violations, 0);
        CHECK(stats.paths[0].operations[OPERATION_READ] < OPS / 2);
        CHECK_EQ(judge_history(history_name, image_name, IMAGE_END), EXIT_OK);
    }
}

/* --- histories that are no histories -------------------------------------- */

static void write_text(const char *events)
{
    FILE *file = fopen(history_name, "w");

    REQUIRE(file);
    fprintf(file, "vbdverify-history 1\nrun 5\nrange %d %d\npath one\n"
            "path two\n%s", FIRST, SECTORS, events);
    REQUIRE(fclose(file) == 0);
}

static int judge_text(const char *events)
{
    write_text(events);
    return judge_history(history_name, NULL, IMAGE_NONE);
}

/* The first path's write is lost, the second path's is there: what had been
 * answered before that was invoked binds, and nothing after it. */
static void check_date(void)
{
    struct operation second = { .path = 1, .sector = FIRST + 1,
                                .nr_sectors = 1, .sequence = 1 };

    memset(cut, 0, sizeof cut);
    data_fill(&second, 5, cut[1]);
    write_image(cut);
    write_text("i 0 0 W 1000 1 1 1\na 0 ok 2\ni 0 0 L 0 0 0 3\n"
               "a 0 ok 4\ni 1 1 W 1001 1 1 5\na 1 ok 6\n");
    CHECK_EQ(judge_history(history_name, image_name, IMAGE_CUT),
             EXIT_VIOLATIONS);
    write_text("i 0 0 W 1000 1 1 1\na 0 ok 2\ni 0 0 L 0 0 0 3\n"
               "i 1 1 W 1001 1 1 4\na 0 ok 5\na 1 ok 6\n");
    CHECK_EQ(judge_history(history_name, image_name, IMAGE_CUT), EXIT_OK);
    CHECK_EQ(judge_history(history_name, image_name, IMAGE_END),
             EXIT_VIOLATIONS);
}

static void check_bad_histories(void)
{
    static const char *const bad[] = {
        "x\n", "i\n", "\n", "i 0 0 R 1000 1 0\n", "i 0 0 Q 1000 1 0 1\n",
        "i 70000 0 R 1000 1 0 1\n", "i 0 2 R 1000 1 0 1\n",
        "i 0 0 R 999 1 0 1\n", "i 0 0 R 1063 2 0 1\n",
        "i 0 0 R 1000 70000 0 1\n", "i 0 0 R 18446744073709551615 2 0 1\n",
        "i 0 0 W 1000 1 2 1\n", "i 0 0 W 1000 1 0 1\n",
        "i 0 0 R 1000 1 0 1\ni 0 1 R 1000 1 0 1\n", "a 0 ok 1\n",
        "i 0 0 R 1000 2 0 1\na 0 ok 2 0\n",
        "i 0 0 R 1000 1 0 1\na 0 ok 2 0x9\n",
        "i 0 0 R 1000 1 0 1\na 0 ok 2 0x99999999\n",
        "i 0 0 R 1000 1 0 1\na 0 ok 2 7\n",
        "i 0 0 R 1000 1 0 1\na 0 ok 2 0x65535 0x65535\n",
        "i 0 0 R 1000 1 0 1\na 0 good 2 0\n",
        "i 0 0 R 1000 1 0 1\na 0 ok 2 0 \n",
        "i 0 0 W 1000 1 1 1\na 0 ok 2 0\n",
        "i 0 0 R 1000 1 0 1\na 0 ok 2 0",
    };

    CHECK_EQ(judge_text(""), EXIT_OK);
    CHECK_EQ(judge_text("i 0 0 W 1000 2 1 1\ni 1 1 R 1000 3 0 2\n"
                        "a 0 ok 3\na 1 ok 4 1.1x2 0\ni 0 1 L 0 0 0 5\n"
                        "a 0 failed 6\n"), EXIT_OK);
    CHECK_EQ(judge_text("i 1 1 R 1000 1 0 2\na 1 ok 4 1.1\n"),
             EXIT_VIOLATIONS);
    log_init("expected", LOG_LEVEL_ERROR);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!CHECK_EQ(judge_text(bad[i]), EXIT_DISK))
            NOTE("%s", bad[i]);
    }
    CHECK_EQ(judge_history("/nowhere/history", NULL, IMAGE_NONE), EXIT_DISK);
    CHECK_EQ(judge_text(""), EXIT_OK);
    CHECK_EQ(judge_history(history_name, "/nowhere/image", IMAGE_END),
             EXIT_DISK);
    CHECK_EQ(judge_text("i 0 0 W 999 1 1 1\n"), EXIT_DISK);
    CHECK_EQ(judge_history(history_name, image_name, IMAGE_CUT), EXIT_DISK);
    CHECK_EQ(judge_history(history_name, "/dev/null", IMAGE_END), EXIT_DISK);
    CHECK_EQ(judge_history(image_name, NULL, IMAGE_NONE), EXIT_DISK);
}

int main(void)
{
    snprintf(history_name, sizeof history_name,
             "/tmp/verify-run-%d.history", (int)getpid());
    snprintf(image_name, sizeof image_name, "/tmp/verify-run-%d.image",
             (int)getpid());
    randomness = tap_seed();
    log_init("expected", LOG_LEVEL_ERROR);
    TEST("an honest disk has no violations", check_honest);
    TEST("each way to break C3 is found", check_bugs);
    TEST("each way to break C5, C6 and C7 is found in the image",
         check_crashes);
    TEST("so it is in what a cut at any moment has left", check_cuts);
    TEST("the newest write that is there tells what binds", check_date);
    TEST("a path that dies or falls silent ends the run", check_lost_paths);
    TEST("what is no history is refused", check_bad_histories);
    unlink(history_name);
    unlink(image_name);
    return tap_done();
}
