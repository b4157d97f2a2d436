/* SPDX-License-Identifier: MIT
 * Claim: xl's script attaches what xl has written and releases it, is told the
 * reason when it waits too long, and attaches a vbd once, however often it asks.
 * Source: libxl's contract with its block scripts; C1. Mechanism: a real vbdd
 * for Xen, whose store happens to be the stand-in's, with workers that
 * misbehave as their engine says. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

/* What libxl writes. */
static void write_trees(const struct rig_device *device, const char *params)
{
    char domid[12];

    snprintf(domid, sizeof domid, "%u", device->domid);
    rig_write(device->front, "state", "1");
    rig_write(device->back, "frontend", device->front);
    rig_write(device->back, "frontend-id", domid);
    rig_write(device->back, "params", params);
    rig_write(device->back, "mode", "w");
    rig_write(device->back, "online", "1");
    rig_write(device->back, "script", "/etc/xen/scripts/block-vbdd");
    rig_write(device->back, "state", "1");
}

/* The script gives up, and xl has not removed anything yet. */
static void check_script_limit(void)
{
    struct rig_device device = rig_device(5, "xvda", "script");
    char params[160];

    snprintf(params, sizeof params, "engine=wait-ready,%s", device.target);
    write_trees(&device, params);
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_refused(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                              "\"path\":\"%s\"}", device.back),
                      "still starting; given up"));
    CHECK(rig_await_disk_state(device.target, NULL));
    CHECK(rig_exists(device.back, "state"));
    rig_remove(device.front);
    rig_remove("/local/domain/0/backend/vbd/5");
    CHECK(rig_await(device.back, "state", NULL));
}

/* As xl does it: a vbdd for Xen, whose store happens to be the stand-in's. */
static void check_as_xl_does(void)
{
    struct rig_device device = rig_device(5, "xvda", "xl");

    CHECK(rig_refused(rig_attach(&device, "w", "ok"), "use xl block-attach"));
    CHECK(rig_refused(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                              "\"path\":\"%s\"}", device.back),
                      "is not a back-end node of ours"));
    write_trees(&device, device.target);
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_disk(device.target) == NULL);
    CHECK(rig_ok(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                         "\"path\":\"%s\"}", device.back)));
    CHECK_EQ(rig_count_text(device.log, "--local"), 0);
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    rig_front(&device, "6");
    rig_write(device.back, "online", "0");
    rig_write(device.back, "state", "5");
    CHECK(rig_back_is(&device, "6"));
    /* libxl's XENBUS_PATH is relative to domain 0's directory. */
    CHECK(rig_ok(rig_ask("{\"command\":\"hotplug\",\"action\":\"remove\","
                         "\"path\":\"%s\"}",
                         strstr(device.back, "backend/"))));
    CHECK_EQ(rig_count_text(device.log, "END"), 1);
    CHECK(rig_disk(device.target) == NULL);
    rig_remove(device.back);
}

static int send_add(const struct rig_device *device)
{
    char request[256];

    snprintf(request, sizeof request, "{\"command\":\"hotplug\",\"action\":"
             "\"add\",\"path\":\"%s\"}\n", device->back);
    return rig_send(request);
}

/* True when it was done. */
static bool take_answer(int add)
{
    json_t *reply = rig_receive(add);
    bool is_done = json_is_true(json_object_get(reply, "ok"));

    CHECK(is_done || rig_refused(reply, "it is being attached"));
    json_decref(reply);
    return is_done;
}

/* Two of one vbd's wait for a destroyed guest: it is attached once, and neither
 * is told that it was detached. */
static void check_add_twice(void)
{
    struct rig_device first = rig_device(5, "xvda", "twice");
    struct rig_device next = rig_device(6, "xvda", "twice");
    char params[160];
    int adds[2];

    snprintf(params, sizeof params, "engine=wait-disconnect,%s", first.target);
    write_trees(&first, params);
    CHECK(rig_back_is(&first, "2"));
    CHECK(take_answer(send_add(&first)));
    rig_publish(&first, "3");
    CHECK(rig_back_is(&first, "4"));
    rig_remove(first.back);
    rig_remove(first.front);
    CHECK(rig_await_text(first.log, "DISCONNECT"));
    write_trees(&next, next.target);
    CHECK(rig_back_is(&next, "2"));
    adds[0] = send_add(&next);
    rig_ask("{\"command\":\"list\"}"); /* the one has been taken */
    adds[1] = send_add(&next);
    rig_ask("{\"command\":\"list\"}");
    rig_touch(first.go);
    CHECK_EQ(take_answer(adds[0]) + take_answer(adds[1]), 1);
    CHECK_EQ(rig_count_text(first.log, "START"), 2);
    rig_remove(next.back);
    rig_remove(next.front);
    CHECK(rig_await_disk_state(first.target, NULL));
}

int main(void)
{
    rig_start("[defaults]\nflush-retry = forever\n");
    REQUIRE(rig_stop_vbdd() == 0);
    rig_start_vbdd_for_xen();
    TEST("hotplug attaches and releases what xl has written",
         check_as_xl_does);
    TEST("two adds of one vbd that wait are one attach", check_add_twice);
    rig_end();
    rig_start("[vbdd]\nattach-timeout = 300ms\n");
    TEST("an attach that is given up is given back", check_script_limit);
    rig_end();
    return tap_done();
}
