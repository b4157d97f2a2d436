/* SPDX-License-Identifier: MIT
 * Claim: a worker that fails, dies, dawdles or lies costs its own disk and
 * nobody else anything, and whoever asked is told what happened; a target has
 * one worker and the holders that C1 allows; nothing is half attached.
 * Source: C1, C8, C12; backend/control/message.h. Mechanism: a real vbdd on
 * the stand-in, with workers that misbehave as their engine says. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

static bool has_nothing(void)
{
    const json_t *reply = rig_ask("{\"command\":\"list\"}");

    return json_array_size(json_object_get(reply, "disks")) == 0 &&
           json_array_size(json_object_get(reply, "vbds")) == 0;
}

static bool await_nothing(const struct rig_device *device)
{
    return rig_await_disk_state(device->target, NULL) && has_nothing() &&
           !rig_exists(device->back, "state") &&
           !rig_exists(device->front, "state") &&
           !rig_exists("/local/domain/0/backend/vbd", "5") &&
           !rig_exists("/local/domain/5", "device");
}

/* --- attaching ------------------------------------------------------------ */

static void check_rollback(void)
{
    static const struct {
        const char *engine, *said;
    } rows[] = {
        { "fail", "the target is held by process 1" },
        { "die", "worker killed by signal 9 while it opened the target" },
    };
    struct rig_device device = rig_device(5, "xvda", "rollback");

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        CHECK(rig_refused(rig_attach(&device, "w", rows[i].engine),
                          rows[i].said));
        CHECK(await_nothing(&device));
    }
    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    CHECK(rig_detach(&device));
    CHECK(await_nothing(&device));
}

static void check_no_worker(void)
{
    struct rig_device device = rig_device(5, "xvda", "none");

    REQUIRE(rename(rig_path("worker"), rig_path("away")) == 0);
    /* Under valgrind posix_spawn() learns of it from the exit status. */
    CHECK(rig_refused(rig_attach(&device, "w", "ok"), getenv("VALGRIND")
                      ? "worker ended with status 127"
                      : "worker cannot be started: No such file"));
    REQUIRE(rename(rig_path("away"), rig_path("worker")) == 0);
    CHECK(await_nothing(&device));
}

static void check_bad_targets(void)
{
    static const struct {
        const char *target, *said;
    } rows[] = {
        { "/nowhere/at/all", "/nowhere/at/all: No such file or directory" },
        { "/dev/null", "/dev/null is neither a block device nor a file" },
        { "/tmp", "/tmp is neither a block device nor a file" },
        { "relative", "target is 'relative': expected an absolute path" },
        { "", "target is ''" },
    };
    struct rig_device device = rig_device(5, "xvda", "bad");

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        strcpy(device.target, rows[i].target);
        CHECK(rig_refused(rig_attach(&device, "w", "ok"), rows[i].said));
        CHECK(await_nothing(&device));
    }
}

static void check_bad_requests(void)
{
    static const struct {
        const char *body, *said;
    } rows[] = {
        { "\"domid\":0,\"vdev\":\"xvda\",\"target\":\"/x\"", "domid is 0" },
        { "\"domid\":-1,\"vdev\":\"xvda\",\"target\":\"/x\"", "domid is -1" },
        { "\"domid\":32752,\"vdev\":\"xvda\",\"target\":\"/x\"",
          "domid is 32752: expected 1 to 32751" },
        { "\"domid\":5,\"vdev\":\"floppy\",\"target\":\"/x\"",
          "vdev is 'floppy'" },
        { "\"domid\":5,\"vdev\":\"xvda\",\"target\":\"/x\",\"mode\":\"rw\"",
          "mode is 'rw'" },
        { "\"domid\":5,\"vdev\":\"xvda\",\"target\":\"/x\","
          "\"options\":{\"engine\":7}", "option is not a string" },
        { "\"domid\":5,\"vdev\":\"xvda\",\"target\":\"/x\","
          "\"options\":{\"engine\":\"$(reboot)\"}", "engine = '$(reboot)'" },
        { "\"domid\":5,\"vdev\":\"xvda\",\"target\":\"/x\","
          "\"options\":{\"speed\":\"fast\"}", "'speed' is no option" },
        { "\"domid\":5,\"vdev\":\"xvda\",\"target\":\"/x\","
          "\"options\":{\"buffered\":\"maybe\"}", "expected yes or no" },
        { "\"domid\":5,\"vdev\":\"xvda\"", "target is missing" },
    };
    struct rig_device device = rig_device(5, "xvda", "bad");

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(rig_refused(rig_ask("{\"command\":\"attach\",%s}",
                                  rows[i].body), rows[i].said));
    CHECK(await_nothing(&device));
}

static int send_attach(const struct rig_device *device, const char *engine)
{
    char line[512];

    snprintf(line, sizeof line, "{\"command\":\"attach\",\"domid\":%u,"
             "\"vdev\":\"%s\",\"target\":\"%s\",\"options\":{\"engine\":"
             "\"%s\"}}\n", device->domid, device->vdev, device->target,
             engine);
    return rig_send(line);
}

static void check_slow(void)
{
    struct rig_device slow = rig_device(5, "xvda", "slow");
    struct rig_device quick = rig_device(5, "xvdb", "quick");
    int fd = send_attach(&slow, "wait-ready");
    json_t *reply;

    CHECK(rig_await_text(slow.log, "START"));
    CHECK(rig_ok(rig_attach(&quick, "w", "ok")));
    rig_publish(&quick, "3");
    CHECK(rig_back_is(&quick, "4"));
    CHECK(rig_detach(&quick));
    CHECK(rig_refused(rig_attach(&slow, "w", "ok"), "is attached already"));
    rig_touch(slow.go);
    reply = rig_receive(fd);
    CHECK(rig_ok(reply));
    json_decref(reply);
    CHECK(rig_detach(&slow));
    CHECK(await_nothing(&slow));
}

static void check_impatient_client(void)
{
    struct rig_device device = rig_device(5, "xvda", "impatient");
    int fd = send_attach(&device, "wait-ready");

    CHECK(rig_await_text(device.log, "START"));
    close(fd); /* nobody will hear the answer; it is attached all the same */
    rig_touch(device.go);
    CHECK(rig_await(device.back, "hotplug-status", "connected"));
    CHECK(rig_detach(&device));
    CHECK(await_nothing(&device));
}

/* --- sharing -------------------------------------------------------------- */

static void check_sharing(void)
{
    struct rig_device first = rig_device(5, "xvda", "shared");
    struct rig_device same = rig_device(5, "xvdb", "shared");
    struct rig_device other = rig_device(6, "xvda", "shared");

    CHECK(rig_ok(rig_attach(&first, "w", "ok")));
    CHECK(rig_refused(rig_attach(&other, "w", "ok"),
                      "is held writable by 5/xvda"));
    CHECK(rig_disk(first.target) != NULL);
    CHECK(!rig_exists(other.back, "state"));
    CHECK(rig_ok(rig_attach(&same, "w", "ok"))); /* one domain */
    CHECK(rig_detach(&same));
    CHECK(rig_ok(rig_attach(&other, "r", "ok")));
    CHECK(rig_detach(&other));
    CHECK(rig_ok(rig_attach(&other, "w!", "ok")));
    CHECK(rig_refused(rig_attach(&same, "w!", "aio"),
                      "served to 5/xvda with other options"));
    CHECK(rig_detach(&first));
    CHECK(rig_refused(rig_attach(&first, "w", "ok"),
                      "is held writable by 6/xvda"));
    CHECK(rig_detach(&other));
    CHECK_EQ(rig_count_text(first.log, "START"), 1);
    CHECK(await_nothing(&first));
}

static void check_one_vm(void)
{
    struct rig_device guest = rig_device(5, "xvda", "vm");
    struct rig_device stub = rig_device(6, "xvda", "vm");
    struct rig_device moved = rig_device(8, "xvda", "vm");
    struct rig_device stranger = rig_device(9, "xvda", "vm");

    rig_write("/local/domain/5", "vm", "/vm/aaaa");
    rig_write("/local/domain/6", "vm", "/vm/bbbb");
    rig_write("/local/domain/6", "target", "5");
    rig_write("/local/domain/8", "vm", "/vm/aaaa");
    rig_write("/local/domain/9", "vm", "/vm/cccc");
    CHECK(rig_ok(rig_attach(&guest, "w", "ok")));
    CHECK(rig_ok(rig_attach(&stub, "w", "ok")));
    CHECK(rig_ok(rig_attach(&moved, "w", "ok")));
    CHECK(rig_refused(rig_attach(&stranger, "w", "ok"), "is held writable"));
    CHECK(rig_detach(&guest));
    CHECK(rig_detach(&stub));
    CHECK(rig_detach(&moved));
    for (unsigned domid = 5; domid <= 9; domid++) {
        char path[32];

        snprintf(path, sizeof path, "/local/domain/%u", domid);
        rig_remove(path);
    }
}

static void check_read_only_sharing(void)
{
    struct rig_device one = rig_device(5, "xvda", "ro");
    struct rig_device two = rig_device(6, "xvda", "ro");
    struct rig_device writer = rig_device(7, "xvda", "ro");

    CHECK(rig_ok(rig_attach(&one, "r", "ok")));
    CHECK(rig_ok(rig_attach(&two, "r", "ok")));
    CHECK(rig_refused(rig_attach(&writer, "w", "ok"),
                      "is open read-only for 5/xvda"));
    CHECK(rig_refused(rig_attach(&writer, "w!", "ok"), "is open read-only"));
    CHECK_EQ(rig_count_text(one.log, "START"), 1);
    CHECK(rig_detach(&one));
    CHECK(rig_detach(&two));
    CHECK(rig_ok(rig_attach(&writer, "w", "ok")));
    CHECK(rig_detach(&writer));
}

static void check_names(void)
{
    struct rig_device device = rig_device(5, "xvda", "name");
    struct rig_device alias = rig_device(6, "xvda", "alias");

    REQUIRE(unlink(alias.target) == 0);
    REQUIRE(symlink(device.target, alias.target) == 0);
    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    CHECK(rig_refused(rig_attach(&alias, "w", "ok"),
                      "is held writable by 5/xvda"));
    CHECK(rig_detach(&device));
}

/* --- workers that go wrong ------------------------------------------------ */

static void check_death(void)
{
    struct rig_device dying = rig_device(5, "xvda", "dying");
    struct rig_device well = rig_device(5, "xvdb", "well");
    json_t *disk;

    CHECK(rig_ok(rig_attach(&dying, "w", "ok")));
    CHECK(rig_ok(rig_attach(&well, "w", "ok")));
    rig_publish(&dying, "4");
    rig_publish(&well, "4");
    CHECK(rig_back_is(&dying, "4"));
    CHECK(rig_back_is(&well, "4"));
    rig_kill_worker(dying.target);
    CHECK(rig_await_disk_state(dying.target, "failed"));
    disk = rig_disk(dying.target);
    CHECK_STR(json_string_value(json_object_get(disk, "error")),
              "worker killed by signal 9");
    CHECK(rig_await(dying.back, "state", "4"));
    CHECK(rig_await(well.back, "state", "4"));
    CHECK(rig_refused(rig_ask("{\"command\":\"attach\",\"domid\":5,\"vdev\":"
                              "\"xvdc\",\"target\":\"%s\",\"options\":"
                              "{\"engine\":\"ok\"}}", dying.target),
                      "failed (worker killed by signal 9): detach 5/xvda"));
    CHECK(rig_ok(rig_ask("{\"command\":\"stats\"}")));
    /* A front end that tries again is told. */
    rig_front(&dying, "6");
    CHECK(rig_back_is(&dying, "6"));
    rig_front(&dying, "1");
    CHECK(rig_back_is(&dying, "2"));
    rig_publish(&dying, "3");
    CHECK(rig_back_is(&dying, "6"));
    CHECK(rig_holds(dying.back, "error", "worker killed by signal 9"));
    CHECK(rig_detach(&dying));
    CHECK(rig_disk(dying.target) == NULL);
    CHECK(rig_ok(rig_attach(&dying, "w", "ok")));
    CHECK(rig_detach(&dying));
    CHECK(rig_detach(&well));
    CHECK(await_nothing(&dying));
}

static void check_death_of_connect(void)
{
    struct rig_device device = rig_device(5, "xvda", "connect");

    CHECK(rig_ok(rig_attach(&device, "w", "die-connect")));
    rig_publish(&device, "3");
    CHECK(rig_await_disk_state(device.target, "failed"));
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "worker killed by signal 15"));
    CHECK(rig_detach(&device));
    CHECK(await_nothing(&device));
}

static void check_refused_ring(void)
{
    struct rig_device device = rig_device(5, "xvda", "refuse");

    CHECK(rig_ok(rig_attach(&device, "w", "refuse")));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "grant 8 of domain 5"));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 0);
    CHECK(rig_detach(&device));
}

static void check_broken_ring(void)
{
    struct rig_device device = rig_device(5, "xvda", "broken");

    CHECK(rig_ok(rig_attach(&device, "w", "broken")));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "req_prod ran 1000 ahead"));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK(rig_detach(&device));
}

static void check_close_while_connecting(void)
{
    struct rig_device device = rig_device(5, "xvda", "meanwhile");

    CHECK(rig_ok(rig_attach(&device, "w", "wait-connect")));
    rig_publish(&device, "3");
    CHECK(rig_await_text(device.log, "CONNECT domid"));
    rig_front(&device, "6");
    rig_write(device.back, "online", "0");
    rig_write(device.back, "state", "5");
    rig_touch(device.go);
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_await_text(device.log, "END"));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK(rig_detach(&device));
    CHECK(await_nothing(&device));
}

static bool await_ring(const char *name, const char *ring)
{
    const char *got = NULL;

    for (unsigned i = 0; i < 20000; i++) {
        got = json_string_value(json_object_get(rig_vbd(name), "ring"));
        if (got && strcmp(got, ring) == 0)
            return true;
        usleep(2000);
    }
    NOTE("the ring of %s is %s, not %s", name, got ? got : "gone", ring);
    return false;
}

static void check_removal_while_connecting(void)
{
    struct rig_device device = rig_device(5, "xvda", "removal");

    CHECK(rig_ok(rig_attach(&device, "w", "wait-connect")));
    rig_publish(&device, "3");
    CHECK(rig_await_text(device.log, "CONNECT domid"));
    rig_write(device.back, "online", "0");
    rig_write(device.back, "state", "5");
    rig_touch(device.go);
    CHECK(await_ring("5/xvda", "connected"));
    CHECK(rig_await(device.back, "state", "5")); /* not overwritten with 4 */
    CHECK(!rig_exists(device.back, "sectors"));
    rig_front(&device, "6");
    CHECK(rig_back_is(&device, "6"));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK(rig_detach(&device));
    CHECK(await_nothing(&device));
}

static void check_liars(void)
{
    static const char *const modes[] = { "garbage", "short", "twice", "stray",
                                         "liar", "other-target" };

    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct rig_device device = rig_device(5, "xvda", modes[i]);
        const json_t *reply = rig_attach(&device, "w", modes[i]);

        if (strcmp(modes[i], "liar") == 0) {
            CHECK(rig_refused(reply, "worker killed by signal 9"));
        } else if (strcmp(modes[i], "other-target") == 0) {
            CHECK(rig_refused(reply, "was replaced while it was being"));
        } else {
            CHECK(rig_ok(reply));
            CHECK(rig_await_disk_state(device.target, "failed"));
            CHECK(rig_detach(&device));
        }
        CHECK(await_nothing(&device));
    }
    /* What a worker says is shown, but not obeyed by a terminal. */
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), "\033"), 0);
}

static void check_mute(void)
{
    struct rig_device mute = rig_device(5, "xvda", "mute");
    struct rig_device well = rig_device(5, "xvdb", "well");
    const json_t *disks, *first;

    CHECK(rig_ok(rig_attach(&mute, "w", "mute")));
    CHECK(rig_ok(rig_attach(&well, "w", "ok")));
    disks = json_object_get(rig_ask("{\"command\":\"stats\"}"), "disks");
    CHECK_EQ(json_array_size(disks), 2);
    first = json_array_get(disks, 0);
    CHECK_STR(json_string_value(json_object_get(first, "error")),
              "its worker has not answered");
    CHECK_EQ(json_integer_value(json_object_get(json_array_get(disks, 1),
                                                "responses")), 1000);
    CHECK(rig_detach(&mute));
    CHECK(rig_detach(&well));
}

/* What is asked of a worker that hangs is not kept without a bound: it would all
 * be answered one day, and is not. */
static void check_many_questions(void)
{
    enum { VBDS = 24, ROUNDS = 60 };
    static struct rig_device devices[VBDS];
    int fds[ROUNDS];
    unsigned asked;

    for (unsigned i = 0; i < VBDS; i++) {
        char vdev[] = "xvda";

        vdev[3] += (char)i;
        devices[i] = rig_device(5, vdev, "many");
        CHECK(rig_ok(rig_attach(&devices[i], "w", "hung-stats")));
        rig_publish(&devices[i], "3");
        CHECK(rig_back_is(&devices[i], "4"));
    }
    for (unsigned i = 0; i < ROUNDS; i++)
        fds[i] = rig_send("{\"command\":\"stats\"}\n");
    for (unsigned i = 0; i < ROUNDS; i++)
        json_decref(rig_receive(fds[i]));
    rig_touch(devices[0].go);
    CHECK(rig_ok(rig_ask("{\"command\":\"stats\"}")));
    for (unsigned i = 0; i < VBDS; i++)
        CHECK(rig_detach(&devices[i]));
    asked = rig_count_text(devices[0].log, "STATS");
    CHECK(asked >= 1000);
    CHECK(asked <= 1024 + 2 + VBDS); /* the last: the disk, its door, vbds */
}

/* Has a question on its way to the device's worker, and lets that end while
 * vbdd does not look. */
static void ask_and_let_end(const struct rig_device *device)
{
    int fd = rig_send("{\"command\":\"stats\"}\n");

    CHECK(rig_ok(rig_ask("{\"command\":\"list\"}"))); /* it is asked by now */
    kill(rig_vbdd_pid(), SIGSTOP);
    rig_touch(device->go);
    CHECK(rig_await_text(device->log, "DEAF"));
    kill(rig_vbdd_pid(), SIGCONT);
    json_decref(rig_receive(fd));
}

static void check_last_words(void)
{
    struct rig_device fails = rig_device(5, "xvda", "fails");
    struct rig_device stops = rig_device(5, "xvdb", "stops");
    int fd = send_attach(&fails, "deaf-fail");
    json_t *reply;

    CHECK(rig_await_text(fails.log, "START"));
    ask_and_let_end(&fails);
    reply = rig_receive(fd);
    CHECK(rig_refused(reply, "the target is held by process 1"));
    json_decref(reply);
    CHECK(await_nothing(&fails));
    CHECK(rig_ok(rig_attach(&stops, "w", "deaf-stop")));
    ask_and_let_end(&stops);
    CHECK(rig_await_disk_state(stops.target, "failed"));
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), "stops is in fail-stop: "
                            "flush failed: No space left"), 1);
    CHECK(rig_detach(&stops));
}

/* --- fail-stop, and leaving ----------------------------------------------- */

static void check_fail_stop(void)
{
    struct rig_device device = rig_device(5, "xvda", "fail-stop");

    CHECK(rig_ok(rig_attach(&device, "w", "fail-stop")));
    CHECK(rig_await_disk_state(device.target, "fail-stop"));
    CHECK_STR(json_string_value(json_object_get(rig_disk(device.target),
                                                "error")),
              "flush failed: No space left");
    CHECK_EQ(rig_stop_vbdd(), 0); /* it survives a restart ... */
    rig_start_vbdd();
    CHECK(rig_await_disk_state(device.target, "fail-stop"));
    CHECK_EQ(rig_count_text(device.log, "--fail-stopped"), 1);
    CHECK(rig_detach(&device));
    CHECK(rig_ok(rig_attach(&device, "w", "ok"))); /* ... not a re-attach */
    CHECK(rig_await_disk_state(device.target, "ready"));
    CHECK_EQ(rig_count_text(device.log, "--fail-stopped"), 1);
    CHECK(rig_detach(&device));
}

static void check_dirty_detach(void)
{
    struct rig_device device = rig_device(5, "xvda", "dirty");

    CHECK(rig_ok(rig_attach(&device, "w", "dirty")));
    rig_front(&device, "6");
    CHECK(rig_refused(rig_ask("{\"command\":\"detach\",\"domid\":5,\"vdev\":"
                              "\"xvda\"}"), "the last flush failed"));
    CHECK(await_nothing(&device));
}

static void check_wait_for_drain(void)
{
    struct rig_device first = rig_device(5, "xvda", "drain");
    struct rig_device next = rig_device(6, "xvda", "drain");
    json_t *reply;
    int leaving, coming;

    CHECK(rig_ok(rig_attach(&first, "w", "wait-detach")));
    rig_front(&first, "6");
    leaving = rig_send("{\"command\":\"detach\",\"domid\":5,\"vdev\":"
                       "\"xvda\"}\n");
    CHECK(rig_await_disk_state(first.target, "draining"));
    coming = send_attach(&next, "ok");
    CHECK(rig_back_is(&next, "2"));
    CHECK(rig_await_disk_state(first.target, "draining"));
    CHECK_EQ(rig_count_text(first.log, "START"), 1);
    rig_touch(first.go);
    reply = rig_receive(leaving);
    CHECK(rig_ok(reply));
    json_decref(reply);
    reply = rig_receive(coming);
    CHECK(rig_ok(reply));
    json_decref(reply);
    CHECK_EQ(rig_count_text(first.log, "START"), 2);
    CHECK_EQ(rig_count_text(first.log, "END"), 1);
    CHECK(rig_detach(&next));
    CHECK(await_nothing(&first));
}

/* What xl destroy does: the trees go, whatever the guest has under way. In this
 * order, so that whoever sees the DISCONNECT knows that vbdd has seen it. */
static void destroy(const struct rig_device *device)
{
    rig_remove(device->back);
    rig_remove(device->front);
}

/* The holder's node has gone, its last requests have not ended. */
static void check_wait_for_leaving(void)
{
    struct rig_device first = rig_device(5, "xvda", "leaving");
    struct rig_device given_up = rig_device(6, "xvda", "leaving");
    struct rig_device next = rig_device(7, "xvda", "leaving");
    json_t *reply;
    int coming[2];

    CHECK(rig_ok(rig_attach(&first, "w", "wait-disconnect")));
    rig_publish(&first, "3");
    CHECK(rig_back_is(&first, "4"));
    CHECK(rig_refused(rig_attach(&next, "w", "ok"), "held writable by 5/xvda"));
    destroy(&first);
    CHECK(rig_await_text(first.log, "DISCONNECT"));
    coming[0] = send_attach(&given_up, "ok");
    CHECK(rig_back_is(&given_up, "2"));
    coming[1] = send_attach(&next, "ok");
    CHECK(rig_back_is(&next, "2"));
    CHECK(rig_vbd("5/xvda"));
    destroy(&given_up);
    CHECK_EQ(rig_count_text(first.log, "START"), 1);
    rig_touch(first.go);
    reply = rig_receive(coming[0]);
    CHECK(!json_is_true(json_object_get(reply, "ok")));
    json_decref(reply);
    reply = rig_receive(coming[1]);
    CHECK(rig_ok(reply));
    json_decref(reply);
    CHECK_EQ(rig_count_text(first.log, "START"), 2);
    CHECK_EQ(rig_count_text(first.log, "END"), 1);
    CHECK(rig_detach(&next));
    CHECK(rig_await_disk_state(first.target, NULL) && has_nothing());
}

/* Nobody is waited for once vbdd stops, and nothing is begun any more. */
static void check_stop_while_waiting(void)
{
    struct rig_device first = rig_device(5, "xvda", "stopped");
    struct rig_device next = rig_device(6, "xvda", "stopped");
    struct rig_device open = rig_device(7, "xvda", "still-open");
    json_t *reply;
    int coming, going;

    CHECK(rig_ok(rig_attach(&first, "w", "wait-disconnect")));
    CHECK(rig_ok(rig_attach(&open, "w", "ok")));
    rig_publish(&first, "3");
    rig_publish(&open, "3");
    CHECK(rig_back_is(&first, "4") && rig_back_is(&open, "4"));
    destroy(&first);
    CHECK(rig_await_text(first.log, "DISCONNECT"));
    coming = send_attach(&next, "ok");
    CHECK(rig_back_is(&next, "2"));
    going = rig_send("{\"command\":\"detach\",\"domid\":7,"
                     "\"vdev\":\"xvda\"}\n");
    CHECK(rig_back_is(&open, "5"));
    kill(rig_vbdd_pid(), SIGTERM);
    CHECK(rig_await_text(rig_path("vbdd.log"), "stopping: "));
    rig_touch(first.go);
    reply = rig_receive(coming);
    CHECK(rig_refused(reply, "vbdd was stopped"));
    json_decref(reply);
    reply = rig_receive(going);
    CHECK(rig_refused(reply, "vbdd was stopped"));
    json_decref(reply);
    CHECK_EQ(rig_await_vbdd(), 0);
    CHECK_EQ(rig_count_text(first.log, "START"), 1);
    CHECK(rig_exists(open.back, "state"));
    rig_start_vbdd();
    CHECK(rig_detach(&open) && has_nothing());
}

static void check_impolite(void)
{
    struct rig_device device = rig_device(5, "xvda", "impolite");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":5,\"vdev\":"
                         "\"xvda\",\"force\":true}")));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK(await_nothing(&device));
    CHECK(rig_refused(rig_ask("{\"command\":\"detach\",\"domid\":5,\"vdev\":"
                              "\"xvda\"}"), "5/xvda is not attached"));
}

/* With limits of a second, in a rig of its own. */
static void check_limits(void)
{
    struct rig_device hung = rig_device(5, "xvda", "hung");
    struct rig_device busy = rig_device(5, "xvdb", "busy");

    CHECK(rig_refused(rig_attach(&hung, "w", "wait-ready"),
                      "5/xvda: its disk is still starting; given up"));
    CHECK(rig_await_disk_state(hung.target, NULL));
    CHECK(!rig_exists(hung.back, "state"));
    CHECK(rig_ok(rig_attach(&busy, "w", "ok")));
    rig_publish(&busy, "4");
    CHECK(rig_back_is(&busy, "4"));
    CHECK(rig_refused(rig_ask("{\"command\":\"detach\",\"domid\":5,\"vdev\":"
                              "\"xvdb\"}"),
                      "the back end is Closing, the front end Connected, the "
                      "ring connected"));
    CHECK_EQ(rig_count_text(busy.log, "DISCONNECT"), 0);
    CHECK(rig_detach(&busy));
    CHECK(has_nothing());
}

int main(void)
{
    rig_start("[defaults]\nflush-retry = forever\n");
    TEST("a failed attach says why and leaves nothing", check_rollback);
    TEST("a worker that cannot be started is an error, and no more",
         check_no_worker);
    TEST("what is no target is refused", check_bad_targets);
    TEST("an attach that makes no sense is refused before it begins",
         check_bad_requests);
    TEST("a slow disk holds up nobody", check_slow);
    TEST("an attach goes on without the one who asked", check_impatient_client);
    TEST("a target has one writer, unless they agree to share",
         check_sharing);
    TEST("a guest, its stub domain and its copy are one", check_one_vm);
    TEST("readers share, and keep writers out", check_read_only_sharing);
    TEST("a target is the same under any name", check_names);
    TEST("a worker's death is its disk's, and can be cleared", check_death);
    TEST("a worker that dies of a ring fails that ring's vbd",
         check_death_of_connect);
    TEST("a ring that cannot be mapped closes its vbd", check_refused_ring);
    TEST("a ring that breaks the protocol closes its vbd",
         check_broken_ring);
    TEST("a vbd that is closed while it connects is disconnected",
         check_close_while_connecting);
    TEST("the toolstack's word is not overwritten by a late connection",
         check_removal_while_connecting);
    TEST("a worker that breaks the rules is killed", check_liars);
    TEST("a mute worker does not keep the others' stats away", check_mute);
    TEST("a worker that hangs is not asked for ever", check_many_questions);
    TEST("what a worker says last is heard, whatever it has left unread",
         check_last_words);
    TEST("fail-stop outlives vbdd and ends with a re-attach",
         check_fail_stop);
    TEST("a disk that was not left in order is reported and gone",
         check_dirty_detach);
    TEST("a target is free when its last worker has gone, not before",
         check_wait_for_drain);
    TEST("a new guest waits for the last requests of a destroyed one",
         check_wait_for_leaving);
    TEST("vbdd stops though an attach and a detach wait",
         check_stop_while_waiting);
    TEST("a forced detach asks no front end", check_impolite);
    rig_end();
    rig_start("[vbdd]\nattach-timeout = 300ms\ndetach-timeout = 300ms\n");
    TEST("who waits too long is told for what", check_limits);
    rig_end();
    return tap_done();
}
