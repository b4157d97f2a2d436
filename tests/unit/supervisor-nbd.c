/* SPDX-License-Identifier: MIT
 * Claim: each disk has a door for emulated disks, with a name for each vbd,
 * for as long as somebody answers there, and open to nobody but root and the
 * owner; who comes and goes is seen; and a worker that lies about its clients
 * gets a killing, or lies in what is shown only. Source: COHERENCY.md, C11 and
 * "Handover"; docs/CONTROL.md; vbdd(8), FILES. Mechanism: a real vbdd on the
 * stand-in, a worker that lets clients in, and clients that speak one letter
 * of NBD. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/control/message.h"
#include "common/host/log.h"
#include "common/host/socket.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

/* options: more of them, as JSON, or "". */
static json_t *attach(const struct rig_device *device, const char *engine,
                      const char *options)
{
    return rig_ask("{\"command\":\"attach\",\"domid\":%u,\"vdev\":\"%s\","
                   "\"target\":\"%s\",\"mode\":\"w!\","
                   "\"options\":{\"engine\":\"%s\"%s}}", device->domid,
                   device->vdev, device->target, engine, options);
}

static json_t *show(const struct rig_device *device)
{
    return rig_ask("{\"command\":\"show\",\"vbd\":\"%s\"}", device->name);
}

static const char *string(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

static long long integer(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

/* "state/nbd/5-xvda" */
static const char *name_of(const struct rig_device *device)
{
    char name[64];

    snprintf(name, sizeof name, "state/nbd/%u-%s", device->domid,
             device->vdev);
    return rig_path(name);
}

static bool exists(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

static unsigned mode_of(const char *path)
{
    struct stat status;

    REQUIRE(stat(path, &status) == 0);
    return status.st_mode & 07777;
}

/* --- clients -------------------------------------------------------------- */

/* A client who may have to wait; -1 when there is no door. */
static int knock(const char *path)
{
    struct timeval patience = { .tv_sec = 60 };
    int fd = socket_connect(path, SOCK_STREAM);

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

/* A client that has been greeted, or has been hung up on (-1). */
static int enter(const char *path)
{
    int fd = knock(path);
    char greeting[8];

    if (fd < 0)
        return -1;
    if (recv(fd, greeting, 8, MSG_WAITALL) == 8 &&
        memcmp(greeting, "NBDMAGIC", 8) == 0)
        return fd;
    close(fd);
    return -1;
}

static void leave(int fd, const char *letter)
{
    CHECK(send(fd, letter, strlen(letter), MSG_NOSIGNAL) >= 0);
    close(fd);
}

/* Waits until the last thing that happened is this; the object nbd. */
static const json_t *await_event(const struct rig_device *device,
                                 const char *text)
{
    const json_t *nbd = NULL;

    for (unsigned i = 0; i < 30000; i++) {
        nbd = json_object_get(show(device), "nbd");
        if (strstr(string(nbd, "last_event"), text))
            return nbd;
        usleep(2000);
    }
    NOTE("the last event is '%s'", string(nbd, "last_event"));
    return NULL;
}

/* The same of how many are there, whom show would count anew. */
static bool await_clients(const struct rig_device *device, long long nr)
{
    long long got = -1;

    for (unsigned i = 0; i < 30000 && got != nr; i++) {
        got = integer(rig_disk(device->target), "emulated_clients");
        usleep(2000);
    }
    return got == nr;
}

/* --- the door ------------------------------------------------------------- */

static void check_options(void)
{
    struct rig_device device = rig_device(5, "xvda", "options");
    const json_t *reply;

    CHECK(rig_ok(attach(&device, "ok", "")));
    CHECK_EQ(rig_count_text(device.log, "--nbd-socket 4"), 1);
    CHECK_EQ(rig_count_text(device.log, "--refuse-after-handover"), 0);
    reply = json_object_get(show(&device), "nbd");
    CHECK_STR(string(reply, "after_handover"), "allow");
    CHECK_STR(string(reply, "owner"), "");
    CHECK(rig_detach(&device));

    CHECK(rig_ok(attach(&device, "ok",
                        ",\"emulated-after-handover\":\"refuse\"")));
    CHECK_EQ(rig_count_text(device.log, "--refuse-after-handover"), 1);
    CHECK_STR(string(json_object_get(show(&device), "nbd"),
                     "after_handover"), "refuse");
    CHECK(rig_detach(&device));

    CHECK(rig_ok(attach(&device, "ok", ",\"nbd\":\"no\"")));
    CHECK_EQ(rig_count_text(device.log, "--nbd-socket"), 2);
    CHECK(!exists(name_of(&device)));
    CHECK(!json_object_get(show(&device), "nbd"));
    CHECK(!json_object_get(rig_disk(device.target), "emulated_clients"));
    CHECK(rig_refused(rig_ask("{\"command\":\"nbd\",\"vbd\":\"5/xvda\"}"),
                      "has no NBD socket: its option nbd is no"));
    CHECK(rig_detach(&device));
}

static void check_names(void)
{
    struct rig_device one = rig_device(5, "hda", "names");
    struct rig_device two = rig_device(6, "xvdb", "names");
    char uri[160];
    int fd;

    CHECK(rig_ok(attach(&one, "door", "")));
    CHECK(rig_ok(attach(&two, "door", "")));
    CHECK_EQ(mode_of(rig_path("state")), 0700);
    CHECK_EQ(mode_of(rig_path("state/nbd")), 0700);
    CHECK_EQ(mode_of(name_of(&one)), 0600);
    snprintf(uri, sizeof uri, "nbd+unix:///?socket=%s", name_of(&one));
    CHECK_STR(string(rig_ask("{\"command\":\"nbd\",\"vbd\":\"5/hda\"}"),
                     "uri"), uri);
    snprintf(uri, sizeof uri, "nbd+unix:///?socket=%s", name_of(&two));
    CHECK_STR(string(rig_ask("{\"command\":\"nbd\",\"vbd\":\"6/xvdb\"}"),
                     "uri"), uri);
    fd = enter(name_of(&one));
    CHECK(fd >= 0);
    CHECK(rig_detach(&one));
    CHECK(!exists(name_of(&one)));
    CHECK_EQ(send(fd, "x", 0, MSG_NOSIGNAL), 0); /* he is not thrown out */
    close(fd);
    fd = enter(name_of(&two));
    CHECK(fd >= 0);
    close(fd);
    CHECK(rig_detach(&two));
    CHECK(!exists(name_of(&two)));
    CHECK(rig_await_disk_state(two.target, NULL));
}

/* The door is as writable as the disk. */
static void check_reader(void)
{
    struct rig_device writer = rig_device(5, "hda", "reader");
    struct rig_device reader = rig_device(6, "hda", "reader");
    const char *ask = "{\"command\":\"nbd\",\"vbd\":\"6/hda\"}";

    CHECK(rig_ok(attach(&writer, "ok", "")));
    CHECK(rig_ok(rig_attach(&reader, "r", "ok")));
    CHECK(exists(name_of(&writer)));
    CHECK(!exists(name_of(&reader)));
    CHECK(rig_refused(rig_ask("%s", ask), "not for a read-only one"));
    CHECK(!json_object_get(rig_ask("{\"command\":\"hotplug\",\"action\":"
                                   "\"add\",\"path\":\"%s\"}", reader.back),
                           "nbd"));
    CHECK(rig_detach(&writer));
    CHECK(rig_refused(rig_ask("%s", ask), "not for a read-only one"));
    CHECK(rig_detach(&reader));
    CHECK(rig_ok(rig_attach(&reader, "r", "ok")));
    CHECK(exists(name_of(&reader))); /* nobody writes */
    CHECK(rig_detach(&reader));
}

static void check_death(void)
{
    struct rig_device device = rig_device(5, "xvda", "death");
    int fd;

    CHECK(rig_ok(attach(&device, "ok", "")));
    fd = knock(name_of(&device));
    CHECK(fd >= 0); /* nobody lets him in */
    rig_kill_worker(device.target);
    CHECK(rig_await_disk_state(device.target, "failed"));
    errno = 0;
    CHECK(recv(fd, &(char){ 0 }, 1, 0) <= 0 && errno != EAGAIN);
    close(fd);
    CHECK(!exists(name_of(&device)));
    CHECK(rig_refused(rig_ask("{\"command\":\"nbd\",\"vbd\":\"5/xvda\"}"),
                      "is failed: no emulated disk can connect"));
    CHECK(rig_detach(&device));
}

static void check_failed_attach(void)
{
    struct rig_device device = rig_device(5, "xvda", "failed");

    CHECK(rig_refused(attach(&device, "fail", ""), "held by process 1"));
    CHECK(rig_await_disk_state(device.target, NULL));
    CHECK(!exists(name_of(&device)));
    CHECK(rig_refused(attach(&device, "die", ""), "killed by signal 9"));
    CHECK(!exists(name_of(&device)));
}

/* A vbdd that was killed has removed nothing. */
static void check_restart(void)
{
    struct rig_device device = rig_device(5, "xvda", "restart");
    int fd;

    CHECK(rig_ok(attach(&device, "door", "")));
    CHECK(exists(name_of(&device)));
    rig_kill_vbdd();
    CHECK(rig_await_text(device.log, "ORPHAN"));
    rig_touch(rig_path("state/nbd/6-hda"));
    rig_start_vbdd();
    CHECK(rig_await_disk_state(device.target, "ready"));
    CHECK(!exists(rig_path("state/nbd/6-hda")));
    fd = enter(name_of(&device));
    CHECK(fd >= 0);
    close(fd);
    CHECK(rig_detach(&device));
}

static void check_hotplug(void)
{
    struct rig_device device = rig_device(5, "hda", "hotplug");
    char uri[160];

    snprintf(uri, sizeof uri, "nbd+unix:///?socket=%s", name_of(&device));
    CHECK(rig_ok(attach(&device, "ok", "")));
    CHECK_STR(string(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                             "\"path\":\"%s\"}", device.back), "nbd"), uri);
    CHECK(rig_detach(&device));
    CHECK(rig_ok(attach(&device, "ok", ",\"nbd\":\"no\"")));
    CHECK(!json_object_get(rig_ask("{\"command\":\"hotplug\",\"action\":"
                                   "\"add\",\"path\":\"%s\"}", device.back),
                           "nbd"));
    CHECK(rig_detach(&device));
}

/* --- the owner ------------------------------------------------------------ */

/* Does connecting as this user fail with that error (0: none)? */
static int connect_as(const char *user, const char *path)
{
    const struct passwd *entry = getpwnam(user);
    int status, fd;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (!entry || setgid(entry->pw_gid) < 0 || setuid(entry->pw_uid) < 0)
            _exit(255);
        fd = socket_connect(path, SOCK_STREAM);
        _exit(fd < 0 ? -fd : 0);
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void check_owner(void)
{
    struct rig_device device = rig_device(5, "xvda", "owner");
    struct rig_device other = rig_device(6, "xvda", "root");

    REQUIRE(chmod(rig_dir, 0711) == 0);
    CHECK(rig_ok(attach(&other, "ok", "")));
    CHECK_EQ(connect_as("nobody", name_of(&other)), EACCES);
    CHECK(rig_ok(attach(&device, "ok", ",\"nbd-owner\":\"nobody\"")));
    CHECK_STR(string(json_object_get(show(&device), "nbd"), "owner"),
              "nobody");
    CHECK_EQ(mode_of(name_of(&device)), 0600);
    CHECK_EQ(connect_as("nobody", name_of(&device)), 0);
    CHECK_EQ(connect_as("daemon", name_of(&device)), EACCES);
    /* He sees no other disk's door, and no list of them. */
    CHECK_EQ(connect_as("nobody", name_of(&other)), EACCES);
    CHECK_EQ(connect_as("nobody", rig_path("state/control")), EACCES);
    CHECK_EQ(connect_as("nobody", rig_path("state/disks/1/worker")), EACCES);
    CHECK_EQ(mode_of(rig_path("state")), 0711);
    CHECK_EQ(mode_of(rig_path("state/nbd")), 0711);
    CHECK_EQ(mode_of(rig_path("state/disks")), 0700);
    CHECK(rig_detach(&device));
    CHECK(rig_detach(&other));
    CHECK(rig_refused(attach(&device, "ok", ",\"nbd-owner\":\"nemo\""),
                      "expected the name of a user that exists"));
}

/* --- who comes and goes --------------------------------------------------- */

static void check_seen(void)
{
    struct rig_device device = rig_device(5, "hda", "seen");
    const json_t *nbd, *client;
    char text[96];
    int fd;

    CHECK(rig_ok(attach(&device, "door", "")));
    CHECK_EQ(integer(rig_disk(device.target), "emulated_clients"), 0);
    prctl(PR_SET_NAME, "qemu\033[31m\nx");
    fd = enter(name_of(&device));
    CHECK(fd >= 0);
    nbd = await_event(&device, "has connected");
    client = json_array_get(json_object_get(nbd, "clients"), 0);
    CHECK_EQ(integer(client, "client"), 1);
    CHECK_EQ(integer(client, "pid"), getpid());
    CHECK_STR(string(client, "process"), "qemu?[31m?x");
    CHECK_STR(string(client, "state"), "serving");
    CHECK_EQ(integer(client, "in_flight"), 9);
    CHECK_EQ(integer(client, "bytes_read"), 8192);
    CHECK_STR(string(nbd, "handed_over_at"), "");
    CHECK_EQ(integer(rig_disk(device.target), "emulated_clients"), 1);
    snprintf(text, sizeof text, "disk %lld: emulated client 1 (pid %d) has "
             "connected [qemu?[31m?x]",
             integer(rig_disk(device.target), "disk"), (int)getpid());
    CHECK(rig_await_text(rig_path("vbdd.log"), text));
    leave(fd, "h");
    CHECK(await_clients(&device, 0));
    nbd = await_event(&device, "has handed over");
    CHECK_EQ(strlen(string(nbd, "handed_over_at")), 20);
    CHECK(json_is_true(json_object_get(nbd, "handed_over")));
    leave(enter(name_of(&device)), "l");
    CHECK(await_event(&device, "client 2 ") &&
          await_event(&device, "has left"));
    leave(enter(name_of(&device)), "r");
    CHECK(await_event(&device, "was refused"));
    leave(enter(name_of(&device)), "");
    nbd = await_event(&device, "he hung up [qemu");
    CHECK_EQ(integer(nbd, "accepted"), 4);
    CHECK_EQ(integer(nbd, "handovers"), 11);
    CHECK_EQ(integer(nbd, "lost"), 12);
    CHECK_EQ(integer(nbd, "refused"), 13);
    CHECK_EQ(json_array_size(json_object_get(nbd, "clients")), 0);
    CHECK(rig_detach(&device));
}

static void check_stats(void)
{
    struct rig_device device = rig_device(5, "hda", "stats");
    const json_t *reply, *nbd;

    CHECK(rig_ok(attach(&device, "ok", "")));
    reply = rig_ask("{\"command\":\"stats\",\"vbd\":\"5/hda\"}");
    nbd = json_object_get(json_array_get(json_object_get(reply, "disks"), 0),
                          "nbd");
    CHECK(!json_object_get(nbd, "error"));
    CHECK_EQ(integer(json_object_get(nbd, "requests"), "read"), 700);
    CHECK_EQ(integer(json_object_get(nbd, "requests"), "block_status"), 6);
    CHECK_EQ(integer(json_object_get(nbd, "errors"), "read"), 7);
    CHECK_EQ(integer(nbd, "bytes_read"), 700 * 4096);
    CHECK_EQ(integer(nbd, "bytes_written"), 300 * 512);
    CHECK(rig_detach(&device));
}

/* A disk that is starting, or whose worker hangs, is shown all the same. */
static void check_silent(void)
{
    struct rig_device slow = rig_device(5, "xvda", "slow");
    struct rig_device mute = rig_device(6, "xvda", "silent");
    const json_t *reply;
    char line[512];
    int fd;

    CHECK(rig_ok(attach(&mute, "mute", "")));
    reply = json_object_get(show(&mute), "nbd");
    CHECK_STR(string(reply, "error"), "its worker has not answered");
    CHECK_STR(string(reply, "after_handover"), "allow");
    CHECK(rig_detach(&mute));

    snprintf(line, sizeof line, "{\"command\":\"attach\",\"domid\":5,"
             "\"vdev\":\"xvda\",\"target\":\"%s\",\"options\":{"
             "\"engine\":\"wait-ready\"}}\n", slow.target);
    fd = rig_send(line);
    CHECK(rig_await_disk_state(slow.target, "starting"));
    CHECK(rig_refused(rig_ask("{\"command\":\"nbd\",\"vbd\":\"5/xvda\"}"),
                      "is starting: no emulated disk can connect"));
    reply = json_object_get(show(&slow), "nbd");
    CHECK(reply && !json_object_get(reply, "error"));
    CHECK(!exists(name_of(&slow)));
    rig_touch(slow.go);
    CHECK(rig_await_disk_state(slow.target, "ready"));
    CHECK(exists(name_of(&slow)));
    json_decref(rig_receive(fd));
    CHECK(rig_detach(&slow));
}

/* --- liars ---------------------------------------------------------------- */

static void check_kinds(void)
{
    struct rig_device device = rig_device(5, "xvda", "kinds");

    CHECK(rig_ok(attach(&device, "nbd-kind", "")));
    CHECK(rig_await_disk_state(device.target, "failed"));
    CHECK(rig_await_text(rig_path("vbdd.log"), "sent NBD_EVENT (out of turn "
                                               "or impossible)"));
    CHECK(rig_detach(&device));
    CHECK(rig_refused(attach(&device, "nbd-early", ""), "killed by signal 9"));
    CHECK(rig_await_disk_state(device.target, NULL));
}

static void check_storm(void)
{
    struct rig_device device = rig_device(5, "xvda", "nbd-storm");
    const char *log = rig_path("vbdd.log");

    CHECK(rig_ok(attach(&device, "nbd-storm", "")));
    for (unsigned i = 0; i < 20; i++)
        CHECK(integer(rig_disk(device.target), "emulated_clients") <=
              MESSAGE_NBD_CLIENTS);
    CHECK(await_event(&device, "client 4711 ")); /* the last */
    CHECK_EQ(integer(rig_disk(device.target), "emulated_clients"), 0);
    CHECK_EQ(rig_count_text(log, ": ?[31mred??disk 1: a line"),
             LOG_LIMIT_BURST);
    CHECK_EQ(rig_count_text(log, "\033[31mred"), 0);
    CHECK(rig_await_disk_state(device.target, "ready"));
    CHECK(rig_detach(&device));
    CHECK(rig_await_text(log, ": 4991 similar messages were not shown"));
}

static void check_crowd(void)
{
    struct rig_device device = rig_device(5, "xvda", "nbd-crowd");
    const json_t *nbd, *clients;

    CHECK(rig_ok(attach(&device, "nbd-crowd", "")));
    nbd = json_object_get(show(&device), "nbd");
    clients = json_object_get(nbd, "clients");
    CHECK_EQ(json_array_size(clients), MESSAGE_NBD_CLIENTS);
    CHECK_EQ(integer(nbd, "lost"), INT64_MAX);
    CHECK_EQ(integer(json_array_get(clients, 0), "pid"), -1);
    CHECK_STR(string(json_array_get(clients, 15), "process"), "");
    CHECK(rig_ok(rig_ask("{\"command\":\"stats\"}")));
    CHECK(rig_detach(&device));
}

int main(void)
{
    static const char owned[] =
        "the owner of a door reaches it, and nothing else";

    rig_start("");
    TEST("a worker has a door, as its disk's options say", check_options);
    TEST("each vbd has a name for its disk's door", check_names);
    TEST("no read-only vbd comes to a disk that others write", check_reader);
    TEST("a door closes when nobody answers there", check_death);
    TEST("a failed attach leaves no door", check_failed_attach);
    TEST("an earlier vbdd's names are gone, a disk's are there again",
         check_restart);
    TEST("hotplug says where the emulated disk is to go", check_hotplug);
    if (geteuid() == 0)
        TEST(owned, check_owner);
    else
        tap_skip(owned, "root");
    TEST("who comes and goes is seen", check_seen);
    TEST("what was asked for is counted", check_stats);
    TEST("a disk is shown without its worker's answer", check_silent);
    TEST("a kind of event that is none is the worker's end", check_kinds);
    TEST("a storm of events is ten lines of log and a number", check_storm);
    TEST("no more clients are shown than there can be", check_crowd);
    rig_end();
    return tap_done();
}
