/* SPDX-License-Identifier: MIT
 * Replies as people read them: lists, single things, and what was done. */
#include <stdio.h>
#include <string.h>

#include "tools/vbdctl/table.h"
#include "tools/vbdctl/vbdctl.h"

enum { REMARK_BYTES = 512, MARK_BYTES = 32 };

/* --- list ----------------------------------------------------------------- */

/* "2 emulated ", or "" when there is no such client. */
static const char *emulated_mark(const json_t *disk, char mark[MARK_BYTES])
{
    json_int_t nr = json_integer_value(json_object_get(disk,
                                                       "emulated_clients"));

    mark[0] = '\0';
    if (nr > 0)
        snprintf(mark, MARK_BYTES, "%lld emulated ", (long long)nr);
    return mark;
}

static void print_disks(const json_t *disks)
{
    static const char *const heads[] = { "DISK", "STATE", "SIZE", "ENGINE",
                                         "WORKER", "TARGET", "REMARK" };
    struct table table = { .nr_columns = 7 };
    size_t i;
    json_t *disk;

    add_row(&table, heads);
    json_array_foreach(disks, i, disk) {
        char number[VALUE_BYTES], size[VALUE_BYTES], worker[VALUE_BYTES],
             emulated[MARK_BYTES], remark[REMARK_BYTES];
        const char *error = text_of(disk, "error");

        snprintf(remark, sizeof remark, "%s%s%s%s",
                 json_is_true(json_object_get(disk, "read_only"))
                     ? "read-only " : "",
                 json_is_true(json_object_get(disk, "buffered"))
                     ? "buffered " : "", emulated_mark(disk, emulated),
                 strcmp(error, "-") ? error : "");
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
        char disk[VALUE_BYTES], remark[REMARK_BYTES];
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
    char text[VALUE_BYTES];
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value) {
        size_t length = strlen(name);

        if (json_is_string(value) && json_string_length(value) == 0)
            continue;
        printf("%-17s", name);
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
    const json_t *nbd = json_object_get(reply, "nbd");
    const json_t *vbds = json_object_get(reply, "vbds");

    if (vbd) {
        print_object(vbd);
        if (disk)
            putchar('\n');
    }
    if (disk)
        print_object(disk);
    if (nbd) {
        putchar('\n');
        print_emulated(nbd);
    }
    if (json_array_size(vbds) > 0) {
        putchar('\n');
        print_vbds(vbds);
    }
}

/* --- what was done -------------------------------------------------------- */

static void print_resize(const json_t *reply)
{
    const json_t *bytes = json_object_get(reply, "bytes");
    const json_t *old_bytes = json_object_get(reply, "old_bytes");
    const json_t *vbds = json_object_get(reply, "vbds");
    char number[VALUE_BYTES], text[VALUE_BYTES];
    json_t *vbd;
    size_t i;

    printf("disk %s: ", number_text(json_object_get(reply, "disk"), number));
    printf("%s bytes (%s), ", number_text(bytes, number),
           bytes_text(bytes, text));
    if (json_equal(bytes, old_bytes)) {
        puts("unchanged");
        return;
    }
    printf("was %s (%s)", number_text(old_bytes, number),
           bytes_text(old_bytes, text));
    json_array_foreach(vbds, i, vbd)
        printf("%s %s", i ? "," : "; said to", json_string_value(vbd));
    putchar('\n');
}

static void print_levels(const json_t *reply)
{
    char number[VALUE_BYTES];
    json_t *disk;
    size_t i;

    printf("vbdd  %s\n", text_of(reply, "level"));
    json_array_foreach(json_object_get(reply, "disks"), i, disk)
        printf("disk %s  %s\n",
               number_text(json_object_get(disk, "disk"), number),
               text_of(disk, "level"));
}

void print_reply(const json_t *request, const json_t *reply,
                 const struct earlier *earlier)
{
    const char *command = text_of(request, "command");

    if (strcmp(command, "list") == 0)
        print_list(reply);
    else if (strcmp(command, "show") == 0)
        print_show(reply);
    else if (strcmp(command, "stats") == 0 &&
             json_object_get(request, "histogram"))
        print_histograms(reply);
    else if (strcmp(command, "stats") == 0)
        print_stats(reply, earlier);
    else if (strcmp(command, "features") == 0)
        print_features(reply);
    else if (strcmp(command, "resize") == 0)
        print_resize(reply);
    else if (strcmp(command, "log-level") == 0 &&
             !json_object_get(request, "level"))
        print_levels(reply);
    else if (strcmp(command, "nbd") == 0)
        puts(text_of(reply, "uri"));
    else if (strcmp(command, "hotplug") == 0 && json_object_get(reply, "nbd"))
        puts(text_of(reply, "nbd")); /* for the script block-vbdd */
    else if (strcmp(command, "ping") == 0)
        printf("vbdd %s\n", text_of(reply, "version"));
}
