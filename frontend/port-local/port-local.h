/* SPDX-License-Identifier: MIT
 * The port of the front end to the local stand-in: this process is the domain
 * for as long as the port is open. */
#ifndef VBDD_PORT_LOCAL_H
#define VBDD_PORT_LOCAL_H

#include "frontend/port.h"

struct port_local;

/* dir: the stand-in's directory. nr_pages: the domain's memory (4096 bytes
 * each). 0 or -errno (-EEXIST: a living domain has that number). */
int port_local_open(const char *dir, uint32_t domid, uint32_t nr_pages,
                    struct port_local **port);
/* The domain dies with it. */
void port_local_close(struct port_local *port);
const struct vbdfront_port *port_local_table(struct port_local *port);

#endif
