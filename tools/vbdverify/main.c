/* SPDX-License-Identifier: MIT
 * vbdverify: stamped blocks over any mix of paths to a disk, judged. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/host/log.h"
#include "tools/options/options.h"
#include "tools/vbdverify/vbdverify.h"

enum { MAX_DEPTH = 512, MAX_SECTORS = 2048, SLOW_OPS = 1000 };

/* One option of paths, and their part of the operations. */
struct family {
    const struct path_kind *kind;
    struct option_list list;
    uint64_t ops; /* of all of its paths; UINT64_MAX: as many as the others */
};
enum { RING, NBD, RAW, BUFFERED, LOOK, INT13, FAMILIES };
static struct family families[FAMILIES] = {
    [RING] = { .kind = &path_ring, .ops = UINT64_MAX },
    [NBD] = { .kind = &path_nbd, .ops = UINT64_MAX },
    [RAW] = { .kind = &path_raw, .ops = UINT64_MAX },
    [BUFFERED] = { .kind = &path_raw_buffered, .ops = UINT64_MAX },
    [LOOK] = { .kind = &path_look, .ops = UINT64_MAX },
    [INT13] = { .kind = &path_int13, .ops = SLOW_OPS },
};

static struct run run = {
    .load = { .nr_sectors = 4096, .most_sectors = 8 },
    .depth = 32, .timeout_s = 30 };
static bool wants_help, wants_version;
static uint64_t ops = 100000, seed;
static const char *range, *history, *image, *cut;
static const char *mix = "read=50,write=43,fua=2,zero=2,flush=2,barrier=1";

static const struct option options[] = {
    { "--ring", OPTION_LIST, &families[RING].list, "DIR:DOMID:VDEV[:queues=N]",
      "a domain's PV disk on the local stand-in in DIR", 0, 0 },
    { "--nbd", OPTION_LIST, &families[NBD].list, "URI",
      "an NBD export, one connection", 0, 0 },
    { "--raw", OPTION_LIST, &families[RAW].list, "PATH",
      "a device or file, O_DIRECT", 0, 0 },
    { "--raw-buffered", OPTION_LIST, &families[BUFFERED].list, "PATH",
      "the same through the page cache", 0, 0 },
    { "--look", OPTION_LIST, &families[LOOK].list, "PATH",
      "the same, O_DIRECT, but only read", 0, 0 },
    { "--int13", OPTION_LIST, &families[INT13].list, "SOCKET",
      "the int13 agent of an emulated machine", 0, 0 },
    { "--ops", OPTION_NUMBER, &ops, "N",
      "operations in all (100000)", 1, UINT64_MAX / 2 },
    { "--nbd-ops", OPTION_NUMBER, &families[NBD].ops, "N",
      "of them, by all --nbd together", 1, UINT64_MAX / 2 },
    { "--raw-ops", OPTION_NUMBER, &families[RAW].ops, "N",
      "by all --raw", 1, UINT64_MAX / 2 },
    { "--look-ops", OPTION_NUMBER, &families[LOOK].ops, "N",
      "by all --look", 1, UINT64_MAX / 2 },
    { "--int13-ops", OPTION_NUMBER, &families[INT13].ops, "N",
      "by all --int13 (1000)", 1, UINT64_MAX / 2 },
    { "--time", OPTION_NUMBER, &run.time_s, "SECONDS",
      "how long, instead of how many", 1, 86400 },
    { "--depth", OPTION_NUMBER, &run.depth, "N",
      "operations in flight on each path (32; int13: 1)", 1, MAX_DEPTH },
    { "--range", OPTION_TEXT, &range, "SECTOR+COUNT",
      "where, all of it is overwritten (0+4096)", 0, 0 },
    { "--sectors", OPTION_NUMBER, &run.load.most_sectors, "N",
      "the most of one operation (8)", 1, MAX_SECTORS },
    { "--mix", OPTION_TEXT, &mix, "KIND=WEIGHT,...",
      "read, write, fua, zero, discard, flush, barrier", 0, 0 },
    { "--seed", OPTION_NUMBER, &seed, "N",
      "of what is random (the time)", 1, UINT32_MAX },
    { "--history", OPTION_TEXT, &history, "FILE",
      "keep the history", 0, 0 },
    { "--timeout", OPTION_NUMBER, &run.timeout_s, "SECONDS",
      "to connect, to close, for an answer (30)", 1, 86400 },
    { "--allow-errors", OPTION_FLAG, &run.allows_errors, NULL,
      "operations may fail", 0, 0 },
    { "--help", OPTION_FLAG, &wants_help, NULL, "this text", 0, 0 },
    { "--version", OPTION_FLAG, &wants_version, NULL, "the version", 0, 0 },
    { 0 },
};

static const struct option check_options[] = {
    { "--image", OPTION_TEXT, &image, "FILE",
      "what a crash has left of the disk", 0, 0 },
    { "--cut", OPTION_TEXT, &cut, "FILE",
      "what one in the midst of the history has left", 0, 0 },
    { 0 },
};

static void print_help(void)
{
    puts("Usage: vbdverify PATH... [OPTION...]\n"
         "       vbdverify check HISTORY [OPTION...]\n"
         "Write stamped sectors over several paths to one disk, read them "
         "back over all\nof them, and say what cannot be.\n");
    options_print(options, stdout);
    puts("\n  check HISTORY\n      judge a history once more, and a crash "
         "image with it");
    options_print(check_options, stdout);
    puts("\nExit status: 0 nothing found, 1 violations, 2 not understood, "
         "3 the disk\nor a path failed.");
}

/* --- paths ---------------------------------------------------------------- */

static unsigned count_paths(void)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < FAMILIES; i++)
        nr += families[i].list.nr;
    return nr;
}

static bool open_path(const struct family *family, unsigned number)
{
    struct path *path = &run.paths[run.nr_paths];

    *path = (struct path){ .kind = family->kind, .index = run.nr_paths,
                           .timeout_s = run.timeout_s,
                           .depth = (uint32_t)run.depth };
    snprintf(path->name, sizeof path->name, "%s %u", family->kind->name,
             number + 1);
    run.names[run.nr_paths++] = path->name;
    return path->kind->open(path, family->list.texts[number]);
}

static bool open_paths(void)
{
    for (unsigned i = 0; i < FAMILIES; i++) {
        for (unsigned k = 0; k < families[i].list.nr; k++) {
            if (!open_path(&families[i], k))
                return false;
        }
    }
    return true;
}

static void close_paths(void)
{
    for (unsigned i = 0; i < run.nr_paths; i++)
        run_close_path(&run.paths[i]);
}

/* The range, as this path sees it. */
static bool fits(const struct path *path)
{
    const struct load *load = &run.load;
    unsigned long long unit = path->unit_sectors;

    if (load->nr_sectors > path->nr_sectors ||
        load->sector > path->nr_sectors - load->nr_sectors) {
        log_error("%s has %llu sectors, the range ends at %llu", path->name,
                  (unsigned long long)path->nr_sectors,
                  (unsigned long long)(load->sector + load->nr_sectors));
        return false;
    }
    if (load->sector % unit || load->nr_sectors % unit ||
        load->most_sectors < unit) {
        log_error("%s has sectors of %llu bytes: --range and --sectors do "
                  "not fit", path->name, unit * SECTOR_BYTES);
        return false;
    }
    return true;
}

/* What the families without a part of their own share, and how many paths do
 * so. */
static uint64_t find_rest(unsigned *nr_sharers)
{
    uint64_t rest = ops;

    *nr_sharers = 0;
    for (unsigned i = 0; i < FAMILIES; i++) {
        const struct family *family = &families[i];

        if (family->ops == UINT64_MAX)
            *nr_sharers += family->list.nr;
        else if (family->list.nr)
            rest -= family->ops < rest ? family->ops : rest;
    }
    return rest;
}

/* The at-th part of nr: none is more than one larger than another. */
static uint64_t part(uint64_t whole, unsigned at, unsigned nr)
{
    return whole / nr + (at < whole % nr);
}

static void share_operations(void)
{
    unsigned nr_sharers, sharer = 0, at = 0;
    uint64_t rest = find_rest(&nr_sharers);

    for (unsigned i = 0; i < FAMILIES; i++) {
        const struct family *family = &families[i];

        for (unsigned k = 0; k < family->list.nr; k++)
            run.paths[at++].quota = run.time_s ? UINT64_MAX
                : family->ops != UINT64_MAX
                ? part(family->ops, k, family->list.nr)
                : part(rest, sharer++, nr_sharers);
    }
}

/* -------------------------------------------------------------------------- */

static bool parse_range(void)
{
    char start[32], *count;

    if (!range)
        return true;
    snprintf(start, sizeof start, "%s", range);
    count = strchr(start, '+');
    if (!count) {
        log_error("--range is \"%s\", expected SECTOR+COUNT", range);
        return false;
    }
    *count++ = '\0';
    return options_parse_number("--range's SECTOR", start, OPTION_NUMBER, 0,
                                UINT64_MAX / 1024, &run.load.sector) &&
           options_parse_number("--range's COUNT", count, OPTION_NUMBER, 1,
                                UINT32_MAX, &run.load.nr_sectors);
}

static bool open_check(void)
{
    struct check_config config = {
        .nr_paths = run.nr_paths, .names = run.names,
        .sector = run.load.sector, .nr_sectors = run.load.nr_sectors,
        .report = report_violation };

    for (unsigned i = 0; i < run.nr_paths; i++) {
        if (!fits(&run.paths[i]))
            return false;
    }
    if (check_open(&config, &run.check) != 0) {
        log_error("there is no memory for %llu sectors",
                  (unsigned long long)run.load.nr_sectors);
        return false;
    }
    if (history)
        run.history = history_create(history, run.run, run.load.sector,
                                     run.load.nr_sectors, run.names,
                                     run.nr_paths);
    return !history || run.history;
}

static int verify(void)
{
    const struct check_stats *stats;
    int status;

    share_operations();
    status = run_verify(&run);
    stats = check_get_stats(run.check);
    if (stats->events > 0)
        report_summary(stats, run.names, run.nr_paths,
                       run.end_us - run.start_us);
    if (!history_close(run.history))
        status = EXIT_DISK;
    return stats->nr_violations ? EXIT_VIOLATIONS : status;
}

static int run_all(void)
{
    int status = EXIT_DISK;

    if (!seed)
        seed = (uint32_t)time(NULL);
    run.load.random = seed;
    run.run = (uint32_t)seed;
    printf("seed %llu, sectors %llu to %llu\n", (unsigned long long)seed,
           (unsigned long long)run.load.sector,
           (unsigned long long)(run.load.sector + run.load.nr_sectors - 1));
    fflush(stdout);
    if (open_paths() && open_check())
        status = verify();
    close_paths();
    check_close(run.check);
    return status;
}

static int run_check(int argc, char **argv)
{
    if (!options_take(check_options, &argc, argv, false) ||
        !options_check_words("check", "HISTORY", argc, 1, 1))
        return EXIT_USAGE;
    if (image && cut) {
        log_error("--image and --cut: expected one of them");
        return EXIT_USAGE;
    }
    return judge_history(argv[0], image ? image : cut,
                         image ? IMAGE_END : cut ? IMAGE_CUT : IMAGE_NONE);
}

int main(int argc, char **argv)
{
    log_init("vbdverify", LOG_LEVEL_WARNING);
    argc--;
    argv++;
    if (argc > 0 && strcmp(argv[0], "check") == 0)
        return run_check(argc - 1, argv + 1);
    if (!options_take(options, &argc, argv, false))
        return EXIT_USAGE;
    if (wants_help || wants_version) {
        if (wants_help)
            print_help();
        else
            puts(PACKAGE_STRING);
        return EXIT_OK;
    }
    if (!options_check_words("vbdverify", "", argc, 0, 0) ||
        !parse_range() || !load_parse_mix(&run.load, mix))
        return EXIT_USAGE;
    if (count_paths() > 0)
        return run_all();
    log_error("there is no path: see vbdverify --help");
    return EXIT_USAGE;
}
