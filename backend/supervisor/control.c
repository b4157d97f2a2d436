/* SPDX-License-Identifier: MIT
 * Clients of the control socket. Each is in one of three states: its line is
 * being read, its request is being carried out, its reply is being written;
 * nothing else is read meanwhile, so a client costs one line and one reply. */
#include "backend/supervisor/control.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/supervisor/command.h"
#include "common/host/log.h"
#include "common/host/socket.h"

/* For a client that neither asks nor takes its answer. */
static const double IDLE_SECONDS = 60.0;

struct control {
    struct supervisor *supervisor;
    LIST_HEAD(, client) clients;
    unsigned nr_clients;
    char path[sizeof ((struct sockaddr_un *)0)->sun_path];
    ev_io listener;
};

struct client {
    LIST_ENTRY(client) link;
    struct control *control;
    bool is_busy;    /* its request is being carried out */
    bool is_closing; /* when the reply has been written */
    char *line;      /* CONTROL_LINE_BYTES */
    unsigned line_bytes;
    char *reply;     /* NULL when none is being written */
    size_t reply_bytes, written;
    ev_io readable, writable;
    ev_timer idle;
};

struct supervisor *client_supervisor(const struct client *client)
{
    return client->control->supervisor;
}

static void client_free(struct client *client)
{
    struct ev_loop *loop = client_supervisor(client)->loop;

    assert(!client->is_busy);
    ev_io_stop(loop, &client->readable);
    ev_io_stop(loop, &client->writable);
    ev_timer_stop(loop, &client->idle);
    close(client->readable.fd);
    LIST_REMOVE(client, link);
    client->control->nr_clients--;
    free(client->line);
    free(client->reply);
    free(client);
}

static void touch(struct client *client)
{
    struct ev_loop *loop = client_supervisor(client)->loop;

    ev_timer_stop(loop, &client->idle);
    ev_timer_set(&client->idle, IDLE_SECONDS, 0.);
    ev_timer_start(loop, &client->idle);
}

/* --- replies -------------------------------------------------------------- */

/* The reply is written by on_writable() and nowhere else: it may be given from
 * deep within other work, which is to go on undisturbed. */
static void start_reply(struct client *client, json_t *body)
{
    assert(client->is_busy && !client->reply);
    client->is_busy = false;
    client->reply = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (client->reply) {
        client->reply_bytes = strlen(client->reply);
        client->reply[client->reply_bytes++] = '\n'; /* in place of the 0 */
    } else {
        client->reply_bytes = 0;
        client->is_closing = true; /* no memory even for that */
    }
    client->written = 0;
    touch(client);
    ev_io_start(client_supervisor(client)->loop, &client->writable);
}

/* Writes what the client takes; false when it takes no more, ever. */
static bool write_reply(struct client *client)
{
    ssize_t sent = send(client->readable.fd, client->reply + client->written,
                        client->reply_bytes - client->written, MSG_NOSIGNAL);

    if (sent < 0)
        return errno == EAGAIN || errno == EINTR;
    touch(client);
    client->written += (size_t)sent;
    if (client->written == client->reply_bytes) {
        free(client->reply);
        client->reply = NULL;
    }
    return true;
}

void client_reply(struct client *client, json_t *body)
{
    if (body && json_object_set_new(body, "ok", json_true()) < 0) {
        json_decref(body);
        body = NULL;
    }
    start_reply(client, body);
}

void client_refuse(struct client *client, const char *format, ...)
{
    char sentence[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    start_reply(client, json_pack("{s:b, s:o}", "ok", 0, "error",
                                  command_text(sentence)));
}

void client_finish(struct client *client, int error, const char *sentence)
{
    if (error)
        client_refuse(client, "%s", sentence[0] ? sentence
                                                : strerror(-error));
    else
        client_reply(client, json_object());
}

/* --- requests ------------------------------------------------------------- */

static void take_line(struct client *client, const char *line, size_t length)
{
    json_error_t error;
    json_t *request = json_loadb(line, length, JSON_REJECT_DUPLICATES,
                                 &error);

    client->is_busy = true;
    ev_timer_stop(client_supervisor(client)->loop, &client->idle);
    if (request)
        command_run(client, request);
    else
        client_refuse(client, "not JSON: %s", error.text);
    json_decref(request);
}

/* Takes the next whole line, if there is one, and reads on if there is none
 * and nothing is to be done first. */
static void advance(struct client *client)
{
    struct ev_loop *loop = client_supervisor(client)->loop;
    char *end = memchr(client->line, '\n', client->line_bytes);

    if (end) {
        unsigned used = (unsigned)(end - client->line) + 1;

        take_line(client, client->line, used - 1);
        client->line_bytes -= used;
        memmove(client->line, client->line + used, client->line_bytes);
    } else if (client->line_bytes == CONTROL_LINE_BYTES) {
        client->is_busy = client->is_closing = true;
        client_refuse(client, "the request is longer than %d bytes",
                      CONTROL_LINE_BYTES - 1);
    }
    if (client->is_busy || client->reply || client->is_closing)
        ev_io_stop(loop, &client->readable);
    else
        ev_io_start(loop, &client->readable);
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct client *client = watcher->data;
    ssize_t got = recv(watcher->fd, client->line + client->line_bytes,
                       CONTROL_LINE_BYTES - client->line_bytes, 0);

    (void)loop;
    (void)revents;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        client_free(client);
        return;
    }
    client->line_bytes += (unsigned)got;
    touch(client);
    advance(client);
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int revents)
{
    struct client *client = watcher->data;

    (void)revents;
    if (client->reply && !write_reply(client)) {
        client_free(client);
        return;
    }
    if (client->reply)
        return;
    ev_io_stop(loop, watcher);
    if (client->is_closing)
        client_free(client);
    else
        advance(client);
}

static void on_idle(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    (void)loop;
    (void)revents;
    client_free(watcher->data);
}

/* --- life ----------------------------------------------------------------- */

static struct client *client_new(struct control *control, int fd)
{
    struct client *client = calloc(1, sizeof *client);

    if (!client || !(client->line = malloc(CONTROL_LINE_BYTES))) {
        free(client);
        return NULL;
    }
    client->control = control;
    ev_io_init(&client->readable, on_readable, fd, EV_READ);
    ev_io_init(&client->writable, on_writable, fd, EV_WRITE);
    ev_init(&client->idle, on_idle);
    client->readable.data = client->writable.data = client;
    client->idle.data = client;
    LIST_INSERT_HEAD(&control->clients, client, link);
    control->nr_clients++;
    return client;
}

static void on_connection(struct ev_loop *loop, ev_io *watcher, int revents)
{
    static const char busy[] =
        "{\"ok\":false,\"error\":\"too many clients\"}\n";
    struct control *control = watcher->data;
    struct client *client = NULL;
    int fd = accept4(watcher->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)revents;
    if (fd < 0)
        return;
    if (control->nr_clients < CONTROL_CLIENTS)
        client = client_new(control, fd);
    if (!client) {
        if (send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL) < 0)
            log_debug("a client too many did not wait for its answer");
        close(fd);
        return;
    }
    touch(client);
    ev_io_start(loop, &client->readable);
}

int control_start(struct supervisor *supervisor, struct control **control)
{
    struct control *started = calloc(1, sizeof *started);
    int fd = -ENAMETOOLONG;

    if (!started)
        return -ENOMEM;
    started->supervisor = supervisor;
    LIST_INIT(&started->clients);
    if (snprintf(started->path, sizeof started->path, "%s/control",
                 supervisor->options.state_dir) < (int)sizeof started->path)
        fd = socket_listen(started->path, SOCK_STREAM);
    if (fd < 0) {
        free(started);
        return fd;
    }
    ev_io_init(&started->listener, on_connection, fd, EV_READ);
    started->listener.data = started;
    ev_io_start(supervisor->loop, &started->listener);
    *control = started;
    return 0;
}

void control_stop(struct control *control)
{
    struct client *client;

    if (!control)
        return;
    ev_io_stop(control->supervisor->loop, &control->listener);
    close(control->listener.fd);
    unlink(control->path);
    while ((client = LIST_FIRST(&control->clients))) {
        if (client->reply)
            write_reply(client); /* as much as goes at once */
        client_free(client);
    }
    free(control);
}
