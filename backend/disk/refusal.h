/* SPDX-License-Identifier: MIT
 * Why a target cannot be had, in one sentence: what, why, who has it where
 * that can be known, and what to do. */
#ifndef VBDD_DISK_REFUSAL_H
#define VBDD_DISK_REFUSAL_H

#include "common/storage/holders.h"

struct refusal {
    const char *path;  /* as the target was asked for; borrowed, as all here */
    const char *below; /* what it lies on, when that is the matter; or NULL */
    bool read_only;    /* what the target was to be */
    char *text;        /* the sentence */
    unsigned size;
};

/* "target PATH ...", "target PATH lies on BELOW, which ...". Of a path that is
 * too long its end is shown, so that the rest stays. Returns error. */
int refusal_say(const struct refusal *refusal, int error, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

/* It is in use by this holder. -EBUSY, as from all that follow. */
int refusal_say_holder(const struct refusal *refusal,
                       const struct holder *holder);
/* Whoever has claimed or locked it. how, for when nobody can be named: "locked
 * (flock)". */
int refusal_say_held(const struct refusal *refusal, const char *how);
/* Pages that somebody does not let go of. */
int refusal_say_cached(const struct refusal *refusal, uint64_t bytes);

#endif
