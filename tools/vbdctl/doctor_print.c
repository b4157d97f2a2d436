/* SPDX-License-Identifier: MIT
 * A report on a target, for people at any hour. */
#include <stdio.h>
#include <string.h>

#include "tools/vbdctl/doctor.h"
#include "tools/vbdctl/table.h"

enum { LINE_BYTES = 512 };

static void row(struct table *table, const char *head, const char *text)
{
    add_row(table, (const char *[]){ head, text });
}

static void row_of(struct table *table, const char *head, const char *format,
                   ...) __attribute__((format(printf, 3, 4)));

static void row_of(struct table *table, const char *head, const char *format,
                   ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    row(table, head, line);
}

static bool is_there(const json_t *report, const char *name)
{
    return strcmp(text_of(report, name), "-") != 0;
}

static json_int_t number_of(const json_t *report, const char *name)
{
    return json_integer_value(json_object_get(report, name));
}

static bool is_file(const json_t *report)
{
    return strcmp(text_of(report, "kind"), "regular file") == 0;
}

/* --- facts ---------------------------------------------------------------- */

static void print_kind(struct table *table, const json_t *report)
{
    const char *kind = text_of(report, "kind");

    if (is_there(report, "loop_file"))
        row_of(table, "kind", "%s over %s, %s", kind,
               text_of(report, "loop_file"),
               json_is_true(json_object_get(report, "loop_is_direct"))
                   ? "O_DIRECT" : "buffered");
    else if (is_there(report, "label"))
        row_of(table, "kind", "%s, %s (%s)", kind, text_of(report, "name"),
               text_of(report, "label"));
    else if (is_there(report, "whole"))
        row_of(table, "kind", "%s of %s", kind, text_of(report, "whole"));
    else
        row(table, "kind", kind);
}

static void print_size(struct table *table, const json_t *report)
{
    char size[VALUE_BYTES], allocated[VALUE_BYTES];
    const json_t *has = json_object_get(report, "allocated_bytes");

    bytes_text(json_object_get(report, "bytes"), size);
    if (has && json_integer_value(has) < number_of(report, "bytes"))
        row_of(table, "size", "%s (%lld bytes), %s of it allocated", size,
               (long long)number_of(report, "bytes"),
               bytes_text(has, allocated));
    else
        row_of(table, "size", "%s (%lld bytes)", size,
               (long long)number_of(report, "bytes"));
}

static void print_sectors(struct table *table, const json_t *report)
{
    if (!is_file(report))
        row_of(table, "sectors", "%lld bytes, physically %lld",
               (long long)number_of(report, "sector_bytes"),
               (long long)number_of(report, "physical_bytes"));
    else if (json_is_true(json_object_get(report, "direct")))
        row_of(table, "O_DIRECT", "yes, in units of %lld bytes",
               (long long)number_of(report, "sector_bytes"));
    else
        row(table, "O_DIRECT", "not on this file system");
    row(table, "read-only", json_is_true(json_object_get(report, "read_only"))
                                ? "yes" : "no");
}

/* --- promises ------------------------------------------------------------- */

static void print_flush(struct table *table, const json_t *report)
{
    const json_t *cache = json_object_get(report, "write_cache");
    const json_t *fua = json_object_get(report, "fua");
    const char *of = is_file(report) ? "of the device below: " : "";

    row_of(table, "write cache", "%s%s", of,
           json_is_null(cache)   ? "not known; a FLUSH is passed on"
           : json_is_true(cache) ? "yes; what was written is durable after a "
                                   "FLUSH, which is passed on"
                                 : "none that loses data; a FLUSH is cheap");
    row_of(table, "FUA", "%s%s", of,
           json_is_null(fua)   ? "not known"
           : json_is_true(fua) ? "yes"
                               : "no; a FUA write is a write and a flush");
}

static void print_limits(struct table *table, const json_t *report)
{
    const json_t *discard = json_object_get(report, "discard_max_bytes");
    const json_t *zeroes = json_object_get(report, "write_zeroes_max_bytes");
    char most[VALUE_BYTES], unit[VALUE_BYTES];

    if (is_file(report)) {
        row(table, "discard", "holes in the file, if its file system has them");
        row(table, "write zeroes", "the same");
        return;
    }
    if (json_integer_value(discard) > 0)
        row_of(table, "discard", "%s at most, in units of %s",
               bytes_text(discard, most),
               bytes_text(json_object_get(report, "discard_granularity_bytes"),
                          unit));
    else
        row(table, "discard", json_is_null(discard) ? "not known" : "no");
    if (json_integer_value(zeroes) > 0)
        row_of(table, "write zeroes", "by the device, %s at most",
               bytes_text(zeroes, most));
    else
        row(table, "write zeroes", json_is_null(zeroes)
                ? "not known" : "by writing them");
}

static void print_cache(struct table *table, const json_t *report)
{
    const json_t *cache = json_object_get(report, "page_cache");
    const json_t *cached = json_object_get(cache, "cached_bytes");
    const json_t *dirty = json_object_get(cache, "dirty_bytes");
    char all[VALUE_BYTES], part[VALUE_BYTES];

    bytes_text(cached, all);
    if (!cached)
        row(table, "page cache", "not known");
    else if (json_integer_value(cached) == 0)
        row(table, "page cache", "empty");
    else if (json_is_null(dirty))
        row_of(table, "page cache", "%s, of which dirty is not known (Linux "
               "before 6.5); an attach writes it back and drops it", all);
    else if (json_integer_value(dirty) == 0)
        row_of(table, "page cache", "%s, clean; an attach drops it", all);
    else
        row_of(table, "page cache", "%s, dirty %s; an attach writes it back "
               "and drops it", all, bytes_text(dirty, part));
}

/* --- users ---------------------------------------------------------------- */

static void print_disk(struct table *table, const json_t *report)
{
    const json_t *disk = json_object_get(report, "disk");
    char line[LINE_BYTES] = "";
    size_t i, length = 0;
    json_t *vbd;

    if (!disk && json_is_true(json_object_get(report, "vbdd")))
        row(table, "vbdd", "not a disk of it");
    else if (!disk)
        row_of(table, "vbdd", "does not answer at %s",
               text_of(report, "socket"));
    if (!disk)
        return;
    json_array_foreach(json_object_get(disk, "vbds"), i, vbd)
        if (length < sizeof line)
            length += (size_t)snprintf(line + length, sizeof line - length,
                                       ", %s (mode %s)", text_of(vbd, "vbd"),
                                       text_of(vbd, "mode"));
    row_of(table, "vbdd", "disk %lld, %s%.300s, emulated clients %lld",
           (long long)number_of(disk, "disk"), text_of(disk, "state"), line,
           (long long)number_of(disk, "emulated_clients"));
    if (is_there(disk, "error"))
        row(table, "", text_of(disk, "error"));
}

static const char *power(const json_t *holder)
{
    if (json_is_true(json_object_get(holder, "excludes_reader")))
        return "refused";
    return json_is_true(json_object_get(holder, "excludes"))
               ? "refused to write" : "only seen";
}

static void print_holders(const json_t *report)
{
    const json_t *holders = json_object_get(report, "holders");
    struct table table = { .nr_columns = 3, .indent = 2 };
    bool is_any_seen = false;
    json_t *holder;
    size_t i;

    printf("\nIn use%s:\n", json_is_true(json_object_get(report, "is_root"))
                                ? "" : " (as far as others than root see)");
    if (json_array_size(holders) == 0)
        puts("  by nobody that can be seen");
    json_array_foreach(holders, i, holder) {
        is_any_seen |= json_is_false(json_object_get(holder, "excludes"));
        add_row(&table, (const char *[]){ power(holder),
                                          text_of(holder, "says"),
                                          text_of(holder, "advice") });
    }
    finish_table(&table);
    if (is_any_seen)
        puts("Only seen: nothing keeps it and a guest apart, and what it writes"
             " is not\ncoherent with what the guest does.");
}

/* --- what to do ----------------------------------------------------------- */

static void print_verdict(const json_t *report)
{
    json_t *hint;
    size_t i;

    json_array_foreach(json_object_get(report, "hints"), i, hint)
        printf("%sNote: %s.\n", i ? "" : "\n", json_string_value(hint));
    printf("\n%s %s%s%s\n", text_of(report, "target"),
           text_of(report, "verdict"), is_there(report, "why") ? ": " : "",
           is_there(report, "why") ? text_of(report, "why") : "");
    if (is_there(report, "xl"))
        printf("\n  on Xen:          %s\n  on the stand-in: %s\n",
               text_of(report, "xl"), text_of(report, "vbdctl"));
}

void print_doctor(const json_t *report)
{
    struct table table = { .nr_columns = 2, .indent = 2 };

    if (json_object_get(report, "bytes")) {
        puts(text_of(report, "target"));
        print_kind(&table, report);
        print_size(&table, report);
        print_sectors(&table, report);
        print_flush(&table, report);
        print_limits(&table, report);
        print_cache(&table, report);
        print_disk(&table, report);
        finish_table(&table);
        print_holders(report);
    }
    print_verdict(report);
}
