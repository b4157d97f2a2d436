/* SPDX-License-Identifier: MIT
 * conformance-guest TESTED WITNESS: the conformance run in a Linux guest of
 * Xen's, against whatever serves two disks (xvdb, say) that are the same 4 MiB.
 *
 * Claim: each operation moves its data, whole and to where it belongs, in each
 * layout of the ring, with each number of queues, ring pages and segments, and
 * with grants that stay, as far as the back end offers them: what it does not
 * offer is skipped, by name, and what it offers both ends agree on. All that is
 * written is destroyed. With VBDD_TEST_SCALE=n only each n-th layout is tried.
 * Source: blkif.h, docs/PROTOCOL.md.
 * Mechanism: as in table.c, but the back end is anybody's: so the front end's
 * own account of what was agreed on is compared with what stands in XenStore,
 * and what was discarded may read as anything. */
#include "tests/conformance/conformance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xenevtchn.h>

#include "common/host/log.h"
#include "common/host/vdev.h"
#include "frontend/port-linux/port-linux.h"
#include "tests/unit/tap.h"

enum { DOMAIN_PAGES = 16384, MOST_STEPS = 32, NODE_BYTES = 64 };

static const struct combination combinations[] = {
    { NULL, "copy", VBDFRONT_ABI_NATIVE, false, 1, 0 },
    { NULL, "copy", VBDFRONT_ABI_X86_32, false, 1, 0 },
    { NULL, "copy", VBDFRONT_ABI_X86_64, false, 1, 0 },
    { NULL, "copy", VBDFRONT_ABI_NATIVE, false, 1, 1 },
    { NULL, "copy", VBDFRONT_ABI_NATIVE, false, 1, 4 },
    { NULL, "copy", VBDFRONT_ABI_NATIVE, true, 1, 0 },
    { NULL, "copy", VBDFRONT_ABI_NATIVE, false, 2, 0 },
    { NULL, "copy", VBDFRONT_ABI_NATIVE, false, 4, 0 },
    { NULL, "persistent", VBDFRONT_ABI_NATIVE, false, 1, 0 },
    { NULL, "persistent", VBDFRONT_ABI_X86_32, true, 1, 1 },
    { NULL, "persistent", VBDFRONT_ABI_NATIVE, true, 2, 4 },
    { NULL, "copy", VBDFRONT_ABI_X86_64, true, 4, 4 },
};
enum { NR = sizeof combinations / sizeof *combinations };

static struct disk disk;
static struct sectors sectors = { "the back end's", 0, 0 };
static struct combination combination;
static unsigned nr_done[MOST_STEPS];

/* --- the domain ---------------------------------------------------------- */

/* As in world.c. */
xenevtchn_port_or_error_t __real_xenevtchn_pending(xenevtchn_handle *handle);
xenevtchn_port_or_error_t __wrap_xenevtchn_pending(xenevtchn_handle *handle);

xenevtchn_port_or_error_t __wrap_xenevtchn_pending(xenevtchn_handle *handle)
{
    int event_port = __real_xenevtchn_pending(handle);

    if (event_port >= 0)
        world_count_taken((uint32_t)event_port);
    return event_port;
}

/* Its node, and it is ours while the program lives. */
static void claim(const char *name, char node[NODE_BYTES])
{
    uint32_t vdev;

    REQUIRE(vdev_parse(name, &vdev) == 0);
    REQUIRE(port_linux_claim("/sys/bus/xen", vdev) != -EBUSY);
    snprintf(node, NODE_BYTES, "device/vbd/%u", vdev);
}

/* --- what the back end offers -------------------------------------------- */

static uint32_t offered(const char *leaf, uint32_t otherwise)
{
    char backend[256] = "", path[320], value[32];

    snprintf(path, sizeof path, "%s/backend", disk.tested_node);
    world_port->store_read(world_port->context, path, backend,
                           sizeof backend);
    snprintf(path, sizeof path, "%s/%s", backend, leaf);
    if (world_port->store_read(world_port->context, path, value,
                               sizeof value) < 0)
        return otherwise;
    return (uint32_t)strtoul(value, NULL, 10);
}

static const char *find_missing(const struct combination *c)
{
    uint32_t queues = offered("multi-queue-max-queues", 1);
    uint32_t order = offered("max-ring-page-order", 0);

    if (c->queues > queues)
        return say("%u queues: the back end offers %u", c->queues, queues);
    if (c->order > order)
        return say("rings of order %u: the back end offers %u", c->order,
                   order);
    if (c->is_indirect && offered("feature-max-indirect-segments", 0) < 256)
        return say("256 indirect segments: the back end offers %u",
                   offered("feature-max-indirect-segments", 0));
    if (strcmp(c->grants, "persistent") == 0 &&
        !offered("feature-persistent", 0))
        return "grants that stay: the back end does not offer them";
    return NULL;
}

/* --- what was agreed on and done ----------------------------------------- */

const char *agreed_check(struct session *session)
{
    const struct combination *c = session->combination;
    const struct vbdfront_info *info = vbdfront_info(session->front);
    const struct {
        const char *what;
        uint64_t got, want;
    } rows[] = {
        { "sectors", info->nr_sectors, DISK_SECTORS },
        { "sector size", info->sector_bytes, offered("sector-size", 512) },
        { "segments", info->max_segments, c->is_indirect ? 256 : 11 },
        { "queues", info->nr_queues, c->queues },
        { "ring pages", info->ring_pages, 1u << c->order },
        { "slots", info->ring_slots, 32u << c->order },
        { "persistent", info->is_persistent,
          strcmp(c->grants, "persistent") == 0 },
        { "flush", info->has_flush, offered("feature-flush-cache", 0) },
        { "barrier", info->has_barrier, offered("feature-barrier", 0) },
        { "discard", info->has_discard, offered("feature-discard", 0) },
    };

    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].got != rows[i].want)
            return say("%s: %llu, not %llu", rows[i].what,
                       (unsigned long long)rows[i].got,
                       (unsigned long long)rows[i].want);
    return NULL;
}

const char *agreed_check_counts(const struct session *session)
{
    struct vbdfront_stats stats;

    vbdfront_get_stats(session->front, &stats);
    return stats.ring_requests == stats.responses
               ? NULL : say("%llu requests, %llu answers",
                            (unsigned long long)stats.ring_requests,
                            (unsigned long long)stats.responses);
}

/* --- one combination ----------------------------------------------------- */

static const char *prepare(void)
{
    const char *why = disk_prepare(&disk, combination.abi);
    const struct vbdfront_info *info;

    if (why)
        return why;
    info = vbdfront_info(disk.witness);
    sectors.sector_bytes = info->sector_bytes;
    sectors.block_bytes = info->physical_sector_bytes;
    return NULL;
}

/* Steps after connecting know what is offered. */
static bool is_possible(const struct session *session,
                        const struct step *step)
{
    return !step->is_offered || step->is_offered(vbdfront_info(session->front));
}

static void try(void)
{
    struct session session = { .combination = &combination, .disk = &disk };
    const char *why = prepare();

    if (!CHECK(!why)) {
        NOTE("the witness: %s", why);
        return;
    }
    session.unit = sectors.sector_bytes / SECTOR;
    for (unsigned i = 0; i < nr_steps && !why; i++) {
        if (!is_possible(&session, &steps[i]))
            continue;
        nr_done[i]++;
        why = steps[i].run(&session);
        if (!CHECK(!why))
            NOTE("%s: %s", steps[i].name, why);
    }
    if (why && session.front)
        session_disconnect(&session);
    if (why)
        disk_reset(&disk);
}

static void try_or_skip(const struct combination *wanted)
{
    static const char *const abis[] = { "native", "x86_32", "x86_64" };
    char sentence[128];
    uint64_t start_us = host_now_us(), before = data_operations;
    const char *missing;

    combination = *wanted;
    combination.sectors = &sectors;
    snprintf(sentence, sizeof sentence, "%s, %s, %u queues of order %u, "
             "grants %s: every operation", abis[wanted->abi],
             wanted->is_indirect ? "indirect" : "direct", wanted->queues,
             wanted->order,
             strcmp(wanted->grants, "copy") == 0 ? "for each request"
                                                 : "that stay");
    missing = find_missing(wanted);
    if (missing) {
        tap_skip(sentence, missing);
        return;
    }
    TEST(sentence, try);
    NOTE("%llu operations in %llu ms",
         (unsigned long long)(data_operations - before),
         (unsigned long long)(host_now_us() - start_us) / 1000);
}

static void check_steps(void)
{
    for (unsigned i = 0; i < nr_steps; i++)
        if (!steps[i].is_offered)
            CHECK(nr_done[i] > 0);
}

int main(int argc, char **argv)
{
    static char tested[NODE_BYTES], witness[NODE_BYTES];
    unsigned stride = (unsigned)tap_env("VBDD_TEST_SCALE", 1);
    struct port_linux *port;

    log_init("conformance", LOG_LEVEL_WARNING);
    REQUIRE(argc == 3 && nr_steps <= MOST_STEPS);
    claim(argv[1], tested);
    claim(argv[2], witness);
    REQUIRE(port_linux_open(DOMAIN_PAGES, &port) == 0);
    world_use(port_linux_table(port));
    data_open();
    disk.tested_node = tested;
    disk.witness_node = witness;
    disk.sectors = &sectors;
    for (unsigned i = 0; i < NR; i += stride)
        try_or_skip(&combinations[i]);
    TEST("all steps that need no feature were made", check_steps);
    for (unsigned i = 0; i < nr_steps; i++)
        if (nr_done[i] == 0 && steps[i].is_offered)
            tap_skip(steps[i].name, "a back end that offers it");
    disk_part(&disk);
    port_linux_close(port);
    NOTE("%llu operations, %llu sectors verified",
         (unsigned long long)data_operations,
         (unsigned long long)data_sectors);
    return tap_done();
}
