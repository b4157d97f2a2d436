/* SPDX-License-Identifier: MIT
 * The log: one writev(2) a line, so that lines of several processes that
 * share a terminal do not mix, or one entry of the journal. */
#include "common/host/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "common/host/journal.h"

enum { LINE_BYTES = 1024 };

static const char *log_name = "vbdd";
static enum log_level log_threshold = LOG_LEVEL_INFO;
static bool log_to_journal;
static struct journal_entry log_fields; /* of every entry */

static const struct {
    const char *text;
    int priority; /* of syslog(3) */
} level_info[] = {
    [LOG_LEVEL_ERROR] = { "error", 3 },
    [LOG_LEVEL_WARNING] = { "warning", 4 },
    [LOG_LEVEL_INFO] = { "info", 6 },
    [LOG_LEVEL_DEBUG] = { "debug", 7 },
};

void log_set_level(enum log_level level)
{
    __atomic_store_n(&log_threshold, level, __ATOMIC_RELAXED);
}

void log_init(const char *name, enum log_level level)
{
    log_name = name;
    log_set_level(level);
    log_to_journal = journal_is_stderr() && journal_open(JOURNAL_SOCKET);
}

void log_add_field(const char *name, const char *value)
{
    journal_add(&log_fields, name, value, strlen(value));
}

int log_level_parse(const char *text, enum log_level *level)
{
    for (unsigned i = 0; i < sizeof level_info / sizeof *level_info; i++) {
        if (strcmp(text, level_info[i].text) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *log_level_text(enum log_level level)
{
    return level_info[level].text;
}

/* "5/xvda: ", "domain 5: " or "disk 3: ", as people read it, is what fields
 * are for. */
static void add_subject(struct journal_entry *entry, const char *message)
{
    size_t number = strspn(message, "0123456789"), word;
    const char *field = "VBDD_DOMID";

    if (number > 0 && message[number] == '/') {
        word = strcspn(message + number + 1, ": ");
        if (!word || strncmp(message + number + 1 + word, ": ", 2) != 0)
            return;
        journal_add(entry, field, message, number);
        journal_add(entry, "VBDD_VDEV", message + number + 1, word);
        return;
    }
    if (strncmp(message, "disk ", 5) == 0)
        field = "VBDD_DISK";
    else if (strncmp(message, "domain ", 7) != 0)
        return;
    message = strchr(message, ' ') + 1;
    number = strspn(message, "0123456789");
    if (number > 0 && message[number] == ':')
        journal_add(entry, field, message, number);
}

/* Not inline: two such buffers in one frame are too many when instrumented. */
__attribute__((noinline))
static int send_entry(enum log_level level, const char *message)
{
    struct journal_entry entry = log_fields;
    char priority = (char)('0' + level_info[level].priority);

    journal_add(&entry, "MESSAGE", message, strlen(message));
    journal_add(&entry, "PRIORITY", &priority, 1);
    journal_add(&entry, "SYSLOG_IDENTIFIER", log_name, strlen(log_name));
    add_subject(&entry, message);
    return journal_send(&entry);
}

/* In the journal's stream, if it takes no entry, with its mark of priority. */
static void write_line(enum log_level level, const char *message)
{
    char head[64];
    bool is_bad = level <= LOG_LEVEL_WARNING;
    struct iovec parts[] = { { head, 0 }, { (char *)message, strlen(message) },
                             { (char *)"\n", 1 } };

    if (log_to_journal)
        snprintf(head, sizeof head, "<%d>", level_info[level].priority);
    else
        snprintf(head, sizeof head, "%s: %s%s", log_name,
                 is_bad ? level_info[level].text : "", is_bad ? ": " : "");
    parts[0].iov_len = strlen(head);
    if (writev(STDERR_FILENO, parts, 3) < 0) { /* nowhere left to say it */ }
}

void log_message(enum log_level level, const char *format, ...)
{
    char message[LINE_BYTES];
    int saved_errno = errno;
    va_list arguments;

    if (level > __atomic_load_n(&log_threshold, __ATOMIC_RELAXED))
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    for (char *at = message; *at; at++) /* a message is a line */
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = '?';
    if (!log_to_journal || send_entry(level, message) < 0)
        write_line(level, message);
    errno = saved_errno;
}

bool log_allowed(struct log_limit *limit)
{
    uint64_t now = host_now_us();

    if (limit->window_start_us == 0 ||
        now - limit->window_start_us >= 60 * 1000000ull) {
        if (limit->swallowed)
            log_warning("%u similar messages were not shown",
                        limit->swallowed);
        *limit = (struct log_limit){ .window_start_us = now };
    }
    if (limit->shown < LOG_LIMIT_BURST) {
        limit->shown++;
        return true;
    }
    limit->swallowed++;
    return false;
}

void log_limit_end(struct log_limit *limit, const char *name)
{
    if (limit->swallowed)
        log_warning("%s: %u similar messages were not shown", name,
                    limit->swallowed);
    *limit = (struct log_limit){ 0 };
}

uint64_t host_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}
