/* SPDX-License-Identifier: MIT
 * A back-end node, as libxl (device_disk_add) and vbdctl write it. */
#include "backend/supervisor/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/supervisor/text.h"
#include "backend/supervisor/vbd.h"
#include "common/host/blkback.h"

enum { SHOWN_BYTES = 64 };

static int read_node(const struct vbd *vbd, const char *name, char *value,
                     unsigned size)
{
    return store_read_in(vbd->supervisor->store, vbd->path, name, value, size,
                         NULL);
}

static const char *shown(const char *text, char buffer[SHOWN_BYTES])
{
    return text_printable(text, (unsigned)strlen(text), buffer, SHOWN_BYTES);
}

/* --- whose it is ---------------------------------------------------------- */

static bool is_our_script(const char *script)
{
    const char *slash = strrchr(script, '/');

    return strcmp(slash ? slash + 1 : script, VBD_SCRIPT) == 0;
}

void node_print_frontend(const struct vbd *vbd, char *path, unsigned size)
{
    snprintf(path, size, "/local/domain/%" PRIu32 "/device/vbd/%" PRIu32,
             vbd->domid, vbd->devid);
}

int node_judge(const struct vbd *vbd, char *reason, unsigned reason_size)
{
    char script[STORE_VALUE_BYTES] = "", path[STORE_VALUE_BYTES] = "",
         id[STORE_VALUE_BYTES] = "", expected[VBD_PATH_BYTES],
         domid[12], buffer[SHOWN_BYTES];

    read_node(vbd, "script", script, sizeof script);
    if (!is_our_script(script)) {
        snprintf(reason, reason_size, "its script is '%s': expected one that "
                 "is called " VBD_SCRIPT, shown(script, buffer));
        return -ENOENT;
    }
    /* A slip of whoever wrote the tree would have us believe one domain what
     * is another's. */
    read_node(vbd, "frontend", path, sizeof path);
    node_print_frontend(vbd, expected, sizeof expected);
    if (strcmp(path, expected) != 0) {
        snprintf(reason, reason_size, "its frontend is '%s': expected %s",
                 shown(path, buffer), expected);
        return -EINVAL;
    }
    snprintf(domid, sizeof domid, "%" PRIu32, vbd->domid);
    if (read_node(vbd, "frontend-id", id, sizeof id) != -ENOENT &&
        strcmp(id, domid) != 0) {
        snprintf(reason, reason_size, "its frontend-id is '%s': expected %s",
                 shown(id, buffer), domid);
        return -EINVAL;
    }
    return 0;
}

/* It came to the node as we did, by a watch, and may have been slower: whoever
 * asks once asks again before a ring is mapped. */
bool node_is_taken(const struct vbd *vbd, char *reason, unsigned reason_size)
{
    if (vbd->tree != VBD_TREE_PHY || vbd->supervisor->options.local_dir ||
        !blkback_has(vbd->domid, vbd->devid))
        return false;
    snprintf(reason, reason_size, "xen-blkback of this kernel has taken it; "
             "keep that out, which concerns all other phy disks of this host "
             "(see block-vbdd(8)), or on Xen 4.19 use backendtype=tap");
    return true;
}

/* --- what it asks for ----------------------------------------------------- */

static int read_or_say(const struct vbd *vbd, const char *name, char *value,
                       unsigned size, char *reason, unsigned reason_size)
{
    int error = read_node(vbd, name, value, size);

    if (error == -ENOENT)
        snprintf(reason, reason_size, "its %s node is missing", name);
    else if (error == -E2BIG)
        snprintf(reason, reason_size, "its %s node is longer than %u bytes",
                 name, size - 1);
    else if (error)
        snprintf(reason, reason_size, "its %s node cannot be read: %s", name,
                 strerror(-error));
    return error;
}

/* With backendtype=tap libxl puts the format in front of the target: aio is
 * its word for raw. */
static int skip_format(const char **params, char *reason, unsigned size)
{
    static const char raw[] = "aio:";
    const size_t length = strcspn(*params, ":/");
    char buffer[SHOWN_BYTES];

    if (strncmp(*params, raw, sizeof raw - 1) == 0) {
        *params += sizeof raw - 1;
        return 0;
    }
    if (length > 0 && (*params)[length] == ':')
        snprintf(reason, size, "its format is %.*s: vbdd serves raw targets "
                 "only; expected format=raw (what qemu-nbd makes of an image "
                 "is one)", (int)length, shown(*params, buffer));
    else
        snprintf(reason, size, "its params node is '%s': expected "
                 "aio:[NAME=VALUE,]...PATH", shown(*params, buffer));
    return -EINVAL;
}

int node_read_target(const struct vbd *vbd, struct target *target,
                     char *reason, unsigned reason_size)
{
    char params[TARGET_PARAMS_BYTES], mode[STORE_VALUE_BYTES];
    const char *wanted = params;
    int error = read_or_say(vbd, "params", params, sizeof params, reason,
                            reason_size);

    /* Without a mode nothing is writable by accident (C9). */
    if (!error)
        error = read_or_say(vbd, "mode", mode, sizeof mode, reason,
                            reason_size);
    if (!error && vbd->tree == VBD_TREE_TAP)
        error = skip_format(&wanted, reason, reason_size);
    return error ? error
                 : target_parse(target, &vbd->supervisor->config, wanted, mode,
                                reason, reason_size);
}
