/* SPDX-License-Identifier: MIT
 * Runs vbdd-local for a test, in a directory of its own. It ends with the
 * test, however that ends. */
#ifndef VBDD_TESTS_LOCAL_SERVER_H
#define VBDD_TESTS_LOCAL_SERVER_H

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct local_server {
    pid_t pid;
    char dir[64];
};

/* In a directory that exists or can be made; returns when its sockets
 * listen. 0, or -1 when it ended instead. */
static inline int local_server_start_in(struct local_server *server)
{
    const char *top = getenv("top_builddir");
    char program[256], line[8] = "";
    int out[2];
    ssize_t got;

    snprintf(program, sizeof program, "%s/vbdd-local", top ? top : ".");
    if (pipe(out) < 0)
        return -1;
    fflush(stdout);
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        execl(program, program, server->dir, (char *)NULL);
        fprintf(stderr, "cannot run %s: %s\n", program, strerror(errno));
        _exit(127);
    }
    close(out[1]);
    got = read(out[0], line, sizeof line - 1); /* "ready\n", in one piece */
    close(out[0]);
    if (got == 6 && strcmp(line, "ready\n") == 0)
        return 0;
    waitpid(server->pid, NULL, 0);
    server->pid = 0;
    return -1;
}

static inline int local_server_start(struct local_server *server)
{
    strcpy(server->dir, "/tmp/vbdd-local-XXXXXX");
    return mkdtemp(server->dir) ? local_server_start_in(server) : -1;
}

/* Ends it and removes its directory. 0 when it ended as it should and had
 * taken all its sockets away, else -1. */
static inline int local_server_stop(struct local_server *server)
{
    int status = -1;

    kill(server->pid, SIGTERM);
    waitpid(server->pid, &status, 0);
    return status == 0 && rmdir(server->dir) == 0 ? 0 : -1;
}

#endif
