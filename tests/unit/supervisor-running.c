/* SPDX-License-Identifier: MIT
 * Claim: what can be done with a disk that is in use is done as promised: a
 * resize reaches every front end that is connected, and only those (C14);
 * features, counts and log levels are said as the worker said them; and who
 * asks for what cannot be is told why. Source: docs/CONTROL.md,
 * docs/PROTOCOL.md. Mechanism: a real vbdd on the stand-in, a worker whose
 * answers are known, and a watch on the back end's nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

static struct rig_device connected(unsigned domid, const char *vdev,
                                   const char *target, const char *mode,
                                   const char *engine)
{
    struct rig_device device = rig_device(domid, vdev, target);

    CHECK(rig_ok(rig_attach(&device, mode, engine)));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    rig_front(&device, "4");
    return device;
}

static long long number_of(const struct rig_device *device)
{
    return json_integer_value(json_object_get(rig_disk(device->target),
                                              "disk"));
}

static void set_size(const struct rig_device *device, const char *bytes)
{
    char path[160];
    FILE *file;

    snprintf(path, sizeof path, "%s.size", device->target);
    file = fopen(path, "w");
    REQUIRE(file && fputs(bytes, file) >= 0 && fclose(file) == 0);
}

static json_t *resize(const struct rig_device *device)
{
    return rig_ask("{\"command\":\"resize\",\"disk\":%lld}",
                   number_of(device));
}

static json_t *member(const json_t *object, const char *path)
{
    char name[64];
    json_t *found = (json_t *)object;

    while (found && *path) {
        size_t length = strcspn(path, ".");

        snprintf(name, sizeof name, "%.*s", (int)length, path);
        found = json_is_array(found) ? json_array_get(found, (size_t)atoi(name))
                                     : json_object_get(found, name);
        path += length + (path[length] == '.');
    }
    return found;
}

static long long integer(const json_t *object, const char *path)
{
    const json_t *value = member(object, path);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static const char *string(const json_t *object, const char *path)
{
    return json_string_value(member(object, path));
}

static json_t *find_vbd(const json_t *reply, const char *name)
{
    json_t *vbd;
    size_t i;

    json_array_foreach(json_object_get(reply, "vbds"), i, vbd)
        if (strcmp(string(vbd, "vbd"), name) == 0)
            return vbd;
    return NULL;
}

/* --- watching ------------------------------------------------------------- */

static void watch(const struct rig_device *device, bool is_on)
{
    char **event;

    if (is_on)
        REQUIRE(xs_watch(rig_xs, device->back, "resize"));
    else
        REQUIRE(xs_unwatch(rig_xs, device->back, "resize"));
    while ((event = xs_check_watch(rig_xs)))
        free(event);
}

/* What was written below the node since watch(), one letter each: s for
 * state, S for sectors. */
static const char *written(const struct rig_device *device)
{
    static char letters[64];
    char **event;
    unsigned nr = 0, nr_strings;
    bool is_last = false;

    rig_write(device->back, "test-end", "");
    while (!is_last && (event = xs_read_watch(rig_xs, &nr_strings))) {
        const char *name = strrchr(event[XS_WATCH_PATH], '/');

        if (strcmp(name, "/state") == 0 && nr < sizeof letters - 1)
            letters[nr++] = 's';
        if (strcmp(name, "/sectors") == 0 && nr < sizeof letters - 1)
            letters[nr++] = 'S';
        is_last = strcmp(name, "/test-end") == 0;
        free(event);
    }
    letters[nr] = '\0';
    return letters;
}

/* --- resize --------------------------------------------------------------- */

static void check_growth(void)
{
    struct rig_device one = connected(5, "xvda", "grow", "w!", "ok");
    struct rig_device two = connected(6, "xvdb", "grow", "w!", "ok");
    struct rig_device late = rig_device(7, "xvdc", "grow");
    const json_t *reply;

    CHECK(rig_ok(rig_attach(&late, "w!", "ok")));
    set_size(&one, "134217728");
    watch(&one, true);
    reply = resize(&one);
    CHECK(rig_ok(reply));
    CHECK_EQ(integer(reply, "old_bytes"), 64 << 20);
    CHECK_EQ(integer(reply, "bytes"), 128 << 20);
    CHECK_EQ(json_array_size(member(reply, "vbds")), 2);
    CHECK_STR(string(reply, "vbds.0"), "5/xvda");
    CHECK_STR(string(reply, "vbds.1"), "6/xvdb");
    CHECK(rig_await(one.back, "sectors", "262144"));
    CHECK(rig_await(two.back, "sectors", "262144"));
    CHECK(rig_back_is(&one, "4"));
    CHECK_STR(written(&one), "Ss"); /* the size, and then who says so */
    watch(&one, false);
    CHECK(!rig_exists(late.back, "sectors"));
    rig_publish(&late, "3");
    CHECK(rig_back_is(&late, "4"));
    CHECK(rig_await(late.back, "sectors", "262144"));
    CHECK_EQ(integer(rig_disk(one.target), "bytes"), 128 << 20);
    CHECK(rig_detach(&one) && rig_detach(&two) && rig_detach(&late));
}

/* A vbd of larger sectors is told of whole ones only. */
static void check_odd_growth(void)
{
    struct rig_device device = rig_device(5, "xvda", "odd");

    CHECK(rig_ok(rig_ask("{\"command\":\"attach\",\"domid\":5,"
                         "\"vdev\":\"xvda\",\"target\":\"%s\",\"options\":"
                         "{\"engine\":\"ok\",\"sector-size\":\"4096\"}}",
                         device.target)));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    set_size(&device, "134221312"); /* 128 MiB and 7 times 512 bytes */
    CHECK(rig_ok(resize(&device)));
    CHECK(rig_await(device.back, "sectors", "262144"));
    CHECK(rig_ok(resize(&device)));
    CHECK(rig_detach(&device));
}

static void check_no_growth(void)
{
    struct rig_device device = connected(5, "xvda", "same", "w", "ok");
    const json_t *reply;

    watch(&device, true);
    reply = resize(&device);
    CHECK(rig_ok(reply));
    CHECK_EQ(integer(reply, "bytes"), 64 << 20);
    CHECK_EQ(json_array_size(member(reply, "vbds")), 0);
    set_size(&device, "33554432");
    CHECK(rig_refused(resize(&device), "the target has become smaller"));
    CHECK_STR(written(&device), "");
    watch(&device, false);
    CHECK(rig_holds(device.back, "sectors", "131072"));
    CHECK_EQ(integer(rig_disk(device.target), "bytes"), 64 << 20);
    CHECK(rig_detach(&device));
}

/* The toolstack has said Closing meanwhile: its word stands. */
static void check_closing(void)
{
    struct rig_device device = connected(5, "xvda", "closing", "w", "ok");

    set_size(&device, "134217728");
    rig_write(device.back, "state", "5");
    CHECK(rig_ok(resize(&device)));
    CHECK(rig_ok(rig_ask("{\"command\":\"ping\"}")));
    CHECK(rig_back_is(&device, "5"));
    CHECK(rig_holds(device.back, "sectors", "131072"));
    CHECK(rig_detach(&device));
}

static void check_by_vbd(void)
{
    struct rig_device device = connected(5, "xvda", "by-vbd", "w", "ok");

    set_size(&device, "134217728");
    CHECK(rig_ok(rig_ask("{\"command\":\"resize\",\"vbd\":\"5/xvda\"}")));
    CHECK(rig_await(device.back, "sectors", "262144"));
    CHECK(rig_detach(&device));
}

static void check_fail_stopped(void)
{
    struct rig_device device = rig_device(5, "xvda", "stopped");

    CHECK(rig_ok(rig_attach(&device, "w", "fail-stop")));
    CHECK(rig_await_disk_state(device.target, "fail-stop"));
    CHECK(rig_refused(resize(&device), "is in fail-stop: flush failed: No "
                      "space left; detach and attach it again"));
    CHECK(rig_ok(rig_ask("{\"command\":\"log-level\",\"level\":\"info\","
                         "\"disk\":%lld}", number_of(&device))));
    CHECK(rig_detach(&device));
}

static void check_starting(void)
{
    struct rig_device device = rig_device(5, "xvda", "slow");
    char line[512];
    int fd;

    snprintf(line, sizeof line, "{\"command\":\"attach\",\"domid\":5,"
             "\"vdev\":\"xvda\",\"target\":\"%s\","
             "\"options\":{\"engine\":\"wait-ready\"}}\n", device.target);
    fd = rig_send(line);
    CHECK(rig_await_disk_state(device.target, "starting"));
    CHECK(rig_refused(resize(&device), "is starting: its size is looked at "
                      "when it is opened"));
    rig_touch(device.go);
    json_decref(rig_receive(fd));
    CHECK(rig_detach(&device));
}

static void check_failed(void)
{
    struct rig_device device = connected(5, "xvda", "failed", "w", "ok");
    long long number = number_of(&device);

    rig_kill_worker(device.target);
    CHECK(rig_await_disk_state(device.target, "failed"));
    CHECK(rig_refused(resize(&device), "has failed: worker killed by signal "
                      "9; detach and attach it again"));
    CHECK(rig_refused(rig_ask("{\"command\":\"log-level\",\"level\":\"info\","
                              "\"disk\":%lld}", number),
                      "worker killed by signal 9"));
    CHECK(rig_ok(rig_ask("{\"command\":\"log-level\",\"level\":\"debug\"}")));
    CHECK(rig_detach(&device));
}

/* What a worker says is judged: a disk does not shrink because it says so. */
static void check_liar(void)
{
    struct rig_device device = connected(5, "xvda", "liar", "w", "shrinker");

    CHECK(rig_refused(resize(&device), "said a size that cannot be"));
    CHECK(rig_await_disk_state(device.target, "failed"));
    CHECK(rig_holds(device.back, "sectors", "131072"));
    CHECK(rig_detach(&device));
}

static void check_mute(void)
{
    struct rig_device device = rig_device(5, "xvda", "mute");

    CHECK(rig_ok(rig_attach(&device, "w", "mute")));
    CHECK(rig_refused(resize(&device), ": its worker has not answered"));
    CHECK(rig_refused(rig_ask("{\"command\":\"log-level\",\"level\":"
                              "\"debug\"}"),
                      ": its worker has not answered"));
    CHECK(rig_detach(&device));
}

/* --- what is said --------------------------------------------------------- */

static void check_features(void)
{
    struct rig_device device = connected(5, "xvda", "features", "w", "ok");
    struct rig_device idle = rig_device(6, "xvda", "idle");
    const json_t *reply, *busy, *still;

    CHECK(rig_ok(rig_attach(&idle, "w", "ok")));
    rig_write(device.back, "multi-queue-max-queues", "4");
    rig_write(device.back, "max-ring-page-order", "3");
    reply = rig_ask("{\"command\":\"features\"}");
    CHECK(rig_ok(reply));
    CHECK_EQ(json_array_size(member(reply, "vbds")), 2);
    busy = find_vbd(reply, "5/xvda");
    still = find_vbd(reply, "6/xvda");
    CHECK_EQ(integer(busy, "offered.queues"), 4);
    CHECK_EQ(integer(busy, "offered.ring_pages"), 8);
    CHECK_EQ(integer(busy, "offered.sector_bytes"), 512);
    CHECK(json_is_true(member(busy, "offered.flush")));
    CHECK(json_is_true(member(busy, "offered.discard")));
    CHECK(json_is_false(member(busy, "offered.secure_discard")));
    CHECK_STR(string(busy, "taken.abi"), "x86_64");
    CHECK_STR(string(busy, "taken.grants"), "persistent");
    CHECK_EQ(integer(busy, "taken.queues"), 2);
    CHECK_EQ(integer(busy, "taken.ring_pages"), 4);
    CHECK_EQ(integer(busy, "taken.indirect_segments"), 64);
    CHECK(json_is_true(member(busy, "taken.write_through")));
    CHECK(json_is_false(member(busy, "taken.paused")));
    CHECK_STR(string(still, "state"), "InitWait");
    CHECK(!member(still, "taken"));
    reply = rig_ask("{\"command\":\"features\",\"vbd\":\"6/xvda\"}");
    CHECK_EQ(json_array_size(member(reply, "vbds")), 1);
    CHECK_STR(string(reply, "vbds.0.vbd"), "6/xvda");
    CHECK(rig_detach(&device) && rig_detach(&idle));
}

static void check_queues(void)
{
    struct rig_device one = connected(5, "xvda", "queues", "w!", "ok");
    struct rig_device two = connected(6, "xvda", "queues", "w!", "ok");
    const json_t *reply = rig_ask("{\"command\":\"stats\"}");

    CHECK(rig_ok(reply));
    CHECK_EQ(json_array_size(member(reply, "disks.0.vbds")), 2);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.persistent_grants"), 100);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.persistent_evictions"), 10);
    CHECK_EQ(json_array_size(member(reply, "disks.0.vbds.0.queues")), 2);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.queues.0.requests"), 1003);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.queues.0.indirect_requests"), 7);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.queues.0.in_flight"), 3);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.queues.0.responses"), 1000);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.queues.0.notifies_sent"), 140);
    CHECK_EQ(integer(reply, "disks.0.vbds.0.queues.1.requests"), 0);
    CHECK(!member(reply, "disks.0.error"));
    CHECK(!member(reply, "disks.0.vbds.1.error"));
    reply = rig_ask("{\"command\":\"stats\",\"vbd\":\"6/xvda\"}");
    CHECK_EQ(json_array_size(member(reply, "disks.0.vbds")), 1);
    CHECK_STR(string(reply, "disks.0.vbds.0.vbd"), "6/xvda");
    CHECK(rig_detach(&one) && rig_detach(&two));
}

static void check_histogram(void)
{
    struct rig_device device = connected(5, "xvda", "histogram", "w", "ok");
    const json_t *reply = rig_ask("{\"command\":\"stats\"}");

    CHECK_EQ(integer(reply, "disks.0.latency.p50_us"), 46);
    CHECK_EQ(integer(reply, "disks.0.latency.total_us"), 51600);
    CHECK(!member(reply, "disks.0.latency.buckets"));
    reply = rig_ask("{\"command\":\"stats\",\"histogram\":true}");
    CHECK_EQ(json_array_size(member(reply, "disks.0.latency.buckets")), 11);
    CHECK_EQ(integer(reply, "disks.0.latency.buckets.0.from_us"), 32);
    CHECK_EQ(integer(reply, "disks.0.latency.buckets.0.below_us"), 46);
    CHECK_EQ(integer(reply, "disks.0.latency.buckets.0.count"), 990);
    CHECK_EQ(integer(reply, "disks.0.latency.buckets.1.from_us"), 46);
    CHECK_EQ(integer(reply, "disks.0.latency.buckets.1.count"), 0);
    CHECK_EQ(integer(reply, "disks.0.latency.buckets.10.count"), 10);
    CHECK_EQ(json_array_size(member(reply, "disks.0.flush_latency.buckets")),
             0);
    CHECK(rig_detach(&device));
}

static void check_levels(void)
{
    struct rig_device one = connected(5, "xvda", "level", "w", "ok");
    struct rig_device two = rig_device(6, "xvda", "level2");
    const json_t *reply = rig_ask("{\"command\":\"log-level\"}");

    CHECK_STR(string(reply, "level"), "debug");
    CHECK_STR(string(reply, "disks.0.level"), "debug");
    CHECK(rig_ok(rig_ask("{\"command\":\"log-level\",\"level\":\"warning\"}")));
    CHECK(rig_await_text(one.log, "LOG_LEVEL 1"));
    CHECK(rig_ok(rig_attach(&two, "w", "ok")));
    CHECK(rig_await_text(two.log, "--log-level warning"));
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), "level2 is served"), 0);
    CHECK(rig_ok(rig_ask("{\"command\":\"log-level\",\"level\":\"error\","
                         "\"disk\":%lld}", number_of(&two))));
    CHECK(rig_await_text(two.log, "LOG_LEVEL 0"));
    reply = rig_ask("{\"command\":\"log-level\"}");
    CHECK_STR(string(reply, "level"), "warning");
    CHECK_STR(string(reply, "disks.0.level"), "warning");
    CHECK_STR(string(reply, "disks.1.level"), "error");
    CHECK(rig_ok(rig_ask("{\"command\":\"log-level\",\"level\":\"debug\"}")));
    CHECK_EQ(rig_count_text(one.log, "LOG_LEVEL"), 2);
    CHECK(rig_detach(&one) && rig_detach(&two));
}

int main(void)
{
    rig_start("");
    TEST("what has grown is said to every front end that is connected",
         check_growth);
    TEST("what has grown by less than a sector is cut off",
         check_odd_growth);
    TEST("what has not grown is said to nobody", check_no_growth);
    TEST("who closes is not told a new size", check_closing);
    TEST("a disk is known by its vbd, too", check_by_vbd);
    TEST("a disk in fail-stop is not resized", check_fail_stopped);
    TEST("a disk that is being opened is not resized", check_starting);
    TEST("a disk without worker is refused with the reason", check_failed);
    TEST("a worker cannot shrink a disk by saying so", check_liar);
    TEST("a mute worker keeps nobody waiting", check_mute);
    TEST("features say what was offered and what was taken", check_features);
    TEST("stats say what each queue did", check_queues);
    TEST("histograms have the edges of their buckets", check_histogram);
    TEST("a log level is set for all, for one, and for who comes later",
         check_levels);
    rig_end();
    return tap_done();
}
