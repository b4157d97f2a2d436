/* SPDX-License-Identifier: MIT
 * A small back end with a disk in memory, for the tests of what lies on top of
 * the local stand-in: plays the toolstack (makes the device's nodes), follows
 * the front end's states and serves one ring with grant copies. Ends with its
 * standard input.
 *
 *     frontend-serve DIR DOMID VDEV SECTORS [LEAF=VALUE...]
 *
 * LEAF=VALUE sets further nodes of the back end ("info=4",
 * "feature-discard=1"). Says "ready" when the nodes are there. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/blkif.h>
#include <xenstore.h>

#include "common/blkif/ring.h"
#include "common/blkif/status.h"
#include "common/blkif/validate.h"
#include "common/blkif/xenbus.h"
#include "common/local/local.h"

enum { TICK_MS = 20 };

static struct xs_handle *store;
static struct local *local;
static uint32_t domid, vdev;
static uint8_t *disk;
static struct blkif_limits limits;
static struct back_ring ring;
static void *ring_page;
static int event_port;
static enum xenbus_state state = XENBUS_INITIALISING;

static void fail(const char *what, int error)
{
    fprintf(stderr, "frontend-serve: %s: %s\n", what, strerror(-error));
    exit(99);
}

/* --- the store ---------------------------------------------------------- */

static const char *node(bool is_front, const char *leaf)
{
    static char path[128];

    if (is_front)
        snprintf(path, sizeof path, "/local/domain/%u/device/vbd/%u%s", domid,
                 vdev, leaf);
    else
        snprintf(path, sizeof path, "/local/domain/0/backend/vbd/%u/%u%s",
                 domid, vdev, leaf);
    return path;
}

static void put(bool is_front, const char *leaf, const char *value)
{
    if (!xs_write(store, XBT_NULL, node(is_front, leaf), value,
                  (unsigned)strlen(value)))
        fail(node(is_front, leaf), -errno);
}

static void put_number(bool is_front, const char *leaf, uint64_t number)
{
    char value[24];

    snprintf(value, sizeof value, "%llu", (unsigned long long)number);
    put(is_front, leaf, value);
}

static uint64_t front_number(const char *leaf)
{
    unsigned length;
    char *text = xs_read(store, XBT_NULL, node(true, leaf), &length);
    uint64_t value = 0;

    if (text)
        xenbus_parse_number(text, length, UINT32_MAX, &value);
    free(text);
    return value;
}

static void make_directory(bool is_front)
{
    struct xs_permissions rights[2] = {
        { .id = is_front ? domid : 0, .perms = XS_PERM_NONE },
        { .id = is_front ? 0 : domid, .perms = XS_PERM_READ },
    };

    if (!xs_mkdir(store, XBT_NULL, node(is_front, "")) ||
        !xs_set_permissions(store, XBT_NULL, node(is_front, ""), rights, 2))
        fail(node(is_front, ""), -errno);
}

static void make_device(char **nodes)
{
    char path[128], leaf[64];

    make_directory(true);
    make_directory(false);
    strcpy(path, node(false, ""));
    put_number(false, "/sectors", limits.nr_sectors);
    put(false, "/sector-size", "512");
    put(false, "/info", "0");
    put(false, "/feature-flush-cache", "1");
    put(false, "/feature-barrier", "1");
    for (; *nodes; nodes++) {
        char *equals = strchr(*nodes, '=');

        snprintf(leaf, sizeof leaf, "/%.*s", (int)(equals - *nodes), *nodes);
        put(false, leaf, equals + 1);
    }
    put_number(false, "/state", state);
    put(true, "/backend", path);
    put(true, "/backend-id", "0");
    put_number(true, "/virtual-device", vdev);
    put(true, "/state", "1");
    xs_watch(store, node(true, "/state"), "front");
}

/* --- the ring ----------------------------------------------------------- */

static void attach(void)
{
    uint32_t gref = (uint32_t)front_number("/ring-ref");
    int error = local_grant_map(local, domid, &gref, 1, true, &ring_page);

    if (error)
        fail("ring", error);
    back_ring_init(&ring, ring_page, 1, BLKIF_ABI_NATIVE);
    event_port = local_event_bind(local, domid,
                                  (uint32_t)front_number("/event-channel"));
    if (event_port < 0)
        fail("event channel", event_port);
}

static void detach(void)
{
    if (!ring_page)
        return;
    local_event_close(local, (uint32_t)event_port);
    local_grant_unmap(local, ring_page, 1);
    ring_page = NULL;
}

static int execute(const struct blkif_io *io)
{
    uint8_t *at = disk + io->sector * BLKIF_SECTOR_BYTES;
    int error = 0;

    if (io->operation == BLKIF_OP_DISCARD)
        memset(at, 0, io->nr_sectors * BLKIF_SECTOR_BYTES);
    for (unsigned i = 0; i < io->nr_segments && !error; i++) {
        const struct blkif_wire_segment *segment = &io->segments[i];
        uint16_t bytes = (uint16_t)((segment->last_sector -
                                     segment->first_sector + 1) * 512);

        error = local_grant_copy(local, domid, segment->gref,
                                 (uint16_t)(segment->first_sector * 512),
                                 bytes, at, io->operation == BLKIF_OP_READ);
        at += bytes;
    }
    return error;
}

static void serve(void)
{
    struct blkif_wire_request request;
    struct blkif_io io;

    while (ring_page && back_ring_take(&ring, &request, 1) == 1) {
        enum blkif_refusal refusal = blkif_validate(&request, &limits, &io);
        int16_t status = refusal ? blkif_refusal_status(refusal)
                                 : blkif_status_from_error(execute(&io));

        if (refusal)
            fprintf(stderr, "frontend-serve: %s\n",
                    blkif_refusal_text(refusal));
        back_ring_put(&ring, request.id, request.operation, status);
    }
}

static void serve_and_notify(void)
{
    if (!ring_page)
        return;
    do
        serve();
    while (back_ring_final_check(&ring));
    if (back_ring_push(&ring))
        local_event_notify(local, (uint32_t)event_port);
}

/* --- the states --------------------------------------------------------- */

static void set_state(enum xenbus_state to)
{
    state = to;
    put_number(false, "/state", to);
}

static void follow(void)
{
    enum xenbus_state front = XENBUS_CLOSED;

    if (local_domain_is_alive(local, domid) == 1)
        front = (enum xenbus_state)front_number("/state");
    switch (xenbus_back_react(state, front, true)) {
    case XENBUS_BACK_NOTHING:
        break;
    case XENBUS_BACK_ADVERTISE:
        set_state(XENBUS_INIT_WAIT);
        break;
    case XENBUS_BACK_CONNECT:
        attach();
        set_state(XENBUS_CONNECTED);
        break;
    case XENBUS_BACK_CLOSE:
        detach();
        set_state(XENBUS_CLOSING);
        break;
    case XENBUS_BACK_DISCONNECT:
        detach();
        set_state(XENBUS_CLOSED);
        break;
    case XENBUS_BACK_RESTART:
        detach();
        set_state(XENBUS_INIT_WAIT);
        break;
    }
}

static void run(void)
{
    struct pollfd fds[] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = local_event_fd(local), .events = POLLIN },
        { .fd = xs_fileno(store), .events = POLLIN },
    };
    uint32_t ports[4];

    while (!fds[0].revents) {
        char **event;

        if (poll(fds, 3, TICK_MS) < 0)
            fail("poll", -errno);
        local_event_take(local, ports, 4);
        while ((event = xs_check_watch(store)) != NULL)
            free(event);
        if (!fds[1].revents)
            follow();
        serve_and_notify();
    }
}

int main(int argc, char **argv)
{
    char path[128];
    int error;

    if (argc < 5)
        fail("usage", -EINVAL);
    domid = (uint32_t)atoi(argv[2]);
    vdev = (uint32_t)atoi(argv[3]);
    limits = (struct blkif_limits){
        .nr_sectors = strtoull(argv[4], NULL, 10), .sector_alignment = 1,
        .has_barrier = true, .has_flush = true, .has_discard = true };
    disk = calloc(limits.nr_sectors, BLKIF_SECTOR_BYTES);
    error = local_open(argv[1], &local);
    if (error)
        fail("stand-in", error);
    local_store_path(argv[1], 0, path, sizeof path);
    setenv("XENSTORED_PATH", path, 1);
    store = xs_open(0);
    if (!disk || !store)
        fail("store", -errno);
    make_device(argv + 5);
    puts("ready");
    fflush(stdout);
    run();
    detach();
    xs_close(store);
    local_close(local);
    free(disk);
    return 0;
}
