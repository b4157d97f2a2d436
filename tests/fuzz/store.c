/* SPDX-License-Identifier: MIT
 * Claim: whatever a front end writes into its directory, and however often it
 * changes it, the supervisor takes a ring within what was offered, or refuses
 * it with a printable sentence. A number is a number as PROTOCOL.md says.
 * Source: blkif.h, "Front-end directory"; PROTOCOL.md section 2.
 * Mechanism: front.c on a store of libFuzzer's bytes (nodes.h), the
 * last of which says what was offered; every value is also parsed by a slow
 * parser. */
#include <errno.h>

#include "backend/supervisor/front.h"
#include "common/blkif/ring.h"
#include "common/blkif/xenbus.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/nodes.h"

struct store {
    struct nodes nodes;
};

/* On pencil and paper: no more than 20 digits, and a sum that fits. */
static bool is_number(const char *text, size_t length, uint64_t max,
                      uint64_t *number)
{
    __extension__ unsigned __int128 sum = 0;

    for (size_t i = 0; i < length && i < 21; i++) {
        if (!strchr("0123456789", text[i]) || text[i] == '\0')
            return false;
        sum = sum * 10 + (unsigned)(text[i] - '0');
    }
    *number = (uint64_t)sum;
    return length >= 1 && length <= 20 && sum <= max;
}

static void check_number(const char *text, size_t length)
{
    static const uint64_t most[] = { 0, 1, 4, 8, 0x7fef, (1 << 17) - 1,
                                     UINT32_MAX, UINT64_MAX };
    uint64_t want;
    bool is_state = is_number(text, length, 8, &want);

    MUST(xenbus_parse_state(text, length) ==
         (is_state ? (enum xenbus_state)want : XENBUS_UNKNOWN));
    for (unsigned i = 0; i < sizeof most / sizeof *most; i++) {
        uint64_t got = 77;
        int error = xenbus_parse_number(text, length, most[i], &got);

        if (is_number(text, length, most[i], &want))
            MUST(error == 0 && got == want);
        else
            MUST(error == -EINVAL && got == 77);
    }
}

int store_read_in(struct store *store, const char *dir, const char *name,
                  char *value, unsigned size, unsigned *length)
{
    const char *found = NULL;
    int bytes = nodes_read(&store->nodes, name, &found);

    MUST(strcmp(dir, "/front") == 0);
    if (bytes < 0)
        return -ENOENT;
    check_number(found, (size_t)bytes);
    if (bytes > 0 && *found == '!')
        return -EACCES;
    if ((unsigned)bytes >= size)
        return -E2BIG;
    memcpy(value, found, (size_t)bytes);
    value[bytes] = '\0';
    if (length)
        *length = (unsigned)bytes;
    return 0;
}

static bool has_gref_before(const struct message_connect *connect,
                            unsigned queue, unsigned page, uint32_t gref)
{
    for (unsigned q = 0; q <= queue; q++)
        for (unsigned p = 0; p < connect->queues[q].nr_pages; p++)
            if (q == queue && p == page)
                return false;
            else if (connect->queues[q].grefs[p] == gref)
                return true;
    return false;
}

static void check_queue(const struct front_offer *offer,
                        const struct message_connect *connect, unsigned n)
{
    uint32_t pages = connect->queues[n].nr_pages;

    MUST(pages >= 1 && pages <= 1u << offer->max_ring_page_order);
    MUST((pages & (pages - 1)) == 0);
    for (unsigned p = 0; p < pages; p++)
        MUST(!has_gref_before(connect, n, p, connect->queues[n].grefs[p]));
    MUST(connect->queues[n].event_port >= 1 &&
         connect->queues[n].event_port < 1 << 17);
    for (unsigned q = 0; q < n; q++)
        MUST(connect->queues[q].event_port != connect->queues[n].event_port);
}

static void check_rings(const struct front_offer *offer,
                        const struct message_connect *connect)
{
    MUST(connect->abi < BLKIF_ABI_COUNT);
    MUST(connect->grants == MESSAGE_GRANTS_COPY ||
         (connect->grants == MESSAGE_GRANTS_PERSISTENT &&
          offer->has_persistent));
    MUST(connect->nr_queues >= 1 && connect->nr_queues <= offer->max_queues);
    for (unsigned n = 0; n < connect->nr_queues; n++)
        check_queue(offer, connect, n);
}

static void check_reason(const char *reason)
{
    const char *end = memchr(reason, '\0', FRONT_REASON_BYTES);

    MUST(end && end - reason > 20);
    for (const char *c = reason; c < end; c++)
        MUST(*c >= ' ' && *c <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t offered = size > 0 ? data[size - 1] : 0;
    const struct front_offer offer = {
        .max_queues = 1 + (offered & 3),
        .max_ring_page_order = (offered >> 2 & 7) % 5,
        .has_persistent = offered >> 5 & 1 };
    struct store store;
    struct message_connect connect;
    char reason[FRONT_REASON_BYTES];
    int error;

    nodes_init(&store.nodes, data, size);
    memset(&connect, 0xa5, sizeof connect);
    connect.grants = MESSAGE_GRANTS_COPY;
    memset(reason, 0xa5, sizeof reason);
    error = front_read_ring(&store, "/front", &offer, &connect, reason);
    if (error == 0) {
        check_rings(&offer, &connect);
    } else {
        MUST(error == -EINVAL);
        check_reason(reason);
    }
    return 0;
}
