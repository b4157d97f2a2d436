/* SPDX-License-Identifier: MIT
 * Who has a target in use: the search from its beginning to its end, and what
 * was found in words. */
#include "common/storage/holders.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/storage/search.h"
#include "common/storage/sysfs.h"

/* --- the file behind a loop device ---------------------------------------- */

struct behind {
    struct search *search;
    const char *file;
};

static bool report_behind(void *context, const struct holder *found)
{
    const struct behind *behind = context;
    struct holder holder = *found;
    char file[BLOCKDEV_PATH_BYTES], how[BLOCKDEV_PATH_BYTES * 2];

    holder.kind = HOLDER_LOOP_FILE;
    sysfs_name(behind->search->target.device, holder.device);
    text_escape(file, sizeof file, behind->file);
    holder_describe(found, how, sizeof how);
    snprintf(holder.what, sizeof holder.what, "%.*s, %.*s", 150, file, 100,
             how);
    search_report(behind->search, &holder);
    return !behind->search->is_over;
}

static void search_all_but_own_file(struct search *search)
{
    search_mounts(search);
    search_swaps(search);
    search_devices(search);
    search_loops(search);
}

static void search_behind(struct search *search, const struct blockdev *device)
{
    struct behind behind = { search, device->loop_file };
    struct search inner = {
        .target = { device->loop_inode == 0, device->loop_device,
                    device->loop_inode },
        .whole = device->loop_inode ? 0 : sysfs_whole(device->loop_device),
        .node_device = device->loop_device,
        .node_inode = device->loop_inode,
        .skip_loop = device->whole,
        .except = search->except, .each = report_behind, .context = &behind,
    };

    if (!device->loop_device)
        return;
    search_all_but_own_file(&inner);
    search_locks(&inner);
    search_openers(&inner);
}

/* -------------------------------------------------------------------------- */

static struct search search_of(const struct blockdev *device)
{
    return (struct search){
        .target = { device->is_block, device->device, device->inode },
        .whole = device->whole, .node_device = device->node_device,
        .node_inode = device->node_inode,
    };
}

void holders_find_lockless(const struct blockdev *device,
                           bool (*each)(void *context,
                                        const struct holder *holder),
                           void *context)
{
    struct search search = search_of(device);

    search.each = each;
    search.context = context;
    search_swaps(&search);
    search_loops(&search);
}

int holders_find(const struct blockdev *device, const pid_t *except,
                 bool (*each)(void *context, const struct holder *holder),
                 void *context)
{
    struct search search = search_of(device);

    search.except = except;
    search.each = each;
    search.context = context;
    search_all_but_own_file(&search);
    search_behind(&search, device);
    search_locks(&search);
    search_openers(&search);
    return 0;
}

/* --- in words ------------------------------------------------------------- */

/* "qemu-img, pid 12", or what is known of it. */
static void describe_process(const struct holder *holder, char *text,
                             size_t size)
{
    if (holder->pid <= 0)
        snprintf(text, size, "a process that cannot be seen");
    else
        snprintf(text, size, "%s%spid %d", holder->process,
                 holder->process[0] ? ", " : "", (int)holder->pid);
}

char *holder_describe(const struct holder *holder, char *text, unsigned size)
{
    char process[64];

    describe_process(holder, process, sizeof process);
    switch (holder->kind) {
    case HOLDER_MOUNT:
        snprintf(text, size, holder->pid ? "mounted on %s (%s), as %s sees it"
                                         : "mounted on %s (%s)",
                 holder->what, holder->device, process);
        break;
    case HOLDER_SWAP:
        snprintf(text, size, "swap");
        break;
    case HOLDER_DEVICE:
        snprintf(text, size, "held by %s", holder->what);
        break;
    case HOLDER_LOOP:
        snprintf(text, size, "behind the loop device %s", holder->what);
        break;
    case HOLDER_LOOP_FILE:
        snprintf(text, size, "a loop device over %s", holder->what);
        break;
    case HOLDER_LOCK:
        snprintf(text, size, "locked by %s (%s)", process, holder->what);
        break;
    case HOLDER_OPENER:
        snprintf(text, size, "open for %s in %s",
                 strcmp(holder->what, "write") ? "reading" : "writing",
                 process);
        break;
    }
    return text;
}

/* --- one of them ---------------------------------------------------------- */

struct naming {
    char *text;
    unsigned size;
    bool is_named;
};

/* Openers come last. */
static bool name_holder(void *context, const struct holder *holder)
{
    struct naming *naming = context;

    if (!holder->excludes && holder->kind != HOLDER_OPENER)
        return true;
    holder_describe(holder, naming->text, naming->size);
    naming->is_named = true;
    return false;
}

bool holders_name(const struct blockdev *device, char *text, unsigned size)
{
    struct naming naming = { text, size, false };
    const pid_t except[] = { getpid(), 0 };

    holders_find(device, except, name_holder, &naming);
    return naming.is_named;
}
