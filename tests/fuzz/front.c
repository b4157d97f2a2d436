/* SPDX-License-Identifier: MIT
 * Claim: whatever a back end publishes in XenStore and does to the ring, the
 * front end does not fall over; what it takes for a disk is one; each of its
 * operations is answered once; what it asks for lies within the disk and
 * within pages that it has granted; in the end every grant that the back end
 * has let go of is taken back, and no page is freed before. Source: XSA-391,
 * XSA-396; blkif.h; vbdfront.h.
 * Mechanism: the core over a port of libFuzzer's bytes. Up to the first '|'
 * they are the back end's nodes (nodes.h); then what both ends do, by turns:
 * operations, answers honest and not, indices, states, words overwritten. */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "common/blkif/xenbus.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/nodes.h"

enum { MOST_GRANTS = 256, MOST_BLOCKS = 64, MOST_HELD = 64, MOST_IOS = 24,
       DATA_PAGES = 4, PAGE_BYTES = BLKIF_PAGE_BYTES, BACKEND_ID = 3 };

static struct world {
    struct fuzz_input script;
    struct nodes nodes;
    uint64_t now_us, events;
    enum xenbus_state front_state, back_state;
    struct {
        uint8_t *page; /* NULL: free */
        bool read_only, is_kept; /* the back end maps it still */
    } grants[MOST_GRANTS];
    struct {
        uint8_t *pages; /* NULL: free */
        unsigned nr;
    } blocks[MOST_BLOCKS];
    unsigned nr_ports;
    bool is_watching;

    /* the back end's ring */
    uint32_t ring_gref;
    struct back_ring ring;
    bool is_honest; /* nothing but requests stands on it */
    struct blkif_wire_request held[MOST_HELD]; /* taken, not answered */
    unsigned nr_held;

    /* the front end's operations */
    struct vbdfront *front;
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
    if (world.grants[gref].is_kept)
        return -EBUSY;
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

static void state_text(enum xenbus_state state, char text[2])
{
    text[0] = (char)('0' + (int)state);
    text[1] = '\0';
}

/* A node of the front end's own directory: trusted. */
static const char *own_node(const char *leaf, char state[2])
{
    state_text(world.front_state, state);
    return strcmp(leaf, "backend") == 0          ? "/back"
           : strcmp(leaf, "backend-id") == 0     ? "3"
           : strcmp(leaf, "virtual-device") == 0 ? "51712"
           : strcmp(leaf, "state") == 0          ? state
                                                 : NULL;
}

static int store_read(void *context, const char *path, char *value,
                      size_t bytes)
{
    char state[2];
    const char *found = NULL;
    int length;

    (void)context;
    if (strncmp(path, "/back/", 6) == 0) {
        length = nodes_read(&world.nodes, path + 6, &found);
        if (length < 0 && strcmp(path, "/back/state") == 0) {
            state_text(world.back_state, state);
            found = state;
            length = 1;
        }
    } else {
        MUST(strncmp(path, "/front/", 7) == 0);
        found = own_node(path + 7, state);
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

static void attach_ring(void)
{
    MUST(world.ring_gref < MOST_GRANTS &&
         world.grants[world.ring_gref].page &&
         !world.grants[world.ring_gref].read_only);
    back_ring_init(&world.ring, world.grants[world.ring_gref].page, 1,
                   BLKIF_ABI_NATIVE);
    world.is_honest = true;
    world.nr_held = 0;
}

/* The back end's state as an honest one's; the lies are in the nodes and in
 * the script. */
static void follow(void)
{
    if (world.front_state == XENBUS_INITIALISING)
        world.back_state = XENBUS_INIT_WAIT;
    if (world.front_state == XENBUS_INITIALISED) {
        attach_ring();
        world.back_state = XENBUS_CONNECTED;
    }
    if (world.front_state == XENBUS_CLOSING ||
        world.front_state == XENBUS_CLOSED)
        world.back_state = world.front_state;
}

static int store_write(void *context, const char *path, const char *value)
{
    (void)context;
    MUST(strncmp(path, "/front/", 7) == 0);
    if (strcmp(path + 7, "ring-ref") == 0)
        world.ring_gref = (uint32_t)strtoul(value, NULL, 10);
    if (strcmp(path + 7, "state") == 0) {
        world.front_state = xenbus_parse_state(value, strlen(value));
        MUST(world.front_state != XENBUS_UNKNOWN);
        follow();
    }
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

/* What it was asked for is in order, whatever it has published: it may have
 * said since that the disk has become smaller. */
static void check_request(const struct blkif_wire_request *request)
{
    uint64_t sectors = 0;

    MUST(request->nr_segments <= BLKIF_WIRE_SEGMENTS);
    for (unsigned i = 0; i < request->nr_segments; i++) {
        const struct blkif_wire_segment *segment = &request->segments[i];

        MUST(segment->first_sector <= segment->last_sector &&
             segment->last_sector < BLKIF_SECTORS_PER_PAGE);
        MUST(segment->gref < MOST_GRANTS && world.grants[segment->gref].page);
        MUST(world.grants[segment->gref].read_only ==
             (request->operation != BLKIF_OP_READ));
        sectors += segment->last_sector - segment->first_sector + 1u;
    }
    MUST(sectors <= world.most_sectors &&
         request->sector <= world.most_sectors - sectors);
}

static void take_requests(void)
{
    int nr = back_ring_take(&world.ring, &world.held[world.nr_held],
                            MOST_HELD - world.nr_held);

    MUST(nr >= 0 || !world.is_honest);
    for (int i = 0; i < nr; i++, world.nr_held++)
        if (world.is_honest)
            check_request(&world.held[world.nr_held]);
}

/* A request that is held, and no longer; one of zeros when none is: its answer
 * may go where a request stands. */
static struct blkif_wire_request let_go(unsigned which)
{
    struct blkif_wire_request request = { .id = 0 };

    if (world.nr_held == 0) {
        world.is_honest = false;
    } else {
        which %= world.nr_held;
        request = world.held[which];
        world.held[which] = world.held[--world.nr_held];
    }
    return request;
}

static void answer_honestly(void)
{
    while (world.nr_held > 0) {
        struct blkif_wire_request request = let_go(0);

        back_ring_put(&world.ring, request.id, request.operation,
                      BLKIF_RSP_OKAY);
    }
    back_ring_push(&world.ring);
}

/* With an id, an operation and a status that may be another's or nobody's. */
static void answer_anyhow(struct fuzz_input *script)
{
    struct blkif_wire_request request = let_go(fuzz_byte(script));
    uint8_t lies = fuzz_byte(script);

    if (lies & 1)
        request.id += fuzz_varied(script);
    if (lies & 2)
        request.id ^= fuzz_number(script, 4) << 32;
    if (lies & 4)
        request.operation = fuzz_byte(script);
    back_ring_put(&world.ring, request.id, request.operation,
                  (int16_t)-(lies >> 6));
    back_ring_push(&world.ring);
}

static void overwrite(struct fuzz_input *script)
{
    volatile uint32_t *words = world.ring.shared;
    uint64_t which = fuzz_varied(script);

    words[which % (PAGE_BYTES / sizeof(*words))] =
        (uint32_t)fuzz_varied(script);
    world.is_honest = false;
}

static void back_step(uint8_t step)
{
    struct fuzz_input *script = &world.script;

    switch (step % 8) {
    case 0:
        take_requests();
        break;
    case 1:
        answer_honestly();
        break;
    case 2:
    case 3:
        answer_anyhow(script);
        break;
    case 4:
        world.ring.rsp_prod += (uint32_t)fuzz_varied(script);
        world.is_honest = false;
        back_ring_push(&world.ring);
        break;
    case 5:
        world.grants[fuzz_byte(script)].is_kept = true;
        break;
    case 6:
        world.back_state =
            (enum xenbus_state)(fuzz_byte(script) % XENBUS_STATE_COUNT);
        world.events++;
        break;
    case 7:
        overwrite(script);
        break;
    }
}

/* --- the front end's turn ------------------------------------------------- */

static void done(struct vbdfront_io *io, int error)
{
    bool *is_done = io->owner;

    MUST(!*is_done && error <= 0);
    *is_done = true;
    world.nr_done++;
}

static void submit(uint8_t step, uint8_t *data)
{
    struct vbdfront_io *io = &world.ios[world.nr_ios];
    uint32_t page = step / 8 % DATA_PAGES;
    uint32_t most = (DATA_PAGES - page) * BLKIF_SECTORS_PER_PAGE;

    *io = (struct vbdfront_io){
        .op = (enum vbdfront_op)(step % 4),
        .flags = step & 4 ? VBDFRONT_FUA : 0,
        .sector = fuzz_varied(&world.script),
        .nr_sectors = fuzz_byte(&world.script) % (most + 1),
        .data = data + page * PAGE_BYTES, .done = done,
        .owner = &world.are_done[world.nr_ios] };
    world.nr_ios++;
    vbdfront_submit(world.front, io);
}

static void check_info(const struct vbdfront_info *info)
{
    MUST(info->sector_bytes >= BLKIF_SECTOR_BYTES &&
         info->sector_bytes <= PAGE_BYTES &&
         (info->sector_bytes & (info->sector_bytes - 1)) == 0);
    MUST(info->nr_sectors > 0 && info->nr_sectors <= UINT64_C(1) << 55);
    MUST(info->nr_sectors % (info->sector_bytes / BLKIF_SECTOR_BYTES) == 0);
    MUST(info->physical_sector_bytes >= info->sector_bytes &&
         info->physical_sector_bytes % info->sector_bytes == 0);
    MUST(info->max_segments >= 1 &&
         info->max_segments <= BLKIF_MAX_INDIRECT_SEGMENTS);
    MUST(info->ring_slots == 32);
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
    uint8_t *data = page_alloc(NULL, DATA_PAGES);

    while (world.script.left > 0) {
        uint8_t step = fuzz_byte(&world.script);

        if (step % 2 == 0 && world.nr_ios < MOST_IOS)
            submit(step / 2, data);
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
        page_free(NULL, data, DATA_PAGES);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *bar = size > 0 ? memchr(data, '|', size) : NULL;
    size_t nodes_size = bar ? (size_t)(bar - data) : size;

    memset(&world, 0, sizeof world);
    nodes_init(&world.nodes, data, nodes_size);
    if (bar)
        world.script = (struct fuzz_input){ bar + 1, size - nodes_size - 1 };
    world.front_state = XENBUS_INITIALISING;
    world.back_state = XENBUS_INIT_WAIT;
    MUST(vbdfront_open(&port, "/front", &world.front) == 0);
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
