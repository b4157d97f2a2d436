/* SPDX-License-Identifier: MIT
 * vbdfront bench: a load, its rate, its latencies and what it costs. */
#include "tools/vbdfront/cli.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include <jansson.h>

#include "tools/vbdfront/histogram.h"

enum { MAX_DEPTH = 1024, MAX_BLOCK_BYTES = 64 * 1024 * 1024 };

static const char *pattern = "randread";
static uint64_t block_bytes = 4096, depth = 32, time_s = 10, count;
static uint64_t flush_every;
static bool is_random, may_read, may_write;

static const struct option options[] = {
    { "--rw", OPTION_TEXT, &pattern, "PATTERN",
      "read, write, randread, randwrite or mixed: half reads, half writes, "
      "random (randread); writes destroy what is on the disk", 0, 0 },
    { "--bs", OPTION_SIZE, &block_bytes, "BYTES",
      "of each request (4096)", SECTOR_BYTES, MAX_BLOCK_BYTES },
    { "--depth", OPTION_NUMBER, &depth, "N",
      "requests in flight (32)", 1, MAX_DEPTH },
    { "--time", OPTION_NUMBER, &time_s, "SECONDS",
      "how long (10)", 1, 86400 },
    { "--count", OPTION_NUMBER, &count, "N",
      "how many requests, instead of how long", 1, UINT64_MAX },
    { "--flush-every", OPTION_NUMBER, &flush_every, "N",
      "a flush after each N writes (none)", 1, UINT64_MAX },
    { 0 },
};

struct slot {
    struct vbdfront_io io;
    uint64_t start_ns;
};

struct bench {
    struct cli *cli;
    struct slot slots[MAX_DEPTH];
    struct histogram latency, flush_latency; /* nanoseconds */
    uint64_t nr_blocks, next_block, random;
    uint64_t nr_submitted, nr_writes, nr_flushes, nr_bytes;
    uint64_t start_ns, end_ns, cpu_us;
    struct vbdfront_stats before, after;
    bool has_failed;
};

static bool check(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool is_random, may_read, may_write;
    } patterns[] = {
        { "read", false, true, false }, { "write", false, false, true },
        { "randread", true, true, false }, { "randwrite", true, false, true },
        { "mixed", true, true, true },
    };

    (void)argv;
    if (!options_check_words("bench", "", argc, 0, 0))
        return false;
    for (unsigned i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (strcmp(patterns[i].name, pattern) != 0)
            continue;
        is_random = patterns[i].is_random;
        may_read = patterns[i].may_read;
        may_write = patterns[i].may_write;
        return true;
    }
    log_error("--rw is \"%s\", expected read, write, randread, randwrite or "
              "mixed", pattern);
    return false;
}

/* --- the load ----------------------------------------------------------- */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t next_random(struct bench *bench)
{
    bench->random = bench->random * 6364136223846793005ull +
                    1442695040888963407ull;
    return bench->random >> 32;
}

static uint64_t next_block(struct bench *bench)
{
    if (is_random)
        return (next_random(bench) << 32 | next_random(bench)) %
               bench->nr_blocks;
    return bench->next_block++ % bench->nr_blocks;
}

static bool is_over(const struct bench *bench, uint64_t at_ns)
{
    if (bench->has_failed)
        return true;
    if (count)
        return bench->nr_submitted >= count;
    return at_ns - bench->start_ns >= time_s * 1000000000;
}

static void start_next(struct bench *bench, struct slot *slot, uint64_t at_ns)
{
    struct vbdfront_io *io = &slot->io;

    if (is_over(bench, at_ns))
        return;
    slot->start_ns = at_ns;
    if (flush_every && bench->nr_writes / flush_every > bench->nr_flushes) {
        bench->nr_flushes++;
        io->op = VBDFRONT_FLUSH;
        io->sector = io->nr_sectors = 0;
    } else {
        bool writes = may_write && (!may_read || (next_random(bench) & 1));

        bench->nr_submitted++;
        bench->nr_writes += writes;
        io->op = writes ? VBDFRONT_WRITE : VBDFRONT_READ;
        io->nr_sectors = (uint32_t)(block_bytes / SECTOR_BYTES);
        io->sector = next_block(bench) * io->nr_sectors;
    }
    vbdfront_submit(bench->cli->front, io);
}

static void on_done(struct vbdfront_io *io, int error)
{
    struct bench *bench = io->owner;
    struct slot *slot = (struct slot *)io;
    uint64_t at_ns = now_ns();

    if (error && !bench->has_failed)
        disk_say_failed(bench->cli, "a request", io->sector, error);
    bench->has_failed |= error != 0;
    if (io->op == VBDFRONT_FLUSH) {
        histogram_add(&bench->flush_latency, at_ns - slot->start_ns);
    } else {
        histogram_add(&bench->latency, at_ns - slot->start_ns);
        bench->nr_bytes += block_bytes;
    }
    start_next(bench, slot, at_ns);
}

static uint64_t cpu_us(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
               1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void put_load(struct bench *bench, uint8_t *memory)
{
    struct vbdfront *front = bench->cli->front;

    vbdfront_get_stats(front, &bench->before);
    bench->cpu_us = cpu_us();
    bench->start_ns = now_ns();
    for (uint64_t i = 0; i < depth; i++) {
        bench->slots[i].io = (struct vbdfront_io){
            .data = memory + i * block_bytes, .done = on_done,
            .owner = bench };
        start_next(bench, &bench->slots[i], now_ns());
    }
    while (vbdfront_in_flight(front) > 0)
        disk_wait(bench->cli);
    bench->end_ns = now_ns();
    bench->cpu_us = cpu_us() - bench->cpu_us;
    vbdfront_get_stats(front, &bench->after);
}

/* --- the result --------------------------------------------------------- */

struct result {
    double seconds, iops, mb_per_s, cpu_us, notifies, pushes;
};

static struct result judge(const struct bench *bench)
{
    double seconds = (double)(bench->end_ns - bench->start_ns) / 1e9;
    double nr = (double)(bench->latency.nr + bench->flush_latency.nr);

    return (struct result){
        .seconds = seconds,
        .iops = nr / seconds,
        .mb_per_s = (double)bench->nr_bytes / seconds / 1e6,
        .cpu_us = (double)bench->cpu_us / nr,
        .notifies = (double)(bench->after.notifies -
                             bench->before.notifies) / nr,
        .pushes = (double)(bench->after.pushes - bench->before.pushes) / nr,
    };
}

static const struct {
    const char *name;
    double part;
} percentiles[] = {
    { "p50", 0.5 }, { "p99", 0.99 }, { "p99.9", 0.999 }, { "max", 1 },
};
enum { NR_PERCENTILES = sizeof percentiles / sizeof *percentiles };

static void print_latency(const char *name, const struct histogram *histogram)
{
    printf("%-8s", name);
    for (unsigned i = 0; i < NR_PERCENTILES; i++)
        printf("  %s %.1f us", percentiles[i].name,
               (double)histogram_percentile(histogram, percentiles[i].part) /
                   1e3);
    putchar('\n');
}

static json_t *pack_latency(const struct histogram *histogram)
{
    json_t *json = json_object();

    for (unsigned i = 0; i < NR_PERCENTILES; i++)
        json_object_set_new(
            json, percentiles[i].name,
            json_real((double)histogram_percentile(histogram,
                                                   percentiles[i].part) /
                      1e3));
    return json;
}

static void print_text(const struct bench *bench, const struct result *result)
{
    printf("%s of %llu bytes, %llu in flight: %llu requests in %.2f s\n",
           pattern, (unsigned long long)block_bytes,
           (unsigned long long)depth, (unsigned long long)bench->latency.nr,
           result->seconds);
    printf("rate      %.0f IOPS, %.1f MB/s\n", result->iops,
           result->mb_per_s);
    print_latency("latency", &bench->latency);
    if (bench->flush_latency.nr > 0)
        print_latency("flushes", &bench->flush_latency);
    printf("a request costs %.2f us of CPU here, %.3f notifies, %.3f "
           "pushes\n", result->cpu_us, result->notifies, result->pushes);
}

static void print_json(const struct bench *bench, const struct result *result)
{
    json_t *json = json_pack(
        "{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:f, s:f, s:f}",
        "rw", pattern, "bs", (json_int_t)block_bytes,
        "depth", (json_int_t)depth,
        "requests", (json_int_t)bench->latency.nr,
        "flushes", (json_int_t)bench->flush_latency.nr,
        "seconds", result->seconds, "iops", result->iops,
        "mb_per_s", result->mb_per_s,
        "latency_us", pack_latency(&bench->latency),
        "cpu_us_per_request", result->cpu_us,
        "notifies_per_request", result->notifies,
        "pushes_per_request", result->pushes);

    if (bench->flush_latency.nr > 0)
        json_object_set_new(json, "flush_latency_us",
                            pack_latency(&bench->flush_latency));
    json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(json);
}

/* ------------------------------------------------------------------------ */

static bool check_disk(const struct cli *cli, struct bench *bench)
{
    if (block_bytes % cli->info->sector_bytes != 0) {
        log_error("--bs is %llu, expected a multiple of %u",
                  (unsigned long long)block_bytes, cli->info->sector_bytes);
        return false;
    }
    bench->nr_blocks = cli->info->nr_sectors / (block_bytes / SECTOR_BYTES);
    if (bench->nr_blocks == 0)
        log_error("--bs is %llu, the disk has %llu bytes",
                  (unsigned long long)block_bytes,
                  (unsigned long long)cli->info->nr_sectors * SECTOR_BYTES);
    return bench->nr_blocks > 0;
}

static int run(struct cli *cli, int argc, char **argv)
{
    static struct bench bench;
    struct result result;
    uint8_t *memory;

    (void)argc;
    (void)argv;
    bench.cli = cli;
    bench.random = 1; /* each run is the same */
    if (!check_disk(cli, &bench))
        return EXIT_FAILED;
    memory = disk_alloc(cli, depth * block_bytes);
    if (!memory)
        return EXIT_FAILED;
    put_load(&bench, memory);
    if (bench.has_failed)
        return EXIT_FAILED;
    result = judge(&bench);
    if (cli->has_json)
        print_json(&bench, &result);
    else
        print_text(&bench, &result);
    return EXIT_OK;
}

const struct command command_bench = {
    .name = "bench", .words = "",
    .summary = "measure rate, latency and cost of a load",
    .options = options, .check = check, .run = run,
};
