/* SPDX-License-Identifier: MIT
 * Asks again and again. Each time on a connection of its own: vbdd closes one
 * that is idle for long. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/vbdctl/vbdctl.h"

enum { ROUND_BYTES = 1 << 20 }; /* written at once: no flicker */

/* Nothing is left to be done; of a round all or nothing has been shown. */
static void on_signal(int number)
{
    (void)number;
    _exit(0);
}

/* False when nobody reads any more. */
static bool await_next(double seconds)
{
    struct pollfd output = { .fd = STDOUT_FILENO };

    return poll(&output, 1, (int)(seconds * 1000)) <= 0;
}

static void begin_round(const struct arguments *arguments, bool is_first)
{
    if (arguments->is_json)
        return;
    if (isatty(STDOUT_FILENO))
        fputs("\033[H\033[2J", stdout);
    else if (!is_first)
        putchar('\n');
}

/* 0 to go on, 1 when nobody reads any more, or -errno. */
static int end_round(double seconds)
{
    if (fflush(stdout) == 0)
        return await_next(seconds) ? 0 : 1;
    return errno == EPIPE ? 1 : -errno;
}

int watch(const struct arguments *arguments)
{
    struct answer before = { .line = NULL }, now = { .line = NULL };
    int status = 0, end = 0;

    setvbuf(stdout, NULL, _IOFBF, ROUND_BYTES);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    while (!end && !(status = ask(arguments, &now))) {
        struct earlier earlier = { before.reply,
                                   now.at_seconds - before.at_seconds };

        begin_round(arguments, !before.reply);
        show(arguments, &now, &earlier);
        answer_free(&before);
        before = now;
        now = (struct answer){ .line = NULL };
        end = end_round(arguments->watch_seconds);
    }
    answer_free(&before);
    if (end < 0) {
        fprintf(stderr, "vbdctl: cannot write: %s\n", strerror(-end));
        status = EXIT_REFUSED;
    }
    return status;
}
