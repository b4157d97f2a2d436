/* SPDX-License-Identifier: MIT
 * vbdd.conf: what the administrator decides. Read once at the start; a file
 * with anything wrong in it is refused as a whole.
 *
 * The names of a disk's options are the same in the file's sections, in the
 * params node of a vbd (`target=engine=null,/dev/x`) and on the control
 * socket: config_set_option() is the one place that knows them. */
#ifndef VBDD_SUPERVISOR_CONFIG_H
#define VBDD_SUPERVISOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "backend/control/message.h"
#include "backend/supervisor/cgroups.h"
#include "common/host/log.h"

enum { CONFIG_ENGINE_BYTES = 256, CONFIG_USER_BYTES = 33,
       CONFIG_REASON_BYTES = 512 };

/* What a front end is offered, and how it is served. Decided at each
 * connection: no other worker is needed for it. */
struct vbd_options {
    uint32_t max_queues, max_ring_page_order, max_indirect_segments;
    enum message_grants grants;
    uint32_t max_persistent_grants; /* pages kept mapped */
    uint32_t sector_bytes;          /* 512 or 4096 */
};

/* How one disk is served. */
struct disk_options {
    char engine[CONFIG_ENGINE_BYTES]; /* specification, see engine.h */
    bool is_buffered;                 /* C12: only by explicit wish */
    uint64_t flush_retry_us;          /* C8: T; UNITS_FOREVER_US */
    uint64_t budget_bytes;
    char user[CONFIG_USER_BYTES];     /* what the worker becomes */
    bool has_nbd;                     /* a socket for emulated disks */
    char nbd_owner[CONFIG_USER_BYTES]; /* who may use it besides root; "" */
    bool refuses_after_handover;      /* C11: emulated-after-handover */
    struct cgroup_rates rates;        /* of all its clients together */
    struct vbd_options vbd;           /* of each vbd that does not say */
};

/* A [disk:PATH] section. */
struct config_disk {
    TAILQ_ENTRY(config_disk) link;
    struct disk_options options;
    char path[]; /* as written in the file */
};

struct config {
    enum log_level log_level;
    bool has_log_level;
    uint64_t attach_timeout_us, detach_timeout_us;
    struct disk_options defaults;
    TAILQ_HEAD(, config_disk) disks;
};

/* Sets what holds without a file. */
void config_init(struct config *config);
void config_free(struct config *config);
/* Reads the file and writes one sentence for each bad line through
 * log_error(). 0, or -EINVAL when there was any, or -errno when it cannot be
 * read. The config is to be freed in any case. */
int config_load(struct config *config, const char *path);
/* The options of a target: its section's, else the defaults. */
const struct disk_options *config_find(const struct config *config,
                                       const char *target);
/* One option of a disk. 0, -ENOENT when there is no such option, -EINVAL with
 * what was expected in reason ("yes or no"). */
int config_set_option(struct disk_options *options, const char *name,
                      const char *value, char *reason, unsigned reason_size);
/* Do they ask for the same worker? */
bool disk_options_are_equal(const struct disk_options *one,
                            const struct disk_options *other);

#endif
