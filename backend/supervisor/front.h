/* SPDX-License-Identifier: MIT
 * What a front end says about its ring, read and judged. The nodes are a
 * guest's: each is read once, and only numbers come out of here. */
#ifndef VBDD_SUPERVISOR_FRONT_H
#define VBDD_SUPERVISOR_FRONT_H

#include "backend/control/message.h"
#include "backend/supervisor/store.h"

enum { FRONT_REASON_BYTES = 200 };

/* Fills in abi and queues of connect from the front end's directory. 0, or
 * -EINVAL with the sentence that says which value was read and what was
 * expected (printable, whatever the guest wrote). */
int front_read_ring(struct store *store, const char *frontend,
                    struct message_connect *connect,
                    char reason[FRONT_REASON_BYTES]);

#endif
