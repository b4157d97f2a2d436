/* SPDX-License-Identifier: MIT
 * A front end's nodes: ring-ref or ring-ref0, event-channel, protocol. */
#include "backend/supervisor/front.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/supervisor/text.h"
#include "common/blkif/ring.h"
#include "common/blkif/xenbus.h"

struct node {
    const char *name;
    int error; /* of reading it */
    unsigned length;
    char value[STORE_VALUE_BYTES];
};

static bool read_node(struct store *store, const char *frontend,
                      const char *name, struct node *node)
{
    node->name = name;
    node->error = store_read_in(store, frontend, name, node->value,
                                sizeof node->value, &node->length);
    return node->error != -ENOENT;
}

/* Says what is wrong with a node. */
static int refuse(const struct node *node, const char *expected,
                  char reason[FRONT_REASON_BYTES])
{
    char shown[48];

    if (node->error == -ENOENT)
        snprintf(reason, FRONT_REASON_BYTES,
                 "the front end's %s is missing: expected %s", node->name,
                 expected);
    else if (node->error == -E2BIG)
        snprintf(reason, FRONT_REASON_BYTES,
                 "the front end's %s is longer than %d bytes: expected %s",
                 node->name, STORE_VALUE_BYTES - 1, expected);
    else if (node->error)
        snprintf(reason, FRONT_REASON_BYTES,
                 "the front end's %s cannot be read (%s)", node->name,
                 strerror(-node->error));
    else
        snprintf(reason, FRONT_REASON_BYTES,
                 "the front end's %s is '%s': expected %s", node->name,
                 text_printable(node->value, node->length, shown,
                                sizeof shown), expected);
    return -EINVAL;
}

static int judge_number(const struct node *node, uint64_t min, uint64_t max,
                        const char *expected, uint32_t *number,
                        char reason[FRONT_REASON_BYTES])
{
    uint64_t value;

    if (node->error ||
        xenbus_parse_number(node->value, node->length, max, &value) < 0 ||
        value < min)
        return refuse(node, expected, reason);
    *number = (uint32_t)value;
    return 0;
}

/* One page: as ring-ref, or as ring-ref0 with ring-page-order 0. */
static int read_ring_ref(struct store *store, const char *frontend,
                         uint32_t *gref, char reason[FRONT_REASON_BYTES])
{
    struct node node;
    uint32_t order;

    if (read_node(store, frontend, "ring-page-order", &node)) {
        if (judge_number(&node, 0, 0, "0, all that was offered", &order,
                         reason) < 0)
            return -EINVAL;
        if (read_node(store, frontend, "ring-ref0", &node))
            return judge_number(&node, 0, UINT32_MAX, "a grant reference",
                                gref, reason);
    }
    read_node(store, frontend, "ring-ref", &node);
    return judge_number(&node, 0, UINT32_MAX, "a grant reference", gref,
                        reason);
}

static int read_abi(struct store *store, const char *frontend, uint32_t *abi,
                    char reason[FRONT_REASON_BYTES])
{
    static const struct {
        const char *name;
        enum blkif_abi abi;
    } abis[] = {
        { "x86_32-abi", BLKIF_ABI_X86_32 }, { "x86_64-abi", BLKIF_ABI_X86_64 },
    };
    struct node node;

    if (!read_node(store, frontend, "protocol", &node)) {
        *abi = BLKIF_ABI_NATIVE;
        return 0;
    }
    for (unsigned i = 0; !node.error && i < sizeof abis / sizeof *abis; i++) {
        if (node.length == strlen(abis[i].name) &&
            memcmp(node.value, abis[i].name, node.length) == 0) {
            *abi = abis[i].abi;
            return 0;
        }
    }
    return refuse(&node, "x86_32-abi, x86_64-abi or no such node", reason);
}

int front_read_ring(struct store *store, const char *frontend,
                    struct message_connect *connect,
                    char reason[FRONT_REASON_BYTES])
{
    struct node node;

    connect->nr_queues = 1;
    connect->queues[0].nr_pages = 1;
    if (read_ring_ref(store, frontend, &connect->queues[0].grefs[0], reason))
        return -EINVAL;
    read_node(store, frontend, "event-channel", &node);
    /* Port 0 is never bound; above 2^17 no Xen has ports. */
    if (judge_number(&node, 1, (1 << 17) - 1, "an event-channel port",
                     &connect->queues[0].event_port, reason))
        return -EINVAL;
    return read_abi(store, frontend, &connect->abi, reason);
}
