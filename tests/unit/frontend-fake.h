/* SPDX-License-Identifier: MIT
 * A world for the front end's tests, all in one process and without clocks: a
 * port (memory, grants, event channels, a store, a time that only wait()
 * moves) and a back end on the other side of the ring, which does what a test
 * tells it to. The fake checks what it is used for: a grant that is used
 * without right, taken back twice or left over is a violation. */
#ifndef VBDD_TESTS_FRONTEND_FAKE_H
#define VBDD_TESTS_FRONTEND_FAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/blkif/ring.h"
#include "common/blkif/xenbus.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"

#define FAKE_NODE "/local/domain/5/device/vbd/51712"
#define FAKE_BACKEND "/local/domain/0/backend/vbd/5/51712"

enum {
    FAKE_GRANTS = 4096, FAKE_NODES = 160, FAKE_VALUE_BYTES = 600,
    FAKE_PATH_BYTES = 400, FAKE_PORTS = 8, FAKE_FIRST_PORT = 3,
    FAKE_QUEUES = 8, FAKE_HELD = 2048,
    FAKE_DISK_SECTORS = 16384, FAKE_LOG = 4096,
};

struct fake_grant {
    void *page; /* NULL: free */
    uint32_t domid;
    bool read_only, is_busy;
    bool is_mapped; /* by a back end that keeps pages mapped */
    bool is_old;    /* of before a restore: grants nothing */
};

struct fake {
    struct vbdfront_port port;
    uint64_t now_us;

    /* store */
    struct {
        char path[FAKE_PATH_BYTES], value[FAKE_VALUE_BYTES];
        bool is_watched;
    } nodes[FAKE_NODES];
    unsigned nr_nodes, nr_watches;
    uint64_t store_events, store_events_seen;

    /* memory, grants, events */
    unsigned pages_used, pages_limit, grants_used, grants_limit;
    unsigned ports_used, ports_limit;
    bool ports[FAKE_PORTS];
    struct fake_grant grants[FAKE_GRANTS];
    unsigned nr_granted; /* ever */
    unsigned notifications;
    unsigned violations;
    char last_sentence[512];
    unsigned nr_sentences;

    /* the back end */
    void (*backend)(struct fake *fake); /* called in wait(); NULL: dead */
    bool follows_states; /* reacts to the front end's state as blkif.h says */
    bool holds;          /* keeps requests until the test answers them */
    uint32_t max_indirect_segments;
    bool maps_persistently; /* keeps what it was given until it closes, and
                               may write to all of it */
    bool has_ring;
    unsigned nr_queues, ring_pages;
    struct back_ring rings[FAKE_QUEUES];
    unsigned nr_served[FAKE_QUEUES]; /* requests, for each queue */
    uint8_t disk[FAKE_DISK_SECTORS * 512];
    struct blkif_wire_request held[FAKE_HELD];
    uint8_t held_queue[FAKE_HELD];
    unsigned nr_held;
    uint8_t log[FAKE_LOG];         /* operations, in the order of arrival */
    struct blkif_wire_request last; /* the latest request */
    unsigned nr_log;
    int16_t status;                /* what it answers; 0 unless told */
};

/* A world with a fresh device of FAKE_DISK_SECTORS sectors, flush and
 * barrier, and nothing else that could be offered; whose back end follows the
 * states and serves what it is asked. */
void fake_init(struct fake *fake);
/* The guest goes on as another domain: grants, ports, watches and the ring are
 * gone, and the device is a fresh one, as after fake_init(). The disk's data
 * is what it was. */
void fake_restore(struct fake *fake);
/* The toolstack and an honest back end make the device once more: each node is
 * as after fake_init(). Watches stay. */
void fake_make_device(struct fake *fake);
/* True when nothing is left of what the front end took: pages, grants, ports,
 * watches. Says what is. */
bool fake_is_clean(const struct fake *fake);

const char *fake_get(struct fake *fake, const char *directory,
                     const char *leaf); /* NULL: absent */
void fake_set(struct fake *fake, const char *directory, const char *leaf,
              const char *value);
void fake_remove(struct fake *fake, const char *directory, const char *leaf);
void fake_set_backend_state(struct fake *fake, enum xenbus_state state);
enum xenbus_state fake_front_state(struct fake *fake);

/* Offers indirect requests. */
void fake_offer_indirect(struct fake *fake, uint32_t max_segments);

/* What a backend() may be made of. */
void fake_attach_ring(struct fake *fake);
void fake_follow_states(struct fake *fake);
void fake_serve(struct fake *fake);
void fake_live(struct fake *fake); /* both: the one that init sets */

/* Executes the held request and answers it with status, from its place in
 * held[]; the others move up. */
void fake_answer_held(struct fake *fake, unsigned index, int16_t status);
/* Answers it, and never executes it. */
void fake_answer_undone(struct fake *fake, unsigned index, int16_t status);
/* Executes it, and never answers. */
void fake_execute_held(struct fake *fake, unsigned index);
/* Puts any response on the first ring. */
void fake_answer(struct fake *fake, uint64_t id, uint8_t operation,
                 int16_t status);

#endif
