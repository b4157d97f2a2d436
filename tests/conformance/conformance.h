/* SPDX-License-Identifier: MIT
 * The conformance table: what its files share.
 *
 *   disk.c       the disk's front ends: the one under test, and a plain one
 *                beside it, the witness
 *   data.c       stamped data, and what each sector must hold
 *   steps.c      the operations
 * and for vbdd, on the stand-in:
 *   table.c      the dimensions, the table, the verdicts
 *   world.c      the platform, and how a disk is attached there
 *   agreed.c     what both ends have agreed on and done, as each tells it
 * and for anybody's back end, in a guest of Xen's:
 *   guest.c      the same, as far as a guest can know
 *
 * What fails returns a sentence that says why; NULL means that it did not. */
#ifndef VBDD_TESTS_CONFORMANCE_H
#define VBDD_TESTS_CONFORMANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/port.h"
#include "frontend/vbdfront.h"

enum {
    SECTOR = 512, PAGE = 4096, PAGE_SECTORS = PAGE / SECTOR,
    DISK_SECTORS = 8192,   /* 4 MiB */
    MOST_IN_FLIGHT = 2048, /* 4 queues of 512 slots */
};

/* How a disk is cut into sectors. */
struct sectors {
    const char *name;
    unsigned block_bytes;  /* the engine's unit */
    unsigned sector_bytes; /* the guest's */
};

/* One cell of the table. */
struct combination {
    const struct sectors *sectors;
    const char *grants; /* as vbdd.conf has it */
    enum vbdfront_abi abi;
    bool is_indirect;
    unsigned queues, order;
};

/* --- disk.c -------------------------------------------------------------- */

/* A disk that is attached to the same domain twice: for the front
 * end under test, and for the witness, whose connection is as plain as can be
 * and has another layout: what both ends of the first get wrong in the same
 * way is seen by the second. */
struct disk {
    const char *tested_node, *witness_node; /* of our directory in XenStore */
    const struct sectors *sectors;
    struct vbdfront *witness;
    enum vbdfront_abi witness_abi;
    bool discards_to_zeros; /* the engine promises it; the protocol does not */
    uint64_t seeds[DISK_SECTORS]; /* of what each sector holds; 0: zeros;
                                     DATA_ANYTHING */
    uint64_t nr_seeds;
};

/* By operation. */
struct counts {
    uint64_t flushes, barriers, discards;
};

struct session {
    const struct combination *combination;
    struct disk *disk;
    struct vbdfront *front;
    unsigned unit;       /* the smallest I/O, in sectors */
    struct counts asked; /* of the front end */
    struct counts before; /* what the worker had counted */
};

/* Our domain; borrowed. */
extern const struct vbdfront_port *world_port;
/* port: the platform's; its notifications are counted. */
void world_use(const struct vbdfront_port *port);
/* The platform has taken an event of that port. */
void world_count_taken(uint32_t event_port);

/* The witness comes, with a layout that is not the tested one. */
const char *disk_prepare(struct disk *disk, enum vbdfront_abi tested);
/* Whatever the disk holds, from here on it is known. */
const char *disk_reset(struct disk *disk);
/* The witness goes. */
void disk_part(struct disk *disk);

const char *session_connect(struct session *session);
const char *session_disconnect(struct session *session);
/* How often we have notified a queue's event port, and the back end has
 * notified us there, since session_connect(). */
struct port_count {
    unsigned sent, taken;
};
struct port_count session_count_port(const struct session *session,
                                     unsigned queue);

/* --- world.c ------------------------------------------------------------- */

void world_start(void);
void world_end(void);

/* Ends the program when the disk cannot be attached. */
void disk_open(struct disk *disk, const struct sectors *sectors,
               const char *grants);
void disk_close(struct disk *disk);

/* --- data.c -------------------------------------------------------------- */

/* Where an operation takes place: on the disk, and where in a page its data
 * begins. */
struct place {
    uint64_t sector;
    uint32_t nr_sectors, page_sector;
};

extern uint64_t data_operations, data_sectors; /* done; verified */

/* Formats a sentence; borrowed until the next one. */
const char *say(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
void data_open(void);
/* Anywhere on the disk; both numbers become multiples of unit. */
struct place data_place(uint32_t nr_sectors, uint32_t page_sector,
                        unsigned unit);
/* A WRITE or BARRIER of new stamps. */
const char *data_write(struct disk *disk, struct vbdfront *front,
                       enum vbdfront_op op, unsigned flags,
                       struct place place);
/* A READ; each sector is what it must be, and nothing else was written. */
const char *data_read(struct disk *disk, struct vbdfront *front,
                      struct place place);
const char *data_read_all(struct disk *disk, struct vbdfront *front);
/* nr operations of one unit at once, each with a page of its own; no unit is
 * written twice, so there may be fewer. */
const char *data_write_many(struct disk *disk, struct vbdfront *front,
                            unsigned nr, unsigned unit);
const char *data_read_many(struct disk *disk, struct vbdfront *front,
                           unsigned nr, unsigned unit);
/* An operation that moves nothing, and ends with that error. */
const char *data_do(struct vbdfront *front, enum vbdfront_op op,
                    unsigned flags, struct place place, int error);
#define DATA_ANYTHING UINT64_MAX
/* These sectors have been discarded, in whole granules (both in sectors). */
void data_forget(struct disk *disk, struct place place, uint32_t granule);

/* --- agreed.c, or guest.c ------------------------------------------------- */

/* Has the connection what was asked for, no more and no less? */
const char *agreed_check(struct session *session);
/* Has the worker counted what was done, and where? */
const char *agreed_check_counts(const struct session *session);

/* --- steps.c ------------------------------------------------------------- */

struct step {
    const char *name;
    const char *(*run)(struct session *session);
    /* What it takes that a back end may do without; NULL: nothing. */
    bool (*is_offered)(const struct vbdfront_info *info);
};
extern const struct step steps[];
extern const unsigned nr_steps;

#endif
