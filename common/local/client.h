/* SPDX-License-Identifier: MIT
 * What the files of the stand-in's client library share. */
#ifndef VBDD_LOCAL_CLIENT_H
#define VBDD_LOCAL_CLIENT_H

#include "common/local/local.h"
#include "common/local/pins.h"
#include "common/local/protocol.h"

/* A domain that we serve: its whole memory, mapped once for each life of it.
 * Lives while it is in local->peers or one of our mappings uses it. */
struct local_peer {
    struct local_peer *next;
    unsigned refs;
    uint32_t domid, nr_pages;
    int memory_fd;
    uint8_t *memory;
    struct pins *pins;
    unsigned slot;
    uint32_t own[LOCAL_MAX_GRANTS]; /* how often we use each grant */
};

struct local_port {
    bool is_open;
    int rx, tx; /* eventfds: what we receive on, what the peer receives on */
};

struct local {
    int socket;
    int epoll; /* over the rx of all ports, edge-triggered */
    struct local_port *ports; /* LOCAL_MAX_PORTS, by number */
    struct local_held held;

    /* a guest's */
    uint8_t *memory;
    uint32_t nr_pages;
    uint16_t *free_grefs;
    unsigned nr_free_grefs;
    bool *is_granted; /* by reference: the table does not outlive a restore */

    /* a back end's */
    struct local_peer *peers;
    void *mappings; /* tsearch(3) tree, by address */

    struct {
        unsigned countdown;
        int error;
    } faults[LOCAL_FAULT_COUNT];
};

/* Sends a request, waits for the reply. Returns its result or -errno; the
 * descriptors that came with it (exactly nr_fds, handed over) in fds. */
int local_call(struct local *local, enum local_op op, uint32_t domid,
               uint32_t value, int *fds, unsigned nr_fds,
               struct local_reply *reply);
/* The error that this operation is to fail with, or 0. */
int local_take_fault(struct local *local, enum local_fault fault);

void local_guest_free(struct local *local);
void local_grants_free(struct local *local);
void local_ports_free(struct local *local);
void local_ports_forget(struct local *local); /* the server has closed them */

#endif
