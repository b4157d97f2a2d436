/* SPDX-License-Identifier: MIT
 * Claim: when a domain is suspended each of its connected vbds is paused, once,
 * and nothing is closed; when the suspend is cancelled each is resumed; and
 * whatever else comes in between leaves nobody stuck. Source:
 * docs/PROTOCOL.md, section 3. Mechanism: a real vbdd with workers that move no
 * data, and domains of the stand-in that the test suspends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/local/local.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { DOMID = 7, PAGES = 64 };

static struct local *open_domain(uint32_t domid)
{
    struct local *domain;

    REQUIRE(local_open(rig_dir, &domain) == 0);
    REQUIRE(local_domain_create(domain, domid, PAGES) == 0);
    return domain;
}

static void connect_device(const struct rig_device *device, const char *engine)
{
    CHECK(rig_ok(rig_attach(device, "w", engine)));
    rig_publish(device, "4");
    CHECK(rig_back_is(device, "4"));
}

static bool vbd_is(const struct rig_device *device, const char *ring,
                   bool is_suspended)
{
    const json_t *vbd = rig_vbd(device->name);
    const char *got = json_string_value(json_object_get(vbd, "ring"));

    return got && strcmp(got, ring) == 0 &&
           json_is_true(json_object_get(vbd, "suspended")) == is_suspended;
}

static bool await_vbd(const struct rig_device *device, const char *ring,
                      bool is_suspended)
{
    for (unsigned i = 0; i < 6000; i++) {
        if (vbd_is(device, ring, is_suspended))
            return true;
        usleep(10000);
    }
    NOTE("%s never was %s, %s", device->name, ring,
         is_suspended ? "suspended" : "running");
    return false;
}

static unsigned count(const struct rig_device *device, const char *what)
{
    return rig_count_text(device->log, what);
}

static bool detach(const struct rig_device *device)
{
    return rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":%u,\"vdev\":"
                          "\"%s\",\"force\":true}", device->domid,
                          device->vdev));
}

/* A death somewhere makes vbdd look at all domains; this one's is known to
 * have been seen when its own vbd is closed. */
static void have_all_looked_at(void)
{
    struct rig_device device = rig_device(9, "xvdz", "witness");
    struct local *domain = open_domain(9);

    connect_device(&device, "ok");
    local_close(domain);
    CHECK(rig_back_is(&device, "6"));
    CHECK(detach(&device));
    rig_unlink(device.log);
}

/* What the worker says of its ring; NULL when it was not asked. */
static const json_t *taken_by(const struct rig_device *device)
{
    json_t *vbds = json_object_get(rig_ask("{\"command\":\"features\",\"vbd\":"
                                           "\"%s\"}", device->name), "vbds");

    return json_object_get(json_array_get(vbds, 0), "taken");
}

/* --- suspended and resumed ------------------------------------------------ */

static void check_cancel(void)
{
    struct rig_device first = rig_device(DOMID, "xvda", "first");
    struct rig_device second = rig_device(DOMID, "xvdb", "second");
    struct rig_device idle = rig_device(DOMID, "xvdc", "idle");
    struct rig_device other = rig_device(8, "xvda", "other");
    struct local *domain = open_domain(DOMID), *neighbour = open_domain(8);

    connect_device(&first, "ok");
    connect_device(&second, "ok");
    CHECK(rig_ok(rig_attach(&idle, "w", "ok")));
    CHECK(rig_back_is(&idle, "2"));
    connect_device(&other, "ok");
    for (unsigned round = 1; round <= 2; round++) {
        CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
        CHECK(await_vbd(&first, "paused", true));
        CHECK(await_vbd(&second, "paused", true));
        CHECK(await_vbd(&idle, "none", true));
        have_all_looked_at();
        CHECK(vbd_is(&first, "paused", true));
        CHECK_EQ(count(&first, "PAUSE"), round);
        CHECK_EQ(count(&second, "PAUSE"), round);
        CHECK_EQ(count(&first, "RESUME"), round - 1);
        CHECK(json_is_true(json_object_get(taken_by(&first), "paused")));
        CHECK(json_is_false(json_object_get(taken_by(&other), "paused")));
        CHECK_EQ(local_domain_resume(domain, DOMID), 0);
        CHECK(await_vbd(&first, "connected", false));
        CHECK(await_vbd(&second, "connected", false));
        CHECK(await_vbd(&idle, "none", false));
        CHECK_EQ(count(&first, "RESUME"), round);
        CHECK_EQ(count(&second, "RESUME"), round);
    }
    /* Nobody else, and nothing else. */
    CHECK_EQ(count(&idle, "PAUSE") + count(&idle, "RESUME"), 0);
    CHECK_EQ(count(&other, "PAUSE") + count(&other, "RESUME"), 0);
    CHECK(vbd_is(&other, "connected", false));
    CHECK_EQ(count(&first, "CONNECT"), 1); /* nor is there a DISCONNECT */
    CHECK(rig_await(first.back, "state", "4"));
    CHECK(detach(&first) && detach(&second) && detach(&idle));
    CHECK(detach(&other));
    local_close(domain);
    local_close(neighbour);
}

static void check_slow_pause(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "slow-pause");
    struct local *domain = open_domain(DOMID);

    connect_device(&device, "wait-pause");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "pausing", true));
    CHECK_EQ(local_domain_resume(domain, DOMID), 0);
    CHECK(await_vbd(&device, "pausing", false));
    CHECK_EQ(count(&device, "RESUME"), 0); /* one call at a time */
    rig_touch(device.go);
    CHECK(await_vbd(&device, "connected", false));
    CHECK_EQ(count(&device, "PAUSE"), 1);
    CHECK_EQ(count(&device, "RESUME"), 1);
    CHECK(detach(&device));
    local_close(domain);
}

static void check_failed_pause(void)
{
    struct rig_device device = rig_device(DOMID, "xvdf", "failed-pause");
    struct local *domain = open_domain(DOMID);
    char sentence[320];

    connect_device(&device, "dirty-pause");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "paused", true));
    snprintf(sentence, sizeof sentence, "7/xvdf: its domain is suspended, and "
             "%s was not left in order: the flush failed", device.target);
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), sentence), 1);
    CHECK_EQ(local_domain_resume(domain, DOMID), 0);
    CHECK(await_vbd(&device, "connected", false));
    CHECK_EQ(count(&device, "RESUME"), 1);
    CHECK(detach(&device));
    local_close(domain);
}

/* --- meanwhile ------------------------------------------------------------ */

static void check_destroyed(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "destroyed");
    struct local *domain = open_domain(DOMID);

    connect_device(&device, "ok");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "paused", true));
    local_close(domain);
    CHECK(rig_back_is(&device, "6"));
    CHECK(await_vbd(&device, "none", false));
    CHECK_EQ(count(&device, "DISCONNECT"), 1);
    CHECK_EQ(count(&device, "RESUME"), 0);
    CHECK(detach(&device));
}

/* As xl save ends: the domain lives on under another number. */
static void check_restored(void)
{
    struct rig_device before = rig_device(DOMID, "xvda", "restored");
    struct rig_device after = rig_device(DOMID + 1, "xvda", "restored");
    struct local *domain = open_domain(DOMID);

    connect_device(&before, "ok");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&before, "paused", true));
    CHECK_EQ(local_domain_restore(domain, DOMID + 1), 0);
    CHECK(rig_back_is(&before, "6"));
    CHECK(detach(&before));
    connect_device(&after, "ok");
    CHECK(vbd_is(&after, "connected", false));
    CHECK_EQ(count(&after, "PAUSE"), 1); /* the one of before */
    CHECK(detach(&after));
    local_close(domain);
}

static void check_detached(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "detached");
    struct local *domain = open_domain(DOMID);

    connect_device(&device, "ok");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "paused", true));
    CHECK(detach(&device));
    CHECK_EQ(count(&device, "DISCONNECT"), 1);
    CHECK_EQ(count(&device, "END"), 1);
    CHECK(rig_vbd(device.name) == NULL);
    local_close(domain);
}

static void check_detached_while_pausing(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "pausing");
    struct local *domain = open_domain(DOMID);
    json_t *reply;
    int fd;

    connect_device(&device, "wait-pause");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "pausing", true));
    fd = rig_send("{\"command\":\"detach\",\"domid\":7,\"vdev\":\"xvda\","
                  "\"force\":true}\n");
    CHECK(rig_vbd(device.name) != NULL);
    rig_touch(device.go);
    reply = rig_receive(fd);
    CHECK(rig_ok(reply));
    json_decref(reply);
    CHECK_EQ(count(&device, "PAUSE"), 1);
    CHECK_EQ(count(&device, "DISCONNECT"), 1);
    local_close(domain);
}

static void check_new_vbd(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "new");
    struct local *domain = open_domain(DOMID);

    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "3"); /* written just before */
    CHECK(await_vbd(&device, "none", true));
    have_all_looked_at();
    CHECK(vbd_is(&device, "none", true));
    CHECK(rig_await(device.back, "state", "2"));
    CHECK_EQ(count(&device, "CONNECT"), 0);
    CHECK_EQ(local_domain_resume(domain, DOMID), 0);
    CHECK(rig_back_is(&device, "4"));
    CHECK(await_vbd(&device, "connected", false));
    CHECK_EQ(count(&device, "PAUSE"), 0);
    CHECK(detach(&device));
    local_close(domain);
}

/* What became known too late is made good: nothing is served for long. */
static void check_suspended_while_connecting(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "connecting");
    struct local *domain = open_domain(DOMID);

    CHECK(rig_ok(rig_attach(&device, "w", "wait-connect")));
    rig_publish(&device, "3");
    CHECK(await_vbd(&device, "connecting", false));
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "connecting", true));
    rig_touch(device.go);
    CHECK(await_vbd(&device, "paused", true));
    CHECK(rig_back_is(&device, "4"));
    CHECK_EQ(count(&device, "PAUSE"), 1);
    CHECK(detach(&device));
    local_close(domain);
}

/* Who does not run is told of a new size when it does. */
static void check_resized(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "resized");
    struct local *domain = open_domain(DOMID);
    const json_t *reply;
    char path[160];
    FILE *file;

    connect_device(&device, "ok");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "paused", true));
    snprintf(path, sizeof path, "%s.size", device.target);
    file = fopen(path, "w");
    REQUIRE(file && fputs("134217728", file) >= 0 && fclose(file) == 0);
    reply = rig_ask("{\"command\":\"resize\",\"disk\":%lld}",
                    json_integer_value(json_object_get(
                        rig_disk(device.target), "disk")));
    CHECK(rig_ok(reply));
    CHECK_EQ(json_array_size(json_object_get(reply, "vbds")), 0);
    have_all_looked_at();
    CHECK(rig_await(device.back, "sectors", "131072"));
    CHECK_EQ(local_domain_resume(domain, DOMID), 0);
    CHECK(rig_await(device.back, "sectors", "262144"));
    CHECK(await_vbd(&device, "connected", false));
    CHECK(detach(&device));
    local_close(domain);
}

/* --- when something breaks ------------------------------------------------ */

static void check_broken_while_pausing(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "broken-pause");
    struct local *domain = open_domain(DOMID);

    connect_device(&device, "broken-pause");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "req_prod ran"));
    CHECK(await_vbd(&device, "none", true));
    CHECK_EQ(count(&device, "DISCONNECT"), 1);
    CHECK(detach(&device));
    local_close(domain);
}

static void check_worker_dies(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "die-pause");
    struct rig_device other = rig_device(DOMID, "xvdb", "lives-on");
    struct local *domain = open_domain(DOMID);

    connect_device(&device, "die-pause");
    connect_device(&other, "ok");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(rig_await_disk_state(device.target, "failed"));
    CHECK(await_vbd(&device, "none", true));
    CHECK(await_vbd(&other, "paused", true));
    CHECK_EQ(local_domain_resume(domain, DOMID), 0);
    CHECK(await_vbd(&other, "connected", false));
    CHECK(vbd_is(&device, "none", false));
    CHECK(detach(&device) && detach(&other));
    local_close(domain);
}

static void check_stop(void)
{
    struct rig_device device = rig_device(DOMID, "xvda", "stop");
    struct local *domain = open_domain(DOMID);

    connect_device(&device, "ok");
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(await_vbd(&device, "paused", true));
    CHECK_EQ(rig_stop_vbdd(), 0);
    CHECK_EQ(count(&device, "HOLD"), 1);
    CHECK_EQ(count(&device, "END"), 1);
    CHECK(rig_await(device.back, "state", "4"));
    /* The next one waits until the domain runs again. */
    rig_start_vbdd();
    CHECK(rig_await_disk_state(device.target, "ready"));
    CHECK(await_vbd(&device, "held", true));
    have_all_looked_at();
    CHECK_EQ(count(&device, "CONNECT"), 1);
    CHECK_EQ(local_domain_resume(domain, DOMID), 0);
    CHECK(await_vbd(&device, "connected", false));
    CHECK_EQ(count(&device, "CONNECT"), 2);
    CHECK_EQ(count(&device, "RESUME-AT 1000 1000"), 1);
    CHECK_EQ(rig_stop_vbdd(), 0);
    rig_remove(device.back);
    local_close(domain);
}

/* Without a control interface only deaths are seen. A domain that is suspended
 * is running then, as far as anybody can tell. */
static void check_no_control(void)
{
    static const char said[] = "a suspended domain is not told from a running";
    struct rig_device device = rig_device(DOMID, "xvda", "no-control");
    struct local *domain = open_domain(DOMID);

    if (access("/dev/xen/privcmd", F_OK) == 0) {
        NOTE("this machine has a control interface: not tried");
        local_close(domain);
        return;
    }
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), said), 0);
    rig_start_vbdd_for_xen();
    rig_write(device.back, "frontend", device.front);
    rig_write(device.back, "script", "block-vbdd");
    rig_write(device.back, "online", "1");
    rig_front(&device, "1");
    rig_write(device.back, "state", "1");
    CHECK(rig_back_is(&device, "2"));
    CHECK_EQ(local_domain_suspend(domain, DOMID), 0);
    CHECK(vbd_is(&device, "none", false));
    local_close(domain);
    CHECK(rig_back_is(&device, "6"));
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), said), 1);
    rig_remove(device.back);
}

int main(void)
{
    rig_start("");
    TEST("a suspend pauses each connected vbd once, its cancel resumes it",
         check_cancel);
    TEST("a suspend cancelled before all is drained is resumed afterwards",
         check_slow_pause);
    TEST("what could not be made durable is told", check_failed_pause);
    TEST("a domain destroyed while suspended has closed", check_destroyed);
    TEST("a restored domain's vbds are new ones", check_restored);
    TEST("a vbd can be detached while its domain is suspended",
         check_detached);
    TEST("and while it is being paused", check_detached_while_pausing);
    TEST("a vbd that comes to a suspended domain waits for its resume",
         check_new_vbd);
    TEST("a domain suspended while it connects is paused at once",
         check_suspended_while_connecting);
    TEST("a new size is told when the domain runs again", check_resized);
    TEST("a ring that breaks while it is being paused is closed",
         check_broken_while_pausing);
    TEST("a worker that dies of a pause takes no other disk along",
         check_worker_dies);
    TEST("vbdd ends in order while a domain is suspended", check_stop);
    TEST("without a control interface only deaths are seen, and it says so",
         check_no_control);
    rig_end();
    return tap_done();
}
