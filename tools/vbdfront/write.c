/* SPDX-License-Identifier: MIT
 * vbdfront write: standard input to sectors. */
#include "tools/vbdfront/cli.h"

#include <unistd.h>

static uint64_t sector;
static bool has_fua;

static const struct option options[] = {
    { "--fua", OPTION_FLAG, &has_fua, NULL,
      "each write is durable before it is done", 0, 0 },
    { 0 },
};

static bool check(int argc, char **argv)
{
    return options_check_words("write", "SECTOR", argc, 1, 1) &&
           options_parse_number("SECTOR", argv[0], OPTION_NUMBER, 0,
                                UINT64_MAX, &sector);
}

static int run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return file_to_disk(cli, STDIN_FILENO, "standard input", sector,
                        has_fua ? VBDFRONT_FUA : 0, NULL);
}

const struct command command_write = {
    .name = "write", .words = "SECTOR",
    .summary = "standard input to the disk, from SECTOR on",
    .options = options, .check = check, .run = run,
};
