/* SPDX-License-Identifier: MIT
 * Claim: a front end that keeps its rings full, or does nothing but signal,
 * takes no more than its share: on the same disk each vbd has its turn after
 * at most 32 requests of each other one, whatever the rings' lengths and
 * numbers, the requests' sizes and the byte budget; on another disk nothing is
 * noticed; and the worker's memory and its work for an event are bounded.
 * Source: XSA-331, XSA-332 (unbounded work for a guest's events);
 * backend/disk/loop.c.
 * Mechanism: order is proven by the log engine, below which nothing is
 * reordered: the worker is stopped (SIGSTOP) while all rings are filled. What
 * goes on for long is done by one thread for both rings, so that neither is
 * filled more often. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "tests/unit/disk-rig.h"
#include "tests/unit/process.h"

enum {
    TURN = 32, /* requests of one vbd before the others' turn (ringio.c) */
    FLOOD = 1, NEIGHBOUR = 2, /* as vbds */
    HALF_BYTES = 16 << 20, PAGE_SECTORS = 8,
    LONG_RING = 512, /* slots of 16 pages */
};

static const char *const no_arguments[] = { NULL };

static struct rig rig;
static struct rig_guest flood, neighbour;
static char journal[96]; /* of the engine, or of what the worker says */

/* --- who comes when ------------------------------------------------------- */

/* What full rings hold, and what the worker is like. */
struct scene {
    const char *name;
    unsigned queues, pages;   /* of the flood; of the neighbour: 1, pages */
    unsigned segments;        /* of the flood's requests */
    uint8_t operation;        /* of the flood's */
    unsigned nr_neighbour;    /* requests of the neighbour */
    const char *below;        /* the engine */
    const char *budget_bytes; /* NULL: the default */
    bool is_flood_first;      /* in the worker's list */
    unsigned turn;            /* the most of the flood's in a row */
};

static const struct scene scenes[] = {
    { "equal rings", 1, 1, 1, BLKIF_OP_WRITE, 32, "", NULL, true, TURN },
    { "equal long rings", 1, 16, 1, BLKIF_OP_WRITE, LONG_RING, "", NULL, true,
      TURN },
    { "a long ring of large requests", 1, 16, 11, BLKIF_OP_WRITE, 512, "",
      NULL, false, TURN },
    { "four long rings", 4, 16, 1, BLKIF_OP_WRITE, LONG_RING, "", NULL, true,
      TURN },
    { "four long rings and one request", 4, 16, 11, BLKIF_OP_WRITE, 1, "",
      NULL, true, TURN },
    { "four long rings of reads", 4, 16, 11, BLKIF_OP_READ, 64, "", NULL,
      true, TURN },
    { "barriers", 1, 16, 1, BLKIF_OP_WRITE_BARRIER, 32, "", NULL, true,
      TURN },
    { "a budget of two requests", 1, 1, 11, BLKIF_OP_WRITE, 32,
      "delay:write=1ms,read=1ms/", "100000", true, 2 },
    { "a budget of two requests, four rings", 4, 1, 11, BLKIF_OP_WRITE, 32,
      "delay:write=1ms,read=1ms/", "100000", false, 2 },
    { "a budget of less than one", 1, 1, 11, BLKIF_OP_WRITE, 16,
      "delay:write=1ms,read=1ms/", "4096", true, 1 },
};

static void open_scene(const struct scene *scene)
{
    const char *const budget[] = { "--byte-budget", scene->budget_bytes,
                                   NULL };
    char engine[200];

    snprintf(engine, sizeof engine, "log:file='%s'/%smem:size=32M", journal,
             scene->below);
    unlink(journal);
    rig_open(&rig, engine, scene->budget_bytes ? budget : no_arguments);
    rig_guest_open(&rig, &flood, RIG_DOMID, BLKIF_ABI_NATIVE);
    rig_guest_open(&rig, &neighbour, RIG_DOMID + 1, BLKIF_ABI_NATIVE);
    rig.ring_pages = scene->pages;
    for (unsigned i = 0; i < 2; i++) { /* the last to come is the first */
        bool is_flood = i == scene->is_flood_first;

        rig.wish.nr_queues = is_flood ? scene->queues : 1;
        REQUIRE(rig_connect(&rig, is_flood ? &flood : &neighbour,
                            RIG_DOMID + !is_flood,
                            is_flood ? FLOOD : NEIGHBOUR) == 0);
    }
}

static void close_both(void)
{
    CHECK_EQ(rig_disconnect(&rig, &flood, FLOOD), 0);
    CHECK_EQ(rig_disconnect(&rig, &neighbour, NEIGHBOUR), 0);
    rig_guest_close(&flood);
    rig_guest_close(&neighbour);
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK_EQ(rig_stats(&rig).bytes_in_flight, 0);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* The n-th request of a guest, in its own half of the disk; requests that
 * follow each other do not overlap. */
static void place(struct blkif_wire_request *r, const struct rig_guest *guest,
                  unsigned n)
{
    unsigned sectors = r->nr_segments * PAGE_SECTORS;
    unsigned half = HALF_BYTES / BLKIF_SECTOR_BYTES;

    r->sector = (uint64_t)n * sectors % (half - sectors) +
                (guest == &neighbour ? half : 0);
    r->sector -= r->sector % PAGE_SECTORS;
    r->id = n;
}

/* At most max on all its rings; returns how many. */
static unsigned fill(struct rig_guest *guest, struct blkif_wire_request *r,
                     unsigned max)
{
    unsigned nr = 0;

    for (unsigned q = 0; q < guest->nr_queues; q++) {
        struct front_ring *ring = &guest->queues[q].ring;

        for (; nr < max && front_ring_free(ring); nr++) {
            place(r, guest, nr);
            front_ring_put(ring, r);
        }
        front_ring_push(ring);
    }
    return nr;
}

/* Takes what has been answered, and counts what is not OKAY. */
static unsigned take(struct rig_guest *guest, unsigned long *bad)
{
    static struct blkif_wire_response responses[512];
    unsigned taken = 0;

    for (unsigned q = 0; q < guest->nr_queues; q++) {
        int nr = front_ring_take(&guest->queues[q].ring, responses, 512);

        if (nr < 0) {
            *bad += 1;
            continue;
        }
        for (int i = 0; i < nr; i++)
            *bad += responses[i].status != BLKIF_RSP_OKAY;
        taken += (unsigned)nr;
    }
    return taken;
}

static unsigned await_answers(struct rig_guest *guest, unsigned nr)
{
    uint64_t end = host_now_us() + 30000000;
    unsigned long bad = 0;
    unsigned taken = 0;

    while (taken < nr && host_now_us() < end) {
        taken += take(guest, &bad);
        usleep(200);
    }
    CHECK_EQ(bad, 0);
    return taken;
}

/* Of the requests in the journal: the most of the flood's that stand between
 * two of the neighbour's, or before the first. nr: of each. */
static unsigned longest_run(unsigned *nr_flood, unsigned *nr_neighbour)
{
    FILE *file = fopen(journal, "r");
    unsigned run = 0, longest = 0;
    unsigned long long offset;
    char line[256], op[16];

    *nr_flood = *nr_neighbour = 0;
    REQUIRE(file);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "S %*u %*u %15s %llu", op, &offset) != 2 ||
            strcmp(op, "FLUSH") == 0)
            continue;
        if (offset < HALF_BYTES) {
            ++*nr_flood;
            run++;
            continue;
        }
        longest = run > longest ? run : longest;
        run = 0;
        ++*nr_neighbour;
    }
    fclose(file);
    return longest;
}

/* The most requests of one of the flood's queues in a row, where each request
 * is of one page and the n-th queue has the n-th LONG_RING of them. */
static unsigned longest_run_of_a_queue(void)
{
    FILE *file = fopen(journal, "r");
    unsigned run = 0, longest = 0, last = UINT32_MAX;
    unsigned long long offset;
    char line[256];

    REQUIRE(file);
    while (fgets(line, sizeof line, file)) {
        unsigned queue;

        if (sscanf(line, "S %*u %*u %*s %llu", &offset) != 1 ||
            offset >= HALF_BYTES)
            continue;
        queue = (unsigned)(offset / LOCAL_PAGE_BYTES / LONG_RING);
        run = queue == last ? run + 1 : 1;
        last = queue;
        longest = run > longest ? run : longest;
    }
    fclose(file);
    return longest;
}

static void play(const struct scene *scene)
{
    struct blkif_wire_request of_flood, of_neighbour;
    unsigned nr_flood, nr_neighbour, seen_flood, seen_neighbour, run;

    open_scene(scene);
    of_flood = rig_request(&flood, scene->operation, 0, scene->segments,
                           false);
    of_neighbour = rig_request(&neighbour, BLKIF_OP_WRITE, 0, 1, true);
    rig_stop_worker(&rig);
    nr_flood = fill(&flood, &of_flood, UINT32_MAX);
    nr_neighbour = fill(&neighbour, &of_neighbour, scene->nr_neighbour);
    for (unsigned q = 0; q < flood.nr_queues; q++)
        local_event_notify(flood.local, flood.queues[q].port);
    kill(rig.worker, SIGCONT);
    CHECK_EQ(await_answers(&flood, nr_flood), nr_flood);
    CHECK_EQ(await_answers(&neighbour, nr_neighbour), nr_neighbour);
    run = longest_run(&seen_flood, &seen_neighbour);
    NOTE("%s: %u of the flood, %u of the neighbour; at most %u of the flood "
         "in a row", scene->name, seen_flood, seen_neighbour, run);
    CHECK_EQ(seen_flood, nr_flood);
    CHECK_EQ(seen_neighbour, nr_neighbour);
    CHECK_EQ(nr_neighbour, scene->nr_neighbour);
    CHECK(run <= scene->turn);
    if (scene->queues > 1 && scene->segments == 1)
        CHECK_EQ(longest_run_of_a_queue(), TURN);
    rig_end_grants(&flood, &of_flood);
    rig_end_grants(&neighbour, &of_neighbour);
    close_both();
    unlink(journal);
}

static void check_turns(void)
{
    for (unsigned i = 0; i < sizeof scenes / sizeof *scenes; i++)
        play(&scenes[i]);
}

/* --- for long ------------------------------------------------------------- */

/* Signals a port as fast as it can. */
struct signaller {
    pthread_t thread;
    struct local *local;
    uint32_t port;
    bool stop;           /* atomic */
    unsigned long times; /* atomic */
};

static void *signal_on(void *context)
{
    struct signaller *s = context;

    while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
        local_event_notify(s->local, s->port);
        __atomic_fetch_add(&s->times, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void start_signaller(struct signaller *s, struct rig_guest *guest)
{
    *s = (struct signaller){ .local = guest->local,
                             .port = guest->queues[0].port };
    REQUIRE(pthread_create(&s->thread, NULL, signal_on, s) == 0);
}

static void stop_signaller(struct signaller *s)
{
    __atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
    pthread_join(s->thread, NULL);
}

static bool write_and_read(struct rig_guest *guest, unsigned n)
{
    char *page = rig_frame(guest, RIG_DATA_FRAME);
    struct blkif_wire_request r = rig_request(guest, BLKIF_OP_WRITE, 0, 1,
                                              false);
    bool is_right;

    place(&r, guest, n % 100);
    memset(page, (int)(n % 251), LOCAL_PAGE_BYTES);
    is_right = rig_do(guest, r) == BLKIF_RSP_OKAY;
    memset(page, 0xff, LOCAL_PAGE_BYTES);
    r.operation = BLKIF_OP_READ;
    is_right = is_right && rig_do(guest, r) == BLKIF_RSP_OKAY &&
               page[0] == (char)(n % 251) && page[4095] == page[0];
    rig_end_grants(guest, &r);
    return is_right;
}

static void open_both(const char *engine)
{
    const char *const arguments[] = { "--log-level", "info", NULL };

    rig_open(&rig, engine, arguments);
    rig_guest_open(&rig, &flood, RIG_DOMID, BLKIF_ABI_NATIVE);
    rig_guest_open(&rig, &neighbour, RIG_DOMID + 1, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &neighbour, RIG_DOMID + 1, NEIGHBOUR) == 0);
    REQUIRE(rig_connect(&rig, &flood, RIG_DOMID, FLOOD) == 0);
}

struct answers {
    unsigned long flood, neighbour, bad;
};

/* Keeps both rings full until so many requests have been answered. */
static void keep_full(struct blkif_wire_request *of_flood,
                      struct blkif_wire_request *of_neighbour,
                      unsigned long nr, struct answers *answers)
{
    uint64_t end = host_now_us() + 60000000;

    while (answers->flood + answers->neighbour < nr && host_now_us() < end) {
        fill(&flood, of_flood, UINT32_MAX);
        fill(&neighbour, of_neighbour, UINT32_MAX);
        for (unsigned i = 0; i < 20; i++)
            local_event_notify(flood.local, flood.queues[0].port);
        local_event_notify(neighbour.local, neighbour.queues[0].port);
        answers->flood += take(&flood, &answers->bad);
        answers->neighbour += take(&neighbour, &answers->bad);
    }
}

/* What is still under way. */
static void take_rest(struct answers *answers, unsigned long put)
{
    uint64_t end = host_now_us() + 20000000;

    while (answers->flood + answers->neighbour < put && host_now_us() < end) {
        answers->flood += take(&flood, &answers->bad);
        answers->neighbour += take(&neighbour, &answers->bad);
    }
}

static void check_share(void)
{
    unsigned long nr = tap_scaled(100000), share;
    struct blkif_wire_request of_flood, of_neighbour;
    struct answers answers = { 0 };
    struct message_stats stats;
    struct rig_guest apart;
    struct rig other;
    unsigned right_apart = 0;
    long growth;

    open_both("mem:size=32M");
    rig_open_beside(&other, &rig, "mem:size=32M", no_arguments);
    rig_guest_open(&other, &apart, RIG_DOMID + 2, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&other, &apart, RIG_DOMID + 2, 1) == 0);
    of_flood = rig_request(&flood, BLKIF_OP_WRITE, 0, 11, true);
    of_neighbour = rig_request(&neighbour, BLKIF_OP_WRITE, 0, 11, true);
    keep_full(&of_flood, &of_neighbour, nr / 10, &answers); /* warms up */
    growth = process_rss_kib(rig.worker);
    for (unsigned i = 1; i <= 20; i++) {
        keep_full(&of_flood, &of_neighbour, nr / 10 + nr * i / 20, &answers);
        right_apart += write_and_read(&apart, i);
    }
    growth = process_rss_kib(rig.worker) - growth;
    share = 100 * answers.neighbour / (answers.flood + answers.neighbour);
    take_rest(&answers, flood.queues[0].ring.req_prod +
                            neighbour.queues[0].ring.req_prod);
    stats = rig_stats(&rig);
    NOTE("%lu of the flood, %lu of the neighbour (%lu %%), %llu events, %llu "
         "wake-ups; RSS of the worker grew by %ld KiB", answers.flood,
         answers.neighbour, share, (unsigned long long)stats.events_taken,
         (unsigned long long)stats.wakeups, growth);
    CHECK(share >= 40);
    CHECK_EQ(answers.bad, 0);
    CHECK_EQ(right_apart, 20);
    CHECK_EQ(stats.responses, answers.flood + answers.neighbour);
    CHECK(stats.responses <= stats.take_batches * TURN);
    CHECK(stats.notifies_sent <= stats.answer_batches);
    if (!process_is_instrumented())
        CHECK(growth <= 1024);
    rig_end_grants(&flood, &of_flood);
    rig_end_grants(&neighbour, &of_neighbour);
    CHECK_EQ(rig_disconnect(&other, &apart, 1), 0);
    rig_guest_close(&apart);
    CHECK_EQ(rig_end_worker(&other).error, 0);
    close_both();
}

/* What the worker has done since; its counts until now. */
static struct message_stats since(const struct message_stats *before)
{
    struct message_stats now = rig_stats(&rig), done = now;

    done.system_calls -= before->system_calls;
    done.events_taken -= before->events_taken;
    done.wakeups -= before->wakeups;
    done.responses -= before->responses;
    return done;
}

static void await_signals(const struct signaller *s, unsigned long more)
{
    unsigned long until = more + __atomic_load_n(&s->times, __ATOMIC_RELAXED);

    while (__atomic_load_n(&s->times, __ATOMIC_RELAXED) < until)
        usleep(100);
}

/* An event without a request: the worker wakes up, takes the event, looks at
 * the rings and sleeps again. Then the same with a neighbour at work. */
static void check_events(void)
{
    unsigned nr = (unsigned)tap_scaled(1000), right = 0;
    struct message_stats before, done;
    struct signaller signaller;
    long growth;

    open_both("mem:size=32M");
    for (unsigned i = 0; i < 100; i++)
        REQUIRE(write_and_read(&neighbour, i));
    start_signaller(&signaller, &flood);
    await_signals(&signaller, 1000);
    growth = process_rss_kib(rig.worker);
    before = rig_stats(&rig);
    await_signals(&signaller, tap_scaled(50000));
    done = since(&before);
    CHECK(done.wakeups > 10);
    CHECK(done.events_taken <= done.wakeups);
    CHECK(done.system_calls <= 3 * done.wakeups);
    NOTE("%llu events, %llu wake-ups, %llu system calls",
         (unsigned long long)done.events_taken,
         (unsigned long long)done.wakeups,
         (unsigned long long)done.system_calls);
    before = rig_stats(&rig);
    for (unsigned i = 0; i < nr && right == i; i++)
        right += write_and_read(&neighbour, i);
    done = since(&before);
    growth = process_rss_kib(rig.worker) - growth;
    stop_signaller(&signaller);
    NOTE("with %u requests of the neighbour: %llu events, %llu wake-ups; RSS "
         "grew by %ld KiB; %lu signals", 2 * nr,
         (unsigned long long)done.events_taken,
         (unsigned long long)done.wakeups, growth, signaller.times);
    CHECK_EQ(right, nr);
    CHECK_EQ(done.responses, 2 * nr);
    if (!process_is_instrumented())
        CHECK(growth <= 64);
    close_both();
}

/* Lines of the journal with the text in them. */
static unsigned count_lines(const char *text)
{
    FILE *file = fopen(journal, "r");
    char line[1024];
    unsigned nr = 0;

    REQUIRE(file);
    while (fgets(line, sizeof line, file))
        nr += strstr(line, text) != NULL;
    fclose(file);
    return nr;
}

/* The worker's standard error is the journal. */
static void open_logged(void)
{
    int ours = dup(STDERR_FILENO);
    int log = open(journal, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    REQUIRE(ours >= 0 && log >= 0);
    dup2(log, STDERR_FILENO);
    open_both("mem:size=32M");
    dup2(ours, STDERR_FILENO);
    close(ours);
    close(log);
}

/* Ten lines a minute, and the number of the others. */
static void check_log(void)
{
    struct blkif_wire_request r = { .operation = 77 };
    unsigned nr = 0, rounds = (unsigned)tap_scaled(100);
    char sum[80];

    open_logged();
    for (unsigned i = 0; i < rounds; i++) {
        uint64_t end = host_now_us() + 10000000;
        unsigned here = fill(&flood, &r, UINT32_MAX), got = 0;
        unsigned long refused = 0;

        local_event_notify(flood.local, flood.queues[0].port);
        while (got < here && host_now_us() < end)
            got += take(&flood, &refused);
        CHECK_EQ(refused, here);
        nr += here;
    }
    CHECK(write_and_read(&neighbour, 1));
    close_both();
    snprintf(sum, sizeof sum, "front ends: %u similar messages were not shown",
             nr - LOG_LIMIT_BURST);
    CHECK_EQ(count_lines("request refused"), LOG_LIMIT_BURST);
    CHECK_EQ(count_lines(sum), 1);
    CHECK_EQ(count_lines(""), LOG_LIMIT_BURST + 1);
    unlink(journal);
}

int main(void)
{
    snprintf(journal, sizeof journal, "/tmp/vbdd-flood-%d.log",
             (int)getpid());
    TEST("each vbd has its turn, however much another one asks for",
         check_turns);
    TEST("a flood leaves its neighbour half, and the worker as small as it "
         "was", check_share);
    TEST("a storm of events without requests is a few system calls each "
         "(XSA-331, XSA-332)", check_events);
    TEST("a flood of nonsense is ten lines of log and a number (XSA-180)",
         check_log);
    return tap_done();
}
