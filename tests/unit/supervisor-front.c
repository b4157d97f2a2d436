/* SPDX-License-Identifier: MIT
 * Claim: of a front end's nodes only numbers in range come out, no more than
 * was offered, no grant and no port twice; and each node is read once, so
 * that one that changes meanwhile is judged as it was read.
 * Source: docs/PROTOCOL.md section 2; blkif.h, the front end's nodes and
 * "Multiple hardware queues/rings".
 * Mechanism: store_read_in() is this test's: it counts, and changes its
 * answers. supervisor-states has some of it over a real store. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/supervisor/front.h"
#include "backend/supervisor/text.h"
#include "common/blkif/ring.h"
#include "tests/unit/tap.h"

enum { MAX_NODES = 128, VALUE_BYTES = 32 };

static struct node {
    char name[32], value[VALUE_BYTES];
    int error;
    unsigned reads;
} nodes[MAX_NODES];
static unsigned nr_nodes;

static const struct front_offer plain = { .max_queues = 1 };
static const struct front_offer most = { .max_queues = BLKIF_MAX_QUEUES,
    .max_ring_page_order = BLKIF_MAX_RING_PAGE_ORDER,
    .has_persistent = true };

static struct message_connect connect;
static char reason[FRONT_REASON_BYTES];

static struct node *find(const char *name)
{
    for (unsigned i = 0; i < nr_nodes; i++)
        if (strcmp(name, nodes[i].name) == 0)
            return &nodes[i];
    REQUIRE(nr_nodes < MAX_NODES && strlen(name) < sizeof nodes->name);
    nodes[nr_nodes] = (struct node){ .error = -ENOENT };
    strcpy(nodes[nr_nodes].name, name);
    return &nodes[nr_nodes++];
}

int store_read_in(struct store *store, const char *dir, const char *name,
                  char *value, unsigned size, unsigned *length)
{
    struct node *node = find(name);

    (void)store;
    CHECK_STR(dir, "front");
    if (node->reads++) { /* the guest has changed it meanwhile */
        strcpy(value, "666");
        *length = 3;
        return 0;
    }
    if (node->error)
        return node->error;
    *length = (unsigned)strlen(node->value);
    REQUIRE(*length < size);
    strcpy(value, node->value);
    return 0;
}

/* NULL: there is no such node. */
static void set(const char *name, const char *value)
{
    struct node *node = find(name);

    node->error = value ? 0 : -ENOENT;
    snprintf(node->value, sizeof node->value, "%s", value ? value : "");
}

static void set_number(const char *name, unsigned value)
{
    char text[12];

    snprintf(text, sizeof text, "%u", value);
    set(name, text);
}

/* A front end with so many rings of so many pages, each numbered by its own
 * grants from 100 on and ports from 10 on. */
static void publish(unsigned nr_queues, unsigned nr_pages)
{
    char name[64], prefix[24] = "";

    nr_nodes = 0;
    if (nr_queues > 1)
        set_number("multi-queue-num-queues", nr_queues);
    for (unsigned i = 0; i < nr_queues; i++) {
        if (nr_queues > 1)
            snprintf(prefix, sizeof prefix, "queue-%u/", i);
        snprintf(name, sizeof name, "%sring-ref", prefix);
        if (nr_pages == 1)
            set_number(name, 100 + i);
        for (unsigned page = 0; nr_pages > 1 && page < nr_pages; page++) {
            snprintf(name, sizeof name, "%sring-ref%u", prefix, page);
            set_number(name, 100 + i * nr_pages + page);
        }
        snprintf(name, sizeof name, "%sevent-channel", prefix);
        set_number(name, 10 + i);
    }
}

static int look(const struct front_offer *offer)
{
    for (unsigned i = 0; i < nr_nodes; i++)
        nodes[i].reads = 0;
    memset(&connect, 0, sizeof connect);
    reason[0] = '\0';
    return front_read_ring(NULL, "front", offer, &connect, reason);
}

static void check_once(void)
{
    publish(4, 16);
    set("ring-page-order", "4");
    set("num-ring-pages", "16");
    set("protocol", "x86_32-abi");
    set("feature-persistent", "1");
    CHECK_EQ(look(&most), 0);
    CHECK_EQ(connect.abi, BLKIF_ABI_X86_32);
    for (unsigned i = 0; i < nr_nodes; i++)
        if (!CHECK_EQ(nodes[i].reads, 1))
            NOTE("%s", nodes[i].name);
    CHECK_EQ(nr_nodes, 5 + 4 * 17); /* and nothing else */
}

/* Every number of queues with every size of ring, in both ways of saying the
 * size. */
static void check_sizes(void)
{
    for (unsigned queues = 1; queues <= 4; queues++) {
        for (unsigned order = 0; order <= 4; order++) {
            for (unsigned form = 0; form < 3; form++) {
                unsigned nr_pages = 1u << order;

                publish(queues, nr_pages);
                if (form != 1 && order > 0)
                    set_number("ring-page-order", order);
                if (form != 0)
                    set_number("num-ring-pages", nr_pages);
                if (!CHECK_EQ(look(&most), 0))
                    NOTE("%u queues, order %u: %s", queues, order, reason);
                CHECK_EQ(connect.nr_queues, queues);
                for (unsigned i = 0; i < queues; i++) {
                    CHECK_EQ(connect.queues[i].nr_pages, nr_pages);
                    CHECK_EQ(connect.queues[i].event_port, 10 + i);
                    CHECK_EQ(connect.queues[i].grefs[nr_pages - 1],
                             100 + (i + 1) * nr_pages - 1);
                    CHECK_EQ(connect.queues[i].grefs[0],
                             100 + i * nr_pages);
                }
            }
        }
    }
}

static void check_forms(void)
{
    publish(1, 1);
    CHECK_EQ(look(&plain), 0);
    CHECK_EQ(connect.abi, BLKIF_ABI_NATIVE);
    CHECK_EQ(connect.grants, MESSAGE_GRANTS_COPY);
    set("multi-queue-num-queues", "1"); /* knows of queues, wants one: flat */
    set("ring-page-order", "0");
    CHECK_EQ(look(&plain), 0);
    CHECK_EQ(connect.queues[0].grefs[0], 100); /* ring-ref as of old */
    set("ring-ref0", "4294967295");
    CHECK_EQ(look(&plain), 0);
    CHECK_EQ(connect.queues[0].grefs[0], 4294967295u);
    set("ring-page-order", NULL); /* FreeBSD: ring-ref for a single page */
    set("num-ring-pages", "1");
    CHECK_EQ(look(&plain), 0);
    CHECK_EQ(connect.queues[0].grefs[0], 100);
    set("event-channel", "131071");
    CHECK_EQ(look(&plain), 0);
    CHECK_EQ(connect.queues[0].event_port, 131071);
}

/* What another driver of the guest has left where the spec does not look. */
static void check_leftovers(void)
{
    publish(2, 2);
    set("ring-page-order", "1");
    set("ring-ref", "rubbish");
    set("event-channel", "rubbish");
    set("queue-0/ring-ref", "rubbish");
    set("queue-2/event-channel", "rubbish");
    set("queue-1/ring-ref2", "rubbish");
    CHECK_EQ(look(&most), 0);
    publish(1, 1);
    set("queue-0/ring-ref", "rubbish");
    set("ring-ref0", "rubbish");
    CHECK_EQ(look(&most), 0);
}

static void check_persistent(void)
{
    static const struct {
        bool is_offered;
        const char *said;
        enum message_grants before, after;
    } rows[] = {
        { true, "1", MESSAGE_GRANTS_COPY, MESSAGE_GRANTS_PERSISTENT },
        { true, "1", MESSAGE_GRANTS_MAP, MESSAGE_GRANTS_PERSISTENT },
        { true, "0", MESSAGE_GRANTS_COPY, MESSAGE_GRANTS_COPY },
        { true, "0", MESSAGE_GRANTS_MAP, MESSAGE_GRANTS_MAP },
        { true, NULL, MESSAGE_GRANTS_MAP, MESSAGE_GRANTS_MAP },
        { false, "1", MESSAGE_GRANTS_COPY, MESSAGE_GRANTS_COPY },
        { false, "1", MESSAGE_GRANTS_MAP, MESSAGE_GRANTS_MAP },
        { false, "rubbish", MESSAGE_GRANTS_COPY, MESSAGE_GRANTS_COPY },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct front_offer offer = { .max_queues = 1,
                                     .has_persistent = rows[i].is_offered };

        publish(1, 1);
        set("feature-persistent", rows[i].said);
        connect.grants = rows[i].before;
        CHECK_EQ(front_read_ring(NULL, "front", &offer, &connect, reason), 0);
        CHECK_EQ(connect.grants, rows[i].after);
    }
}

/* Each changes one node of a front end with 2 queues of 2 pages, or with one
 * ring of one page. */
static const struct {
    unsigned nr_queues;
    const char *name, *value; /* NULL: not there */
    const char *said;
} bad[] = {
    { 1, "ring-ref", NULL, "ring-ref is missing: expected a grant reference" },
    { 1, "ring-ref", "", "ring-ref is '': expected a grant reference" },
    { 1, "ring-ref", "-1", "ring-ref is '-1'" },
    { 1, "ring-ref", "4294967296", "ring-ref is '4294967296'" },
    { 1, "ring-ref", "99999999999999999999999999", "ring-ref is '9999" },
    { 1, "ring-ref", "0x8", "ring-ref is '0x8'" },
    { 1, "ring-ref", " 8", "ring-ref is ' 8'" },
    { 1, "ring-ref", "8\n", "ring-ref is '8?'" },
    { 1, "event-channel", NULL, "event-channel is missing" },
    { 1, "event-channel", "0",
      "event-channel is '0': expected an event-channel port" },
    { 1, "event-channel", "131072", "event-channel is '131072'" },
    { 1, "event-channel", "0x3", "event-channel is '0x3'" },
    { 1, "protocol", "arm-abi",
      "protocol is 'arm-abi': expected x86_32-abi, x86_64-abi or no such" },
    { 1, "protocol", "x86_64-abi ", "protocol is 'x86_64-abi '" },
    { 1, "ring-page-order", "5",
      "ring-page-order is '5': expected 0 to 4, as offered" },
    { 1, "ring-page-order", "4294967296", "ring-page-order is '4294967296'" },
    { 1, "ring-page-order", "32", "ring-page-order is '32'" },
    { 1, "ring-page-order", "-0", "ring-page-order is '-0'" },
    { 1, "ring-page-order", "", "ring-page-order is ''" },
    { 1, "ring-page-order", "1", "ring-ref0 is missing" },
    { 1, "num-ring-pages", "0", "num-ring-pages is '0': expected a power of "
      "two, at most 16 as offered" },
    { 1, "num-ring-pages", "3", "num-ring-pages is '3': expected a power of" },
    { 1, "num-ring-pages", "32", "num-ring-pages is '32': expected a power" },
    { 1, "num-ring-pages", "0x2", "num-ring-pages is '0x2'" },
    { 1, "num-ring-pages", "2", "ring-ref0 is missing" },
    { 1, "multi-queue-num-queues", "0",
      "multi-queue-num-queues is '0': expected 1 to 4, as offered" },
    { 1, "multi-queue-num-queues", "5", "multi-queue-num-queues is '5'" },
    { 1, "multi-queue-num-queues", "-1", "multi-queue-num-queues is '-1'" },
    { 1, "multi-queue-num-queues", "0x1", "multi-queue-num-queues is '0x1'" },
    { 1, "multi-queue-num-queues", "99999999999999999999",
      "multi-queue-num-queues is '9999" },
    { 1, "multi-queue-num-queues", "2", "queue-0/ring-ref is missing" },
    { 1, "feature-persistent", "2",
      "feature-persistent is '2': expected 0 or 1" },
    { 1, "feature-persistent", "yes", "feature-persistent is 'yes'" },
    { 1, "feature-persistent", "", "feature-persistent is ''" },
    { 2, "num-ring-pages", "4",
      "num-ring-pages is '4': expected 2 as ring-page-order says" },
    { 2, "num-ring-pages", "1",
      "num-ring-pages is '1': expected 2 as ring-page-order says" },
    { 2, "queue-0/ring-ref0", NULL, "queue-0/ring-ref0 is missing" },
    { 2, "queue-1/ring-ref1", NULL, "queue-1/ring-ref1 is missing" },
    { 2, "queue-1/ring-ref1", "-1", "queue-1/ring-ref1 is '-1'" },
    { 2, "queue-0/ring-ref1", "100", "queue-0/ring-ref1 is '100': expected a "
      "grant that is no other page's" },
    { 2, "queue-1/ring-ref0", "101", "queue-1/ring-ref0 is '101': expected a "
      "grant that is no other page's" },
    { 2, "queue-1/ring-ref1", "00100", "queue-1/ring-ref1 is '00100'" },
    { 2, "queue-1/event-channel", NULL, "queue-1/event-channel is missing" },
    { 2, "queue-1/event-channel", "0", "queue-1/event-channel is '0'" },
    { 2, "queue-1/event-channel", "10", "queue-1/event-channel is '10': "
      "expected a port that is no other queue's" },
    { 2, "multi-queue-num-queues", "3", "queue-2/ring-ref0 is missing" },
    { 2, "multi-queue-num-queues", NULL, "ring-ref0 is missing" },
};

static void check_bad(void)
{
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        publish(bad[i].nr_queues, bad[i].nr_queues);
        if (bad[i].nr_queues > 1)
            set("ring-page-order", "1");
        CHECK_EQ(look(&most), 0);
        set(bad[i].name, bad[i].value);
        CHECK_EQ(look(&most), -EINVAL);
        if (!CHECK(strstr(reason, bad[i].said)))
            NOTE("row %u: %s", i, reason);
    }
}

/* Nothing may be asked for that was not offered. */
static void check_offer(void)
{
    static const struct {
        const char *name, *value, *said;
    } rows[] = {
        { "ring-page-order", "1",
          "ring-page-order is '1': expected 0, all that was offered" },
        { "num-ring-pages", "2", "num-ring-pages is '2': expected a power of "
          "two, at most 1 as offered" },
        { "multi-queue-num-queues", "2", "multi-queue-num-queues is '2': "
          "expected 1, all that was offered" },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        publish(1, 1);
        set(rows[i].name, rows[i].value);
        CHECK_EQ(look(&plain), -EINVAL);
        if (!CHECK(strstr(reason, rows[i].said)))
            NOTE("%s", reason);
    }
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
        { "num-ring-pages", -E2BIG, "num-ring-pages is longer" },
        { "multi-queue-num-queues", -E2BIG,
          "multi-queue-num-queues is longer" },
        { "feature-persistent", -EACCES, "feature-persistent cannot be" },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        publish(1, 1);
        find(rows[i].name)->error = rows[i].error;
        CHECK_EQ(look(&most), -EINVAL);
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
    TEST("every node is read once, and no others", check_once);
    TEST("rings of all sizes and numbers are understood", check_sizes);
    TEST("each form of a single page is understood", check_forms);
    TEST("what another driver left is not looked at", check_leftovers);
    TEST("persistent grants are for who was offered them and wants them",
         check_persistent);
    TEST("a node that cannot be meant is refused, and said why", check_bad);
    TEST("more than was offered is refused", check_offer);
    TEST("a node that cannot be read is said to be so", check_unreadable);
    TEST("what is shown is printable and fits", check_text);
    return tap_done();
}
