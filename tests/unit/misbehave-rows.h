/* SPDX-License-Identifier: MIT
 * The table of misbehaviours, and what is done around each row: the offender
 * is connected as the row wants it, misbehaves, is seen to get what the row
 * says, connects once more in order, and finds its data as it was. The rows are
 * those of docs/PROTOCOL.md, "What a front end may do wrong, and what comes of
 * it"; tests/arch/check-misbehaviours.sh compares them. */
#ifndef VBDD_TESTS_MISBEHAVE_ROWS_H
#define VBDD_TESTS_MISBEHAVE_ROWS_H

#include <errno.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "tests/unit/misbehave-stack.h"

/* The words of docs/PROTOCOL.md. */
enum outcome { OKAY, ERROR, UNSUPPORTED, BROKEN, REFUSED, CLOSED, RESTARTED,
               SERVED, IGNORED, NO_OUTCOME };
static const char *const outcome_texts[] = {
    "OKAY", "ERROR", "UNSUPPORTED", "BROKEN", "REFUSED", "CLOSED",
    "RESTARTED", "SERVED", "IGNORED", "none of them" };

/* check-misbehaviours.sh reads the first four out of the source. */
struct row {
    unsigned number;
    const char *name;
    enum outcome outcome;
    const char *said; /* in the node error; NULL: there is no such node */
    enum outcome (*run)(const void *with); /* returns what came of it */
    const void *with;
};

static struct {
    struct rig_guest guest;
    const struct rig_device *device; /* the one it uses */
    bool has_written; /* to the row's sectors, and was told that it has */
} offender;

static const struct row *current_row;

/* --- in and out ----------------------------------------------------------- */

static inline void offender_enter(enum device device, struct wish wish)
{
    offender.device = &stack.devices[device];
    enter(&offender.guest, offender.device, &wish);
}

static inline void offender_join(enum device device, struct wish wish)
{
    offender.device = &stack.devices[device];
    join(&offender.guest, offender.device, &wish);
}

/* Whatever it has written for its ring. */
static inline void remove_nodes(void)
{
    static const char toolstacks[] = " backend backend-id virtual-device "
                                     "device-type trusted state ";
    char **names, word[80];
    unsigned nr;

    names = xs_directory(rig_xs, XBT_NULL, offender.device->front, &nr);
    for (unsigned i = 0; names && i < nr; i++) {
        snprintf(word, sizeof word, " %s ", names[i]);
        if (!strstr(toolstacks, word))
            node_remove(offender.device, names[i]);
    }
    free(names);
}

/* What the toolstack had written, and is gone or has been written over. */
static inline void remake_nodes(void)
{
    const struct rig_device *device = offender.device;

    rig_write(device->front, "backend", device->back);
    rig_write(device->front, "backend-id", "0");
    rig_write(device->front, "virtual-device", strrchr(device->front, '/') + 1);
    rig_write(device->front, "device-type", "disk");
    rig_write(device->front, "trusted", "1");
}

/* All is given back: no page of a ring is mapped any more. */
static inline void offender_leave(void)
{
    rig_front(offender.device, "6");
    CHECK(rig_back_is(offender.device, "6"));
    CHECK_EQ(rig_end_rings(&offender.guest), 0);
    offender.guest.nr_queues = 0;
    remove_nodes();
}

/* --- what came of it ------------------------------------------------------ */

static inline enum outcome outcome_of(int status)
{
    switch (status) {
    case BLKIF_RSP_OKAY:
        return OKAY;
    case BLKIF_RSP_ERROR:
        return ERROR;
    case BLKIF_RSP_EOPNOTSUPP:
        return UNSUPPORTED;
    default:
        return NO_OUTCOME;
    }
}

/* How it ends: the state that is wanted, or Closed. */
static inline enum outcome outcome_of_state(enum xenbus_state wanted)
{
    enum xenbus_state state = back_settles(offender.device, wanted,
                                           XENBUS_CLOSED);

    if (state == XENBUS_CONNECTED)
        return SERVED;
    if (state == XENBUS_INIT_WAIT)
        return RESTARTED;
    if (state != XENBUS_CLOSED)
        return NO_OUTCOME;
    return rig_exists(offender.device->back, "error") ? REFUSED : CLOSED;
}

/* Is it served as before? Then a page can be written and read. */
static inline enum outcome outcome_of_io(void)
{
    struct blkif_wire_request r = rig_request_at(&offender.guest,
                                                 BLKIF_OP_READ, OWN_SECTOR,
                                                 RIG_DATA_FRAME, 1, false);
    enum outcome outcome = outcome_of(rig_do(&offender.guest, r));

    CHECK_EQ(rig_differences(&offender.guest, 1, 1), 0);
    for (unsigned i = 0; i < r.nr_segments; i++)
        local_grant_end(offender.guest.local, r.segments[i].gref);
    return outcome == OKAY && back_state(offender.device) == XENBUS_CONNECTED
               ? SERVED : NO_OUTCOME;
}

/* --- the offender's own data ---------------------------------------------- */

static inline void fill_data(void)
{
    memset(rig_frame(&offender.guest, RIG_DATA_FRAME), 0x5a,
           16 * (size_t)LOCAL_PAGE_BYTES);
}

/* Nothing has been written into the pages of the first data frames. */
static inline bool data_is_untouched(void)
{
    const char *data = rig_frame(&offender.guest, RIG_DATA_FRAME);

    return data[0] == 0x5a &&
           memcmp(data, data + 1, 16 * LOCAL_PAGE_BYTES - 1) == 0;
}

static inline void move_all(uint8_t operation)
{
    struct blkif_wire_request r = rig_indirect(&offender.guest, operation, 0,
                                               OFFENDER_PAGES, false);

    CHECK_EQ(rig_do(&offender.guest, r), BLKIF_RSP_OKAY);
    rig_end_indirect(&offender.guest, &r, RIG_DESCRIPTOR_FRAME,
                     OFFENDER_PAGES);
}

static inline void stamp_all(void)
{
    rig_stamp(&offender.guest, OFFENDER_PAGES, 1);
    move_all(BLKIF_OP_WRITE);
}

/* Connects in order, and finds everything as it was; what it has written is
 * put right. */
static inline void check_recovery(void)
{
    unsigned kept = offender.has_written ? OWN_PAGES : OFFENDER_PAGES;

    offender_join(PLAIN, (struct wish){ 0 });
    CHECK(!rig_exists(offender.device->back, "error"));
    memset(rig_frame(&offender.guest, RIG_DATA_FRAME), 0,
           OFFENDER_PAGES * (size_t)LOCAL_PAGE_BYTES);
    move_all(BLKIF_OP_READ);
    CHECK_EQ(rig_differences(&offender.guest, kept, 1), 0);
    if (offender.has_written)
        stamp_all();
    offender_leave();
}

/* --- rows ----------------------------------------------------------------- */

static inline void run_row(void)
{
    const struct row *row = current_row;
    enum outcome outcome;

    fill_data();
    offender.has_written = false;
    outcome = row->run(row->with);
    if (!CHECK_EQ(outcome, row->outcome))
        NOTE("wanted %s, got %s", outcome_texts[row->outcome],
             outcome_texts[outcome]);
    if (row->said)
        CHECK(rig_holds(offender.device->back, "error", row->said));
    else
        CHECK(!rig_exists(offender.device->back, "error"));
    offender_leave();
    check_recovery();
    check_neighbours();
}

/* Every device has been used once: from here on all is to stay as it is. */
static inline void check_start(void)
{
    open_guest(&offender.guest, OFFENDER);
    for (unsigned i = NR_DEVICES; i-- > 0; ) { /* PLAIN is the last */
        offender_join((enum device)i, (struct wish){ 0 });
        if (i == PLAIN)
            stamp_all();
        offender_leave();
    }
    check_neighbours();
    stack.nodes = all_nodes();
    stack.held = all_held();
    NOTE("%s", stack.held);
}

/* Entries of the offender's grant table that are not empty. */
static inline unsigned grants_left(void)
{
    const struct grant_entry_v1 *table =
        (const void *)rig_frame(&offender.guest, 0);
    unsigned nr = 0;

    for (unsigned i = 0; i < LOCAL_MAX_GRANTS; i++)
        nr += table[i].flags != 0;
    return nr;
}

static inline void check_end(void)
{
    check_same(all_nodes, stack.nodes);
    check_same(all_held, stack.held);
    CHECK_EQ(grants_left(), 0);
    check_log();
    local_close(offender.guest.local);
    stack_end();
}

/* VBDD_TEST_ROW=n: that row alone. */
static inline int run_rows(const struct row *rows, unsigned nr,
                           const char *engine)
{
    unsigned long only = tap_env("VBDD_TEST_ROW", 0);
    char title[128];

    stack_start(engine);
    TEST("an offender and its neighbours are served", check_start);
    for (unsigned i = 0; i < nr; i++) {
        if (only && only != rows[i].number)
            continue;
        current_row = &rows[i];
        snprintf(title, sizeof title, "%u: %s: %s", rows[i].number,
                 rows[i].name, outcome_texts[rows[i].outcome]);
        TEST(title, run_row);
    }
    TEST("nothing is left over: nodes, descriptors, mappings, grants, lines",
         check_end);
    return tap_done();
}

#endif
