/* SPDX-License-Identifier: MIT
 * The domain and its disk, for one run. */
#include "tools/vbdfront/cli.h"

#include <errno.h>
#include <string.h>

#include "frontend/port-hosted/port-hosted.h"
#include "tools/guest/guest.h"

enum {
    SECOND_US = 1000000,
    CRASH_READS = 32,
};

static char node[GUEST_NODE_BYTES];
static const struct profile *profile; /* NULL: none */

static uint64_t timeout_us(const struct cli *cli)
{
    return cli->timeout_s * SECOND_US;
}

static bool connect_disk(struct cli *cli)
{
    const struct vbdfront_config *config = profile ? &profile->config
                                                   : &cli->config;

    cli->info = NULL;
    if (vbdfront_open(cli->port, node, config, &cli->front) != 0) {
        log_error("there is no memory for the disk");
        return false;
    }
    if (vbdfront_connect(cli->front, timeout_us(cli)) != 0)
        return false; /* the driver has logged why */
    cli->info = vbdfront_info(cli->front);
    return true;
}

static int disconnect_disk(struct cli *cli)
{
    char path[96];
    int error = 0, ended;

    /* no info: it could not connect */
    if (profile && profile->flushes_last && cli->info && !cli->info->read_only)
        error = vbdfront_do(cli->front, VBDFRONT_FLUSH, 0, 0, 0, NULL);
    ended = vbdfront_disconnect(cli->front, timeout_us(cli));
    vbdfront_close(cli->front);
    cli->front = NULL;
    for (const char *const *leaf = profile ? profile->removes : NULL;
         leaf && *leaf; leaf++) {
        snprintf(path, sizeof path, "%s/%s", node, *leaf);
        port_hosted_store_remove(cli->port, path);
    }
    return error ? error : ended;
}

/* --- one driver after the other ------------------------------------------ */

static void forget(struct vbdfront_io *io, int error)
{
    (void)io;
    (void)error;
}

/* The kernel crashes in the middle of reading: its driver is never heard of
 * again, its pages stay granted. Watches do not outlive it (Linux resets
 * them). */
static bool crash(struct cli *cli)
{
    static struct vbdfront_io ios[CRASH_READS];
    uint32_t unit = PAGE_BYTES / SECTOR_BYTES;
    char path[300], backend[256];

    for (unsigned i = 0; i < CRASH_READS && cli->info->nr_sectors >= unit;
         i++) {
        ios[i] = (struct vbdfront_io){
            .op = VBDFRONT_READ, .nr_sectors = unit, .done = forget,
            .data = disk_alloc(cli, PAGE_BYTES) };
        if (!ios[i].data)
            return false;
        vbdfront_submit(cli->front, &ios[i]);
    }
    vbdfront_poll(cli->front);
    snprintf(path, sizeof path, "%s/backend", node);
    if (cli->port->store_read(cli->port->context, path, backend,
                              sizeof backend) >= 0) {
        snprintf(path, sizeof path, "%s/state", backend);
        cli->port->store_unwatch(cli->port->context, path);
    }
    cli->front = NULL;
    return true;
}

static bool hand_over(struct cli *cli, const struct profile *next)
{
    if (next->follows_a_crash)
        return crash(cli);
    if (disconnect_disk(cli) == 0)
        return true;
    log_error("%s did not close in order", profile->name);
    return false;
}

static bool find_disk(const struct cli *cli)
{
    char domain[32] = "";

    if (guest_wait_for_disk(cli->port, cli->vdev, cli->timeout_s, node))
        return true;
    if (cli->local_dir)
        snprintf(domain, sizeof domain, " of domain %u",
                 (unsigned)cli->domid);
    log_error("there is no disk %s%s after %llu s", cli->vdev_name, domain,
              (unsigned long long)cli->timeout_s);
    return false;
}

int disk_open(struct cli *cli)
{
    const char *list = cli->as;

    if (!platform_open(cli) || !find_disk(cli) || !platform_claim(cli))
        return EXIT_FAILED;
    do {
        const struct profile *next = list ? profile_take(&list) : NULL;

        if (cli->front && !hand_over(cli, next))
            return EXIT_FAILED;
        profile = next;
        if (!connect_disk(cli))
            return EXIT_FAILED;
    } while (list && *list);
    return EXIT_OK;
}

int disk_close(struct cli *cli)
{
    int error = 0;

    if (cli->front)
        error = disconnect_disk(cli);
    platform_close();
    return error ? EXIT_FAILED : EXIT_OK;
}

void *disk_alloc(struct cli *cli, uint64_t nr_bytes)
{
    uint64_t pages = (nr_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    void *memory = pages > GUEST_PAGES ? NULL
        : cli->port->page_alloc(cli->port->context, (unsigned)pages);

    if (!memory)
        log_error("%llu bytes of buffers are more than the domain has",
                  (unsigned long long)nr_bytes);
    return memory;
}

int disk_say_failed(struct cli *cli, const char *operation, uint64_t sector,
                    int error)
{
    bool is_broken = vbdfront_state(cli->front) == VBDFRONT_BROKEN;

    log_error("%s at sector %llu failed: %s%s%s", operation,
              (unsigned long long)sector, strerror(-error),
              is_broken ? ": " : "",
              is_broken ? vbdfront_reason(cli->front) : "");
    return EXIT_FAILED;
}

void disk_wait(struct cli *cli)
{
    if (vbdfront_poll(cli->front) == 0)
        cli->port->wait(cli->port->context, SECOND_US);
}

bool disk_check_range(struct cli *cli, uint64_t sector, uint64_t nr_sectors)
{
    uint64_t end = cli->info->nr_sectors;
    uint64_t unit = cli->info->sector_bytes / SECTOR_BYTES;

    if (nr_sectors > end || sector > end - nr_sectors) {
        log_error("sectors %llu to %llu were asked for, the disk has %llu",
                  (unsigned long long)sector,
                  (unsigned long long)(sector + nr_sectors),
                  (unsigned long long)end);
        return false;
    }
    if (sector % unit || nr_sectors % unit) {
        log_error("%llu sectors at %llu were asked for, expected multiples "
                  "of %llu", (unsigned long long)nr_sectors,
                  (unsigned long long)sector, (unsigned long long)unit);
        return false;
    }
    return true;
}
