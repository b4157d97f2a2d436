/* SPDX-License-Identifier: MIT
 * The command metrics: what stats says, in the text format of Prometheus
 * (prometheus.io/docs/instrumenting/exposition_formats). Each family stands in
 * one table with what it is made of; a number that is not there, since its
 * worker has not answered, is no sample. */
#include <stdio.h>
#include <string.h>

#include "tools/vbdctl/vbdctl.h"

enum { LABELS_BYTES = 2048,
       FIRST_EDGE_LOG2 = 1, LAST_EDGE_LOG2 = 19 /* us, of message_stats */ };

/* What a sample is about, and with which labels. */
enum level { LEVEL_DISK, LEVEL_NBD, LEVEL_VBD, LEVEL_QUEUE };

struct family;
typedef void print_function(const struct family *family, const json_t *object,
                            const char *labels);
static print_function print_value, print_by_name, print_histogram,
    print_state, print_answered, print_connected;

static const struct family {
    const char *name, *type, *help;
    enum level level;
    const char *member;    /* of the object */
    print_function *print; /* NULL: print_value */
    const char *label;     /* by_name: what the names are */
} families[] = {
    { "disk_state", "gauge", "1 for the state that the disk is in, else 0.",
      LEVEL_DISK, "state", print_state, NULL },
    { "disk_answered", "gauge", "1 if the disk's worker has answered.",
      LEVEL_DISK, "error", print_answered, NULL },
    { "disk_requests_total", "counter", "Requests on rings, answered.",
      LEVEL_DISK, "requests", print_by_name, "operation" },
    { "disk_errors_total", "counter", "Those answered with an error.",
      LEVEL_DISK, "errors", print_by_name, "operation" },
    { "disk_unsupported_total", "counter",
      "Those answered with EOPNOTSUPP.", LEVEL_DISK, "unsupported",
      NULL, NULL },
    { "disk_read_bytes_total", "counter", "Read over rings.", LEVEL_DISK,
      "bytes_read", NULL, NULL },
    { "disk_written_bytes_total", "counter", "Written over rings.",
      LEVEL_DISK, "bytes_written", NULL, NULL },
    { "disk_request_duration_seconds", "histogram",
      "From a read's or write's being taken to its answer.", LEVEL_DISK,
      "latency", print_histogram, NULL },
    { "disk_flush_duration_seconds", "histogram",
      "From a flush's or barrier's being taken to its answer.", LEVEL_DISK,
      "flush_latency", print_histogram, NULL },
    { "disk_engine_flushes_total", "counter", "Flushes of the target.",
      LEVEL_DISK, "engine_flushes", NULL, NULL },
    { "disk_flush_failures_total", "counter", "Those that failed.",
      LEVEL_DISK, "flush_failures", NULL, NULL },
    { "disk_waits_total", "counter", "Requests that waited for another one.",
      LEVEL_DISK, "waited", NULL, NULL },
    { "disk_merges_total", "counter", "Requests joined to another one.",
      LEVEL_DISK, "merged", NULL, NULL },
    { "disk_responses_total", "counter", "Answers put on rings.", LEVEL_DISK,
      "responses", NULL, NULL },
    { "disk_take_batches_total", "counter",
      "In how many batches requests were taken.", LEVEL_DISK, "take_batches",
      NULL, NULL },
    { "disk_answer_batches_total", "counter",
      "In how many batches they were answered.", LEVEL_DISK,
      "answer_batches", NULL, NULL },
    { "disk_notifies_sent_total", "counter", "Events sent to guests.",
      LEVEL_DISK, "notifies_sent", NULL, NULL },
    { "disk_events_taken_total", "counter", "Events that came from guests.",
      LEVEL_DISK, "events_taken", NULL, NULL },
    { "disk_system_calls_total", "counter",
      "System calls made for requests and answers.", LEVEL_DISK,
      "system_calls", NULL, NULL },
    { "disk_wakeups_total", "counter", "How often the worker woke up.",
      LEVEL_DISK, "wakeups", NULL, NULL },
    { "disk_requests_in_flight", "gauge", "Requests being carried out.",
      LEVEL_DISK, "in_flight", NULL, NULL },
    { "disk_in_flight_bytes", "gauge", "Data of those.", LEVEL_DISK,
      "bytes_in_flight", NULL, NULL },
    { "disk_budget_bytes", "gauge", "How much data that may be at most.",
      LEVEL_DISK, "budget_bytes", NULL, NULL },

    { "nbd_requests_total", "counter", "Requests of NBD clients.", LEVEL_NBD,
      "requests", print_by_name, "command" },
    { "nbd_errors_total", "counter", "Those answered with an error.",
      LEVEL_NBD, "errors", print_by_name, "command" },
    { "nbd_read_bytes_total", "counter", "Read over NBD.", LEVEL_NBD,
      "bytes_read", NULL, NULL },
    { "nbd_written_bytes_total", "counter", "Written over NBD.", LEVEL_NBD,
      "bytes_written", NULL, NULL },
    { "nbd_accepted_total", "counter", "NBD clients that came.", LEVEL_NBD,
      "accepted", NULL, NULL },
    { "nbd_handovers_total", "counter",
      "NBD clients that handed over to the paravirtual disk.", LEVEL_NBD,
      "handovers", NULL, NULL },
    { "nbd_lost_total", "counter", "NBD clients that were lost.", LEVEL_NBD,
      "lost", NULL, NULL },
    { "nbd_refused_total", "counter",
      "NBD clients that were refused after a handover.", LEVEL_NBD,
      "refused", NULL, NULL },

    { "vbd_connected", "gauge", "1 if a front end is served.", LEVEL_VBD,
      "ring", print_connected, NULL },
    { "vbd_persistent_grants", "gauge", "Pages of the guest kept mapped.",
      LEVEL_VBD, "persistent_grants", NULL, NULL },
    { "vbd_persistent_grants_max", "gauge", "How many that may be.",
      LEVEL_VBD, "max_persistent_grants", NULL, NULL },
    { "vbd_persistent_hits_total", "counter",
      "Segments whose page was mapped already.", LEVEL_VBD,
      "persistent_hits", NULL, NULL },
    { "vbd_persistent_misses_total", "counter",
      "Segments whose page was not.", LEVEL_VBD, "persistent_misses", NULL,
      NULL },
    { "vbd_persistent_evictions_total", "counter",
      "Pages that made room for others.", LEVEL_VBD,
      "persistent_evictions", NULL, NULL },

    { "queue_ring_pages", "gauge", "Pages of the ring.", LEVEL_QUEUE,
      "ring_pages", NULL, NULL },
    { "queue_slots", "gauge", "Requests that the ring can hold.",
      LEVEL_QUEUE, "slots", NULL, NULL },
    { "queue_requests_in_flight", "gauge", "Requests taken, not answered.",
      LEVEL_QUEUE, "in_flight", NULL, NULL },
    { "queue_requests_total", "counter",
      "Requests taken since the front end connected.", LEVEL_QUEUE,
      "requests", NULL, NULL },
    { "queue_indirect_requests_total", "counter", "Those with descriptors "
      "in pages of their own.", LEVEL_QUEUE, "indirect_requests", NULL,
      NULL },
    { "queue_responses_total", "counter", "Answers put on the ring.",
      LEVEL_QUEUE, "responses", NULL, NULL },
    { "queue_take_batches_total", "counter",
      "In how many batches requests were taken.", LEVEL_QUEUE,
      "take_batches", NULL, NULL },
    { "queue_answer_batches_total", "counter",
      "In how many batches they were answered.", LEVEL_QUEUE,
      "answer_batches", NULL, NULL },
    { "queue_notifies_sent_total", "counter", "Events sent to the guest.",
      LEVEL_QUEUE, "notifies_sent", NULL, NULL },
};

/* --- samples -------------------------------------------------------------- */

static long long integer(const json_t *object, const char *name)
{
    return (long long)json_integer_value(json_object_get(object, name));
}

/* more: a further label, or "". */
static void print_sample(const struct family *family, const char *suffix,
                         const char *labels, const char *more,
                         long long value)
{
    printf("vbdd_%s%s{%s%s} %lld\n", family->name, suffix, labels, more,
           value);
}

static void print_value(const struct family *family, const json_t *object,
                        const char *labels)
{
    if (json_object_get(object, family->member))
        print_sample(family, "", labels, "", integer(object, family->member));
}

static void print_by_name(const struct family *family, const json_t *object,
                          const char *labels)
{
    const char *name;
    char more[64];
    json_t *count;

    json_object_foreach(json_object_get(object, family->member), name, count) {
        snprintf(more, sizeof more, ",%s=\"%s\"", family->label, name);
        print_sample(family, "", labels, more,
                     (long long)json_integer_value(count));
    }
}

/* Whole powers of two only, so that a family has always the same edges, and
 * half as many as the worker. */
static void print_histogram(const struct family *family,
                            const json_t *object, const char *labels)
{
    const json_t *latency = json_object_get(object, family->member);
    json_t *buckets = json_object_get(latency, "buckets"), *bucket;
    long long total_us = integer(latency, "total_us"), below = 0;
    char more[64];
    size_t i = 0;

    if (!buckets)
        return;
    for (unsigned log2 = FIRST_EDGE_LOG2; log2 <= LAST_EDGE_LOG2; log2++) {
        for (; (bucket = json_array_get(buckets, i)) &&
               integer(bucket, "below_us") <= 1ll << log2; i++)
            below += integer(bucket, "count");
        snprintf(more, sizeof more, ",le=\"%.6f\"",
                 (double)(1ll << log2) / 1e6);
        print_sample(family, "_bucket", labels, more, below);
    }
    for (; (bucket = json_array_get(buckets, i)); i++)
        below += integer(bucket, "count");
    print_sample(family, "_bucket", labels, ",le=\"+Inf\"", below);
    printf("vbdd_%s_sum{%s} %lld.%06lld\n", family->name, labels,
           total_us / 1000000, total_us % 1000000);
    print_sample(family, "_count", labels, "", below);
}

static bool is_text(const json_t *object, const char *name, const char *text)
{
    const char *value = json_string_value(json_object_get(object, name));

    return value && strcmp(value, text) == 0;
}

static void print_state(const struct family *family, const json_t *object,
                        const char *labels)
{
    static const char *const states[] = { "starting", "ready", "fail-stop",
                                          "draining", "failed" };
    char more[64];

    for (unsigned i = 0; i < sizeof states / sizeof *states; i++) {
        snprintf(more, sizeof more, ",state=\"%s\"", states[i]);
        print_sample(family, "", labels, more,
                     is_text(object, family->member, states[i]));
    }
}

static void print_answered(const struct family *family, const json_t *object,
                           const char *labels)
{
    print_sample(family, "", labels, "",
                 !json_object_get(object, family->member));
}

static void print_connected(const struct family *family, const json_t *object,
                            const char *labels)
{
    print_sample(family, "", labels, "",
                 is_text(object, family->member, "connected"));
}

/* --- labels --------------------------------------------------------------- */

/* Appends ,NAME="VALUE" with what the format wants escaped; of a value that is
 * too long what there is room for. */
static void add_label(char labels[LABELS_BYTES], const char *name,
                      const char *value, size_t length)
{
    size_t used = strlen(labels), end = LABELS_BYTES - strlen("\\n\"") - 1;

    if (used + strlen(name) + strlen(",=\"") >= end)
        return;
    used += (size_t)sprintf(labels + used, "%s%s=\"", used ? "," : "", name);
    for (size_t i = 0; i < length && used < end; i++) {
        if (strchr("\\\"\n", value[i]))
            labels[used++] = '\\';
        labels[used++] = value[i] == '\n' ? 'n' : value[i];
    }
    strcpy(labels + used, "\"");
}

static void add_number(char labels[LABELS_BYTES], const char *name,
                       long long number)
{
    char text[24];

    add_label(labels, name, text,
              (size_t)snprintf(text, sizeof text, "%lld", number));
}

static void add_target(char labels[LABELS_BYTES], const json_t *disk)
{
    const char *target = json_string_value(json_object_get(disk, "target"));

    if (target)
        add_label(labels, "target", target, strlen(target));
}

/* "5/xvda" is two labels. */
static void add_vbd(char labels[LABELS_BYTES], const json_t *vbd)
{
    const char *name = json_string_value(json_object_get(vbd, "vbd"));
    const char *slash = name ? strchr(name, '/') : NULL;

    if (!slash)
        return;
    add_label(labels, "domid", name, (size_t)(slash - name));
    add_label(labels, "vdev", slash + 1, strlen(slash + 1));
}

/* -------------------------------------------------------------------------- */

/* labels: of the vbd, or of the disk; they are left as they are. */
static void print_queues(const struct family *family, const json_t *vbd,
                         char labels[LABELS_BYTES])
{
    size_t i, used = strlen(labels);
    json_t *queue;

    json_array_foreach(json_object_get(vbd, "queues"), i, queue) {
        add_number(labels, "queue", (long long)i);
        family->print(family, queue, labels);
        labels[used] = '\0';
    }
}

static void print_vbds(const struct family *family, const json_t *disk,
                       char labels[LABELS_BYTES])
{
    size_t i, used = strlen(labels);
    json_t *vbd;

    json_array_foreach(json_object_get(disk, "vbds"), i, vbd) {
        add_vbd(labels, vbd);
        if (family->level == LEVEL_VBD)
            family->print(family, vbd, labels);
        else
            print_queues(family, vbd, labels);
        labels[used] = '\0';
    }
}

static void print_disk(const struct family *family, const json_t *disk)
{
    char labels[LABELS_BYTES] = "";

    add_number(labels, "disk", integer(disk, "disk"));
    add_target(labels, disk);
    switch (family->level) {
    case LEVEL_DISK:
        family->print(family, disk, labels);
        return;
    case LEVEL_NBD:
        family->print(family, json_object_get(disk, "nbd"), labels);
        return;
    case LEVEL_VBD:
    case LEVEL_QUEUE:
        print_vbds(family, disk, labels);
        return;
    }
}

static void print_metrics(const json_t *reply)
{
    for (unsigned f = 0; f < sizeof families / sizeof *families; f++) {
        struct family family = families[f];
        json_t *disk;
        size_t i;

        if (!family.print)
            family.print = print_value;
        printf("# HELP vbdd_%s %s\n# TYPE vbdd_%s %s\n", family.name,
               family.help, family.name, family.type);
        json_array_foreach(json_object_get(reply, "disks"), i, disk)
            print_disk(&family, disk);
    }
}

int metrics(const struct arguments *arguments)
{
    struct answer answer = { .line = NULL };
    int status;

    json_object_set_new(arguments->request, "command", json_string("stats"));
    json_object_set_new(arguments->request, "histogram", json_true());
    status = ask(arguments, &answer);
    if (!status && arguments->is_json)
        fputs(answer.line, stdout);
    else if (!status)
        print_metrics(answer.reply);
    answer_free(&answer);
    return status;
}
