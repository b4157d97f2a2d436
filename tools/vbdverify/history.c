/* SPDX-License-Identifier: MIT
 * The history in a file: written, and read again with suspicion. */
#include "tools/vbdverify/history.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/host/log.h"

enum { LINE_BYTES = 1 << 21, BUFFER_BYTES = 1 << 20 };

static const char kinds[] = "RWFZDLB"; /* by enum operation_kind */
static const char first_line[] = "vbdverify-history 1\n";

struct history {
    FILE *file;
    char *name, *line; /* line: of one that is read */
    unsigned long long number;
};

static struct history *open_file(const char *name, const char *mode)
{
    struct history *history = calloc(1, sizeof *history);

    if (!history)
        return NULL;
    history->name = strdup(name);
    history->line = malloc(LINE_BYTES);
    history->file = fopen(name, mode);
    if (history->file && history->name && history->line) {
        setvbuf(history->file, NULL, _IOFBF, BUFFER_BYTES);
        return history;
    }
    log_error("%s cannot be opened: %s", name, strerror(errno));
    history_close(history);
    return NULL;
}

bool history_close(struct history *history)
{
    bool is_good = true;

    if (!history)
        return true;
    if (history->file) {
        is_good = !ferror(history->file);
        is_good = fclose(history->file) == 0 && is_good;
        if (!is_good)
            log_error("%s could not be written", history->name);
    }
    free(history->name);
    free(history->line);
    free(history);
    return is_good;
}

/* --- writing -------------------------------------------------------------- */

struct history *history_create(const char *file, uint32_t run, uint64_t sector,
                               uint64_t nr_sectors, const char *const *names,
                               unsigned nr_paths)
{
    struct history *history = open_file(file, "w");

    if (!history)
        return NULL;
    fprintf(history->file, "%srun %u\nrange %llu %llu\n", first_line, run,
            (unsigned long long)sector, (unsigned long long)nr_sectors);
    for (unsigned i = 0; i < nr_paths; i++)
        fprintf(history->file, "path %s\n", names[i]);
    return history;
}

void history_invoke(struct history *history, unsigned slot,
                    const struct operation *operation, uint64_t at_us)
{
    fprintf(history->file, "i %u %u %c %llu %u %llu %llu\n", slot,
            operation->path, kinds[operation->kind],
            (unsigned long long)operation->sector, operation->nr_sectors,
            (unsigned long long)operation->sequence,
            (unsigned long long)at_us);
}

static void put_value(FILE *file, uint64_t value, uint32_t times)
{
    if (value == VALUE_ZEROS)
        fputs(" 0", file);
    else
        fprintf(file, " %u.%llu", value_writer(value),
                (unsigned long long)value_sequence(value));
    if (times > 1)
        fprintf(file, "x%u", times);
}

void history_answer(struct history *history, unsigned slot,
                    const struct operation *operation, enum outcome outcome,
                    const uint64_t *values, uint64_t at_us)
{
    bool has_values = outcome == OUTCOME_OK &&
                      operation->kind == OPERATION_READ;
    uint32_t nr = has_values ? operation->nr_sectors : 0, times;

    fprintf(history->file, "a %u %s %llu", slot,
            outcome == OUTCOME_OK ? "ok" : "failed",
            (unsigned long long)at_us);
    for (uint32_t i = 0; i < nr; i += times) {
        for (times = 1; i + times < nr && values[i + times] == values[i];)
            times++;
        put_value(history->file, values[i], times);
    }
    fputc('\n', history->file);
}

/* --- reading -------------------------------------------------------------- */

void history_blame(const struct history *history, const char *what)
{
    log_error("%s, line %llu: %s", history->name, history->number, what);
}

static bool next_line(struct history *history)
{
    history->number++;
    return fgets(history->line, LINE_BYTES, history->file) != NULL;
}

static bool read_path(const struct history *history,
                      struct history_head *head)
{
    char *name;

    if (head->nr_paths == HISTORY_PATHS)
        return false;
    name = head->names[head->nr_paths++];
    snprintf(name, HISTORY_NAME_BYTES, "%s", history->line + 5);
    name[strcspn(name, "\n")] = '\0';
    return true;
}

/* The first event's line is read again. */
static bool read_head(struct history *history, struct history_head *head)
{
    unsigned long long sector, nr_sectors;
    long start;

    if (!next_line(history) || strcmp(history->line, first_line) != 0 ||
        !next_line(history) ||
        sscanf(history->line, "run %u\n", &head->run) != 1 ||
        !next_line(history) ||
        sscanf(history->line, "range %llu %llu\n", &sector, &nr_sectors) != 2)
        return false;
    head->sector = sector;
    head->nr_sectors = nr_sectors;
    while ((start = ftell(history->file)) >= 0 && next_line(history)) {
        if (strncmp(history->line, "path ", 5) != 0)
            break;
        if (!read_path(history, head))
            return false;
    }
    history->number--;
    return start >= 0 && fseek(history->file, start, SEEK_SET) == 0 &&
           head->nr_paths > 0 && nr_sectors > 0 &&
           sector < UINT64_MAX / 1024 && nr_sectors < UINT64_MAX / 1024;
}

struct history *history_open(const char *file, struct history_head *head)
{
    struct history *history = open_file(file, "r");

    memset(head, 0, sizeof *head);
    if (!history || read_head(history, head))
        return history;
    history_blame(history, "this is not a history's beginning");
    history_close(history);
    return NULL;
}

/* A number, and the blank before it. */
static bool take_number(char **at, uint64_t most, uint64_t *number)
{
    char *end;

    if (**at != ' ')
        return false;
    *number = strtoull(*at + 1, &end, 10);
    if (end == *at + 1 || *number > most)
        return false;
    *at = end;
    return true;
}

static bool read_invocation(char *at, struct history_event *event)
{
    struct operation *operation = &event->operation;
    uint64_t slot, path, count;
    const char *kind;

    if (!take_number(&at, HISTORY_SLOTS - 1, &slot) ||
        !take_number(&at, HISTORY_PATHS - 1, &path) || *at++ != ' ' ||
        !*at || !(kind = strchr(kinds, *at++)) ||
        !take_number(&at, UINT64_MAX, &operation->sector) ||
        !take_number(&at, HISTORY_SECTORS, &count) ||
        !take_number(&at, UINT64_MAX, &operation->sequence) ||
        !take_number(&at, UINT64_MAX, &event->at_us))
        return false;
    event->slot = (unsigned)slot;
    operation->path = (unsigned)path;
    operation->kind = (enum operation_kind)(kind - kinds);
    operation->nr_sectors = (uint32_t)count;
    return *at == '\n';
}

static bool read_value(char **at, uint64_t *value, uint64_t *times)
{
    uint64_t writer, sequence;

    if (!take_number(at, UINT16_MAX, &writer))
        return false;
    *value = VALUE_ZEROS;
    if (**at == '.') {
        **at = ' ';
        if (!take_number(at, value_sequence(UINT64_MAX), &sequence))
            return false;
        *value = VALUE_OF(writer, sequence);
    }
    *times = 1;
    if (**at != 'x')
        return writer == 0 || *value != VALUE_ZEROS;
    **at = ' ';
    return take_number(at, HISTORY_SECTORS, times);
}

static bool read_answer(char *at, struct history_event *event)
{
    static const char ok[] = " ok", failed[] = " failed";
    uint64_t slot, value, times;
    bool is_ok;

    if (!take_number(&at, HISTORY_SLOTS - 1, &slot))
        return false;
    event->slot = (unsigned)slot;
    is_ok = strncmp(at, ok, strlen(ok)) == 0;
    event->outcome = is_ok ? OUTCOME_OK : OUTCOME_FAILED;
    if (!is_ok && strncmp(at, failed, strlen(failed)) != 0)
        return false;
    at += is_ok ? strlen(ok) : strlen(failed);
    if (!take_number(&at, UINT64_MAX, &event->at_us))
        return false;
    for (event->nr_values = 0; *at == ' ';) {
        if (!read_value(&at, &value, &times) ||
            times > HISTORY_SECTORS - event->nr_values)
            return false;
        while (times-- > 0)
            event->values[event->nr_values++] = value;
    }
    return *at == '\n';
}

int history_next(struct history *history, struct history_event *event)
{
    char *line = history->line;

    if (!next_line(history))
        return 0;
    event->is_answer = line[0] == 'a';
    memset(&event->operation, 0, sizeof event->operation);
    if (event->is_answer ? read_answer(line + 1, event)
                         : line[0] == 'i' && read_invocation(line + 1, event))
        return 1;
    history_blame(history, "this is not an event");
    return -1;
}
