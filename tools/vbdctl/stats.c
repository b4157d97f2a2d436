/* SPDX-License-Identifier: MIT
 * What workers have counted: numbers, rates and histograms. */
#include <stdio.h>
#include <string.h>

#include "tools/vbdctl/table.h"
#include "tools/vbdctl/vbdctl.h"

static void print_latency(const char *what, const json_t *latency)
{
    static const struct {
        const char *name, *head;
    } points[] = { { "p50_us", "p50" }, { "p99_us", "p99" },
                   { "p999_us", "p99.9" }, { "max_us", "max" } };
    char text[VALUE_BYTES];

    printf("  %-16s", what);
    for (unsigned i = 0; i < sizeof points / sizeof *points; i++)
        printf("%s %s  ", points[i].head,
               us_text(json_object_get(latency, points[i].name), text));
    putchar('\n');
}

static void print_numbers(const json_t *disk)
{
    static const char *const names[] = {
        "unsupported", "engine_flushes", "flush_failures", "waited", "merged",
        "notifies_sent", "events_taken", "take_batches", "answer_batches",
        "responses", "system_calls", "wakeups", "in_flight",
    };
    char text[VALUE_BYTES];

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        printf("  %-16s%s\n", names[i],
               number_text(json_object_get(disk, names[i]), text));
    printf("  %-16s%.2f\n", "calls/response",
           json_real_value(json_object_get(disk,
                                           "system_calls_per_response")));
}

/* --- rates ---------------------------------------------------------------- */

static const json_t *find_disk(const json_t *reply, const json_t *number)
{
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(reply, "disks"), i, disk)
        if (json_equal(json_object_get(disk, "disk"), number))
            return disk;
    return NULL;
}

static double member(const json_t *object, const char *name)
{
    return (double)json_integer_value(json_object_get(object, name));
}

static double sum_requests(const json_t *object)
{
    double sum = 0;
    const char *name;
    json_t *count;

    json_object_foreach(json_object_get(object, "requests"), name, count)
        sum += (double)json_integer_value(count);
    return sum;
}

/* Of both paths to the disk. */
static double requests_of(const json_t *disk)
{
    return sum_requests(disk) + sum_requests(json_object_get(disk, "nbd"));
}

static double bytes_of(const json_t *disk, const char *name)
{
    return member(disk, name) + member(json_object_get(disk, "nbd"), name);
}

/* A worker that was started anew counts from 0: no rate can be told. */
static void print_rates(const json_t *disk, const struct earlier *earlier)
{
    const json_t *before = find_disk(earlier->reply,
                                     json_object_get(disk, "disk"));
    double requests = requests_of(disk) - requests_of(before);
    double read = bytes_of(disk, "bytes_read") -
                  bytes_of(before, "bytes_read");
    double written = bytes_of(disk, "bytes_written") -
                     bytes_of(before, "bytes_written");

    if (!before || json_object_get(before, "error") || requests < 0 ||
        read < 0 || written < 0)
        printf("  %-16s-\n", "rate");
    else
        printf("  %-16s%.0f requests/s  read %.1f MB/s  written %.1f MB/s\n",
               "rate", requests / earlier->seconds,
               read / 1e6 / earlier->seconds,
               written / 1e6 / earlier->seconds);
}

/* --- vbds ----------------------------------------------------------------- */

static void print_queues(const json_t *queues)
{
    static const char *const heads[] = {
        "QUEUE", "PAGES", "SLOTS", "REQUESTS", "INDIRECT", "IN FLIGHT",
        "RESPONSES", "TAKEN IN", "ANSWERED IN", "NOTIFIES",
    };
    static const char *const names[] = {
        "ring_pages", "slots", "requests", "indirect_requests", "in_flight",
        "responses", "take_batches", "answer_batches", "notifies_sent",
    };
    enum { NR_NAMES = sizeof names / sizeof *names };
    struct table table = { .nr_columns = NR_NAMES + 1, .indent = 4 };
    char texts[NR_NAMES + 1][VALUE_BYTES];
    const char *cells[NR_NAMES + 1];
    json_t *queue;
    size_t i;

    add_row(&table, heads);
    json_array_foreach(queues, i, queue) {
        snprintf(texts[0], sizeof texts[0], "%zu", i);
        cells[0] = texts[0];
        for (unsigned n = 0; n < NR_NAMES; n++)
            cells[n + 1] = number_text(json_object_get(queue, names[n]),
                                       texts[n + 1]);
        add_row(&table, cells);
    }
    finish_table(&table);
}

static void print_vbd(const json_t *vbd)
{
    const json_t *queues = json_object_get(vbd, "queues");

    printf("  vbd %s  %s\n", text_of(vbd, "vbd"), text_of(vbd, "ring"));
    if (json_object_get(vbd, "error"))
        printf("    %s\n", text_of(vbd, "error"));
    if (!queues)
        return;
    printf("    persistent grants %.0f of %.0f, hits %.0f, misses %.0f, "
           "evictions %.0f\n", member(vbd, "persistent_grants"),
           member(vbd, "max_persistent_grants"),
           member(vbd, "persistent_hits"), member(vbd, "persistent_misses"),
           member(vbd, "persistent_evictions"));
    print_queues(queues);
}

/* --- disks ---------------------------------------------------------------- */

/* False when there is nothing more to be said of it. */
static bool print_head(const json_t *disk)
{
    char text[VALUE_BYTES];
    bool has_error = json_object_get(disk, "error");

    printf("disk %s  %s  %s\n",
           number_text(json_object_get(disk, "disk"), text),
           text_of(disk, "state"), text_of(disk, "target"));
    if (has_error)
        printf("  %s\n", text_of(disk, "error"));
    return !has_error;
}

static void print_counters(const json_t *disk)
{
    char text[VALUE_BYTES], budget[VALUE_BYTES];

    print_counts("requests", json_object_get(disk, "requests"));
    print_counts("errors", json_object_get(disk, "errors"));
    printf("  %-16s%s\n", "read",
           bytes_text(json_object_get(disk, "bytes_read"), text));
    printf("  %-16s%s\n", "written",
           bytes_text(json_object_get(disk, "bytes_written"), text));
    print_latency("latency", json_object_get(disk, "latency"));
    print_latency("flush latency", json_object_get(disk, "flush_latency"));
    printf("  %-16s%s of %s\n", "budget",
           bytes_text(json_object_get(disk, "bytes_in_flight"), text),
           bytes_text(json_object_get(disk, "budget_bytes"), budget));
    print_numbers(disk);
}

void print_stats(const json_t *reply, const struct earlier *earlier)
{
    json_t *disk, *vbd;
    size_t i, j;

    json_array_foreach(json_object_get(reply, "disks"), i, disk) {
        if (!print_head(disk))
            continue;
        if (earlier->reply)
            print_rates(disk, earlier);
        print_counters(disk);
        if (json_object_get(disk, "nbd"))
            print_emulated_counts(json_object_get(disk, "nbd"));
        json_array_foreach(json_object_get(disk, "vbds"), j, vbd)
            print_vbd(vbd);
    }
}

/* --- histograms ----------------------------------------------------------- */

/* Of what was counted, one bar is full; a bar is there for any that was. */
static int bar_of(double count, double most)
{
    enum { FULL = 40 };

    return count > 0 && count * FULL < most ? 1 : (int)(count / most * FULL);
}

static void print_bars(const json_t *buckets)
{
    static const char full[] = "########################################";
    double most = 1;
    json_t *bucket;
    size_t i;

    json_array_foreach(buckets, i, bucket)
        if (member(bucket, "count") > most)
            most = member(bucket, "count");
    json_array_foreach(buckets, i, bucket) {
        char from[VALUE_BYTES], below[VALUE_BYTES];
        double count = member(bucket, "count");

        printf("    %8s to %8s %12.0f  %.*s\n",
               us_text(json_object_get(bucket, "from_us"), from),
               us_text(json_object_get(bucket, "below_us"), below), count,
               bar_of(count, most), full);
    }
}

void print_histograms(const json_t *reply)
{
    static const struct {
        const char *name, *head;
    } kinds[] = { { "latency", "read and write" },
                  { "flush_latency", "flush" } };
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(reply, "disks"), i, disk) {
        if (!print_head(disk))
            continue;
        for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            const json_t *latency = json_object_get(disk, kinds[k].name);

            print_latency(kinds[k].head, latency);
            print_bars(json_object_get(latency, "buckets"));
        }
    }
}
