/* SPDX-License-Identifier: MIT
 * vbdfront info: what the back end says of the disk. */
#include "tools/vbdfront/cli.h"

#include <stdlib.h>

#include <jansson.h>

static bool check(int argc, char **argv)
{
    (void)argv;
    return options_check_words("info", "", argc, 0, 0);
}

static void print_json(const struct cli *cli)
{
    const struct vbdfront_info *info = cli->info;
    json_t *json = json_pack(
        "{s:s, s:i, s:I, s:I, s:i, s:i, s:i, s:i, s:b, s:b, s:b, s:b, s:b, "
        "s:b}",
        "name", cli->vdev_name, "vdev", (int)cli->vdev,
        "sectors", (json_int_t)info->nr_sectors,
        "bytes", (json_int_t)(info->nr_sectors * SECTOR_BYTES),
        "sector_size", (int)info->sector_bytes,
        "physical_sector_size", (int)info->physical_sector_bytes,
        "max_segments", (int)info->max_segments,
        "ring_slots", (int)info->ring_slots,
        "read_only", info->read_only, "cdrom", info->is_cdrom,
        "removable", info->is_removable, "flush", info->has_flush,
        "barrier", info->has_barrier, "discard", info->has_discard);

    json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
}

static const char *yes_or_no(bool is)
{
    return is ? "yes" : "no";
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
    printf("ring             %u requests of %u pages\n", info->ring_slots,
           info->max_segments);
    printf("read-only        %s\n", yes_or_no(info->read_only));
    printf("cdrom, removable %s, %s\n", yes_or_no(info->is_cdrom),
           yes_or_no(info->is_removable));
    printf("flush, barrier   %s, %s\n", yes_or_no(info->has_flush),
           yes_or_no(info->has_barrier));
    printf("discard          %s\n", yes_or_no(info->has_discard));
}

static int run(struct cli *cli, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    if (cli->has_json)
        print_json(cli);
    else
        print_text(cli);
    return EXIT_OK;
}

const struct command command_info = {
    .name = "info", .words = "", .summary = "say what the disk is",
    .check = check, .run = run,
};
