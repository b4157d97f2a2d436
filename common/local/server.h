/* SPDX-License-Identifier: MIT
 * What the stand-in keeps: domains, connections, ports. (The store is
 * store/store.h.) One thread. */
#ifndef VBDD_LOCAL_SERVER_H
#define VBDD_LOCAL_SERVER_H

#include <ev.h>
#include <stdbool.h>

#include "common/local/pins.h"
#include "common/local/protocol.h"

struct store;
struct store_door;

/* One client of the hypervisor socket: a guest, or one of domain 0's. */
struct connection {
    struct ev_io io;
    struct connection *next;
    struct server *server;
    struct domain *domain;
    bool has_called; /* it may no longer become a guest */
};

struct domain {
    struct domain *next;
    uint32_t domid;
    struct port *ports[LOCAL_MAX_PORTS];
    struct store_door *door;
    /* none of domain 0's: */
    bool is_suspended;
    uint32_t nr_pages;
    int memory_fd, pins_fd;
    struct grant_entry_v1 *grants; /* in its memory */
    struct pins *pins;
    struct connection *slots[PINS_SLOTS]; /* whose bit in the pins it is */
};

struct server {
    struct ev_loop *loop;
    struct ev_io listener;
    struct ev_signal ends[2];
    const char *dir;
    struct connection *connections;
    struct domain *domains; /* the living ones; domain 0 is always there */
    struct store *store;
};

/* --- hypercall.c: the hypervisor socket ----------------------------------- */
int hypercall_listen(struct server *server);
void hypercall_close(struct server *server);

/* --- domain.c ------------------------------------------------------------- */
struct domain *domain_find(const struct server *server, uint32_t domid);
/* A domain without memory (domain 0) or with; it can be found and the store
 * lets it in. 0 or -errno. */
int domain_create(struct server *server, uint32_t domid, uint32_t nr_pages,
                  struct domain **domain);
/* Its ports must have been closed. */
void domain_destroy(struct server *server, struct domain *domain);
/* The slot of a back end's connection among the domain's pins; -EUSERS when
 * there is none left. */
int domain_join(struct domain *domain, struct connection *connection);
/* Gives back what the connection, which has gone, still held. */
void domain_leave(struct domain *domain, struct connection *connection);

/* --- port.c --------------------------------------------------------------- */
/* A new port of the connection's domain, or -errno. fds (borrowed by the
 * caller): what it receives on and what its peer receives on. */
int port_alloc_unbound(struct connection *connection, uint32_t remote_domid,
                       int fds[2]);
int port_bind(struct connection *connection, uint32_t remote_domid,
              uint32_t remote_port, int fds[2]);
int port_close(struct connection *connection, uint32_t number);
void port_close_all(struct connection *connection);

#endif
