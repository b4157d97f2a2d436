/* SPDX-License-Identifier: MIT
 * The one thread that makes the calls which block and have no asynchronous
 * form: discards, and fdatasync where the kernel cannot do it by itself. */
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
    pthread_t thread;
    pthread_mutex_t lock; /* protects what follows */
    pthread_cond_t wake;
    struct engine_list todo, finished;
    bool stop;
    uint64_t system_calls;
};

static int helper_discard(const struct aio_helper *helper,
                          const struct engine_request *request)
{
    uint64_t range[2] = { request->offset_bytes, request->length_bytes };
    unsigned long command =
        request->flags & ENGINE_SECURE ? BLKSECDISCARD : BLKDISCARD;

    if (helper->is_block)
        return ioctl(helper->fd, command, range);
    return fallocate(helper->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)range[0], (off_t)range[1]);
}

static int helper_do(const struct aio_helper *helper,
                     const struct engine_request *request)
{
    int result;

    do
        result = request->op == ENGINE_FLUSH
                 ? fdatasync(helper->fd) : helper_discard(helper, request);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
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
        helper->system_calls += 2;
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
