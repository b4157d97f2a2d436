/* SPDX-License-Identifier: MIT
 * The messages of the stand-in's hypervisor socket: each request has one
 * reply, in order. Descriptors travel with the replies that name them. */
#ifndef VBDD_LOCAL_PROTOCOL_H
#define VBDD_LOCAL_PROTOCOL_H

#include <stdint.h>

enum { LOCAL_FIRST_GREF = 8,         /* those below are the toolstack's */
       LOCAL_LAST_DOMID = 0x7fef,    /* from 0x7ff0 on Xen has its own uses */
       LOCAL_MAX_PORTS = 4096,       /* of one domain; port 0 is none */
       LOCAL_MAX_PAGES = 1 << 20 };  /* of one domain */

enum local_op {
    LOCAL_OP_CREATE, /* become domid; value: pages. fd: its memory */
    LOCAL_OP_MEMORY, /* of domid, for back ends. result: our slot among its
                      * pins; fds: its memory, its pins (pins.h) */
    LOCAL_OP_STATE,  /* result: enum local_domain_state of domid */
    LOCAL_OP_ALLOC,  /* a port for domid. result: port; fds: rx, tx */
    LOCAL_OP_BIND,   /* to port `value` of domid; replies as ALLOC */
    LOCAL_OP_CLOSE,  /* our port `value` */
    LOCAL_OP_SUSPEND, /* domid: ourselves, or domain 0 asks */
    LOCAL_OP_RESUME,  /* domid: the same */
    LOCAL_OP_RESTORE, /* go on as domid, which is new. fd: its memory */
};

struct local_request {
    uint32_t op; /* enum local_op */
    uint32_t domid;
    uint32_t value;
};

struct local_reply {
    int32_t result; /* -errno, or what the operation says */
    uint32_t nr_pages; /* MEMORY */
};

#endif
