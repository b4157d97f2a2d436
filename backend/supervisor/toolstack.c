/* SPDX-License-Identifier: MIT
 * The commands attach and detach: libxl's part, played where there is no
 * libxl (--local). The trees have the keys that libxl writes, and what
 * follows takes the same way as on Xen: the node is found in the store, and
 * the hotplug code attaches the disk. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/backend.h"
#include "backend/supervisor/command.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/hotplug.h"
#include "common/host/log.h"
#include "common/host/vdev.h"

enum { MAX_DOMID = 0x7fef, REASON_BYTES = 512 };

/* One attach or detach under way. */
struct operation {
    struct waiter waiter;
    struct client *client;
    struct supervisor *supervisor;
    uint32_t domid, devid;
    char vdev[VDEV_NAME_BYTES];
    char back[VBD_PATH_BYTES], front[VBD_PATH_BYTES];
    char params[TARGET_PARAMS_BYTES];
    const char *mode; /* r or w, as libxl writes it */
    int error;        /* how it went, while the trees go */
    char reason[REASON_BYTES];
};

static void finish(struct operation *operation, int error,
                   const char *sentence)
{
    client_finish(operation->client, error, sentence);
    free(operation);
}

/* NULL when the request has been refused. */
static struct operation *operation_new(struct client *client, json_t *request)
{
    struct supervisor *supervisor = client_supervisor(client);
    json_int_t domid = json_integer_value(json_object_get(request, "domid"));
    const char *vdev = json_string_value(json_object_get(request, "vdev"));
    struct operation *operation;
    uint32_t devid;

    if (!supervisor->options.local_dir) {
        client_refuse(client, "vbdd serves Xen: use xl block-attach and xl "
                      "block-detach");
        return NULL;
    }
    if (domid < 1 || domid > MAX_DOMID) {
        client_refuse(client, "domid is %lld: expected 1 to %d",
                      (long long)domid, MAX_DOMID);
        return NULL;
    }
    if (vdev_parse(vdev, &devid) < 0) {
        client_refuse(client, "vdev is '%.50s': expected a name such as xvda, "
                      "hda or sda1", vdev);
        return NULL;
    }
    operation = calloc(1, sizeof *operation);
    if (!operation) {
        client_reply(client, NULL);
        return NULL;
    }
    operation->client = client;
    operation->supervisor = supervisor;
    operation->domid = (uint32_t)domid;
    operation->devid = devid;
    vdev_print(devid, operation->vdev);
    backend_print_path(supervisor, VBD_TREE_PHY, operation->domid, devid,
                       operation->back, sizeof operation->back);
    snprintf(operation->front, sizeof operation->front,
             "/local/domain/%" PRIu32 "/device/vbd/%" PRIu32,
             operation->domid, devid);
    return operation;
}

/* Removes path, and then the directories above it that this leaves empty, at
 * most nr of them. */
static int prune(struct store *store, const char *path, unsigned nr)
{
    char parent[VBD_PATH_BYTES], **names;
    unsigned nr_names = 0;
    int error = store_remove(store, path);

    snprintf(parent, sizeof parent, "%s", path);
    while (!error && nr-- > 0) {
        *strrchr(parent, '/') = '\0';
        if (store_list(store, parent, &names, &nr_names) < 0)
            return 0;
        free(names);
        if (nr_names > 0)
            return 0;
        error = store_remove(store, parent);
    }
    return error;
}

static int remove_body(struct store *store, void *context)
{
    const struct operation *operation = context;
    int error = prune(store, operation->front, 2); /* device/vbd */

    return error ? error : prune(store, operation->back, 1); /* DOMID */
}

static void removed(struct waiter *waiter, int error, const char *sentence)
{
    struct operation *operation = (struct operation *)waiter;

    (void)error;
    (void)sentence;
    finish(operation, operation->error, operation->reason);
}

/* Removes the trees, and answers when the vbd has gone with them. */
static void remove_and_finish(struct operation *operation, int error,
                              const char *sentence)
{
    struct vbd *vbd = backend_find(operation->supervisor, operation->back);
    int failure = store_transact(operation->supervisor->store, remove_body,
                                 operation);

    if (failure)
        log_error("%s and %s cannot be removed: %s", operation->front,
                  operation->back, strerror(-failure));
    if (failure || !vbd) {
        finish(operation, error, sentence);
        return;
    }
    operation->error = error;
    snprintf(operation->reason, sizeof operation->reason, "%s", sentence);
    operation->waiter.done = removed;
    vbd_await_end(vbd, &operation->waiter);
}

/* --- attach --------------------------------------------------------------- */

struct key {
    const char *name, *value;
};

static int write_keys(struct store *store, const char *dir,
                      const struct key *keys, unsigned nr)
{
    int error = 0;

    for (unsigned i = 0; i < nr && !error; i++)
        error = store_write(store, dir, keys[i].name, keys[i].value);
    return error;
}

static int write_back(struct store *store, const struct operation *operation)
{
    char domid[12];
    const struct key keys[] = {
        { "frontend", operation->front }, { "frontend-id", domid },
        { "params", operation->params },
        { "script", SYSCONFDIR "/xen/scripts/" VBD_SCRIPT },
        { "dev", operation->vdev }, { "type", "phy" },
        { "mode", operation->mode }, { "device-type", "disk" },
        { "discard-enable", "1" }, { "removable", "0" }, { "bootable", "1" },
        { "online", "1" }, { "state", "1" },
    };
    int error = store_make_dir(store, operation->back,
                               operation->supervisor->domid,
                               operation->domid);

    snprintf(domid, sizeof domid, "%" PRIu32, operation->domid);
    return error ? error : write_keys(store, operation->back, keys,
                                      sizeof keys / sizeof *keys);
}

static int write_front(struct store *store, const struct operation *operation)
{
    char devid[12], domid[12];
    const struct key keys[] = {
        { "backend", operation->back }, { "backend-id", domid },
        { "virtual-device", devid }, { "device-type", "disk" },
        { "trusted", "1" }, { "state", "1" },
    };
    int error = store_make_dir(store, operation->front, operation->domid,
                               operation->supervisor->domid);

    snprintf(devid, sizeof devid, "%" PRIu32, operation->devid);
    snprintf(domid, sizeof domid, "%" PRIu32, operation->supervisor->domid);
    return error ? error : write_keys(store, operation->front, keys,
                                      sizeof keys / sizeof *keys);
}

static int attach_body(struct store *store, void *context)
{
    const struct operation *operation = context;
    char value[STORE_VALUE_BYTES];
    int error;

    if (store_read_in(store, operation->back, "state", value, sizeof value,
                      NULL) != -ENOENT)
        return -EEXIST;
    store_remove(store, operation->front);
    store_remove(store, operation->back);
    error = write_front(store, operation);
    return error ? error : write_back(store, operation);
}

static void attach_done(struct waiter *waiter, int error,
                        const char *sentence)
{
    struct operation *operation = (struct operation *)waiter;

    if (error) {
        remove_and_finish(operation, error, sentence);
        return;
    }
    store_write(operation->supervisor->store, operation->back,
                "hotplug-status", "connected");
    finish(operation, 0, "");
}

/* Adds text to the params; false when there is no room. */
static bool add(struct operation *operation, const char *text)
{
    size_t used = strlen(operation->params), length = strlen(text);

    if (used + length >= sizeof operation->params)
        return false;
    strcpy(operation->params + used, text);
    return true;
}

/* As a user of xl writes it after target=. */
static bool print_params(struct operation *operation, json_t *options,
                         const char *mode, const char *target)
{
    const char *name;
    json_t *value;
    bool fits = true;

    if (strcmp(mode, "w!") == 0) /* libxl's mode node cannot say that */
        fits = add(operation, "mode=w!,");
    json_object_foreach(options, name, value) {
        const char *text = json_string_value(value);

        fits = fits && text && !strchr(text, '"') && add(operation, name) &&
               add(operation, "=\"") && add(operation, text) &&
               add(operation, "\",");
    }
    operation->mode = mode[0] == 'w' ? "w" : "r";
    return fits && add(operation, target);
}

/* Refuses, before anything is written, what cannot be meant. */
static int judge(struct operation *operation, char *reason, unsigned size)
{
    struct target target;

    return target_parse(&target, &operation->supervisor->config,
                        operation->params, operation->mode, reason, size);
}

void command_attach(struct client *client, json_t *request)
{
    const char *target = json_string_value(json_object_get(request,
                                                           "target"));
    const char *mode = json_string_value(json_object_get(request, "mode"));
    json_t *options = json_object_get(request, "options");
    struct operation *operation = operation_new(client, request);
    char reason[REASON_BYTES];
    int error;

    if (!operation)
        return;
    mode = mode ? mode : "w";
    if (strcmp(mode, "r") != 0 && strcmp(mode, "w") != 0 &&
        strcmp(mode, "w!") != 0) {
        snprintf(reason, sizeof reason, "mode is '%.20s': expected r, w or "
                 "w!", mode);
        finish(operation, -EINVAL, reason);
        return;
    }
    if (target[0] != '/') {
        snprintf(reason, sizeof reason, "target is '%.200s': expected an "
                 "absolute path", target);
        finish(operation, -EINVAL, reason);
        return;
    }
    if (!print_params(operation, options, mode, target)) {
        finish(operation, -E2BIG, "target and options are too long, or an "
                                  "option is not a string without \"");
        return;
    }
    error = judge(operation, reason, sizeof reason);
    if (error) {
        finish(operation, error, reason);
        return;
    }
    error = store_transact(operation->supervisor->store, attach_body,
                           operation);
    if (error) {
        snprintf(reason, sizeof reason, error == -EEXIST
                 ? "%" PRIu32 "/%s is attached already"
                 : "the tree of %" PRIu32 "/%s cannot be written",
                 operation->domid, operation->vdev);
        finish(operation, error, reason);
        return;
    }
    operation->waiter.done = attach_done;
    hotplug_add(operation->supervisor, operation->back, &operation->waiter);
}

/* --- detach --------------------------------------------------------------- */

static int detach_body(struct store *store, void *context)
{
    const struct operation *operation = context;
    int error = store_write(store, operation->back, "online", "0");

    return error ? error : store_write(store, operation->back, "state", "5");
}

/* Of those that end well and those that do not: when the vbd is off its disk
 * the trees go, even if the drain left something to be said. */
static void detach_done(struct waiter *waiter, int error,
                        const char *sentence)
{
    struct operation *operation = (struct operation *)waiter;
    const struct vbd *vbd = backend_find(operation->supervisor,
                                         operation->back);

    if (vbd && (vbd->disk || error == -ESHUTDOWN)) /* the next vbdd's then */
        finish(operation, error, sentence);
    else
        remove_and_finish(operation, error, sentence);
}

void command_detach(struct client *client, json_t *request)
{
    bool is_forced = json_is_true(json_object_get(request, "force"));
    struct operation *operation = operation_new(client, request);
    struct vbd *vbd;
    char reason[96];
    int error;

    if (!operation)
        return;
    vbd = backend_look(operation->supervisor, operation->back);
    if (!vbd || vbd->state == XENBUS_UNKNOWN) {
        snprintf(reason, sizeof reason, "%" PRIu32 "/%s is not attached",
                 operation->domid, operation->vdev);
        finish(operation, -ENOENT, reason);
        return;
    }
    operation->waiter.done = detach_done;
    if (is_forced) {
        hotplug_remove(operation->supervisor, operation->back,
                       &operation->waiter);
        return;
    }
    error = store_transact(operation->supervisor->store, detach_body,
                           operation);
    if (error) {
        finish(operation, error, "its nodes cannot be written");
        return;
    }
    vbd_set_dirty(vbd);
    hotplug_await_close(vbd, &operation->waiter);
}
