/* SPDX-License-Identifier: MIT
 * One question to vbdd and its answer: a line each (docs/CONTROL.md). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/host/log.h"
#include "common/host/socket.h"
#include "tools/vbdctl/vbdctl.h"

/* Sends the request and reads the one line of the reply (to be freed), or
 * NULL. */
static char *exchange(int fd, const json_t *request)
{
    char *line = json_dumps(request, JSON_COMPACT);
    FILE *stream = fdopen(fd, "r+");
    size_t size = 0;

    if (!line || !stream || fprintf(stream, "%s\n", line) < 0 ||
        fflush(stream) < 0) {
        free(line);
        line = NULL;
    } else {
        free(line);
        line = NULL;
        if (getline(&line, &size, stream) < 0) {
            free(line);
            line = NULL;
        }
    }
    if (stream)
        fclose(stream);
    else
        close(fd);
    return line;
}

/* True when the answer is what was asked for. */
static bool judge(const struct arguments *arguments,
                  const struct answer *answer)
{
    const char *sentence = json_string_value(json_object_get(answer->reply,
                                                             "error"));

    if (json_is_true(json_object_get(answer->reply, "ok")))
        return true;
    if (arguments->is_json)
        fputs(answer->line, stdout);
    else
        fprintf(stderr, "vbdctl: %s\n",
                sentence ? sentence : "an answer that makes no sense");
    return false;
}

int ask(const struct arguments *arguments, struct answer *answer)
{
    int fd = socket_connect(arguments->socket, SOCK_STREAM);
    json_error_t error;

    if (fd < 0) {
        fprintf(stderr, "vbdctl: %s: %s (is vbdd running?)\n",
                arguments->socket, strerror(-fd));
        return EXIT_REFUSED;
    }
    answer->line = exchange(fd, arguments->request);
    if (!answer->line) {
        fputs("vbdctl: vbdd has gone before it answered\n", stderr);
        return EXIT_REFUSED;
    }
    answer->at_seconds = (double)host_now_us() / 1e6;
    answer->reply = json_loads(answer->line, 0, &error);
    if (judge(arguments, answer))
        return 0;
    answer_free(answer);
    return EXIT_REFUSED;
}

enum { QUIET_SECONDS = 5 };

json_t *ask_quietly(const char *socket, const json_t *request, pid_t *vbdd)
{
    const struct timeval limit = { .tv_sec = QUIET_SECONDS };
    int fd = socket_connect(socket, SOCK_STREAM);
    struct ucred peer = { .pid = 0 };
    socklen_t size = sizeof peer;
    json_t *reply;
    char *line;

    if (fd < 0)
        return NULL;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    *vbdd = peer.pid;
    line = exchange(fd, request);
    reply = line ? json_loads(line, 0, NULL) : NULL;
    free(line);
    if (json_is_true(json_object_get(reply, "ok")))
        return reply;
    json_decref(reply);
    return NULL;
}

void answer_free(struct answer *answer)
{
    free(answer->line);
    json_decref(answer->reply);
    *answer = (struct answer){ .line = NULL };
}

void show(const struct arguments *arguments, const struct answer *answer,
          const struct earlier *earlier)
{
    if (arguments->is_json)
        fputs(answer->line, stdout);
    else
        print_reply(arguments->request, answer->reply, earlier);
}
