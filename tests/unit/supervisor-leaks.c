/* SPDX-License-Identifier: MIT
 * Claim: a thousand disks that come, are used and go, and a thousand changes
 * of heart of one front end, in any order and in mid-I/O, leave no descriptor,
 * mapping, grant, event channel, process, directory or node behind.
 * Source: docs/THREAT-MODEL.md; XSA-361, 371 (what is acquired is released on
 * every path).
 * Mechanism: vbdd and real workers on the stand-in. What they hold is counted
 * by the kernel and compared with what it was after the first few. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/xen.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>

#include "common/blkif/ring.h"
#include "common/host/log.h"
#include "common/local/local.h"
#include "frontend/port-local/port-local.h"
#include "frontend/vbdfront.h"
#include "tests/unit/process.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { SECOND = 1000000, PATIENCE_US = 20 * SECOND };

/* --- what is held --------------------------------------------------------- */

struct held {
    struct { unsigned fds, maps; } of[3]; /* vbdd, vbdd-local, a worker */
    unsigned children, nodes, state_files;
};

static unsigned count_nodes(const char *path)
{
    unsigned nr = 0, total = 1;
    char **names = xs_directory(rig_xs, XBT_NULL, path, &nr);

    for (unsigned i = 0; names && i < nr; i++) {
        char child[512];

        snprintf(child, sizeof child, "%s/%s", strcmp(path, "/") ? path : "",
                 names[i]);
        total += count_nodes(child);
    }
    free(names);
    return total;
}

static unsigned count_files(const char *path)
{
    char command[256];
    unsigned nr = 0;
    FILE *find;

    snprintf(command, sizeof command, "find '%s' | wc -l", path);
    find = popen(command, "r");
    REQUIRE(find && fscanf(find, "%u", &nr) == 1);
    pclose(find);
    return nr;
}

/* worker: 0 when there is none. */
static struct held count_held(pid_t worker)
{
    const pid_t pids[] = { rig_vbdd_pid(), rig_hypervisor_pid(), worker };
    struct held held = { .nodes = count_nodes("/"),
                         .children = process_children(rig_vbdd_pid()),
                         .state_files = count_files(rig_path("state")) };

    for (unsigned i = 0; i < 3; i++) {
        if (!pids[i])
            continue;
        held.of[i].fds = process_fds(pids[i]);
        if (!process_is_instrumented())
            held.of[i].maps = process_maps(pids[i]);
    }
    return held;
}

static bool holds_more(const struct held *now, const struct held *before)
{
    for (unsigned i = 0; i < 3; i++)
        if (now->of[i].fds > before->of[i].fds ||
            now->of[i].maps > before->of[i].maps)
            return true;
    return now->children > before->children || now->nodes > before->nodes ||
           now->state_files > before->state_files;
}

static void show_held(const char *when, const struct held *held)
{
    NOTE("%s: fds %u, %u, %u; mappings %u, %u, %u; %u processes, %u nodes, "
         "%u files", when, held->of[0].fds, held->of[1].fds, held->of[2].fds,
         held->of[0].maps, held->of[1].maps, held->of[2].maps, held->children,
         held->nodes, held->state_files);
}

/* A buffer that is idle goes back after a while, a process when it has been
 * waited for: that is given time. */
static bool is_held_again(pid_t worker, const struct held *before)
{
    uint64_t end = host_now_us() + 10 * SECOND;
    struct held now = count_held(worker);

    while (holds_more(&now, before) && host_now_us() < end) {
        usleep(SECOND / 10);
        now = count_held(worker);
    }
    show_held("before", before);
    show_held("after", &now);
    return !holds_more(&now, before);
}

/* But for 1 MiB; idle buffers, again, go back after a while. */
static bool is_as_small_again(pid_t worker, long before_kib)
{
    uint64_t end = host_now_us() + 10 * SECOND;
    long now_kib = process_rss_kib(worker);

    while (now_kib > before_kib + 1024 && host_now_us() < end) {
        usleep(SECOND / 10);
        now_kib = process_rss_kib(worker);
    }
    NOTE("RSS of the worker: %ld KiB before, %ld KiB after", before_kib,
         now_kib);
    return now_kib <= before_kib + 1024 || process_is_instrumented();
}

/* --- a thousand lives ----------------------------------------------------- */

static bool write_and_read(struct vbdfront *front, char *page, unsigned n)
{
    memset(page, (int)(n % 251), 4096);
    if (vbdfront_do(front, VBDFRONT_WRITE, 0, n % 100 * 8, 8, page))
        return false;
    memset(page, 0xff, 4096);
    return vbdfront_do(front, VBDFRONT_READ, 0, n % 100 * 8, 8, page) == 0 &&
           page[0] == (char)(n % 251) && page[4095] == page[0];
}

/* One of three has not closed when it is taken away; one of ten is a file, and
 * the others are quicker. */
static bool live_once(const struct rig_device *device,
                      const struct vbdfront_port *port, unsigned n)
{
    char *page = port->page_alloc(port->context, 1);
    struct vbdfront_stats stats;
    struct vbdfront *front;
    bool is_right = page && rig_ok(rig_attach(device, "w", n % 10
                                              ? "mem:size=1M" : "aio")) &&
                    vbdfront_open(port, device->front, NULL, &front) == 0;

    if (!CHECK(is_right))
        return false;
    is_right = CHECK_EQ(vbdfront_connect(front, PATIENCE_US), 0) &&
               CHECK(write_and_read(front, page, n));
    if (n % 3 == 0)
        rig_remove(device->front); /* then it cannot be asked to close */
    else
        is_right &= CHECK_EQ(vbdfront_disconnect(front, PATIENCE_US), 0);
    is_right &= CHECK(rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":%u,"
                                     "\"vdev\":\"%s\"}", device->domid,
                                     device->vdev)));
    CHECK_EQ(vbdfront_disconnect(front, 0), 0);
    vbdfront_get_stats(front, &stats);
    is_right &= CHECK_EQ(stats.grants_held, 0);
    CHECK_EQ(stats.pages_lost, 0);
    vbdfront_close(front);
    port->page_free(port->context, page, 1);
    return is_right;
}

static void check_lives(void)
{
    struct rig_device device = rig_device(5, "xvda", "lives");
    unsigned nr = (unsigned)tap_scaled(1000);
    struct port_local *port;
    struct held before;
    uint64_t start_us = host_now_us();
    long rss;

    REQUIRE(port_local_open(rig_dir, 5, 256, &port) == 0);
    for (unsigned n = 0; n < 20; n++)
        if (!live_once(&device, port_local_table(port), n))
            return;
    before = count_held(0);
    rss = process_rss_kib(rig_vbdd_pid());
    for (unsigned n = 0; n < nr; n++)
        if (!live_once(&device, port_local_table(port), n))
            return;
    rss = process_rss_kib(rig_vbdd_pid()) - rss;
    NOTE("%u lives in %llu ms; RSS of vbdd grew by %ld KiB", nr,
         (unsigned long long)(host_now_us() - start_us) / 1000, rss);
    CHECK(is_held_again(0, &before));
    CHECK_EQ(before.children, 0);
    if (!process_is_instrumented())
        CHECK(rss <= 512);
    port_local_close(port);
}

/* --- a thousand changes of heart ------------------------------------------ */

enum { FLAPPER_DOMID = 6, PAGES = 4, MAX_QUEUES = 4, MAX_ORDER = 2,
       SET_FRAMES = MAX_QUEUES << MAX_ORDER, NR_SETS = 8,
       RING_FRAME = LOCAL_GRANT_FRAMES,
       DATA_FRAME = RING_FRAME + NR_SETS * SET_FRAMES,
       FLAPPER_FRAMES = DATA_FRAME + PAGES, MAX_GRANTS = 4096 };

/* A front end without principles: it offers new rings, of any number and
 * length, whatever has become of the old ones. Their frames are used in
 * turns, their grants taken back when that is possible. */
static struct {
    struct rig_device device;
    struct local *local;
    char *memory;
    struct front_ring rings[MAX_QUEUES];
    uint32_t ports[MAX_QUEUES], grefs[MAX_GRANTS];
    unsigned nr_queues, nr_offers, nr_grefs; /* first the data's grants */
    unsigned long connects, requests;
} flapper;

static uint32_t grant(unsigned frame)
{
    int32_t gref = local_grant_access(flapper.local, 0, frame, false);

    REQUIRE(gref > 0 && flapper.nr_grefs < MAX_GRANTS);
    return flapper.grefs[flapper.nr_grefs++] = (uint32_t)gref;
}

static uint16_t *flags_of(uint32_t gref)
{
    struct grant_entry_v1 *table = (void *)flapper.memory;

    return &table[gref].flags;
}

/* All from the n-th on that nobody uses. */
static void take_grants_back(unsigned n)
{
    unsigned kept = n;

    for (; n < flapper.nr_grefs; n++) {
        /* what it had revoked before may still be mapped */
        __atomic_fetch_or(flags_of(flapper.grefs[n]), GTF_permit_access,
                          __ATOMIC_SEQ_CST);
        if (local_grant_end(flapper.local, flapper.grefs[n]) == -EBUSY)
            flapper.grefs[kept++] = flapper.grefs[n];
    }
    flapper.nr_grefs = kept;
}

static void close_ports(void)
{
    for (unsigned q = 0; q < flapper.nr_queues; q++)
        local_event_close(flapper.local, flapper.ports[q]);
    flapper.nr_queues = 0;
}

static void write_number(const char *prefix, const char *name, unsigned number)
{
    char full[64], text[12];

    snprintf(full, sizeof full, "%s%s", prefix, name);
    snprintf(text, sizeof text, "%u", number);
    rig_write(flapper.device.front, full, text);
}

static void offer_ring(unsigned q, const char *prefix, unsigned nr_pages)
{
    unsigned set = flapper.nr_offers % NR_SETS;
    unsigned frame = RING_FRAME + set * SET_FRAMES + q * (1 << MAX_ORDER);
    char *pages = flapper.memory + (size_t)frame * LOCAL_PAGE_BYTES;
    int port = local_event_alloc_unbound(flapper.local, 0);

    REQUIRE(port > 0);
    flapper.ports[q] = (uint32_t)port;
    memset(pages, 0, nr_pages * (size_t)LOCAL_PAGE_BYTES);
    front_ring_init(&flapper.rings[q], pages, nr_pages, BLKIF_ABI_NATIVE);
    for (unsigned i = 0; i < nr_pages; i++) {
        char name[16];

        snprintf(name, sizeof name, "ring-ref%u", i);
        write_number(prefix, name, rand() % 64 ? grant(frame + i) : 7777);
    }
    write_number(prefix, "event-channel",
                 rand() % 32 ? flapper.ports[q] : 4000);
}

static void offer_rings(void)
{
    unsigned nr_queues = 1 + (unsigned)rand() % MAX_QUEUES;
    unsigned order = (unsigned)rand() % (MAX_ORDER + 1);

    close_ports();
    take_grants_back(PAGES);
    flapper.nr_queues = nr_queues;
    flapper.nr_offers++;
    write_number("", "multi-queue-num-queues", nr_queues);
    write_number("", "ring-page-order", order);
    write_number("", "feature-persistent", (unsigned)rand() % 2);
    for (unsigned q = 0; q < nr_queues; q++) {
        char prefix[16] = "";

        if (nr_queues > 1)
            snprintf(prefix, sizeof prefix, "queue-%u/", q);
        offer_ring(q, prefix, 1 << order);
    }
}

static void fill_ring(unsigned q)
{
    struct front_ring *ring = &flapper.rings[q];
    struct blkif_wire_request r = { .operation = BLKIF_OP_READ };
    unsigned nr = (unsigned)rand() % ring->slots;

    for (unsigned i = 0; i < PAGES; i++)
        r.segments[i] = (struct blkif_wire_segment){
            .gref = flapper.grefs[i], .last_sector = 7 };
    for (unsigned i = 0; i < nr; i++) {
        r.operation = i % 5 ? i % 2 : BLKIF_OP_FLUSH_DISKCACHE;
        r.nr_segments = i % 5 ? PAGES : 0;
        r.sector = r.id = i * 8;
        front_ring_put(ring, &r);
    }
    flapper.requests += nr;
    front_ring_push(ring);
    local_event_notify(flapper.local, flapper.ports[q]);
}

/* As no front end may, and each may try: a ring's grant, and for a moment one
 * of the data's. */
static void revoke_some(void)
{
    uint16_t *data = flags_of(flapper.grefs[(unsigned)rand() % PAGES]);
    uint16_t *ring = flags_of(flapper.grefs[flapper.nr_grefs - 1]);

    __atomic_fetch_and(ring, (uint16_t)~GTF_type_mask, __ATOMIC_SEQ_CST);
    __atomic_fetch_and(data, (uint16_t)~GTF_type_mask, __ATOMIC_SEQ_CST);
    usleep((unsigned)rand() % 500);
    __atomic_fetch_or(data, GTF_permit_access, __ATOMIC_SEQ_CST);
}

static char back_state(void)
{
    char path[128], state, *got;

    snprintf(path, sizeof path, "%s/state", flapper.device.back);
    got = xs_read(rig_xs, XBT_NULL, path, NULL);
    state = got ? *got : '0';
    free(got);
    return state;
}

/* Waits, but not for ever: it may have gone another way. */
static bool comes(char state)
{
    for (unsigned i = 0; i < 100; i++) {
        if (back_state() == state)
            return true;
        usleep(100);
    }
    return false;
}

static void flap(void)
{
    static const char *const ways_out[] = { "6", "5", "1", "0", "", "2", "x" };
    const char *out = ways_out[(unsigned)rand() % 7];

    offer_rings();
    rig_front(&flapper.device, rand() % 2 ? "3" : "4");
    if (rand() % 4 && comes('4')) {
        flapper.connects++;
        for (unsigned q = 0; q < flapper.nr_queues; q++)
            fill_ring(q);
        if (rand() % 2)
            usleep((unsigned)rand() % 1500);
        if (rand() % 4 == 0)
            revoke_some();
    }
    if (rand() % 8 == 0) {
        rig_remove(flapper.device.front);
        rig_front(&flapper.device, "5");
    }
    rig_front(&flapper.device, out);
    if (rand() % 4 == 0)
        comes('6');
    if (rand() % 2) {
        rig_front(&flapper.device, "6");
        if (rand() % 4)
            comes('6');
    }
    if (rand() % 4)
        rig_front(&flapper.device, "1");
}

/* Back to where nothing is connected, and the front end has one node, no port
 * and its data's grants only. */
static void settle(void)
{
    rig_remove(flapper.device.front);
    rig_front(&flapper.device, "6");
    CHECK(rig_back_is(&flapper.device, "6"));
    close_ports();
    take_grants_back(PAGES);
    CHECK_EQ(flapper.nr_grefs, PAGES);
    rig_front(&flapper.device, "1");
    CHECK(rig_back_is(&flapper.device, "2"));
}

static uint64_t stat_of(const char *name)
{
    const json_t *disks = json_object_get(rig_ask("{\"command\":\"stats\"}"),
                                          "disks");

    return (uint64_t)json_integer_value(json_object_get(
        json_array_get(disks, 0), name));
}

static void check_grants(void)
{
    struct local_held held;

    take_grants_back(0);
    CHECK_EQ(flapper.nr_grefs, 0);
    local_get_held(flapper.local, &held);
    CHECK_EQ(held.ports, 0);
}

static void open_flapper(void)
{
    flapper.device = rig_device(FLAPPER_DOMID, "xvda", "flaps");
    REQUIRE(local_open(rig_dir, &flapper.local) == 0);
    REQUIRE(local_domain_create(flapper.local, FLAPPER_DOMID,
                                FLAPPER_FRAMES) == 0);
    flapper.memory = local_domain_memory(flapper.local);
    for (unsigned i = 0; i < PAGES; i++)
        grant(DATA_FRAME + i);
    REQUIRE(rig_ok(rig_ask(
        "{\"command\":\"attach\",\"domid\":%u,\"vdev\":\"xvda\",\"target\":"
        "\"%s\",\"options\":{\"engine\":\"delay:read=1ms,write=1ms/"
        "mem:size=8M\",\"queues\":\"%d\",\"ring-page-order\":\"%d\","
        "\"grants\":\"persistent\",\"persistent-grants\":\"64\"}}",
        FLAPPER_DOMID, flapper.device.target, MAX_QUEUES, MAX_ORDER)));
}

static void check_flaps(void)
{
    unsigned nr = (unsigned)tap_scaled(1000);
    struct held before;
    uint64_t start_us;
    pid_t worker;
    long rss;

    open_flapper();
    worker = (pid_t)json_integer_value(json_object_get(
        rig_disk(flapper.device.target), "worker"));
    REQUIRE(worker > 0);
    for (unsigned i = 0; i < 50; i++)
        flap();
    settle();
    before = count_held(worker);
    rss = process_rss_kib(worker);
    start_us = host_now_us();
    for (unsigned i = 0; i < nr; i++)
        flap();
    settle();
    NOTE("%u flaps in %llu ms: %lu connects, %lu requests", nr,
         (unsigned long long)(host_now_us() - start_us) / 1000,
         flapper.connects, flapper.requests);
    CHECK(is_held_again(worker, &before));
    CHECK(is_as_small_again(worker, rss));
    CHECK_EQ(stat_of("in_flight"), 0);
    CHECK_EQ(stat_of("bytes_in_flight"), 0);
    CHECK(stat_of("responses") > 0);
    CHECK(stat_of("responses") < flapper.requests); /* some had no answer */
    CHECK(flapper.connects > nr / 4);
    check_grants();
    CHECK(rig_detach(&flapper.device));
    local_close(flapper.local);
}

int main(void)
{
    log_init("supervisor-leaks", LOG_LEVEL_ERROR);
    srand((unsigned)tap_seed());
    rig_log_level = "info";
    rig_worker = "vbdd-disk";
    rig_start("");
    TEST("a thousand disks come, are used, go and leave nothing behind",
         check_lives);
    TEST("a thousand changes of heart in mid-I/O leave nothing behind",
         check_flaps);
    rig_end();
    return tap_done();
}
