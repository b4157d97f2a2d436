/* SPDX-License-Identifier: MIT
 * A target: what a disk is stored on, and how the toolstack asks for it. */
#ifndef VBDD_SUPERVISOR_TARGET_H
#define VBDD_SUPERVISOR_TARGET_H

#include "backend/control/key.h"
#include "backend/supervisor/config.h"

enum { TARGET_PATH_BYTES = 1024, TARGET_PARAMS_BYTES = 1536 };

struct target {
    char path[TARGET_PATH_BYTES];
    dev_t device; /* that it is, or that it lies on */
    char key[TARGET_KEY_BYTES];
    struct disk_options options;
    bool is_writable, is_shared; /* mode: r, w, w! */
};

/* Reads "[NAME=VALUE,]...PATH" (a VALUE with commas in it goes between double
 * quotes) and a mode (r, w, w!; NULL or "" is w) into
 * target, options starting from the configuration; "mode=" among the options
 * overrides mode. 0 or -EINVAL with a sentence. */
int target_parse(struct target *target, const struct config *config,
                 const char *params, const char *mode, char *reason,
                 unsigned reason_size);
/* Looks at what is at the path: fills in key. 0 or -errno with a sentence. */
int target_identify(struct target *target, char *reason,
                    unsigned reason_size);

#endif
