/* SPDX-License-Identifier: MIT
 * A hold record: what the next vbdd must know of a vbd to go on with the very
 * rings that this one served (docs/COHERENCY.md, "When vbdd is away"). One file
 * for each connected vbd, in the supervisor's directory. The supervisor writes
 * who the vbd is; the worker, which gets a descriptor with CONNECT, where its
 * rings stand. The latter is there only while nobody serves them. */
#ifndef VBDD_CONTROL_HOLD_H
#define VBDD_CONTROL_HOLD_H

#include "backend/control/key.h"
#include "backend/control/message.h"

/* With every change of what follows, another one. */
#define HOLD_MAGIC "vbdhold1"

enum { HOLD_PATH_BYTES = 128, HOLD_VM_BYTES = 256 };

/* What no other vbd, and no later life of this one, has in common with it by
 * chance. Strings are padded with zeros. */
struct hold_identity {
    char magic[8];
    uint32_t bytes; /* of the whole record */
    uint32_t abi, nr_queues;
    struct message_ring rings[BLKIF_MAX_QUEUES];
    char backend[HOLD_PATH_BYTES];  /* its node */
    char frontend[HOLD_PATH_BYTES]; /* its directory */
    char vm[HOLD_VM_BYTES];         /* the domain's uuid path */
    char key[TARGET_KEY_BYTES];     /* of its target */
};

struct hold {
    struct hold_identity identity;
    struct message_standing standing; /* the worker's to write */
};

#endif
