/* SPDX-License-Identifier: MIT
 * vbdfront info: what the back end says of the disk, and what both ends have
 * agreed on. */
#include "tools/vbdfront/cli.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include <jansson.h>

enum { LOOK_US = 100000 };

static bool is_followed;

static const struct option options[] = {
    { "--follow", OPTION_FLAG, &is_followed, NULL,
      "says each new size until standard input ends", 0, 0 },
    { 0 },
};

static bool check(int argc, char **argv)
{
    (void)argv;
    return options_check_words("info", "", argc, 0, 0);
}

static void print_json(const struct cli *cli)
{
    const struct vbdfront_info *info = cli->info;
    json_t *json = json_pack(
        "{s:s, s:i, s:I, s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:b, s:b, "
        "s:b, s:b, s:b, s:b, s:b, s:b, s:I, s:I}",
        "name", cli->vdev_name, "vdev", (int)cli->vdev,
        "sectors", (json_int_t)info->nr_sectors,
        "bytes", (json_int_t)(info->nr_sectors * SECTOR_BYTES),
        "sector_size", (int)info->sector_bytes,
        "physical_sector_size", (int)info->physical_sector_bytes,
        "max_segments", (int)info->max_segments,
        "queues", (int)info->nr_queues,
        "ring_pages", (int)info->ring_pages,
        "ring_slots", (int)info->ring_slots,
        "persistent", info->is_persistent, "untrusted", info->is_untrusted,
        "read_only", info->read_only, "cdrom", info->is_cdrom,
        "removable", info->is_removable, "flush", info->has_flush,
        "barrier", info->has_barrier, "discard", info->has_discard,
        "discard_secure", info->has_secure,
        "discard_granularity", (json_int_t)info->discard_granularity,
        "discard_alignment", (json_int_t)info->discard_alignment);

    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

static const char *yes_or_no(bool is)
{
    return is ? "yes" : "no";
}

static const char *data_text(const struct vbdfront_info *info)
{
    if (info->is_untrusted)
        return "copied, the back end is not trusted";
    return info->is_persistent ? "copied, grants stay"
                               : "granted for each request";
}

static void print_discard(const struct vbdfront_info *info)
{
    if (!info->has_discard)
        puts("discard          no");
    else
        printf("discard          pieces of %u bytes from byte %u on, "
               "secure %s\n", info->discard_granularity,
               info->discard_alignment, yes_or_no(info->has_secure));
}

static void print_text(const struct cli *cli)
{
    const struct vbdfront_info *info = cli->info;

    printf("disk             %s (%u)\n", cli->vdev_name, cli->vdev);
    printf("size             %llu sectors, %.1f MiB\n",
           (unsigned long long)info->nr_sectors,
           (double)info->nr_sectors / (1024 * 1024 / SECTOR_BYTES));
    printf("sector           %u bytes, physical %u\n", info->sector_bytes,
           info->physical_sector_bytes);
    printf("queues           %u\n", info->nr_queues);
    printf("ring             %u requests, %u KiB\n", info->ring_slots,
           info->ring_pages * PAGE_BYTES / 1024);
    printf("request          up to %u pages\n", info->max_segments);
    printf("data             %s\n", data_text(info));
    printf("read-only        %s\n", yes_or_no(info->read_only));
    printf("cdrom, removable %s, %s\n", yes_or_no(info->is_cdrom),
           yes_or_no(info->is_removable));
    printf("flush, barrier   %s, %s\n", yes_or_no(info->has_flush),
           yes_or_no(info->has_barrier));
    print_discard(info);
}

static bool has_input_ended(void)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    char ignored[64];

    return poll(&input, 1, 0) > 0 &&
           read(STDIN_FILENO, ignored, sizeof ignored) <= 0;
}

static int follow(struct cli *cli)
{
    uint64_t nr_sectors = cli->info->nr_sectors;

    do {
        fflush(stdout);
        cli->port->wait(cli->port->context, LOOK_US);
        vbdfront_poll(cli->front);
        if (cli->info->nr_sectors != nr_sectors) {
            nr_sectors = cli->info->nr_sectors;
            printf("new size         %llu sectors\n",
                   (unsigned long long)nr_sectors);
        }
        if (vbdfront_state(cli->front) == VBDFRONT_BROKEN) {
            log_error("%s", vbdfront_reason(cli->front));
            return EXIT_FAILED;
        }
    } while (!has_input_ended());
    return EXIT_OK;
}

static int run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (cli->has_json)
        print_json(cli);
    else
        print_text(cli);
    return is_followed ? follow(cli) : EXIT_OK;
}

const struct command command_info = {
    .name = "info", .words = "", .summary = "say what the disk is",
    .options = options, .check = check, .run = run,
};
