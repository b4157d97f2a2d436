/* SPDX-License-Identifier: MIT
 * One log for every hosted program: lines on standard error, or, when systemd
 * listens there, entries of its journal with fields: what log_add_field() gave
 * to all, VBDD_DOMID and VBDD_VDEV of a message that begins with "5/xvda: ", or
 * VBDD_DOMID of "domain 5: ", VBDD_DISK of "disk 3: ". Any thread. */
#ifndef VBDD_HOST_LOG_H
#define VBDD_HOST_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
                 LOG_LEVEL_DEBUG };

/* name (borrowed for ever) starts each line; nothing above level is shown. */
void log_init(const char *name, enum log_level level);
/* Of all entries from here on; before there are threads. */
void log_add_field(const char *name, const char *value);
/* From here on, for all threads. */
void log_set_level(enum log_level level);
/* "error", "warning", "info", "debug"; -EINVAL for anything else. */
int log_level_parse(const char *text, enum log_level *level);
const char *log_level_text(enum log_level level);

void log_message(enum log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_message(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_message(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_message(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_message(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* What a guest can cause is logged through a limit (XSA-180): at most burst
 * lines a minute for each limit; when lines are let through again, or the
 * source goes, the number of those swallowed is said. Zero-initialise one
 * limit per source. */
struct log_limit {
    uint64_t window_start_us;
    unsigned shown, swallowed;
};
enum { LOG_LIMIT_BURST = 10 };
/* True when the line may be shown; prints the count of the swallowed. */
bool log_allowed(struct log_limit *limit);
#define log_limited(limit, level, ...)                                       \
    do {                                                                     \
        if (log_allowed(limit))                                              \
            log_message((level), __VA_ARGS__);                               \
    } while (0)

/* The source, by its name for people, has gone. */
void log_limit_end(struct log_limit *limit, const char *name);

/* CLOCK_MONOTONIC in microseconds. */
uint64_t host_now_us(void);

#endif
