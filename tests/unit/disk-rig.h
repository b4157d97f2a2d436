/* SPDX-License-Identifier: MIT
 * A worker with nothing around it but the stand-in: the test is its supervisor
 * and its guest, and may be as hostile as it likes. Process-wide state, one
 * rig at a time. */
#ifndef VBDD_TESTS_DISK_RIG_H
#define VBDD_TESTS_DISK_RIG_H

#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <sys/stat.h>

#include <xen/io/blkif.h>

#include "backend/control/message.h"
#include "common/blkif/ring.h"
#include "common/host/log.h"
#include "common/host/packet.h"
#include "common/host/socket.h"
#include "common/local/local.h"
#include "tests/unit/local-server.h"
#include "tests/unit/tap.h"

#if defined(__SANITIZE_ADDRESS__)
enum { RIG_IS_SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { RIG_IS_SANITIZED = 1 };
#else
enum { RIG_IS_SANITIZED = 0 };
#endif
#else
enum { RIG_IS_SANITIZED = 0 };
#endif

enum { RIG_DOMID = 5, RIG_FRAMES = 512, RIG_RING_FRAME = LOCAL_GRANT_FRAMES,
       RIG_DATA_FRAME = RIG_RING_FRAME + 1 };

struct rig {
    struct local_server server;
    pid_t worker;
    int control;
    struct message_ready ready;
    struct message told;  /* the last message of the worker's own accord */
    unsigned nr_told;
    uint32_t tag;
    bool has_discard;     /* what later connects advertise */
};

/* One guest with one vbd, number 1. */
struct rig_guest {
    struct local *local;
    char *memory;
    struct front_ring ring;
    uint32_t ring_gref, port;
    enum blkif_abi abi;
};

static inline char *rig_frame(struct rig_guest *guest, unsigned frame)
{
    return guest->memory + (size_t)frame * LOCAL_PAGE_BYTES;
}

/* Starts `vbdd-disk --engine engine arguments...` (NULL at the end) on the
 * stand-in of rig->server. */
static inline void rig_start_worker(struct rig *rig, const char *engine,
                                    const char *const *arguments)
{
    const char *top = getenv("top_builddir");
    const char *argv[32] = { "vbdd-disk", "--log-level", "error", "--socket",
                             "3", "--engine", engine, "--local" };
    char program[256], path[128];
    struct message message;
    int listener, n = 8;

    snprintf(path, sizeof path, "%s/worker", rig->server.dir);
    snprintf(program, sizeof program, "%s/vbdd-disk", top ? top : ".");
    listener = socket_listen(path, SOCK_SEQPACKET);
    REQUIRE(listener >= 0);
    argv[n++] = rig->server.dir;
    while (arguments && *arguments)
        argv[n++] = *arguments++;
    fflush(stdout);
    rig->worker = fork();
    if (rig->worker == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(listener, 3);
        fcntl(3, F_SETFD, 0);
        execv(program, (char **)argv);
        _exit(127);
    }
    rig->control = socket_connect(path, SOCK_SEQPACKET);
    REQUIRE(rig->control >= 0);
    close(listener);
    unlink(path);
    REQUIRE(packet_receive(rig->control, &message, sizeof message, NULL, 0,
                           NULL) == 0);
    if (message.type != MESSAGE_READY)
        NOTE("worker says: %s", message.text);
    REQUIRE(message.type == MESSAGE_READY);
    rig->ready = message.ready;
}

static inline void rig_open(struct rig *rig, const char *engine,
                            const char *const *arguments)
{
    *rig = (struct rig){ .control = -1 };
    REQUIRE(local_server_start(&rig->server) == 0);
    rig_start_worker(rig, engine, arguments);
}

/* A second worker on the stand-in of the first; ends before that does. */
static inline void rig_open_beside(struct rig *rig, const struct rig *first,
                                   const char *engine,
                                   const char *const *arguments)
{
    *rig = (struct rig){ .control = -1, .server = first->server };
    rig_start_worker(rig, engine, arguments);
}

/* Asks, and waits for the answer; what else comes is kept in rig->told. */
static inline struct message rig_ask(struct rig *rig, struct message message)
{
    uint32_t tag = message.tag = ++rig->tag;

    REQUIRE(packet_send(rig->control, &message, sizeof message, NULL, 0) == 0);
    for (;;) {
        REQUIRE(packet_receive(rig->control, &message, sizeof message, NULL, 0,
                               NULL) == 0);
        if (message.type == MESSAGE_REPLY && message.tag == tag)
            return message;
        rig->told = message;
        rig->nr_told++;
    }
}

/* Waits for a message of this type that was not asked for. */
static inline bool rig_is_told(struct rig *rig, enum message_type type)
{
    struct pollfd wait = { .fd = rig->control, .events = POLLIN };

    while (rig->told.type != type) {
        if (poll(&wait, 1, 10000) != 1)
            return false;
        REQUIRE(packet_receive(rig->control, &rig->told, sizeof rig->told,
                               NULL, 0, NULL) == 0);
        rig->nr_told++;
    }
    return true;
}

static inline struct message_stats rig_stats(struct rig *rig)
{
    return rig_ask(rig, (struct message){ .type = MESSAGE_STATS }).stats;
}

/* Waits until all that was put on the rings has been taken, and so many of it
 * are not answered (and will not be, if nothing happens). */
static inline bool rig_is_settled(struct rig *rig, uint64_t put,
                                  unsigned unanswered)
{
    static unsigned patience_ms = 10000; /* the first time */
    struct message_stats stats = rig_stats(rig);

    for (unsigned i = 0; i < patience_ms; i++) {
        if (stats.in_flight == unanswered &&
            stats.responses + stats.in_flight == put)
            return true;
        usleep(1000);
        stats = rig_stats(rig);
    }
    patience_ms = 100;
    NOTE("of %llu requests %llu are answered, %u not",
         (unsigned long long)put, (unsigned long long)stats.responses,
         stats.in_flight);
    return false;
}

/* Detaches, and the worker ends; its answer. */
static inline struct message rig_end_worker(struct rig *rig)
{
    int status = -1;
    struct message reply = rig_ask(rig, (struct message){
        .type = MESSAGE_DETACH });

    waitpid(rig->worker, &status, 0);
    CHECK_EQ(status, 0);
    close(rig->control);
    return reply;
}

static inline int rig_detach(struct rig *rig)
{
    struct message reply = rig_end_worker(rig);

    CHECK_EQ(local_server_stop(&rig->server), 0);
    return reply.error;
}

static inline void rig_guest_open(struct rig *rig, struct rig_guest *guest,
                                  uint32_t domid, enum blkif_abi abi)
{
    *guest = (struct rig_guest){ .abi = abi };
    REQUIRE(local_open(rig->server.dir, &guest->local) == 0);
    REQUIRE(local_domain_create(guest->local, domid, RIG_FRAMES) == 0);
    guest->memory = local_domain_memory(guest->local);
}

static inline void rig_guest_close(struct rig_guest *guest)
{
    local_close(guest->local);
}

/* Makes a ring and has the worker connect it as vbd number. */
static inline int rig_connect(struct rig *rig, struct rig_guest *guest,
                              uint32_t domid, uint32_t number)
{
    struct message message = { .type = MESSAGE_CONNECT, .vbd = number };
    int port = local_event_alloc_unbound(guest->local, 0);
    int32_t gref = local_grant_access(guest->local, 0, RIG_RING_FRAME, false);

    REQUIRE(port > 0 && gref > 0);
    memset(rig_frame(guest, RIG_RING_FRAME), 0, LOCAL_PAGE_BYTES);
    front_ring_init(&guest->ring, rig_frame(guest, RIG_RING_FRAME), 1,
                    guest->abi);
    guest->port = (uint32_t)port;
    guest->ring_gref = (uint32_t)gref;
    message.connect = (struct message_connect){
        .domid = domid, .abi = guest->abi, .nr_queues = 1,
        .has_discard = rig->has_discard,
        .sector_bytes = BLKIF_SECTOR_BYTES,
        .queues = { { .event_port = guest->port, .nr_pages = 1,
                      .grefs = { guest->ring_gref } } } };
    message = rig_ask(rig, message);
    if (message.error)
        NOTE("connect: %s", message.text);
    return message.error;
}

/* 0 when the worker let go of everything of this vbd. */
static inline int rig_disconnect(struct rig *rig, struct rig_guest *guest,
                                 uint32_t number)
{
    struct message message = { .type = MESSAGE_DISCONNECT, .vbd = number };

    message = rig_ask(rig, message);
    local_event_close(guest->local, guest->port);
    return message.error ? message.error
                         : local_grant_end(guest->local, guest->ring_gref);
}

static inline void rig_push(struct rig_guest *guest)
{
    if (front_ring_push(&guest->ring))
        local_event_notify(guest->local, guest->port);
}

/* Waits for nr responses, at most about `seconds`; returns how many came. */
static inline unsigned rig_wait(struct rig_guest *guest,
                                struct blkif_wire_response *responses,
                                unsigned nr, unsigned seconds)
{
    uint64_t end = host_now_us() + seconds * 1000000ull;
    unsigned got = 0;

    while (got < nr && host_now_us() < end) {
        struct pollfd wait = { .fd = local_event_fd(guest->local),
                               .events = POLLIN };
        uint32_t ports[4];
        int n = front_ring_take(&guest->ring, responses + got, nr - got);

        if (n < 0)
            return 0;
        got += (unsigned)n;
        if (got < nr && !front_ring_final_check(&guest->ring)) {
            poll(&wait, 1, 200);
            local_event_take(guest->local, ports, 4);
        }
    }
    return got;
}

/* One request and its answer's status; 99 when there was none. */
static inline int rig_do(struct rig_guest *guest,
                         struct blkif_wire_request request)
{
    struct blkif_wire_response response = { .status = 99 };

    front_ring_put(&guest->ring, &request);
    rig_push(guest);
    if (rig_wait(guest, &response, 1, 10) != 1)
        return 99;
    CHECK_EQ(response.id, request.id);
    CHECK_EQ(response.operation, request.operation);
    return response.status;
}

/* A request for whole pages: segment i is frame + i, granted as said. */
static inline struct blkif_wire_request
rig_request_at(struct rig_guest *guest, uint8_t operation, uint64_t sector,
               unsigned frame, unsigned pages, bool read_only)
{
    struct blkif_wire_request request = {
        .operation = operation, .nr_segments = (uint8_t)pages,
        .sector = sector, .id = 0x1234567890abcdef ^ sector };

    for (unsigned i = 0; i < pages; i++) {
        int32_t gref = local_grant_access(guest->local, 0, frame + i,
                                          read_only);
        REQUIRE(gref > 0);
        request.segments[i] = (struct blkif_wire_segment){
            .gref = (uint32_t)gref, .last_sector = 7 };
    }
    return request;
}

/* The same with the first of the data frames. */
static inline struct blkif_wire_request
rig_request(struct rig_guest *guest, uint8_t operation, uint64_t sector,
            unsigned pages, bool read_only)
{
    return rig_request_at(guest, operation, sector, RIG_DATA_FRAME, pages,
                          read_only);
}

static inline void rig_end_grants(struct rig_guest *guest,
                                  const struct blkif_wire_request *request)
{
    for (unsigned i = 0; i < request->nr_segments; i++)
        CHECK_EQ(local_grant_end(guest->local, request->segments[i].gref), 0);
}

#endif
