/* SPDX-License-Identifier: MIT
 * The whole stack for the tests of misbehaviour: vbdd-local, vbdd and its
 * workers; an offender with a vbd of each kind; and two neighbours who read
 * and write all the time, one on the offender's disk, one on another. One
 * stack at a time; what is not the neighbours' is the main thread's. */
#ifndef VBDD_TESTS_MISBEHAVE_STACK_H
#define VBDD_TESTS_MISBEHAVE_STACK_H

#include <pthread.h>
#include <stdint.h>
#include <sys/stat.h>

#include "common/blkif/xenbus.h"
#include "tests/unit/disk-guest.h"
#include "tests/unit/process.h"
#include "tests/unit/supervisor-rig.h"

enum { OFFENDER = 5, NEIGHBOUR = 6, STRANGER = 7 };
/* Whose sectors of the 4 MiB disk are whose: what the offender keeps, what its
 * rows are about, the neighbour's. */
enum { OWN_SECTOR = 0, ROW_SECTOR = 1024, NEIGHBOUR_SECTOR = 4096,
       DISK_SECTORS = 8192, OFFENDER_PAGES = 256, OWN_PAGES = 128 };

/* The offender's vbds; all but the last are one disk. */
enum device { PLAIN, READ_ONLY, SECTORS_4K, BARE, ON_FILE, NR_DEVICES };

/* What a front end asks for; all 0: one ring of one page. */
struct wish {
    unsigned more_queues, order;
    bool is_persistent;
};

struct neighbour {
    struct rig_guest guest;
    struct rig_device device;
    struct blkif_wire_request request;
    unsigned long rounds, wrong; /* atomic */
};

static struct {
    struct rig_device devices[NR_DEVICES];
    struct neighbour neighbours[2]; /* on the same disk; on another */
    pthread_t thread;
    bool is_over; /* atomic */
    char *nodes, *held; /* as they were at first */
} stack;

/* --- the store ------------------------------------------------------------ */

static inline void node_bytes(const struct rig_device *device,
                              const char *name, const char *value,
                              size_t bytes)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", device->front, name);
    REQUIRE(xs_write(rig_xs, XBT_NULL, path, value, (unsigned)bytes));
}

static inline void node_number(const struct rig_device *device,
                               const char *name, uint32_t number)
{
    char text[12];

    snprintf(text, sizeof text, "%u", number);
    rig_write(device->front, name, text);
}

static inline void node_remove(const struct rig_device *device,
                               const char *name)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", device->front, name);
    rig_remove(path);
}

static inline enum xenbus_state back_state(const struct rig_device *device)
{
    char path[128], *value;
    unsigned length, state;

    snprintf(path, sizeof path, "%s/state", device->back);
    value = xs_read(rig_xs, XBT_NULL, path, &length);
    state = value ? (unsigned)strtoul(value, NULL, 10) : 0;
    free(value);
    return (enum xenbus_state)state;
}

/* Waits until it is one of the two; which. */
static inline enum xenbus_state back_settles(const struct rig_device *device,
                                             enum xenbus_state one,
                                             enum xenbus_state other)
{
    uint64_t end = host_now_us() + 20000000;
    enum xenbus_state state;

    while ((state = back_state(device)) != one && state != other &&
           host_now_us() < end)
        usleep(1000);
    return state;
}

/* All paths from here on, with their values. */
static inline void print_nodes(FILE *out, const char *path)
{
    unsigned nr, length;
    char **names = xs_directory(rig_xs, XBT_NULL, path, &nr),
         *value = xs_read(rig_xs, XBT_NULL, path, &length);

    fprintf(out, "%s = %s\n", path, value ? value : "");
    free(value);
    for (unsigned i = 0; names && i < nr; i++) {
        char *below;

        REQUIRE(asprintf(&below, "%s/%s", path, names[i]) > 0);
        print_nodes(out, below);
        free(below);
    }
    free(names);
}

static inline char *all_nodes(void)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    REQUIRE(out);
    print_nodes(out, "/local");
    fclose(out);
    return text;
}

/* --- a front end ---------------------------------------------------------- */

static inline void publish(const struct rig_guest *guest,
                           const struct rig_device *device,
                           const struct wish *wish)
{
    char prefix[24] = "", name[64];

    for (unsigned n = 0; n < guest->nr_queues; n++) {
        const struct rig_queue *queue = &guest->queues[n];

        if (guest->nr_queues > 1)
            snprintf(prefix, sizeof prefix, "queue-%u/", n);
        for (unsigned i = 0; i < queue->nr_pages; i++) {
            snprintf(name, sizeof name, "%sring-ref", prefix);
            if (queue->nr_pages > 1)
                snprintf(name, sizeof name, "%sring-ref%u", prefix, i);
            node_number(device, name, queue->grefs[i]);
        }
        snprintf(name, sizeof name, "%sevent-channel", prefix);
        node_number(device, name, queue->port);
    }
    if (guest->nr_queues > 1)
        node_number(device, "multi-queue-num-queues", guest->nr_queues);
    if (wish->order)
        node_number(device, "ring-page-order", wish->order);
    if (wish->is_persistent)
        node_number(device, "feature-persistent", 1);
}

/* Up to the point where only Initialised is missing. */
static inline void enter(struct rig_guest *guest,
                         const struct rig_device *device,
                         const struct wish *wish)
{
    rig_front(device, "1");
    REQUIRE(rig_back_is(device, "2"));
    rig_make_rings(guest, wish->more_queues + 1, 1u << wish->order);
    publish(guest, device, wish);
}

static inline void join(struct rig_guest *guest,
                        const struct rig_device *device,
                        const struct wish *wish)
{
    enter(guest, device, wish);
    rig_front(device, "3");
    REQUIRE(rig_back_is(device, "4"));
    rig_front(device, "4");
}

/* --- neighbours ----------------------------------------------------------- */

static inline bool neighbour_does(struct neighbour *neighbour,
                                  uint8_t operation)
{
    struct rig_guest *guest = &neighbour->guest;
    struct blkif_wire_response response;

    neighbour->request.operation = operation;
    neighbour->request.id++;
    front_ring_put(&guest->queues[0].ring, &neighbour->request);
    rig_push(guest);
    return rig_wait(guest, &response, 1, 20) == 1 &&
           response.id == neighbour->request.id &&
           response.operation == operation &&
           response.status == BLKIF_RSP_OKAY;
}

/* A page written and read back. */
static inline void neighbour_turn(struct neighbour *neighbour)
{
    char *page = rig_frame(&neighbour->guest, RIG_DATA_FRAME);
    char value = (char)(neighbour->rounds % 251);
    bool is_right;

    neighbour->request.sector = NEIGHBOUR_SECTOR + neighbour->rounds % 500 * 8;
    memset(page, value, LOCAL_PAGE_BYTES);
    is_right = neighbour_does(neighbour, BLKIF_OP_WRITE);
    memset(page, ~value, LOCAL_PAGE_BYTES);
    is_right = is_right && neighbour_does(neighbour, BLKIF_OP_READ) &&
               page[0] == value &&
               memcmp(page, page + 1, LOCAL_PAGE_BYTES - 1) == 0;
    if (!is_right)
        __atomic_fetch_add(&neighbour->wrong, 1, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&neighbour->rounds, 1, __ATOMIC_SEQ_CST);
}

static inline void *neighbours_run(void *unused)
{
    while (!__atomic_load_n(&stack.is_over, __ATOMIC_SEQ_CST)) {
        for (unsigned i = 0; i < 2; i++)
            neighbour_turn(&stack.neighbours[i]);
        usleep(500);
    }
    return unused;
}

static inline unsigned long rounds_of(unsigned neighbour)
{
    return __atomic_load_n(&stack.neighbours[neighbour].rounds,
                           __ATOMIC_SEQ_CST);
}

/* Neither has noticed anything, and each goes on. */
static inline void check_neighbours(void)
{
    for (unsigned i = 0; i < 2; i++) {
        unsigned long before = rounds_of(i);
        uint64_t end = host_now_us() + 20000000;

        while (rounds_of(i) < before + 2 && host_now_us() < end)
            usleep(500);
        CHECK(rounds_of(i) >= before + 2);
        CHECK_EQ(__atomic_load_n(&stack.neighbours[i].wrong,
                                 __ATOMIC_SEQ_CST), 0);
    }
}

/* --- what the daemons hold ------------------------------------------------ */

/* The mappings of guests' memory, and of the stand-in's books about it. */
static inline unsigned guest_maps(pid_t pid)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    return rig_count_text(path, "memfd:");
}

static inline pid_t worker_of(const char *target)
{
    return (pid_t)json_integer_value(json_object_get(rig_disk(target),
                                                     "worker"));
}

/* A worker's idle buffers come and go; other mappings of its are not to. */
static inline char *all_held(void)
{
    const char *targets[] = { stack.devices[PLAIN].target,
                              stack.devices[ON_FILE].target,
                              stack.neighbours[1].device.target };
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    REQUIRE(out);
    fprintf(out, "vbdd %u fds %u maps; vbdd-local %u fds",
            process_fds(rig_vbdd_pid()),
            process_is_instrumented() ? 0 : process_maps(rig_vbdd_pid()),
            process_fds(rig_hypervisor_pid()));
    for (unsigned i = 0; i < 3; i++) {
        pid_t worker = worker_of(targets[i]);

        fprintf(out, "; worker %d %u fds %u maps", (int)worker,
                process_fds(worker), guest_maps(worker));
    }
    fclose(out);
    return text;
}

static inline void note_difference(const char *before, const char *after)
{
    while (*before || *after) {
        size_t old = strcspn(before, "\n"), new = strcspn(after, "\n");

        if (old != new || memcmp(before, after, old) != 0) {
            NOTE("was %.*s, is %.*s", (int)old, before, (int)new, after);
            return;
        }
        before += old + (before[old] != 0);
        after += new + (after[new] != 0);
    }
}

/* What takes a moment to go is waited for. */
static inline void check_same(char *(*look)(void), const char *before)
{
    char *now = look();

    for (unsigned i = 0; i < 500 && strcmp(now, before) != 0; i++) {
        usleep(10000);
        free(now);
        now = look();
    }
    if (!CHECK(strcmp(now, before) == 0))
        note_difference(before, now);
    free(now);
}

/* --- the log -------------------------------------------------------------- */

/* Ten lines a minute of each vbd and of each worker, and what is said once. */
enum { MOST_LINES = 150 };

static inline void check_log(void)
{
    FILE *log = fopen(rig_path("vbdd.log"), "r");
    unsigned lines = 0, odd = 0;
    int c;

    REQUIRE(log);
    while ((c = getc(log)) != EOF) {
        lines += c == '\n';
        odd += c != '\n' && (c < ' ' || c > '~');
    }
    fclose(log);
    NOTE("the log has %u lines", lines);
    CHECK(lines > 0 && lines <= MOST_LINES);
    CHECK_EQ(odd, 0);
}

/* --- life ----------------------------------------------------------------- */

static inline struct rig_device attach(unsigned domid, const char *vdev,
                                       const char *target, const char *mode,
                                       const char *engine,
                                       const char *options)
{
    struct rig_device device = rig_device(domid, vdev, target);

    REQUIRE(rig_ok(rig_ask("{\"command\":\"attach\",\"domid\":%u,"
                           "\"vdev\":\"%s\",\"target\":\"%s\","
                           "\"mode\":\"%s\",\"options\":{\"engine\":\"%s\"%s}}",
                           domid, vdev, device.target, mode, engine,
                           options)));
    return device;
}

static inline void open_guest(struct rig_guest *guest, uint32_t domid)
{
    *guest = (struct rig_guest){ .abi = BLKIF_ABI_NATIVE };
    REQUIRE(local_open(rig_dir, &guest->local) == 0);
    REQUIRE(local_domain_create(guest->local, domid, RIG_FRAMES) == 0);
    guest->memory = local_domain_memory(guest->local);
}

static inline void attach_all(const char *engine)
{
    struct rig_device *own = stack.devices;

    own[PLAIN] = attach(OFFENDER, "xvda", "shared", "w!", engine, "");
    own[READ_ONLY] = attach(OFFENDER, "xvdb", "shared", "r", engine, "");
    own[SECTORS_4K] = attach(OFFENDER, "xvdc", "shared", "w!", engine,
                             ",\"sector-size\":\"4096\"");
    own[BARE] = attach(OFFENDER, "xvdd", "shared", "w!", engine,
                       ",\"indirect-segments\":\"0\",\"queues\":\"1\","
                       "\"ring-page-order\":\"0\",\"grants\":\"copy\"");
    rig_write(own[BARE].back, "discard-enable", "0");
    own[ON_FILE] = attach(OFFENDER, "xvde", "file", "w", "aio",
                          ",\"buffered\":\"yes\"");
    stack.neighbours[0].device = attach(NEIGHBOUR, "xvda", "shared", "w!",
                                        engine, "");
    stack.neighbours[1].device = attach(STRANGER, "xvda", "apart", "w",
                                        "mem:size=4M", "");
}

/* engine: of the offender's disk. The offender's domain is the caller's. */
static inline void stack_start(const char *engine)
{
    static const struct wish plain;

    rig_worker = "vbdd-disk";
    rig_log_level = "info";
    rig_start("[defaults]\nqueues = 4\ngrants = persistent\n");
    REQUIRE(chmod(rig_dir, 0711) == 0); /* workers drop privileges */
    attach_all(engine);
    for (unsigned i = 0; i < 2; i++) {
        struct neighbour *neighbour = &stack.neighbours[i];

        open_guest(&neighbour->guest, NEIGHBOUR + i);
        join(&neighbour->guest, &neighbour->device, &plain);
        neighbour->request = rig_request(&neighbour->guest, BLKIF_OP_WRITE, 0,
                                         1, false);
        neighbour_turn(neighbour);
    }
    REQUIRE(pthread_create(&stack.thread, NULL, neighbours_run, NULL) == 0);
}

static inline void stack_end(void)
{
    __atomic_store_n(&stack.is_over, true, __ATOMIC_SEQ_CST);
    pthread_join(stack.thread, NULL);
    for (unsigned i = 0; i < 2; i++) {
        NOTE("the neighbour on %s disk wrote and read %lu pages, %lu wrongly",
             i ? "another" : "the same", stack.neighbours[i].rounds,
             stack.neighbours[i].wrong);
        CHECK(rig_detach(&stack.neighbours[i].device));
        local_close(stack.neighbours[i].guest.local);
    }
    for (unsigned i = 0; i < NR_DEVICES; i++)
        CHECK(rig_detach(&stack.devices[i]));
    CHECK_EQ(rig_stop_vbdd(), 0);
    rig_end();
    free(stack.nodes);
    free(stack.held);
}

#endif
