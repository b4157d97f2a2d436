/* SPDX-License-Identifier: MIT
 * Claim: every engine keeps the contract of backend/engine/engine.h: data
 * comes back as written, each request is done once and only from within
 * reap(), more may be in flight than fits, errors are exact, poll_fd loses no
 * wake-up and is quiet when there is nothing, wait(), extents and the
 * statistics tell the truth, and a disk can grow but not shrink.
 * Source: engine.h; C2, C7, C9, C10, C14, C15.
 * Mechanism: the same claims over a table of engines and stacks, on memory,
 * on a file (direct, buffered, read-only), on tmpfs and on loop devices with
 * blocks of 512 and 4096 bytes (root only). */
#include "config.h"

#include "tests/unit/engine-test.h"

enum { DISK_BYTES = 40 << 20, DEPTH = 8 };

enum target {
    NO_TARGET,
    FILE_TARGET,
    TMPFS_TARGET, /* has holes, but cannot zero a range */
    LOOP_TARGET,
    LOOP_4K_TARGET,
};

struct setup {
    const char *name, *specification;
    enum target target;
    bool is_direct, read_only;
    bool keeps_nothing; /* null */
    bool zeroes;        /* what was discarded reads as zeros */
    bool is_late;       /* has something to wait for */
    bool is_cache;      /* may answer at once, and what it keeps is no hole */
};

static const struct setup setups[] = {
    { "null", "null", .keeps_nothing = true },
    { "null read-only", "null", .keeps_nothing = true, .read_only = true },
    { "mem", "mem", .zeroes = true },
    { "mem with 4096-byte blocks", "mem:block=4K", .zeroes = true },
    { "mem read-only", "mem", .read_only = true },
    { "aio on a direct file", "aio", FILE_TARGET, .is_direct = true,
      .zeroes = true, .is_late = true },
    { "aio with io_getevents", "aio:reap=getevents", FILE_TARGET,
      .is_direct = true, .zeroes = true, .is_late = true },
    { "aio on a buffered file", "aio", FILE_TARGET, .zeroes = true,
      .is_late = true },
    { "aio on a read-only file", "aio", FILE_TARGET, .is_direct = true,
      .read_only = true, .is_late = true },
    { "aio on a buffered tmpfs", "aio", TMPFS_TARGET, .zeroes = true,
      .is_late = true },
    { "aio on a direct tmpfs", "aio", TMPFS_TARGET, .is_direct = true,
      .zeroes = true, .is_late = true },
    { "aio on a block device", "aio", LOOP_TARGET, .is_direct = true,
      .is_late = true },
    { "aio on a block device with 4096-byte blocks", "aio", LOOP_4K_TARGET,
      .is_direct = true, .is_late = true },
    { "aio on a buffered block device", "aio", LOOP_TARGET,
      .is_late = true },
    { "error on mem", "error/mem", .zeroes = true },
    { "error on aio", "error/aio", FILE_TARGET, .is_direct = true,
      .zeroes = true, .is_late = true },
    { "delay on mem", "delay:read=1ms,write=300us,flush=1ms,discard=2ms,"
      "zero=1ms/mem",
      .zeroes = true, .is_late = true },
    { "delay on aio", "delay:read=100us,write=1ms/aio", FILE_TARGET,
      .is_direct = true, .zeroes = true, .is_late = true },
    { "log on mem", "log:file='/dev/null'/mem", .zeroes = true },
    { "log on aio", "log:file='/dev/null'/aio", FILE_TARGET,
      .is_direct = true, .zeroes = true, .is_late = true },
    { "log on delay on error on aio with io_getevents",
      "log:file='/dev/null'/delay:write=1ms/error/aio:reap=getevents",
      FILE_TARGET, .is_direct = true, .zeroes = true, .is_late = true },
    { "cache on mem", "cache:size=256K,evict=20%/mem", .zeroes = true },
    { "cache on mem read-only", "cache/mem", .read_only = true },
    { "cache on aio", "cache:size=64M,evict=5%/aio", FILE_TARGET,
      .is_direct = true, .zeroes = true, .is_late = true, .is_cache = true },
    { "cache on delay on mem",
      "cache:size=1M,evict=20%/delay:read=200us,write=1ms,flush=1ms/mem",
      .zeroes = true, .is_late = true },
};

static const struct setup *setup;
static bool can_tell_holes;
static struct engine *engine;
static uint64_t block;
static uint64_t random_state;

static uint64_t draw(uint64_t below)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407;
    return (random_state >> 33) % below;
}

static void check_info(void)
{
    const struct engine_info *info = &engine->info;

    CHECK_EQ(info->size_bytes, DISK_BYTES);
    CHECK(info->block_bytes == 512 || info->block_bytes == 4096);
    CHECK(info->physical_bytes >= info->block_bytes);
    CHECK(info->memory_align && info->memory_align <= 4096);
    CHECK(info->max_bytes >= 1 << 20);
    CHECK_EQ(info->max_bytes % 4096, 0);
    CHECK_EQ(info->read_only, setup->read_only);
    CHECK(!info->read_only || (!info->can_fua && !info->can_discard &&
                               !info->can_secure && !info->can_zero_fast));
    CHECK_EQ(info->flush_retry, setup->is_direct &&
             setup->target >= LOOP_TARGET);
    if (setup->target == LOOP_4K_TARGET)
        CHECK_EQ(info->block_bytes, 4096);
}

/* Word i of a block says which block it is and who wrote it last. */
static void stamp(struct job *job, uint64_t writer)
{
    uint64_t *words = job->request.data;

    for (uint64_t i = 0; i < job->request.length_bytes / 8; i++) {
        uint64_t value = (job->request.offset_bytes + i * 8) << 20 | writer;

        memcpy((char *)words + i * 8, &value, 8);
    }
}

static void check_data(void)
{
    enum { WRITES = 200, BLOCKS_MAX = 33 };
    uint64_t blocks = DISK_BYTES / block, wrong = 0;
    uint16_t *model = calloc(blocks, sizeof *model);
    struct job *jobs[WRITES];
    unsigned count = (unsigned)tap_scaled(WRITES);

    for (unsigned i = 0; i < count; i++) {
        uint64_t length = 1 + draw(BLOCKS_MAX);
        uint64_t at = draw(blocks - length);

        for (unsigned earlier = 0; earlier < i; earlier++) {
            struct engine_request *old = &jobs[earlier]->request;

            if (!jobs[earlier]->done_count &&
                at * block < old->offset_bytes + old->length_bytes &&
                (at + length) * block > old->offset_bytes) {
                drain(engine); /* order is the caller's business */
                break;
            }
        }
        jobs[i] = job_new(engine, ENGINE_WRITE, at * block,
                          (uint32_t)(length * block));
        stamp(jobs[i], i + 1);
        for (uint64_t j = at; j < at + length; j++)
            model[j] = (uint16_t)(i + 1);
        job_submit(engine, jobs[i]);
        if (i % 3 == 0)
            commit(engine);
    }
    drain(engine);
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(jobs[i]->error, 0);
        job_free(jobs[i]);
    }
    for (uint64_t at = 0; at < blocks;) {
        uint64_t length = 1 + draw(2047), word;
        struct job *job;

        if (length > blocks - at)
            length = blocks - at;
        job = job_new(engine, ENGINE_READ, at * block,
                      (uint32_t)(length * block));
        CHECK_EQ(run(engine, job), 0);
        for (uint64_t i = 0; i < length * block / 8; i++) {
            uint16_t writer = model[at + i * 8 / block];
            uint64_t want = writer ? (at * block + i * 8) << 20 | writer : 0;

            memcpy(&word, (char *)job->request.data + i * 8, 8);
            wrong += word != want;
        }
        job_free(job);
        at += length;
    }
    CHECK_EQ(wrong, 0);
    free(model);
}

static enum engine_op some_op(unsigned i)
{
    return setup->read_only ? (i % 5 ? ENGINE_READ : ENGINE_FLUSH)
           : i % 5 == 0 ? ENGINE_FLUSH
           : i % 5 == 1 ? ENGINE_WRITE
           : i % 50 == 2 && engine->info.can_discard ? ENGINE_DISCARD
           : i % 50 == 3 ? ENGINE_ZERO
           : ENGINE_READ;
}

/* All at once, far more than DEPTH; job_done() checks the rest. */
static void check_many(void)
{
    enum { MANY = 40 * DEPTH };
    struct job *jobs[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        enum engine_op op = some_op(i);

        jobs[i] = job_new(engine, op, op == ENGINE_FLUSH ? 0 : i * 4096,
                          op == ENGINE_FLUSH ? 0 : 4096);
        job_submit(engine, jobs[i]);
    }
    drain(engine);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_EQ(jobs[i]->done_count, 1);
        CHECK_EQ(jobs[i]->error, 0);
        job_free(jobs[i]);
    }
    CHECK_EQ(reap(engine, 100), 0);
}

static void check_max_bytes(void)
{
    uint32_t most = engine->info.max_bytes;
    struct job *job = job_new(engine, ENGINE_WRITE, block, most);

    if (setup->read_only) {
        CHECK_EQ(run_op(engine, ENGINE_READ, 0, block, most), 0);
        job_free(job);
        return;
    }
    stamp(job, 77);
    CHECK_EQ(run(engine, job), 0);
    if (!setup->keeps_nothing) {
        struct job *read = job_new(engine, ENGINE_READ, block, most);

        CHECK_EQ(run(engine, read), 0);
        CHECK(memcmp(read->request.data, job->request.data, most) == 0);
        job_free(read);
    }
    job_free(job);
}

static void check_flush_and_fua(void)
{
    const uint32_t length = (uint32_t)block * 3;

    CHECK_EQ(run_op(engine, ENGINE_FLUSH, 0, 0, 0), 0);
    if (setup->read_only) {
        CHECK_EQ(run_op(engine, ENGINE_WRITE, ENGINE_FUA, 0, length), -EROFS);
        return;
    }
    /* buffered, a durable write could hide another's lost pages (C8) */
    CHECK_EQ(engine->info.can_fua, setup->target == NO_TARGET ||
                                       setup->is_direct);
    CHECK_EQ(run_op(engine, ENGINE_WRITE, ENGINE_FUA, block, length),
             engine->info.can_fua ? 0 : -EOPNOTSUPP);
    CHECK_EQ(run_op(engine, ENGINE_FLUSH, 0, 0, 0), 0);
}

static bool is_all(const struct job *job, uint64_t start, uint64_t end,
                   unsigned char value)
{
    const unsigned char *data = job->request.data;

    for (uint64_t i = start; i < end; i++)
        if (data[i] != value)
            return false;
    return true;
}

/* The neighbours keep their data; an odd range on both sides. */
static void check_discard(void)
{
    const uint32_t length = 1 << 20, hole = (1 << 19) + 4 * (uint32_t)block;
    struct job *job = job_new(engine, ENGINE_WRITE, 0, length);
    uint64_t at = 5 * block;

    if (!engine->info.can_discard) {
        CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, at, hole),
                 setup->read_only ? -EROFS : -EOPNOTSUPP);
        job_free(job);
        return;
    }
    CHECK_EQ(run(engine, job), 0);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, at, hole), 0);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, length - block,
                    (uint32_t)block), 0);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, ENGINE_SECURE, length - 2 * block,
                    (uint32_t)block),
             engine->info.can_secure ? 0 : -EOPNOTSUPP);
    job->request.op = ENGINE_READ;
    CHECK_EQ(run(engine, job), 0);
    if (!setup->keeps_nothing) {
        CHECK(is_all(job, 0, at, 0xee));
        CHECK(is_all(job, at + hole, length - 2 * block, 0xee));
    }
    if (setup->zeroes) {
        CHECK(is_all(job, at, at + hole, 0));
        CHECK(is_all(job, length - block, length, 0));
    }
    job_free(job);
}

/* As check_discard(), and what was there is zeros, always. Where it cannot be
 * fast it is not done at all. */
static void check_zero_with(unsigned flags)
{
    const uint32_t length = 1 << 20, hole = (1 << 19) + 4 * (uint32_t)block;
    struct job *job = job_new(engine, ENGINE_WRITE, 0, length);
    uint64_t at = 5 * block;
    int error;

    CHECK_EQ(run(engine, job), 0);
    error = run_op(engine, ENGINE_ZERO, flags, at, hole);
    if (error != -EOPNOTSUPP || !(flags & ENGINE_FAST) ||
        (engine->info.can_zero_fast && !(flags & ENGINE_NO_HOLE)))
        CHECK_EQ(error, 0);
    job->request.op = ENGINE_READ;
    CHECK_EQ(run(engine, job), 0);
    if (!setup->keeps_nothing) {
        CHECK(is_all(job, 0, at, 0xee));
        CHECK(is_all(job, at, at + hole, error ? 0xee : 0));
        CHECK(is_all(job, at + hole, length, 0xee));
    }
    job_free(job);
}

static void check_zero(void)
{
    if (setup->read_only) {
        CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, 0, (uint32_t)block), -EROFS);
        return;
    }
    check_zero_with(0);
    check_zero_with(ENGINE_NO_HOLE);
    check_zero_with(ENGINE_FAST);
    check_zero_with(ENGINE_FAST | ENGINE_NO_HOLE);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, 0, DISK_BYTES), 0);
}

/* Follows the extents from start to end; returns how many bytes of them are in
 * holes. */
static uint64_t hole_bytes_between(uint64_t start, uint64_t end)
{
    uint64_t sum = 0;

    while (start < end) {
        uint64_t bytes = end - start;
        bool is_hole = true;

        REQUIRE(engine_extent(engine, start, &bytes, &is_hole) == 0);
        REQUIRE(bytes > 0 && bytes <= end - start);
        sum += is_hole ? bytes : 0;
        start += bytes;
    }
    return sum;
}

/* A file tells, where its file system does; of others all is data. */
static void check_extents(void)
{
    const uint32_t part = 1 << 18;
    const uint64_t last = DISK_BYTES - part;
    const uint64_t hole = can_tell_holes ? part : 0;

    if (setup->read_only) { /* nobody has written, so far */
        CHECK_EQ(hole_bytes_between(0, DISK_BYTES),
                 can_tell_holes ? DISK_BYTES : 0);
        return;
    }
    CHECK_EQ(run_op(engine, ENGINE_WRITE, 0, 0, 3 * part), 0);
    CHECK_EQ(hole_bytes_between(0, 3 * part), 0);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, part, part), 0);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, last, part), 0);
    CHECK_EQ(hole_bytes_between(0, 3 * part), hole);
    CHECK_EQ(hole_bytes_between(last, DISK_BYTES), hole);
    CHECK_EQ(hole_bytes_between(part - 3, part + 5), hole ? 5 : 0);
    CHECK_EQ(hole_bytes_between(2 * part - 5, 2 * part + 3), hole ? 5 : 0);
    CHECK_EQ(run_op(engine, ENGINE_WRITE, 0, part + 8192, 4096), 0);
    CHECK_EQ(hole_bytes_between(0, 3 * part), hole ? hole - 4096 : 0);
    CHECK_EQ(hole_bytes_between(part + 8192, part + 12288), 0);
}

static void check_refusals(void)
{
    int expected = setup->read_only ? -EROFS : 0;

    CHECK_EQ(run_op(engine, ENGINE_WRITE, 0, 0, (uint32_t)block), expected);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, 0, (uint32_t)block),
             engine->info.can_discard ? 0
             : setup->read_only ? -EROFS : -EOPNOTSUPP);
    CHECK_EQ(run_op(engine, ENGINE_READ, 0, DISK_BYTES - block,
                    (uint32_t)block), 0);
}

static unsigned left;

static void again(struct job *job)
{
    CHECK_EQ(job->error, 0);
    if (left > 0) {
        left--;
        job_submit(engine, job);
    }
}

static void check_resubmit(void)
{
    struct job *job = job_new(engine, ENGINE_READ, 0, (uint32_t)block);

    left = 30;
    job->then = again;
    job_submit(engine, job);
    drain(engine);
    CHECK_EQ(left, 0);
    job_free(job);
}

static bool leaves_some_behind(void)
{
    return setup->target == NO_TARGET || setup->is_cache;
}

/* Quiet, then readable without any reap() in between, then quiet again; also
 * when two completions lie close together. */
static void check_poll(void)
{
    struct job *jobs[2];

    CHECK(engine->ops->poll_fd(engine) >= 0);
    CHECK(is_quiet(engine));
    for (unsigned i = 0; i < tap_scaled(100); i++) {
        enum engine_op op = i % 10 || !engine->info.can_discard
                            ? ENGINE_READ : ENGINE_DISCARD;

        for (unsigned j = 0; j < 2; j++) {
            jobs[j] = job_new(engine, op, j * block, (uint32_t)block);
            job_submit(engine, jobs[j]);
        }
        commit(engine);
        if (leaves_some_behind())
            reap(engine, 3); /* what commit() leaves behind has no poll_fd */
        while (outstanding) {
            REQUIRE(is_readable(engine, HANG_MS));
            while (reap(engine, 1 + i % 3) == 1 + i % 3)
                ;
        }
        CHECK(is_quiet(engine));
        job_free(jobs[0]);
        job_free(jobs[1]);
    }
}

static void check_no_poll(void)
{
    struct job *job = job_new(engine, ENGINE_READ, 0, (uint32_t)block);

    CHECK_EQ(engine->ops->poll_fd(engine), -1);
    job_submit(engine, job);
    commit(engine);
    CHECK_EQ(reap(engine, 1), 1);
    CHECK_EQ(job->error, 0);
    job_free(job);
}

enum { WAIT_JOBS = 60, TOGETHER = 6 };
static struct job *wait_jobs[WAIT_JOBS];

static void next_job(struct job *job)
{
    CHECK_EQ(job->error, 0);
    if (left > 0)
        job_submit(engine, wait_jobs[--left]);
}

/* A loop that never polls and always has TOGETHER in flight. wait() may return
 * early, but not so often that it would be no waiting. */
static void check_wait(void)
{
    for (unsigned i = 0; i < WAIT_JOBS; i++) {
        enum engine_op op = i % 8 == 3 && engine->info.can_discard
                            ? ENGINE_DISCARD : ENGINE_READ;

        wait_jobs[i] = job_new(engine, op, i * block, (uint32_t)block);
        wait_jobs[i]->then = next_job;
    }
    for (left = WAIT_JOBS; left > WAIT_JOBS - TOGETHER;)
        job_submit(engine, wait_jobs[--left]);
    for (unsigned calls = 0; outstanding; calls++) {
        REQUIRE(calls < 1000);
        commit(engine);
        if (leaves_some_behind())
            reap(engine, 1);
        engine->ops->wait(engine, outstanding, 1000000);
        reap(engine, 1 + calls % 4);
    }
    engine->ops->wait(engine, 1, 0);
    CHECK_EQ(reap(engine, 4), 0);
    for (unsigned i = 0; i < WAIT_JOBS; i++) {
        CHECK_EQ(wait_jobs[i]->done_count, 1);
        job_free(wait_jobs[i]);
    }
}

static void check_stats(void)
{
    struct engine_stats before = engine->stats;
    uint64_t errors;

    run_op(engine, ENGINE_READ, 0, 0, (uint32_t)block);
    run_op(engine, ENGINE_READ, 0, 0, (uint32_t)block);
    run_op(engine, ENGINE_WRITE, 0, 0, (uint32_t)block);
    run_op(engine, ENGINE_FLUSH, 0, 0, 0);
    CHECK_EQ(engine->stats.requests[ENGINE_READ],
             before.requests[ENGINE_READ] + 2);
    CHECK_EQ(engine->stats.requests[ENGINE_WRITE],
             before.requests[ENGINE_WRITE] + 1);
    CHECK_EQ(engine->stats.requests[ENGINE_FLUSH],
             before.requests[ENGINE_FLUSH] + 1);
    errors = engine->stats.errors[ENGINE_WRITE];
    CHECK_EQ(errors, before.errors[ENGINE_WRITE] + setup->read_only);
    CHECK_EQ(engine->stats.errors[ENGINE_READ], before.errors[ENGINE_READ]);
}

static int target_fd;

/* The target's size is set through another descriptor of the same file. */
static void set_file_size(uint64_t bytes)
{
    char path[40];
    int fd;

    snprintf(path, sizeof path, "/proc/self/fd/%d", target_fd);
    fd = open(path, O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
    close(fd);
}

/* Comes last: other claims know the old size. */
static void check_resize(void)
{
    const struct engine_info before = engine->info;

    CHECK_EQ(engine_resize(engine), setup->target ? 0 : -EOPNOTSUPP);
    CHECK(memcmp(&engine->info, &before, sizeof before) == 0);
    if (!setup->target || setup->target >= LOOP_TARGET)
        return;
    set_file_size(DISK_BYTES + (1 << 20) + 100); /* whole blocks count */
    CHECK_EQ(engine_resize(engine), 0);
    for (struct engine *level = engine; level; level = level->next)
        CHECK_EQ(level->info.size_bytes, DISK_BYTES + (1 << 20));
    CHECK_EQ(run_op(engine, setup->read_only ? ENGINE_READ : ENGINE_WRITE, 0,
                    DISK_BYTES + (1 << 20) - block, (uint32_t)block), 0);
    set_file_size(DISK_BYTES);
    CHECK_EQ(engine_resize(engine), -EINVAL);
    CHECK_EQ(engine->info.size_bytes, DISK_BYTES + (1 << 20));
}

static int open_target(void)
{
    int flags = (setup->read_only ? O_RDONLY : O_RDWR) |
                (setup->is_direct ? O_DIRECT : 0);

    switch (setup->target) {
    case NO_TARGET:
        return -1;
    case FILE_TARGET:
        return file_target(DISK_BYTES, flags);
    case TMPFS_TARGET:
        return tmpfs_target(DISK_BYTES, flags);
    case LOOP_TARGET:
        return loop_target(DISK_BYTES, 512, flags);
    case LOOP_4K_TARGET:
        return loop_target(DISK_BYTES, 4096, flags);
    }
    return -1;
}

static void claim(const char *sentence, void (*check)(void))
{
    char text[200];

    snprintf(text, sizeof text, "%s: %s", setup->name, sentence);
    TEST(text, check);
}

static void run_claims(void)
{
    claim("its description is in the contract's range", check_info);
    if (!setup->keeps_nothing && !setup->read_only)
        claim("data comes back as written", check_data);
    claim("many more than fit complete once each, from reap()", check_many);
    claim("a request of max_bytes goes through", check_max_bytes);
    claim("a flush and a durable write succeed or are refused exactly",
          check_flush_and_fua);
    claim("a discard leaves its neighbours alone", check_discard);
    claim("zeros come where they are wanted, fast or not", check_zero);
    claim("what was zeroed is a hole if any, and what was written is none",
          check_extents);
    claim("what is not allowed is refused, the last block is not",
          check_refusals);
    claim("a request may be submitted again from its done()",
          check_resubmit);
    if (setup->is_late) {
        claim("poll_fd loses no wake-up and is quiet else", check_poll);
        claim("wait() is all that a loop needs", check_wait);
    } else {
        claim("reap() gets all that commit() left", check_no_poll);
    }
    claim("the statistics count requests and errors", check_stats);
    claim(setup->target ? "it grows with its target, and does not shrink"
                        : "its size is what it was given", check_resize);
}

int main(void)
{
    random_state = tap_seed();
    for (unsigned i = 0; i < sizeof setups / sizeof *setups; i++) {
        struct engine_config config = { .queue_depth = DEPTH };

        setup = &setups[i];
        config.fd = target_fd = open_target();
        config.read_only = setup->read_only;
        config.is_direct = setup->is_direct;
        config.size_bytes = setup->target ? 0 : DISK_BYTES;
        if (setup->target && config.fd < 0) {
            tap_skip(setup->name, setup->target < LOOP_TARGET
                     ? "a file system with O_DIRECT"
                     : "root and a free loop device");
            continue;
        }
        if (engine_open(setup->specification, &config, &engine, reason,
                        sizeof reason)) {
            NOTE("%s", reason);
            REQUIRE(!"the engine opens");
        }
        block = engine->info.block_bytes;
        can_tell_holes = setup->target && setup->target < LOOP_TARGET &&
                         !setup->is_cache &&
                         lseek(target_fd, 0, SEEK_HOLE) == 0;
        run_claims();
        engine_close(engine);
        if (config.fd >= 0)
            close(config.fd);
    }
    return tap_done();
}
