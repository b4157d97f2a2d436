/* SPDX-License-Identifier: MIT
 * Claim: two back ends never serve one ring: a node that the kernel's
 * xen-blkback has taken is refused with a sentence, at the attach and again
 * when a ring is offered, for the kernel may have been slower than we; nodes
 * of the other tree, and devices without that driver, are served. Source:
 * Linux, drivers/xen/xenbus (a device vbd-DOMID-DEVID for each node, its driver
 * called vbd) and block-vbdd(8). Mechanism: a vbdd for Xen, whose xenstored is
 * the stand-in's, and a sysfs of our own over /sys/bus, in a mount namespace. */
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

#define BUS "/sys/bus/xen-backend"
#define ADVICE "xen-blkback of this kernel has taken it"

/* --- the kernel ----------------------------------------------------------- */

static bool has_own_sysfs(void)
{
    return unshare(CLONE_NEWNS) == 0 &&
           mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("none", "/sys/bus", "tmpfs", 0, NULL) == 0 &&
           mkdir(BUS, 0755) == 0 && mkdir(BUS "/devices", 0755) == 0 &&
           mkdir(BUS "/drivers", 0755) == 0;
}

static void load_blkback(bool is_on)
{
    if (is_on)
        REQUIRE(mkdir(BUS "/drivers/vbd", 0755) == 0);
    else
        REQUIRE(rmdir(BUS "/drivers/vbd") == 0);
}

/* The device of a node, as the kernel makes it. driver: NULL, none. */
static void set_driver(const struct rig_device *device, const char *driver)
{
    char dir[96], link[112], to[64];

    snprintf(dir, sizeof dir, BUS "/devices/vbd-%u-%u", device->domid,
             device->devid);
    snprintf(link, sizeof link, "%s/driver", dir);
    mkdir(dir, 0755);
    unlink(link);
    snprintf(to, sizeof to, "../../../../bus/xen-backend/drivers/%s",
             driver ? driver : "");
    REQUIRE(!driver || symlink(to, link) == 0);
}

/* --- xl ------------------------------------------------------------------- */

static void use_tree(struct rig_device *device, const char *tree)
{
    snprintf(device->back, sizeof device->back,
             "/local/domain/0/backend/%s/%u/%u", tree, device->domid,
             device->devid);
}

static void write_node(const struct rig_device *device, const char *format)
{
    char text[160];

    rig_write(device->front, "state", "1");
    rig_write(device->back, "frontend", device->front);
    snprintf(text, sizeof text, "%s%s", format, device->target);
    rig_write(device->back, "params", text);
    rig_write(device->back, "mode", "w");
    rig_write(device->back, "online", "1");
    rig_write(device->back, "script", "/etc/xen/scripts/block-vbdd");
    rig_write(device->back, "state", "1");
}

static json_t *add(const struct rig_device *device)
{
    return rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                   "\"path\":\"%s\"}", device->back);
}

static void take_away(const struct rig_device *device)
{
    rig_remove(device->front);
    rig_remove(device->back);
    CHECK(rig_await_disk_state(device->target, NULL));
}

/* --- tests ---------------------------------------------------------------- */

static void check_warning(void)
{
    const char *log = rig_path("vbdd.log");

    CHECK_EQ(rig_count_text(log, "xen-blkback is loaded"), 0);
    load_blkback(true);
    rig_stop_vbdd();
    rig_start_vbdd_for_xen();
    CHECK(rig_await_text(log, "xen-blkback is loaded"));
    rig_stop_vbdd();
    load_blkback(false);
    rig_start_vbdd_for_xen();
    CHECK_EQ(rig_count_text(log, "xen-blkback is loaded"), 1);
}

static void check_served(void)
{
    static const char *const drivers[] = { NULL, "vbd-of-ours", "vif" };
    struct rig_device device = rig_device(5, "xvda", "free");

    for (unsigned i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        set_driver(&device, drivers[i]);
        write_node(&device, "");
        CHECK(rig_back_is(&device, "2"));
        CHECK(rig_ok(add(&device)));
        rig_publish(&device, "3");
        CHECK(rig_back_is(&device, "4"));
        take_away(&device);
    }
}

static void check_refused(void)
{
    struct rig_device device = rig_device(5, "xvda", "taken");

    set_driver(&device, "vbd");
    write_node(&device, "");
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_refused(add(&device), ADVICE));
    CHECK(rig_refused(add(&device), "backendtype=tap"));
    CHECK(rig_disk(device.target) == NULL);
    CHECK_EQ(rig_count_text(device.log, ""), 0); /* no worker was started */
    set_driver(&device, NULL);
    CHECK(rig_ok(add(&device))); /* it has let go */
    take_away(&device);
}

static void check_late(void)
{
    struct rig_device device = rig_device(5, "xvda", "late");

    set_driver(&device, NULL);
    write_node(&device, "");
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_ok(add(&device)));
    set_driver(&device, "vbd");
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "6"));
    CHECK(rig_holds(device.back, "error", ADVICE));
    CHECK_EQ(rig_count_text(device.log, "CONNECT"), 0);
    set_driver(&device, NULL);
    take_away(&device);
}

/* Another domain's, and another disk's, are not it. */
static void check_others(void)
{
    struct rig_device device = rig_device(5, "xvda", "not-it"),
                      disk = rig_device(5, "xvdb", "other"),
                      domain = rig_device(51, "xvda", "another");

    set_driver(&disk, "vbd");
    set_driver(&domain, "vbd");
    write_node(&device, "");
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_ok(add(&device)));
    take_away(&device);
}

static void check_tap(void)
{
    struct rig_device device = rig_device(5, "xvda", "tap");

    set_driver(&device, "vbd"); /* of backend/vbd/5/51712, then */
    use_tree(&device, "vbd3");
    write_node(&device, "aio:");
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_ok(add(&device)));
    rig_publish(&device, "3");
    CHECK(rig_back_is(&device, "4"));
    take_away(&device);
}

int main(void)
{
    if (!has_own_sysfs()) {
        tap_skip("what xen-blkback has taken is refused", "root");
        return tap_done();
    }
    rig_start("[defaults]\nengine = ok\n");
    rig_stop_vbdd();
    rig_start_vbdd_for_xen();
    TEST("that xen-blkback is loaded is said once, at the start",
         check_warning);
    TEST("what no driver, or another one, has taken is served", check_served);
    TEST("what xen-blkback has taken is refused, until it lets go",
         check_refused);
    TEST("what it takes after the attach is not connected", check_late);
    TEST("what it has of others does not matter", check_others);
    TEST("backend/vbd3 is not its own", check_tap);
    rig_end();
    return tap_done();
}
