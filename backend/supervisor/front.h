/* SPDX-License-Identifier: MIT
 * What a front end says about its rings, read and judged. The nodes are a
 * guest's: each is read once, and only numbers come out of here. */
#ifndef VBDD_SUPERVISOR_FRONT_H
#define VBDD_SUPERVISOR_FRONT_H

#include "backend/control/message.h"
#include "backend/supervisor/store.h"

enum { FRONT_REASON_BYTES = 200 };

/* What it was offered, and may therefore ask for. */
struct front_offer {
    uint32_t max_queues, max_ring_page_order;
    bool has_persistent;
};

/* Fills in abi and queues of connect from the front end's directory; grants
 * becomes MESSAGE_GRANTS_PERSISTENT if that was offered and is wanted, and is
 * left alone otherwise. No grant and no port is in it twice. 0, or -EINVAL
 * with the sentence that says which value was read and what was expected
 * (printable, whatever the guest wrote). */
int front_read_ring(struct store *store, const char *frontend,
                    const struct front_offer *offer,
                    struct message_connect *connect,
                    char reason[FRONT_REASON_BYTES]);

#endif
