/* SPDX-License-Identifier: MIT
 * Claim: whatever io_setup(2), io_submit(2) and the completions do to it, aio
 * loses no request, answers each once and exactly, and starts none twice that
 * has been done; zeros come one way or another, or at once not at all.
 * Source: io_submit(2), io_setup(2) and fallocate(2), ERRORS and RETURN VALUE;
 * C10, C15.
 * Mechanism: the linker puts the functions below in front of libaio's
 * (--wrap). Completions are bent in io_getevents(), with reap=getevents. */
#include "config.h"

#include <sys/eventfd.h>
#include <sys/utsname.h>

#include "backend/engine/aio.h"
#include "tests/unit/engine-test.h"

enum { DEPTH = 8, BLOCK = 4096 };

/* What the next calls do; 0 is nothing unusual. */
static struct {
    int setup_fits;         /* io_setup: EAGAIN above this many */
    int setup_error;
    int submit_errors[16];  /* io_submit: these first, one a call */
    unsigned submit_next;
    int submit_at_most;     /* io_submit: takes no more at a time */
    int refuse_opcode;      /* io_submit: EINVAL for this one */
    bool refuse_flags;      /* io_submit: EOPNOTSUPP for any RWF_ flag */
    long results[16];       /* io_getevents: these instead, but 0 is none */
    unsigned result_next;
    bool late_signals;      /* eventfd_read: the last 1 comes after it */
    int punch_errors[4], range_errors[4]; /* fallocate: these first */
    unsigned punch_calls, range_calls;
    bool can_erase;         /* ioctl: BLKSECDISCARD is there */
    const char *kernel;     /* uname: NULL is the one that runs */
    uint64_t erased[2];
    long write_results[4];  /* pwrite: these first; 1 is one block only */
    unsigned write_calls;
    unsigned submit_calls, events_seen;
} fault;

int __real_io_setup(int maxevents, io_context_t *context);
int __real_io_submit(io_context_t context, long count, struct iocb *ios[]);
int __real_io_getevents(io_context_t context, long least, long most,
                        struct io_event *events, struct timespec *timeout);
int __real_eventfd_read(int event_fd, eventfd_t *value);
int __wrap_io_setup(int maxevents, io_context_t *context);
int __wrap_eventfd_read(int event_fd, eventfd_t *value);
int __wrap_io_submit(io_context_t context, long count, struct iocb *ios[]);
int __wrap_io_getevents(io_context_t context, long least, long most,
                        struct io_event *events, struct timespec *timeout);

int __wrap_io_setup(int maxevents, io_context_t *context)
{
    if (fault.setup_error)
        return fault.setup_error;
    if (fault.setup_fits && maxevents > fault.setup_fits)
        return -EAGAIN;
    return __real_io_setup(maxevents, context);
}

int __real_fallocate(int file, int mode, off_t offset, off_t length);
int __wrap_fallocate(int file, int mode, off_t offset, off_t length);
ssize_t __real_pwrite(int file, const void *data, size_t bytes, off_t offset);
ssize_t __wrap_pwrite(int file, const void *data, size_t bytes, off_t offset);

int __wrap_fallocate(int file, int mode, off_t offset, off_t length)
{
    bool is_punch = mode & FALLOC_FL_PUNCH_HOLE;
    unsigned call = is_punch ? fault.punch_calls++ : fault.range_calls++;

    CHECK(mode & FALLOC_FL_KEEP_SIZE);
    errno = call >= 4 ? 0
            : is_punch ? fault.punch_errors[call] : fault.range_errors[call];
    return errno ? -1 : __real_fallocate(file, mode, offset, length);
}

ssize_t __wrap_pwrite(int file, const void *data, size_t bytes, off_t offset)
{
    unsigned call = fault.write_calls++;
    long result = call < 4 ? fault.write_results[call] : 0;

    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return __real_pwrite(file, data, result ? BLOCK : bytes, offset);
}

int __real_ioctl(int file, unsigned long command, void *argument);
int __wrap_ioctl(int file, unsigned long command, void *argument);
int __real_uname(struct utsname *kernel);
int __wrap_uname(struct utsname *kernel);

/* As the kernel: what cannot be erased is judged before the range. */
int __wrap_ioctl(int file, unsigned long command, void *argument)
{
    uint64_t range[2];

    if (command != BLKSECDISCARD || !fault.can_erase)
        return __real_ioctl(file, command, argument);
    memcpy(range, argument, sizeof range);
    errno = (range[0] | range[1]) % 512 ? EINVAL : 0;
    if (!errno)
        memcpy(fault.erased, range, sizeof range);
    return errno ? -1 : 0;
}

int __wrap_uname(struct utsname *kernel)
{
    int result = __real_uname(kernel);

    if (fault.kernel)
        snprintf(kernel->release, sizeof kernel->release, "%s", fault.kernel);
    return result;
}

static int refusal(const struct iocb *iocb)
{
    if (fault.refuse_opcode && iocb->aio_lio_opcode == fault.refuse_opcode)
        return -EINVAL;
    if (fault.refuse_flags && iocb->aio_rw_flags)
        return -EOPNOTSUPP;
    return 0;
}

/* As the kernel does: stops at the first refused one, and says why only if
 * that is the first of all. */
int __wrap_io_submit(io_context_t context, long count, struct iocb *ios[])
{
    long good = 0;

    fault.submit_calls++;
    CHECK(count > 0 && count <= DEPTH);
    if (fault.submit_next < 16 && fault.submit_errors[fault.submit_next])
        return fault.submit_errors[fault.submit_next++];
    if (fault.submit_at_most && count > fault.submit_at_most)
        count = fault.submit_at_most;
    while (good < count && !refusal(ios[good]))
        good++;
    return good ? __real_io_submit(context, good, ios) : refusal(ios[0]);
}

int __wrap_io_getevents(io_context_t context, long least, long most,
                        struct io_event *events, struct timespec *timeout)
{
    int count = __real_io_getevents(context, least, most, events, timeout);

    for (int i = 0; i < count; i++, fault.events_seen++)
        if (fault.result_next < 16 && fault.results[fault.result_next])
            events[i].res =
                (unsigned long)fault.results[fault.result_next++];
    return count;
}

int __wrap_eventfd_read(int event_fd, eventfd_t *value)
{
    int result = __real_eventfd_read(event_fd, value);

    if (fault.late_signals && result == 0 && *value > 1) {
        --*value;
        eventfd_write(event_fd, 1);
    }
    return result;
}

static struct engine *engine;
static int fd;

static int try_open(const char *specification, unsigned depth)
{
    struct engine_config config = { .queue_depth = depth };

    config.fd = fd = file_target(1 << 20, O_RDWR);
    REQUIRE(fd >= 0);
    return engine_open(specification, &config, &engine, reason,
                       sizeof reason);
}

static void open_aio(void)
{
    memset(&fault, 0, sizeof fault);
    REQUIRE(try_open("aio:reap=getevents", DEPTH) == 0);
    memset(&fault, 0, sizeof fault);
}

static void close_aio(void)
{
    engine_close(engine);
    close(fd);
}

/* Writes count blocks at once, reads them back, all must be well. */
static void write_and_read(unsigned count)
{
    struct job *jobs[64];

    for (unsigned i = 0; i < count; i++) {
        jobs[i] = job_new(engine, ENGINE_WRITE, i * BLOCK, BLOCK);
        memset(jobs[i]->request.data, (int)i + 1, BLOCK);
        job_submit(engine, jobs[i]);
    }
    drain(engine);
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(jobs[i]->done_count, 1);
        CHECK_EQ(jobs[i]->error, 0);
        jobs[i]->request.op = ENGINE_READ;
        memset(jobs[i]->request.data, 0, BLOCK);
        job_submit(engine, jobs[i]);
    }
    drain(engine);
    for (unsigned i = 0; i < count; i++) {
        unsigned char *data = jobs[i]->request.data;

        CHECK_EQ(jobs[i]->error, 0);
        CHECK(data[0] == i + 1 && data[BLOCK - 1] == i + 1);
        job_free(jobs[i]);
    }
}

static void check_setup_halves(void)
{
    memset(&fault, 0, sizeof fault);
    fault.setup_fits = 5;
    REQUIRE(try_open("aio", 64) == 0);
    write_and_read(64); /* the wrapper checks that at most DEPTH go down */
    close_aio();
    fault.setup_fits = 1;
    REQUIRE(try_open("aio", 64) == 0);
    write_and_read(20);
    close_aio();
}

static void check_setup_fails(void)
{
    memset(&fault, 0, sizeof fault);
    fault.setup_error = -EAGAIN;
    CHECK_EQ(try_open("aio", 64), -EAGAIN);
    CHECK(strstr(reason, "fs.aio-max-nr") != NULL);
    close(fd);
    fault.setup_error = -ENOSYS;
    CHECK_EQ(try_open("aio", 64), -ENOSYS);
    CHECK(strstr(reason, "not implemented") != NULL);
    close(fd);
    memset(&fault, 0, sizeof fault);
}

static void check_eagain(void)
{
    open_aio();
    fault.submit_errors[0] = -EAGAIN;
    write_and_read(4);
    close_aio();
    open_aio();
    for (unsigned i = 0; i < 10; i++)
        fault.submit_errors[i] = -EAGAIN;
    write_and_read(30);
    CHECK(fault.submit_calls >= 10);
    close_aio();
}

static void check_eintr(void)
{
    open_aio();
    fault.submit_errors[0] = fault.submit_errors[1] = -EINTR;
    write_and_read(20);
    CHECK_EQ(fault.submit_next, 2);
    close_aio();
}

static void check_partial(void)
{
    open_aio();
    fault.submit_at_most = 3;
    write_and_read(40);
    close_aio();
}

/* The first is refused; those behind it go on. */
static void check_refused(void)
{
    struct job *jobs[4];

    open_aio();
    fault.submit_errors[0] = -EBADF;
    for (unsigned i = 0; i < 4; i++) {
        jobs[i] = job_new(engine, ENGINE_READ, i * BLOCK, BLOCK);
        job_submit(engine, jobs[i]);
    }
    drain(engine);
    CHECK_EQ(jobs[0]->error, -EBADF);
    for (unsigned i = 1; i < 4; i++)
        CHECK_EQ(jobs[i]->error, 0);
    CHECK_EQ(engine->stats.errors[ENGINE_READ], 1);
    for (unsigned i = 0; i < 4; i++)
        job_free(jobs[i]);
    close_aio();
}

/* One that had to wait is refused from within reap(): the next poll must
 * hear of it. */
static void check_refused_late(void)
{
    struct job *jobs[DEPTH + 1];

    open_aio();
    for (unsigned i = 0; i < DEPTH + 1; i++) {
        jobs[i] = job_new(engine, ENGINE_READ, i * BLOCK, BLOCK);
        job_submit(engine, jobs[i]);
    }
    commit(engine);
    fault.submit_errors[0] = -EIO;
    for (unsigned i = 0; outstanding; i++) {
        REQUIRE(is_readable(engine, HANG_MS));
        reap(engine, 100);
    }
    CHECK_EQ(jobs[DEPTH]->error, -EIO);
    CHECK(is_quiet(engine));
    for (unsigned i = 0; i < DEPTH + 1; i++)
        job_free(jobs[i]);
    close_aio();
    /* With nothing in flight, no completion would wake the loop either. */
    open_aio();
    fault.submit_errors[0] = -EAGAIN;
    fault.submit_errors[1] = -EIO;
    CHECK_EQ(run_op(engine, ENGINE_READ, 0, 0, BLOCK), -EIO);
    close_aio();
}

static void check_no_fdsync(void)
{
    open_aio();
    fault.refuse_opcode = IO_CMD_FDSYNC;
    CHECK_EQ(run_op(engine, ENGINE_FLUSH, 0, 0, 0), 0);
    CHECK_EQ(fault.submit_calls, 1);
    CHECK_EQ(run_op(engine, ENGINE_FLUSH, 0, 0, 0), 0);
    CHECK_EQ(fault.submit_calls, 1); /* not asked again */
    write_and_read(10);
    close_aio();
    open_aio();
    fault.results[0] = -EINVAL;
    CHECK_EQ(run_op(engine, ENGINE_FLUSH, 0, 0, 0), 0);
    CHECK_EQ(fault.submit_calls, 1);
    close_aio();
}

static void check_no_fua(void)
{
    memset(&fault, 0, sizeof fault);
    fault.refuse_flags = true;
    REQUIRE(try_open("aio", DEPTH) == 0);
    fault.refuse_flags = false;
    CHECK(!engine->info.can_fua);
    CHECK_EQ(run_op(engine, ENGINE_WRITE, ENGINE_FUA, 0, BLOCK),
             -EOPNOTSUPP);
    CHECK_EQ(run_op(engine, ENGINE_WRITE, 0, 0, BLOCK), 0);
    close_aio();
}

/* One request whose first completions are bent. */
static int bent(enum engine_op op, long first, long second, long third)
{
    open_aio();
    fault.results[0] = first;
    fault.results[1] = second;
    fault.results[2] = third;
    return run_op(engine, op, 0, 0, op == ENGINE_FLUSH ? 0 : 2 * BLOCK);
}

static void check_results(void)
{
    CHECK_EQ(bent(ENGINE_READ, -EIO, 0, 0), -EIO);
    close_aio();
    CHECK_EQ(bent(ENGINE_WRITE, -ENOSPC, 0, 0), -ENOSPC);
    close_aio();
    CHECK_EQ(bent(ENGINE_FLUSH, -EIO, 0, 0), -EIO);
    close_aio();
    CHECK_EQ(bent(ENGINE_READ, -EINTR, 0, 0), 0);
    CHECK_EQ(fault.events_seen, 2);
    close_aio();
    CHECK_EQ(bent(ENGINE_FLUSH, -EINTR, 0, 0), 0);
    CHECK_EQ(fault.events_seen, 2);
    close_aio();
    CHECK_EQ(bent(ENGINE_WRITE, 100, BLOCK, 0), 0);
    CHECK_EQ(fault.events_seen, 3);
    close_aio();
    CHECK_EQ(bent(ENGINE_WRITE, BLOCK, -ENOSPC, 0), -ENOSPC);
    CHECK_EQ(fault.events_seen, 2);
    close_aio();
    CHECK_EQ(bent(ENGINE_READ, BLOCK, -EINTR, BLOCK), 0);
    CHECK_EQ(fault.events_seen, 3);
    close_aio();
}

/* A direct request cannot go on inside a block: the target has shrunk. */
static void check_direct_rest(void)
{
    struct engine_config config = { .is_direct = true };

    memset(&fault, 0, sizeof fault);
    config.fd = fd = file_target(1 << 20, O_RDWR | O_DIRECT);
    if (fd < 0) {
        NOTE("no O_DIRECT here");
        CHECK(true);
        return;
    }
    REQUIRE(engine_open("aio:reap=getevents", &config, &engine, reason,
                        sizeof reason) == 0);
    fault.results[0] = 100;
    CHECK_EQ(run_op(engine, ENGINE_READ, 0, 0, BLOCK), -EIO);
    close_aio();
}

/* The rest of a short request is the right rest: the kernel moves all of it,
 * only the answer is bent, so that wrong bytes would show. */
static void check_rest(void)
{
    struct job *job;
    unsigned char *data;

    open_aio();
    job = job_new(engine, ENGINE_WRITE, BLOCK, 3 * BLOCK);
    data = job->request.data;
    for (unsigned i = 0; i < 3 * BLOCK; i++)
        data[i] = (unsigned char)(i * 7 + i / 256);
    fault.results[0] = 1000;
    CHECK_EQ(run(engine, job), 0);
    memset(data, 0, 3 * BLOCK);
    job->request.op = ENGINE_READ;
    fault.results[1] = BLOCK + 1;
    CHECK_EQ(run(engine, job), 0);
    for (unsigned i = 0; i < 3 * BLOCK; i++)
        if (data[i] != (unsigned char)(i * 7 + i / 256))
            CHECK(!"every byte is where it was written");
    CHECK_EQ(fault.events_seen, 4);
    job_free(job);
    close_aio();
}

/* The kernel signals after it has moved the tail: a request can be done before
 * its signal is there. Such a signal wakes the loop for nothing, once. */
static void check_late_signals(void)
{
    open_aio();
    fault.late_signals = true;
    write_and_read(20);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(reap(engine, 1), 0);
    CHECK(!is_readable(engine, 0));
    close_aio();
}

/* --- zeros ---------------------------------------------------------------- */

enum { ZERO_START = 3 * BLOCK, ZERO_BYTES = 100 * BLOCK,
       ZERO_ALL = 128 * BLOCK };

static void open_full(void)
{
    open_aio();
    CHECK_EQ(run_op(engine, ENGINE_WRITE, 0, 0, ZERO_ALL), 0);
    memset(&fault, 0, sizeof fault);
}

/* Zeros with these flags; how many bytes of the file are zero then, and
 * UINT_MAX if one of them should not be. */
static unsigned zero(unsigned flags, int expected)
{
    struct job *job = job_new(engine, ENGINE_READ, 0, ZERO_ALL);
    unsigned char *data = job->request.data;
    unsigned count = 0;

    CHECK_EQ(run_op(engine, ENGINE_ZERO, flags, ZERO_START, ZERO_BYTES),
             expected);
    CHECK_EQ(run(engine, job), 0);
    for (unsigned i = 0; i < ZERO_ALL; i++) {
        bool is_ours = i >= ZERO_START && i < ZERO_START + ZERO_BYTES;

        if (data[i] != 0xee && (!is_ours || data[i]))
            count = UINT32_MAX;
        else if (!data[i] && count != UINT32_MAX)
            count++;
    }
    job_free(job);
    close_aio();
    return count;
}

static void check_zero_ways(void)
{
    open_full();
    if (!engine->info.can_zero_fast) {
        NOTE("this file system has no holes");
        CHECK(true);
        close_aio();
        return;
    }
    CHECK_EQ(zero(0, 0), ZERO_BYTES);
    CHECK(fault.punch_calls == 1 && !fault.range_calls && !fault.write_calls);
    open_full();
    fault.punch_errors[0] = EINTR; /* begins anew */
    CHECK_EQ(zero(0, 0), ZERO_BYTES);
    CHECK(fault.punch_calls == 2 && !fault.range_calls && !fault.write_calls);
    open_full();
    fault.punch_errors[0] = EOPNOTSUPP;
    fault.range_errors[0] = EBUSY;
    CHECK_EQ(zero(0, 0), ZERO_BYTES);
    CHECK(fault.punch_calls == 1 && fault.range_calls == 1 &&
          fault.write_calls == 1);
    open_full();
    fault.range_errors[0] = EOPNOTSUPP;
    CHECK_EQ(zero(ENGINE_NO_HOLE, 0), ZERO_BYTES);
    CHECK(!fault.punch_calls && fault.range_calls == 1 &&
          fault.write_calls == 1);
}

static void check_zero_written(void)
{
    open_full();
    fault.range_errors[0] = EOPNOTSUPP;
    fault.write_results[0] = -EINTR;
    fault.write_results[1] = 1;
    CHECK_EQ(zero(ENGINE_NO_HOLE, 0), ZERO_BYTES);
    CHECK_EQ(fault.write_calls, 3);
    open_full();
    fault.range_errors[0] = EOPNOTSUPP;
    fault.write_results[0] = 1;
    fault.write_results[1] = -ENOSPC;
    CHECK_EQ(zero(ENGINE_NO_HOLE, -ENOSPC), BLOCK);
}

static void check_zero_fast(void)
{
    open_full();
    engine->info.can_zero_fast = true;
    fault.punch_errors[0] = EBUSY;
    CHECK_EQ(zero(ENGINE_FAST, -EOPNOTSUPP), 0);
    CHECK(!fault.range_calls && !fault.write_calls);
    open_full();
    engine->info.can_zero_fast = true;
    fault.range_errors[0] = EOPNOTSUPP;
    CHECK_EQ(zero(ENGINE_FAST | ENGINE_NO_HOLE, -EOPNOTSUPP), 0);
    CHECK(!fault.punch_calls && !fault.write_calls);
    open_full();
    engine->info.can_zero_fast = false;
    CHECK_EQ(zero(ENGINE_FAST, -EOPNOTSUPP), 0);
    CHECK(!fault.punch_calls && !fault.range_calls && !fault.write_calls);
}

static void check_zero_errors(void)
{
    open_full();
    fault.punch_errors[0] = EIO;
    CHECK_EQ(zero(0, -EIO), 0);
    CHECK(!fault.range_calls && !fault.write_calls);
    open_full();
    fault.range_errors[0] = ENOSPC;
    CHECK_EQ(zero(ENGINE_NO_HOLE, -ENOSPC), 0);
    CHECK_EQ(fault.write_calls, 0);
}

/* --- secure discard ------------------------------------------------------- */

static void open_loop(bool can_erase, const char *kernel)
{
    struct engine_config config = { .is_direct = true };

    memset(&fault, 0, sizeof fault);
    fault.can_erase = can_erase;
    fault.kernel = kernel;
    config.fd = fd = loop_target(1 << 20, 512, O_RDWR | O_DIRECT);
    REQUIRE(fd >= 0 && engine_open("aio", &config, &engine, reason,
                                   sizeof reason) == 0);
}

static void check_secure(void)
{
    open_loop(true, NULL);
    CHECK(engine->info.can_secure);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, ENGINE_SECURE, 8192, 4096), 0);
    CHECK(fault.erased[0] == 8192 && fault.erased[1] == 4096);
    fault.erased[1] = 0;
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, 0, 0, 4096), 0);
    CHECK_EQ(fault.erased[1], 0);
    close_aio();
    open_loop(false, NULL);
    CHECK(!engine->info.can_secure);
    CHECK_EQ(run_op(engine, ENGINE_DISCARD, ENGINE_SECURE, 8192, 4096),
             -EOPNOTSUPP);
    close_aio();
    open_loop(true, "5.10.0-28-amd64"); /* would say so of any device */
    CHECK(!engine->info.can_secure);
    close_aio();
    open_loop(true, "5.19.0");
    CHECK(engine->info.can_secure);
    close_aio();
}

/* --- the ring in memory --------------------------------------------------- */

static uint64_t fake_memory[20]; /* header and four events */
static struct aio_ring *const fake = (struct aio_ring *)fake_memory;

static void reset_fake(void)
{
    memset(fake_memory, 0, sizeof fake_memory);
    fake->slots = 4;
    fake->magic = 0xa10a10a1;
    fake->compat_features = 1;
    fake->header_length = 32;
}

static bool is_known(void)
{
    bool known = aio_ring_of((io_context_t)fake) != NULL;

    reset_fake();
    return known;
}

static void check_strange_rings(void)
{
    reset_fake();
    CHECK(is_known());
    fake->magic++;
    CHECK(!is_known());
    fake->compat_features = 3;
    CHECK(!is_known());
    fake->incompat_features = 1;
    CHECK(!is_known());
    fake->header_length = 40;
    CHECK(!is_known());
    fake->slots = 0;
    CHECK(!is_known());
    fake->head = 4;
    CHECK(!is_known());
    fake->tail = 4;
    CHECK(!is_known());
}

/* Every place of head, every fill level: in order, none twice, none left. */
static void check_ring_wraps(void)
{
    for (unsigned start = 0; start < 4; start++) {
        for (unsigned fill = 0; fill < 4; fill++) {
            struct io_event event;

            reset_fake();
            fake->head = start;
            fake->tail = (start + fill) % 4;
            for (unsigned i = 0; i < fill; i++)
                fake->events[(start + i) % 4].res = 100 + i;
            for (unsigned i = 0; i < fill; i++) {
                CHECK_EQ(aio_ring_count(fake), fill - i);
                CHECK(aio_ring_take(fake, &event));
                CHECK_EQ(event.res, 100 + i);
            }
            CHECK_EQ(aio_ring_count(fake), 0);
            CHECK(!aio_ring_take(fake, &event));
            CHECK_EQ(fake->head, (start + fill) % 4);
        }
    }
}

int main(void)
{
    TEST("a ring that is not exactly as known is not used",
         check_strange_rings);
    TEST("the ring wraps", check_ring_wraps);
    TEST("where fewer requests fit, the others wait", check_setup_halves);
    TEST("where none fit, the sentence names fs.aio-max-nr",
         check_setup_fails);
    TEST("EAGAIN loses no request and no wake-up", check_eagain);
    TEST("EINTR is tried again", check_eintr);
    TEST("a batch taken in part goes on with the rest", check_partial);
    TEST("a request that the kernel refuses fails alone", check_refused);
    TEST("a request that is refused late wakes the loop", check_refused_late);
    TEST("a signal later than its completion is taken back, too",
         check_late_signals);
    TEST("without an asynchronous flush the helper flushes", check_no_fdsync);
    TEST("without RWF_DSYNC there is no FUA", check_no_fua);
    TEST("every result of the kernel has its meaning", check_results);
    TEST("a short request goes on with exactly its rest", check_rest);
    TEST("a direct request that ends inside a block fails",
         check_direct_rest);
    fd = loop_target(1 << 20, 512, O_RDWR);
    if (fd >= 0)
        TEST("secure discard is offered only where it is known to be there",
             check_secure);
    else
        tap_skip("secure discard is offered only where it is known to be there",
                 "root and a free loop device");
    close(fd);
    TEST("zeros come by a hole, by a range, or by writing", check_zero_ways);
    TEST("written zeros survive EINTR and short writes", check_zero_written);
    TEST("what cannot be fast is not done at all", check_zero_fast);
    TEST("a real error is the answer, and nothing else is tried",
         check_zero_errors);
    return tap_done();
}
