/* SPDX-License-Identifier: MIT
 * The fake port and back end of the front end's tests. */
#include "tests/unit/frontend-fake.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

#include "common/blkif/validate.h"

enum { PAGE_BYTES = 4096, FIRST_GRANT = 8 };

static void violation(struct fake *fake, const char *text)
{
    fake->violations++;
    printf("# the fake: %s\n", text);
}

/* --- memory ------------------------------------------------------------- */

static void *page_alloc(void *context, unsigned nr)
{
    struct fake *fake = context;
    void *pages = NULL;

    if (fake->pages_used + nr <= fake->pages_limit)
        pages = aligned_alloc(PAGE_BYTES, (size_t)nr * PAGE_BYTES);
    if (pages) {
        memset(pages, 0, (size_t)nr * PAGE_BYTES);
        fake->pages_used += nr;
    }
    return pages;
}

static void page_free(void *context, void *pages, unsigned nr)
{
    struct fake *fake = context;

    for (unsigned i = 0; i < FAKE_GRANTS; i++) {
        char *page = fake->grants[i].page;

        if (page && page >= (char *)pages &&
            page < (char *)pages + (size_t)nr * PAGE_BYTES)
            violation(fake, "a page was freed while it is granted");
    }
    fake->pages_used -= nr;
    free(pages);
}

/* --- grants ------------------------------------------------------------- */

static int32_t grant_access(void *context, uint32_t domid, void *page,
                            bool read_only)
{
    struct fake *fake = context;

    if ((uintptr_t)page % PAGE_BYTES)
        violation(fake, "something that is no page was granted");
    if (fake->grants_used >= fake->grants_limit)
        return -ENOSPC;
    for (int32_t i = FIRST_GRANT; i < FAKE_GRANTS; i++) {
        if (!fake->grants[i].page) {
            fake->grants[i] = (struct fake_grant){
                .page = page, .domid = domid, .read_only = read_only };
            fake->grants_used++;
            fake->nr_granted++;
            return i;
        }
    }
    return -ENOSPC;
}

/* A back end keeps the rings until the front end has said Closed. */
static bool is_of_ring(const struct fake *fake, const void *page)
{
    for (unsigned i = 0; fake->has_ring && i < fake->nr_queues; i++) {
        const volatile char *start = fake->rings[i].shared;
        const volatile char *at = page;

        if (at >= start && at < start + fake->ring_pages * PAGE_BYTES)
            return true;
    }
    return false;
}

static int grant_end(void *context, uint32_t gref)
{
    struct fake *fake = context;

    if (gref >= FAKE_GRANTS || !fake->grants[gref].page) {
        violation(fake, "a grant was taken back twice");
        return 0;
    }
    if (!fake->grants[gref].is_old &&
        (fake->grants[gref].is_busy ||
         (fake->has_ring && fake->grants[gref].is_mapped) ||
         is_of_ring(fake, fake->grants[gref].page)))
        return -EBUSY;
    fake->grants[gref].page = NULL;
    fake->grants_used--;
    return 0;
}

/* As Xen would: NULL when the grant gives no such right. */
static void *use_grant(struct fake *fake, uint32_t gref, bool writes)
{
    if (gref >= FAKE_GRANTS || !fake->grants[gref].page ||
        fake->grants[gref].domid != 0 || fake->grants[gref].is_old ||
        (writes && fake->grants[gref].read_only)) {
        violation(fake, "the back end was given a grant that it may not use");
        return NULL;
    }
    if (!writes && !fake->grants[gref].read_only && !fake->maps_persistently)
        violation(fake, "the back end was given more right than it needs");
    if (fake->grants[gref].read_only && fake->maps_persistently)
        violation(fake, "the back end cannot map for good what is read-only");
    fake->grants[gref].is_mapped = fake->maps_persistently;
    return fake->grants[gref].page;
}

/* --- events ------------------------------------------------------------- */

static int32_t event_alloc(void *context, uint32_t domid)
{
    struct fake *fake = context;
    int32_t port = FAKE_FIRST_PORT;

    (void)domid;
    while (port < FAKE_PORTS && fake->ports[port])
        port++;
    if (port == FAKE_PORTS || fake->ports_used == fake->ports_limit)
        return -ENOSPC;
    fake->ports[port] = true;
    fake->ports_used++;
    return port;
}

static void event_close(void *context, uint32_t port)
{
    struct fake *fake = context;

    if (port >= FAKE_PORTS || !fake->ports[port]) {
        violation(fake, "a port was closed that was not open");
        return;
    }
    fake->ports[port] = false;
    fake->ports_used--;
}

static void event_notify(void *context, uint32_t port)
{
    struct fake *fake = context;

    if (port >= FAKE_PORTS || !fake->ports[port])
        violation(fake, "a port was notified that was not open");
    fake->notifications++;
}

/* --- store -------------------------------------------------------------- */

/* The node's place; makes it when may_make. -1: there is none. */
static int find_node(struct fake *fake, const char *path, bool may_make)
{
    for (unsigned i = 0; i < fake->nr_nodes; i++) {
        if (strcmp(fake->nodes[i].path, path) == 0)
            return (int)i;
    }
    if (!may_make || fake->nr_nodes == FAKE_NODES)
        return -1;
    snprintf(fake->nodes[fake->nr_nodes].path,
             sizeof fake->nodes[0].path, "%s", path);
    fake->nodes[fake->nr_nodes].value[0] = '\0';
    fake->nodes[fake->nr_nodes].is_watched = false;
    return (int)fake->nr_nodes++;
}

/* An absent node that is watched is a node without a value: "\1". */
static bool is_absent(const char *value)
{
    return value[0] == '\1';
}

static void write_path(struct fake *fake, const char *path, const char *value)
{
    int i = find_node(fake, path, true);

    if (i < 0)
        return;
    snprintf(fake->nodes[i].value, sizeof fake->nodes[i].value, "%s", value);
    if (fake->nodes[i].is_watched)
        fake->store_events++;
}

static int store_read(void *context, const char *path, char *value,
                      size_t bytes)
{
    struct fake *fake = context;
    int i = find_node(fake, path, false);
    size_t length;

    if (i < 0 || is_absent(fake->nodes[i].value))
        return -ENOENT;
    length = strlen(fake->nodes[i].value);
    if (length >= bytes)
        return -E2BIG;
    memcpy(value, fake->nodes[i].value, length + 1);
    return (int)length;
}

static int store_write(void *context, const char *path, const char *value)
{
    write_path(context, path, value);
    return 0;
}

static int store_watch(void *context, const char *path)
{
    struct fake *fake = context;
    int i = find_node(fake, path, false);

    if (i < 0) {
        i = find_node(fake, path, true);
        strcpy(fake->nodes[i].value, "\1");
    }
    if (fake->nodes[i].is_watched)
        violation(fake, "a node is watched twice");
    fake->nodes[i].is_watched = true;
    fake->nr_watches++;
    fake->store_events++;
    return 0;
}

static int store_unwatch(void *context, const char *path)
{
    struct fake *fake = context;
    int i = find_node(fake, path, false);

    if (i < 0 || !fake->nodes[i].is_watched) {
        violation(fake, "a node is unwatched that is not watched");
        return -ENOENT;
    }
    fake->nodes[i].is_watched = false;
    fake->nr_watches--;
    return 0;
}

static uint64_t store_events(void *context)
{
    return ((struct fake *)context)->store_events_seen;
}

/* --- time --------------------------------------------------------------- */

/* Nobody waits here for real: when the back end does nothing, the whole time
 * has passed. */
static void wait_for_events(void *context, uint64_t timeout_us)
{
    struct fake *fake = context;
    uint64_t events = fake->store_events;
    unsigned logged = fake->nr_log;

    if (fake->backend)
        fake->backend(fake);
    if (events == fake->store_events && logged == fake->nr_log &&
        events == fake->store_events_seen)
        fake->now_us += timeout_us;
    fake->store_events_seen = fake->store_events;
    fake->now_us++;
}

static uint64_t now_us(void *context)
{
    return ((struct fake *)context)->now_us;
}

static void log_sentence(void *context, const char *sentence)
{
    struct fake *fake = context;

    snprintf(fake->last_sentence, sizeof fake->last_sentence, "%s", sentence);
    fake->nr_sentences++;
}

/* --- the back end ------------------------------------------------------- */

enum xenbus_state fake_front_state(struct fake *fake)
{
    const char *text = fake_get(fake, FAKE_NODE, "state");

    return text ? (enum xenbus_state)atoi(text) : XENBUS_UNKNOWN;
}

void fake_set_backend_state(struct fake *fake, enum xenbus_state state)
{
    char value[16];

    snprintf(value, sizeof value, "%d", (int)state);
    fake_set(fake, FAKE_BACKEND, "state", value);
}

/* A number in the front end's directory. */
static uint32_t front_number(struct fake *fake, const char *leaf,
                             uint32_t otherwise)
{
    const char *text = fake_get(fake, FAKE_NODE, leaf);

    return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

static enum blkif_abi front_abi(struct fake *fake)
{
    const char *text = fake_get(fake, FAKE_NODE, "protocol");

    if (text && strcmp(text, XEN_IO_PROTO_ABI_X86_32) == 0)
        return BLKIF_ABI_X86_32;
    if (text && strcmp(text, XEN_IO_PROTO_ABI_X86_64) == 0)
        return BLKIF_ABI_X86_64;
    return BLKIF_ABI_NATIVE;
}

/* The pages of one ring must be one behind the other, as the back end would
 * map them. */
static void *ring_pages(struct fake *fake, unsigned queue, unsigned nr_pages)
{
    char *first = NULL;
    char leaf[64], prefix[32] = "", page_name[16] = "";

    for (unsigned i = 0; i < nr_pages; i++) {
        struct fake_grant *grant;
        uint32_t gref;

        if (fake->nr_queues > 1)
            snprintf(prefix, sizeof prefix, "queue-%u/", queue);
        if (nr_pages > 1)
            snprintf(page_name, sizeof page_name, "%u", i);
        snprintf(leaf, sizeof leaf, "%sring-ref%s", prefix, page_name);
        gref = front_number(fake, leaf, 0);
        grant = &fake->grants[gref % FAKE_GRANTS];
        first = i == 0 ? grant->page : first;
        if (!first || grant->page != first + i * PAGE_BYTES ||
            grant->read_only || grant->is_old)
            return NULL;
    }
    return first;
}

void fake_attach_ring(struct fake *fake)
{
    fake->nr_queues = front_number(fake, "multi-queue-num-queues", 1);
    fake->ring_pages = 1u << front_number(fake, "ring-page-order", 0);
    if (fake->nr_queues > FAKE_QUEUES) {
        violation(fake, "there are more queues than were offered");
        return;
    }
    for (unsigned i = 0; i < fake->nr_queues; i++) {
        void *pages = ring_pages(fake, i, fake->ring_pages);

        if (!pages) {
            violation(fake, "there is no ring to attach to");
            return;
        }
        back_ring_init(&fake->rings[i], pages, fake->ring_pages,
                       front_abi(fake));
        fake->nr_served[i] = 0;
    }
    fake->has_ring = true;
    fake->nr_held = 0;
}

void fake_follow_states(struct fake *fake)
{
    const char *text = fake_get(fake, FAKE_BACKEND, "state");
    enum xenbus_state ours = text ? (enum xenbus_state)atoi(text)
                                  : XENBUS_UNKNOWN;
    enum xenbus_state front = fake_front_state(fake);

    if (front == XENBUS_INITIALISING &&
        (ours == XENBUS_INITIALISING || ours == XENBUS_CLOSED ||
         ours == XENBUS_UNKNOWN)) {
        fake_set_backend_state(fake, XENBUS_INIT_WAIT);
    } else if ((ours == XENBUS_INITIALISING || ours == XENBUS_INIT_WAIT) &&
               (front == XENBUS_INITIALISED || front == XENBUS_CONNECTED)) {
        fake_attach_ring(fake);
        fake_set_backend_state(fake, XENBUS_CONNECTED);
    } else if (front == XENBUS_CLOSING &&
               (ours == XENBUS_INIT_WAIT || ours == XENBUS_CONNECTED)) {
        fake_set_backend_state(fake, XENBUS_CLOSING);
    } else if (front == XENBUS_CLOSED && ours != XENBUS_CLOSED) {
        fake->has_ring = false;
        fake_set_backend_state(fake, XENBUS_CLOSED);
    }
}

/* Between the disk, from byte `at` on, and the segments' pages. Returns where
 * it ended. */
static uint64_t move(struct fake *fake, uint8_t operation, uint64_t at,
                     const struct blkif_wire_segment *segments, unsigned nr)
{
    bool reads = operation == BLKIF_OP_READ;

    for (unsigned i = 0; i < nr; i++) {
        const struct blkif_wire_segment *segment = &segments[i];
        uint8_t *page = use_grant(fake, segment->gref, reads);
        size_t bytes = (size_t)(segment->last_sector -
                                segment->first_sector + 1) * 512;

        if (segment->last_sector > 7 ||
            segment->first_sector > segment->last_sector)
            violation(fake, "a segment leaves its page");
        else if (!page || at + bytes > sizeof fake->disk)
            violation(fake, "a request leaves the disk");
        else if (reads)
            memcpy(page + segment->first_sector * 512, fake->disk + at, bytes);
        else
            memcpy(fake->disk + at, page + segment->first_sector * 512, bytes);
        at += bytes;
    }
    return at;
}

/* What is discarded reads as 0xdd here. A disk may be said to be larger than
 * this one is. */
static void discard(struct fake *fake, const struct blkif_wire_request *request)
{
    if (request->sector < FAKE_DISK_SECTORS &&
        request->nr_sectors <= FAKE_DISK_SECTORS - request->sector)
        memset(fake->disk + request->sector * 512, 0xdd,
               request->nr_sectors * 512);
}

/* As many segments as a page has; in the order of the pages. */
static void execute_indirect(struct fake *fake,
                             const struct blkif_wire_request *request)
{
    enum { A_PAGE = PAGE_BYTES / sizeof(struct blkif_wire_segment) };
    static struct blkif_wire_segment segments[A_PAGE];
    uint64_t at = request->sector * 512;
    uint32_t left = request->nr_indirect_segments;

    if (left == 0 || left > fake->max_indirect_segments ||
        request->indirect_operation > BLKIF_OP_WRITE)
        violation(fake, "an indirect request is none that was offered");
    for (unsigned i = 0; left > 0 && i < BLKIF_WIRE_INDIRECT_PAGES; i++) {
        void *page = use_grant(fake, request->indirect_grefs[i], false);
        uint32_t nr = left < A_PAGE ? left : A_PAGE;

        if (!page)
            return;
        memcpy(segments, page, sizeof segments);
        at = move(fake, request->indirect_operation, at, segments, nr);
        left -= nr;
    }
}

static void execute(struct fake *fake, const struct blkif_wire_request *request)
{
    uint64_t at = request->sector * 512;

    if (request->operation == BLKIF_OP_INDIRECT)
        execute_indirect(fake, request);
    else if (request->operation == BLKIF_OP_DISCARD)
        discard(fake, request);
    else if (request->operation != BLKIF_OP_FLUSH_DISKCACHE)
        move(fake, request->operation, at, request->segments,
             request->nr_segments);
}

static void answer(struct fake *fake, unsigned queue, uint64_t id,
                   uint8_t operation, int16_t status)
{
    back_ring_put(&fake->rings[queue], id, operation, status);
    back_ring_push(&fake->rings[queue]);
}

void fake_answer(struct fake *fake, uint64_t id, uint8_t operation,
                 int16_t status)
{
    answer(fake, 0, id, operation, status);
}

static struct blkif_wire_request take_held(struct fake *fake, unsigned index)
{
    struct blkif_wire_request request = fake->held[index];
    unsigned behind = --fake->nr_held - index;

    memmove(&fake->held[index], &fake->held[index + 1],
            behind * sizeof request);
    memmove(&fake->held_queue[index], &fake->held_queue[index + 1], behind);
    return request;
}

void fake_execute_held(struct fake *fake, unsigned index)
{
    struct blkif_wire_request request = take_held(fake, index);

    execute(fake, &request);
}

void fake_answer_held(struct fake *fake, unsigned index, int16_t status)
{
    if (status == BLKIF_RSP_OKAY)
        execute(fake, &fake->held[index]);
    fake_answer_undone(fake, index, status);
}

void fake_answer_undone(struct fake *fake, unsigned index, int16_t status)
{
    unsigned queue = fake->held_queue[index];
    struct blkif_wire_request request = take_held(fake, index);

    answer(fake, queue, request.id, blkif_response_operation(&request),
           status);
}

static void serve_queue(struct fake *fake, unsigned queue)
{
    struct blkif_wire_request request;

    while (fake->has_ring &&
           back_ring_take(&fake->rings[queue], &request, 1) == 1) {
        if (fake->nr_log < FAKE_LOG)
            fake->log[fake->nr_log++] = request.operation;
        fake->nr_served[queue]++;
        fake->last = request;
        fake->held_queue[fake->nr_held] = (uint8_t)queue;
        fake->held[fake->nr_held++] = request;
        if (!fake->holds)
            fake_answer_held(fake, fake->nr_held - 1, fake->status);
    }
    if (fake->has_ring)
        back_ring_final_check(&fake->rings[queue]);
}

void fake_serve(struct fake *fake)
{
    for (unsigned i = 0; i < fake->nr_queues; i++)
        serve_queue(fake, i);
}

void fake_live(struct fake *fake)
{
    if (fake->follows_states)
        fake_follow_states(fake);
    fake_serve(fake);
}

/* --- set up, look ------------------------------------------------------- */

static const struct vbdfront_port port_table = {
    .page_alloc = page_alloc, .page_free = page_free,
    .grant_access = grant_access, .grant_end = grant_end,
    .event_alloc = event_alloc, .event_close = event_close,
    .event_notify = event_notify, .store_read = store_read,
    .store_write = store_write, .store_watch = store_watch,
    .store_unwatch = store_unwatch, .store_events = store_events,
    .wait = wait_for_events, .now_us = now_us, .log = log_sentence,
};

static const char *join(const char *directory, const char *leaf)
{
    static char path[FAKE_PATH_BYTES];

    snprintf(path, sizeof path, "%s/%s", directory, leaf);
    return path;
}

const char *fake_get(struct fake *fake, const char *directory,
                     const char *leaf)
{
    int i = find_node(fake, join(directory, leaf), false);

    return i < 0 || is_absent(fake->nodes[i].value) ? NULL
                                                    : fake->nodes[i].value;
}

void fake_set(struct fake *fake, const char *directory, const char *leaf,
              const char *value)
{
    write_path(fake, join(directory, leaf), value);
}

void fake_remove(struct fake *fake, const char *directory, const char *leaf)
{
    fake_set(fake, directory, leaf, "\1");
}

void fake_offer_indirect(struct fake *fake, uint32_t max_segments)
{
    char value[16];

    snprintf(value, sizeof value, "%u", max_segments);
    fake_set(fake, FAKE_BACKEND, "feature-max-indirect-segments", value);
    fake->max_indirect_segments = max_segments;
}

void fake_make_device(struct fake *fake)
{
    for (unsigned i = 0; i < fake->nr_nodes; i++)
        write_path(fake, fake->nodes[i].path, "\1");
    fake_set(fake, FAKE_NODE, "backend", FAKE_BACKEND);
    fake_set(fake, FAKE_NODE, "backend-id", "0");
    fake_set(fake, FAKE_NODE, "virtual-device", "51712");
    fake_set(fake, FAKE_NODE, "state", "1");
    fake_set(fake, FAKE_BACKEND, "sectors", "16384");
    fake_set(fake, FAKE_BACKEND, "sector-size", "512");
    fake_set(fake, FAKE_BACKEND, "info", "0");
    fake_set(fake, FAKE_BACKEND, "feature-flush-cache", "1");
    fake_set(fake, FAKE_BACKEND, "feature-barrier", "1");
    fake_set(fake, FAKE_BACKEND, "state", "1");
}

void fake_restore(struct fake *fake)
{
    for (unsigned i = 0; i < FAKE_GRANTS; i++)
        fake->grants[i].is_old = fake->grants[i].page != NULL;
    memset(fake->ports, 0, sizeof fake->ports);
    memset(fake->nodes, 0, sizeof fake->nodes);
    fake->ports_used = fake->nr_nodes = fake->nr_watches = 0;
    fake->has_ring = fake->maps_persistently = false;
    fake->nr_queues = fake->nr_held = fake->max_indirect_segments = 0;
    fake_make_device(fake);
}

void fake_init(struct fake *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->port = port_table;
    fake->port.context = fake;
    fake->grants_limit = FAKE_GRANTS - FIRST_GRANT;
    fake->pages_limit = UINT_MAX;
    fake->ports_limit = FAKE_PORTS;
    fake->backend = fake_live;
    fake->follows_states = true;
    fake_make_device(fake);
}

bool fake_is_clean(const struct fake *fake)
{
    if (fake->pages_used || fake->grants_used || fake->ports_used ||
        fake->nr_watches)
        printf("# left over: %u pages, %u grants, %u ports, %u watches\n",
               fake->pages_used, fake->grants_used, fake->ports_used,
               fake->nr_watches);
    return !fake->pages_used && !fake->grants_used && !fake->ports_used &&
           !fake->nr_watches;
}
