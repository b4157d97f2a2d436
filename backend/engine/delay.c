/* SPDX-License-Identifier: MIT
 * Stackable: holds completions back for a time. The work itself is done at
 * once; only the answer is late. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "backend/engine/parameters.h"
#include "backend/engine/stack.h"
#include "common/host/log.h"

struct delay {
    struct stack stack;
    uint64_t delay_us[ENGINE_OP_COUNT];
    /* Come back and waiting for their time, which is in mark. All of one kind
     * wait equally long, so that each list is in the order of time. */
    struct engine_list held[ENGINE_OP_COUNT];
    int timer_fd, poll_fd; /* poll_fd: an epoll of timer_fd and next's */
    uint64_t armed_us;     /* what timer_fd is set to; 0: nothing */
};

/* When the next one is due; 0: none is held. */
static uint64_t next_due_us(const struct delay *delay)
{
    uint64_t due_us = 0;

    for (unsigned op = 0; op < ENGINE_OP_COUNT; op++) {
        struct engine_request *first = delay->held[op].first;

        if (first && (!due_us || stack_of(first)->mark < due_us))
            due_us = stack_of(first)->mark;
    }
    return due_us;
}

/* Setting the timer also takes back that it has run out. */
static void set_timer(struct delay *delay)
{
    uint64_t due_us = next_due_us(delay);
    struct itimerspec when = {
        .it_value = { (time_t)(due_us / 1000000),
                      (long)(due_us % 1000000 * 1000) },
    };

    if (due_us == delay->armed_us)
        return;
    delay->stack.engine.stats.system_calls++;
    timerfd_settime(delay->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
    delay->armed_us = due_us;
}

static void delay_come_back(struct stack *stack,
                            struct engine_request *request, int error)
{
    struct delay *delay = (struct delay *)stack;

    stack_of(request)->error = error;
    stack_of(request)->mark = host_now_us() + delay->delay_us[request->op];
    engine_list_append(&delay->held[request->op], request);
}

/* Takes everything from below, whatever max is: only what is held here makes
 * poll_fd readable again. */
static unsigned delay_reap(struct engine *engine, unsigned max)
{
    struct delay *delay = (struct delay *)engine;
    uint64_t now_us;
    unsigned count = 0;

    while (stack_reap(engine, UINT32_MAX) > 0)
        ;
    now_us = host_now_us();
    for (unsigned op = 0; op < ENGINE_OP_COUNT; op++) {
        struct engine_list *held = &delay->held[op];

        while (count < max && held->first &&
               stack_of(held->first)->mark <= now_us) {
            struct engine_request *request = engine_list_take(held);

            engine_finish(engine, request, stack_of(request)->error);
            count++;
        }
    }
    set_timer(delay);
    return count;
}

static void delay_wait(struct engine *engine, unsigned least,
                       unsigned timeout_us)
{
    struct delay *delay = (struct delay *)engine;
    struct pollfd wanted = { .fd = delay->poll_fd, .events = POLLIN };
    struct timespec timeout = { timeout_us / 1000000,
                                timeout_us % 1000000 * 1000 };

    (void)least;
    if (delay->stack.finished.first)
        return;
    engine->stats.system_calls++;
    ppoll(&wanted, 1, &timeout, NULL);
}

static int delay_poll_fd(struct engine *engine)
{
    return ((struct delay *)engine)->poll_fd;
}

static void delay_close(struct engine *engine)
{
    struct delay *delay = (struct delay *)engine;

    if (delay->timer_fd >= 0)
        close(delay->timer_fd);
    if (delay->poll_fd >= 0)
        close(delay->poll_fd);
    stack_free(&delay->stack);
}

static int add_to_poll(struct delay *delay, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };

    return epoll_ctl(delay->poll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_fds(struct delay *delay, char *reason, unsigned reason_size)
{
    int next_fd = stack_poll_fd(&delay->stack.engine);

    delay->timer_fd = timerfd_create(CLOCK_MONOTONIC,
                                     TFD_CLOEXEC | TFD_NONBLOCK);
    delay->poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (delay->timer_fd < 0 || delay->poll_fd < 0 ||
        add_to_poll(delay, delay->timer_fd) < 0 ||
        (next_fd >= 0 && add_to_poll(delay, next_fd) < 0))
        return engine_explain(reason, reason_size, -errno,
                              "delay: no timer (%s)", strerror(errno));
    return 0;
}

static int delay_open(const struct engine_config *config,
                      const char *parameters, struct engine *next,
                      struct engine **engine, char *reason,
                      unsigned reason_size)
{
    struct delay *delay = calloc(1, sizeof *delay);
    int error;

    (void)config;
    if (!delay) {
        engine_close(next);
        return engine_explain(reason, reason_size, -ENOMEM,
                              "delay: out of memory");
    }
    const struct parameter table[] = {
        { "read", &parameter_us, &delay->delay_us[ENGINE_READ] },
        { "write", &parameter_us, &delay->delay_us[ENGINE_WRITE] },
        { "flush", &parameter_us, &delay->delay_us[ENGINE_FLUSH] },
        { "discard", &parameter_us, &delay->delay_us[ENGINE_DISCARD] },
        { "zero", &parameter_us, &delay->delay_us[ENGINE_ZERO] },
        { NULL, NULL, NULL },
    };

    stack_init(&delay->stack, &delay_engine_ops, next, delay_come_back);
    delay->timer_fd = delay->poll_fd = -1;
    error = parameters_parse("delay", parameters, table, reason, reason_size);
    if (!error)
        error = open_fds(delay, reason, reason_size);
    if (error)
        delay_close(&delay->stack.engine);
    else
        *engine = &delay->stack.engine;
    return error;
}

const struct engine_ops delay_engine_ops = {
    .name = "delay", .open = delay_open, .close = delay_close,
    .submit = stack_submit, .commit = stack_commit, .reap = delay_reap,
    .wait = delay_wait, .poll_fd = delay_poll_fd, .resize = stack_resize,
    .extent = stack_extent,
};
