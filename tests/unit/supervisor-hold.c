/* SPDX-License-Identifier: MIT
 * Claim: a vbdd that is stopped or killed leaves its vbds connected, and the next
 * one goes on with their rings just where they stand, without writing anything
 * that a front end could see; but only with those that the records are of, when
 * no worker of the earlier one is left, and when the disk can be had again. All
 * else is closed with a sentence, and nothing is left behind. What was promised
 * once (C8, C11, C14) is promised still.
 * Source: docs/COHERENCY.md, "When vbdd is away". Mechanism: a real vbdd on the
 * stand-in, with workers that move no data and say what they were told; a test
 * that has the records in its hands while vbdd is away. */
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/control/hold.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

static unsigned count(const struct rig_device *device, const char *what)
{
    return rig_count_text(device->log, what);
}

static struct rig_device connected(const char *vdev, const char *target,
                                   const char *engine)
{
    struct rig_device device = rig_device(5, vdev, target);

    CHECK(rig_ok(rig_attach(&device, "w", engine)));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    return device;
}

static bool await_ring(const struct rig_device *device, const char *ring)
{
    const char *got = NULL;

    for (unsigned i = 0; i < 3000; i++) {
        got = json_string_value(json_object_get(rig_vbd(device->name),
                                                "ring"));
        if (got && strcmp(got, ring) == 0)
            return true;
        usleep(10000);
    }
    NOTE("%s is %s, not %s", device->name, got ? got : "gone", ring);
    return false;
}

static const char *record_of(const struct rig_device *device)
{
    char name[64];

    snprintf(name, sizeof name, "state/hold/vbd-%u-%u", device->domid,
             device->devid);
    return rig_path(name);
}

static struct hold read_record(const struct rig_device *device)
{
    struct hold hold = { .standing.seal = 0 };
    int fd = open(record_of(device), O_RDONLY);

    REQUIRE(fd >= 0);
    CHECK_EQ(read(fd, &hold, sizeof hold), sizeof hold);
    close(fd);
    return hold;
}

static void write_record(const struct rig_device *device,
                         const void *bytes, size_t length)
{
    int fd = open(record_of(device), O_WRONLY | O_CREAT | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && write(fd, bytes, length) == (ssize_t)length);
    close(fd);
}

static bool has_record(const struct rig_device *device)
{
    return access(record_of(device), F_OK) == 0;
}

static bool is_logged(const char *text)
{
    return rig_await_text(rig_path("vbdd.log"), text);
}

/* --- going on ------------------------------------------------------------- */

static void watch(const struct rig_device *device, bool is_on)
{
    char **event;

    if (is_on)
        REQUIRE(xs_watch(rig_xs, device->back, "hold"));
    else
        REQUIRE(xs_unwatch(rig_xs, device->back, "hold"));
    while ((event = xs_check_watch(rig_xs)))
        free(event);
}

/* Of what a front end may look at, which the process of a back end is not; the
 * watch's own event names the directory. */
static unsigned count_writes(const struct rig_device *device)
{
    unsigned nr = 0;
    char **event;

    while ((event = xs_check_watch(rig_xs))) {
        const char *path = event[XS_WATCH_PATH];

        nr += strcmp(path, device->back) != 0 && !strstr(path, "/kthread-pid");
        free(event);
    }
    return nr;
}

static void restart(bool is_killed)
{
    if (is_killed)
        rig_kill_vbdd();
    else
        CHECK_EQ(rig_stop_vbdd(), 0);
    rig_start_vbdd();
}

static void check_going_on(void)
{
    struct rig_device device = connected("xvda", "on", "ok");
    struct rig_device waiting = rig_device(5, "xvdb", "waiting");
    struct stat status;

    CHECK(rig_ok(rig_attach(&waiting, "w", "ok")));
    CHECK(stat(record_of(&device), &status) == 0);
    CHECK_EQ(status.st_mode & 0777, 0600);
    CHECK_EQ(read_record(&device).standing.seal, 0);
    watch(&device, true);
    for (unsigned i = 1; i <= 4; i++) {
        restart(i % 2 == 0);
        CHECK(await_ring(&device, "connected"));
        CHECK_EQ(count(&device, "RESUME-AT 1000 1000 write-through=1 "
                                "handed-over=1"), i);
        CHECK_EQ(count(&device, "CONNECT"), 1 + i);
        CHECK_EQ(count(&device, "HOLD"), i);
        CHECK_EQ(read_record(&device).standing.seal, 0);
    }
    CHECK_EQ(count_writes(&device), 0);
    watch(&device, false);
    CHECK(rig_await(device.back, "state", "4"));
    CHECK_EQ(count(&device, "DISCONNECT"), 0);
    CHECK(!has_record(&waiting));
    CHECK(rig_await(waiting.back, "state", "2"));
    CHECK(rig_detach(&device) && rig_detach(&waiting));
    CHECK(!has_record(&device));
    CHECK_EQ(rig_lease_bytes(&device), -1);
}

/* A front end that has said Closing may still be using its disk. */
static void check_closing(void)
{
    struct rig_device device = connected("xvda", "closing", "ok");

    rig_front(&device, "5");
    CHECK(rig_back_is(&device, "5"));
    restart(false);
    CHECK(await_ring(&device, "connected"));
    CHECK_EQ(count(&device, "RESUME-AT"), 1);
    CHECK(rig_await(device.back, "state", "5"));
    rig_front(&device, "6");
    CHECK(rig_back_is(&device, "6"));
    CHECK_EQ(count(&device, "DISCONNECT"), 1);
    CHECK(!has_record(&device));
    CHECK(rig_detach(&device));
}

/* It has grown meanwhile: that is said. It has shrunk: that is not. */
static void check_size(void)
{
    struct rig_device device = connected("xvda", "size", "ok");
    static const char *const sizes[] = { "134217728", "33554432" };
    char path[160];
    FILE *file;

    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(rig_stop_vbdd(), 0);
        snprintf(path, sizeof path, "%s.size", device.target);
        file = fopen(path, "w");
        REQUIRE(file && fputs(sizes[i], file) >= 0 && fclose(file) == 0);
        rig_start_vbdd();
        CHECK(await_ring(&device, "connected"));
        CHECK(rig_await(device.back, "sectors", "262144"));
    }
    CHECK(is_logged("has become smaller"));
    CHECK(rig_detach(&device));
}

/* --- an old worker -------------------------------------------------------- */

static void check_old_worker(void)
{
    struct rig_device device = connected("xvda", "slow", "wait-hold");
    char line[512];

    rig_kill_vbdd();
    CHECK(rig_await_text(device.log, "HOLD"));
    rig_start_vbdd();
    CHECK(is_logged("slow is still being drained by the worker of an earlier"));
    CHECK(await_ring(&device, "held"));
    CHECK_EQ(count(&device, "START"), 1);
    usleep(700000); /* several looks at the lease */
    CHECK_EQ(count(&device, "START"), 1);
    snprintf(line, sizeof line, "%s is still being drained", device.target);
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), line), 1);
    rig_touch(device.go);
    CHECK(await_ring(&device, "connected"));
    CHECK_EQ(count(&device, "START"), 2);
    CHECK_EQ(count(&device, "RESUME-AT 1000 1000"), 1);
    CHECK(rig_detach(&device));
}

/* One whose worker is still at work, and its vbdd another one. */
static struct rig_device left(const char *vdev, const char *target)
{
    struct rig_device device = connected(vdev, target, "wait-hold");

    rig_kill_vbdd();
    CHECK(rig_await_text(device.log, "HOLD"));
    rig_start_vbdd();
    CHECK(await_ring(&device, "held"));
    return device;
}

/* When it returns vbdd has looked at all that was written before. */
static void use_another(void)
{
    struct rig_device device = connected("xvdz", "another", "ok");

    CHECK(rig_detach(&device));
}

static bool has_replied(int fd)
{
    return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) > 0;
}

static bool says_ok(int fd)
{
    json_t *reply = rig_receive(fd);
    bool is_ok = rig_ok(reply);

    json_decref(reply);
    return is_ok;
}

static bool says_no(int fd, const char *text)
{
    json_t *reply = rig_receive(fd);
    bool is_refused = rig_refused(reply, text);

    json_decref(reply);
    return is_refused;
}

static int send_attach(const struct rig_device *device)
{
    char line[512];

    snprintf(line, sizeof line, "{\"command\":\"attach\",\"domid\":%u,"
             "\"vdev\":\"%s\",\"target\":\"%s\","
             "\"options\":{\"engine\":\"wait-hold\"}}\n", device->domid,
             device->vdev, device->target);
    return rig_send(line);
}

static int send_detach(const struct rig_device *device, const char *force)
{
    char line[128];

    snprintf(line, sizeof line, "{\"command\":\"detach\",\"domid\":%u,"
             "\"vdev\":\"%s\",\"force\":%s}\n", device->domid, device->vdev,
             force);
    return rig_send(line);
}

/* All others go on, and it can be stopped once more. */
static void check_impatience(void)
{
    struct rig_device device = left("xvda", "wait");

    use_another();
    CHECK_EQ(rig_stop_vbdd(), 0);
    CHECK(has_record(&device));
    CHECK(rig_await(device.back, "state", "4"));
    rig_start_vbdd();
    CHECK(await_ring(&device, "held"));
    use_another();
    rig_touch(device.go);
    CHECK(await_ring(&device, "connected"));
    CHECK_EQ(count(&device, "RESUME-AT"), 1);
    CHECK(rig_detach(&device));
}

/* Whatever its front end, the guest's next kernel or the toolstack say
 * meanwhile: an answer would tell them that its pages are theirs. */
static void check_answers_wait(void)
{
    static const char *const states[] = { "1", "6", "5", "0" };
    static const char *const ends[] = { "2", "6", "5", "6" };

    for (unsigned i = 0; i < 4; i++) {
        struct rig_device device = left("xvda", "answer");

        watch(&device, true);
        rig_front(&device, states[i]);
        use_another();
        CHECK_EQ(count_writes(&device), 0);
        watch(&device, false);
        CHECK(has_record(&device));
        rig_touch(device.go);
        CHECK(rig_back_is(&device, ends[i]));
        CHECK(rig_detach(&device));
        rig_unlink(device.log);
        rig_unlink(device.go);
    }
}

static void check_leaving_waits(void)
{
    static const char *const forces[] = { "false", "true" };

    for (unsigned i = 0; i < 2; i++) {
        struct rig_device device = left("xvda", "leaving");
        int fd;

        rig_front(&device, "6");
        fd = send_detach(&device, forces[i]);
        use_another();
        CHECK(!has_replied(fd));
        CHECK(has_record(&device));
        CHECK_EQ(rig_stop_vbdd(), 0);
        close(fd);
        CHECK(has_record(&device));
        rig_start_vbdd();
        fd = send_detach(&device, forces[i]);
        use_another();
        CHECK(!has_replied(fd));
        rig_touch(device.go);
        CHECK(says_ok(fd));
        CHECK(!has_record(&device));
        CHECK(rig_await_disk_state(device.target, NULL));
        rig_unlink(device.log);
        rig_unlink(device.go);
    }
}

static void check_deletion_waits(void)
{
    struct rig_device device = left("xvda", "deleted");

    rig_remove(device.back);
    use_another();
    CHECK(has_record(&device));
    rig_touch(device.go);
    CHECK(rig_await_disk_state(device.target, NULL));
    CHECK(!has_record(&device));
    rig_remove(device.front);
}

/* It has nothing to go on with. */
static void check_losses_wait(void)
{
    static const char *const sentences[] = { "its ring was lost",
                                             "No such file" };

    for (unsigned i = 0; i < 2; i++) {
        struct rig_device device = connected("xvda", "loss", "wait-hold");

        rig_kill_vbdd();
        CHECK(rig_await_text(device.log, "HOLD"));
        rig_unlink(i ? device.target : record_of(&device));
        rig_start_vbdd();
        CHECK(await_ring(&device, "held"));
        use_another();
        CHECK(rig_await(device.back, "state", "4"));
        rig_touch(device.go);
        CHECK(rig_back_is(&device, "6"));
        CHECK(rig_holds(device.back, "error", sentences[i]));
        CHECK(rig_detach(&device));
        rig_unlink(device.log);
        rig_unlink(device.go);
    }
}

/* Its vbd is gone, and another guest wants its target, and does not any more:
 * that is not free before (C12), and then it is the next one's. */
static void check_free(void)
{
    struct rig_device device = connected("xvda", "free", "wait-hold"),
                      other = rig_device(6, "xvda", "free"),
                      third = rig_device(7, "xvda", "free");
    int attach, fd;

    rig_kill_vbdd();
    CHECK(rig_await_text(device.log, "HOLD"));
    rig_remove(device.back);
    rig_remove(device.front);
    rig_start_vbdd();
    for (unsigned i = 0; i < 2; i++) {
        attach = send_attach(&other);
        CHECK(rig_await_disk_state(other.target, "starting"));
        rig_front(&other, "6");
        fd = send_detach(&other, "false");
        CHECK(rig_await_disk_state(other.target, "draining"));
        CHECK(says_no(attach, "detached while"));
        use_another();
        CHECK(!has_replied(fd));
        if (i == 0) {
            CHECK_EQ(rig_stop_vbdd(), 0);
            CHECK(says_no(fd, "was at work on the target"));
            rig_start_vbdd();
        }
    }
    attach = send_attach(&third);
    CHECK(rig_await(third.back, "online", "1"));
    use_another();
    CHECK_EQ(count(&device, "START"), 1);
    rig_touch(device.go);
    CHECK(says_ok(fd));
    CHECK(says_ok(attach));
    CHECK_EQ(count(&device, "START"), 2);
    CHECK(rig_detach(&third));
}

/* --- records that are not of this ring ------------------------------------ */

/* Stops, has the record or the world changed, and starts: the vbd is closed
 * with that sentence, its worker never hears of the ring. */
static void expect_refused(const char *name, const char *sentence,
                           void (*change)(struct rig_device *device))
{
    struct rig_device device = connected("xvda", name, "ok");

    CHECK_EQ(rig_stop_vbdd(), 0);
    change(&device);
    rig_start_vbdd();
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", sentence));
    CHECK(is_logged(sentence));
    CHECK_EQ(count(&device, "CONNECT"), 1);
    CHECK(!has_record(&device));
    CHECK(rig_detach(&device));
}

static void change_ring_ref(struct rig_device *device)
{
    rig_write(device->front, "ring-ref", "9");
}

static void change_port(struct rig_device *device)
{
    rig_write(device->front, "event-channel", "4");
}

static void change_abi(struct rig_device *device)
{
    rig_write(device->front, "protocol", "x86_32-abi");
}

static void change_vm(struct rig_device *device)
{
    (void)device;
    rig_write("/local/domain/5", "vm", "/vm/of-another");
}

static void change_target(struct rig_device *device)
{
    char path[160];

    snprintf(path, sizeof path, "%s.old", device->target);
    REQUIRE(rename(device->target, path) == 0);
    rig_touch(device->target);
}

static void lose_target(struct rig_device *device)
{
    rig_unlink(device->target);
}

static void truncate_record(struct rig_device *device)
{
    REQUIRE(truncate(record_of(device), sizeof(struct hold) - 1) == 0);
}

static void empty_record(struct rig_device *device)
{
    REQUIRE(truncate(record_of(device), 0) == 0);
}

static void replace_by_link(struct rig_device *device)
{
    struct hold hold = read_record(device);

    rig_unlink(record_of(device));
    write_record(device, &hold, sizeof hold);
    REQUIRE(rename(record_of(device), rig_path("elsewhere")) == 0);
    REQUIRE(symlink(rig_path("elsewhere"), record_of(device)) == 0);
}

static void lose_record(struct rig_device *device)
{
    rig_unlink(record_of(device));
}

static void write_garbage(struct rig_device *device)
{
    char bytes[sizeof(struct hold)];

    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)rand();
    write_record(device, bytes, sizeof bytes);
}

static void forge(struct rig_device *device,
                  void (*how)(struct hold *hold))
{
    struct hold hold = read_record(device);

    how(&hold);
    write_record(device, &hold, sizeof hold);
}

static void age(struct hold *hold)
{
    hold->identity.magic[7]--;
}

static void gap(struct hold *hold)
{
    hold->standing.queues[0].rsp_prod--;
}

static void gap_elsewhere(struct hold *hold)
{
    hold->standing.is_fail_stopped = 1;
    hold->standing.queues[3].req_cons = 1;
}

static void odd_flag(struct hold *hold)
{
    hold->standing.was_handed_over = 2;
}

static void unseal(struct hold *hold)
{
    hold->standing.seal++;
}

#define FORGER(how) \
    static void forge_##how(struct rig_device *device) { forge(device, how); }
FORGER(age)
FORGER(gap)
FORGER(gap_elsewhere)
FORGER(odd_flag)
FORGER(unseal)

static void check_others(void)
{
    expect_refused("ref", "that of another ring", change_ring_ref);
    expect_refused("port", "that of another ring", change_port);
    expect_refused("abi", "that of another ring", change_abi);
    expect_refused("vm", "that of another virtual machine", change_vm);
    expect_refused("target", "that of another target", change_target);
}

static void check_damaged(void)
{
    expect_refused("short", "wrong size", truncate_record);
    expect_refused("empty", "wrong size", empty_record);
    expect_refused("link", "cannot be read", replace_by_link);
    expect_refused("garbage", "that of another format", write_garbage);
    expect_refused("old", "that of another format", forge_age);
    expect_refused("gap", "record is damaged", forge_gap);
    expect_refused("gap-2", "record is damaged", forge_gap_elsewhere);
    expect_refused("flag", "record is damaged", forge_odd_flag);
    expect_refused("seal", "its ring was lost", forge_unseal);
    expect_refused("lost", "its ring was lost", lose_record);
}

/* --- what has become of the rest ------------------------------------------ */

static void check_lost_target(void)
{
    expect_refused("gone", "No such file", lose_target);
}

/* Somebody else has opened the target: with a real worker, which claims it. */
static void check_claimed(void)
{
    struct rig_device device = connected("xvda", "claimed", "fail-later");

    CHECK_EQ(rig_stop_vbdd(), 0);
    rig_touch(device.go);
    rig_start_vbdd();
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "held by process 1"));
    CHECK(is_logged("could not be attached again: the target is held by"));
    CHECK(!has_record(&device));
    CHECK(rig_vbd(device.name) != NULL);
    rig_unlink(device.go);
    CHECK(rig_detach(&device));
}

static void check_gone(void)
{
    struct rig_device device = connected("xvda", "node", "ok");
    char stray[160];

    CHECK_EQ(rig_stop_vbdd(), 0);
    CHECK(has_record(&device));
    rig_remove(device.back);
    rig_remove(device.front);
    snprintf(stray, sizeof stray, "%s", rig_path("state/hold/what is this"));
    rig_touch(stray);
    rig_start_vbdd();
    CHECK(is_logged("the hold record vbd-5-51712 is removed: its vbd is gone"));
    CHECK(!has_record(&device));
    CHECK(access(stray, F_OK) < 0);
    CHECK(rig_vbd(device.name) == NULL);
}

static void check_front_gone(void)
{
    static const char *const states[] = { "6", "5", "1" };
    static const char *const ends[] = { "6", "5", "2" };

    for (unsigned i = 0; i < 3; i++) {
        struct rig_device device = connected("xvda", "left", "ok");

        CHECK_EQ(rig_stop_vbdd(), 0);
        rig_front(&device, states[i]);
        rig_start_vbdd();
        CHECK(rig_back_is(&device, ends[i]));
        CHECK(await_ring(&device, i == 1 ? "connected" : "none"));
        CHECK_EQ(count(&device, "RESUME-AT"), i == 1);
        CHECK_EQ(has_record(&device), i == 1);
        CHECK(rig_detach(&device));
        rig_unlink(device.log);
    }
}

/* As xl block-detach while there is no vbdd. */
static void check_detached(void)
{
    struct rig_device device = connected("xvda", "detached", "ok");

    CHECK_EQ(rig_stop_vbdd(), 0);
    rig_write(device.back, "online", "0");
    rig_write(device.back, "state", "5");
    rig_start_vbdd();
    /* The front end has not closed yet, and is served until it has. */
    CHECK(await_ring(&device, "connected"));
    rig_front(&device, "6");
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_await_disk_state(device.target, NULL));
    CHECK(!has_record(&device));
    CHECK(rig_detach(&device));
}

/* --- C8, C14 -------------------------------------------------------------- */

/* A flush fails while no vbdd is there to hear of it. */
static void check_fail_stop(void)
{
    struct rig_device device = connected("xvda", "stopped", "held-stop");

    CHECK(rig_await_disk_state(device.target, "ready"));
    restart(true);
    CHECK(await_ring(&device, "connected"));
    CHECK(rig_await_disk_state(device.target, "fail-stop"));
    CHECK_EQ(count(&device, "--fail-stopped"), 1);
    CHECK_EQ(count(&device, "RESUME-AT 1000 999"), 1);
    restart(false); /* and it stays so */
    CHECK(await_ring(&device, "connected"));
    CHECK_EQ(count(&device, "--fail-stopped"), 2);
    CHECK_EQ(count(&device, "RESUME-AT 1000 999"), 2);
    CHECK(rig_detach(&device));
    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    CHECK(rig_await_disk_state(device.target, "ready"));
    CHECK(rig_detach(&device));
}

/* Nobody was connected but emulated clients; or who was has started anew. */
static void check_fail_stop_without_record(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rig_device device = rig_device(5, "xvda", "unheard");

        CHECK(rig_ok(rig_attach(&device, "w", "held-stop")));
        if (i == 1) {
            rig_publish(&device, "4");
            CHECK(rig_back_is(&device, "4"));
        }
        rig_kill_vbdd();
        rig_front(&device, "1");
        CHECK(rig_await_text(device.log, "ORPHAN"));
        for (unsigned nr = 1; nr <= 2; nr++) { /* and it stays so */
            rig_start_vbdd();
            CHECK(rig_await_disk_state(device.target, "fail-stop"));
            CHECK(rig_back_is(&device, "2"));
            CHECK_EQ(count(&device, "--fail-stopped"), nr);
            CHECK_EQ(rig_lease_bytes(&device), 0);
            CHECK_EQ(rig_stop_vbdd(), 0);
            CHECK_EQ(rig_lease_bytes(&device), 1); /* it left 1 MiB */
        }
        rig_start_vbdd();
        CHECK(rig_detach(&device));
        CHECK(rig_ok(rig_attach(&device, "w", "ok")));
        CHECK(rig_await_disk_state(device.target, "ready"));
        restart(true);
        CHECK(rig_await_disk_state(device.target, "ready"));
        CHECK(rig_detach(&device));
        rig_unlink(device.log);
    }
}

/* Whichever of two that share a target the store names first. */
static void check_shared(void)
{
    static const char *const vdevs[] = { "xvda", "xvdb" };

    for (unsigned i = 0; i < 2; i++) {
        struct rig_device writer = connected(vdevs[i], "shared", "ok"),
                          reader = rig_device(i ? 4 : 6, vdevs[!i], "shared");

        CHECK(rig_ok(rig_attach(&reader, "r", "ok")));
        rig_publish(&reader, "4");
        CHECK(rig_back_is(&reader, "4"));
        restart(false);
        CHECK(await_ring(&writer, "connected"));
        CHECK(await_ring(&reader, "connected"));
        CHECK(rig_detach(&reader) && rig_detach(&writer));
    }
}

static void check_worker_crash(void)
{
    struct rig_device device = connected("xvda", "crash", "ok");

    rig_kill_worker(device.target);
    CHECK(rig_await_disk_state(device.target, "failed"));
    CHECK(!has_record(&device));
    restart(false);
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "its ring was lost"));
    CHECK(rig_detach(&device));
}

int main(void)
{
    srand((unsigned)tap_seed());
    rig_start("");
    TEST("a stop and a death leave no trace in the store", check_going_on);
    TEST("a front end that is about to close keeps its ring", check_closing);
    TEST("what has grown is told, what has shrunk is not", check_size);
    TEST("a worker of an earlier vbdd is waited for", check_old_worker);
    TEST("all others are served while that lasts", check_impatience);
    TEST("no answer comes before its last read has ended", check_answers_wait);
    TEST("nor is it given back before", check_leaving_waits);
    TEST("nor when its node is deleted", check_deletion_waits);
    TEST("nor given up", check_losses_wait);
    TEST("its target is not called free before", check_free);
    TEST("a record of another ring is refused", check_others);
    TEST("a damaged record is refused", check_damaged);
    TEST("a target that is not there any more closes the vbd",
         check_lost_target);
    TEST("so does one that somebody else has by now", check_claimed);
    TEST("a record whose node is gone is removed", check_gone);
    TEST("a front end that has left meanwhile is let go", check_front_gone);
    TEST("a vbd that is detached meanwhile closes in order", check_detached);
    TEST("fail-stop is not forgotten, nor what it holds", check_fail_stop);
    TEST("nor when no hold record can say so",
         check_fail_stop_without_record);
    TEST("a reader does not keep the writer out", check_shared);
    TEST("a worker that crashed leaves nothing to go on with",
         check_worker_crash);
    rig_end();
    return tap_done();
}
