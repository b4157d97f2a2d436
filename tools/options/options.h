/* SPDX-License-Identifier: MIT
 * Options by table, for the programs whose --help is their own. What is wrong
 * is said in one sentence where it is found. */
#ifndef VBDD_OPTIONS_H
#define VBDD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum option_kind {
    OPTION_FLAG,   /* value: bool */
    OPTION_TEXT,   /* value: const char * */
    OPTION_LIST,   /* value: struct option_list; may be given again */
    OPTION_NUMBER, /* value: uint64_t, from min to max */
    OPTION_SIZE,   /* the same, in bytes, with K, M, G for powers of 1024 */
};

enum { OPTION_LIST_LENGTH = 16 };
struct option_list {
    const char *texts[OPTION_LIST_LENGTH];
    unsigned nr;
};

struct option {
    const char *name;        /* "--depth"; NULL ends a table */
    enum option_kind kind;
    void *value;
    const char *placeholder; /* in the help; NULL for a flag */
    const char *help;
    uint64_t min, max;
};

/* Takes the options out of argv, in any place (stops_at_word: only before the
 * first word that is none); what is left is in argv[0..*argc). False: it has
 * been said what is wrong. */
bool options_take(const struct option *options, int *argc, char **argv,
                  bool stops_at_word);
bool options_parse_number(const char *what, const char *text,
                          enum option_kind kind, uint64_t min, uint64_t max,
                          uint64_t *value);
void options_print(const struct option *options, FILE *to);
/* "read takes SECTOR COUNT" when argc is out of bounds. */
bool options_check_words(const char *command, const char *words, int argc,
                         int min, int max);

#endif
