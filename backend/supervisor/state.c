/* SPDX-License-Identifier: MIT
 * The state node is ours, with one exception: the toolstack writes Closing
 * into it when it wants the device to go. So everything is written in a
 * transaction that first looks whether that has happened, and whether the
 * node is still there at all: a deleted tree must not grow again. */
#include "backend/supervisor/state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "backend/supervisor/backend.h"
#include "backend/supervisor/vbd.h"
#include "common/host/log.h"

struct update {
    struct vbd *vbd;
    const struct state_pair *pairs;
    unsigned nr;
};

static int update_body(struct store *store, void *context)
{
    const struct update *update = context;
    const struct vbd *vbd = update->vbd;
    char state[STORE_VALUE_BYTES];
    unsigned length;
    int error = store_read_in(store, vbd->path, "state", state, sizeof state,
                              &length);

    enum xenbus_state now;

    if (error)
        return error;
    now = xenbus_parse_state(state, length);
    if (now == XENBUS_INITIALISING && vbd->state != XENBUS_INITIALISING &&
        vbd->state != XENBUS_UNKNOWN)
        return -ENOENT; /* another node by the same name: not ours to write */
    if (now == XENBUS_CLOSING && vbd->state != XENBUS_CLOSING)
        return -ESTALE;
    for (unsigned i = 0; i < update->nr && !error; i++)
        error = store_write(store, vbd->path, update->pairs[i].name,
                            update->pairs[i].value);
    return error;
}

int state_write(struct vbd *vbd, struct state_pair *pairs, unsigned nr,
                enum xenbus_state state)
{
    struct update update = { vbd, pairs, nr + 1 };
    char text[8];
    int error;

    assert(xenbus_back_may_go(vbd->state, state) || vbd->state == state);
    assert(nr < STATE_MAX_PAIRS);
    snprintf(text, sizeof text, "%d", (int)state);
    pairs[nr] = (struct state_pair){ "state", text };
    error = store_transact(vbd->supervisor->store, update_body, &update);
    if (!error) {
        log_debug("%s: %s -> %s (front end %s)", vbd->name,
                  xenbus_state_text(vbd->state), xenbus_state_text(state),
                  xenbus_state_text(vbd->front));
        vbd->state = state;
    } else if (error == -ENOENT || error == -ESTALE) {
        vbd_set_dirty(vbd);
    } else {
        log_limited(&vbd->limit, LOG_LEVEL_ERROR,
                    "%s: its state cannot be written: %s", vbd->name,
                    strerror(-error));
        backend_retry(vbd);
    }
    return error;
}

int state_set(struct vbd *vbd, enum xenbus_state state)
{
    struct state_pair pairs[STATE_MAX_PAIRS];

    return state_write(vbd, pairs, 0, state);
}
