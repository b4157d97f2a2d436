/* SPDX-License-Identifier: MIT
 * Tables whose columns have the width that they need, and values as people
 * read them. A value that is not there is "-". */
#ifndef VBDD_VBDCTL_TABLE_H
#define VBDD_VBDCTL_TABLE_H

#include <jansson.h>

enum { TABLE_COLUMNS = 12, VALUE_BYTES = 32 };

struct table {
    unsigned nr_columns, nr_rows, indent;
    char *(*rows)[TABLE_COLUMNS];
};

/* nr_columns cells, copied. */
void add_row(struct table *table, const char *const *cells);
/* Prints the table and frees it. */
void finish_table(struct table *table);

/* A string member, "-" when it is absent or empty. */
const char *text_of(const json_t *object, const char *name);
/* These return text, or a constant. */
const char *bytes_text(const json_t *value, char text[VALUE_BYTES]);
const char *us_text(const json_t *value, char text[VALUE_BYTES]);
const char *number_text(const json_t *value, char text[VALUE_BYTES]);

/* A line of counts by operation: those that were, and read, write, flush. */
void print_counts(const char *what, const json_t *counts);

#endif
