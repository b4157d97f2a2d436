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

/* What becomes of a guest that is saved; local.h says what that does. Between
 * suspend and what ends it nothing of the table may be called. */
int port_local_suspend(struct port_local *port);
int port_local_resume(struct port_local *port); /* it was cancelled */
/* The domain goes on as another one, domid. Memory and pages are as before;
 * grants, event ports and watches are gone, so that whoever has any must begin
 * anew, and what is relative in the store is in the new domain's place. After
 * an error only port_local_close() is left. */
int port_local_restore(struct port_local *port, uint32_t domid);

#endif
