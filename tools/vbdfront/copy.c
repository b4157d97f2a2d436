/* SPDX-License-Identifier: MIT
 * vbdfront copy: the whole disk out to a file, or a file in to the disk. */
#include "tools/vbdfront/cli.h"

#include <string.h>

static bool has_no_flush, is_in;

static const struct option options[] = {
    { "--no-flush", OPTION_FLAG, &has_no_flush, NULL,
      "copy in: do not end with a flush", 0, 0 },
    { 0 },
};

static bool check(int argc, char **argv)
{
    if (!options_check_words("copy", "in|out FILE", argc, 2, 2))
        return false;
    is_in = strcmp(argv[0], "in") == 0;
    if (!is_in && strcmp(argv[0], "out") != 0) {
        log_error("copy got \"%s\", expected in or out", argv[0]);
        return false;
    }
    if (!is_in && has_no_flush) {
        log_error("--no-flush is for copy in");
        return false;
    }
    return true;
}

static int copy_in(struct cli *cli, int fd, const char *name)
{
    int error = 0, status = file_to_disk(cli, fd, name, 0, 0, "copy in");

    if (status == EXIT_OK && !has_no_flush)
        error = vbdfront_do(cli->front, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    return error ? disk_say_failed(cli, "the flush at the end", 0, error)
                 : status;
}

static int run(struct cli *cli, int argc, char **argv)
{
    const char *name = argv[1];
    int status, fd = file_open(name, !is_in);

    (void)argc;
    if (fd < 0)
        return EXIT_FAILED;
    if (is_in)
        status = copy_in(cli, fd, name);
    else
        status = file_from_disk(cli, 0, cli->info->nr_sectors, fd, name,
                                "copy out");
    if (!file_close(fd, name))
        status = EXIT_FAILED;
    return status;
}

const struct command command_copy = {
    .name = "copy", .words = "in|out FILE",
    .summary = "a file (- for standard input) to the disk, flushed; or the "
               "disk to a file",
    .options = options, .check = check, .run = run,
};
