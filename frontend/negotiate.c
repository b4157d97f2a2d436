/* SPDX-License-Identifier: MIT
 * XenStore: who the back end is, the two ends' states, the ring's nodes and
 * the disk's (blkif.h has the list). Every value is the peer's and is judged
 * before it is used. */
#include "frontend/private.h"

#include <xen/io/blkif.h>
#include <xen/io/protocols.h>

enum {
    NUMBER_BYTES = 32,         /* more than any number has digits */
    LAST_DOMID = 0x7fef,       /* DOMID_FIRST_RESERVED - 1 */
    MAX_SECTOR_BYTES = 4096,
    MAX_PHYSICAL_BYTES = 1 << 24,
};
static const uint64_t max_sectors = 1ull << 55; /* 2^64 bytes */

/* --- nodes --------------------------------------------------------------- */

/* Length of the value, -ENOENT, or another -errno. */
static int read_node(struct vbdfront *front, const char *directory,
                     const char *leaf, char *value, size_t bytes)
{
    char path[2 * FRONT_PATH_BYTES];

    if (!front_text_format(path, sizeof path, "%s/%s", directory, leaf))
        return -XEN_ENAMETOOLONG;
    return front->port->store_read(front->port->context, path, value, bytes);
}

/* Reads a number of at most max. An absent node leaves *value alone when it
 * is optional. Anything that is not such a number: -EPROTO and a sentence. */
static int read_number(struct vbdfront *front, const char *directory,
                       const char *leaf, bool is_optional, uint64_t max,
                       uint64_t *value)
{
    char text[NUMBER_BYTES] = "";
    int length = read_node(front, directory, leaf, text, sizeof text);

    if (length == -XEN_ENOENT && is_optional)
        return 0;
    if (length == -XEN_ENOENT)
        return front_fail(front, -BLKIF_EPROTO, "%s/%s is missing",
                          directory, leaf);
    if (length == -XEN_E2BIG)
        return front_fail(front, -BLKIF_EPROTO,
                          "%s/%s is longer than any number", directory, leaf);
    if (length < 0)
        return front_fail(front, length, "%s/%s cannot be read (error %u)",
                          directory, leaf, (unsigned)-length);
    if (xenbus_parse_number(text, (size_t)length, max, value) != 0)
        return front_fail(front, -BLKIF_EPROTO,
                          "%s/%s is \"%s\", expected a number of at most %llu",
                          directory, leaf, text, (unsigned long long)max);
    return 0;
}

static int write_node(struct vbdfront *front, const char *leaf,
                      const char *value)
{
    char path[2 * FRONT_PATH_BYTES];
    int error;

    front_text_format(path, sizeof path, "%s/%s", front->node, leaf);
    error = front->port->store_write(front->port->context, path, value);
    if (error)
        return front_fail(front, error, "%s cannot be written (error %u)",
                          path, (unsigned)-error);
    return 0;
}

static int write_number(struct vbdfront *front, const char *leaf,
                        uint32_t number)
{
    char value[NUMBER_BYTES];

    front_text_format(value, sizeof value, "%u", number);
    return write_node(front, leaf, value);
}

/* --- the back end -------------------------------------------------------- */

static void backend_state_path(const struct vbdfront *front,
                               char path[2 * FRONT_PATH_BYTES])
{
    front_text_format(path, 2 * FRONT_PATH_BYTES, "%s/state", front->backend);
}

int front_find_backend(struct vbdfront *front)
{
    char path[2 * FRONT_PATH_BYTES];
    uint64_t domid, device = 0;
    int error = read_node(front, front->node, "backend", front->backend,
                          sizeof front->backend);

    if (error == -XEN_ENOENT)
        return front_fail(front, error, "there is no device %s", front->node);
    if (error < 0)
        return front_fail(front, error, "%s/backend cannot be read (error %u)",
                          front->node, (unsigned)-error);
    error = read_number(front, front->node, "backend-id", false, LAST_DOMID,
                        &domid);
    if (!error)
        error = read_number(front, front->node, "virtual-device", true,
                            UINT32_MAX, &device);
    if (error)
        return error;
    front->backend_id = (uint32_t)domid;
    front->handle = (uint16_t)device; /* what fits, as Linux does */
    backend_state_path(front, path);
    error = front->port->store_watch(front->port->context, path);
    if (error)
        return front_fail(front, error, "%s cannot be watched (error %u)",
                          path, (unsigned)-error);
    front->is_watching = true;
    return 0;
}

void front_forget_backend(struct vbdfront *front)
{
    char path[2 * FRONT_PATH_BYTES];

    if (!front->is_watching)
        return;
    backend_state_path(front, path);
    front->port->store_unwatch(front->port->context, path);
    front->is_watching = false;
}

/* --- states -------------------------------------------------------------- */

static enum xenbus_state read_state(struct vbdfront *front,
                                    const char *directory)
{
    char text[NUMBER_BYTES];
    int length = read_node(front, directory, "state", text, sizeof text);

    return length < 0 ? XENBUS_UNKNOWN
                      : xenbus_parse_state(text, (size_t)length);
}

enum xenbus_state front_backend_state(struct vbdfront *front)
{
    return read_state(front, front->backend);
}

int front_set_state(struct vbdfront *front, enum xenbus_state state)
{
    return write_number(front, "state", state);
}

int front_wait_backend(struct vbdfront *front, unsigned wanted,
                       unsigned refused, uint64_t timeout_us)
{
    const struct vbdfront_port *port = front->port;
    uint64_t start_us = port->now_us(port->context);

    for (;;) {
        enum xenbus_state state = front_backend_state(front);
        uint64_t waited_us = port->now_us(port->context) - start_us;

        if (wanted & (1u << state))
            return 0;
        if (refused & (1u << state))
            return front_fail(front, -XEN_EIO, "the back end %s went to %s",
                              front->backend, xenbus_state_text(state));
        if (waited_us >= timeout_us)
            return front_fail(front, -XEN_ETIMEDOUT,
                              "the back end %s stays %s", front->backend,
                              xenbus_state_text(state));
        port->wait(port->context, timeout_us - waited_us);
    }
}

/* The back end may still serve the earlier user's ring. Closed tells it to let
 * go, and only when it has may it see Initialising: else its old Connected
 * would pass for an answer to us, and it might take our Initialised for the
 * earlier user's. One in InitWait has no ring, and is not disturbed. */
int front_start_anew(struct vbdfront *front, uint64_t timeout_us)
{
    enum xenbus_state left = read_state(front, front->node);
    unsigned idle = FRONT_IS_GONE | FRONT_IS(INITIALISING);
    int error = 0;

    if (left == XENBUS_INITIALISING)
        return 0;
    if (left == XENBUS_CLOSED || left == XENBUS_UNKNOWN ||
        front_backend_state(front) == XENBUS_INIT_WAIT)
        idle |= FRONT_IS(INIT_WAIT);
    else
        error = front_set_state(front, XENBUS_CLOSED);
    if (!error && left != XENBUS_UNKNOWN)
        error = front_wait_backend(front, idle, 0, timeout_us);
    return error ? error : front_set_state(front, XENBUS_INITIALISING);
}

/* --- the ring's nodes ---------------------------------------------------- */

int front_publish_ring(struct vbdfront *front)
{
    int error = write_number(front, "ring-ref", front->ring_grant);

    if (!error)
        error = write_number(front, "event-channel", front->event_port);
    if (!error)
        error = write_node(front, "protocol", XEN_IO_PROTO_ABI_NATIVE);
    return error;
}

/* --- the disk's nodes ---------------------------------------------------- */

static int refuse_value(struct vbdfront *front, const char *leaf,
                        uint64_t value, const char *expected)
{
    return front_fail(front, -BLKIF_EPROTO, "%s/%s is %llu, expected %s",
                      front->backend, leaf, (unsigned long long)value,
                      expected);
}

/* sector-size first: it is the unit of all that follows. */
static int read_sector_sizes(struct vbdfront *front)
{
    uint64_t logical, physical;
    int error = read_number(front, front->backend, "sector-size", false,
                            UINT32_MAX, &logical);

    if (error)
        return error;
    if (logical < BLKIF_SECTOR_BYTES || logical > MAX_SECTOR_BYTES ||
        (logical & (logical - 1)) != 0)
        return refuse_value(front, "sector-size", logical,
                            "a power of two from 512 to 4096");
    physical = logical;
    error = read_number(front, front->backend, "physical-sector-size", true,
                        UINT32_MAX, &physical);
    if (error)
        return error;
    if (physical < logical || physical > MAX_PHYSICAL_BYTES ||
        (physical & (logical - 1)) != 0)
        return refuse_value(front, "physical-sector-size", physical,
                            "a multiple of sector-size up to 16 MiB");
    front->info.sector_bytes = (uint32_t)logical;
    front->info.physical_sector_bytes = (uint32_t)physical;
    return 0;
}

int front_read_size(struct vbdfront *front)
{
    uint64_t sectors;
    int error = read_number(front, front->backend, "sectors", false,
                            UINT64_MAX, &sectors);

    if (error)
        return error;
    if (sectors == 0 || sectors > max_sectors)
        return refuse_value(front, "sectors", sectors, "1 to 2^55");
    if ((sectors & (front->info.sector_bytes / BLKIF_SECTOR_BYTES - 1)) != 0)
        return refuse_value(front, "sectors", sectors,
                            "a multiple of sector-size (in 512 bytes)");
    front->info.nr_sectors = sectors;
    return 0;
}

static int read_feature(struct vbdfront *front, const char *leaf, bool *has)
{
    uint64_t value = 0;
    int error = read_number(front, front->backend, leaf, true, 1, &value);

    *has = value == 1;
    return error;
}

int front_read_disk(struct vbdfront *front)
{
    struct vbdfront_info *info = &front->info;
    uint64_t bits = 0;
    int error = read_sector_sizes(front);

    if (!error)
        error = front_read_size(front);
    if (!error)
        error = read_number(front, front->backend, "info", true, UINT32_MAX,
                            &bits);
    if (!error)
        error = read_feature(front, "feature-flush-cache", &info->has_flush);
    if (!error)
        error = read_feature(front, "feature-barrier", &info->has_barrier);
    if (!error)
        error = read_feature(front, "feature-discard", &info->has_discard);
    info->is_cdrom = (bits & VDISK_CDROM) != 0;
    info->is_removable = (bits & VDISK_REMOVABLE) != 0;
    info->read_only = (bits & VDISK_READONLY) != 0;
    return error;
}
