/* SPDX-License-Identifier: MIT
 * Stands in for vbdd-disk in the supervisor's tests: speaks message.h and
 * moves no data. What it does is said by its engine specification (MODE, or
 * MODE:...), and what it was asked is written to TARGET.log, a line each.
 *
 *   ok           serves
 *   fail         FAILED, with a sentence
 *   fail-later   the same once TARGET.go exists
 *   deaf-fail    FAILED once TARGET.go exists; what it was asked is not read
 *   die          killed by a signal before it says anything
 *   wait-ready   READY once TARGET.go exists
 *   refuse       every CONNECT is answered with an error
 *   broken       BROKEN follows every CONNECT
 *   die-connect  dies of a CONNECT
 *   wait-connect CONNECT is answered once TARGET.go exists
 *   wait-disconnect DISCONNECT is answered once TARGET.go exists
 *   wait-pause   PAUSE is answered once TARGET.go exists
 *   dirty-pause  PAUSE is answered with an error
 *   broken-pause BROKEN comes before the answer to PAUSE
 *   die-pause    dies of a PAUSE
 *   wait-detach  DETACH is answered once TARGET.go exists
 *   dirty        DETACH is answered with an error
 *   fail-stop    FAIL_STOP follows READY, unless it was started so
 *   deaf-stop    FAIL_STOP once TARGET.go exists, and the end; what it was
 *                asked is not read
 *   hung-stats   answers no STATS before TARGET.go exists
 *   garbage      an unknown message follows READY
 *   short        a message of the wrong size follows READY
 *   twice        READY follows READY
 *   liar         READY with a size that cannot be
 *   greedy       the same, again and again, each with descriptors to keep
 *   other-target READY with a target that was not asked for
 *   stray        an answer that nobody asked for follows READY
 *   ghost        BROKEN for a vbd that it does not have follows READY
 *   parrot       thousands of FAIL_STOPs follow READY
 *   fickle       can discard, also securely, until TARGET.go exists
 *   odd-size     its size is a multiple of 512 only
 *   small        its blocks are of 512 bytes
 *   big-sectors  cannot have sectors below 4096 bytes
 *   mute         answers nothing but DETACH
 *   shrinker     RESIZE is answered with a smaller size, as if that were well
 *   door         lets NBD clients in, of whom each may say one letter: 'h' is
 *                HANDOVER, 'l' LEFT, 'r' REFUSED, and the end of it LOST
 *   nbd-kind     an NBD_EVENT of no kind follows READY
 *   nbd-early    an NBD_EVENT comes before READY
 *   nbd-storm    thousands of NBD_EVENTs follow READY, all that could be
 *   nbd-crowd    NBD_STATS is answered with more clients than there can be
 *   lossy        leaves no hold record
 *   wait-hold    writes its hold records once TARGET.go exists
 *   held-stop    its lease, at length, and its hold records say that it was in
 *                fail-stop, and these that one request is held
 *
 * Its rings stand at 1000 when they are held, or where CONNECT said that they
 * stood; with its supervisor it ends in the same way.
 *
 * It has 64 MiB, or the number of bytes that TARGET.size holds, at which RESIZE
 * looks again. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/control/hold.h"
#include "backend/control/message.h"
#include "common/blkif/ring.h"
#include "common/host/packet.h"

enum { MAX_VBDS = 64 };

static struct {
    int listener, socket, nbd_listener, lease;
    struct door_client {
        int fd; /* 0: nobody */
        int32_t pid;
    } clients[MESSAGE_NBD_CLIENTS];
    uint32_t nr_accepted;
    const char *target, *engine;
    bool is_read_only, is_fail_stopped, is_paused;
    uint64_t size_bytes, bytes_read; /* read: more each time it is asked */
    FILE *log;
    struct {
        uint32_t vbd;
        int record; /* -1: none */
        struct message_standing standing;
    } vbds[MAX_VBDS];
    unsigned nr_vbds;
} worker;

static bool is_mode(const char *mode)
{
    size_t length = strlen(mode);

    return strncmp(worker.engine, mode, length) == 0 &&
           (worker.engine[length] == '\0' || worker.engine[length] == ':');
}

static uint64_t look_at_size(void)
{
    uint64_t bytes = worker.size_bytes;
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s.size", worker.target);
    file = fopen(path, "r");
    if (file && fscanf(file, "%" SCNu64, &bytes) != 1)
        bytes = worker.size_bytes;
    if (file)
        fclose(file);
    return bytes;
}

static bool may_go(void)
{
    char path[512];

    snprintf(path, sizeof path, "%s.go", worker.target);
    return access(path, F_OK) == 0;
}

static void await_go(void)
{
    while (!may_go())
        usleep(2000);
}

static void note(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
static void note(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(worker.log, format, arguments);
    va_end(arguments);
    fflush(worker.log);
}

static void say(struct message *message, uint32_t type, const char *text)
{
    message->type = type;
    snprintf(message->text, sizeof message->text, "%s", text);
    packet_send(worker.socket, message, sizeof *message, NULL, 0);
}

static void say_ready(void)
{
    struct message message = { .ready = {
        .size_bytes = worker.size_bytes, .sector_bytes = 512, .physical_bytes = 4096,
        .can_discard = 1, .discard_granularity_bytes = 4096,
        .read_only = worker.is_read_only,
    } };
    struct stat status;

    if (stat(worker.target, &status) == 0)
        target_key(&status, message.ready.claim);
    if (is_mode("other-target"))
        strcpy(message.ready.claim, "file-1-1");
    if (is_mode("liar"))
        message.ready.size_bytes = 513;
    if (is_mode("odd-size"))
        message.ready.size_bytes += 512;
    if (is_mode("small"))
        message.ready.physical_bytes = 512;
    if (is_mode("big-sectors"))
        message.ready.sector_bytes = 4096;
    if (is_mode("fickle")) {
        message.ready.can_discard = message.ready.can_secure = !may_go();
        message.ready.discard_granularity_bytes = may_go() ? 0 : 4096;
    }
    snprintf(message.ready.engine, sizeof message.ready.engine, "%s",
             worker.engine);
    say(&message, MESSAGE_READY, "");
}

/* More descriptors than anybody may keep, in a message that cannot be. */
static void grasp(void)
{
    struct message message = { .type = MESSAGE_READY };
    int fds[PACKET_MAX_FDS];

    for (unsigned i = 0; i < PACKET_MAX_FDS; i++)
        fds[i] = worker.listener;
    for (unsigned i = 0; i < 20; i++)
        packet_send(worker.socket, &message, sizeof message, fds,
                    PACKET_MAX_FDS);
}

static void repeat(uint32_t type, uint32_t vbd, unsigned times)
{
    struct message message = { .vbd = vbd };

    while (times-- > 0)
        say(&message, type, "once more");
}

/* Whoever asks in the meantime is not heard. */
static void end_deaf(uint32_t type, const char *text)
{
    struct message message = { .error = -EBUSY };

    await_go();
    say(&message, type, text);
    close(worker.socket);
    note("DEAF\n");
    exit(1);
}

/* --- emulated clients ----------------------------------------------------- */

static void say_event(uint32_t kind, uint32_t client, int32_t pid,
                      const char *text)
{
    struct message message = { .nbd_event = { kind, client, pid } };

    say(&message, MESSAGE_NBD_EVENT, text);
}

static void let_in(void)
{
    int fd = accept4(worker.nbd_listener, NULL, NULL, SOCK_CLOEXEC);
    struct door_client *client = &worker.clients[worker.nr_accepted];
    struct ucred peer = { 0 };

    if (fd < 0 || worker.nr_accepted == MESSAGE_NBD_CLIENTS)
        exit(4);
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer,
               &(socklen_t){ sizeof peer });
    *client = (struct door_client){ fd, peer.pid };
    say_event(MESSAGE_NBD_CONNECTED, ++worker.nr_accepted, peer.pid, "");
    send(fd, "NBDMAGIC", 8, MSG_NOSIGNAL);
}

static void hear(uint32_t number)
{
    struct door_client *client = &worker.clients[number - 1];
    char letter = 0;
    uint32_t kind = MESSAGE_NBD_LOST;

    if (recv(client->fd, &letter, 1, 0) == 1)
        kind = letter == 'h' ? MESSAGE_NBD_HANDOVER
             : letter == 'l' ? MESSAGE_NBD_LEFT : MESSAGE_NBD_REFUSED;
    say_event(kind, number, client->pid, letter ? "" : "he hung up");
    close(client->fd);
    client->fd = 0;
}

/* Until the supervisor says something. */
static void keep_door(void)
{
    struct pollfd fds[2 + MESSAGE_NBD_CLIENTS] = {
        { .fd = worker.socket, .events = POLLIN },
        { .fd = worker.nbd_listener, .events = POLLIN },
    };

    while (!fds[0].revents) {
        for (unsigned i = 0; i < MESSAGE_NBD_CLIENTS; i++)
            fds[2 + i] = (struct pollfd){
                .fd = worker.clients[i].fd ? worker.clients[i].fd : -1,
                .events = POLLIN };
        poll(fds, 2 + MESSAGE_NBD_CLIENTS, -1);
        if (fds[1].revents)
            let_in();
        for (uint32_t i = 0; i < MESSAGE_NBD_CLIENTS; i++)
            if (fds[2 + i].revents)
                hear(i + 1);
    }
}

static void fill_nbd_stats(struct message_nbd_stats *stats)
{
    *stats = (struct message_nbd_stats){
        .requests = { 700, 300, 1, 2, 3, 4, 5, 6 }, .errors = { 7 },
        .bytes_read = 700 * 4096, .bytes_written = 300 * 512,
        .accepted = worker.nr_accepted, .handovers = 11, .lost = 12,
        .refused = 13, .was_handed_over = 1,
    };
    for (unsigned i = 0; i < MESSAGE_NBD_CLIENTS; i++) {
        if (!worker.clients[i].fd)
            continue;
        stats->clients[stats->nr_clients++] = (struct message_nbd_client){
            .number = i + 1, .pid = worker.clients[i].pid, .in_flight = 9,
            .requests = 1000, .bytes_read = 8192, .bytes_written = 512 };
    }
    if (!is_mode("nbd-crowd"))
        return;
    memset(stats, 0xff, sizeof *stats);
}

/* Each number comes and goes, or only comes, or only goes; and so on. */
static void storm(void)
{
    for (uint32_t i = 0; i < 5000; i++)
        say_event(i % (MESSAGE_NBD_REFUSED + 1), i % 7 ? i / 3 : UINT32_MAX,
                  i % 3 ? (int32_t)(i * 2654435761u) : getpid(),
                  "\033[31mred\n\377disk 1: a line of its own");
    say_event(MESSAGE_NBD_LEFT, 4711, getpid(), "");
}

/* -------------------------------------------------------------------------- */

static void misbehave(void)
{
    struct message message = { .tag = 4711 };

    if (is_mode("nbd-kind"))
        say_event(MESSAGE_NBD_REFUSED + 1, 1, 1, "");
    if (is_mode("nbd-storm"))
        storm();

    if (is_mode("ghost"))
        repeat(MESSAGE_BROKEN, 4711, 2000);
    if (is_mode("parrot"))
        repeat(MESSAGE_FAIL_STOP, 0, 5000);
    if (is_mode("garbage"))
        say(&message, 99, "\033[31mred\n");
    if (is_mode("short"))
        send(worker.socket, "short", 5, 0);
    if (is_mode("twice"))
        say_ready();
    if (is_mode("stray"))
        say(&message, MESSAGE_REPLY, "");
    if (is_mode("fail-stop") && !worker.is_fail_stopped)
        say(&message, MESSAGE_FAIL_STOP, "flush failed: No space left");
    if (is_mode("deaf-stop"))
        end_deaf(MESSAGE_FAIL_STOP, "flush failed: No space left");
}

/* --- hold records --------------------------------------------------------- */

static void write_standing(int record, const struct message_standing *standing)
{
    if (record >= 0 &&
        pwrite(record, standing, sizeof *standing,
               offsetof(struct hold, standing)) != sizeof *standing)
        note("PWRITE %s\n", strerror(errno));
}

/* A new ring has come as far as 1000 by the time it is held. */
static void keep_record(const struct message *message, int record)
{
    struct message_standing *standing =
        &worker.vbds[worker.nr_vbds].standing;

    if (worker.nr_vbds == MAX_VBDS) /* no test has so many */
        exit(5);
    worker.vbds[worker.nr_vbds].vbd = message->vbd;
    worker.vbds[worker.nr_vbds++].record = record;
    *standing = message->connect.standing;
    if (standing->seal == MESSAGE_STANDING_SEAL)
        note("RESUME-AT %" PRIu32 " %" PRIu32 " write-through=%" PRIu32
             " handed-over=%" PRIu32 "\n", standing->queues[0].req_cons,
             standing->queues[0].rsp_prod, standing->is_write_through,
             standing->was_handed_over);
    else
        *standing = (struct message_standing){
            .is_write_through = 1, .was_handed_over = 1,
            .queues[0] = { 1000, 1000 } };
    write_standing(record, &(struct message_standing){ .seal = 0 });
}

static void drop_record(uint32_t vbd)
{
    for (unsigned i = 0; i < worker.nr_vbds; i++) {
        if (worker.vbds[i].vbd != vbd)
            continue;
        close(worker.vbds[i].record);
        worker.vbds[i] = worker.vbds[--worker.nr_vbds];
    }
}

static void hold(void)
{
    note("HOLD\n");
    if (is_mode("wait-hold"))
        await_go();
    if (is_mode("held-stop") && ftruncate(worker.lease, 1 << 20) < 0)
        note("FTRUNCATE %s\n", strerror(errno));
    for (unsigned i = 0; i < worker.nr_vbds && !is_mode("lossy"); i++) {
        struct message_standing *standing = &worker.vbds[i].standing;

        standing->seal = MESSAGE_STANDING_SEAL;
        if (is_mode("held-stop") && !standing->is_fail_stopped) {
            standing->is_fail_stopped = 1;
            standing->queues[0].rsp_prod--;
        }
        write_standing(worker.vbds[i].record, standing);
    }
}

static void take_connect(struct message *message, int record)
{
    const struct message_connect connect = message->connect;

    note("CONNECT domid=%" PRIu32 " gref=%" PRIu32 " port=%" PRIu32
         " abi=%" PRIu32 " read_only=%" PRIu32 " queues=%" PRIu32
         " pages=%" PRIu32 " sector=%" PRIu32 " indirect=%" PRIu32
         " grants=%" PRIu32 " kept=%" PRIu32 " discard=%" PRIu32
         " secure=%" PRIu32 "\n", connect.domid, connect.queues[0].grefs[0],
         connect.queues[0].event_port, connect.abi, connect.read_only,
         connect.nr_queues, connect.queues[0].nr_pages, connect.sector_bytes,
         connect.max_indirect_segments, connect.grants,
         connect.max_persistent_grants, connect.has_discard,
         connect.has_secure);
    if (is_mode("die-connect"))
        kill(getpid(), SIGTERM);
    if (is_mode("wait-connect"))
        await_go();
    if (is_mode("refuse")) {
        message->error = -EINVAL;
        say(message, MESSAGE_REPLY, "grant 8 of domain 5 is not granted");
        return;
    }
    keep_record(message, record);
    say(message, MESSAGE_REPLY, "");
    if (is_mode("broken"))
        say(message, MESSAGE_BROKEN, "req_prod ran 1000 ahead of the ring");
}

static void take_pause(struct message *message)
{
    struct message broken = { .vbd = message->vbd };

    note("PAUSE\n");
    if (is_mode("die-pause"))
        kill(getpid(), SIGTERM);
    if (is_mode("wait-pause"))
        await_go();
    if (is_mode("broken-pause"))
        say(&broken, MESSAGE_BROKEN, "req_prod ran 1000 ahead of the ring");
    if (is_mode("dirty-pause"))
        message->error = -EIO;
    worker.is_paused = true;
    say(message, MESSAGE_REPLY, message->error ? "the flush failed" : "");
}

static void take_resize(struct message *message)
{
    uint64_t bytes = look_at_size() / (is_mode("shrinker") ? 2 : 1);

    note("RESIZE\n");
    if (bytes < worker.size_bytes && !is_mode("shrinker")) {
        message->error = -EINVAL;
        say(message, MESSAGE_REPLY, "the target has become smaller");
        return;
    }
    worker.size_bytes = bytes;
    message->ready = (struct message_ready){ .size_bytes = bytes };
    say(message, MESSAGE_REPLY, "");
}

/* Two queues, of which the second has done nothing yet. */
static void fill_vbd_stats(struct message_vbd_stats *stats)
{
    *stats = (struct message_vbd_stats){
        .abi = BLKIF_ABI_X86_64, .grants = MESSAGE_GRANTS_PERSISTENT,
        .sector_bytes = 512, .max_indirect_segments = 64, .nr_queues = 2,
        .has_discard = 1, .is_write_through = 1,
        .is_paused = worker.is_paused, .persistent_grants = 100,
        .max_persistent_grants = 1024, .persistent_hits = 900,
        .persistent_misses = 110, .persistent_evictions = 10,
        .queues = {
            { .nr_pages = 4, .slots = 128, .in_flight = 3, .requests = 1003,
              .indirect_requests = 7, .responses = 1000, .take_batches = 200,
              .answer_batches = 150, .notifies_sent = 140 },
            { .nr_pages = 4, .slots = 128 },
        },
    };
}

/* fd: came with it, or -1. */
static void take_request(struct message *message, int fd)
{
    if (is_mode("hung-stats") && (message->type == MESSAGE_STATS ||
                                  message->type == MESSAGE_VBD_STATS ||
                                  message->type == MESSAGE_NBD_STATS))
        note("STATS\n");
    switch (message->type) {
    case MESSAGE_CONNECT:
        take_connect(message, fd);
        return;
    case MESSAGE_STATS:
        if (is_mode("hung-stats"))
            await_go();
        memset(&message->stats, 0, sizeof message->stats);
        message->stats.requests[0] = 1000;
        message->stats.bytes_read = worker.bytes_read += 100000000;
        message->stats.responses = 1000;
        message->stats.system_calls = 500;
        message->stats.latency[10] = 990;
        message->stats.latency[20] = 10;
        message->stats.latency_us = 990 * 40 + 10 * 1200;
        message->stats.budget_bytes = 32 << 20;
        break;
    case MESSAGE_RESIZE:
        if (!is_mode("mute"))
            take_resize(message);
        return;
    case MESSAGE_VBD_STATS:
        fill_vbd_stats(&message->vbd_stats);
        break;
    case MESSAGE_NBD_STATS:
        fill_nbd_stats(&message->nbd_stats);
        break;
    case MESSAGE_LOG_LEVEL:
        note("LOG_LEVEL %" PRIu32 "\n", message->log_level);
        break;
    case MESSAGE_DISCONNECT:
        note("DISCONNECT\n");
        if (is_mode("wait-disconnect"))
            await_go();
        drop_record(message->vbd);
        break;
    case MESSAGE_PAUSE:
        take_pause(message);
        return;
    case MESSAGE_RESUME:
        note("RESUME\n");
        worker.is_paused = false;
        break;
    case MESSAGE_HOLD:
    case MESSAGE_DETACH:
        if (message->type == MESSAGE_HOLD)
            hold();
        else
            note("DETACH\n");
        if (is_mode("wait-detach"))
            await_go();
        if (is_mode("dirty"))
            message->error = -EIO;
        say(message, MESSAGE_REPLY, "the last flush failed: Input/output "
                                    "error");
        note("END\n");
        exit(0);
    }
    if (!is_mode("mute"))
        say(message, MESSAGE_REPLY, "");
}

static void parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "socket", required_argument, NULL, 's' },
        { "nbd-socket", required_argument, NULL, 'n' },
        { "lease", required_argument, NULL, 'l' },
        { "refuse-after-handover", no_argument, NULL, 0 },
        { "target", required_argument, NULL, 't' },
        { "engine", required_argument, NULL, 'e' },
        { "read-only", no_argument, NULL, 'r' },
        { "fail-stopped", no_argument, NULL, 'f' },
        { "buffered", no_argument, NULL, 0 },
        { "flush-retry", required_argument, NULL, 0 },
        { "byte-budget", required_argument, NULL, 0 },
        { "log-level", required_argument, NULL, 0 },
        { "user", required_argument, NULL, 0 },
        { "local", required_argument, NULL, 0 },
        { "cgroup", required_argument, NULL, 0 },
        { "disk", required_argument, NULL, 0 },
        { NULL, 0, NULL, 0 }
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's': worker.listener = atoi(optarg); break;
        case 'n': worker.nbd_listener = atoi(optarg); break;
        case 'l': worker.lease = atoi(optarg); break;
        case 't': worker.target = optarg; break;
        case 'e': worker.engine = optarg; break;
        case 'r': worker.is_read_only = true; break;
        case 'f': worker.is_fail_stopped = true; break;
        case 0: break;
        default: exit(2);
        }
    }
}

int main(int argc, char **argv)
{
    static struct message message = { .error = -EBUSY };
    char path[512];
    unsigned nr_fds;
    int fd;

    parse(argc, argv);
    worker.size_bytes = 64 << 20;
    worker.size_bytes = look_at_size();
    snprintf(path, sizeof path, "%s.log", worker.target);
    worker.log = fopen(path, "a");
    worker.socket = accept4(worker.listener, NULL, NULL, SOCK_CLOEXEC);
    if (!worker.log || worker.socket < 0)
        return 2;
    note("START");
    for (int i = 1; i < argc; i++)
        note(" %s", argv[i]);
    note("\n");
    if (is_mode("die"))
        kill(getpid(), SIGKILL);
    if (is_mode("deaf-fail"))
        end_deaf(MESSAGE_FAILED, "the target is held by process 1");
    if (is_mode("fail") || (is_mode("fail-later") && may_go())) {
        say(&message, MESSAGE_FAILED, "the target is held by process 1");
        return 1;
    }
    if (is_mode("wait-ready"))
        await_go();
    if (is_mode("nbd-early"))
        say_event(MESSAGE_NBD_CONNECTED, 1, 1, "");
    if (is_mode("greedy"))
        grasp();
    say_ready();
    misbehave();
    if (is_mode("door"))
        keep_door();
    while (packet_receive(worker.socket, &message, sizeof message, &fd, 1,
                          &nr_fds) == 0) {
        take_request(&message, nr_fds ? fd : -1);
        if (nr_fds && message.type == MESSAGE_XENTOP)
            close(fd);
        if (is_mode("door"))
            keep_door();
    }
    hold();
    note("ORPHAN\n");
    return 3;
}
