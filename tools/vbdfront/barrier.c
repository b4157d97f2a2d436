/* SPDX-License-Identifier: MIT
 * vbdfront barrier: one barrier, empty or with all of standard input. */
#include "tools/vbdfront/cli.h"

#include <unistd.h>

enum { MAX_BYTES = 64 * 1024 * 1024 };

static uint64_t sector;
static bool has_data;

static bool check(int argc, char **argv)
{
    has_data = argc == 1;
    return options_check_words("barrier", "[SECTOR]", argc, 0, 1) &&
           (!has_data ||
            options_parse_number("SECTOR", argv[0], OPTION_NUMBER, 0,
                                 UINT64_MAX, &sector));
}

static int send_barrier(struct cli *cli, uint32_t nr_sectors, void *data)
{
    int error = vbdfront_do(cli->front, VBDFRONT_BARRIER, 0, sector,
                            nr_sectors, data);

    return error ? disk_say_failed(cli, "a barrier", sector, error) : EXIT_OK;
}

/* A barrier is one operation, so all of its data must be here first. */
static int run_with_data(struct cli *cli)
{
    uint8_t *data = disk_alloc(cli, MAX_BYTES);
    int64_t bytes;
    char more;

    if (!data)
        return EXIT_FAILED;
    bytes = file_read(STDIN_FILENO, "standard input", data, MAX_BYTES);
    if (bytes < 0)
        return EXIT_FAILED;
    if (bytes == 0 || bytes % cli->info->sector_bytes != 0 ||
        file_read(STDIN_FILENO, "standard input", &more, 1) != 0) {
        log_error("standard input has %lld bytes or more, expected a "
                  "multiple of %u up to 64 MiB", (long long)bytes,
                  cli->info->sector_bytes);
        return EXIT_FAILED;
    }
    if (!disk_check_range(cli, sector, (uint64_t)bytes / SECTOR_BYTES))
        return EXIT_FAILED;
    return send_barrier(cli, (uint32_t)(bytes / SECTOR_BYTES), data);
}

static int run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return has_data ? run_with_data(cli) : send_barrier(cli, 0, NULL);
}

const struct command command_barrier = {
    .name = "barrier", .words = "[SECTOR]",
    .summary = "a barrier; with SECTOR, standard input is its data",
    .check = check, .run = run,
};
