/* SPDX-License-Identifier: MIT
 * The states of a PV device (xen/io/xenbus.h), and what each end may do in
 * them. Pure. */
#ifndef VBDD_BLKIF_XENBUS_H
#define VBDD_BLKIF_XENBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values as on the wire. UNKNOWN is also a missing directory or node. */
enum xenbus_state {
    XENBUS_UNKNOWN, XENBUS_INITIALISING, XENBUS_INIT_WAIT, XENBUS_INITIALISED,
    XENBUS_CONNECTED, XENBUS_CLOSING, XENBUS_CLOSED, XENBUS_RECONFIGURING,
    XENBUS_RECONFIGURED,
};
enum { XENBUS_STATE_COUNT = 9 };

const char *xenbus_state_text(enum xenbus_state state);

/* A number as XenStore holds it, decimal, not 0-terminated, written by a peer
 * who may be hostile: digits only, no sign, no blanks, at most 20 of them,
 * value at most max. 0, or -EINVAL and *value is untouched. */
int xenbus_parse_number(const char *text, size_t length, uint64_t max,
                        uint64_t *value);
/* A state node's text; anything that is not one of the states is UNKNOWN. */
enum xenbus_state xenbus_parse_state(const char *text, size_t length);

/* May our end go from one state to the other? The only transitions:
 * (tables in xenbus.c, pictures in docs/PROTOCOL.md) */
bool xenbus_back_may_go(enum xenbus_state from, enum xenbus_state to);
bool xenbus_front_may_go(enum xenbus_state from, enum xenbus_state to);

/* What a back end does when it sees the front end's state, given its own.
 * Each but NOTHING ends in another state; then ask again (a front that skipped
 * states needs ADVERTISE and CONNECT). Each may be done twice: a ring that is
 * not there has been given back. */
enum xenbus_back_action {
    XENBUS_BACK_NOTHING,
    XENBUS_BACK_ADVERTISE,  /* publish features, go to INIT_WAIT */
    XENBUS_BACK_CONNECT,    /* read rings, map, go to CONNECTED */
    XENBUS_BACK_CLOSE,      /* front wants to close: go to CLOSING and go on
                               serving. Linux says Closing while its disk is
                               still mounted, mini-os and OVMF wait for our
                               Closing before they say Closed */
    XENBUS_BACK_DISCONNECT, /* front has closed: give the ring back, go to
                               CLOSED */
    XENBUS_BACK_RESTART,    /* front started afresh without closing (kexec,
                               crash): give the ring back, ADVERTISE; not by
                               way of CLOSED, which would make a starting
                               front give up */
};
/* front UNKNOWN counts as CLOSED; front states may be skipped; CLOSED back
 * with online and a front that is INITIALISING again advertises anew. Without
 * online nothing is started. A back end whose own directory has gone (UNKNOWN)
 * has nothing to say here: it gives the ring back and writes nothing. */
enum xenbus_back_action xenbus_back_react(enum xenbus_state back,
                                          enum xenbus_state front,
                                          bool online);

#endif
