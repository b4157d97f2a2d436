/* SPDX-License-Identifier: MIT
 * Claim: of a front end's nodes only numbers in range come out, and each node
 * is read once, so that one that changes meanwhile is judged as it was read.
 * Source: ARCHITECTURE.md; blkif.h ring-ref, event-channel, protocol.
 * Mechanism: store_read_in() is this test's: it counts, and changes its
 * answers. supervisor-states has the same over a real store. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/supervisor/front.h"
#include "backend/supervisor/text.h"
#include "common/blkif/ring.h"
#include "tests/unit/tap.h"

static struct {
    const char *name, *value;
    int error;
    unsigned reads;
} nodes[] = {
    { "ring-ref", NULL, 0, 0 }, { "ring-ref0", NULL, 0, 0 },
    { "ring-page-order", NULL, 0, 0 }, { "event-channel", NULL, 0, 0 },
    { "protocol", NULL, 0, 0 },
};
enum { NR_NODES = sizeof nodes / sizeof *nodes };

int store_read_in(struct store *store, const char *dir, const char *name,
                  char *value, unsigned size, unsigned *length)
{
    (void)store;
    CHECK_STR(dir, "front");
    for (unsigned i = 0; i < NR_NODES; i++) {
        if (strcmp(name, nodes[i].name) != 0)
            continue;
        if (nodes[i].reads++) { /* the guest has changed it meanwhile */
            strcpy(value, "666");
            *length = 3;
            return 0;
        }
        if (nodes[i].error)
            return nodes[i].error;
        if (!nodes[i].value)
            return -ENOENT;
        *length = (unsigned)strlen(nodes[i].value);
        REQUIRE(*length < size);
        strcpy(value, nodes[i].value);
        return 0;
    }
    return -ENOENT;
}

static void set(const char *name, const char *value, int error)
{
    for (unsigned i = 0; i < NR_NODES; i++) {
        if (strcmp(name, nodes[i].name) == 0) {
            nodes[i].value = value;
            nodes[i].error = error;
        }
        nodes[i].reads = 0;
    }
}

static void reset(void)
{
    for (unsigned i = 0; i < NR_NODES; i++)
        set(nodes[i].name, NULL, 0);
    set("ring-ref", "8", 0);
    set("event-channel", "3", 0);
}

static void check_once(void)
{
    struct message_connect connect = { 0 };
    char reason[FRONT_REASON_BYTES];

    reset();
    set("protocol", "x86_32-abi", 0);
    CHECK_EQ(front_read_ring(NULL, "front", &connect, reason), 0);
    CHECK_EQ(connect.queues[0].grefs[0], 8);
    CHECK_EQ(connect.queues[0].event_port, 3);
    CHECK_EQ(connect.queues[0].nr_pages, 1);
    CHECK_EQ(connect.nr_queues, 1);
    CHECK_EQ(connect.abi, BLKIF_ABI_X86_32);
    for (unsigned i = 0; i < NR_NODES; i++)
        CHECK(nodes[i].reads <= 1);
}

static void check_forms(void)
{
    struct message_connect connect = { 0 };
    char reason[FRONT_REASON_BYTES];

    reset();
    CHECK_EQ(front_read_ring(NULL, "front", &connect, reason), 0);
    CHECK_EQ(connect.abi, BLKIF_ABI_NATIVE);
    set("ring-page-order", "0", 0);
    CHECK_EQ(front_read_ring(NULL, "front", &connect, reason), 0);
    CHECK_EQ(connect.queues[0].grefs[0], 8); /* one page as of old */
    set("ring-ref0", "4294967295", 0);
    CHECK_EQ(front_read_ring(NULL, "front", &connect, reason), 0);
    CHECK_EQ(connect.queues[0].grefs[0], 4294967295u);
    set("event-channel", "131071", 0);
    CHECK_EQ(front_read_ring(NULL, "front", &connect, reason), 0);
    CHECK_EQ(connect.queues[0].event_port, 131071);
}

static void check_unreadable(void)
{
    static const struct {
        const char *name;
        int error;
        const char *said;
    } rows[] = {
        { "ring-ref", -EACCES, "ring-ref cannot be read (Permission" },
        { "ring-ref", -E2BIG, "ring-ref is longer than 255 bytes" },
        { "event-channel", -EIO, "event-channel cannot be read" },
        { "protocol", -EACCES, "protocol cannot be read" },
        { "protocol", -E2BIG, "protocol is longer" },
        { "ring-page-order", -EACCES, "ring-page-order cannot be read" },
    };
    struct message_connect connect = { 0 };
    char reason[FRONT_REASON_BYTES];

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        reset();
        set(rows[i].name, NULL, rows[i].error);
        CHECK_EQ(front_read_ring(NULL, "front", &connect, reason), -EINVAL);
        if (!CHECK(strstr(reason, rows[i].said)))
            NOTE("%s", reason);
    }
}

static void check_text(void)
{
    char shown[8];

    CHECK_STR(text_printable("a\nb\033", 4, shown, sizeof shown), "a?b?");
    CHECK_STR(text_printable("1234567", 7, shown, sizeof shown), "1234567");
    CHECK_STR(text_printable("12345678", 8, shown, sizeof shown), "1234...");
    CHECK_STR(text_printable("", 0, shown, sizeof shown), "");
    CHECK_STR(text_printable("\0\xff", 2, shown, sizeof shown), "??");
}

int main(void)
{
    TEST("every node is read once", check_once);
    TEST("each form of a ring is understood", check_forms);
    TEST("a node that cannot be read is said to be so", check_unreadable);
    TEST("what is shown is printable and fits", check_text);
    return tap_done();
}
