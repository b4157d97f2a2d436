/* SPDX-License-Identifier: MIT
 * Worker processes. Two things tell of a worker's end, its socket's and its
 * own; the process's is the one that counts, and what the socket still holds
 * is read before that is passed on. */
#include "backend/supervisor/worker.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/supervisor/text.h"
#include "common/host/log.h"
#include "common/host/packet.h"
#include "common/host/socket.h"

enum { MAX_MESSAGES = 32 /* taken in one pass */,
       LAST_MESSAGES = 4096 /* more than a socket holds */, MANY_CALLS = 1024,
       NAME_BYTES = 24, DIR_BYTES = 108 };
static const double SLOW_SECONDS = 5.0;

extern char **environ;

struct call {
    TAILQ_ENTRY(call) link;
    struct message request;
    int fd; /* goes with it, or -1 */
    bool is_sent;
    void (*done)(void *context, const struct message *reply);
    void *context;
};

struct worker {
    struct ev_loop *loop;
    const struct worker_events *events;
    void *owner;
    char name[NAME_BYTES], dir[DIR_BYTES];
    pid_t pid;
    int socket;         /* -1 once it has closed */
    int kept_fds[PACKET_MAX_FDS]; /* claims, so that they outlive the
                                     worker's last I/O */
    unsigned nr_kept;
    uint32_t last_tag;
    bool has_started;   /* READY or FAILED was said */
    bool is_refused;    /* broke the rules: what else it says is not heard */
    bool has_ended;
    TAILQ_HEAD(, call) calls;
    unsigned nr_calls;
    ev_io readable, writable;
    ev_child child;
    ev_timer slow;
};

static const char *type_text(uint32_t type)
{
    switch ((enum message_type)type) {
    case MESSAGE_CONNECT: return "CONNECT";
    case MESSAGE_EVENTS: return "EVENTS";
    case MESSAGE_DISCONNECT: return "DISCONNECT";
    case MESSAGE_STATS: return "STATS";
    case MESSAGE_DETACH: return "DETACH";
    case MESSAGE_RESIZE: return "RESIZE";
    case MESSAGE_PAUSE: return "PAUSE";
    case MESSAGE_RESUME: return "RESUME";
    case MESSAGE_VBD_STATS: return "VBD_STATS";
    case MESSAGE_LOG_LEVEL: return "LOG_LEVEL";
    case MESSAGE_NBD_STATS: return "NBD_STATS";
    case MESSAGE_XENTOP: return "XENTOP";
    case MESSAGE_HOLD: return "HOLD";
    case MESSAGE_READY: return "READY";
    case MESSAGE_FAILED: return "FAILED";
    case MESSAGE_REPLY: return "REPLY";
    case MESSAGE_BROKEN: return "BROKEN";
    case MESSAGE_FAIL_STOP: return "FAIL_STOP";
    case MESSAGE_NBD_EVENT: return "NBD_EVENT";
    }
    return "an unknown message";
}

pid_t worker_pid(const struct worker *worker)
{
    return worker->pid;
}

void worker_kill(struct worker *worker)
{
    if (!worker->has_ended)
        kill(worker->pid, SIGKILL);
}

/* --- calls ---------------------------------------------------------------- */

static void close_fd(struct call *call)
{
    if (call->fd >= 0)
        close(call->fd);
    call->fd = -1;
}

/* Sends what has not been sent, in order, as far as the socket takes it. */
static void send_calls(struct worker *worker)
{
    struct call *call;
    int error = 0;

    TAILQ_FOREACH(call, &worker->calls, link) {
        if (call->is_sent || worker->socket < 0)
            continue;
        error = packet_send(worker->socket, &call->request,
                            sizeof call->request, &call->fd, call->fd >= 0);
        if (error)
            break;
        close_fd(call);
        call->is_sent = true;
    }
    if (error == -EAGAIN)
        ev_io_start(worker->loop, &worker->writable);
    else
        ev_io_stop(worker->loop, &worker->writable);
    /* Any other error is a worker that goes; its end tells the callers. */
}

int worker_call(struct worker *worker, const struct message *request,
                void (*done)(void *context, const struct message *reply),
                void *context)
{
    return worker_call_with(worker, request, -1, done, context);
}

int worker_call_with(struct worker *worker, const struct message *request,
                     int fd,
                     void (*done)(void *context, const struct message *reply),
                     void *context)
{
    struct call *call = calloc(1, sizeof *call);

    if (!call) {
        if (fd >= 0)
            close(fd);
        return -ENOMEM;
    }
    call->fd = fd;
    call->request = *request;
    call->request.tag = ++worker->last_tag;
    call->done = done;
    call->context = context;
    TAILQ_INSERT_TAIL(&worker->calls, call, link);
    worker->nr_calls++;
    send_calls(worker);
    if (worker->socket < 0)
        worker_kill(worker); /* it listens no more: let on_child() end this */
    if (!ev_is_active(&worker->slow)) {
        ev_timer_set(&worker->slow, SLOW_SECONDS, 0.);
        ev_timer_start(worker->loop, &worker->slow);
    }
    return 0;
}

bool worker_is_overrun(const struct worker *worker)
{
    return worker->nr_calls >= MANY_CALLS;
}

static void finish_call(struct worker *worker, struct call *call,
                        const struct message *reply)
{
    TAILQ_REMOVE(&worker->calls, call, link);
    worker->nr_calls--;
    if (TAILQ_EMPTY(&worker->calls))
        ev_timer_stop(worker->loop, &worker->slow);
    call->done(call->context, reply);
    close_fd(call);
    free(call);
}

/* Nothing is given up because it is slow: a guest's data may depend on it. It
 * is only said. */
static void on_slow(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    struct worker *worker = watcher->data;
    const struct call *call = TAILQ_FIRST(&worker->calls);

    (void)loop;
    (void)revents;
    if (call)
        log_warning("%s: worker %d has not answered %s yet", worker->name,
                    (int)worker->pid, type_text(call->request.type));
}

/* --- messages ------------------------------------------------------------- */

static void refuse(struct worker *worker, const char *what, uint32_t type)
{
    log_error("%s: worker %d sent %s (%s) and is killed", worker->name,
              (int)worker->pid, type_text(type), what);
    worker->is_refused = true;
    worker_kill(worker);
}

static void take_reply(struct worker *worker, const struct message *message)
{
    struct call *call;

    TAILQ_FOREACH(call, &worker->calls, link)
        if (call->is_sent && call->request.tag == message->tag)
            break;
    if (call)
        finish_call(worker, call, message);
    else
        refuse(worker, "an answer that nobody waits for", message->type);
}

static bool is_sane_ready(const struct message_ready *ready)
{
    return ready->size_bytes > 0 &&
           ready->size_bytes % BLKIF_SECTOR_BYTES == 0 &&
           (ready->sector_bytes == 512 || ready->sector_bytes == 4096) &&
           ready->physical_bytes >= ready->sector_bytes;
}

static void take_message(struct worker *worker, const struct message *message)
{
    bool is_first = !worker->has_started;

    switch ((enum message_type)message->type) {
    case MESSAGE_READY:
        if (!is_first || !is_sane_ready(&message->ready)) {
            refuse(worker, "out of turn or impossible", message->type);
            return;
        }
        worker->has_started = true;
        worker->events->ready(worker->owner, message);
        return;
    case MESSAGE_FAILED:
        worker->has_started = true;
        if (is_first)
            worker->events->failed(worker->owner, message);
        else
            refuse(worker, "out of turn", message->type);
        return;
    case MESSAGE_REPLY:
        take_reply(worker, message);
        return;
    case MESSAGE_BROKEN:
        if (!worker->events->broken(worker->owner, message))
            refuse(worker, "of a vbd that it does not have", message->type);
        return;
    case MESSAGE_FAIL_STOP:
        worker->events->fail_stop(worker->owner, message);
        return;
    case MESSAGE_NBD_EVENT:
        if (is_first || message->nbd_event.kind > MESSAGE_NBD_REFUSED)
            refuse(worker, "out of turn or impossible", message->type);
        else
            worker->events->nbd_event(worker->owner, message);
        return;
    case MESSAGE_CONNECT:
    case MESSAGE_EVENTS:
    case MESSAGE_DISCONNECT:
    case MESSAGE_STATS:
    case MESSAGE_DETACH:
    case MESSAGE_RESIZE:
    case MESSAGE_PAUSE:
    case MESSAGE_RESUME:
    case MESSAGE_VBD_STATS:
    case MESSAGE_LOG_LEVEL:
    case MESSAGE_NBD_STATS:
    case MESSAGE_XENTOP:
    case MESSAGE_HOLD:
        break;
    }
    refuse(worker, "not a worker's to say", message->type);
}

/* The first READY brings the claims; nothing else brings any. */
static void keep_fds(struct worker *worker, const struct message *message,
                     const int *fds, unsigned nr)
{
    bool is_welcome = message->type == MESSAGE_READY &&
                      !worker->has_started && worker->nr_kept == 0;

    for (unsigned i = 0; i < nr; i++) {
        if (is_welcome)
            worker->kept_fds[worker->nr_kept++] = fds[i];
        else
            close(fds[i]);
    }
}

static void make_printable(struct message *message)
{
    char shown[MESSAGE_TEXT_BYTES];

    text_printable(message->text, (unsigned)strnlen(message->text,
                                                    sizeof message->text),
                   shown, sizeof shown);
    memcpy(message->text, shown, sizeof shown);
    if (message->type != MESSAGE_READY)
        return;
    message->ready.claim[sizeof message->ready.claim - 1] = '\0';
    message->ready.engine[sizeof message->ready.engine - 1] = '\0';
}

static void close_socket(struct worker *worker)
{
    if (worker->socket < 0)
        return;
    ev_io_stop(worker->loop, &worker->readable);
    ev_io_stop(worker->loop, &worker->writable);
    close(worker->socket);
    worker->socket = -1;
}

/* Takes at most max messages; false when the socket has come to its end. */
static bool take_messages(struct worker *worker, unsigned max)
{
    struct message message;
    int fds[PACKET_MAX_FDS], error;
    unsigned nr_fds;

    while (max-- > 0) {
        error = packet_receive(worker->socket, &message, sizeof message, fds,
                               PACKET_MAX_FDS, &nr_fds);
        if (error == -EAGAIN)
            return true;
        if (error == -EPROTO) {
            log_error("%s: worker %d sent a message of the wrong size and is "
                      "killed", worker->name, (int)worker->pid);
            worker_kill(worker);
        }
        if (error)
            return false;
        make_printable(&message);
        keep_fds(worker, &message, fds, nr_fds);
        if (!worker->is_refused)
            take_message(worker, &message);
    }
    return true;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct worker *worker = watcher->data;

    (void)loop;
    (void)revents;
    if (!take_messages(worker, MAX_MESSAGES)) {
        /* A worker that does not listen any more is of no use: it has ended,
         * or is about to, or is made to. Its end is told by on_child(). */
        close_socket(worker);
        if (!TAILQ_EMPTY(&worker->calls) || !worker->has_started)
            worker_kill(worker);
    }
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    (void)loop;
    (void)revents;
    send_calls(watcher->data);
}

static void on_child(struct ev_loop *loop, ev_child *watcher, int revents)
{
    struct worker *worker = watcher->data;
    int status = watcher->rstatus;
    struct call *call;

    (void)revents;
    ev_child_stop(loop, watcher);
    worker->has_ended = true;
    if (worker->socket >= 0) /* its own children may write on */
        take_messages(worker, LAST_MESSAGES);
    close_socket(worker);
    while ((call = TAILQ_FIRST(&worker->calls)))
        finish_call(worker, call, NULL);
    worker->events->ended(worker->owner, status);
}

/* --- starting ------------------------------------------------------------- */

/* Its own process group, so that a terminal's Ctrl-C stops the supervisor
 * only, which then ends the workers in order. */
static int spawn(struct worker *worker, int listener,
                 const struct worker_fds *fds, const char *const *argv)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    int error;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    if (posix_spawn_file_actions_init(&actions))
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    error = posix_spawn_file_actions_adddup2(&actions, listener,
                                             WORKER_SOCKET);
    if (!error && fds->nbd >= 0)
        error = posix_spawn_file_actions_adddup2(&actions, fds->nbd,
                                                 WORKER_NBD_SOCKET);
    if (!error)
        error = posix_spawn_file_actions_adddup2(&actions, fds->lease,
                                                 WORKER_LEASE);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    if (!error)
        error = posix_spawn(&worker->pid, argv[0], &actions, &attributes,
                            (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -error;
}

/* Makes the socket, starts the program on it and connects. */
static int launch(struct worker *worker, const struct worker_fds *fds,
                  const char *const *argv, char *reason, unsigned size)
{
    char path[DIR_BYTES + 8];
    int listener, error;

    snprintf(path, sizeof path, "%s/worker", worker->dir);
    listener = mkdir(worker->dir, 0700) < 0 && errno != EEXIST
                   ? -errno : socket_listen(path, SOCK_SEQPACKET);
    if (listener < 0) {
        snprintf(reason, size, "%s: %s", path, strerror(-listener));
        return listener;
    }
    worker->socket = socket_connect(path, SOCK_SEQPACKET);
    if (worker->socket < 0) {
        error = worker->socket;
        snprintf(reason, size, "%s: %s", path, strerror(-error));
    } else {
        fcntl(worker->socket, F_SETFL, O_NONBLOCK);
        error = spawn(worker, listener, fds, argv);
        if (error)
            snprintf(reason, size, "%s cannot be started: %s", argv[0],
                     strerror(-error));
    }
    close(listener);
    return error;
}

static void remove_dir(struct worker *worker)
{
    char path[DIR_BYTES + 8];

    snprintf(path, sizeof path, "%s/worker", worker->dir);
    unlink(path);
    rmdir(worker->dir);
}

static void init_watchers(struct worker *worker)
{
    ev_io_init(&worker->readable, on_readable, worker->socket, EV_READ);
    ev_io_init(&worker->writable, on_writable, worker->socket, EV_WRITE);
    ev_child_init(&worker->child, on_child, worker->pid, 0);
    ev_timer_init(&worker->slow, on_slow, SLOW_SECONDS, 0.);
    worker->readable.data = worker->writable.data = worker;
    worker->child.data = worker->slow.data = worker;
}

int worker_start(struct worker **worker, struct ev_loop *loop,
                 const char *name, const char *dir,
                 const struct worker_fds *fds, const char *const *argv,
                 const struct worker_events *events, void *owner,
                 char *reason, unsigned reason_size)
{
    struct worker *started = calloc(1, sizeof *started);
    int error;

    assert(fds->nbd < 0 || fds->nbd > WORKER_LEASE);
    assert(fds->lease > WORKER_LEASE);
    if (!started || strlen(dir) >= sizeof started->dir) {
        free(started);
        snprintf(reason, reason_size, "out of memory, or '%s' is too long",
                 dir);
        return -ENOMEM;
    }
    *started = (struct worker){ .loop = loop, .events = events,
                                .owner = owner, .socket = -1 };
    snprintf(started->name, sizeof started->name, "%s", name);
    strcpy(started->dir, dir);
    TAILQ_INIT(&started->calls);
    error = launch(started, fds, argv, reason, reason_size);
    init_watchers(started);
    if (error) {
        started->has_ended = true;
        worker_free(started);
        return error;
    }
    ev_io_start(loop, &started->readable);
    ev_child_start(loop, &started->child);
    *worker = started;
    return 0;
}

void worker_free(struct worker *worker)
{
    if (!worker)
        return;
    assert(worker->has_ended && TAILQ_EMPTY(&worker->calls));
    close_socket(worker);
    ev_timer_stop(worker->loop, &worker->slow);
    while (worker->nr_kept > 0)
        close(worker->kept_fds[--worker->nr_kept]);
    remove_dir(worker);
    free(worker);
}
