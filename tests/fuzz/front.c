/* SPDX-License-Identifier: MIT
 * Claim: whatever a back end publishes in XenStore and does to the rings, the
 * front end does not fall over; what it takes for a disk is one; each of its
 * operations is answered once; what it asks for lies within the disk and
 * within pages that it has granted; in the end every grant that the back end
 * has let go of is taken back, and no page is freed before. Source: XSA-391,
 * XSA-396; blkif.h; vbdfront.h.
 * Mechanism: the core over a port of libFuzzer's bytes. Up to the first '|'
 * they are the back end's nodes (nodes.h); then three of the front end's
 * configuration; then what both ends do, by turns: operations, answers honest and not, indices, states, words overwritten. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "common/blkif/validate.h"
#include "common/blkif/xenbus.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/nodes.h"

enum { MOST_OWN = 96, MOST_GRANTS = 1024, MOST_BLOCKS = 256, MOST_HELD = 64, MOST_IOS = 24,
       DATA_PAGES = 16, PAGE_BYTES = BLKIF_PAGE_BYTES, BACKEND_ID = 3 };

/* The back end's view of a queue. */
struct queue {
    uint32_t grefs[BLKIF_MAX_RING_PAGES];
    struct back_ring ring;
    bool is_honest; /* nothing but requests stands on it */
    struct blkif_wire_request held[MOST_HELD]; /* taken, not answered */
    unsigned nr_held;
};

static struct world {
    struct fuzz_input script;
    struct nodes nodes;
    uint64_t now_us, events;
    enum xenbus_state back_state;
    struct {
        char leaf[32], value[24];
    } own[MOST_OWN]; /* nodes of the front end's directory: trusted */
    unsigned nr_own;
    struct {
        uint8_t *page; /* NULL: free */
        bool read_only, is_kept; /* the back end maps it still */
    } grants[MOST_GRANTS];
    struct {
        uint8_t *pages; /* NULL: free */
        unsigned nr;
    } blocks[MOST_BLOCKS];
    unsigned nr_ports;
    bool is_watching, was_refused; /* a grant that is kept was ended */

    /* the back end */
    uint32_t ring_page_order, nr_queues;
    struct queue queues[BLKIF_MAX_QUEUES];
    uint64_t last_id; /* that was answered */
    uint8_t last_operation;

    /* the front end's operations */
    struct vbdfront_config config;
    struct vbdfront *front;
    uint8_t *data;
    struct vbdfront_io ios[MOST_IOS];
    bool are_done[MOST_IOS];
    unsigned nr_ios, nr_done;
    uint64_t most_sectors; /* that the disk has ever had */
} world;

/* --- memory, grants, events ----------------------------------------------- */

static void *page_alloc(void *context, unsigned nr)
{
    uint8_t *pages = aligned_alloc(PAGE_BYTES, (size_t)nr * PAGE_BYTES);
    unsigned i = 0;

    (void)context;
    MUST(pages);
    memset(pages, 0, (size_t)nr * PAGE_BYTES);
    while (world.blocks[i].pages)
        MUST(++i < MOST_BLOCKS);
    world.blocks[i].pages = pages;
    world.blocks[i].nr = nr;
    return pages;
}

static void page_free(void *context, void *pages, unsigned nr)
{
    unsigned i = 0;

    (void)context;
    while (world.blocks[i].pages != pages)
        MUST(++i < MOST_BLOCKS);
    MUST(world.blocks[i].nr == nr);
    for (unsigned g = 0; g < MOST_GRANTS; g++)
        MUST(!world.grants[g].page ||
             world.grants[g].page < world.blocks[i].pages ||
             world.grants[g].page >=
                 world.blocks[i].pages + (size_t)nr * PAGE_BYTES);
    free(pages);
    world.blocks[i].pages = NULL;
}

static int32_t grant_access(void *context, uint32_t domid, void *page,
                            bool read_only)
{
    (void)context;
    MUST(domid == BACKEND_ID && page && (uintptr_t)page % PAGE_BYTES == 0);
    for (int32_t i = 8; i < MOST_GRANTS; i++) {
        if (world.grants[i].page)
            continue;
        world.grants[i].page = page;
        world.grants[i].read_only = read_only;
        world.grants[i].is_kept = false;
        return i;
    }
    return -ENOSPC;
}

static int grant_end(void *context, uint32_t gref)
{
    (void)context;
    MUST(gref < MOST_GRANTS && world.grants[gref].page);
    if (world.grants[gref].is_kept) {
        world.was_refused = true;
        return -EBUSY;
    }
    world.grants[gref].page = NULL;
    return 0;
}

static int32_t event_alloc(void *context, uint32_t domid)
{
    (void)context;
    MUST(domid == BACKEND_ID);
    return (int32_t)++world.nr_ports;
}

static void event_close(void *context, uint32_t port)
{
    (void)context;
    MUST(port >= 1 && world.nr_ports > 0);
    world.nr_ports--;
}

static void event_notify(void *context, uint32_t port)
{
    (void)context;
    MUST(port >= 1 && world.nr_ports > 0);
}

/* --- XenStore ------------------------------------------------------------- */

/* The value of a node of the front end's own; NULL: there is none. */
static char *own_node(const char *leaf)
{
    for (unsigned i = 0; i < world.nr_own; i++)
        if (strcmp(world.own[i].leaf, leaf) == 0)
            return world.own[i].value;
    return NULL;
}

static void write_own(const char *leaf, const char *value)
{
    char *to = own_node(leaf);

    if (!to) {
        MUST(world.nr_own < MOST_OWN &&
             strlen(leaf) < sizeof world.own[0].leaf);
        strcpy(world.own[world.nr_own].leaf, leaf);
        to = world.own[world.nr_own++].value;
    }
    MUST(strlen(value) < sizeof world.own[0].value);
    strcpy(to, value);
}

static int store_read(void *context, const char *path, char *value,
                      size_t bytes)
{
    const char state[] = { (char)('0' + (int)world.back_state) };
    const char *found = NULL;
    int length;

    (void)context;
    if (strncmp(path, "/back/", 6) == 0) {
        length = nodes_read(&world.nodes, path + 6, &found);
        if (length < 0 && strcmp(path, "/back/state") == 0) {
            found = state;
            length = 1;
        }
    } else {
        MUST(strncmp(path, "/front/", 7) == 0);
        found = own_node(path + 7);
        length = found ? (int)strlen(found) : -1;
    }
    if (length < 0)
        return -ENOENT;
    if ((size_t)length >= bytes)
        return -E2BIG;
    memcpy(value, found, (size_t)length);
    value[length] = '\0';
    return length;
}

static enum blkif_abi ring_abi(void)
{
    return world.config.abi == VBDFRONT_ABI_X86_32   ? BLKIF_ABI_X86_32
           : world.config.abi == VBDFRONT_ABI_X86_64 ? BLKIF_ABI_X86_64
                                                     : BLKIF_ABI_NATIVE;
}

/* Pages that are granted one by one are one behind the other here. */
static void attach_ring(struct queue *queue)
{
    uint8_t *ring = world.grants[queue->grefs[0]].page;
    uint32_t pages = 1u << world.ring_page_order;

    for (uint32_t i = 0; i < pages; i++) {
        MUST(world.grants[queue->grefs[i]].page == ring + i * PAGE_BYTES &&
             !world.grants[queue->grefs[i]].read_only);
    }
    MUST(ring);
    back_ring_init(&queue->ring, ring, pages, ring_abi());
    queue->is_honest = true;
    queue->nr_held = 0;
}

/* The back end's state as an honest one's; the lies are in the nodes and in
 * the script. */
static void follow(enum xenbus_state front_state)
{
    MUST(front_state != XENBUS_UNKNOWN);
    if (front_state == XENBUS_INITIALISING)
        world.back_state = XENBUS_INIT_WAIT;
    if (front_state == XENBUS_INITIALISED) {
        for (uint32_t i = 0; i < world.nr_queues; i++)
            attach_ring(&world.queues[i]);
        world.back_state = XENBUS_CONNECTED;
    }
    if (front_state == XENBUS_CLOSING || front_state == XENBUS_CLOSED)
        world.back_state = front_state;
}

/* What the front end publishes: of the rings, what is needed to find them. */
static void note_ring_node(const char *leaf, uint32_t number)
{
    unsigned queue = 0, page = 0;

    if (strcmp(leaf, "ring-page-order") == 0)
        world.ring_page_order = number;
    if (strcmp(leaf, "multi-queue-num-queues") == 0)
        world.nr_queues = number;
    MUST(world.ring_page_order <= world.config.max_ring_page_order &&
         world.nr_queues >= 1 &&
         world.nr_queues <= world.config.max_queues);
    if (sscanf(leaf, "queue-%u/", &queue) == 1)
        leaf = strchr(leaf, '/') + 1;
    if (strncmp(leaf, "ring-ref", 8) != 0)
        return;
    page = (unsigned)strtoul(leaf + 8, NULL, 10);
    MUST(queue < BLKIF_MAX_QUEUES && page < BLKIF_MAX_RING_PAGES &&
         number < MOST_GRANTS && world.grants[number].page);
    world.queues[queue].grefs[page] = number;
}

static int store_write(void *context, const char *path, const char *value)
{
    (void)context;
    MUST(strncmp(path, "/front/", 7) == 0);
    write_own(path + 7, value);
    note_ring_node(path + 7, (uint32_t)strtoul(value, NULL, 10));
    if (strcmp(path + 7, "state") == 0)
        follow(xenbus_parse_state(value, strlen(value)));
    world.events++;
    return 0;
}

static int store_watch(void *context, const char *path)
{
    (void)context;
    MUST(strcmp(path, "/back/state") == 0 && !world.is_watching);
    world.is_watching = true;
    return 0;
}

static int store_unwatch(void *context, const char *path)
{
    (void)context;
    MUST(strcmp(path, "/back/state") == 0 && world.is_watching);
    world.is_watching = false;
    return 0;
}

static uint64_t store_events(void *context)
{
    (void)context;
    return world.events;
}

static void wait_for_events(void *context, uint64_t timeout_us)
{
    (void)context;
    world.now_us += timeout_us + 1;
}

static uint64_t now_us(void *context)
{
    (void)context;
    return world.now_us;
}

static void log_sentence(void *context, const char *sentence)
{
    (void)context;
    for (; *sentence; sentence++)
        MUST(*sentence >= ' ' && *sentence <= '~');
}

static const struct vbdfront_port port = {
    .page_alloc = page_alloc, .page_free = page_free,
    .grant_access = grant_access, .grant_end = grant_end,
    .event_alloc = event_alloc, .event_close = event_close,
    .event_notify = event_notify, .store_read = store_read,
    .store_write = store_write, .store_watch = store_watch,
    .store_unwatch = store_unwatch, .store_events = store_events,
    .wait = wait_for_events, .now_us = now_us, .log = log_sentence };

/* --- the back end's turn -------------------------------------------------- */

static bool is_data(const uint8_t *page)
{
    return page >= world.data && page < world.data + DATA_PAGES * PAGE_BYTES;
}

/* Sectors of the segments, which are in order, and their pages granted with
 * the right that is needed and no more. */
static uint64_t check_segments(const struct blkif_wire_segment *segments,
                               unsigned nr, uint8_t operation)
{
    const struct vbdfront_info *info = vbdfront_info(world.front);
    bool is_copied = info->is_persistent || info->is_untrusted;
    uint64_t sectors = 0;

    for (unsigned i = 0; i < nr; i++) {
        const struct blkif_wire_segment *segment = &segments[i];

        MUST(segment->first_sector <= segment->last_sector &&
             segment->last_sector < BLKIF_SECTORS_PER_PAGE);
        MUST(segment->gref < MOST_GRANTS && world.grants[segment->gref].page);
        MUST(is_copied != is_data(world.grants[segment->gref].page));
        if (!info->is_persistent || operation == BLKIF_OP_READ)
            MUST(world.grants[segment->gref].read_only ==
                 (operation != BLKIF_OP_READ));
        sectors += segment->last_sector - segment->first_sector + 1u;
    }
    return sectors;
}

static uint64_t check_indirect(const struct blkif_wire_request *request)
{
    uint32_t gref = request->indirect_grefs[0];

    MUST(request->nr_indirect_segments > 0 &&
         request->nr_indirect_segments <= world.config.max_indirect_segments);
    MUST(gref < MOST_GRANTS && world.grants[gref].page &&
         !is_data(world.grants[gref].page));
    return check_segments((void *)world.grants[gref].page,
                          request->nr_indirect_segments,
                          request->indirect_operation);
}

/* What the back end is asked for is in order, whatever it has published: it
 * may have said since that the disk has become smaller. */
static void check_request(const struct blkif_wire_request *request)
{
    uint64_t sectors;

    MUST(request->nr_segments <= BLKIF_WIRE_SEGMENTS);
    if (request->operation == BLKIF_OP_INDIRECT)
        sectors = check_indirect(request);
    else if (request->operation == BLKIF_OP_DISCARD)
        sectors = request->nr_sectors;
    else
        sectors = check_segments(request->segments, request->nr_segments,
                                 request->operation);
    MUST(sectors <= world.most_sectors &&
         request->sector <= world.most_sectors - sectors);
}

static void take_requests(struct queue *queue)
{
    int nr = back_ring_take(&queue->ring, &queue->held[queue->nr_held],
                            MOST_HELD - queue->nr_held);

    MUST(nr >= 0 || !queue->is_honest);
    for (int i = 0; i < nr; i++, queue->nr_held++)
        if (queue->is_honest)
            check_request(&queue->held[queue->nr_held]);
}

/* A request that is held, and no longer; one of zeros when none is: its answer
 * may go where a request stands. */
static struct blkif_wire_request let_go(struct queue *queue, unsigned which)
{
    struct blkif_wire_request request = { .id = 0 };

    if (queue->nr_held == 0) {
        queue->is_honest = false;
    } else {
        which %= queue->nr_held;
        request = queue->held[which];
        queue->held[which] = queue->held[--queue->nr_held];
    }
    return request;
}

static void put_answer(struct queue *queue, uint64_t id, uint8_t operation,
                       int16_t status)
{
    back_ring_put(&queue->ring, id, operation, status);
    world.last_id = id;
    world.last_operation = operation;
}

static void answer_honestly(struct queue *queue)
{
    while (queue->nr_held > 0) {
        struct blkif_wire_request request = let_go(queue, 0);

        put_answer(queue, request.id, blkif_response_operation(&request),
                   BLKIF_RSP_OKAY);
    }
    back_ring_push(&queue->ring);
}

/* Twice the same, in the place of another's, perhaps another queue's. */
static void answer_again(struct queue *queue)
{
    let_go(queue, 0);
    put_answer(queue, world.last_id, world.last_operation, BLKIF_RSP_OKAY);
    back_ring_push(&queue->ring);
}

/* With an id, an operation and a status that may be another's or nobody's. */
static void answer_anyhow(struct queue *queue, struct fuzz_input *script)
{
    struct blkif_wire_request request = let_go(queue, fuzz_byte(script));
    uint8_t operation = blkif_response_operation(&request);
    uint8_t lies = fuzz_byte(script);

    if (lies & 1)
        request.id += fuzz_varied(script);
    if (lies & 2)
        request.id ^= fuzz_number(script, 4) << 32;
    if (lies & 4)
        operation = fuzz_byte(script);
    put_answer(queue, request.id, operation, (int16_t)-(lies >> 6));
    back_ring_push(&queue->ring);
}

static void overwrite(struct queue *queue, struct fuzz_input *script)
{
    volatile uint32_t *words = queue->ring.shared;
    uint64_t which = fuzz_varied(script);

    words[which % (PAGE_BYTES / sizeof(*words))] =
        (uint32_t)fuzz_varied(script);
    queue->is_honest = false;
}

static void back_step(uint8_t step)
{
    struct fuzz_input *script = &world.script;
    struct queue *queue = &world.queues[step / 8 % world.nr_queues];

    switch (step % 8) {
    case 0:
        take_requests(queue);
        break;
    case 1:
        answer_honestly(queue);
        break;
    case 2:
        answer_anyhow(queue, script);
        break;
    case 3:
        answer_again(queue);
        break;
    case 4:
        queue->ring.rsp_prod += (uint32_t)fuzz_varied(script);
        queue->is_honest = false;
        back_ring_push(&queue->ring);
        break;
    case 5:
        world.grants[fuzz_varied(script) % MOST_GRANTS].is_kept = true;
        break;
    case 6:
        world.back_state =
            (enum xenbus_state)(fuzz_byte(script) % XENBUS_STATE_COUNT);
        world.events++;
        break;
    case 7:
        overwrite(queue, script);
        break;
    }
}

/* --- the front end's turn ------------------------------------------------- */

static void done(struct vbdfront_io *io, int error)
{
    bool *is_done = io->owner;

    MUST(!*is_done && error <= 0);
    MUST(error != 0 || !world.was_refused);
    *is_done = true;
    world.nr_done++;
}

static void submit(uint8_t step)
{
    struct vbdfront_io *io = &world.ios[world.nr_ios];
    enum vbdfront_op op = (enum vbdfront_op)(step % 5);
    uint32_t page = step / 8 % DATA_PAGES;
    uint32_t most = (DATA_PAGES - page) * BLKIF_SECTORS_PER_PAGE;

    *io = (struct vbdfront_io){
        .op = op, .done = done,
        .flags = fuzz_byte(&world.script) % 8 & (VBDFRONT_FUA |
                                                 VBDFRONT_SECURE),
        .sector = fuzz_varied(&world.script),
        .nr_sectors = fuzz_byte(&world.script) % (most + 1),
        .data = op == VBDFRONT_DISCARD ? NULL
                                       : world.data + page * PAGE_BYTES,
        .owner = &world.are_done[world.nr_ios] };
    world.nr_ios++;
    vbdfront_submit(world.front, io);
}

/* What a disk may be at all, and what was configured. */
static void check_info(const struct vbdfront_info *info)
{
    const struct vbdfront_config *config = &world.config;

    MUST(info->sector_bytes >= BLKIF_SECTOR_BYTES &&
         info->sector_bytes <= PAGE_BYTES &&
         (info->sector_bytes & (info->sector_bytes - 1)) == 0);
    MUST(info->nr_sectors > 0 && info->nr_sectors <= UINT64_C(1) << 55);
    MUST(info->nr_sectors % (info->sector_bytes / BLKIF_SECTOR_BYTES) == 0);
    MUST(info->physical_sector_bytes >= info->sector_bytes &&
         info->physical_sector_bytes % info->sector_bytes == 0);
    MUST(info->max_segments >= BLKIF_WIRE_SEGMENTS &&
         (info->max_segments <= BLKIF_WIRE_SEGMENTS ||
          info->max_segments <= config->max_indirect_segments));
    MUST(info->nr_queues == world.nr_queues);
    MUST(info->ring_pages == 1u << world.ring_page_order &&
         info->ring_slots == 32 * info->ring_pages);
    MUST(!info->is_persistent || config->use_persistent);
    MUST(info->is_untrusted || !config->is_untrusted);
    MUST(info->has_discard ? config->use_discard &&
                                 info->discard_granularity > 0
                           : info->discard_granularity == 0 &&
                                 !info->has_secure);
    if (world.most_sectors < info->nr_sectors)
        world.most_sectors = info->nr_sectors;
}

static bool is_any_granted(void)
{
    for (unsigned i = 0; i < MOST_GRANTS; i++)
        if (world.grants[i].page)
            return true;
    return false;
}

static void use_disk(void)
{
    world.data = page_alloc(NULL, DATA_PAGES);
    while (world.script.left > 0) {
        uint8_t step = fuzz_byte(&world.script);

        if (step % 2 == 0 && world.nr_ios < MOST_IOS)
            submit(step / 2);
        else if (vbdfront_state(world.front) == VBDFRONT_CONNECTED)
            back_step(step / 2);
        if (step >= 128)
            vbdfront_poll(world.front);
        check_info(vbdfront_info(world.front));
    }
    vbdfront_disconnect(world.front, 1000000);
    MUST(vbdfront_in_flight(world.front) == 0);
    MUST(world.nr_done == world.nr_ios);
    if (!is_any_granted())
        page_free(NULL, world.data, DATA_PAGES);
}

/* Nothing is left but what the back end keeps. */
static void check_end(void)
{
    bool is_kept = is_any_granted();

    for (unsigned i = 0; i < MOST_GRANTS; i++)
        MUST(!world.grants[i].page || world.grants[i].is_kept);
    MUST(world.nr_ports == 0 && !world.is_watching);
    for (unsigned i = 0; i < MOST_BLOCKS; i++) {
        MUST(!world.blocks[i].pages || is_kept);
        free(world.blocks[i].pages);
    }
}

static void configure(struct fuzz_input *script)
{
    uint8_t rings = fuzz_byte(script), segments = fuzz_byte(script);
    uint8_t flags = fuzz_byte(script);

    world.config = (struct vbdfront_config){
        .max_queues = rings % BLKIF_MAX_QUEUES + 1,
        .max_ring_page_order = rings / BLKIF_MAX_QUEUES % 5,
        .max_indirect_segments = segments + (flags & 1u),
        .use_persistent = flags & 2, .is_untrusted = flags & 4,
        .use_discard = flags & 8,
        .abi = (enum vbdfront_abi)(flags >> 4 & 3) };
    if (world.config.abi > VBDFRONT_ABI_X86_64)
        world.config.abi = VBDFRONT_ABI_NATIVE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *bar = size > 0 ? memchr(data, '|', size) : NULL;
    size_t nodes_size = bar ? (size_t)(bar - data) : size;

    memset(&world, 0, sizeof world);
    nodes_init(&world.nodes, data, nodes_size);
    if (bar)
        world.script = (struct fuzz_input){ bar + 1, size - nodes_size - 1 };
    configure(&world.script);
    world.nr_queues = 1;
    write_own("backend", "/back");
    write_own("backend-id", "3");
    write_own("virtual-device", "51712");
    write_own("state", "1");
    world.back_state = XENBUS_INIT_WAIT;
    MUST(vbdfront_open(&port, "/front", &world.config, &world.front) == 0);
    if (vbdfront_connect(world.front, 1000000) == 0) {
        check_info(vbdfront_info(world.front));
        use_disk();
    } else {
        MUST(strlen(vbdfront_reason(world.front)) > 10);
    }
    vbdfront_close(world.front);
    check_end();
    return 0;
}
