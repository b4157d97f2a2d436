/* SPDX-License-Identifier: MIT
 * One worker: one target, one process, one event loop, one coherency object
 * (ARCHITECTURE.md). Everything here: loop thread only. */
#ifndef VBDD_DISK_WORKER_H
#define VBDD_DISK_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "backend/coherency/coherency.h"
#include "backend/control/message.h"
#include "backend/disk/flush.h"
#include "backend/disk/pool.h"
#include "backend/disk/target.h"
#include "backend/engine/engine.h"
#include "backend/platform/platform.h"
#include "common/host/log.h"

struct nbd_server;
struct ring_request;
struct vbd;

/* The command line; strings borrowed from argv. */
struct worker_options {
    int socket_fd;           /* listening; the supervisor connects to it */
    int nbd_fd;              /* listening, for NBD clients; -1: none */
    int lease_fd;            /* the target's; -1: none */
    bool refuses_after_handover; /* C11: emulated-after-handover = refuse */
    const char *disk;        /* its number, for the log; NULL: not known */
    const char *target;      /* NULL: an engine without one */
    const char *engine;
    const char *user;        /* NULL: stay who we are */
    const char *local_dir;   /* NULL: Xen */
    const char *cgroup;      /* the directory of ours; NULL: none */
    bool read_only, buffered, fail_stopped;
    uint64_t flush_retry_us; /* UINT64_MAX: for ever */
    uint64_t budget_bytes;
};

struct worker {
    const struct worker_options *options;
    struct ev_loop *loop;
    struct platform *platform;
    struct target target;
    struct engine *engine;
    struct coherency_environment environment; /* the disk borrows it */
    struct coherency *disk;
    struct pool pool;
    struct vbd *vbds;
    struct nbd_server *nbd; /* or NULL */

    ev_io event_watcher, engine_watcher, listen_watcher, control_watcher;
    ev_timer coherency_timer, trim_timer;
    ev_periodic never; /* see start_watchers() */
    int control_fd; /* the supervisor's connection, or -1 */

    /* Requests whose coherency work is done and which wait for their answer,
     * in the order they were done. */
    struct ring_request *completed, **completed_tail;

    bool events_fired;  /* a port may have been signalled */
    bool wants_more;    /* there is work left: do not sleep */
    bool is_busy;       /* waiting for a batch has paid off lately; loop.c */
    bool is_holding;    /* hold.c */
    bool is_finished;
    unsigned outstanding; /* ring requests taken and not yet answered */
    uint64_t budget_used; /* bytes */

    struct disk_flush detach_flush;
    uint32_t detach_tag; /* or hold's */
    int detach_error;
    bool is_detaching;
    bool detach_is_idle; /* worker_finish_detach() has work to do */

    struct message_stats stats; /* what is counted here; the rest on demand */
    struct log_limit guest_log; /* what guests can provoke */
};

/* loop.c: serves until is_finished. */
void worker_run(struct worker *worker);

/* ringio.c: a buffer of the pool, which will be trimmed in time; or NULL. */
void *worker_take_pages(struct worker *worker, uint64_t bytes);

/* control.c */
void worker_control_open(struct worker *worker);
void worker_control_close(struct worker *worker);
void worker_send(struct worker *worker, struct message *message,
                 const int *fds, unsigned nr_fds);
/* Whether the supervisor keeps up: there is room for messages that it need not
 * have, and for three times as many that it must. */
bool worker_is_heard(const struct worker *worker);
/* No vbd runs any more: ends NBD clients, flushes, and then
 * worker_finish_detach() goes on. */
void worker_begin_detach(struct worker *worker, uint32_t tag);
/* Answers a detach whose flush is done, and ends the loop. */
void worker_finish_detach(struct worker *worker);
/* A message of the worker's own accord; text is cut to fit. */
void worker_tell(struct worker *worker, enum message_type type, uint32_t vbd,
                 int error, const char *text);

#endif
