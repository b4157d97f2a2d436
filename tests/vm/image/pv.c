/* SPDX-License-Identifier: MIT
 * What the cases need of frontend/port-hvm and of the driver. */
#include <stdint.h>

#include <xen/errno.h>
#include <xen/xen.h>
#include <xen/sched.h>

#include "frontend/port-hvm/port-hvm.h"
#include "frontend/private.h"
#include "tests/vm/image/memory.h"
#include "tests/vm/image/path.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/tap.h"

enum { WRITER = 30, MAX_SECTORS = 2048, NAMES_BYTES = 256, NODE_BYTES = 64 };

static const char *const boot_disks[] = { "768", "51712", "51728" };

static const struct vbdfront_port *port;
static struct vbdfront *disk;

static void log_sentence(const char *sentence)
{
    say("# %s", sentence);
}

void pv_start(void)
{
    if (port_hvm_start((void *)PORT_MEMORY, MEMORY_END - PORT_MEMORY,
                       log_sentence)) {
        path_pv.missing = "there is no Xen here";
        return;
    }
    port = port_hvm_table();
    path_pv.missing = "it is not connected";
    say("# Xen %u.%u, domain %u", port_hvm_xen_version() >> 16,
        port_hvm_xen_version() & 0xffff, port_hvm_domid());
}

bool pv_has_xen(void)
{
    return port;
}

/* ---- disks -------------------------------------------------------------- */

static bool is_boot_disk(const char *name)
{
    for (unsigned i = 0; i < sizeof(boot_disks) / sizeof(*boot_disks); i++) {
        if (__builtin_strcmp(name, boot_disks[i]) == 0)
            return true;
    }
    return false;
}

/* The first disk that is the boot disk, or that is not. */
static int find_disk(bool is_boot, char node[NODE_BYTES])
{
    char names[NAMES_BYTES];
    int bytes = port_hvm_store_list("device/vbd", names, sizeof(names));

    for (const char *name = names; name < names + bytes; name++) {
        if (is_boot_disk(name) == is_boot) {
            front_text_format(node, NODE_BYTES, "device/vbd/%s", name);
            return 0;
        }
        while (*name)
            name++;
    }
    return -XEN_ENOENT;
}

static int open_disk(bool is_boot, struct vbdfront **front)
{
    char node[NODE_BYTES];
    int error = find_disk(is_boot, node);

    if (!error)
        error = vbdfront_open(port, node, NULL, front);
    if (error)
        return error;
    error = vbdfront_connect(*front, PV_TIMEOUT_US);
    if (error)
        say("# %s: %s", node, vbdfront_reason(*front));
    return error;
}

void pv_connect(void)
{
    if (port)
        path_pv.missing = open_disk(true, &disk) ? "it did not connect" : NULL;
}

int pv_open_second(struct vbdfront **front)
{
    return open_disk(false, front);
}

struct vbdfront *pv_front(void)
{
    return disk;
}

void pv_pretend_sectors(uint64_t nr_sectors)
{
    disk->info.nr_sectors = nr_sectors;
}

void pv_pretend_writable(struct vbdfront *front)
{
    front->info.read_only = false;
}

/* ---- operations --------------------------------------------------------- */

static int last_error;

static void keep_error(struct vbdfront_io *io, int error)
{
    (void)io;
    last_error = error;
}

int pv_drain(void)
{
    int error = vbdfront_drain(disk, PV_TIMEOUT_US);

    if (error)
        path_pv.missing = "it has left a request without an answer";
    return error;
}

int pv_do(enum vbdfront_op op, unsigned flags, uint64_t sector,
          uint32_t nr_sectors, void *data)
{
    static struct vbdfront_io io;
    int error;

    io = (struct vbdfront_io){ .op = op, .flags = flags, .sector = sector,
                               .nr_sectors = nr_sectors, .data = data,
                               .done = keep_error };
    vbdfront_submit(disk, &io);
    error = pv_drain();
    return error ? error : last_error;
}

static int pv_read(uint64_t sector, uint32_t nr_sectors, void *data)
{
    return pv_do(VBDFRONT_READ, 0, sector, nr_sectors, data);
}

static int pv_write(uint64_t sector, uint32_t nr_sectors, void *data)
{
    return pv_do(VBDFRONT_WRITE, 0, sector, nr_sectors, data);
}

static int pv_flush(void)
{
    return pv_do(VBDFRONT_FLUSH, 0, 0, 0, NULL);
}

struct path path_pv = {
    "PV", WRITER, MAX_SECTORS, NULL, pv_read, pv_write, pv_flush,
};

/* ---- the rest of Xen ---------------------------------------------------- */

int pv_store_read(const char *path, char *value, size_t bytes)
{
    return port->store_read(port->context, path, value, bytes);
}

int pv_store_write(const char *path, const char *value)
{
    return port->store_write(port->context, path, value);
}

void pv_wait(uint32_t us)
{
    port->wait(port->context, us);
}

void pv_console(const char *text, size_t bytes)
{
    if (port)
        port_hvm_console(text, bytes);
}

int pv_suspend(void)
{
    return port_hvm_shutdown(SHUTDOWN_suspend);
}

void pv_power_off(void)
{
    if (port)
        port_hvm_shutdown(SHUTDOWN_poweroff);
}

int pv_unplug(void)
{
    static const struct vbdfront_product product = { .number = 0xffff };

    return vbdfront_unplug(port_hvm_io_ports(), product,
                           VBDFRONT_UNPLUG_DISKS);
}
