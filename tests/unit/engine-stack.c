/* SPDX-License-Identifier: MIT
 * Claim: the stackable engines do what their parameters say, to exactly the
 * requests they name: error fails them, delay holds their answers back, log
 * writes down each of them.
 * Source: vbddengines(7); C8 (flush_retry), C15.
 * Mechanism: stacks on mem; the log is read back and compared line by line. */
#include "config.h"

#include "tests/unit/engine-test.h"

#include "common/host/log.h"

enum { DISK_BYTES = 1 << 20, BLOCK = 512 };

static struct engine *engine;

static void open_stack(const char *specification)
{
    engine = stack_of(specification, DISK_BYTES);
}

static int one(enum engine_op op, uint64_t offset)
{
    return run_op(engine, op, 0, op == ENGINE_FLUSH ? 0 : offset,
                  op == ENGINE_FLUSH ? 0 : BLOCK);
}

/* Runs count reads and says which failed: bit 0 is the first. */
static unsigned failing(unsigned count)
{
    unsigned bits = 0;

    for (unsigned i = 0; i < count; i++)
        bits |= (one(ENGINE_READ, 0) != 0) << i;
    return bits;
}

static void check_each_op(void)
{
    open_stack("error:read=EIO,write=ENOSPC,flush=ETIMEDOUT,"
               "discard=EREMOTEIO,zero=ENODEV/mem");
    CHECK_EQ(one(ENGINE_READ, 0), -EIO);
    CHECK_EQ(one(ENGINE_WRITE, 0), -ENOSPC);
    CHECK_EQ(one(ENGINE_FLUSH, 0), -ETIMEDOUT);
    CHECK_EQ(one(ENGINE_DISCARD, 0), -EREMOTEIO);
    CHECK_EQ(one(ENGINE_ZERO, 0), -ENODEV);
    CHECK_EQ(engine->stats.errors[ENGINE_WRITE], 1);
    CHECK_EQ(engine->next->stats.requests[ENGINE_WRITE], 0);
    engine_close(engine);
    open_stack("error:flush=ENODEV/mem");
    CHECK_EQ(one(ENGINE_READ, 0), 0);
    CHECK_EQ(one(ENGINE_WRITE, 0), 0);
    CHECK_EQ(one(ENGINE_DISCARD, 0), 0);
    CHECK_EQ(one(ENGINE_ZERO, 0), 0);
    CHECK_EQ(one(ENGINE_FLUSH, 0), -ENODEV);
    engine_close(engine);
}

static void check_pattern(const char *parameters, unsigned count,
                          unsigned expected)
{
    char specification[100];

    snprintf(specification, sizeof specification, "error:read=EIO%s/mem",
             parameters);
    open_stack(specification);
    if (!CHECK_EQ(failing(count), expected))
        NOTE("with %s", specification);
    engine_close(engine);
}

static void check_counts(void)
{
    check_pattern("", 8, 0xff);
    check_pattern(",after=3", 8, 0xf8);
    check_pattern(",count=2", 8, 0x03);
    check_pattern(",count=0", 8, 0x00);
    check_pattern(",after=2,count=3", 8, 0x1c);
    check_pattern(",every=3", 9, 0x124);
    check_pattern(",after=1,every=2,count=2", 9, 0x014);
}

static void check_only_matching_count(void)
{
    open_stack("error:read=EIO,after=1,count=1,range=4K+1K/mem");
    CHECK_EQ(one(ENGINE_READ, 0), 0);
    CHECK_EQ(one(ENGINE_WRITE, 4096), 0);
    CHECK_EQ(one(ENGINE_READ, 4096), 0);
    CHECK_EQ(one(ENGINE_READ, 0), 0);
    CHECK_EQ(one(ENGINE_READ, 4096), -EIO);
    CHECK_EQ(one(ENGINE_READ, 4096), 0);
    engine_close(engine);
}

static void check_range(void)
{
    open_stack("error:read=EIO,flush=EIO,range=4096+1K/mem");
    CHECK_EQ(one(ENGINE_READ, 4096 - BLOCK), 0);
    CHECK_EQ(one(ENGINE_READ, 4096), -EIO);
    CHECK_EQ(one(ENGINE_READ, 4096 + BLOCK), -EIO);
    CHECK_EQ(one(ENGINE_READ, 4096 + 2 * BLOCK), 0);
    CHECK_EQ(run_op(engine, ENGINE_READ, 0, 0, 4096), 0);
    CHECK_EQ(run_op(engine, ENGINE_READ, 0, 0, 4096 + BLOCK), -EIO);
    CHECK_EQ(run_op(engine, ENGINE_READ, 0, 0, DISK_BYTES), -EIO);
    CHECK_EQ(one(ENGINE_FLUSH, 0), -EIO);
    engine_close(engine);
}

static void check_file(void)
{
    char path[] = "engine-switch-XXXXXX", specification[100];
    int fd = mkstemp(path);

    REQUIRE(fd >= 0);
    close(fd);
    snprintf(specification, sizeof specification,
             "error:write=EIO,file='./%s'/mem", path);
    open_stack(specification);
    CHECK_EQ(one(ENGINE_WRITE, 0), -EIO);
    unlink(path);
    CHECK_EQ(one(ENGINE_WRITE, 0), 0);
    fd = open(path, O_CREAT | O_EXCL, 0600);
    CHECK_EQ(one(ENGINE_WRITE, 0), -EIO);
    CHECK_EQ(one(ENGINE_READ, 0), 0);
    unlink(path);
    close(fd);
    engine_close(engine);
}

/* --- delay ---------------------------------------------------------------- */

static struct job *order[8];
static unsigned ordered;

static void note_order(struct job *job)
{
    order[ordered++] = job;
}

/* The times are claimed from below only: a slow machine cannot fail this. */
static void check_late(void)
{
    uint64_t start = host_now_us();
    struct job *slow, *fast;

    open_stack("delay:write=30ms,flush=1ms,zero=20ms/mem");
    slow = job_new(engine, ENGINE_WRITE, 0, BLOCK);
    fast = job_new(engine, ENGINE_FLUSH, 0, 0);
    slow->then = fast->then = note_order;
    ordered = 0;
    job_submit(engine, slow);
    job_submit(engine, fast);
    drain(engine);
    CHECK(host_now_us() - start >= 30000);
    CHECK(order[0] == fast && order[1] == slow);
    CHECK_EQ(one(ENGINE_READ, 0), 0);
    start = host_now_us();
    CHECK_EQ(one(ENGINE_ZERO, 0), 0);
    CHECK(host_now_us() - start >= 20000);
    job_free(slow);
    job_free(fast);
    engine_close(engine);
}

static void check_nothing_early(void)
{
    struct job *job;

    open_stack("delay:read=20ms/mem");
    job = job_new(engine, ENGINE_READ, 0, BLOCK);
    job_submit(engine, job);
    commit(engine);
    CHECK_EQ(reap(engine, 8), 0);
    CHECK_EQ(job->done_count, 0);
    /* Returns when the first is due, however long it may wait. */
    engine->ops->wait(engine, 1, 60 * 1000000);
    CHECK_EQ(reap(engine, 8), 1);
    CHECK(!is_readable(engine, 0));
    job_free(job);
    engine_close(engine);
}

static void check_delayed_errors(void)
{
    open_stack("delay:read=1ms/error:read=ENOMEM/mem");
    CHECK_EQ(one(ENGINE_READ, 0), -ENOMEM);
    CHECK_EQ(engine->stats.errors[ENGINE_READ], 1);
    engine_close(engine);
    open_stack("error:read=ENOMEM,after=1/delay:read=1ms/mem");
    CHECK_EQ(one(ENGINE_READ, 0), 0);
    CHECK_EQ(one(ENGINE_READ, 0), -ENOMEM);
    engine_close(engine);
}

/* Nothing below knows of what has failed above. */
static void check_no_wait_for_errors(void)
{
    uint64_t start = host_now_us();
    struct job *job;

    open_stack("error:read=EIO/delay:write=1ms/mem");
    job = job_new(engine, ENGINE_READ, 0, BLOCK);
    job_submit(engine, job);
    commit(engine);
    engine->ops->wait(engine, 1, HANG_MS * 1000);
    CHECK(host_now_us() - start < HANG_MS * 1000ull);
    CHECK_EQ(reap(engine, 1), 1);
    job_free(job);
    engine_close(engine);
}

/* --- log ------------------------------------------------------------------ */

struct line {
    char kind, op[16], flag[16], result[32];
    unsigned long long sequence, time_us, offset, length;
};

static unsigned read_log(const char *path, struct line *lines, unsigned max)
{
    FILE *file = fopen(path, "r");
    unsigned count = 0;
    char text[200], left_over;

    REQUIRE(file);
    while (count < max && fgets(text, sizeof text, file)) {
        struct line *line = &lines[count++];

        CHECK_EQ(sscanf(text, "%c %llu %llu %15s %llu %llu %15s %31s %c",
                        &line->kind, &line->sequence, &line->time_us, line->op,
                        &line->offset, &line->length, line->flag,
                        line->result, &left_over), 8);
    }
    fclose(file);
    return count;
}

static void check_line(const struct line *line, char kind, unsigned sequence,
                       const char *op, unsigned offset, unsigned length,
                       const char *flag, const char *result)
{
    CHECK_EQ(line->kind, kind);
    CHECK_EQ(line->sequence, sequence);
    CHECK_STR(line->op, op);
    CHECK_EQ(line->offset, offset);
    CHECK_EQ(line->length, length);
    CHECK_STR(line->flag, flag);
    CHECK_STR(line->result, result);
}

static void check_log(void)
{
    char path[] = "engine-log-XXXXXX", specification[100];
    struct line lines[20];
    int fd = mkstemp(path);

    REQUIRE(fd >= 0);
    close(fd);
    snprintf(specification, sizeof specification,
             "log:file=%s/error:flush=EIO/mem", path);
    open_stack(specification);
    run_op(engine, ENGINE_WRITE, ENGINE_FUA, 4096, 1024);
    run_op(engine, ENGINE_FLUSH, 0, 0, 0);
    run_op(engine, ENGINE_DISCARD, ENGINE_SECURE, 8192, 4096);
    run_op(engine, ENGINE_ZERO, ENGINE_NO_HOLE | ENGINE_FAST, 0, 512);
    run_op(engine, ENGINE_ZERO, ENGINE_NO_HOLE, 0, 512);
    run_op(engine, ENGINE_ZERO, ENGINE_FAST, 0, 512);
    engine_close(engine);
    open_stack(specification); /* goes on in the same file */
    run_op(engine, ENGINE_READ, 0, 512, 512);
    engine_close(engine);
    memset(lines, 0, sizeof lines);
    CHECK_EQ(read_log(path, lines, 20), 14);
    unlink(path);
    check_line(&lines[0], 'S', 1, "WRITE", 4096, 1024, "FUA", "-");
    check_line(&lines[1], 'C', 1, "WRITE", 4096, 1024, "FUA", "OK");
    check_line(&lines[2], 'S', 2, "FLUSH", 0, 0, "-", "-");
    check_line(&lines[3], 'C', 2, "FLUSH", 0, 0, "-", "EIO");
    check_line(&lines[4], 'S', 3, "DISCARD", 8192, 4096, "SECURE", "-");
    check_line(&lines[5], 'C', 3, "DISCARD", 8192, 4096, "SECURE", "OK");
    check_line(&lines[6], 'S', 4, "ZERO", 0, 512, "NO_HOLE+FAST", "-");
    check_line(&lines[9], 'C', 5, "ZERO", 0, 512, "NO_HOLE", "OK");
    check_line(&lines[10], 'S', 6, "ZERO", 0, 512, "FAST", "-");
    check_line(&lines[12], 'S', 1, "READ", 512, 512, "-", "-");
    check_line(&lines[13], 'C', 1, "READ", 512, 512, "-", "OK");
    for (unsigned i = 1; i < 14; i++)
        CHECK(lines[i].time_us >= lines[i - 1].time_us);
}

/* --- null ----------------------------------------------------------------- */

static void check_null(void)
{
    struct job *job;

    open_stack("null");
    job = job_new(engine, ENGINE_READ, 0, BLOCK);
    CHECK_EQ(run(engine, job), 0);
    CHECK_EQ(((unsigned char *)job->request.data)[BLOCK - 1], 0xee);
    job_free(job);
    CHECK_EQ(engine->stats.system_calls, 0);
    engine_close(engine);
    open_stack("null:zero=yes");
    job = job_new(engine, ENGINE_READ, 0, BLOCK);
    CHECK_EQ(run(engine, job), 0);
    CHECK_EQ(((unsigned char *)job->request.data)[0], 0);
    CHECK_EQ(((unsigned char *)job->request.data)[BLOCK - 1], 0);
    job_free(job);
    engine_close(engine);
}

/* --- mem ------------------------------------------------------------------ */

/* The one system call of mem gives pages back to the host. */
static void check_mem_pages(void)
{
    open_stack("mem");
    CHECK_EQ(run_op(engine, ENGINE_ZERO, ENGINE_NO_HOLE, 0, 65536), 0);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, ENGINE_SECURE, 0, 65536), 0);
    CHECK_EQ(engine->stats.system_calls, 0);
    CHECK_EQ(run_op(engine, ENGINE_ZERO, 0, 0, 65536), 0);
    CHECK_EQ(engine->stats.system_calls, 1);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, 0, 65536), 0);
    CHECK_EQ(engine->stats.system_calls, 2);
    engine_close(engine);
}

int main(void)
{
    TEST("error fails the operations it is told to, others never",
         check_each_op);
    TEST("error counts after, count and every as documented", check_counts);
    TEST("error counts only the requests that match",
         check_only_matching_count);
    TEST("error fails what touches the range, and flushes", check_range);
    TEST("error fails while its file exists", check_file);
    TEST("delay holds each operation back for its own time", check_late);
    TEST("delay lets nothing through early and wakes in time",
         check_nothing_early);
    TEST("delay and error can be stacked either way", check_delayed_errors);
    TEST("a failed request is not waited for", check_no_wait_for_errors);
    TEST("log writes one line for each submission and completion", check_log);
    TEST("null touches data only if zero=yes", check_null);
    TEST("mem gives pages back where it may", check_mem_pages);
    return tap_done();
}
