/* SPDX-License-Identifier: MIT
 * vbdverify: what its parts share. Errors are said where they are found. */
#ifndef VBDD_VBDVERIFY_H
#define VBDD_VBDVERIFY_H

#include <stdio.h>

#include "tools/vbdverify/check.h"
#include "tools/vbdverify/history.h"
#include "tools/vbdverify/path.h"

enum { EXIT_OK = 0, EXIT_VIOLATIONS = 1, EXIT_USAGE = 2, EXIT_DISK = 3 };

/* --- load.c: what a path does next ---------------------------------------- */

struct load {
    uint64_t sector, nr_sectors; /* the range */
    uint64_t most_sectors;       /* of one operation */
    unsigned weights[OPERATION_KINDS];
    uint64_t random;
};

/* "read=50,write=45": a kind that is not named gets none. */
bool load_parse_mix(struct load *load, const char *mix);
/* Kind and place of the next one, of those that the path can do; FLUSHes and
 * reads if there is nothing else. */
void load_choose(struct load *load, const struct path *path,
                 struct operation *operation);

/* --- data.c: stamps ------------------------------------------------------- */

/* The data of a write. */
void data_fill(const struct operation *operation, uint32_t run,
               uint8_t *data);
/* What each sector of data holds. */
void data_look(uint64_t sector, uint32_t nr_sectors, uint32_t run,
               const uint8_t *data, uint64_t *values);
/* The range of an image, or NULL and it has been said; freed by the caller. */
uint64_t *data_look_at_image(const char *file, uint64_t sector,
                             uint64_t nr_sectors, uint32_t run);

/* --- run.c ---------------------------------------------------------------- */

struct run {
    struct load load;
    struct path paths[CHECK_MAX_PATHS];
    const char *names[CHECK_MAX_PATHS];
    unsigned nr_paths;
    uint32_t run;             /* in the stamps */
    uint64_t depth, timeout_s;
    uint64_t time_s;          /* 0: until all quotas are done */
    bool allows_errors;
    struct check *check;
    struct history *history;  /* NULL: none is kept */
    /* The run's own: */
    uint64_t start_us, end_us;
    unsigned nr_in_flight;
    bool is_over;             /* nothing new is begun */
    bool has_failed;          /* the disk or a path */
};

/* Zeros, a load on all paths, and its end. The paths are open. EXIT_OK or
 * EXIT_DISK. */
int run_verify(struct run *run);
/* Also of one that could not be opened. */
void run_close_path(struct path *path);

/* --- report.c ------------------------------------------------------------- */

/* Prints the first of them. */
void report_violation(void *context, enum violation violation,
                      uint64_t sector, const char *sentence);
void report_summary(const struct check_stats *stats,
                    const char *const *names, unsigned nr_paths,
                    uint64_t took_us);

/* --- judge.c -------------------------------------------------------------- */

enum image_kind {
    IMAGE_NONE,
    IMAGE_END, /* left by a crash that ended the history */
    IMAGE_CUT, /* by one at any moment of it */
};
/* vbdverify check HISTORY [--image FILE | --cut FILE]. EXIT_... */
int judge_history(const char *history, const char *image,
                  enum image_kind kind);

#endif
