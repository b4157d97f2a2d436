/* SPDX-License-Identifier: MIT
 * Replies as tables. Numbers get units, columns the width they need. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/vbdctl.h"

enum { MAX_COLUMNS = 12, CELL_BYTES = 512 };

/* --- tables --------------------------------------------------------------- */

struct table {
    unsigned nr_columns, nr_rows;
    char *(*rows)[MAX_COLUMNS];
};

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text && *text ? text : "-";
}

static void add_row(struct table *table, const char *const *cells)
{
    void *rows = realloc(table->rows,
                         (table->nr_rows + 1) * sizeof *table->rows);

    if (!rows)
        return;
    table->rows = rows;
    for (unsigned i = 0; i < table->nr_columns; i++)
        table->rows[table->nr_rows][i] = strdup(cells[i]);
    table->nr_rows++;
}

static int width_of(const struct table *table, unsigned column)
{
    size_t width = 0;

    for (unsigned i = 0; i < table->nr_rows; i++) {
        const char *cell = table->rows[i][column];

        if (cell && strlen(cell) > width)
            width = strlen(cell);
    }
    return (int)width;
}

/* Prints the table and frees it. */
static void finish_table(struct table *table)
{
    int widths[MAX_COLUMNS];

    for (unsigned i = 0; i < table->nr_columns; i++)
        widths[i] = width_of(table, i);
    for (unsigned row = 0; row < table->nr_rows; row++) {
        for (unsigned i = 0; i < table->nr_columns; i++) {
            char *cell = table->rows[row][i];

            if (i + 1 < table->nr_columns)
                printf("%-*s  ", widths[i], cell ? cell : "");
            else
                printf("%s\n", cell ? cell : "");
            free(cell);
        }
    }
    free(table->rows);
}

/* --- values --------------------------------------------------------------- */

static const char *bytes_text(const json_t *value, char text[CELL_BYTES])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB" };
    double number = (double)json_integer_value(value);
    unsigned unit = 0;

    if (!value)
        return "-";
    for (; number >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        number /= 1024;
    snprintf(text, CELL_BYTES, unit ? "%.1f %s" : "%.0f %s", number,
             units[unit]);
    return text;
}

static const char *us_text(const json_t *value, char text[CELL_BYTES])
{
    double us = (double)json_integer_value(value);

    if (us >= 1e6)
        snprintf(text, CELL_BYTES, "%.1f s", us / 1e6);
    else if (us >= 1e3)
        snprintf(text, CELL_BYTES, "%.1f ms", us / 1e3);
    else
        snprintf(text, CELL_BYTES, "%.0f us", us);
    return text;
}

static const char *number_text(const json_t *value, char text[CELL_BYTES])
{
    if (!value)
        return "-";
    snprintf(text, CELL_BYTES, "%lld", (long long)json_integer_value(value));
    return text;
}

/* --- list ----------------------------------------------------------------- */

static void print_disks(const json_t *disks)
{
    static const char *const heads[] = { "DISK", "STATE", "SIZE", "ENGINE",
                                         "WORKER", "TARGET", "REMARK" };
    struct table table = { .nr_columns = 7 };
    size_t i;
    json_t *disk;

    add_row(&table, heads);
    json_array_foreach(disks, i, disk) {
        char number[CELL_BYTES], size[CELL_BYTES], worker[CELL_BYTES],
             remark[CELL_BYTES];
        const char *error = text_of(disk, "error");

        snprintf(remark, sizeof remark, "%s%s%s",
                 json_is_true(json_object_get(disk, "read_only"))
                     ? "read-only " : "",
                 json_is_true(json_object_get(disk, "buffered"))
                     ? "buffered " : "", strcmp(error, "-") ? error : "");
        add_row(&table, (const char *[]){
            number_text(json_object_get(disk, "disk"), number),
            text_of(disk, "state"),
            bytes_text(json_object_get(disk, "bytes"), size),
            text_of(disk, "engine"),
            number_text(json_object_get(disk, "worker"), worker),
            text_of(disk, "target"), remark });
    }
    finish_table(&table);
}

static void print_vbds(const json_t *vbds)
{
    static const char *const heads[] = { "VBD", "DISK", "MODE", "BACK",
                                         "FRONT", "RING", "REMARK" };
    struct table table = { .nr_columns = 7 };
    size_t i;
    json_t *vbd;

    add_row(&table, heads);
    json_array_foreach(vbds, i, vbd) {
        char disk[CELL_BYTES], remark[CELL_BYTES];
        const char *error = text_of(vbd, "error");

        snprintf(remark, sizeof remark, "%s%s",
                 json_is_true(json_object_get(vbd, "suspended"))
                     ? "suspended " : "", strcmp(error, "-") ? error : "");
        add_row(&table, (const char *[]){
            text_of(vbd, "vbd"),
            number_text(json_object_get(vbd, "disk"), disk),
            text_of(vbd, "mode"), text_of(vbd, "state"),
            text_of(vbd, "front"), text_of(vbd, "ring"),
            remark });
    }
    finish_table(&table);
}

static void print_list(const json_t *reply)
{
    const json_t *disks = json_object_get(reply, "disks");
    const json_t *vbds = json_object_get(reply, "vbds");

    if (json_array_size(disks) == 0 && json_array_size(vbds) == 0) {
        puts("no disks");
        return;
    }
    print_disks(disks);
    putchar('\n');
    print_vbds(vbds);
}

/* --- show ----------------------------------------------------------------- */

static void print_object(const json_t *object)
{
    char text[CELL_BYTES];
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value) {
        size_t length = strlen(name);

        if (json_is_string(value) && json_string_length(value) == 0)
            continue;
        printf("%-16s", name);
        if (json_is_string(value))
            puts(json_string_value(value));
        else if (json_is_boolean(value))
            puts(json_is_true(value) ? "yes" : "no");
        else if (length >= 5 && strcmp(name + length - 5, "bytes") == 0)
            puts(bytes_text(value, text));
        else
            puts(number_text(value, text));
    }
}

static void print_show(const json_t *reply)
{
    const json_t *disk = json_object_get(reply, "disk");
    const json_t *vbd = json_object_get(reply, "vbd");
    const json_t *vbds = json_object_get(reply, "vbds");

    if (vbd) {
        print_object(vbd);
        if (disk)
            putchar('\n');
    }
    if (disk)
        print_object(disk);
    if (json_array_size(vbds) > 0) {
        putchar('\n');
        print_vbds(vbds);
    }
}

/* --- stats ---------------------------------------------------------------- */

static void print_counts(const char *what, const json_t *counts)
{
    const char *name;
    json_t *value;

    printf("  %-16s", what);
    json_object_foreach((json_t *)counts, name, value)
        if (json_integer_value(value) > 0 || strcmp(name, "read") == 0 ||
            strcmp(name, "write") == 0 || strcmp(name, "flush") == 0)
            printf("%s %lld  ", name, (long long)json_integer_value(value));
    putchar('\n');
}

static void print_latency(const char *what, const json_t *latency)
{
    static const struct {
        const char *name, *head;
    } points[] = { { "p50_us", "p50" }, { "p99_us", "p99" },
                   { "p999_us", "p99.9" }, { "max_us", "max" } };
    char text[CELL_BYTES];

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
        "notifies_sent", "events_taken", "take_batches", "answer_batches", "responses",
        "system_calls", "wakeups", "in_flight",
    };
    char text[CELL_BYTES];

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        printf("  %-16s%s\n", names[i],
               number_text(json_object_get(disk, names[i]), text));
    printf("  %-16s%.2f\n", "calls/response",
           json_real_value(json_object_get(disk,
                                           "system_calls_per_response")));
}

static void print_disk_stats(const json_t *disk)
{
    char text[CELL_BYTES], budget[CELL_BYTES];

    printf("disk %s  %s  %s\n",
           number_text(json_object_get(disk, "disk"), text),
           text_of(disk, "state"), text_of(disk, "target"));
    if (json_object_get(disk, "error")) {
        printf("  %s\n", text_of(disk, "error"));
        return;
    }
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

static void print_stats(const json_t *reply)
{
    json_t *disk;
    size_t i;

    json_array_foreach(json_object_get(reply, "disks"), i, disk)
        print_disk_stats(disk);
}

void print_reply(const char *command, const json_t *reply)
{
    if (strcmp(command, "list") == 0)
        print_list(reply);
    else if (strcmp(command, "show") == 0)
        print_show(reply);
    else if (strcmp(command, "stats") == 0)
        print_stats(reply);
    else if (strcmp(command, "ping") == 0)
        printf("vbdd %s\n", text_of(reply, "version"));
}
