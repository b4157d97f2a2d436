/* SPDX-License-Identifier: MIT
 * A worker process as its supervisor sees it: started, asked, answered, and
 * watched until it has gone. Nothing here ever waits for it. Loop thread only.
 *
 * What a worker says is judged: it is the process that touches guest memory,
 * so it may be a guest's one day. One that breaks the rules is killed. */
#ifndef VBDD_SUPERVISOR_WORKER_H
#define VBDD_SUPERVISOR_WORKER_H

#include <ev.h>
#include <sys/types.h>

#include "backend/control/message.h"

struct worker;

/* What becomes of it, told to its owner. message's text is printable. */
struct worker_events {
    void (*ready)(void *owner, const struct message *message);
    void (*failed)(void *owner, const struct message *message);
    /* false: it does not have that vbd. */
    bool (*broken)(void *owner, const struct message *message);
    void (*fail_stop)(void *owner, const struct message *message);
    /* Never before ready(); its kind is one of enum message_nbd_kind. */
    void (*nbd_event)(void *owner, const struct message *message);
    /* Last of all, with what waitpid() said. Every unanswered call has been
     * told. The owner calls worker_free(). */
    void (*ended)(void *owner, int status);
};

enum { WORKER_SOCKET = 3, WORKER_NBD_SOCKET, WORKER_LEASE };

/* What it inherits besides its socket; borrowed. */
struct worker_fds {
    int nbd;   /* a second listening socket, or -1 */
    int lease; /* of its target */
};

/* argv: of the program, NULL-terminated, argv[0] its path; "--socket FD" is
 * among it with FD = WORKER_SOCKET. dir: a directory that is made for its
 * socket and removed afterwards. fds: above WORKER_LEASE; it has them under
 * the numbers of the enum. name: for the log ("disk 3"), copied. events,
 * owner: borrowed until worker_free(). 0 or -errno with a sentence. */
int worker_start(struct worker **worker, struct ev_loop *loop,
                 const char *name, const char *dir,
                 const struct worker_fds *fds, const char *const *argv,
                 const struct worker_events *events, void *owner,
                 char *reason, unsigned reason_size);
void worker_free(struct worker *worker); /* after ended(), or NULL */

/* Sends a request (copied; the tag is put in) and has done() called exactly
 * once, with the reply, or with NULL when the worker has gone first; never
 * from within this call. 0 or -ENOMEM. */
int worker_call(struct worker *worker, const struct message *request,
                void (*done)(void *context, const struct message *reply),
                void *context);
/* The same with a descriptor, which is closed once it has been sent, or cannot
 * be. -1: none. */
int worker_call_with(struct worker *worker, const struct message *request,
                     int fd,
                     void (*done)(void *context, const struct message *reply),
                     void *context);
/* So many calls wait for their answers that one that can do without should not
 * be made: the worker may hang for days, and be asked every second. */
bool worker_is_overrun(const struct worker *worker);
void worker_kill(struct worker *worker); /* ended() follows */

pid_t worker_pid(const struct worker *worker);

#endif
