/* SPDX-License-Identifier: MIT
 * Claim: a vbd of up to four queues with rings of up to 16 pages is served on
 * all of them, in every layout of the ring, for thousands of requests, so that
 * every slot is used many times; each queue has its own answers, pushes and
 * notifies; a BARRIER is one for all queues (C6), and a FLUSH covers what was
 * answered on any of them (C5).
 * Source: blkif.h, multi-queue-num-queues and ring-page-order; C5, C6, C15.
 * Mechanism: a real vbdd-disk, over the stand-in. */
#include "tests/unit/disk-rig.h"

enum { QUEUES = BLKIF_MAX_QUEUES, RING_PAGES = BLKIF_MAX_RING_PAGES,
       MOST_SLOTS = 512, BLOCK_SECTORS = 8, PAGE = LOCAL_PAGE_BYTES };

static const char *const no_arguments[] = { NULL };

static struct rig rig;
static struct rig_guest guest;

static void open_with(const char *engine, enum blkif_abi abi, unsigned queues,
                      unsigned pages)
{
    rig_open(&rig, engine, no_arguments);
    rig.wish.nr_queues = queues;
    rig.ring_pages = pages;
    rig_guest_open(&rig, &guest, RIG_DOMID, abi);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
}

static void close_it(void)
{
    CHECK_EQ(rig_stats(&rig).in_flight, 0);
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(rig_detach(&rig), 0);
}

/* --- many requests -------------------------------------------------------- */

/* Queue n has blocks of its own, one a slot, and page n * PAGES_EACH + slot %
 * PAGES_EACH of the data frames carries them. */
enum { PAGES_EACH = 128 };

struct traffic {
    uint32_t grefs[QUEUES * PAGES_EACH];
    unsigned slots, put[QUEUES], answered[QUEUES], bad;
};

static unsigned page_of(unsigned queue, uint64_t id)
{
    return queue * PAGES_EACH + (unsigned)(id % PAGES_EACH);
}

static uint64_t block_of(const struct traffic *t, unsigned queue, uint64_t id)
{
    return queue * t->slots + id % t->slots;
}

/* The data of a block is its number, in each of its words, and its round. */
static void fill(unsigned queue, uint64_t id, uint64_t block, uint64_t round)
{
    uint64_t *words = (void *)rig_frame(&guest, RIG_DATA_FRAME +
                                                page_of(queue, id));

    for (unsigned i = 0; i < PAGE / sizeof *words; i++)
        words[i] = block << 32 | round << 16 | i;
}

static unsigned wrong_words(unsigned queue, uint64_t id, uint64_t block,
                            uint64_t round)
{
    const uint64_t *words = (void *)rig_frame(&guest, RIG_DATA_FRAME +
                                                      page_of(queue, id));
    unsigned wrong = 0;

    for (unsigned i = 0; i < PAGE / sizeof *words; i++)
        wrong += words[i] != (block << 32 | round << 16 | i);
    return wrong;
}

static void put_one(struct traffic *t, unsigned queue, uint8_t operation,
                    uint64_t id, uint64_t round)
{
    uint64_t block = block_of(t, queue, id);
    struct blkif_wire_request r = {
        .operation = operation, .nr_segments = 1, .id = round << 32 | id,
        .sector = block * BLOCK_SECTORS,
        .segments = { { t->grefs[page_of(queue, id)], 0, 7 } } };

    if (operation == BLKIF_OP_WRITE)
        fill(queue, id, block, round);
    front_ring_put(&guest.queues[queue].ring, &r);
    t->put[queue]++;
}

static void collect(struct traffic *t, unsigned queue, uint8_t operation,
                    uint64_t round, unsigned nr)
{
    struct blkif_wire_response responses[PAGES_EACH];

    if (rig_wait_on(&guest, queue, responses, nr, 20) != nr) {
        t->bad++;
        return;
    }
    for (unsigned i = 0; i < nr; i++) {
        uint64_t id = responses[i].id & UINT32_MAX;

        t->bad += responses[i].status != BLKIF_RSP_OKAY ||
                  responses[i].operation != operation ||
                  responses[i].id >> 32 != round;
        if (operation == BLKIF_OP_READ)
            t->bad += wrong_words(queue, id, block_of(t, queue, id), round);
        t->answered[queue]++;
    }
}

/* All slots of all queues once: at most PAGES_EACH of each are under way. */
static void go_round(struct traffic *t, uint8_t operation, uint64_t round)
{
    for (unsigned first = 0; first < t->slots; first += PAGES_EACH) {
        unsigned nr = t->slots - first < PAGES_EACH ? t->slots - first
                                                    : PAGES_EACH;

        for (unsigned n = 0; n < guest.nr_queues; n++) {
            for (unsigned i = 0; i < nr; i++)
                put_one(t, n, operation, first + i, round);
            rig_push_on(&guest, n);
        }
        for (unsigned n = 0; n < guest.nr_queues; n++)
            collect(t, n, operation, round, nr);
    }
}

static void check_queue_stats(const struct traffic *t, unsigned pages)
{
    struct message_vbd_stats stats = rig_vbd_stats(&rig, 1);
    struct message_stats all = rig_stats(&rig);
    uint64_t taken = 0, answered = 0, notified = 0;

    CHECK_EQ(stats.nr_queues, guest.nr_queues);
    CHECK_EQ(stats.abi, guest.abi);
    for (unsigned n = 0; n < guest.nr_queues; n++) {
        struct message_queue_stats *queue = &stats.queues[n];

        CHECK_EQ(queue->nr_pages, pages);
        CHECK_EQ(queue->slots, t->slots);
        CHECK_EQ(queue->in_flight, 0);
        CHECK_EQ(queue->requests, t->put[n]);
        CHECK_EQ(queue->responses, t->answered[n]);
        CHECK_EQ(queue->indirect_requests, 0);
        CHECK(queue->notifies_sent <= queue->answer_batches);
        taken += queue->take_batches;
        answered += queue->answer_batches;
        notified += queue->notifies_sent;
    }
    CHECK_EQ(taken, all.take_batches);
    CHECK_EQ(answered, all.answer_batches);
    CHECK_EQ(notified, all.notifies_sent);
    NOTE("%llu requests, %llu batches taken, %llu answered, %llu notifies, "
         "%llu system calls", (unsigned long long)all.responses,
         (unsigned long long)taken, (unsigned long long)answered,
         (unsigned long long)notified, (unsigned long long)all.system_calls);
    CHECK(all.system_calls <= all.responses / 2);
}

static void run_traffic(enum blkif_abi abi, unsigned queues, unsigned pages)
{
    static struct traffic t;
    unsigned rounds = (unsigned)tap_scaled(4);

    t = (struct traffic){ .slots = ring_slots(abi, pages) };
    open_with("mem:size=8M", abi, queues, pages);
    for (unsigned i = 0; i < QUEUES * PAGES_EACH; i++) {
        int32_t gref = local_grant_access(guest.local, 0, RIG_DATA_FRAME + i,
                                          false);
        REQUIRE(gref > 0);
        t.grefs[i] = (uint32_t)gref;
    }
    for (unsigned round = 1; round <= rounds; round++) {
        go_round(&t, BLKIF_OP_WRITE, round);
        go_round(&t, BLKIF_OP_READ, round);
    }
    if (!CHECK_EQ(t.bad, 0))
        NOTE("layout %u, %u queues of %u pages", abi, queues, pages);
    check_queue_stats(&t, pages);
    close_it();
}

static void check_traffic(void)
{
    for (unsigned abi = 0; abi < BLKIF_ABI_COUNT; abi++) {
        run_traffic((enum blkif_abi)abi, QUEUES, RING_PAGES);
        run_traffic((enum blkif_abi)abi, 2, 2);
    }
}

/* A full ring of the largest kind on every queue, at once: all are taken and
 * none is left over. */
static void check_full(void)
{
    struct blkif_wire_request r;
    static struct blkif_wire_response responses[MOST_SLOTS];
    unsigned bad = 0;

    open_with("delay:read=50ms/mem:size=8M", BLKIF_ABI_X86_32, QUEUES,
              RING_PAGES);
    r = rig_request(&guest, BLKIF_OP_READ, 0, 1, false);
    for (unsigned n = 0; n < QUEUES; n++) {
        for (r.id = 0; r.id < MOST_SLOTS; r.id++) {
            r.sector = (n * MOST_SLOTS + r.id) * BLOCK_SECTORS;
            front_ring_put(&guest.queues[n].ring, &r);
        }
        CHECK_EQ(front_ring_free(&guest.queues[n].ring), 0);
        rig_push_on(&guest, n);
    }
    for (unsigned n = 0; n < QUEUES; n++) {
        bool seen[MOST_SLOTS] = { false };

        CHECK_EQ(rig_wait_on(&guest, n, responses, MOST_SLOTS, 20),
                 MOST_SLOTS);
        for (unsigned i = 0; i < MOST_SLOTS; i++) {
            bad += responses[i].status != 0 || responses[i].id >= MOST_SLOTS ||
                   seen[responses[i].id % MOST_SLOTS];
            seen[responses[i].id % MOST_SLOTS] = true;
        }
    }
    CHECK_EQ(bad, 0);
    rig_end_grants(&guest, &r);
    close_it();
}

/* Whoever asked for an event at its next answer gets one, at its own port. */
static void check_events(void)
{
    static const struct blkif_wire_request flush = {
        .operation = BLKIF_OP_FLUSH_DISKCACHE };
    struct blkif_wire_response response;
    uint32_t ports[QUEUES];

    open_with("mem:size=8M", BLKIF_ABI_X86_64, QUEUES, 1);
    while (local_event_take(guest.local, ports, QUEUES) > 0)
        ;
    for (unsigned i = 0; i < 3 * QUEUES; i++) {
        struct rig_queue *queue = &guest.queues[i % QUEUES];
        struct pollfd wait = { .fd = local_event_fd(guest.local),
                               .events = POLLIN };

        front_ring_final_check(&queue->ring);
        front_ring_put(&queue->ring, &flush);
        rig_push_on(&guest, i % QUEUES);
        CHECK_EQ(poll(&wait, 1, 10000), 1);
        CHECK_EQ(local_event_take(guest.local, ports, QUEUES), 1);
        CHECK_EQ(ports[0], queue->port);
        CHECK_EQ(rig_wait_on(&guest, i % QUEUES, &response, 1, 10), 1);
    }
    close_it();
}

/* --- one vbd -------------------------------------------------------------- */

static struct blkif_wire_request put_on(unsigned queue, uint8_t operation,
                                        uint64_t sector, unsigned pages)
{
    struct blkif_wire_request r = rig_request_at(
        &guest, operation, sector, RIG_DATA_FRAME + queue, pages, true);

    front_ring_put(&guest.queues[queue].ring, &r);
    rig_push_on(&guest, queue);
    return r;
}

/* The line of the log where text stands for the last time, and begins with the
 * letter (S: handed to the engine, C: done by it); 0: nowhere. */
static unsigned last_line(const char *path, char letter, const char *text)
{
    char line[256];
    unsigned n = 0, last = 0;
    FILE *file = fopen(path, "r");

    REQUIRE(file);
    while (fgets(line, sizeof line, file)) {
        n++;
        if (line[0] == letter && strstr(line, text))
            last = n;
    }
    fclose(file);
    return last;
}

static void open_logged(char *path, const char *below)
{
    char engine[128];

    strcpy(path, "/tmp/vbdd-engine-log.XXXXXX");
    close(mkstemp(path));
    snprintf(engine, sizeof engine, "log:file='%s'/%smem:size=8M", path,
             below);
    open_with(engine, BLKIF_ABI_NATIVE, QUEUES, 1);
}

/* A slow write on one queue, a barrier on another, a write on a third: no two
 * share a block, and each begins when the one before has ended (C6). */
static void run_barrier(unsigned pages)
{
    static const unsigned queues[] = { 3, 1, 0 };
    struct blkif_wire_response response;
    struct blkif_wire_request r[3];
    char path[64];

    open_logged(path, "delay:write=20ms/");
    r[0] = put_on(queues[0], BLKIF_OP_WRITE, 0, 1);
    CHECK(rig_is_settled(&rig, 1, 1));
    r[1] = put_on(queues[1], BLKIF_OP_WRITE_BARRIER, 64, pages);
    CHECK(rig_is_settled(&rig, 2, 2));
    r[2] = put_on(queues[2], BLKIF_OP_WRITE, 128, 1);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(rig_wait_on(&guest, queues[i], &response, 1, 10), 1);
        CHECK_EQ(response.status, BLKIF_RSP_OKAY);
        rig_end_grants(&guest, &r[i]);
    }
    unsigned before = last_line(path, 'C', " WRITE 0 "),
             after = last_line(path, 'S', " WRITE 65536 "),
             barrier = last_line(path, 'S', " WRITE 32768 "),
             barrier_end = last_line(path, 'C', " WRITE 32768 "),
             flush = last_line(path, 'S', " FLUSH ");
    CHECK(before > 0 && flush > 0 && after > 0);
    CHECK(after > before);
    CHECK(pages ? before < barrier && barrier_end < after
                : before < flush && flush < after);
    close_it();
    unlink(path);
}

static void check_barrier(void)
{
    run_barrier(0);
    run_barrier(1);
}

static void check_flush(void)
{
    char path[64];

    open_logged(path, "");
    for (unsigned n = 0; n < QUEUES; n++) {
        struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_WRITE,
                                                  n * 64, 1, true);
        struct blkif_wire_request flush = {
            .operation = BLKIF_OP_FLUSH_DISKCACHE };

        CHECK_EQ(rig_do_on(&guest, n, r), BLKIF_RSP_OKAY);
        CHECK(last_line(path, 'S', " FLUSH ") <
              last_line(path, 'C', " WRITE "));
        CHECK_EQ(rig_do_on(&guest, (n + 1) % QUEUES, flush), BLKIF_RSP_OKAY);
        CHECK(last_line(path, 'S', " FLUSH ") >
              last_line(path, 'C', " WRITE "));
        rig_end_grants(&guest, &r);
    }
    CHECK_EQ(rig_stats(&rig).engine_flushes, QUEUES);
    close_it();
    unlink(path);
}

/* A ring that lies takes the others of its vbd along, and gives all back. */
static void check_broken(void)
{
    volatile struct blkif_sring *shared;

    open_with("mem:size=8M", BLKIF_ABI_NATIVE, QUEUES, RING_PAGES);
    shared = (volatile void *)rig_frame(&guest, RIG_RING_FRAME +
                                                2 * BLKIF_MAX_RING_PAGES);
    shared->req_prod = MOST_SLOTS + 1;
    local_event_notify(guest.local, guest.queues[2].port);
    CHECK(rig_is_told(&rig, MESSAGE_BROKEN));
    put_on(0, BLKIF_OP_FLUSH_DISKCACHE, 0, 0);
    CHECK(rig_is_settled(&rig, 0, 0));
    usleep(20000);
    CHECK_EQ(rig_stats(&rig).responses, 0);
    CHECK_EQ(rig.nr_told, 1);
    close_it();
}

/* --- sectors of 4096, and discards that are not what they were ------------ */

static void check_4k(void)
{
    struct blkif_wire_request r;

    rig_open(&rig, "mem:size=1M", no_arguments);
    rig.wish.sector_bytes = 4096;
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    CHECK_EQ(rig_vbd_stats(&rig, 1).sector_bytes, 4096);
    r = rig_request(&guest, BLKIF_OP_READ, 8, 1, false);
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_OKAY);
    r.sector = 9;
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
    r.sector = 8;
    r.segments[0].last_sector = 3;
    CHECK_EQ(rig_do(&guest, r), BLKIF_RSP_ERROR);
    r.segments[0].last_sector = 7;
    rig_end_grants(&guest, &r);
    close_it();
}

static int discard(bool is_secure)
{
    return rig_do(&guest, (struct blkif_wire_request){
        .operation = BLKIF_OP_DISCARD, .sector = 0, .nr_sectors = 64,
        .nr_segments = is_secure ? BLKIF_DISCARD_SECURE : 0 });
}

/* What was advertised is served for as long as the guest lives (C14), also by
 * an engine that cannot do it: without doing anything, unless it was to be
 * secure. */
static void check_discard(void)
{
    static const struct { const char *engine; int status, secure; } rows[] = {
        { "mem:size=1M", BLKIF_RSP_OKAY, BLKIF_RSP_OKAY },
        { "error:discard=EOPNOTSUPP/mem:size=1M", BLKIF_RSP_OKAY,
          BLKIF_RSP_ERROR },
        { "error:discard=EIO/mem:size=1M", BLKIF_RSP_ERROR, BLKIF_RSP_ERROR },
        { "null:size=1M", BLKIF_RSP_OKAY, BLKIF_RSP_ERROR }, /* not secure */
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig_open(&rig, rows[i].engine, no_arguments);
        rig.wish.has_discard = rig.wish.has_secure = true;
        rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
        REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
        CHECK_EQ(discard(false), rows[i].status);
        CHECK_EQ(discard(true), rows[i].secure);
        CHECK_EQ(rig_vbd_stats(&rig, 1).has_secure, 1);
        close_it();
    }
}

int main(void)
{
    TEST("four queues of 16 pages move their data, in each layout",
         check_traffic);
    TEST("four rings of 512 slots, all full, are all answered", check_full);
    TEST("each queue's answers are told at its own port", check_events);
    TEST("a BARRIER is one for the writes of all queues", check_barrier);
    TEST("a FLUSH covers what was answered on any queue", check_flush);
    TEST("one broken ring is the end of the vbd's others", check_broken);
    TEST("on a disk of 4096-byte sectors nothing smaller is served", check_4k);
    TEST("a DISCARD that was advertised is served as well as can be",
         check_discard);
    return tap_done();
}
