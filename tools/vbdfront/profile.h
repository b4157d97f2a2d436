/* SPDX-License-Identifier: MIT
 * Whom vbdfront can behave as (--as). */
#ifndef VBDD_VBDFRONT_PROFILE_H
#define VBDD_VBDFRONT_PROFILE_H

#include <stdbool.h>

#include "frontend/habits.h"
#include "frontend/vbdfront.h"

struct profile {
    const char *name, *summary;
    struct vbdfront_config config; /* all of it */
    bool flushes_last;      /* a flush before it closes */
    bool follows_a_crash;   /* who was there before it has not closed */
    const char *const *removes; /* of its nodes, when it has closed; NULL
                                   ends them. NULL: none */
};

extern const struct profile profiles[]; /* one without a name ends them */

/* The profile that the next name of a list ("ovmf,linux") stands for; *list
 * then is behind it. NULL when there is none, and it has been said. */
const struct profile *profile_take(const char **list);

#endif
