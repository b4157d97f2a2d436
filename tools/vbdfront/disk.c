/* SPDX-License-Identifier: MIT
 * The domain and its disk, for one run. */
#include "tools/vbdfront/cli.h"

#include <errno.h>
#include <string.h>

#include "frontend/port-local/port-local.h"

enum {
    DOMAIN_PAGES = 65536, /* 256 MiB, of which only what is used exists */
    SECOND_US = 1000000,
};

static struct port_local *port_local;

static uint64_t timeout_us(const struct cli *cli)
{
    return cli->timeout_s * SECOND_US;
}

static int open_domain(struct cli *cli)
{
    int error = port_local_open(cli->local_dir, (uint32_t)cli->domid,
                                DOMAIN_PAGES, &port_local);

    if (!error) {
        cli->port = port_local_table(port_local);
        return EXIT_OK;
    }
    if (error == -EEXIST)
        log_error("domain %llu lives already in %s",
                  (unsigned long long)cli->domid, cli->local_dir);
    else
        log_error("domain %llu cannot be made in %s: %s",
                  (unsigned long long)cli->domid, cli->local_dir,
                  strerror(-error));
    return EXIT_FAILED;
}

/* The toolstack may attach the disk only now that the domain lives. */
static bool wait_for_device(struct cli *cli, const char *node)
{
    const struct vbdfront_port *port = cli->port;
    uint64_t start_us = port->now_us(port->context), waited_us;
    char path[96], value[256];

    snprintf(path, sizeof path, "%s/backend", node);
    port->store_watch(port->context, path);
    while (port->store_read(port->context, path, value, sizeof value) < 0) {
        waited_us = port->now_us(port->context) - start_us;
        if (waited_us >= timeout_us(cli))
            break;
        port->wait(port->context, timeout_us(cli) - waited_us);
    }
    port->store_unwatch(port->context, path);
    if (port->store_read(port->context, path, value, sizeof value) >= 0)
        return true;
    log_error("there is no disk %s of domain %llu in %s after %llu s",
              cli->vdev_name, (unsigned long long)cli->domid, cli->local_dir,
              (unsigned long long)cli->timeout_s);
    return false;
}

int disk_open(struct cli *cli)
{
    char node[64];

    if (open_domain(cli) != EXIT_OK)
        return EXIT_FAILED;
    snprintf(node, sizeof node, "/local/domain/%llu/device/vbd/%u",
             (unsigned long long)cli->domid, cli->vdev);
    if (!wait_for_device(cli, node))
        return EXIT_FAILED;
    if (vbdfront_open(cli->port, node, &cli->config, &cli->front) != 0) {
        log_error("there is no memory for the disk");
        return EXIT_FAILED;
    }
    if (vbdfront_connect(cli->front, timeout_us(cli)) != 0)
        return EXIT_FAILED; /* the driver has logged why */
    cli->info = vbdfront_info(cli->front);
    return EXIT_OK;
}

int disk_close(struct cli *cli)
{
    int error = 0;

    if (cli->front)
        error = vbdfront_disconnect(cli->front, timeout_us(cli));
    vbdfront_close(cli->front);
    port_local_close(port_local);
    return error ? EXIT_FAILED : EXIT_OK;
}

void *disk_alloc(struct cli *cli, uint64_t nr_bytes)
{
    uint64_t pages = (nr_bytes + PAGE_BYTES - 1) / PAGE_BYTES;
    void *memory = pages > DOMAIN_PAGES ? NULL
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
