/* SPDX-License-Identifier: MIT
 * The rules of C1, and the one thing that they need to know: whether two
 * domains are one virtual machine. */
#include "backend/supervisor/sharing.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool sharing_read_vm(const struct supervisor *supervisor, uint32_t domid,
                     char vm[STORE_VALUE_BYTES])
{
    char path[64];

    snprintf(path, sizeof path, "/local/domain/%" PRIu32 "/vm", domid);
    return store_read(supervisor->store, path, vm, STORE_VALUE_BYTES,
                      NULL) == 0 && vm[0];
}

/* The domain that domid is the device model of, or domid. */
static uint32_t target_domain(const struct supervisor *supervisor,
                              uint32_t domid)
{
    char path[64], value[STORE_VALUE_BYTES];
    unsigned length;
    uint64_t target;

    snprintf(path, sizeof path, "/local/domain/%" PRIu32 "/target", domid);
    if (store_read(supervisor->store, path, value, sizeof value,
                   &length) < 0 ||
        xenbus_parse_number(value, length, 0x7fff, &target) < 0)
        return domid;
    return (uint32_t)target;
}

/* Both ends of a local migration, or a guest and its stub domain. */
static bool are_one_vm(const struct supervisor *supervisor, uint32_t one,
                       uint32_t other)
{
    char vm[STORE_VALUE_BYTES], other_vm[STORE_VALUE_BYTES];

    one = target_domain(supervisor, one);
    other = target_domain(supervisor, other);
    return one == other || (sharing_read_vm(supervisor, one, vm) &&
                            sharing_read_vm(supervisor, other, other_vm) &&
                            strcmp(vm, other_vm) == 0);
}

/* The vbd that forbids a further writer, or NULL. */
static const struct vbd *find_holder(const struct disk *disk,
                                     const struct vbd *vbd)
{
    const struct vbd *other;

    TAILQ_FOREACH(other, &disk->vbds, disk_link)
        if (other->is_writable &&
            !are_one_vm(disk->supervisor, other->domid, vbd->domid))
            return other;
    return NULL;
}

bool sharing_may_join(const struct disk *disk, const struct vbd *vbd,
                      const struct target *target, char *reason,
                      unsigned reason_size)
{
    const struct vbd *first = TAILQ_FIRST(&disk->vbds), *holder = NULL;

    if (!first)
        return true;
    if (target->is_writable && !target->is_shared)
        holder = find_holder(disk, vbd);
    if (disk->state == DISK_FAILED)
        snprintf(reason, reason_size, "%.300s failed (%s): detach %s first",
                 target->path, disk->why, first->name);
    else if (holder)
        snprintf(reason, reason_size, "%.300s is held writable by %s: expected "
                 "mode r, or w! to share it", target->path, holder->name);
    else if (target->is_writable && disk->is_read_only)
        snprintf(reason, reason_size, "%.300s is open read-only for %s: detach "
                 "that first", target->path, first->name);
    else if (!disk_options_are_equal(&target->options,
                                     &disk->target.options))
        snprintf(reason, reason_size, "%.300s is served to %s with other "
                 "options (engine %s)", target->path, first->name,
                 disk->target.options.engine);
    else
        return true;
    return false;
}
