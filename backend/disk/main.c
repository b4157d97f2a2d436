/* SPDX-License-Identifier: MIT
 * vbdd-disk: the data plane of one disk. Started by vbdd, not by hand. */
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/disk/nbd/nbd.h"
#include "backend/disk/privileges.h"
#include "backend/disk/vbd.h"
#include "common/host/cgroup.h"
#include "common/host/packet.h"

/* --- what the coherency layer needs -------------------------------------------- */

static uint64_t now_us(void *context)
{
    (void)context;
    return host_now_us();
}

static void on_coherency_timer(struct ev_loop *loop, ev_timer *watcher,
                               int events)
{
    struct worker *worker = watcher->data;

    (void)loop;
    (void)events;
    coherency_timer(worker->disk);
    worker->wants_more = true; /* what it submitted wants a commit */
}

static void set_timer(void *context, uint64_t at_us)
{
    struct worker *worker = context;
    uint64_t now = host_now_us();

    ev_timer_stop(worker->loop, &worker->coherency_timer);
    if (at_us == 0)
        return;
    ev_now_update(worker->loop);
    ev_timer_set(&worker->coherency_timer,
                 at_us > now ? (double)(at_us - now) / 1e6 : 0., 0.);
    ev_timer_start(worker->loop, &worker->coherency_timer);
}

static void fail_stop(void *context, const char *sentence)
{
    log_error("%s", sentence);
    worker_note_fail_stop(context);
    worker_tell(context, MESSAGE_FAIL_STOP, 0, -EIO, sentence);
}

static void warn(void *context, const char *sentence)
{
    (void)context;
    log_warning("%s", sentence);
}

/* --- the loop's watchers ---------------------------------------------------------- */

static void on_event_channel(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    ((struct worker *)watcher->data)->events_fired = true;
}

/* The engine has completions: the loop reaps after every wake-up anyway. */
static void on_engine(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

static void on_trim(struct ev_loop *loop, ev_timer *watcher, int events)
{
    struct worker *worker = watcher->data;
    bool has_more = pool_trim(&worker->pool);

    (void)events;
    has_more |= vbd_trim_all(worker);
    if (!has_more)
        ev_timer_stop(loop, watcher);
}

static void on_never(struct ev_loop *loop, ev_periodic *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

static void start_watchers(struct worker *worker)
{
    int engine_fd = worker->engine->ops->poll_fd(worker->engine);

    ev_io_init(&worker->event_watcher, on_event_channel,
               platform_event_fd(worker->platform), EV_READ);
    worker->event_watcher.data = worker;
    ev_io_start(worker->loop, &worker->event_watcher);
    if (engine_fd >= 0) {
        ev_io_init(&worker->engine_watcher, on_engine, engine_fd, EV_READ);
        ev_io_start(worker->loop, &worker->engine_watcher);
    }
    ev_init(&worker->coherency_timer, on_coherency_timer);
    worker->coherency_timer.data = worker;
    ev_init(&worker->trim_timer, on_trim);
    worker->trim_timer.repeat = 2.;
    worker->trim_timer.data = worker;
    /* An idle worker sleeps. libev wakes once a minute to see whether the
     * clock was set, unless there is a timer of the day: then the kernel
     * tells it. This one is for the year 2286. */
    ev_periodic_init(&worker->never, on_never, 1e10, 0., 0);
    ev_periodic_start(worker->loop, &worker->never);
}

/* --- opening and closing ------------------------------------------------------------ */

static int open_engine(struct worker *worker, char *reason, unsigned size)
{
    const struct worker_options *options = worker->options;
    struct engine_config config = {
        .fd = worker->target.io_fd,
        .read_only = options->read_only,
        .is_direct = worker->target.is_direct,
    };

    return engine_open(options->engine, &config, &worker->engine, reason,
                       size);
}

static int open_disk(struct worker *worker)
{
    struct coherency_config config = {
        .read_only = worker->options->read_only,
        .flush_retry_us = worker->options->flush_retry_us,
        .honest_flush_us = 5 * 1000000,
        .start_fail_stopped = worker->options->fail_stopped,
    };

    worker->environment = (struct coherency_environment){
        .context = worker, .now_us = now_us, .set_timer = set_timer,
        .fail_stop = fail_stop, .warn = warn,
    };
    return coherency_open(worker->engine, &config, &worker->environment,
                          &worker->disk);
}

/* In the order in which root is needed; privileges go before the first byte
 * of a guest is looked at. */
static int worker_open(struct worker *worker, char *reason, unsigned size)
{
    const struct worker_options *options = worker->options;
    int error = 0;

    worker->completed_tail = &worker->completed;
    worker->control_fd = -1;
    worker->loop = ev_default_loop(EVFLAG_NOENV);
    target_none(&worker->target);
    if (options->target)
        error = target_open(options->target, options->read_only,
                            options->buffered, &worker->target, reason, size);
    if (!error)
        error = platform_open(options->local_dir, &worker->platform, reason,
                              size);
    if (!error)
        error = open_engine(worker, reason, size);
    if (!error)
        error = privileges_drop(options->user, reason, size);
    if (error)
        return error;
    start_watchers(worker);
    error = open_disk(worker);
    if (error) {
        snprintf(reason, size, "no memory for the disk");
        return error;
    }
    if (options->nbd_fd >= 0)
        error = nbd_server_open(worker, options->nbd_fd, &worker->nbd);
    if (error)
        snprintf(reason, size, "cannot serve NBD clients: %s",
                 strerror(-error));
    return error;
}

static void worker_close(struct worker *worker)
{
    const char *step;

    log_limit_end(&worker->guest_log, "front ends");
    nbd_server_close(worker->nbd);
    coherency_close(worker->disk);
    engine_close(worker->engine);
    platform_close(worker->platform);
    target_close(&worker->target, &step);
    pool_close(&worker->pool);
    ev_loop_destroy(worker->loop);
}

/* Tells the supervisor, who is the first in the queue, why there is no disk. */
static void report_failure(struct worker *worker, int error,
                           const char *reason)
{
    struct message message = { .type = MESSAGE_FAILED, .error = error };
    struct pollfd wait = { .fd = worker->options->socket_fd, .events = POLLIN };
    int fd;

    log_error("%s", reason);
    poll(&wait, 1, 10 * 1000);
    fd = accept4(worker->options->socket_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    snprintf(message.text, sizeof message.text, "%s", reason);
    packet_send(fd, &message, sizeof message, NULL, 0);
    close(fd);
}

/* --- the command line ----------------------------------------------------------------- */

static int usage(const char *what)
{
    fprintf(stderr, "vbdd-disk: %s; it is started by vbdd\n", what);
    return 2;
}

static bool parse_u64(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == 0 && errno == 0;
}

static bool parse_fd(const char *text, int *fd)
{
    uint64_t number;

    if (!parse_u64(text, &number) || number > 1024)
        return false;
    *fd = (int)number;
    return true;
}

static int parse_options(int argc, char **argv, struct worker_options *o)
{
    static const struct option options[] = {
        { "socket", required_argument, NULL, 's' },
        { "nbd-socket", required_argument, NULL, 'n' },
        { "lease", required_argument, NULL, 'a' },
        { "refuse-after-handover", no_argument, NULL, 'h' },
        { "target", required_argument, NULL, 't' },
        { "engine", required_argument, NULL, 'e' },
        { "user", required_argument, NULL, 'u' },
        { "local", required_argument, NULL, 'l' },
        { "read-only", no_argument, NULL, 'r' },
        { "buffered", no_argument, NULL, 'b' },
        { "fail-stopped", no_argument, NULL, 'f' },
        { "flush-retry", required_argument, NULL, 'R' },
        { "byte-budget", required_argument, NULL, 'B' },
        { "cgroup", required_argument, NULL, 'C' },
        { "disk", required_argument, NULL, 'd' },
        { "log-level", required_argument, NULL, 'L' },
        { NULL, 0, NULL, 0 },
    };
    enum log_level level = LOG_LEVEL_INFO;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 's':
            if (!parse_fd(optarg, &o->socket_fd))
                return usage("--socket wants a descriptor");
            break;
        case 'n':
            if (!parse_fd(optarg, &o->nbd_fd))
                return usage("--nbd-socket wants a descriptor");
            break;
        case 'a':
            if (!parse_fd(optarg, &o->lease_fd))
                return usage("--lease wants a descriptor");
            break;
        case 'h': o->refuses_after_handover = true; break;
        case 't': o->target = optarg; break;
        case 'e': o->engine = optarg; break;
        case 'u': o->user = optarg; break;
        case 'l': o->local_dir = optarg; break;
        case 'r': o->read_only = true; break;
        case 'b': o->buffered = true; break;
        case 'f': o->fail_stopped = true; break;
        case 'C': o->cgroup = optarg; break;
        case 'd': o->disk = optarg; break;
        case 'R':
            if (!parse_u64(optarg, &o->flush_retry_us))
                return usage("--flush-retry wants microseconds");
            break;
        case 'B':
            if (!parse_u64(optarg, &o->budget_bytes))
                return usage("--byte-budget wants bytes");
            break;
        case 'L':
            if (log_level_parse(optarg, &level) < 0)
                return usage("--log-level wants error, warning, info or debug");
            break;
        default:
            return usage("unknown option");
        }
    }
    log_init("vbdd-disk", level);
    if (o->disk)
        log_add_field("VBDD_DISK", o->disk);
    if (o->target)
        log_add_field("VBDD_TARGET", o->target);
    if (optind != argc || o->socket_fd < 0)
        return usage("it wants --socket FD and no further arguments");
    return 0;
}

/* Before anything is opened, so that all of it is accounted there. */
static void join_cgroup(const char *dir)
{
    int error = dir ? cgroup_join(dir) : 0;

    if (error)
        log_warning("%s: %s; the disk has no control group of its own", dir,
                    strerror(-error));
}

/* The check program vbdd-disk-bugs has a bug, for tests that must find it. */
#ifdef COHERENCY_BUGS
static int take_bug(void)
{
    const char *name = getenv("VBDD_COHERENCY_BUG");
    enum coherency_bug bug = coherency_find_bug(name ? name : "none");

    if (bug < COHERENCY_BUG_COUNT) {
        log_warning("bug: %s", coherency_bug_sentence(bug));
        coherency_set_bug(bug);
        return 0;
    }
    for (bug = COHERENCY_BUG_NONE; bug < COHERENCY_BUG_COUNT; bug++)
        printf("%s: %s\n", coherency_bug_name(bug),
               coherency_bug_sentence(bug));
    return 2;
}
#else
static int take_bug(void)
{
    return 0;
}
#endif

int main(int argc, char **argv)
{
    struct worker_options options = {
        .socket_fd = -1, .nbd_fd = -1, .lease_fd = -1, .engine = "aio",
        .flush_retry_us = 30 * 1000000, .budget_bytes = 32 << 20,
    };
    static struct worker worker;
    char reason[MESSAGE_TEXT_BYTES] = "";
    int error = parse_options(argc, argv, &options);

    error = error ? error : take_bug();
    if (error)
        return error;
    signal(SIGPIPE, SIG_IGN); /* of a log that nobody reads any more */
    join_cgroup(options.cgroup);
    worker.options = &options;
    error = worker_open(&worker, reason, sizeof reason);
    if (error) {
        report_failure(&worker, error, reason[0] ? reason : strerror(-error));
        return 1;
    }
    worker_control_open(&worker);
    worker_run(&worker);
    worker_control_close(&worker);
    worker_close(&worker);
    return 0;
}
