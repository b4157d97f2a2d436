/* SPDX-License-Identifier: MIT
 * The log: one write(2) a line, so that lines of several processes that
 * share a terminal or a journal stream do not mix. */
#include "common/host/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *log_name = "vbdd";
static enum log_level log_threshold = LOG_LEVEL_INFO;
static bool log_to_journal;

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
    log_to_journal = getenv("JOURNAL_STREAM") != NULL;
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

void log_message(enum log_level level, const char *format, ...)
{
    char line[1024];
    int saved_errno = errno, used;
    va_list arguments;

    if (level > __atomic_load_n(&log_threshold, __ATOMIC_RELAXED))
        return;
    if (log_to_journal)
        used = snprintf(line, sizeof line, "<%d>", level_info[level].priority);
    else
        used = snprintf(line, sizeof line, "%s: %s", log_name,
                        level <= LOG_LEVEL_WARNING ? level_info[level].text
                                                   : "");
    if (!log_to_journal && level <= LOG_LEVEL_WARNING)
        used += snprintf(line + used, sizeof line - used, ": ");
    va_start(arguments, format);
    used += vsnprintf(line + used, sizeof line - used - 1, format, arguments);
    va_end(arguments);
    if (used > (int)sizeof line - 2)
        used = sizeof line - 2;
    line[used++] = '\n';
    if (write(STDERR_FILENO, line, used) < 0) { /* nowhere left to say it */ }
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
