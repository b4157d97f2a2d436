/* SPDX-License-Identifier: MIT
 * What a front end was offered, and what it took, side by side. */
#include <stdio.h>
#include <string.h>

#include "tools/vbdctl/table.h"
#include "tools/vbdctl/vbdctl.h"

static const char *value_text(const json_t *object, const char *name,
                              char text[VALUE_BYTES])
{
    const json_t *value = json_object_get(object, name);

    if (json_is_boolean(value))
        return json_is_true(value) ? "yes" : "no";
    return json_is_string(value) ? json_string_value(value)
                                 : number_text(value, text);
}

/* "-" where one of them has no such thing: only the front end has an ABI, and
 * whether it flushes is its own affair. */
static void print_features_of(const json_t *vbd)
{
    static const struct {
        const char *head, *offered, *taken;
    } rows[] = {
        { "abi", "", "abi" },
        { "queues", "queues", "queues" },
        { "ring pages", "ring_pages", "ring_pages" },
        { "indirect segments", "indirect_segments", "indirect_segments" },
        { "persistent grants", "persistent", "" },
        { "grants", "", "grants" },
        { "flush", "flush", "" },
        { "barrier", "barrier", "" },
        { "discard", "discard", "discard" },
        { "secure discard", "secure_discard", "secure_discard" },
        { "sector bytes", "sector_bytes", "sector_bytes" },
        { "physical bytes", "physical_bytes", "" },
        { "write-through", "", "write_through" },
        { "paused", "", "paused" },
    };
    const json_t *offered = json_object_get(vbd, "offered");
    const json_t *taken = json_object_get(vbd, "taken");
    struct table table = { .nr_columns = 3, .indent = 2 };

    add_row(&table, (const char *[]){ "", "OFFERED", "TAKEN" });
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        char left[VALUE_BYTES], right[VALUE_BYTES];

        add_row(&table, (const char *[]){
            rows[i].head, value_text(offered, rows[i].offered, left),
            value_text(taken, rows[i].taken, right) });
    }
    finish_table(&table);
}

void print_features(const json_t *reply)
{
    char number[VALUE_BYTES];
    json_t *vbd;
    size_t i;

    json_array_foreach(json_object_get(reply, "vbds"), i, vbd) {
        printf("%s  disk %s  %s\n", text_of(vbd, "vbd"),
               number_text(json_object_get(vbd, "disk"), number),
               text_of(vbd, "state"));
        if (json_object_get(vbd, "error"))
            printf("  %s\n", text_of(vbd, "error"));
        print_features_of(vbd);
    }
}
