/* SPDX-License-Identifier: MIT
 * Claim: every operation moves its data, whole and to where it belongs, in
 * every layout of the ring, on 1, 2 and 4 queues of 1, 2 and 16 pages, with and
 * without indirect requests, with grants that are copied, mapped and kept
 * mapped, and on disks with sectors of 512 bytes, of 512 on blocks of 4096, and
 * of 4096. Both ends have what they were asked for in each combination, and say
 * so.
 * Source: blkif.h; docs/PROTOCOL.md; C13, C14, C15.
 * Mechanism: the front-end driver in this process, vbdd and vbdd-disk over the
 * stand-in. Every sector that is written is stamped, and a model knows what
 * each must hold; a second, plain front end of another layout writes some of
 * it and reads all of it. docs/TESTING.md says how to read the table.
 *
 * With VBDD_TEST_SCALE only one combination in so many is tried; that there
 * are some of each kind is checked. */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/tap.h"

static const struct sectors all_sectors[] = {
    { "512", 512, 512 }, { "512e", 4096, 512 }, { "4096", 4096, 4096 },
};
static const char *const all_grants[] = { "copy", "map", "persistent" };
static const char *const abi_names[] = { "native", "x86_32", "x86_64" };
static const unsigned all_queues[] = { 1, 2, 4 };
static const unsigned all_orders[] = { 0, 1, 4 };
static const char *const indirect_names[] = { "direct", "indirect" };

enum { KINDS = 3, COLUMNS = KINDS * KINDS, CELL = 12,
       MOST_FAILURES = 5 }; /* of a disk, before it is given up */

static struct disk disk;
static unsigned nr_combinations, nr_tried, nr_good, nr_failures;
static unsigned tried[6][KINDS]; /* by dimension */

/* A combination's number has the dimensions for digits. A stride that has no
 * factor in common with them comes by every value of each, if it is not too
 * long. */
static bool is_chosen(unsigned number)
{
    enum { LONGEST = 49 };
    unsigned long stride = tap_env("VBDD_TEST_SCALE", 1);

    while (stride % 2 == 0 || stride % 3 == 0)
        stride++;
    return number % (stride < LONGEST ? stride : LONGEST) == 0;
}

/* --- one combination ----------------------------------------------------- */

/* 0, or the number of the step that failed. */
static unsigned run_steps(struct session *session)
{
    for (unsigned i = 0; i < nr_steps; i++) {
        const char *why = steps[i].run(session);

        if (why) {
            NOTE("step %u, %s: %s", i + 1, steps[i].name, why);
            return i + 1;
        }
    }
    return 0;
}

static unsigned try(const struct combination *combination)
{
    struct session session = {
        .combination = combination, .disk = &disk,
        .unit = combination->sectors->sector_bytes / SECTOR };
    const char *why = disk_prepare(&disk, combination->abi);
    unsigned failed;

    if (!CHECK(!why)) {
        NOTE("the witness: %s", why);
        return nr_steps;
    }
    failed = run_steps(&session);
    if (failed) {
        NOTE("that was %s, %s, %u queues of order %u",
             abi_names[combination->abi],
             indirect_names[combination->is_indirect], combination->queues,
             combination->order);
        nr_failures++;
        if (session.front)
            session_disconnect(&session);
        disk_reset(&disk);
    }
    return failed;
}

/* --- one disk, and its part of the table --------------------------------- */

static const struct sectors *sectors;
static const char *const *grants;

static void print_heads(void)
{
    printf("#\n# sectors %s, grants %s\n# %-16s", sectors->name, *grants,
           "queues");
    for (unsigned i = 0; i < COLUMNS; i++)
        printf("%4u", all_queues[i / KINDS]);
    printf("\n# %-16s", "ring page order");
    for (unsigned i = 0; i < COLUMNS; i++)
        printf("%4u", all_orders[i % KINDS]);
    printf("\n");
}

/* "ok", the number of the step that failed, or "-": not tried. */
static void fill_cell(struct combination combination, unsigned column,
                      char cell[CELL])
{
    const unsigned digits[] = {
        (unsigned)(sectors - all_sectors), (unsigned)(grants - all_grants),
        combination.abi, combination.is_indirect, column / KINDS,
        column % KINDS };
    unsigned failed;

    combination.queues = all_queues[column / KINDS];
    combination.order = all_orders[column % KINDS];
    strcpy(cell, "-");
    if (!is_chosen(nr_combinations++) || nr_failures >= MOST_FAILURES)
        return;
    for (unsigned i = 0; i < 6; i++)
        tried[i][digits[i]]++;
    nr_tried++;
    failed = try(&combination);
    if (CHECK_EQ(failed, 0)) {
        nr_good++;
        strcpy(cell, "ok");
    } else {
        snprintf(cell, CELL, "%u", failed);
    }
}

static void fill_row(enum vbdfront_abi abi, bool is_indirect,
                     char cells[COLUMNS][CELL])
{
    for (unsigned i = 0; i < COLUMNS; i++)
        fill_cell((struct combination){
            .sectors = sectors, .grants = *grants, .abi = abi,
            .is_indirect = is_indirect }, i, cells[i]);
}

static void check_disk(void)
{
    char cells[2 * KINDS][COLUMNS][CELL];

    nr_failures = 0;
    disk_open(&disk, sectors, *grants);
    for (unsigned row = 0; row < 2 * KINDS; row++)
        fill_row((enum vbdfront_abi)(row / 2), row % 2, cells[row]);
    disk_close(&disk);
    print_heads();
    for (unsigned row = 0; row < 2 * KINDS; row++) {
        printf("# %-7s%-9s", abi_names[row / 2], indirect_names[row % 2]);
        for (unsigned i = 0; i < COLUMNS; i++)
            printf("%4s", cells[row][i]);
        printf("\n");
    }
    CHECK_EQ(nr_failures, 0);
}

/* --- all ----------------------------------------------------------------- */

static void check_coverage(void)
{
    for (unsigned i = 0; i < 6; i++)
        for (unsigned value = 0; value < (i == 3 ? 2 : KINDS); value++)
            CHECK(tried[i][value] > 0);
    CHECK_EQ(nr_good, nr_tried);
    NOTE("%u of %u combinations tried, %u good; %llu operations, %llu sectors "
         "verified", nr_tried, nr_combinations, nr_good,
         (unsigned long long)data_operations,
         (unsigned long long)data_sectors);
}

int main(void)
{
    char sentence[128];

    world_start();
    data_open();
    for (unsigned i = 0; i < nr_steps; i++)
        NOTE("step %2u: %s", i + 1, steps[i].name);
    for (unsigned i = 0; i < KINDS * KINDS; i++) {
        sectors = &all_sectors[i / KINDS];
        grants = &all_grants[i % KINDS];
        snprintf(sentence, sizeof sentence, "sectors of %s, grants %s: every "
                 "operation, in every combination", sectors->name, *grants);
        TEST(sentence, check_disk);
    }
    TEST("every kind of each was tried, and all were good", check_coverage);
    world_end();
    return tap_done();
}
