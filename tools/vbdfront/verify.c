/* SPDX-License-Identifier: MIT
 * vbdfront verify: the disk against a file, or against stamps of its own. */
#include "tools/vbdfront/cli.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "tools/stamp/stamp.h"

enum { SHOWN = 10 }; /* bad sectors, one line each */

static bool has_stamp;
static uint64_t from, count = UINT64_MAX, seed;

static const struct option options[] = {
    { "--stamp", OPTION_FLAG, &has_stamp, NULL,
      "write stamped sectors, flush, read them back (no FILE)", 0, 0 },
    { "--from", OPTION_NUMBER, &from, "SECTOR",
      "--stamp: the first sector (0)", 0, UINT64_MAX },
    { "--count", OPTION_NUMBER, &count, "SECTORS",
      "--stamp: how many (to the end)", 1, UINT64_MAX },
    { "--seed", OPTION_NUMBER, &seed, "N",
      "--stamp: what makes this run's stamps its own (the time)", 1,
      UINT32_MAX },
    { 0 },
};

struct verification {
    int fd;                     /* of FILE */
    const char *name;
    uint64_t nr_bad;
    uint8_t expected[512 * 1024];
};

static bool check(int argc, char **argv)
{
    (void)argv;
    if (!has_stamp && (from || seed || count != UINT64_MAX)) {
        log_error("--from, --count and --seed are for --stamp");
        return false;
    }
    return has_stamp
        ? options_check_words("verify --stamp", "", argc, 0, 0)
        : options_check_words("verify", "FILE", argc, 1, 1);
}

/* --- against a file ----------------------------------------------------- */

static void compare_sector(struct verification *verification, uint64_t sector,
                           const uint8_t *got, const uint8_t *expected)
{
    unsigned at = 0;

    if (memcmp(got, expected, SECTOR_BYTES) == 0)
        return;
    while (got[at] == expected[at])
        at++;
    if (verification->nr_bad++ < SHOWN)
        log_error("sector %llu differs, first in byte %u: 0x%02x, expected "
                  "0x%02x", (unsigned long long)sector, at, got[at],
                  expected[at]);
}

static int take_file(void *context, uint64_t sector, const uint8_t *data,
                     uint32_t nr_sectors)
{
    struct verification *verification = context;
    int64_t bytes = (int64_t)nr_sectors * SECTOR_BYTES;

    if (file_read(verification->fd, verification->name,
                  verification->expected, (uint64_t)bytes) != bytes) {
        log_error("%s has become shorter", verification->name);
        return EXIT_FAILED;
    }
    for (uint32_t i = 0; i < nr_sectors; i++)
        compare_sector(verification, sector + i, data + i * SECTOR_BYTES,
                       verification->expected + i * SECTOR_BYTES);
    return EXIT_OK;
}

static int verify_file(struct cli *cli, struct verification *verification,
                       struct stream *stream)
{
    uint64_t bytes;
    int status = EXIT_FAILED;

    verification->fd = file_open(verification->name, false);
    if (verification->fd < 0)
        return EXIT_FAILED;
    bytes = file_size(verification->fd);
    stream->take = take_file;
    stream->nr_sectors = bytes / SECTOR_BYTES;
    if (bytes == UINT64_MAX || bytes % cli->info->sector_bytes != 0)
        log_error("%s is not a file of whole sectors of %u bytes",
                  verification->name, cli->info->sector_bytes);
    else if (disk_check_range(cli, 0, stream->nr_sectors))
        status = stream_from_disk(cli, stream);
    file_close(verification->fd, verification->name);
    return status;
}

/* --- against stamps ----------------------------------------------------- */

static int64_t give_stamps(void *context, uint64_t sector, uint8_t *data,
                           uint32_t max_bytes)
{
    (void)context;
    for (uint32_t i = 0; i < max_bytes / SECTOR_BYTES; i++)
        stamp_fill(data + i * SECTOR_BYTES,
                   &(struct stamp){ .sequence = 1, .sector = sector + i,
                                    .run = (uint32_t)seed });
    return max_bytes;
}

static void check_stamp(struct verification *verification, uint64_t sector,
                        const uint8_t *data)
{
    struct stamp stamp;
    bool is_whole = stamp_look(data, &stamp) == STAMP_GOOD;
    unsigned long long number = sector;

    if (is_whole && stamp.sector == sector && stamp.run == seed)
        return;
    if (verification->nr_bad++ >= SHOWN)
        return;
    if (!is_whole)
        log_error("sector %llu has no whole stamp", number);
    else if (stamp.sector != sector)
        log_error("sector %llu has the stamp of sector %llu", number,
                  (unsigned long long)stamp.sector);
    else
        log_error("sector %llu has a stamp of seed %u, expected %llu",
                  number, stamp.run, (unsigned long long)seed);
}

static int take_stamps(void *context, uint64_t sector, const uint8_t *data,
                       uint32_t nr_sectors)
{
    for (uint32_t i = 0; i < nr_sectors; i++)
        check_stamp(context, sector + i, data + i * SECTOR_BYTES);
    return EXIT_OK;
}

static int verify_stamps(struct cli *cli, struct stream *stream)
{
    int status, error;

    if (!seed)
        seed = (uint32_t)time(NULL);
    if (count == UINT64_MAX && from < cli->info->nr_sectors)
        count = cli->info->nr_sectors - from;
    stream->sector = from;
    stream->nr_sectors = count;
    stream->give = give_stamps;
    stream->take = take_stamps;
    stream->title = "stamp";
    if (!disk_check_range(cli, from, count))
        return EXIT_FAILED;
    status = stream_to_disk(cli, stream);
    if (status != EXIT_OK)
        return status;
    error = vbdfront_do(cli->front, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    if (error && error != -EOPNOTSUPP)
        return disk_say_failed(cli, "the flush between", 0, error);
    stream->done_sectors = 0;
    stream->title = "verify";
    return stream_from_disk(cli, stream);
}

/* --- both --------------------------------------------------------------- */

static void print_result(const struct cli *cli, const struct stream *stream,
                         uint64_t nr_bad)
{
    if (cli->has_json) {
        json_t *json = json_pack("{s:I, s:I, s:I}",
                                 "sectors", (json_int_t)stream->done_sectors,
                                 "bad", (json_int_t)nr_bad,
                                 "seed", (json_int_t)seed);

        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        printf("%llu sectors verified, %llu bad\n",
               (unsigned long long)stream->done_sectors,
               (unsigned long long)nr_bad);
    }
}

static int run(struct cli *cli, int argc, char **argv)
{
    static struct verification verification;
    struct stream stream = { .title = "verify", .context = &verification };
    int status;

    if (argc > 0)
        verification.name = argv[0];
    status = has_stamp ? verify_stamps(cli, &stream)
                       : verify_file(cli, &verification, &stream);
    if (status != EXIT_OK)
        return status;
    print_result(cli, &stream, verification.nr_bad);
    return verification.nr_bad ? EXIT_FAILED : EXIT_OK;
}

const struct command command_verify = {
    .name = "verify", .words = "[FILE]",
    .summary = "compare the disk with FILE, or write stamps and read them "
               "back",
    .options = options, .check = check, .run = run,
};
