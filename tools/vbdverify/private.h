/* SPDX-License-Identifier: MIT
 * The checker's insides: what is known of writes, of clusters, of sectors. */
#ifndef VBDD_VBDVERIFY_PRIVATE_H
#define VBDD_VBDVERIFY_PRIVATE_H

#include <stddef.h>

#include "tools/vbdverify/check.h"

/* A write, for as long as the checker lives: 40 bytes. */
struct written {
    uint64_t sector, invoked, answered, invoked_us;
    uint32_t took_us;
    uint16_t nr_sectors;
    uint8_t kind, outcome;
};

/* One operation, enough to speak of it. */
struct act {
    enum operation_kind kind;
    unsigned path;       /* or ACT_... */
    uint64_t sequence;
    uint64_t invoked, answered, invoked_us, answered_us;
};
enum { ACT_START = CHECK_MAX_PATHS, ACT_IMAGE };

/* A write that is known to have happened, and the reads that returned it. */
struct cluster {
    uint64_t value;
    struct act first; /* the first to be answered */
    struct act last;  /* the last to be invoked */
};

struct sector {
    struct cluster *clusters;
    uint64_t nr, room;      /* room 0: nobody was here yet */
    uint32_t open_discards; /* not answered */
    uint32_t zeros;         /* ZEROs that were invoked */
    uint32_t vague_zeros;   /* of them: open, or failed */
    bool is_discarded;      /* and not yet rewritten */
    uint64_t discarded;     /* event: the last answer of a DISCARD, or 0 */
    uint64_t rewritten;     /* event: what is invoked later is judged */
};

struct in_flight {
    uint64_t sector, end;
    unsigned path;
    bool changes;
    struct operation *operation;
};

struct check_path {
    struct written *written; /* [sequence - 1] */
    uint64_t nr_written, room;
    struct act barrier;      /* of those that are OK, the last invoked */
    uint64_t newest_done;    /* invocation of the newest write that is OK */
};

struct check {
    struct check_config config;
    struct check_stats stats;
    struct check_path paths[CHECK_MAX_PATHS];
    struct act flush; /* of all FLUSHes and BARRIERs that are OK, likewise */
    struct sector *sectors;
    struct in_flight *in_flight;
    uint64_t nr_in_flight, in_flight_room;
};

/* --- check.c -------------------------------------------------------------- */

/* An array with room for one more than nr. Without memory there is no way on:
 * it says so and aborts. */
void *check_grow(void *array, size_t bytes, uint64_t nr, uint64_t *room);
/* NULL: nobody has written this. */
struct written *check_written(struct check *check, uint64_t value);
/* The oldest invocation in flight on a sector; UINT64_MAX: there is none. */
uint64_t check_oldest(const struct check *check, uint64_t sector);
/* Whether it must survive a crash, and what says so: its own act (C7), a
 * BARRIER of its path (C6), a FLUSH or BARRIER of any (C5). */
bool check_durable(struct check *check, uint64_t value, struct act *why);
struct act act_of_operation(const struct operation *operation);
struct act act_of_written(uint64_t value, const struct written *written);

/* --- sector.c ------------------------------------------------------------- */

/* A DISCARD or ZERO has been invoked. */
void sector_begin(struct check *check, uint64_t sector,
                  const struct operation *operation);
void sector_take_write(struct check *check, uint64_t sector,
                       const struct operation *operation);
void sector_take_read(struct check *check, uint64_t sector,
                      const struct operation *operation, uint64_t value);

struct sector *sector_of(struct check *check, uint64_t sector);

enum supposed {
    SUPPOSED,
    SUPPOSED_UNWRITTEN, /* nobody has written it there */
    SUPPOSED_FORGOTTEN, /* a whole cluster came after it long ago */
};
/* The cluster of this value, which reader (NULL: nobody) has returned. */
enum supposed sector_suppose(struct check *check, uint64_t sector,
                             uint64_t value, const struct act *reader,
                             struct cluster *cluster);
/* One that comes before this one and after it; NULL: there is none. */
const struct cluster *sector_conflict(const struct sector *sector,
                                      const struct cluster *cluster);
/* Of those that were there before the event the last one to begin; with an
 * image to come, of those that are durable. NULL: there is none. */
const struct cluster *sector_newest(struct check *check,
                                    const struct sector *sector,
                                    uint64_t event);
/* Its value is zeros. */
bool cluster_is_zeros(struct check *check, const struct cluster *cluster);

static inline bool cluster_precedes(const struct cluster *one,
                                    const struct cluster *other)
{
    return one->first.answered < other->last.invoked;
}

/* --- explain.c ------------------------------------------------------------ */

/* reader: who has found it; ACT_IMAGE: the image. */
void explain_stale(struct check *check, uint64_t sector,
                   const struct act *reader, const struct cluster *found,
                   const struct cluster *newer);
void explain_unwritten(struct check *check, uint64_t sector,
                       const struct act *reader, uint64_t value);
/* The image holds `found`, but newer was durable. */
void explain_lost(struct check *check, uint64_t sector,
                  const struct cluster *found, const struct cluster *newer,
                  const struct act *why);

#endif
