/* SPDX-License-Identifier: MIT
 * The table's platform and its disks: the stand-in, a domain there that this
 * process is, and a real vbdd with a real worker, by whom disks are attached as
 * vbdctl does it. */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <unistd.h>

#include "common/local/local.h"
#include "frontend/port-local/port-local.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { DOMID = 5, DOMAIN_PAGES = 16384 };

static struct port_local *domain;

/* --- the domain ---------------------------------------------------------- */

/* The driver looks at all its rings, whatever port has fired. The linker leads
 * its port's calls here (--wrap), so that they can be told apart. */
int __real_local_event_take(struct local *local, uint32_t *ports,
                            unsigned max);
int __wrap_local_event_take(struct local *local, uint32_t *ports,
                            unsigned max);

int __wrap_local_event_take(struct local *local, uint32_t *ports,
                            unsigned max)
{
    int nr = __real_local_event_take(local, ports, max);

    for (int i = 0; i < nr; i++)
        world_count_taken(ports[i]);
    return nr;
}

void world_start(void)
{
    rig_worker = "vbdd-disk";
    rig_log_level = "warning";
    rig_start("");
    REQUIRE(port_local_open(rig_dir, DOMID, DOMAIN_PAGES, &domain) == 0);
    world_use(port_local_table(domain));
}

void world_end(void)
{
    port_local_close(domain);
    rig_end();
}

/* --- the disk ------------------------------------------------------------ */

static bool attach(const struct disk *disk, const char *vdev,
                   const char *options)
{
    return rig_ok(rig_ask(
        "{\"command\":\"attach\",\"domid\":%d,\"vdev\":\"%s\","
        "\"target\":\"%s\",\"options\":{"
        "\"engine\":\"mem:size=%d,block=%u\",%s}}", DOMID, vdev,
        rig_path("target"), DISK_SECTORS * SECTOR,
        disk->sectors->block_bytes, options));
}

void disk_open(struct disk *disk, const struct sectors *sectors,
               const char *grants)
{
    char options[256];

    *disk = (struct disk){
        .tested_node = "device/vbd/51712", /* xvda */
        .witness_node = "device/vbd/51728", /* xvdb */
        .sectors = sectors, .discards_to_zeros = true };
    rig_touch(rig_path("target"));
    REQUIRE(truncate(rig_path("target"), DISK_SECTORS * SECTOR) == 0);
    snprintf(options, sizeof options,
             "\"queues\":\"4\",\"ring-page-order\":\"4\","
             "\"indirect-segments\":\"256\",\"grants\":\"%s\","
             "\"sector-size\":\"%u\"", grants, sectors->sector_bytes);
    REQUIRE(attach(disk, "xvda", options));
    REQUIRE(attach(disk, "xvdb", "\"ring-page-order\":\"0\","
                                 "\"indirect-segments\":\"0\""));
}

static void detach(const char *vdev)
{
    REQUIRE(rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":%d,"
                           "\"vdev\":\"%s\"}", DOMID, vdev)));
}

void disk_close(struct disk *disk)
{
    disk_part(disk);
    detach("xvdb");
    detach("xvda");
}
