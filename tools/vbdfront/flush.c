/* SPDX-License-Identifier: MIT
 * vbdfront flush: all that has been written is durable when it ends. */
#include "tools/vbdfront/cli.h"

static bool check(int argc, char **argv)
{
    (void)argv;
    return options_check_words("flush", "", argc, 0, 0);
}

static int run(struct cli *cli, int argc, char **argv)
{
    int error = vbdfront_do(cli->front, VBDFRONT_FLUSH, 0, 0, 0, NULL);

    (void)argc;
    (void)argv;
    return error ? disk_say_failed(cli, "a flush", 0, error) : EXIT_OK;
}

const struct command command_flush = {
    .name = "flush", .words = "",
    .summary = "make durable what has been written",
    .check = check, .run = run,
};
