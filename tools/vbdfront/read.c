/* SPDX-License-Identifier: MIT
 * vbdfront read: sectors to standard output. */
#include "tools/vbdfront/cli.h"

#include <unistd.h>

static uint64_t sector, count;

static bool check(int argc, char **argv)
{
    return options_check_words("read", "SECTOR COUNT", argc, 2, 2) &&
           options_parse_number("SECTOR", argv[0], OPTION_NUMBER, 0,
                                UINT64_MAX, &sector) &&
           options_parse_number("COUNT", argv[1], OPTION_NUMBER, 0,
                                UINT64_MAX, &count);
}

static int run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return file_from_disk(cli, sector, count, STDOUT_FILENO,
                          "standard output", NULL);
}

const struct command command_read = {
    .name = "read", .words = "SECTOR COUNT",
    .summary = "sectors of 512 bytes to standard output",
    .check = check, .run = run,
};
