/* SPDX-License-Identifier: MIT
 * A worker with nothing around it but the stand-in: the test is its supervisor
 * and its guest, and may be as hostile as it likes. Process-wide state, one
 * rig at a time. */
#ifndef VBDD_TESTS_DISK_RIG_H
#define VBDD_TESTS_DISK_RIG_H

#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "backend/control/hold.h"
#include "common/host/packet.h"
#include "common/host/socket.h"
#include "tests/unit/disk-guest.h"
#include "tests/unit/local-server.h"

enum { RIG_DOMID = 5 };

struct rig {
    struct local_server server;
    pid_t worker;
    int control;
    struct message_ready ready;
    struct message told;  /* the last message of the worker's own accord */
    unsigned nr_told;
    uint32_t tag;
    struct message unasked_replies[4]; /* nobody has waited for them yet */
    unsigned nr_unasked;
    /* How later connects are made; their numbers are filled in. */
    struct message_connect wish;
    unsigned ring_pages;
};

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

static const struct message_connect rig_plain_wish = {
    .nr_queues = 1, .sector_bytes = BLKIF_SECTOR_BYTES };

static inline void rig_open(struct rig *rig, const char *engine,
                            const char *const *arguments)
{
    *rig = (struct rig){ .control = -1, .ring_pages = 1,
                         .wish = rig_plain_wish };
    REQUIRE(local_server_start(&rig->server) == 0);
    rig_start_worker(rig, engine, arguments);
}

/* A second worker on the stand-in of the first; ends before that does. */
static inline void rig_open_beside(struct rig *rig, const struct rig *first,
                                   const char *engine,
                                   const char *const *arguments)
{
    *rig = (struct rig){ .control = -1, .server = first->server,
                         .ring_pages = 1, .wish = rig_plain_wish };
    rig_start_worker(rig, engine, arguments);
}

/* Asks; the tag to wait for. */
static inline uint32_t rig_send(struct rig *rig, struct message message)
{
    message.tag = ++rig->tag;
    REQUIRE(packet_send(rig->control, &message, sizeof message, NULL, 0) == 0);
    return message.tag;
}

static inline bool rig_take_reply(struct rig *rig, uint32_t tag,
                                  struct message *reply)
{
    for (unsigned i = 0; i < rig->nr_unasked; i++) {
        if (rig->unasked_replies[i].tag != tag)
            continue;
        *reply = rig->unasked_replies[i];
        rig->unasked_replies[i] = rig->unasked_replies[--rig->nr_unasked];
        return true;
    }
    return false;
}

/* Receives one message and puts it where it belongs. */
static inline void rig_receive(struct rig *rig)
{
    struct message message;

    REQUIRE(packet_receive(rig->control, &message, sizeof message, NULL, 0,
                           NULL) == 0);
    if (message.type == MESSAGE_REPLY) {
        REQUIRE(rig->nr_unasked < 4);
        rig->unasked_replies[rig->nr_unasked++] = message;
    } else {
        rig->told = message;
        rig->nr_told++;
    }
}

/* Waits for the answer; what else comes is kept. */
static inline struct message rig_reply(struct rig *rig, uint32_t tag)
{
    struct message reply;

    while (!rig_take_reply(rig, tag, &reply))
        rig_receive(rig);
    return reply;
}

/* True when the answer is there already. */
static inline bool rig_has_reply(struct rig *rig, uint32_t tag)
{
    struct pollfd wait = { .fd = rig->control, .events = POLLIN };
    bool has_reply = false;

    while (poll(&wait, 1, 0) == 1)
        rig_receive(rig);
    for (unsigned i = 0; i < rig->nr_unasked; i++)
        has_reply |= rig->unasked_replies[i].tag == tag;
    return has_reply;
}

static inline struct message rig_ask(struct rig *rig, struct message message)
{
    return rig_reply(rig, rig_send(rig, message));
}

/* Waits for a message of this type that was not asked for. */
static inline bool rig_is_told(struct rig *rig, enum message_type type)
{
    struct pollfd wait = { .fd = rig->control, .events = POLLIN };

    while (rig->told.type != type) {
        if (poll(&wait, 1, 10000) != 1)
            return false;
        rig_receive(rig);
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

/* Stopped when this returns: a SIGCONT that comes before it had stopped would
 * take the stop back. */
static inline void rig_stop_worker(const struct rig *rig)
{
    int status;

    REQUIRE(kill(rig->worker, SIGSTOP) == 0);
    REQUIRE(waitpid(rig->worker, &status, WUNTRACED) == rig->worker &&
            WIFSTOPPED(status));
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

/* Has the worker connect the rings of the guest as vbd number, with a hold
 * record (borrowed, or -1), and going on from there, if standing is not
 * NULL. */
static inline struct message
rig_connect_held(struct rig *rig, struct rig_guest *guest, uint32_t domid,
                 uint32_t number, int record,
                 const struct message_standing *standing)
{
    struct message message = { .type = MESSAGE_CONNECT, .vbd = number,
                               .tag = ++rig->tag };
    struct message_connect *connect = &message.connect;

    *connect = rig->wish;
    if (standing)
        connect->standing = *standing;
    connect->domid = domid;
    connect->abi = guest->abi;
    connect->nr_queues = guest->nr_queues;
    for (unsigned n = 0; n < guest->nr_queues; n++) {
        connect->queues[n].event_port = guest->queues[n].port;
        connect->queues[n].nr_pages = guest->queues[n].nr_pages;
        memcpy(connect->queues[n].grefs, guest->queues[n].grefs,
               sizeof guest->queues[n].grefs);
    }
    REQUIRE(packet_send(rig->control, &message, sizeof message, &record,
                        record >= 0) == 0);
    return rig_reply(rig, message.tag);
}

static inline struct message rig_connect_rings(struct rig *rig,
                                               struct rig_guest *guest,
                                               uint32_t domid, uint32_t number)
{
    return rig_connect_held(rig, guest, domid, number, -1, NULL);
}

/* The same with new rings. */
static inline int rig_connect(struct rig *rig, struct rig_guest *guest,
                              uint32_t domid, uint32_t number)
{
    struct message reply;

    rig_make_rings(guest, rig->wish.nr_queues, rig->ring_pages);
    reply = rig_connect_rings(rig, guest, domid, number);
    if (reply.error)
        NOTE("connect: %s", reply.text);
    return reply.error;
}

/* 0 when the worker let go of everything of this vbd. */
static inline int rig_disconnect(struct rig *rig, struct rig_guest *guest,
                                 uint32_t number)
{
    struct message message = { .type = MESSAGE_DISCONNECT, .vbd = number };
    int error;

    message = rig_ask(rig, message);
    error = rig_end_rings(guest);
    return message.error ? message.error : error;
}

static inline struct message_vbd_stats rig_vbd_stats(struct rig *rig,
                                                     uint32_t number)
{
    struct message message = { .type = MESSAGE_VBD_STATS, .vbd = number };

    message = rig_ask(rig, message);
    CHECK_EQ(message.error, 0);
    return message.vbd_stats;
}

/* --- hold records --------------------------------------------------------- */

static inline int rig_record_new(void)
{
    char path[] = "/tmp/vbdd-record.XXXXXX";
    int fd = mkstemp(path);

    REQUIRE(fd >= 0 && ftruncate(fd, sizeof(struct hold)) == 0);
    unlink(path);
    return fd;
}

static inline struct message_standing rig_record_standing(int record)
{
    struct message_standing standing;

    REQUIRE(pread(record, &standing, sizeof standing,
                  offsetof(struct hold, standing)) == sizeof standing);
    return standing;
}

/* The worker is about to end. */
static inline void rig_await_end(struct rig *rig, int wanted)
{
    int status = -1;

    close(rig->control);
    CHECK_EQ(waitpid(rig->worker, &status, 0), rig->worker);
    CHECK_EQ(status, wanted);
}

/* Another one on the same stand-in. */
static inline void rig_restart_worker(struct rig *rig, const char *engine,
                                      const char *const *arguments)
{
    *rig = (struct rig){ .server = rig->server, .control = -1,
                         .ring_pages = 1, .wish = rig->wish };
    rig_start_worker(rig, engine, arguments);
}

#endif
