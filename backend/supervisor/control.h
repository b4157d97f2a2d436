/* SPDX-License-Identifier: MIT
 * The control socket: JSON objects, one a line, one request and one reply at
 * a time for each client (docs/CONTROL.md). Loop thread only. */
#ifndef VBDD_SUPERVISOR_CONTROL_H
#define VBDD_SUPERVISOR_CONTROL_H

#include <jansson.h>

#include "backend/supervisor/supervisor.h"

enum { CONTROL_LINE_BYTES = 64 << 10, CONTROL_CLIENTS = 64 };

struct control;
struct client; /* lives until its request has been answered, whatever the
                  other end does */

/* Listens on STATE_DIR/control. 0 or -errno. */
int control_start(struct supervisor *supervisor, struct control **control);
/* Every request must have been answered. NULL is allowed. */
void control_stop(struct control *control);

/* Exactly one of these for each request. body (an object, stolen) gets "ok";
 * NULL: out of memory. */
void client_reply(struct client *client, json_t *body);
void client_refuse(struct client *client, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* client_reply() without more to say, or client_refuse(). */
void client_finish(struct client *client, int error, const char *sentence);
struct supervisor *client_supervisor(const struct client *client);

#endif
