/* SPDX-License-Identifier: MIT
 * vbdd's command line. */
#ifndef VBDD_SUPERVISOR_OPTIONS_H
#define VBDD_SUPERVISOR_OPTIONS_H

#include <stdbool.h>

#include "common/host/log.h"

struct options {
    const char *local_dir;   /* NULL: Xen */
    const char *config_path;
    bool has_config_path;    /* given, so it must exist */
    const char *state_dir;
    const char *worker_path;
    bool is_background;
    enum log_level log_level;
    bool has_log_level;
};

/* Reads the command line; every string is borrowed from argv. Returns -1 to
 * go on, or the exit status (0 after --help, 2 after a mistake). */
int options_parse(struct options *options, int argc, char **argv);

#endif
