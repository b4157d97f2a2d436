/* SPDX-License-Identifier: MIT
 * What the ports have in common for which the guest is a process under Linux:
 * pages out of one piece of memory, XenStore through libxenstore, waiting,
 * time, log. Grants and events are each port's own. */
#ifndef VBDD_PORT_HOSTED_H
#define VBDD_PORT_HOSTED_H

#include "frontend/pages.h"
#include "frontend/port.h"

struct xs_handle;

/* Such a port's struct begins with this one: the table's context points to
 * it. */
struct port_hosted {
    struct vbdfront_port table;
    struct pages pages;
    struct xs_handle *store; /* NULL: none yet */
    uint64_t store_events;
    /* Readable when one of the port's event ports has fired; then
     * take_events() acknowledges. */
    int event_fd;
    void (*take_events)(void *context);
};

/* Fills in the table but for grant_... and event_... */
void port_hosted_init(struct port_hosted *port, int event_fd,
                      void (*take_events)(void *context));
/* Its memory: nr pages, none before first of which are given out. 0 or
 * -ENOMEM. */
int port_hosted_start_pages(struct port_hosted *port, void *memory,
                            uint32_t nr_pages, uint32_t first);
/* What is there of it; zeroed is enough. */
void port_hosted_deinit(struct port_hosted *port);

/* Of the table of such a port: */

/* What becomes readable when wait() would return, for who has more to wait
 * for. Then wait() takes the events. */
void port_hosted_get_fds(const struct vbdfront_port *table, int fds[2]);
/* Takes a node away, which no driver needs to: 0 or -errno. */
int port_hosted_store_remove(const struct vbdfront_port *table,
                             const char *path);

#endif
