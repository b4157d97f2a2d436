/* SPDX-License-Identifier: MIT
 * An answer to a client that workers have a part in. It is given when all of
 * them have said theirs, or without those that take longer than two seconds:
 * nobody is kept waiting by a worker that hangs. Loop thread only.
 *
 *   gather = gather_new(client, body, is_strict);
 *   gather_ask(gather, disk, &request, object, take);   any number of times
 *   gather_finish(gather); */
#ifndef VBDD_SUPERVISOR_GATHER_H
#define VBDD_SUPERVISOR_GATHER_H

#include <jansson.h>

#include "backend/control/message.h"
#include "backend/supervisor/control.h"

struct disk;
struct gather;

/* Puts what a worker has said (a reply without error) into its object. It is
 * called as well when the client has been answered without it; disk is there,
 * whatever has become of its vbds. */
typedef void gather_take(struct disk *disk, json_t *object,
                         const struct message *reply);

/* body (stolen) is what the client gets. is_strict: it is refused when a
 * worker fails, with its sentence. NULL: no memory, which the client was
 * told. */
struct gather *gather_new(struct client *client, json_t *body,
                          bool is_strict);
/* object (borrowed) is body or a part of it, and has the disk's number as its
 * "disk"; "error" says in it why its worker has not answered. */
void gather_ask(struct gather *gather, struct disk *disk,
                const struct message *request, json_t *object,
                gather_take *take);
/* Nothing more will be asked. */
void gather_finish(struct gather *gather);

#endif
