/* SPDX-License-Identifier: MIT
 * Claim: policy is never read from a node that a guest can write (XSA-175,
 * XSA-178). Whatever a guest writes into its front end's directory, also under
 * the names of the toolstack's nodes, in whatever size, before the attach and
 * after it: its disk, and what it may do with it, is what the toolstack has
 * said; and the toolstack's nodes it cannot write. Source:
 * docs/THREAT-MODEL.md, "What is read of XenStore". Mechanism: a domain of the
 * stand-in, on its own connection to the store, that writes all it can think
 * of; its life is compared with that of a guest that writes nothing. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/local/local.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { DOMID = 5, HUGE_BYTES = 2040, LIFE_BYTES = 16384 };

static struct local *domain;
static struct xs_handle *guest; /* the domain's own connection */
static struct rig_device device;

/* What a life came to. */
struct life {
    char published[LIFE_BYTES]; /* the back-end directory */
    char worker[LIFE_BYTES];    /* what the worker was asked */
    char listed[LIFE_BYTES];    /* what vbdctl shows */
};

static const struct lie {
    const char *name, *value; /* NULL: as long as a value can be */
} lies[] = {
    { "script", "/etc/xen/scripts/block" }, { "params", "/etc/passwd" },
    { "params", NULL }, { "mode", "w" }, { "mode", "w!" }, { "mode", NULL },
    { "online", "0" }, { "frontend", "/local/domain/6/device/vbd/51712" },
    { "frontend-id", "6" }, { "backend", "/local/domain/0/backend/vbd/6/1" },
    { "backend", "/local/domain/6/backend/vbd/5/51712" },
    { "backend", "../../../../6" }, { "backend", NULL },
    { "backend-id", "6" }, { "backend-id", "-1" }, { "virtual-device", "768" },
    { "discard-enable", "1" }, { "device-type", "cdrom" },
    { "removable", "1" }, { "type", "vbd3" }, { "hotplug-status", "error" },
    { "hotplug-error", "no" }, { "physical-device", "8:0" },
    { "physical-device-path", "/dev/sda" }, { "target", "0" },
    { "vm", "/vm/00000000-0000-0000-0000-000000000000" },
    { "sectors", "1" }, { "sector-size", "4096" }, { "info", "0" },
    { "feature-discard", "1" }, { "discard-secure", "1" },
    { "multi-queue-max-queues", "4" }, { "max-ring-page-order", "4" },
    { "feature-max-indirect-segments", "256" }, { "error", "mine" },
    { "trusted", "0" }, { "options", "mode=w" }, { "bootable", "0" },
    { "params/mode", "w" }, { "51712/params", "/etc/passwd" },
    { "state/online", "0" }, { "queue-0/ring-ref", "9" },
    { "queue-0/event-channel", "4" }, { "mode-w", NULL },
};

/* --- the guest ------------------------------------------------------------ */

static bool guest_writes(const char *dir, const char *name, const char *value)
{
    char path[192], huge[HUGE_BYTES];

    memset(huge, 'w', sizeof huge);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return xs_write(guest, XBT_NULL, path, value ? value : huge,
                    value ? (unsigned)strlen(value) : HUGE_BYTES);
}

static void tell_lies(void)
{
    for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++)
        CHECK(guest_writes(device.front, lies[i].name, lies[i].value));
}

static void open_guest(void)
{
    char door[128];

    REQUIRE(local_open(rig_dir, &domain) == 0);
    REQUIRE(local_domain_create(domain, DOMID, 64) == 0);
    snprintf(door, sizeof door, "%s/domain-%d/xenstored", rig_dir, DOMID);
    setenv("XENSTORED_PATH", door, 1);
    guest = xs_open(0);
    REQUIRE(guest);
    setenv("XENSTORED_PATH", rig_path("xenstored"), 1);
    rig_make_dir("/local/domain/5/device", DOMID, DOMID); /* as libxl does */
    rig_make_dir("/local/domain/5/device/vbd", DOMID, 0);
}

/* --- the toolstack -------------------------------------------------------- */

static void write_trees(bool has_lies)
{
    rig_make_dir(device.front, DOMID, 0);
    if (has_lies)
        tell_lies();
    CHECK(guest_writes(device.front, "state", "1"));
    rig_make_dir(device.back, 0, DOMID);
    rig_write(device.back, "frontend", device.front);
    rig_write(device.back, "frontend-id", "5");
    rig_write(device.back, "params", device.target);
    rig_write(device.back, "mode", "r");
    rig_write(device.back, "discard-enable", "0");
    rig_write(device.back, "device-type", "disk");
    rig_write(device.back, "online", "1");
    rig_write(device.back, "script", "/etc/xen/scripts/block-vbdd");
    rig_write(device.back, "state", "1");
}

/* --- a life --------------------------------------------------------------- */

static void add_text(char *text, const char *more)
{
    REQUIRE(strlen(text) + strlen(more) + 2 < LIFE_BYTES);
    strcat(strcat(text, more), "\n");
}

static void look_at_back(char *text)
{
    unsigned nr, length;
    char **names = xs_directory(rig_xs, XBT_NULL, device.back, &nr);

    REQUIRE(names);
    for (unsigned i = 0; i < nr; i++) {
        char path[192], *value;

        snprintf(path, sizeof path, "%s/%s", device.back, names[i]);
        value = xs_read(rig_xs, XBT_NULL, path, &length);
        add_text(text, names[i]);
        add_text(text, value ? value : "(unreadable)");
        free(value);
    }
    free(names);
}

static void look_at_worker(char *text)
{
    FILE *file = fopen(device.log, "r");
    char line[512];

    REQUIRE(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "START", 5) == 0) /* not its disk's number */
            add_text(text, strstr(line, "--target"));
        else if (strncmp(line, "STATS", 5) != 0)
            add_text(text, line);
    }
    fclose(file);
}

static void look_at_list(char *text)
{
    const json_t *vbd = rig_vbd(device.name);

    add_text(text, json_string_value(json_object_get(vbd, "mode")));
    add_text(text, json_string_value(json_object_get(vbd, "node")));
    add_text(text, json_is_true(json_object_get(rig_disk(device.target),
                                                "read_only")) ? "r" : "w");
}

static void live(struct life *life, bool has_lies)
{
    *life = (struct life){ .published = "" };
    rig_unlink(device.log);
    write_trees(has_lies);
    CHECK(rig_back_is(&device, "2"));
    CHECK(rig_ok(rig_ask("{\"command\":\"hotplug\",\"action\":\"add\","
                         "\"path\":\"%s\"}", device.back)));
    CHECK(guest_writes(device.front, "ring-ref", "8") &&
          guest_writes(device.front, "event-channel", "3") &&
          guest_writes(device.front, "state", "3"));
    CHECK(rig_back_is(&device, "4"));
    CHECK(guest_writes(device.front, "state", "4"));
    if (has_lies)
        tell_lies();
    rig_write(device.back, "online", "1"); /* it looks once more */
    look_at_list(life->listed);
    look_at_back(life->published);
    rig_remove(device.front);
    rig_remove(device.back);
    CHECK(rig_await_disk_state(device.target, NULL));
    look_at_worker(life->worker);
}

/* --- tests ---------------------------------------------------------------- */

static void check_lies(void)
{
    static struct life honest, lying;

    live(&honest, false);
    live(&lying, true);
    CHECK_STR(lying.published, honest.published);
    CHECK_STR(lying.worker, honest.worker);
    CHECK_STR(lying.listed, honest.listed);
    CHECK(strstr(honest.listed, "r\n") == honest.listed);
    CHECK(strstr(honest.worker, "CONNECT"));
    CHECK(!strstr(honest.published, "feature-discard"));
}

/* And nothing of the toolstack's can be written, nor taken away. */
static void check_closed(void)
{
    static const char *const names[] = { "script", "params", "mode", "online",
                                         "state", "new" };

    write_trees(false);
    CHECK(rig_back_is(&device, "2"));
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        errno = 0;
        CHECK(!guest_writes(device.back, names[i], "w"));
        CHECK_EQ(errno, EACCES);
    }
    CHECK(!xs_rm(guest, XBT_NULL, device.back));
    CHECK(!guest_writes("/local/domain/5", "target", "0"));
    CHECK(!guest_writes("/local/domain/5", "vm", "/vm/1"));
    CHECK(!guest_writes("/local/domain/0/backend/vbd", "5/1", ""));
    rig_remove(device.front);
    rig_remove(device.back);
    CHECK(rig_await(device.back, "state", NULL));
}

/* A directory that the guest has taken away, and one that is a value. */
static void check_odd_directories(void)
{
    struct xs_permissions nobody = { .id = DOMID, .perms = XS_PERM_NONE };

    write_trees(false);
    CHECK(rig_back_is(&device, "2"));
    CHECK(xs_set_permissions(guest, XBT_NULL, device.front, &nobody, 1));
    CHECK(xs_rm(guest, XBT_NULL, device.front));
    CHECK(rig_back_is(&device, "6")); /* a missing front end has closed */
    CHECK(guest_writes("/local/domain/5/device/vbd", "51712",
                       "/local/domain/6/device/vbd/51712"));
    rig_write(device.back, "online", "1"); /* it looks once more */
    CHECK(rig_vbd(device.name) && rig_back_is(&device, "6"));
    CHECK(guest_writes(device.front, "state", "1"));
    CHECK(rig_back_is(&device, "2"));
    rig_remove(device.front);
    rig_remove(device.back);
    CHECK(rig_await(device.back, "state", NULL));
}

int main(void)
{
    rig_start("[defaults]\nengine = ok\n");
    open_guest();
    device = rig_device(DOMID, "xvda", "target");
    TEST("what a guest writes into its own directory is no policy", check_lies);
    TEST("what the toolstack has written a guest cannot write", check_closed);
    TEST("a front end's directory that is none harms nobody",
         check_odd_directories);
    xs_close(guest);
    local_close(domain);
    rig_end();
    return tap_done();
}
