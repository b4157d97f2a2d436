/* SPDX-License-Identifier: MIT
 * vbdctl: the command line (main.c), the question (ask.c), its repetition
 * (watch.c), the answer for people (print.c and the files behind it) and for
 * Prometheus (metrics.c). */
#ifndef VBDD_VBDCTL_H
#define VBDD_VBDCTL_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2 };

struct arguments {
    const char *socket;
    bool is_json;
    double watch_seconds; /* 0: once */
    json_t *request;      /* options go into it as they are */
    json_t *options;      /* of the disk */
    int (*run)(const struct arguments *arguments); /* the exit status */
};

struct answer {
    char *line;    /* as it came */
    json_t *reply; /* what it says; "ok" is true */
    double at_seconds;
};

/* Asks vbdd. 0 and an answer; or an exit status, and why was said (with
 * --json what has refused is shown as it came). */
int ask(const struct arguments *arguments, struct answer *answer);
void answer_free(struct answer *answer);
/* Asks vbdd if it is there: its reply, if it did what it was asked, and its
 * process; or NULL, and nothing is said. */
json_t *ask_quietly(const char *socket, const json_t *request, pid_t *vbdd);

/* What was answered before, and how long before; reply NULL: nothing was. */
struct earlier {
    const json_t *reply;
    double seconds;
};

/* Shows an answer on standard output, as it came or for people. */
void show(const struct arguments *arguments, const struct answer *answer,
          const struct earlier *earlier);

/* Asks and shows until it is interrupted (SIGINT, SIGTERM) or nobody reads
 * any more: 0; or vbdd refuses or has gone: an exit status. */
int watch(const struct arguments *arguments);

/* Looks at a target: 0 when it can be attached, EXIT_REFUSED when not. */
int doctor(const struct arguments *arguments);

/* Shows what stats says in Prometheus's text format: an exit status. */
int metrics(const struct arguments *arguments);

/* For people. Commands that have nothing to show show nothing. */
void print_reply(const json_t *request, const json_t *reply,
                 const struct earlier *earlier);
void print_stats(const json_t *reply, const struct earlier *earlier);
void print_histograms(const json_t *reply);
void print_features(const json_t *reply);
/* Of a disk: the clients at its door; what they have asked for. */
void print_emulated(const json_t *nbd);
void print_emulated_counts(const json_t *nbd);

#endif
