/* SPDX-License-Identifier: MIT
 * The platform, the domain that this process is, and a disk of it: a real
 * vbdd with a real worker, attached as vbdctl does it. */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/local/local.h"
#include "frontend/port-local/port-local.h"
#include "tests/unit/supervisor-rig.h"
#include "tests/unit/tap.h"

enum { DOMID = 5, DOMAIN_PAGES = 16384, MOST_PORTS = 4096 };

#define TESTED "device/vbd/51712"  /* xvda */
#define WITNESS "device/vbd/51728" /* xvdb */

static const uint64_t patience_us = 20000000;

const struct vbdfront_port *world_port;

static struct port_local *domain;
static struct vbdfront_port counting_port;
static unsigned sent[MOST_PORTS], taken[MOST_PORTS];

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
        taken[ports[i] % MOST_PORTS]++;
    return nr;
}

static void count_notify(void *context, uint32_t event_port)
{
    sent[event_port % MOST_PORTS]++;
    port_local_table(domain)->event_notify(context, event_port);
}

void world_start(void)
{
    rig_worker = "vbdd-disk";
    rig_log_level = "warning";
    rig_start("");
    REQUIRE(port_local_open(rig_dir, DOMID, DOMAIN_PAGES, &domain) == 0);
    counting_port = *port_local_table(domain);
    counting_port.event_notify = count_notify;
    world_port = &counting_port;
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

    *disk = (struct disk){ .sectors = sectors };
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

static void close_witness(struct disk *disk)
{
    if (!disk->witness)
        return;
    vbdfront_disconnect(disk->witness, patience_us);
    vbdfront_close(disk->witness);
    disk->witness = NULL;
}

static void detach(const char *vdev)
{
    REQUIRE(rig_ok(rig_ask("{\"command\":\"detach\",\"domid\":%d,"
                           "\"vdev\":\"%s\"}", DOMID, vdev)));
}

void disk_close(struct disk *disk)
{
    close_witness(disk);
    detach("xvdb");
    detach("xvda");
}

static const char *connect(struct vbdfront **front, const char *node,
                           const struct vbdfront_config *config)
{
    REQUIRE(vbdfront_open(world_port, node, config, front) == 0);
    if (vbdfront_connect(*front, patience_us) != 0)
        return say("%s", vbdfront_reason(*front));
    return NULL;
}

const char *disk_reset(struct disk *disk)
{
    return data_write(disk, disk->witness, VBDFRONT_WRITE, 0,
                      (struct place){ .nr_sectors = DISK_SECTORS });
}

const char *disk_prepare(struct disk *disk, enum vbdfront_abi tested)
{
    struct vbdfront_config config;
    bool is_first = !disk->witness;
    const char *why;

    vbdfront_get_defaults(&config);
    config.abi = tested == VBDFRONT_ABI_X86_32 ? VBDFRONT_ABI_X86_64
                                               : VBDFRONT_ABI_X86_32;
    if (!is_first && disk->witness_abi == config.abi)
        return NULL;
    close_witness(disk);
    disk->witness_abi = config.abi;
    why = connect(&disk->witness, WITNESS, &config);
    return why || !is_first ? why : disk_reset(disk);
}

/* --- a session ----------------------------------------------------------- */

const char *session_connect(struct session *session)
{
    const struct combination *combination = session->combination;
    struct vbdfront_config config;

    vbdfront_get_defaults(&config);
    config.abi = combination->abi;
    config.max_queues = combination->queues;
    config.max_ring_page_order = combination->order;
    config.max_indirect_segments = combination->is_indirect ? 256 : 0;
    config.use_persistent = strcmp(combination->grants, "persistent") == 0;
    memset(sent, 0, sizeof sent);
    memset(taken, 0, sizeof taken);
    return connect(&session->front, TESTED, &config);
}

const char *session_disconnect(struct session *session)
{
    struct vbdfront_stats stats;
    int error = vbdfront_disconnect(session->front, patience_us);

    vbdfront_get_stats(session->front, &stats);
    vbdfront_close(session->front);
    session->front = NULL;
    if (error)
        return say("the disconnect: %s", strerror(-error));
    if (stats.grants_held || stats.pages_lost)
        return say("%llu grants are left, %llu pages lost",
                   (unsigned long long)stats.grants_held,
                   (unsigned long long)stats.pages_lost);
    return NULL;
}

struct port_count session_count_port(const struct session *session,
                                     unsigned queue)
{
    char path[64], value[16] = "";
    unsigned long port;

    if (session->combination->queues > 1)
        snprintf(path, sizeof path, TESTED "/queue-%u/event-channel", queue);
    else
        snprintf(path, sizeof path, TESTED "/event-channel");
    world_port->store_read(world_port->context, path, value, sizeof value);
    port = strtoul(value, NULL, 10) % MOST_PORTS;
    return (struct port_count){ .sent = sent[port], .taken = taken[port] };
}
