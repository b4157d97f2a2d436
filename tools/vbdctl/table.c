/* SPDX-License-Identifier: MIT
 * Tables and values. */
#include "tools/vbdctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add_row(struct table *table, const char *const *cells)
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

void finish_table(struct table *table)
{
    int widths[TABLE_COLUMNS];

    for (unsigned i = 0; i < table->nr_columns; i++)
        widths[i] = width_of(table, i);
    for (unsigned row = 0; row < table->nr_rows; row++) {
        printf("%*s", (int)table->indent, "");
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

const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text && *text ? text : "-";
}

const char *bytes_text(const json_t *value, char text[VALUE_BYTES])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB",
                                         "PiB", "EiB" };
    double number = (double)json_integer_value(value);
    unsigned unit = 0;

    if (!value)
        return "-";
    for (; number >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++)
        number /= 1024;
    snprintf(text, VALUE_BYTES, unit ? "%.1f %s" : "%.0f %s", number,
             units[unit]);
    return text;
}

const char *us_text(const json_t *value, char text[VALUE_BYTES])
{
    double us = (double)json_integer_value(value);

    if (us >= 1e6)
        snprintf(text, VALUE_BYTES, "%.1f s", us / 1e6);
    else if (us >= 1e3)
        snprintf(text, VALUE_BYTES, "%.1f ms", us / 1e3);
    else
        snprintf(text, VALUE_BYTES, "%.0f us", us);
    return text;
}

const char *number_text(const json_t *value, char text[VALUE_BYTES])
{
    if (!value)
        return "-";
    snprintf(text, VALUE_BYTES, "%lld", (long long)json_integer_value(value));
    return text;
}

void print_counts(const char *what, const json_t *counts)
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
