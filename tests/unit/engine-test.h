/* SPDX-License-Identifier: MIT
 * What the engine tests share: targets, and requests that check by themselves
 * that they are done once, and only from within reap(). */
#ifndef VBDD_TESTS_ENGINE_TEST_H
#define VBDD_TESTS_ENGINE_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/engine/engine.h"
#include "tests/unit/tap.h"

enum { HANG_MS = 60000 }; /* a guard against hanging, not a claim */

static bool in_reap;               /* done() may be called now */
static unsigned outstanding;       /* submitted and not done */
static char reason[256];           /* of the last engine_open() */

struct job {
    struct engine_request request;
    unsigned done_count;
    int error;
    char *memory;                       /* malloc'ed; data lies within */
    void (*then)(struct job *job);      /* called from done(), may be NULL */
};

static inline void job_done(struct engine_request *request, int error)
{
    struct job *job = (struct job *)request;

    if (!in_reap)
        CHECK(!"done() is called from within reap() only");
    if (job->done_count)
        CHECK(!"done() is called once");
    job->done_count++;
    job->error = error;
    outstanding--;
    if (job->then)
        job->then(job);
}

static inline void job_submit(struct engine *engine, struct job *job)
{
    bool saved = in_reap;

    job->request.done = job_done;
    job->done_count = 0;
    job->error = 1;
    outstanding++;
    in_reap = false;
    engine_submit(engine, &job->request);
    in_reap = saved;
}

/* A job with data of its own, aligned to memory_align and to no more. */
static inline struct job *job_new(struct engine *engine, enum engine_op op,
                                  uint64_t offset, uint32_t length)
{
    struct job *job = calloc(1, sizeof *job);
    size_t align = engine->info.memory_align;

    REQUIRE(job && align && !(align & (align - 1)));
    job->request.op = op;
    job->request.offset_bytes = offset;
    job->request.length_bytes = length;
    if (op == ENGINE_READ || op == ENGINE_WRITE) {
        REQUIRE(posix_memalign((void **)&job->memory,
                               align < 8 ? 8 : 2 * align,
                               length + align) == 0);
        job->request.data = job->memory + align;
        memset(job->request.data, 0xee, length);
    }
    return job;
}

static inline void job_free(struct job *job)
{
    free(job->memory);
    free(job);
}

static inline void commit(struct engine *engine)
{
    engine->ops->commit(engine);
}

static inline unsigned reap(struct engine *engine, unsigned max)
{
    unsigned count;

    in_reap = true;
    count = engine->ops->reap(engine, max);
    in_reap = false;
    CHECK(count <= max);
    return count;
}

/* Is poll_fd readable within timeout_ms? */
static inline bool is_readable(struct engine *engine, int timeout_ms)
{
    struct pollfd wanted = { engine->ops->poll_fd(engine), POLLIN, 0 };

    return poll(&wanted, 1, timeout_ms) == 1 && wanted.revents & POLLIN;
}

/* With nothing in flight: does poll_fd fall silent? A signal that is later than
 * its completion may wake for nothing, but not for ever. */
static inline bool is_quiet(struct engine *engine)
{
    for (unsigned tries = 0; tries < 1000; tries++) {
        if (reap(engine, 1) != 0)
            return false;
        if (!is_readable(engine, 0))
            return true;
    }
    return false;
}

/* Runs until nothing is outstanding, the way an event loop would: reap until
 * there is no more, then sleep on poll_fd. */
static inline void drain(struct engine *engine)
{
    do {
        commit(engine);
        while (reap(engine, 7) > 0)
            commit(engine);
        if (outstanding && !is_readable(engine, HANG_MS)) {
            NOTE("%u requests are lost", outstanding);
            REQUIRE(!"every request completes");
        }
    } while (outstanding);
}

/* One request from beginning to end; the error of its done(). */
static inline int run(struct engine *engine, struct job *job)
{
    job_submit(engine, job);
    drain(engine);
    CHECK_EQ(job->done_count, 1);
    return job->error;
}

static inline int run_op(struct engine *engine, enum engine_op op,
                         unsigned flags, uint64_t offset, uint32_t length)
{
    struct job *job = job_new(engine, op, offset, length);
    int error;

    job->request.flags = flags;
    error = run(engine, job);
    job_free(job);
    return error;
}

/* --- targets -------------------------------------------------------------- */

/* Opens a stack of engines without a target, or fails the test. */
static inline struct engine *stack_of(const char *specification,
                                      uint64_t size_bytes)
{
    struct engine_config config = { .fd = -1, .size_bytes = size_bytes };
    struct engine *engine;

    if (engine_open(specification, &config, &engine, reason, sizeof reason)) {
        NOTE("%s", reason);
        REQUIRE(!"the stack opens");
    }
    return engine;
}

/* path: for mkstemp(). */
static inline int nameless_file(char *path, uint64_t bytes, int flags)
{
    int made = mkstemp(path), fd;

    if (made < 0)
        return -errno;
    REQUIRE(ftruncate(made, (off_t)bytes) == 0);
    fd = open(path, flags | O_CLOEXEC);
    fd = fd < 0 ? -errno : fd;
    unlink(path);
    close(made);
    return fd;
}

/* A nameless file; in the current directory, which is on a disk more often
 * than /tmp. -errno if it cannot be had (O_DIRECT on old tmpfs). */
static inline int file_target(uint64_t bytes, int flags)
{
    char path[] = "engine-XXXXXX";

    return nameless_file(path, bytes, flags);
}

/* The same on a tmpfs. */
static inline int tmpfs_target(uint64_t bytes, int flags)
{
    char path[] = "/dev/shm/engine-XXXXXX";

    return nameless_file(path, bytes, flags);
}

/* A loop device on a file of its own; gone when the last descriptor is. */
static inline int loop_target(uint64_t bytes, unsigned block, int flags)
{
    struct loop_config config = {
        .block_size = block,
        .info.lo_flags = LO_FLAGS_AUTOCLEAR,
    };
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int loop = -ENODEV, fd, number, writable = 0;
    char path[32];

    if (control < 0)
        return -errno;
    config.fd = (uint32_t)file_target(bytes, O_RDWR);
    for (int tries = 0; tries < 20 && loop < 0; tries++) {
        number = ioctl(control, LOOP_CTL_GET_FREE);
        snprintf(path, sizeof path, "/dev/loop%d", number);
        loop = number < 0 ? -errno : open(path, O_RDWR | O_CLOEXEC);
        if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) < 0) {
            close(loop); /* somebody else was faster */
            loop = -EBUSY;
        }
    }
    close((int)config.fd);
    close(control);
    if (loop < 0)
        return loop;
    ioctl(loop, BLKROSET, &writable); /* an earlier user's mark stays on it */
    fd = open(path, flags | O_CLOEXEC);
    fd = fd < 0 ? -errno : fd;
    close(loop);
    return fd;
}

#endif
