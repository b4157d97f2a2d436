/* SPDX-License-Identifier: MIT
 * The front ends of the disk, on whatever platform: the one under test, and the
 * witness. */
#include "tests/conformance/conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/tap.h"

enum { MOST_PORTS = 4096 };

static const uint64_t patience_us = 20000000;

const struct vbdfront_port *world_port;

static const struct vbdfront_port *real_port;
static struct vbdfront_port counting_port;
static unsigned sent[MOST_PORTS], taken[MOST_PORTS];

/* --- the port ------------------------------------------------------------ */

static void count_notify(void *context, uint32_t event_port)
{
    sent[event_port % MOST_PORTS]++;
    real_port->event_notify(context, event_port);
}

void world_use(const struct vbdfront_port *port)
{
    real_port = port;
    counting_port = *port;
    counting_port.event_notify = count_notify;
    world_port = &counting_port;
}

void world_count_taken(uint32_t event_port)
{
    taken[event_port % MOST_PORTS]++;
}

/* --- the witness --------------------------------------------------------- */

void disk_part(struct disk *disk)
{
    if (!disk->witness)
        return;
    vbdfront_disconnect(disk->witness, patience_us);
    vbdfront_close(disk->witness);
    disk->witness = NULL;
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
    disk_part(disk);
    disk->witness_abi = config.abi;
    why = connect(&disk->witness, disk->witness_node, &config);
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
    return connect(&session->front, session->disk->tested_node, &config);
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
    const char *node = session->disk->tested_node;
    char path[64], value[16] = "";
    unsigned long port;

    if (session->combination->queues > 1)
        snprintf(path, sizeof path, "%s/queue-%u/event-channel", node, queue);
    else
        snprintf(path, sizeof path, "%s/event-channel", node);
    world_port->store_read(world_port->context, path, value, sizeof value);
    port = strtoul(value, NULL, 10) % MOST_PORTS;
    return (struct port_count){ .sent = sent[port], .taken = taken[port] };
}
