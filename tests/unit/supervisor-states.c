/* SPDX-License-Identifier: MIT
 * Claim: each back-end node of ours is walked through the xenbus states as
 * blkif.h and libxl expect it, whatever the front end does, in whatever
 * order; and what a front end writes costs at most its own connection.
 * Source: ARCHITECTURE.md; notes on xenbus states in docs/PROTOCOL.md; C1,
 * C12. Mechanism: a real vbdd over the stand-in's store, with workers that
 * move no data; the test plays the front end with libxenstore. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/local/local.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

static void check_init_wait_first(void)
{
    struct rig_device device = rig_device(5, "xvda", "slow");
    char line[512];
    json_t *reply;
    int fd;

    snprintf(line, sizeof line, "{\"command\":\"attach\",\"domid\":5,\"vdev\":"
             "\"xvda\",\"target\":\"%s\",\"options\":{\"engine\":"
             "\"wait-ready\"}}\n", device.target);
    fd = rig_send(line);
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_await(device.back, "feature-flush-cache", "1"));
    CHECK(rig_await(device.back, "feature-barrier", "1"));
    CHECK(!rig_exists(device.back, "sectors"));
    rig_publish(&device, "3"); /* before there is a disk to connect to */
    CHECK(rig_await_disk_state(device.target, "starting"));
    CHECK(rig_await(device.back, "state", "2"));
    rig_touch(device.go);
    reply = rig_receive(fd);
    CHECK(rig_ok(reply));
    json_decref(reply);
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_await(device.back, "hotplug-status", "connected"));
    CHECK(rig_detach(&device));
    CHECK(!rig_exists(device.back, "state"));
    CHECK(!rig_exists(device.front, "state"));
}

static void check_published(void)
{
    struct rig_device device = rig_device(5, "xvda", "published");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_await(device.back, "sectors", "131072"));
    CHECK(rig_await(device.back, "sector-size", "512"));
    CHECK(rig_await(device.back, "physical-sector-size", "4096"));
    CHECK(rig_await(device.back, "info", "0"));
    CHECK(rig_await(device.back, "feature-discard", "1"));
    CHECK(rig_await(device.back, "discard-granularity", "4096"));
    CHECK(rig_await(device.back, "discard-secure", "0"));
    CHECK(rig_count_text(device.log, "CONNECT domid=5 gref=8 port=3 abi=2 "
                                     "read_only=0 queues=1 pages=1") == 1);
    CHECK(rig_detach(&device));
}

static void check_read_only(void)
{
    struct rig_device device = rig_device(5, "xvda", "read-only");

    CHECK(rig_ok(rig_attach(&device, "r", "ok")));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_await(device.back, "info", "4"));
    CHECK(!rig_exists(device.back, "feature-discard"));
    CHECK(rig_count_text(device.log, "read_only=1") == 1);
    CHECK(rig_count_text(device.log, "--read-only") == 1);
    CHECK(rig_detach(&device));
}

static void check_ring_forms(void)
{
    struct rig_device device = rig_device(5, "xvda", "forms");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_write(device.front, "ring-page-order", "0");
    rig_write(device.front, "ring-ref0", "77");
    rig_write(device.front, "event-channel", "9");
    rig_front(&device, "4"); /* Initialised is skipped */
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_count_text(device.log, "gref=77 port=9 abi=0") == 1);
    rig_front(&device, "6");
    CHECK(rig_back_is(&device, "6"));
    rig_front(&device, "1");
    CHECK(rig_back_is(&device, "2"));
    rig_write(device.front, "protocol", "x86_32-abi");
    rig_front(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_count_text(device.log, "gref=77 port=9 abi=1") == 1);
    CHECK(rig_detach(&device));
}

static void check_reconnect(void)
{
    struct rig_device device = rig_device(5, "xvda", "reconnect");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    for (unsigned round = 1; round <= 3; round++) {
        rig_publish(&device, "3");
        CHECK(rig_back_is(&device, "4"));
        rig_front(&device, "4");
        rig_front(&device, "5"); /* it may still be mounted: served on */
        CHECK(rig_back_is(&device, "5"));
        CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), round - 1);
        rig_front(&device, "6");
        CHECK(rig_back_is(&device, "6"));
        CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), round);
        rig_front(&device, "1");
        CHECK(rig_back_is(&device, "2"));
    }
    CHECK_EQ(rig_count_text(device.log, "START"), 1);
    CHECK(rig_detach(&device));
    CHECK_EQ(rig_count_text(device.log, "END"), 1);
}

static void check_kexec(void)
{
    struct rig_device device = rig_device(5, "xvdk", "kexec");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    rig_front(&device, "1"); /* a new kernel, and nobody closed anything */
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_await_text(rig_path("vbdd.log"),
                         "5/xvdk: Connected -> InitWait"));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK_EQ(rig_count_text(device.log, "CONNECT domid"), 2);
    CHECK(rig_detach(&device));
}

static void check_missing_front(void)
{
    struct rig_device device = rig_device(5, "xvda", "missing");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    rig_remove(device.front);
    CHECK(rig_back_is(&device, "6"));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK(rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":5,\"vdev\":"
                         "\"xvda\"}")));
}

static void check_domain_death(void)
{
    struct rig_device device = rig_device(7, "xvda", "death");
    struct local *domain;

    REQUIRE(local_open(rig_dir, &domain) == 0);
    REQUIRE(local_domain_create(domain, 7, 64) == 0);
    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    local_close(domain);
    CHECK(rig_back_is(&device, "6"));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK(rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":7,\"vdev\":"
                         "\"xvda\"}")));
}

/* --- the toolstack -------------------------------------------------------- */

static void check_polite_removal(void)
{
    struct rig_device device = rig_device(5, "xvda", "polite");
    int fd;
    json_t *reply;

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    fd = rig_send("{\"command\":\"detach\",\"domid\":5,\"vdev\":\"xvda\"}\n");
    CHECK(rig_back_is(&device, "5"));
    /* A round trip through vbdd: it has seen the toolstack's word by now. */
    CHECK(rig_vbd("5/xvda") != NULL);
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 0);
    rig_front(&device, "6");
    reply = rig_receive(fd);
    CHECK(rig_ok(reply));
    json_decref(reply);
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK_EQ(rig_count_text(device.log, "END"), 1);
    CHECK(rig_disk(device.target) == NULL);
}

static void check_destroy(void)
{
    struct rig_device device = rig_device(5, "xvda", "destroy");

    CHECK(rig_ok(rig_attach(&device, "w", "wait-detach")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    rig_remove(device.front);
    rig_remove("/local/domain/0/backend/vbd/5");
    CHECK(rig_await_text(device.log, "DETACH"));
    /* Not free before the worker has drained and gone. */
    CHECK(rig_await_disk_state(device.target, "draining"));
    rig_touch(device.go);
    CHECK(rig_await_disk_state(device.target, NULL));
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 1);
    CHECK(rig_vbd("5/xvda") == NULL);
    CHECK(!rig_exists("/local/domain/0/backend/vbd", "5"));
}

static void write_tree(const struct rig_device *device, const char *script,
                       const char *frontend)
{
    char domid[12];

    snprintf(domid, sizeof domid, "%u", device->domid);
    rig_write(device->back, "params", device->target);
    rig_write(device->back, "mode", "w");
    rig_write(device->back, "frontend-id", domid);
    rig_write(device->back, "frontend", frontend);
    rig_write(device->back, "online", "1");
    rig_write(device->front, "state", "1");
    rig_write(device->back, "script", script);
    rig_write(device->back, "state", "1");
}

static void check_foreign(void)
{
    struct rig_device other = rig_device(6, "xvda", "foreign");
    struct rig_device ours = rig_device(6, "xvdb", "ours");

    write_tree(&other, "/etc/xen/scripts/block", other.front);
    write_tree(&ours, "/etc/xen/scripts/block-vbdd", ours.front);
    CHECK(rig_back_is(&ours, "2"));
    CHECK(rig_await(other.back, "state", "1"));
    CHECK(!rig_exists(other.back, "feature-flush-cache"));
    rig_write(other.back, "online", "0"); /* looked at again, said once */
    rig_write(ours.back, "online", "0");
    rig_write(ours.back, "state", "5");
    CHECK(rig_back_is(&ours, "6"));
    CHECK(rig_await(other.back, "state", "1"));
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), "6/xvda"), 1);
    CHECK(rig_vbd("6/xvda") == NULL);
    rig_remove("/local/domain/0/backend/vbd/6");
}

static void check_front_of_another(void)
{
    static const char *const paths[] = {
        "/local/domain/0/device/vbd/51712", "/local/domain/50/device/vbd/1",
        "/local/domain/5", "device/vbd/51712", "", "/vm/5/device",
    };
    struct rig_device device = rig_device(5, "xvda", "astray");
    struct rig_device witness = rig_device(5, "xvdb", "witness");

    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        write_tree(&device, "block-vbdd", paths[i]);
        write_tree(&witness, "block-vbdd", witness.front);
        CHECK(rig_back_is(&witness, "2"));
        CHECK(rig_await(device.back, "state", "1"));
        CHECK(rig_vbd("5/xvda") == NULL);
        rig_remove("/local/domain/0/backend/vbd/5");
        CHECK(rig_await(witness.back, "state", NULL));
    }
}

static void check_recreated(void)
{
    struct rig_device device = rig_device(5, "xvda", "again");
    xs_transaction_t t;

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    /* Deleted and made again in one go: no moment without a node. */
    t = xs_transaction_start(rig_xs);
    CHECK(xs_rm(rig_xs, t, device.back));
    CHECK(xs_transaction_end(rig_xs, t, false));
    write_tree(&device, "block-vbdd", device.front);
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_await_text(device.log, "END"));
    rig_remove(device.front);
    rig_remove(device.back);
    CHECK(rig_await_disk_state(device.target, NULL));
}

/* --- hostile front ends --------------------------------------------------- */

static const struct {
    const char *name, *value; /* NULL: removed */
    const char *said;
} garbage[] = {
    { "ring-ref", NULL, "ring-ref is missing" },
    { "ring-ref", "", "ring-ref is '': expected a grant reference" },
    { "ring-ref", "-1", "ring-ref is '-1'" },
    { "ring-ref", "4294967296", "ring-ref is '4294967296'" },
    { "ring-ref", "99999999999999999999999999", "ring-ref is '9999" },
    { "ring-ref", "0x8", "ring-ref is '0x8'" },
    { "ring-ref", " 8", "ring-ref is ' 8'" },
    { "ring-ref", "8\n", "ring-ref is '8?'" },
    { "ring-ref", "\033[2J", "ring-ref is '?[2J'" },
    { "ring-ref", "eight", "ring-ref is 'eight'" },
    { "event-channel", NULL, "event-channel is missing" },
    { "event-channel", "", "event-channel is ''" },
    { "event-channel", "0", "event-channel is '0'" },
    { "event-channel", "-3", "event-channel is '-3'" },
    { "event-channel", "131072", "event-channel is '131072'" },
    { "event-channel", "18446744073709551619", "event-channel is '184467" },
    { "event-channel", "3;id", "event-channel is '3;id'" },
    { "protocol", "", "protocol is ''" },
    { "protocol", "arm-abi", "protocol is 'arm-abi'" },
    { "protocol", "x86_64-abi ", "protocol is 'x86_64-abi '" },
    { "protocol", "X86_64-ABI", "protocol is 'X86_64-ABI'" },
    { "ring-page-order", "5", "ring-page-order is '5'" },
    { "ring-page-order", "-0", "ring-page-order is '-0'" },
    { "ring-page-order", "nonsense", "ring-page-order is 'nonsense'" },
    { "ring-page-order", "4", "ring-ref0 is missing" },
    { "num-ring-pages", "3", "num-ring-pages is '3'" },
    { "multi-queue-num-queues", "2", "expected 1, all that was offered" },
};

static void set_garbage(const struct rig_device *device, unsigned row)
{
    static const char *const optional[] = {
        "ring-page-order", "num-ring-pages", "multi-queue-num-queues",
    };
    char path[160];

    rig_write(device->front, "ring-ref", "8");
    rig_write(device->front, "event-channel", "3");
    rig_write(device->front, "protocol", "x86_64-abi");
    for (unsigned i = 0; i < sizeof optional / sizeof *optional; i++) {
        snprintf(path, sizeof path, "%s/%s", device->front, optional[i]);
        rig_remove(path);
    }
    snprintf(path, sizeof path, "%s/%s", device->front, garbage[row].name);
    if (garbage[row].value)
        rig_write(device->front, garbage[row].name, garbage[row].value);
    else
        rig_remove(path);
}

static void check_garbage(void)
{
    struct rig_device device = rig_device(5, "xvda", "garbage");
    struct rig_device neighbour = rig_device(6, "xvda", "garbage");

    CHECK(rig_ok(rig_attach(&neighbour, "w", "ok")));
    rig_publish(&neighbour, "4");
    CHECK(rig_back_is(&neighbour, "4"));
    CHECK(rig_ok(rig_attach(&device, "w!", "ok")));
    for (unsigned i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        set_garbage(&device, i);
        rig_front(&device, "3");
        CHECK(rig_back_is(&device, "6"));
        CHECK(rig_holds(device.back, "error", garbage[i].said));
        rig_front(&device, "6");
        rig_front(&device, "1");
        CHECK(rig_back_is(&device, "2"));
        CHECK(!rig_exists(device.back, "error"));
    }
    set_garbage(&device, 0);
    CHECK_EQ(rig_count_text(device.log, "CONNECT domid=5"), 0);
    /* Rate-limited: ten lines, however many mistakes. */
    CHECK_EQ(rig_count_text(rig_path("vbdd.log"), "5/xvda: the front end's"),
             10);
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_await(neighbour.back, "state", "4"));
    CHECK_EQ(rig_count_text(neighbour.log, "DISCONNECT"), 0);
    CHECK(rig_detach(&device));
    CHECK(rig_detach(&neighbour));
    CHECK_EQ(rig_count_text(neighbour.log, "START"), 1);
}

static void check_long_value(void)
{
    struct rig_device device = rig_device(5, "xvdl", "long");
    char value[2001];

    memset(value, '1', sizeof value - 1);
    value[sizeof value - 1] = '\0';
    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_write(device.front, "event-channel", value);
    rig_write(device.front, "ring-ref", "8");
    rig_front(&device, "3");
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "longer than 255 bytes"));
    CHECK(rig_detach(&device));
}

static void check_odd_states(void)
{
    static const char *const states[] = {
        "", "0", "9", "-1", "4294967300", "four", "7", "8", " 4",
    };
    struct rig_device device = rig_device(5, "xvda", "odd");

    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    for (unsigned i = 0; i < sizeof states / sizeof *states; i++) {
        rig_publish(&device, states[i]);
        CHECK(rig_ok(rig_ask("{\"command\":\"ping\"}")));
        CHECK_EQ(rig_count_text(device.log, "CONNECT domid"), 0);
    }
    rig_front(&device, "6");
    CHECK(rig_back_is(&device, "6"));
    rig_publish(&device, "1");
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_detach(&device));
}

static void check_storm(void)
{
    static const char *const states[] = { "1", "3", "4", "5", "6" };
    struct rig_device stormy = rig_device(5, "xvda", "stormy");
    struct rig_device calm = rig_device(6, "xvda", "calm");
    unsigned nr = (unsigned)tap_scaled(5000);

    CHECK(rig_ok(rig_attach(&stormy, "w", "ok")));
    for (unsigned i = 0; i < nr; i++) {
        if (i == nr / 2)
            CHECK(rig_ok(rig_attach(&calm, "w", "ok")));
        rig_publish(&stormy, states[rand() % 5]);
    }
    rig_publish(&calm, "3");
    CHECK(rig_back_is(&calm, "4"));
    rig_front(&stormy, "6");
    CHECK(rig_back_is(&stormy, "6"));
    rig_front(&stormy, "1");
    CHECK(rig_back_is(&stormy, "2"));
    rig_publish(&stormy, "3");
    CHECK(rig_back_is(&stormy, "4"));
    CHECK_EQ(rig_count_text(stormy.log, "CONNECT domid"),
             rig_count_text(stormy.log, "DISCONNECT") + 1);
    CHECK(rig_detach(&stormy));
    CHECK(rig_detach(&calm));
}

/* --- many, and the end ---------------------------------------------------- */

enum { MANY = 50 };

static void check_many(void)
{
    static struct rig_device devices[MANY];
    unsigned nr = (unsigned)tap_scaled(MANY);

    for (unsigned i = 0; i < nr; i++) {
        char vdev[16], target[16];

        snprintf(vdev, sizeof vdev, "xvd%c", 'a' + (int)(i % 10));
        snprintf(target, sizeof target, "many-%u", i);
        devices[i] = rig_device(10 + i / 10, vdev, target);
        CHECK(rig_ok(rig_attach(&devices[i], "w", "ok")));
        rig_publish(&devices[i], "3");
    }
    for (unsigned i = 0; i < nr; i++)
        CHECK(rig_back_is(&devices[i], "4"));
    CHECK_EQ(json_array_size(json_object_get(
                 rig_ask("{\"command\":\"list\"}"), "disks")), nr);
    for (unsigned i = 0; i < nr; i += 2)
        CHECK(rig_detach(&devices[i]));
    for (unsigned i = 1; i < nr; i += 2)
        CHECK(rig_await(devices[i].back, "state", "4"));
    for (unsigned i = 1; i < nr; i += 2)
        CHECK(rig_detach(&devices[i]));
    CHECK_EQ(json_array_size(json_object_get(
                 rig_ask("{\"command\":\"list\"}"), "disks")), 0);
}

static void check_resume(void)
{
    struct rig_device device = rig_device(5, "xvda", "resume");

    CHECK(rig_ok(rig_attach(&device, "w", "lossy")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    rig_kill_vbdd();
    CHECK(rig_await_text(device.log, "ORPHAN"));
    rig_start_vbdd();
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", "its ring was lost"));
    rig_front(&device, "6");
    rig_front(&device, "1");
    CHECK(rig_back_is(&device, "2"));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK_EQ(rig_count_text(device.log, "START"), 2);
    CHECK(rig_detach(&device));
}

static void check_stop(void)
{
    struct rig_device connected = rig_device(5, "xvda", "stop-1");
    struct rig_device waiting = rig_device(5, "xvdb", "stop-2");
    struct rig_device hanging = rig_device(5, "xvdc", "stop-3");
    char line[512];
    json_t *reply;
    int fd;

    CHECK(rig_ok(rig_attach(&connected, "w", "ok")));
    CHECK(rig_ok(rig_attach(&waiting, "w", "ok")));
    rig_publish(&connected, "4");
    CHECK(rig_back_is(&connected, "4"));
    snprintf(line, sizeof line, "{\"command\":\"attach\",\"domid\":5,\"vdev\":"
             "\"xvdc\",\"target\":\"%s\",\"options\":{\"engine\":"
             "\"wait-ready\"}}\n", hanging.target);
    fd = rig_send(line);
    CHECK(rig_await_text(hanging.log, "START"));
    CHECK_EQ(rig_stop_vbdd(), 0);
    reply = rig_receive(fd);
    CHECK(rig_refused(reply, "stopped while it was being attached"));
    json_decref(reply);
    CHECK(rig_await(connected.back, "state", "4"));
    CHECK(rig_await(waiting.back, "state", "2"));
    CHECK_EQ(rig_count_text(connected.log, "DISCONNECT"), 0);
    CHECK_EQ(rig_count_text(connected.log, "HOLD"), 1);
    CHECK_EQ(rig_count_text(connected.log, "END"), 1);
    CHECK_EQ(rig_count_text(waiting.log, "END"), 1);
    CHECK(access(rig_path("state/control"), F_OK) < 0);
    CHECK(access(rig_path("state/disks/1"), F_OK) < 0);
}

/* Without a store nothing can be said, but everything can be given back. */
static void check_lost_store(void)
{
    struct rig_device device = rig_device(60, "xvda", "lost");

    rig_start_vbdd();
    CHECK(rig_ok(rig_attach(&device, "w", "ok")));
    rig_publish(&device, "4");
    CHECK(rig_back_is(&device, "4"));
    rig_kill_hypervisor();
    CHECK(rig_await_text(rig_path("vbdd.log"), "the XenStore has gone"));
    CHECK(rig_vbd("60/xvda") != NULL);
    CHECK_EQ(rig_count_text(device.log, "DISCONNECT"), 0);
    CHECK_EQ(rig_stop_vbdd(), 0);
    CHECK_EQ(rig_count_text(device.log, "HOLD"), 1);
    CHECK_EQ(rig_count_text(device.log, "END"), 1);
}

int main(void)
{
    srand((unsigned)tap_seed());
    rig_start("");
    TEST("a back end waits for its front end before its disk is open",
         check_init_wait_first);
    TEST("a connected back end says what its disk is", check_published);
    TEST("a read-only disk is published and opened read-only",
         check_read_only);
    TEST("a ring may be named in each of the ways that were offered",
         check_ring_forms);
    TEST("a front end that closes is served until it has, and may come again",
         check_reconnect);
    TEST("a front end that starts afresh without closing gets a new ring",
         check_kexec);
    TEST("a missing front end has closed", check_missing_front);
    TEST("a dead domain's front end has closed", check_domain_death);
    TEST("a removal waits for the front end, and ends with the worker",
         check_polite_removal);
    TEST("a deleted node frees its target, and only after the drain",
         check_destroy);
    TEST("nodes with another script are left alone", check_foreign);
    TEST("a front end outside of its domain is not served",
         check_front_of_another);
    TEST("a node that was deleted and made again is a new one",
         check_recreated);
    TEST("a nonsensical value closes its vbd, says why and harms nobody else",
         check_garbage);
    TEST("a value too long to be one is refused", check_long_value);
    TEST("a state that is none is a front end that has gone",
         check_odd_states);
    TEST("a storm of states leaves the others served", check_storm);
    TEST("fifty disks come and go", check_many);
    TEST("a vbdd that was killed is followed by one that cleans up",
         check_resume);
    TEST("a vbdd that is told to end leaves nothing behind", check_stop);
    TEST("a vbdd that has lost its store serves on, and ends in order",
         check_lost_store);
    rig_end();
    return tap_done();
}
