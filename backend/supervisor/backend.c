/* SPDX-License-Identifier: MIT
 * Watches and the work they make. */
#include "backend/supervisor/backend.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/supervisor/domain.h"
#include "backend/supervisor/vbd.h"
#include "common/blkif/xenbus.h"
#include "common/host/blkback.h"
#include "common/host/log.h"

/* For one pass of the loop. An event is a string comparison or two, and is
 * taken many times faster than xenstored can send it; an evaluation is several
 * round trips to xenstored. */
enum { MAX_EVENTS = 100000, MAX_EVALUATIONS = 16 };
static const double RETRY_SECONDS = 1.0;
/* libxenstore's descriptor does not tell that xenstored has gone; nor does
 * anything tell that it has come back. */
static const double PULSE_SECONDS = 2.0;

static const char token_backend[] = "backend", token_domains[] = "domains",
                  token_front[] = "front ";

static const char *const trees[VBD_NR_TREES] = { "vbd", "vbd3" };

struct backend {
    struct supervisor *supervisor;
    ev_io events;
    ev_timer work, retry; /* work: as soon as the loop comes round */
    ev_timer pulse;
    bool are_domains_dirty;
    bool is_store_lost, is_other_store_told;
};

void backend_wake(struct supervisor *supervisor)
{
    struct backend *backend = supervisor->backend;

    if (backend)
        ev_timer_start(supervisor->loop, &backend->work);
}

void backend_retry(struct vbd *vbd)
{
    struct supervisor *supervisor = vbd->supervisor;

    vbd->is_write_failed = true;
    /* What has failed because the store is lost will not be mended by time.
     * (A one-shot timer must be set again: it has no delay left.) */
    if (supervisor->backend->is_store_lost ||
        ev_is_active(&supervisor->backend->retry))
        return;
    ev_timer_set(&supervisor->backend->retry, RETRY_SECONDS, 0.);
    ev_timer_start(supervisor->loop, &supervisor->backend->retry);
}

/* --- nodes ---------------------------------------------------------------- */

/* A path component that is a number; NULL when it is none, else what follows
 * ("" or "/..."). */
static const char *parse_component(const char *text, uint32_t max,
                                   uint32_t *number)
{
    size_t length = strcspn(text, "/");
    uint64_t value;

    if (xenbus_parse_number(text, length, max, &value) < 0)
        return NULL;
    *number = (uint32_t)value;
    return text + length;
}

/* What follows the name of a tree ("" or "/..."); NULL: path begins with
 * none. */
static const char *parse_tree(const char *path, enum vbd_tree *tree)
{
    size_t length = strcspn(path, "/");

    for (unsigned i = 0; i < VBD_NR_TREES; i++)
        if (strlen(trees[i]) == length &&
            memcmp(path, trees[i], length) == 0) {
            *tree = (enum vbd_tree)i;
            return path + length;
        }
    return NULL;
}

/* What follows prefix and a slash in path, or NULL. */
static const char *skip_prefix(const char *path, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(path, prefix, length) == 0 && path[length] == '/'
               ? path + length + 1 : NULL;
}

void backend_print_path(const struct supervisor *supervisor,
                        enum vbd_tree tree, uint32_t domid, uint32_t devid,
                        char *path, unsigned size)
{
    snprintf(path, size, "%s/%s/%" PRIu32 "/%" PRIu32,
             supervisor->backend_path, trees[tree], domid, devid);
}

static void touch(struct supervisor *supervisor, enum vbd_tree tree,
                  uint32_t domid, uint32_t devid)
{
    struct vbd *vbd = vbd_find(supervisor, tree, domid, devid);

    if (vbd)
        vbd_set_dirty(vbd);
    else if (!supervisor->is_stopping)
        vbd_new(supervisor, tree, domid, devid);
}

/* Calls touch() for what is there of a domain. */
static void scan_domain(struct supervisor *supervisor, enum vbd_tree tree,
                        uint32_t domid)
{
    char path[STORE_PATH_BYTES], **names;
    uint32_t devid;
    unsigned nr;

    snprintf(path, sizeof path, "%s/%s/%" PRIu32, supervisor->backend_path,
             trees[tree], domid);
    if (store_list(supervisor->store, path, &names, &nr) < 0)
        return;
    for (unsigned i = 0; i < nr; i++)
        if (parse_component(names[i], UINT32_MAX, &devid))
            touch(supervisor, tree, domid, devid);
    free(names);
}

static void scan(struct supervisor *supervisor, enum vbd_tree tree)
{
    char path[STORE_PATH_BYTES], **names;
    uint32_t domid;
    unsigned nr;

    snprintf(path, sizeof path, "%s/%s", supervisor->backend_path,
             trees[tree]);
    if (store_list(supervisor->store, path, &names, &nr) < 0)
        return;
    for (unsigned i = 0; i < nr; i++)
        if (parse_component(names[i], 0x7fff, &domid))
            scan_domain(supervisor, tree, domid);
    free(names);
}

/* A domain's nodes in a tree came, or went with all below. */
static void domain_changed(struct supervisor *supervisor, enum vbd_tree tree,
                           uint32_t domid)
{
    struct vbd *vbd;

    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        if (vbd->tree == tree && vbd->domid == domid)
            vbd_set_dirty(vbd);
    scan_domain(supervisor, tree, domid);
}

static void all_changed(struct supervisor *supervisor)
{
    struct vbd *vbd;

    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        vbd_set_dirty(vbd);
    for (unsigned i = 0; i < VBD_NR_TREES; i++)
        scan(supervisor, (enum vbd_tree)i);
}

/* Something at or below path changed, or was deleted with all below it: known
 * vbds there are to look whether they still are, unknown ones are found. */
static void backend_changed(struct supervisor *supervisor, const char *path)
{
    const char *rest = skip_prefix(path, supervisor->backend_path);
    uint32_t domid, devid;
    enum vbd_tree tree;

    if (rest && !(rest = parse_tree(rest, &tree)))
        return;
    if (!rest || !*rest) {
        all_changed(supervisor);
        return;
    }
    rest = parse_component(rest + 1, 0x7fff, &domid);
    if (rest && !*rest)
        domain_changed(supervisor, tree, domid);
    else if (rest && parse_component(rest + 1, UINT32_MAX, &devid))
        touch(supervisor, tree, domid, devid);
}

static void front_changed(struct supervisor *supervisor, const char *number)
{
    struct vbd *vbd = vbd_find_number(supervisor,
                                      (uint32_t)strtoul(number, NULL, 10));

    if (vbd)
        vbd_set_dirty(vbd);
}

/* libxl says it relative to the domain's own directory. */
static bool parse_path(const struct supervisor *supervisor, const char *path,
                       enum vbd_tree *tree, uint32_t *domid, uint32_t *devid)
{
    const char *rest = skip_prefix(path, supervisor->backend_path);

    if (!rest)
        rest = skip_prefix(path, "backend");
    return rest && (rest = parse_tree(rest, tree)) && *rest &&
           (rest = parse_component(rest + 1, 0x7fff, domid)) && *rest &&
           (rest = parse_component(rest + 1, UINT32_MAX, devid)) && !*rest;
}

struct vbd *backend_find(struct supervisor *supervisor, const char *path)
{
    uint32_t domid, devid;
    enum vbd_tree tree;

    return parse_path(supervisor, path, &tree, &domid, &devid)
               ? vbd_find(supervisor, tree, domid, devid) : NULL;
}

struct vbd *backend_look(struct supervisor *supervisor, const char *path)
{
    uint32_t domid, devid;
    enum vbd_tree tree;
    struct vbd *vbd;

    if (!parse_path(supervisor, path, &tree, &domid, &devid))
        return NULL;
    vbd = vbd_find(supervisor, tree, domid, devid);
    if (!vbd)
        vbd = vbd_new(supervisor, tree, domid, devid);
    /* The first look may end an earlier life of the node, and the vbd with
     * it; the second is then at the new one. */
    for (unsigned i = 0; i < 2 && vbd; i++) {
        vbd_evaluate(vbd);
        vbd = vbd_find(supervisor, tree, domid, devid);
    }
    return vbd;
}

/* --- events and work ------------------------------------------------------ */

static void take_event(struct backend *backend, const char *path,
                       const char *token)
{
    if (strcmp(token, token_backend) == 0)
        backend_changed(backend->supervisor, path);
    else if (strcmp(token, token_domains) == 0)
        backend->are_domains_dirty = true;
    else if (strncmp(token, token_front, strlen(token_front)) == 0)
        front_changed(backend->supervisor, token + strlen(token_front));
}

/* A XenStore answers again. Of what has happened meanwhile there were no events,
 * and our watches it does not know: whoever comes next starts afresh. But not
 * for a store that has nothing of what is served, and would have it end. */
static bool has_what_is_served(struct store *store,
                               const struct supervisor *supervisor)
{
    char value[STORE_VALUE_BYTES];
    const struct vbd *vbd;

    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        if (vbd_holds_ring(vbd) &&
            store_read_in(store, vbd->path, "state", value, sizeof value,
                          NULL) < 0)
            return false;
    return true;
}

static void look_for_store(struct backend *backend)
{
    struct supervisor *supervisor = backend->supervisor;
    struct store *store;

    if (supervisor->is_stopping || store_open_again(&store) < 0)
        return;
    if (has_what_is_served(store, supervisor)) {
        log_error("a XenStore answers again: vbdd ends, for the next one to go "
                  "on with it");
        supervisor->is_unable = true;
        supervisor_stop(supervisor);
    } else if (!backend->is_other_store_told) {
        backend->is_other_store_told = true;
        log_error("the XenStore that answers now does not have the disks that "
                  "are served: they are served on, until vbdd is stopped");
    }
    store_close(store);
}

/* The guests' rings do not need the store: what is connected is served on. */
static void store_lost(struct backend *backend, int error)
{
    if (backend->is_store_lost)
        return;
    backend->is_store_lost = true;
    ev_io_stop(backend->supervisor->loop, &backend->events);
    log_error("the XenStore has gone (%s): what is connected is served on, "
              "but nothing can be attached, closed or detached any more",
              strerror(-error));
}

/* A thread of libxenstore's reads events as they come and keeps them in our
 * memory, without a limit: a guest that writes faster than they are taken
 * would fill it (XSA-349). So all there are are taken, each time that something
 * has been done that takes time, and kept as a flag or two.
 * libxenstore may hold events without its descriptor being readable, so a
 * pass that did not take them all asks for another. */
static void take_events(struct backend *backend)
{
    char path[STORE_PATH_BYTES], token[STORE_TOKEN_BYTES];
    struct supervisor *supervisor = backend->supervisor;

    for (unsigned i = 0; i < MAX_EVENTS; i++) {
        int error = store_next_event(supervisor->store, path, token);

        if (error) {
            if (error != -EAGAIN)
                store_lost(backend, error);
            return;
        }
        take_event(backend, path, token);
    }
    backend_wake(supervisor);
}

/* Evaluates dirty vbds, those that have waited longest first: one that is
 * being evaluated goes to the end of the list. */
static void evaluate_dirty(struct backend *backend)
{
    struct supervisor *supervisor = backend->supervisor;

    for (unsigned i = 0; i < MAX_EVALUATIONS; i++) {
        struct vbd *vbd;

        TAILQ_FOREACH(vbd, &supervisor->vbds, link)
            if (vbd->is_dirty)
                break;
        if (!vbd)
            return;
        TAILQ_REMOVE(&supervisor->vbds, vbd, link);
        TAILQ_INSERT_TAIL(&supervisor->vbds, vbd, link);
        vbd_evaluate(vbd);
        take_events(backend);
    }
    backend_wake(supervisor);
}

static void work(struct backend *backend)
{
    take_events(backend);
    if (backend->are_domains_dirty)
        domain_check_all(backend->supervisor);
    backend->are_domains_dirty = false;
    evaluate_dirty(backend);
    supervisor_check_stopped(backend->supervisor);
}

static void on_events(struct ev_loop *loop, ev_io *watcher, int revents)
{
    (void)loop;
    (void)revents;
    work(watcher->data);
}

static void on_work(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    (void)loop;
    (void)revents;
    work(watcher->data);
}

static void on_pulse(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    struct backend *backend = watcher->data;

    (void)loop;
    (void)revents;
    if (backend->is_store_lost)
        look_for_store(backend);
    else
        work(backend);
}

static void on_retry(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    struct backend *backend = watcher->data;
    struct vbd *vbd;

    (void)loop;
    (void)revents;
    TAILQ_FOREACH(vbd, &backend->supervisor->vbds, link) {
        if (vbd->is_write_failed)
            vbd_set_dirty(vbd);
        vbd->is_write_failed = false;
    }
}

/* --- life ----------------------------------------------------------------- */

static void find_ourselves(struct supervisor *supervisor)
{
    char value[STORE_VALUE_BYTES];
    unsigned length;
    uint64_t domid;

    if (store_read(supervisor->store, "domid", value, sizeof value,
                   &length) == 0 &&
        xenbus_parse_number(value, length, 0x7fff, &domid) == 0)
        supervisor->domid = (uint32_t)domid;
    snprintf(supervisor->backend_path, sizeof supervisor->backend_path,
             "/local/domain/%" PRIu32 "/backend", supervisor->domid);
}

/* The first event of each watch comes by itself and makes the scan. */
static int watch_trees(struct supervisor *supervisor)
{
    char path[STORE_PATH_BYTES];
    int error = 0;

    for (unsigned i = 0; i < VBD_NR_TREES && !error; i++) {
        snprintf(path, sizeof path, "%s/%s", supervisor->backend_path,
                 trees[i]);
        error = store_watch(supervisor->store, path, token_backend);
    }
    return error;
}

int backend_start(struct supervisor *supervisor)
{
    struct backend *backend = calloc(1, sizeof *backend);
    int error;

    if (!backend)
        return -ENOMEM;
    backend->supervisor = supervisor;
    supervisor->backend = backend;
    ev_timer_init(&backend->work, on_work, 0., 0.);
    ev_timer_init(&backend->retry, on_retry, RETRY_SECONDS, 0.);
    ev_io_init(&backend->events, on_events, store_fd(supervisor->store),
               EV_READ);
    ev_timer_init(&backend->pulse, on_pulse, PULSE_SECONDS, PULSE_SECONDS);
    backend->work.data = backend->retry.data = backend;
    backend->events.data = backend->pulse.data = backend;
    find_ourselves(supervisor);
    if (!supervisor->options.local_dir && blkback_is_loaded())
        log_warning("xen-blkback is loaded: it takes every disk with "
                    "backendtype=phy, also those with script=" VBD_SCRIPT
                    ", which are refused then; see block-vbdd(8)");
    error = watch_trees(supervisor);
    if (!error)
        error = store_watch(supervisor->store, "@releaseDomain",
                            token_domains);
    if (!error)
        error = store_watch(supervisor->store, "@introduceDomain",
                            token_domains);
    if (error) {
        backend_stop(supervisor);
        return error;
    }
    ev_io_start(supervisor->loop, &backend->events);
    ev_timer_start(supervisor->loop, &backend->pulse);
    return 0;
}

void backend_stop(struct supervisor *supervisor)
{
    struct backend *backend = supervisor->backend;

    if (!backend)
        return;
    ev_io_stop(supervisor->loop, &backend->events);
    ev_timer_stop(supervisor->loop, &backend->work);
    ev_timer_stop(supervisor->loop, &backend->retry);
    ev_timer_stop(supervisor->loop, &backend->pulse);
    free(backend);
    supervisor->backend = NULL;
}
