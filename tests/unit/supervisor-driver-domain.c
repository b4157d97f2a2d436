/* SPDX-License-Identifier: MIT
 * Claim: vbdd serves in a domain other than 0 (libxl's backend=DOMAIN), with
 * the rights that such a domain has: its nodes are below its own directory, its
 * script names them relative to that (xl devd), it may not ask who lives, and
 * of its guests it sees their front ends' directories only. Source: libxl
 * (driver_domain=1; the permissions of libxl__device_generic_add; add_device of
 * xl devd), xenstored (what an unprivileged domain may do). Mechanism: vbdd on
 * the stand-in's connection of domain 7, which enforces permissions; the
 * toolstack, in domain 0, writes as libxl does. */
#include <stdlib.h>

#include "common/local/local.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { DRIVER = 7, GUEST = 5 };

static struct local *driver;
static struct rig_device device;

/* --- the toolstack -------------------------------------------------------- */

static void make_driver_domain(void)
{
    REQUIRE(local_open(rig_dir, &driver) == 0);
    REQUIRE(local_domain_create(driver, DRIVER, 64) == 0);
    rig_write("/local/domain/7", "domid", "7");
    rig_make_dir("/local/domain/7/backend", DRIVER, DRIVER);
    rig_make_dir("/local/domain/5", 0, GUEST);
    rig_make_dir("/local/domain/5/device", GUEST, GUEST);
    rig_write("/local/domain/5", "vm", "/vm/5");
}

static void start_vbdd_there(void)
{
    char door[128];

    snprintf(door, sizeof door, "%s/domain-%d/xenstored", rig_dir, DRIVER);
    setenv("XENSTORED_PATH", door, 1);
    rig_start_vbdd_for_xen();
}

static void write_trees(const char *tree, const char *format)
{
    char params[160];

    snprintf(device.back, sizeof device.back,
             "/local/domain/7/backend/%s/5/51712", tree);
    snprintf(params, sizeof params, "%s%s", format, device.target);
    rig_make_dir(device.front, GUEST, DRIVER);
    rig_write(device.front, "backend", device.back);
    rig_write(device.front, "backend-id", "7");
    rig_write(device.front, "state", "1");
    rig_make_dir(device.back, DRIVER, GUEST);
    rig_write(device.back, "frontend", device.front);
    rig_write(device.back, "frontend-id", "5");
    rig_write(device.back, "params", params);
    rig_write(device.back, "mode", "w");
    rig_write(device.back, "online", "1");
    rig_write(device.back, "script", "/etc/xen/scripts/block-vbdd");
    rig_write(device.back, "state", "1");
}

/* What xl devd runs, in the driver domain; what the script asks. */
static json_t *run_script(const char *action)
{
    return rig_ask("{\"command\":\"hotplug\",\"action\":\"%s\","
                   "\"path\":\"%s\"}", action,
                   device.back + sizeof "/local/domain/7/" - 1);
}

/* libxl in domain 0 asks for the end; xl devd, in the driver domain, removes
 * the node when it has come. */
static void destroy(void)
{
    rig_remove(device.front);
    rig_write(device.back, "online", "0");
    rig_write(device.back, "state", "5");
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_ok(run_script("remove")));
    rig_remove(device.back);
    CHECK(rig_await_disk_state(device.target, NULL));
}

/* --- tests ---------------------------------------------------------------- */

static void serve(const char *tree, const char *format)
{
    write_trees(tree, format);
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_ok(run_script("add")));
    CHECK_STR(json_string_value(json_object_get(rig_vbd(device.name),
                                                "node")), device.back);
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    CHECK(rig_exists(device.back, "sectors"));
}

static void check_served(void)
{
    serve("vbd", "");
    destroy();
    serve("vbd3", "aio:");
    destroy();
}

/* Whom it may not ask about lives; his front end says when it closes. */
static void check_death(void)
{
    serve("vbd", "");
    rig_remove("/local/domain/5/device/vbd");
    CHECK(rig_back_is(&device, "6"));
    destroy();
}

static void check_domain_0_is_not_ours(void)
{
    struct rig_device theirs = rig_device(GUEST, "xvda", "theirs");

    rig_write(theirs.back, "params", theirs.target);
    rig_write(theirs.back, "frontend", theirs.front);
    rig_write(theirs.back, "script", "block-vbdd");
    rig_write(theirs.back, "mode", "w");
    rig_write(theirs.back, "online", "1");
    rig_write(theirs.back, "state", "1");
    CHECK(rig_refused(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                              "\"path\":\"%s\"}", theirs.back),
                      "expected /local/domain/7/backend/vbd/DOMID/DEVID"));
    serve("vbd", ""); /* it has looked around */
    destroy();
    CHECK(rig_await(theirs.back, "state", "1"));
}

/* A second writer is refused: that it is the same virtual machine cannot be
 * seen from here. */
static void check_sharing(void)
{
    serve("vbd", "");
    rig_make_dir("/local/domain/6/device/vbd/51712", 6, DRIVER);
    rig_write("/local/domain/6/device/vbd/51712", "state", "1");
    rig_make_dir("/local/domain/7/backend/vbd/6/51712", DRIVER, 6);
    rig_write("/local/domain/7/backend/vbd/6/51712", "frontend",
              "/local/domain/6/device/vbd/51712");
    rig_write("/local/domain/7/backend/vbd/6/51712", "params", device.target);
    rig_write("/local/domain/7/backend/vbd/6/51712", "mode", "w");
    rig_write("/local/domain/7/backend/vbd/6/51712", "online", "1");
    rig_write("/local/domain/7/backend/vbd/6/51712", "script", "block-vbdd");
    rig_write("/local/domain/7/backend/vbd/6/51712", "state", "1");
    CHECK(rig_await("/local/domain/7/backend/vbd/6/51712", "state", "2"));
    CHECK(rig_refused(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                              "\"path\":\"backend/vbd/6/51712\"}"),
                      "is held writable by 5/xvda"));
    rig_remove("/local/domain/7/backend/vbd/6");
    destroy();
}

int main(void)
{
    rig_start("[defaults]\nengine = ok\n");
    rig_stop_vbdd();
    make_driver_domain();
    device = rig_device(GUEST, "xvda", "target");
    start_vbdd_there();
    TEST("a driver domain serves the nodes below its own directory",
         check_served);
    TEST("a guest that it may not ask about is served until it closes",
         check_death);
    TEST("domain 0's nodes are left alone", check_domain_0_is_not_ours);
    TEST("a further writer is refused there", check_sharing);
    local_close(driver);
    rig_end();
    return tap_done();
}
