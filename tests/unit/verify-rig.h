/* SPDX-License-Identifier: MIT
 * Histories by hand for the tests of vbdverify's checker: each line is an
 * event or two, the microsecond is the event's number. */
#ifndef VBDD_TESTS_VERIFY_RIG_H
#define VBDD_TESTS_VERIFY_RIG_H

#include "tests/unit/tap.h"

#include "tools/vbdverify/check.h"

enum { RIG_OPERATIONS = 256, RIG_SECTOR = 2958215, RIG_SECTORS = 4,
       RIG_PATHS = 3 };

static struct check *check;
static struct operation operations[RIG_OPERATIONS];
static unsigned nr_operations;
static uint64_t sequences[RIG_PATHS];
/* What was reported last, and of which kind. */
static char rig_sentence[CHECK_SENTENCE_BYTES];
static int rig_violation;
static uint64_t rig_sector;

static inline void rig_report(void *context, enum violation violation,
                              uint64_t sector, const char *sentence)
{
    (void)context;
    rig_violation = (int)violation;
    rig_sector = sector;
    snprintf(rig_sentence, sizeof rig_sentence, "%s", sentence);
}

static inline void rig_open(bool has_image)
{
    static const char *const names[] = { "ring 1", "nbd 1", "int13 1" };
    struct check_config config = {
        .nr_paths = RIG_PATHS, .names = names, .sector = RIG_SECTOR,
        .nr_sectors = RIG_SECTORS, .has_image = has_image,
        .report = rig_report };

    check_close(check);
    REQUIRE(check_open(&config, &check) == 0);
    nr_operations = 0;
    memset(sequences, 0, sizeof sequences);
    rig_sentence[0] = '\0';
    rig_violation = -1;
}

static inline uint64_t rig_now(void)
{
    return check_get_stats(check)->events + 1;
}

/* at: counted from the first sector of the range. */
static inline struct operation *begin_at(enum operation_kind kind,
                                         unsigned path, uint64_t at,
                                         uint32_t nr_sectors)
{
    struct operation *operation = &operations[nr_operations++];

    REQUIRE(nr_operations < RIG_OPERATIONS);
    *operation = (struct operation){ .kind = kind, .path = path,
                                     .sector = RIG_SECTOR + at,
                                     .nr_sectors = nr_sectors };
    if (operation_changes(operation))
        operation->sequence = ++sequences[path];
    check_invoke(check, operation, rig_now());
    return operation;
}

static inline struct operation *begin(enum operation_kind kind, unsigned path)
{
    return begin_at(kind, path, 0, kind == OPERATION_FLUSH ? 0 : 1);
}

static inline uint64_t end(struct operation *operation, enum outcome outcome)
{
    check_answer(check, operation, outcome, NULL, rig_now());
    return value_of_operation(operation);
}

static inline void end_read(struct operation *operation, uint64_t value)
{
    check_answer(check, operation, OUTCOME_OK, &value, rig_now());
}

/* --- whole operations ----------------------------------------------------- */

static inline uint64_t do_write(enum operation_kind kind, unsigned path)
{
    return end(begin(kind, path), OUTCOME_OK);
}

static inline void do_read(unsigned path, uint64_t value)
{
    end_read(begin(OPERATION_READ, path), value);
}

static inline uint64_t rig_violations(void)
{
    return check_get_stats(check)->nr_violations;
}

#endif
