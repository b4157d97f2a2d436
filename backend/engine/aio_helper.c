/* SPDX-License-Identifier: MIT
 * The one thread that makes the calls which block and have no asynchronous
 * form: discards, zeroes, and fdatasync where the kernel cannot do it by
 * itself. */
#include "config.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend/engine/aio.h"

struct aio_helper {
    int fd, event_fd;
    bool is_block;
    unsigned outstanding; /* the loop thread's alone */
    unsigned calls;       /* the helper's alone: made for this request */
    pthread_t thread;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t wake;
    struct engine_list todo, finished;
    bool stop;
    uint64_t system_calls;
};

static int helper_result(struct aio_helper *helper, long result)
{
    helper->calls++;
    return result < 0 ? -errno : 0;
}

static int helper_fallocate(struct aio_helper *helper,
                            const struct engine_request *request, int mode)
{
    return helper_result(helper, fallocate(helper->fd,
                                           mode | FALLOC_FL_KEEP_SIZE,
                                           (off_t)request->offset_bytes,
                                           (off_t)request->length_bytes));
}

/* EBUSY: the device is claimed (C12) through another descriptor, and pages of
 * ours in its cache are dirty (buffered I/O only). Nothing has been done, which
 * is all right for what is a hint. */
static int helper_discard(struct aio_helper *helper,
                          const struct engine_request *request)
{
    uint64_t range[2] = { request->offset_bytes, request->length_bytes };
    bool is_secure = request->flags & ENGINE_SECURE;
    int error;

    if (!helper->is_block)
        return helper_fallocate(helper, request, FALLOC_FL_PUNCH_HOLE);
    error = helper_result(helper, ioctl(helper->fd, is_secure ? BLKSECDISCARD
                                                              : BLKDISCARD,
                                        range));
    return error == -EBUSY && !is_secure ? 0 : error;
}

/* Read only, so that all of it is the host's one page of zeros. */
static char zeros[1 << 20] __attribute__((aligned(4096)));

static int helper_write_zeros(struct aio_helper *helper,
                              const struct engine_request *request)
{
    uint64_t at = request->offset_bytes, end = at + request->length_bytes;

    while (at < end) {
        size_t bytes = end - at < sizeof zeros ? end - at : sizeof zeros;
        ssize_t result = pwrite(helper->fd, zeros, bytes, (off_t)at);
        int error = helper_result(helper, result);

        if (error != -EINTR && result <= 0)
            return error ? error : -EIO;
        at += result > 0 ? (uint64_t)result : 0;
    }
    return 0;
}

/* This way does not work here; another may. EBUSY: see helper_discard(). */
static bool is_impossible(int error)
{
    return error == -EOPNOTSUPP || error == -EBUSY;
}

/* fallocate(2) means the same on a file and on a block device, but that there
 * the kernel itself writes zeros for FALLOC_FL_ZERO_RANGE where the device has
 * nothing faster (info.can_zero_fast); for a hole it does not. */
static int helper_zero(struct aio_helper *helper,
                       const struct engine_request *request)
{
    bool is_fast = request->flags & ENGINE_FAST;
    bool may_be_hole = !(request->flags & ENGINE_NO_HOLE);
    int error = -EOPNOTSUPP;

    if (may_be_hole)
        error = helper_fallocate(helper, request, FALLOC_FL_PUNCH_HOLE);
    if (is_impossible(error) && !(may_be_hole && is_fast))
        error = helper_fallocate(helper, request, FALLOC_FL_ZERO_RANGE);
    if (is_impossible(error))
        error = is_fast ? -EOPNOTSUPP : helper_write_zeros(helper, request);
    return error;
}

static int helper_try(struct aio_helper *helper,
                      const struct engine_request *request)
{
    if (request->op == ENGINE_FLUSH)
        return helper_result(helper, fdatasync(helper->fd));
    return request->op == ENGINE_ZERO ? helper_zero(helper, request)
                                      : helper_discard(helper, request);
}

static int helper_do(struct aio_helper *helper,
                     const struct engine_request *request)
{
    int error;

    helper->calls = 1; /* eventfd_write() */
    while ((error = helper_try(helper, request)) == -EINTR)
        ;
    return error;
}

/* The result is in the list before the eventfd says so: aio.c relies on it. */
static void *helper_run(void *argument)
{
    struct aio_helper *helper = argument;
    struct engine_request *request;

    pthread_mutex_lock(&helper->lock);
    while (!helper->stop) {
        request = engine_list_take(&helper->todo);
        if (!request) {
            pthread_cond_wait(&helper->wake, &helper->lock);
            continue;
        }
        pthread_mutex_unlock(&helper->lock);
        aio_of(request)->error = helper_do(helper, request);
        pthread_mutex_lock(&helper->lock);
        engine_list_append(&helper->finished, request);
        helper->system_calls += helper->calls;
        eventfd_write(helper->event_fd, 1);
    }
    pthread_mutex_unlock(&helper->lock);
    return NULL;
}

/* Signals are the loop's: the thread is born with all of them blocked. */
static int helper_start(struct aio_helper *helper)
{
    sigset_t all, saved;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    error = pthread_create(&helper->thread, NULL, helper_run, helper);
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    return -error;
}

int aio_helper_open(int fd, bool is_block, int event_fd,
                    struct aio_helper **helper)
{
    struct aio_helper *new = calloc(1, sizeof *new);
    int error;

    if (!new)
        return -ENOMEM;
    new->fd = fd;
    new->is_block = is_block;
    new->event_fd = event_fd;
    pthread_mutex_init(&new->lock, NULL);
    pthread_cond_init(&new->wake, NULL);
    error = helper_start(new);
    if (error)
        free(new);
    else
        *helper = new;
    return error;
}

void aio_helper_close(struct aio_helper *helper)
{
    if (!helper)
        return;
    assert(helper->outstanding == 0);
    pthread_mutex_lock(&helper->lock);
    helper->stop = true;
    pthread_cond_signal(&helper->wake);
    pthread_mutex_unlock(&helper->lock);
    pthread_join(helper->thread, NULL);
    pthread_cond_destroy(&helper->wake);
    pthread_mutex_destroy(&helper->lock);
    free(helper);
}

void aio_helper_submit(struct aio_helper *helper,
                       struct engine_request *request)
{
    helper->outstanding++;
    pthread_mutex_lock(&helper->lock);
    engine_list_append(&helper->todo, request);
    pthread_cond_signal(&helper->wake);
    pthread_mutex_unlock(&helper->lock);
}

unsigned aio_helper_count(const struct aio_helper *helper)
{
    return helper ? helper->outstanding : 0;
}

unsigned aio_helper_take(struct aio_helper *helper, struct engine_list *list,
                         uint64_t *system_calls)
{
    unsigned count = 0;

    pthread_mutex_lock(&helper->lock);
    for (struct engine_request *request = helper->finished.first; request;
         request = request->next)
        count++;
    engine_list_move(list, &helper->finished);
    *system_calls += helper->system_calls;
    helper->system_calls = 0;
    pthread_mutex_unlock(&helper->lock);
    helper->outstanding -= count;
    return count;
}
