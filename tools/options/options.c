/* SPDX-License-Identifier: MIT
 * Options by table: what is parsed is what --help prints. */
#include "tools/options/options.h"

#include <string.h>

#include "common/host/log.h"

bool options_parse_number(const char *what, const char *text,
                          enum option_kind kind, uint64_t min, uint64_t max,
                          uint64_t *value)
{
    static const char units[] = "KMG";
    const char *at = text, *unit;
    uint64_t number = 0;
    bool is_good = *at >= '0' && *at <= '9';

    for (; is_good && *at >= '0' && *at <= '9'; at++)
        is_good = !__builtin_mul_overflow(number, 10, &number) &&
                  !__builtin_add_overflow(number, (uint64_t)(*at - '0'),
                                          &number);
    if (is_good && kind == OPTION_SIZE && *at &&
        (unit = strchr(units, *at)) != NULL) {
        at++;
        for (; is_good && unit >= units; unit--)
            is_good = !__builtin_mul_overflow(number, 1024, &number);
    }
    if (is_good && *at == '\0' && number >= min && number <= max) {
        *value = number;
        return true;
    }
    log_error("%s is \"%s\", expected a number from %llu to %llu%s", what,
              text, (unsigned long long)min, (unsigned long long)max,
              kind == OPTION_SIZE ? ", K, M or G may follow" : "");
    return false;
}

static bool add_to_list(const struct option *option, const char *text)
{
    struct option_list *list = option->value;

    if (list->nr < OPTION_LIST_LENGTH) {
        list->texts[list->nr++] = text;
        return true;
    }
    log_error("%s was given more than %u times", option->name, list->nr);
    return false;
}

static bool set_value(const struct option *option, const char *text)
{
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)option->value = true;
        return true;
    case OPTION_TEXT:
        *(const char **)option->value = text;
        return true;
    case OPTION_LIST:
        return add_to_list(option, text);
    case OPTION_NUMBER:
    case OPTION_SIZE:
        break;
    }
    return options_parse_number(option->name, text, option->kind, option->min,
                                option->max, option->value);
}

/* "--name" or "--name=value": the option, and where its value begins. */
static const struct option *find_option(const struct option *options,
                                        const char *word, const char **value)
{
    size_t length = strcspn(word, "=");

    *value = word[length] == '=' ? word + length + 1 : NULL;
    for (; options && options->name; options++) {
        if (strlen(options->name) == length &&
            strncmp(options->name, word, length) == 0)
            return options;
    }
    return NULL;
}

/* One option at argv[*at]; *at then is its last word. */
static bool take_option(const struct option *options, int argc, char **argv,
                        int *at)
{
    const char *value;
    const struct option *option = find_option(options, argv[*at], &value);

    if (!option) {
        log_error("%s is not an option here: see --help", argv[*at]);
        return false;
    }
    if (option->kind == OPTION_FLAG && value) {
        log_error("%s is \"%s\", expected no value", option->name, value);
        return false;
    }
    if (option->kind != OPTION_FLAG && !value && *at + 1 < argc)
        value = argv[++*at];
    if (option->kind != OPTION_FLAG && !value) {
        log_error("%s has no value, expected %s", option->name,
                  option->placeholder);
        return false;
    }
    return set_value(option, value);
}

bool options_take(const struct option *options, int *argc, char **argv,
                  bool stops_at_word)
{
    int left = 0, at = 0;

    for (; at < *argc; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strncmp(argv[at], "--", 2) == 0) {
            if (!take_option(options, *argc, argv, &at))
                return false;
        } else if (stops_at_word) {
            break;
        } else {
            argv[left++] = argv[at];
        }
    }
    while (at < *argc)
        argv[left++] = argv[at++];
    *argc = left;
    return true;
}

void options_print(const struct option *options, FILE *to)
{
    char left[40];

    for (; options && options->name; options++) {
        snprintf(left, sizeof left, "%s%s%s", options->name,
                 options->placeholder ? " " : "",
                 options->placeholder ? options->placeholder : "");
        fprintf(to, "      %-20s %s\n", left, options->help);
    }
}

bool options_check_words(const char *command, const char *words, int argc,
                         int min, int max)
{
    if (argc >= min && argc <= max)
        return true;
    if (*words)
        log_error("%s got %d words, expected %s", command, argc, words);
    else
        log_error("%s got %d words, expected none", command, argc);
    return false;
}
