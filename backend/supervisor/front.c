/* SPDX-License-Identifier: MIT
 * A front end's nodes. Which there are says blkif.h: ring-ref, or with
 * ring-page-order (formerly num-ring-pages) ring-ref0 and so on; both, and
 * event-channel, below queue-N/ when multi-queue-num-queues is above 1. What
 * another driver of the same guest may have left is not looked at. */
#include "backend/supervisor/front.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/supervisor/text.h"
#include "common/blkif/ring.h"
#include "common/blkif/xenbus.h"

enum { NAME_BYTES = 48, EXPECTED_BYTES = 64 };

struct node {
    char name[NAME_BYTES]; /* below the front end's directory */
    int error;             /* of reading it */
    unsigned length;
    char value[STORE_VALUE_BYTES];
};

/* One look at a front end. */
struct look {
    struct store *store;
    const char *frontend;
    const struct front_offer *offer;
    struct message_connect *connect; /* what has been read so far */
    char *reason;
    uint32_t nr_pages;  /* of each ring */
    bool is_numbered;   /* even a single page may be called ring-ref0 */
};

/* --- one node ------------------------------------------------------------- */

/* False when there is no such node. */
static bool read_node(const struct look *look, const char *prefix,
                      const char *name, struct node *node)
{
    snprintf(node->name, sizeof node->name, "%s%s", prefix, name);
    node->error = store_read_in(look->store, look->frontend, node->name,
                                node->value, sizeof node->value,
                                &node->length);
    return node->error != -ENOENT;
}

/* Says what is wrong with a node. */
static int refuse(const struct look *look, const struct node *node,
                  const char *expected)
{
    char shown[48];

    if (node->error == -ENOENT)
        snprintf(look->reason, FRONT_REASON_BYTES,
                 "the front end's %s is missing: expected %s", node->name,
                 expected);
    else if (node->error == -E2BIG)
        snprintf(look->reason, FRONT_REASON_BYTES,
                 "the front end's %s is longer than %d bytes: expected %s",
                 node->name, STORE_VALUE_BYTES - 1, expected);
    else if (node->error)
        snprintf(look->reason, FRONT_REASON_BYTES,
                 "the front end's %s cannot be read (%s)", node->name,
                 strerror(-node->error));
    else
        snprintf(look->reason, FRONT_REASON_BYTES,
                 "the front end's %s is '%s': expected %s", node->name,
                 text_printable(node->value, node->length, shown,
                                sizeof shown), expected);
    return -EINVAL;
}

static int judge_number(const struct look *look, const struct node *node,
                        uint64_t min, uint64_t max, const char *expected,
                        uint32_t *number)
{
    uint64_t value;

    if (node->error ||
        xenbus_parse_number(node->value, node->length, max, &value) < 0 ||
        value < min)
        return refuse(look, node, expected);
    *number = (uint32_t)value;
    return 0;
}

/* What need not be there: *number is then left as it is. */
static int read_optional(const struct look *look, const char *name,
                         uint32_t min, uint32_t max, uint32_t *number)
{
    char expected[EXPECTED_BYTES];
    struct node node;

    if (!read_node(look, "", name, &node))
        return 0;
    if (min == max)
        snprintf(expected, sizeof expected, "%" PRIu32 ", all that was "
                 "offered", min);
    else
        snprintf(expected, sizeof expected, "%" PRIu32 " to %" PRIu32
                 ", as offered", min, max);
    return judge_number(look, &node, min, max, expected, number);
}

/* --- what holds for all rings --------------------------------------------- */

static int read_abi(const struct look *look)
{
    static const struct {
        const char *name;
        enum blkif_abi abi;
    } abis[] = {
        { "x86_32-abi", BLKIF_ABI_X86_32 }, { "x86_64-abi", BLKIF_ABI_X86_64 },
    };
    struct node node;

    look->connect->abi = BLKIF_ABI_NATIVE;
    if (!read_node(look, "", "protocol", &node))
        return 0;
    for (unsigned i = 0; !node.error && i < sizeof abis / sizeof *abis; i++) {
        if (node.length == strlen(abis[i].name) &&
            memcmp(node.value, abis[i].name, node.length) == 0) {
            look->connect->abi = abis[i].abi;
            return 0;
        }
    }
    return refuse(look, &node, "x86_32-abi, x86_64-abi or no such node");
}

/* FreeBSD writes both nodes, some drivers the deprecated one only. */
static int read_nr_pages(struct look *look)
{
    const uint32_t unset = UINT32_MAX;
    uint32_t order = unset, max_pages = 1u << look->offer->max_ring_page_order;
    char expected[EXPECTED_BYTES];
    struct node node;

    if (read_optional(look, "ring-page-order", 0,
                      look->offer->max_ring_page_order, &order) < 0)
        return -EINVAL;
    look->is_numbered = order != unset;
    look->nr_pages = look->is_numbered ? 1u << order : 1;
    if (!read_node(look, "", "num-ring-pages", &node))
        return 0;
    snprintf(expected, sizeof expected, "a power of two, at most %" PRIu32
             " as offered", max_pages);
    if (judge_number(look, &node, 1, max_pages, expected,
                     &look->nr_pages) < 0)
        return -EINVAL;
    if (look->nr_pages & (look->nr_pages - 1))
        return refuse(look, &node, expected);
    if (look->is_numbered && look->nr_pages != 1u << order) {
        snprintf(expected, sizeof expected, "%" PRIu32 " as ring-page-order "
                 "says", 1u << order);
        return refuse(look, &node, expected);
    }
    return 0;
}

/* Linux says that it wants persistent grants whether or not they were
 * offered. */
static int read_persistent(const struct look *look)
{
    uint32_t is_wanted = 0;
    struct node node;

    if (!look->offer->has_persistent ||
        !read_node(look, "", "feature-persistent", &node))
        return 0;
    if (judge_number(look, &node, 0, 1, "0 or 1", &is_wanted) < 0)
        return -EINVAL;
    if (is_wanted)
        look->connect->grants = MESSAGE_GRANTS_PERSISTENT;
    return 0;
}

/* --- a ring --------------------------------------------------------------- */

/* A page that stood for two places would be written by both. */
static bool has_gref(const struct message_connect *connect, unsigned queue,
                     uint32_t gref)
{
    for (unsigned i = 0; i <= queue; i++)
        for (unsigned page = 0; page < connect->queues[i].nr_pages; page++)
            if (connect->queues[i].grefs[page] == gref)
                return true;
    return false;
}

static bool has_port(const struct message_connect *connect, unsigned queue,
                     uint32_t port)
{
    for (unsigned i = 0; i < queue; i++)
        if (connect->queues[i].event_port == port)
            return true;
    return false;
}

static void read_page(const struct look *look, const char *prefix,
                      unsigned page, struct node *node)
{
    char name[24];

    snprintf(name, sizeof name, "ring-ref%u", page);
    if (look->nr_pages > 1)
        read_node(look, prefix, name, node);
    else if (!look->is_numbered || !read_node(look, prefix, name, node))
        read_node(look, prefix, "ring-ref", node);
}

static int read_pages(const struct look *look, const char *prefix,
                      unsigned queue)
{
    struct message_connect *connect = look->connect;
    uint32_t *nr = &connect->queues[queue].nr_pages, gref = 0;
    struct node node;

    for (*nr = 0; *nr < look->nr_pages; ++*nr) {
        read_page(look, prefix, *nr, &node);
        if (judge_number(look, &node, 0, UINT32_MAX, "a grant reference",
                         &gref) < 0)
            return -EINVAL;
        if (has_gref(connect, queue, gref))
            return refuse(look, &node, "a grant that is no other page's");
        connect->queues[queue].grefs[*nr] = gref;
    }
    return 0;
}

static int read_queue(const struct look *look, const char *prefix,
                      unsigned queue)
{
    uint32_t *port = &look->connect->queues[queue].event_port;
    struct node node;

    if (read_pages(look, prefix, queue) < 0)
        return -EINVAL;
    read_node(look, prefix, "event-channel", &node);
    /* Port 0 is never bound; above 2^17 no Xen has ports. */
    if (judge_number(look, &node, 1, (1 << 17) - 1, "an event-channel port",
                     port) < 0)
        return -EINVAL;
    return has_port(look->connect, queue, *port)
               ? refuse(look, &node, "a port that is no other queue's") : 0;
}

int front_read_ring(struct store *store, const char *frontend,
                    const struct front_offer *offer,
                    struct message_connect *connect,
                    char reason[FRONT_REASON_BYTES])
{
    struct look look = { .store = store, .frontend = frontend,
                         .offer = offer, .connect = connect,
                         .reason = reason };
    char prefix[24] = "";
    int error;

    connect->nr_queues = 1;
    if (read_optional(&look, "multi-queue-num-queues", 1, offer->max_queues,
                      &connect->nr_queues) < 0 ||
        read_nr_pages(&look) < 0 || read_persistent(&look) < 0)
        return -EINVAL;
    for (unsigned i = 0; i < connect->nr_queues; i++) {
        if (connect->nr_queues > 1)
            snprintf(prefix, sizeof prefix, "queue-%u/", i);
        error = read_queue(&look, prefix, i);
        if (error)
            return error;
    }
    return read_abi(&look);
}
