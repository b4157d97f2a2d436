/* SPDX-License-Identifier: MIT
 * Claim: the engine `cache` is a disk with a volatile write cache, and an
 * honest one: what is written is gone with it until a FLUSH or as FUA brings
 * it down, from then on it is not, and all that can be read is the newest.
 * Source: vbddengines(7); engine.h; C5, C7.
 * Mechanism: a power cut is a look past the cache, at the engine below it,
 * where the log engine also shows the order; and a random run of requests that
 * overlap in time, with such looks, judged by a model. */
#include "config.h"

#include "tests/unit/engine-test.h"

enum { DISK_BYTES = 1 << 20, BLOCK = 512 };

static struct engine *engine;

static void open_stack(const char *specification)
{
    engine = stack_of(specification, DISK_BYTES);
}

/* Writes blocks that are full of value. */
static int write_blocks(unsigned flags, uint64_t at, uint32_t blocks, int value)
{
    struct job *job = job_new(engine, ENGINE_WRITE, at * BLOCK, blocks * BLOCK);
    int error;

    memset(job->request.data, value, blocks * BLOCK);
    job->request.flags = flags;
    error = run(engine, job);
    job_free(job);
    return error;
}

/* The first byte of a block, at that level of the stack; -1: not the same as
 * its others. */
static int value_of(struct engine *level, uint64_t at)
{
    struct job *job = job_new(level, ENGINE_READ, at * BLOCK, BLOCK);
    const unsigned char *data = job->request.data;
    int value;

    CHECK_EQ(run(level, job), 0);
    value = memcmp(data, data + 1, BLOCK - 1) ? -1 : data[0];
    job_free(job);
    return value;
}

static int flush(void)
{
    return run_op(engine, ENGINE_FLUSH, 0, 0, 0);
}

static void check_volatile(void)
{
    open_stack("cache/mem");
    CHECK_EQ(write_blocks(0, 3, 2, 7), 0);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, 4 * BLOCK, BLOCK), 0);
    CHECK_EQ(engine->next->stats.requests[ENGINE_WRITE], 0);
    CHECK_EQ(engine->next->stats.requests[ENGINE_ZERO], 0);
    CHECK_EQ(value_of(engine, 3), 7);
    CHECK_EQ(value_of(engine, 4), 0);
    CHECK_EQ(engine->next->stats.requests[ENGINE_READ], 0);
    CHECK_EQ(value_of(engine->next, 3), 0);
    CHECK_EQ(flush(), 0);
    CHECK_EQ(value_of(engine->next, 3), 7);
    CHECK_EQ(engine->next->stats.requests[ENGINE_FLUSH], 1);
    CHECK_EQ(flush(), 0); /* nothing is kept, but below may be some */
    CHECK_EQ(engine->next->stats.requests[ENGINE_FLUSH], 2);
    CHECK_EQ(engine->next->stats.requests[ENGINE_WRITE], 1);
    engine_close(engine);
}

/* Also of 64 blocks in a row that are kept, and 64 that are not. */
static void check_merged_read(void)
{
    struct job *job;
    const unsigned char *data;

    open_stack("cache/mem");
    CHECK_EQ(write_blocks(0, 0, 200, 1), 0);
    CHECK_EQ(flush(), 0);
    CHECK_EQ(write_blocks(0, 1, 1, 2), 0);
    CHECK_EQ(write_blocks(0, 60, 68, 2), 0);
    CHECK_EQ(write_blocks(0, 192, 1, 2), 0);
    job = job_new(engine, ENGINE_READ, 0, 200 * BLOCK);
    data = job->request.data;
    CHECK_EQ(run(engine, job), 0);
    for (unsigned i = 0; i < 200; i++)
        if (!CHECK_EQ(data[i * BLOCK + i],
                      i == 1 || (i >= 60 && i < 128) || i == 192 ? 2 : 1))
            break;
    job_free(job);
    engine_close(engine);
}

static void check_fua(void)
{
    open_stack("cache/mem");
    CHECK_EQ(write_blocks(0, 0, 4, 1), 0);
    CHECK_EQ(write_blocks(ENGINE_FUA, 1, 2, 2), 0);
    CHECK_EQ(value_of(engine->next, 0), 0); /* not its neighbours' flush */
    CHECK_EQ(value_of(engine->next, 1), 2);
    CHECK_EQ(value_of(engine->next, 2), 2);
    CHECK_EQ(engine->next->stats.requests[ENGINE_FLUSH], 0);
    CHECK_EQ(value_of(engine, 0), 1);
    CHECK_EQ(value_of(engine, 1), 2);
    CHECK_EQ(flush(), 0);
    CHECK_EQ(value_of(engine->next, 1), 2);
    CHECK_EQ(value_of(engine->next, 3), 1);
    engine_close(engine);
}

static void check_discard(void)
{
    open_stack("cache/mem");
    CHECK_EQ(write_blocks(0, 0, 4, 1), 0);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, BLOCK, 2 * BLOCK), 0);
    CHECK_EQ(flush(), 0);
    CHECK_EQ(value_of(engine, 0), 1);
    CHECK_EQ(value_of(engine, 1), 0);
    CHECK_EQ(value_of(engine, 3), 1);
    CHECK(!engine->info.can_secure && engine->next->info.can_secure);
    engine_close(engine);
}

static void check_full(void)
{
    open_stack("cache:size=2K/mem");
    CHECK_EQ(write_blocks(0, 0, 4, 1), 0);
    CHECK_EQ(value_of(engine->next, 0), 0);
    CHECK_EQ(write_blocks(0, 3, 2, 2), 0); /* no room */
    CHECK_EQ(value_of(engine->next, 3), 2);
    CHECK_EQ(value_of(engine->next, 4), 2);
    CHECK_EQ(value_of(engine, 3), 2);
    CHECK_EQ(value_of(engine->next, 2), 0);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, 0, DISK_BYTES / 2), 0);
    CHECK_EQ(engine->next->stats.requests[ENGINE_ZERO], 1);
    CHECK_EQ(write_blocks(0, 8, 4, 3), 0); /* there is room again */
    CHECK_EQ(value_of(engine->next, 8), 0);
    CHECK_EQ(value_of(engine, 8), 3);
    engine_close(engine);
}

/* Says for each of 64 blocks that are kept whether it has been evicted. */
static uint64_t evicted(const char *parameters)
{
    char specification[100];
    uint64_t bits = 0;

    snprintf(specification, sizeof specification, "cache:%s/mem", parameters);
    open_stack(specification);
    for (unsigned i = 0; i < 64; i++)
        CHECK_EQ(write_blocks(0, 63 - i, 1, 5), 0);
    for (unsigned i = 0; i < 64; i++)
        bits |= (uint64_t)(value_of(engine->next, i) == 5) << i;
    engine_close(engine);
    return bits;
}

static void check_eviction(void)
{
    uint64_t some = evicted("evict=20%,seed=4");

    CHECK_EQ(evicted("evict=0%"), 0);
    CHECK(some != 0 && some != UINT64_MAX);
    CHECK_EQ(evicted("evict=20%,seed=4"), some);
    CHECK(evicted("evict=20%,seed=5") != some);
}

/* Nothing of what is kept is lost by a write-back that fails. */
static void check_failed_flush(void)
{
    open_stack("cache/error:write=EIO,after=1,count=1/mem");
    CHECK_EQ(write_blocks(0, 0, 1, 1), 0);
    CHECK_EQ(write_blocks(0, 2, 1, 1), 0);
    CHECK_EQ(flush(), -EIO);
    CHECK_EQ(engine->stats.errors[ENGINE_FLUSH], 1);
    CHECK_EQ(engine->next->stats.requests[ENGINE_FLUSH], 0);
    CHECK_EQ(value_of(engine->next, 0) + value_of(engine->next, 2), 1);
    CHECK_EQ(value_of(engine, 0) + value_of(engine, 2), 2);
    CHECK_EQ(flush(), 0);
    CHECK_EQ(value_of(engine->next, 0) + value_of(engine->next, 2), 2);
    engine_close(engine);
    open_stack("cache/error:flush=EIO,count=1/mem");
    CHECK_EQ(flush(), -EIO);
    engine_close(engine);
    open_stack("cache/error:write=EIO,count=1/mem");
    CHECK_EQ(write_blocks(0, 0, 1, 1), 0);
    CHECK_EQ(write_blocks(ENGINE_FUA, 0, 1, 2), -EIO);
    CHECK_EQ(value_of(engine, 0), 1);
    engine_close(engine);
}

/* --- a random run, judged by a model ------------------------------------------ */

enum { BLOCKS = 96, MOST_BLOCKS = 8, IN_FLIGHT = 10 };

/* What a block may hold. Times are those of the model's clock, which ticks
 * with each request; zeros are a value as well. */
static struct {
    uint64_t newest;  /* when it was last written, and that was answered */
    uint64_t durable; /* what a power cut goes back to at most */
    uint64_t zeroed;  /* when it was last zeroed, answered or not */
    uint64_t value;   /* of the newest; 0: zeros */
    bool is_busy;
} model[BLOCKS];

struct step {
    struct job *job;
    uint64_t time;
    uint64_t answered[BLOCKS]; /* FLUSH: newest, when it was submitted */
};

static struct step steps[IN_FLIGHT];
static uint64_t now, random_state, wrong;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407;
    return (random_state >> 33) % below;
}

/* Data has no alignment. */
static uint64_t get_word(const struct engine_request *request, uint64_t at)
{
    uint64_t word;

    memcpy(&word, (const char *)request->data + at, sizeof word);
    return word;
}

static void read_is_right(const struct engine_request *request)
{
    for (unsigned at = 0; at < request->length_bytes; at += 8)
        wrong += get_word(request, at) !=
                 model[(request->offset_bytes + at) / BLOCK].value;
}

static void judge(struct step *step)
{
    const struct engine_request *request = &step->job->request;
    uint64_t first = request->offset_bytes / BLOCK;

    CHECK_EQ(step->job->error, 0);
    if (request->op == ENGINE_READ)
        read_is_right(request);
    for (uint64_t i = 0; request->op == ENGINE_FLUSH && i < BLOCKS; i++)
        if (model[i].durable < step->answered[i])
            model[i].durable = step->answered[i];
    for (uint64_t i = 0; i < request->length_bytes / BLOCK; i++) {
        model[first + i].is_busy = false;
        if (request->op == ENGINE_READ)
            continue;
        model[first + i].newest = step->time;
        model[first + i].value = request->op == ENGINE_ZERO ? 0 : step->time;
        if (request->flags & ENGINE_FUA)
            model[first + i].durable = step->time;
    }
    job_free(step->job);
    step->job = NULL;
}

/* Blocks that nobody uses; false: those that were drawn are in use. */
static bool choose_blocks(uint64_t *first, uint32_t *count)
{
    *count = 1 + (uint32_t)draw(MOST_BLOCKS);
    *first = draw(BLOCKS - *count + 1);
    for (uint32_t i = 0; i < *count; i++)
        if (model[*first + i].is_busy)
            return false;
    for (uint32_t i = 0; i < *count; i++)
        model[*first + i].is_busy = true;
    return true;
}

static void submit_step(struct step *step)
{
    static const enum engine_op ops[] = {
        ENGINE_READ, ENGINE_READ, ENGINE_READ, ENGINE_WRITE, ENGINE_WRITE,
        ENGINE_WRITE, ENGINE_WRITE, ENGINE_ZERO,
    };
    enum engine_op op = draw(12) ? ops[draw(8)] : ENGINE_FLUSH;
    uint64_t first = 0;
    uint32_t count = 0;

    if (op != ENGINE_FLUSH && !choose_blocks(&first, &count))
        return;
    step->time = ++now;
    step->job = job_new(engine, op, first * BLOCK, count * BLOCK);
    for (uint32_t at = 0; op == ENGINE_WRITE && at < count * BLOCK; at += 8)
        memcpy((char *)step->job->request.data + at, &now, sizeof now);
    if (op == ENGINE_WRITE && draw(5) == 0)
        step->job->request.flags = ENGINE_FUA;
    for (uint32_t i = 0; op == ENGINE_ZERO && i < count; i++)
        model[first + i].zeroed = now;
    for (uint32_t i = 0; op == ENGINE_FLUSH && i < BLOCKS; i++)
        step->answered[i] = model[i].newest;
    job_submit(engine, step->job);
}

static void settle(bool all)
{
    if (all)
        drain(engine);
    else
        commit(engine);
    while (reap(engine, 3) == 3)
        ;
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        if (steps[i].job && steps[i].job->done_count)
            judge(&steps[i]);
}

/* With nothing in flight above: what would be left now? The log below the
 * cache is passed by. */
static void cut_power(void)
{
    struct engine *level = engine->next->next;
    struct job *job = job_new(level, ENGINE_READ, 0, BLOCKS * BLOCK);

    CHECK_EQ(run(level, job), 0);
    for (unsigned i = 0; i < BLOCKS; i++) {
        const uint64_t value = get_word(&job->request, i * BLOCK);
        const uint64_t time = value ? value : model[i].zeroed;

        wrong += time < model[i].durable || time > model[i].newest;
        for (unsigned at = 8; at < BLOCK; at += 8)
            wrong += get_word(&job->request, i * BLOCK + at) != value;
    }
    job_free(job);
}

/* Below, whatever overlaps another one that writes waits for it, and a flush
 * for all that write: an engine has no order of its own. */
static void check_order(const char *path)
{
    struct { unsigned long long at, length; bool is_open, is_write; } *calls =
        calloc(100000, sizeof *calls);
    unsigned long long sequence, last = 0, at, length, conflicts = 0;
    FILE *file = fopen(path, "r");
    char kind, op[16];

    REQUIRE(calls && file);
    while (fscanf(file, "%c %llu %*u %15s %llu %llu %*s %*s ", &kind,
                  &sequence, op, &at, &length) == 5) {
        bool is_flush = strcmp(op, "FLUSH") == 0;
        bool is_write = is_flush || strcmp(op, "READ") != 0;

        REQUIRE(sequence < 100000);
        calls[sequence].at = is_flush ? 0 : at;
        calls[sequence].length = length;
        calls[sequence].is_open = kind == 'S';
        calls[sequence].is_write = is_write && !is_flush;
        last = sequence > last ? sequence : last;
        for (unsigned long long i = last; kind == 'S' && i > 0 && i + 50 > last;
             i--)
            conflicts += i != sequence && calls[i].is_open &&
                         (is_flush ? calls[i].is_write
                          : (is_write || calls[i].is_write) &&
                            calls[i].at < at + length &&
                            at < calls[i].at + calls[i].length);
    }
    CHECK(last > 0);
    CHECK_EQ(conflicts, 0);
    fclose(file);
    free(calls);
}

static void check_model(void)
{
    char path[] = "engine-log-XXXXXX", specification[200];
    unsigned cuts = 0;
    int fd = mkstemp(path);

    REQUIRE(fd >= 0);
    close(fd);
    snprintf(specification, sizeof specification,
             "cache:size=16K,evict=10%%,seed=%u/log:file=%s/"
             "delay:read=40us,write=70us,flush=50us/mem",
             (unsigned)draw(1000), path);
    open_stack(specification);
    for (uint64_t i = 0; i < tap_scaled(20000); i++) {
        struct step *step = &steps[draw(IN_FLIGHT)];

        if (!step->job)
            submit_step(step);
        settle(i % 40 == 0);
        if (i % 40 == 0) {
            cut_power();
            cuts++;
        }
    }
    settle(true);
    CHECK_EQ(wrong, 0);
    CHECK(engine->next->stats.requests[ENGINE_WRITE] > 0);
    NOTE("%llu requests, %u power cuts", (unsigned long long)now, cuts);
    engine_close(engine);
    check_order(path);
    unlink(path);
}

int main(void)
{
    random_state = tap_seed();
    TEST("what is written is kept, read, and brought down by a flush",
         check_volatile);
    TEST("a read puts what is kept over what is below", check_merged_read);
    TEST("a durable write goes down, alone", check_fua);
    TEST("what is discarded is kept no more", check_discard);
    TEST("what there is no room for goes down", check_full);
    TEST("eviction brings some blocks down, by its seed", check_eviction);
    TEST("a write-back that fails fails the flush, and loses nothing",
         check_failed_flush);
    TEST("reads are right, a power cut takes nothing that was flushed, and the "
         "engine below is asked in a right order", check_model);
    return tap_done();
}
