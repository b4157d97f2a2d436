/* SPDX-License-Identifier: MIT
 * What goes between requests and the pages of their guests, by the way that
 * each vbd was connected with (enum message_grants). The memory of guests is
 * touched here only: each byte once, from or to memory of our own, and nothing
 * is ever judged there (XSA-155). Loop thread only; a batch belongs to the
 * process. */
#ifndef VBDD_DISK_TRANSFER_H
#define VBDD_DISK_TRANSFER_H

#include <stdbool.h>

struct ring_request;
struct worker;

/* From the guest's page of an indirect request to r->indirect. */
void transfer_add_descriptors(struct ring_request *r);
/* Between the guest's pages and r->data. Nothing for a request that has
 * failed already. */
void transfer_add_data(struct ring_request *r, bool to_guest);
/* All that was added has been done when it returns; a request that was not to
 * be done has got an error (each grant's own status decides: XSA-361), and no
 * other. */
void transfer_run(struct worker *worker);

#endif
