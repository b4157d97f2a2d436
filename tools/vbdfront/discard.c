/* SPDX-License-Identifier: MIT
 * vbdfront discard: sectors that are of no use any more. */
#include "tools/vbdfront/cli.h"

/* In one operation; a whole number of any sectors. */
enum { MAX_SECTORS = 1 << 30 };

static uint64_t sector, nr_sectors;
static bool is_secure;

static const struct option options[] = {
    { "--secure", OPTION_FLAG, &is_secure, NULL,
      "so that nobody can read them back", 0, 0 },
    { 0 },
};

static bool check(int argc, char **argv)
{
    return options_check_words("discard", "SECTOR COUNT", argc, 2, 2) &&
           options_parse_number("SECTOR", argv[0], OPTION_NUMBER, 0,
                                UINT64_MAX, &sector) &&
           options_parse_number("COUNT", argv[1], OPTION_NUMBER, 1,
                                UINT64_MAX, &nr_sectors);
}

static int run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (!disk_check_range(cli, sector, nr_sectors))
        return EXIT_FAILED;
    while (nr_sectors > 0) {
        uint32_t now = nr_sectors < MAX_SECTORS ? (uint32_t)nr_sectors
                                                : (uint32_t)MAX_SECTORS;
        int error = vbdfront_do(cli->front, VBDFRONT_DISCARD,
                                is_secure ? VBDFRONT_SECURE : 0, sector, now,
                                NULL);

        if (error)
            return disk_say_failed(cli, "a discard", sector, error);
        sector += now;
        nr_sectors -= now;
    }
    return EXIT_OK;
}

const struct command command_discard = {
    .name = "discard", .words = "SECTOR COUNT",
    .summary = "COUNT sectors are of no use any more",
    .options = options, .check = check, .run = run,
};
