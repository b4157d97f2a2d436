/* SPDX-License-Identifier: MIT
 * The stand-in hypervisor, as its clients see it. A process `vbdd-local DIR`
 * keeps what Xen and xenstored keep: domains, their event-channel ports and
 * the store. In DIR it listens on
 *   hypervisor        SOCK_SEQPACKET, this interface (see protocol.h inside)
 *   xenstored         the XenStore wire protocol, as domain 0
 *   domain-N/xenstored the same as domain N, permissions enforced, while the
 *                     domain lives
 * Hosted. One thread at a time for each handle. */
#ifndef VBDD_LOCAL_H
#define VBDD_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

enum { LOCAL_PAGE_BYTES = 4096, LOCAL_GRANT_FRAMES = 16,
       LOCAL_MAX_GRANTS = LOCAL_GRANT_FRAMES * LOCAL_PAGE_BYTES / 8 };

struct local; /* a connection: the hypercalls of one domain */

/* Connects as domain 0, for back ends and tools (any number of connections),
 * or to become the guest that local_domain_create() makes. 0 or -errno. */
int local_open(const char *dir, struct local **local);
void local_close(struct local *local); /* a guest's connection: it dies */

/* --- guest side ----------------------------------------------------------- */

/* Turns the connection into domain domid (1..0x7fef) with nr_pages of memory
 * (a memfd, zeroed), of which the first LOCAL_GRANT_FRAMES are its grant
 * table (v1 entries). Makes /local/domain/N and fires @introduceDomain.
 * -EEXIST when it lives already. */
int local_domain_create(struct local *local, uint32_t domid,
                        uint32_t nr_pages);
/* The whole memory, mapped; page i is frame i. */
void *local_domain_memory(struct local *local);
/* Grants frame to domid: a reference >= 8, or -ENOSPC. The frame is judged
 * by whoever maps it, as on Xen. */
int32_t local_grant_access(struct local *local, uint32_t domid, uint32_t frame,
                           bool read_only);
/* -EBUSY while the peer maps or copies (GTF_reading or GTF_writing); -EINVAL
 * for what is not granted. */
int local_grant_end(struct local *local, uint32_t gref);
/* As a restore makes it on Xen: this domain, which must be suspended, dies,
 * and its connection goes on as a new one, domid, that runs. Its memory has
 * the same contents at the same address; but its grant table is empty, all
 * its ports are closed (the peers' are unbound), and its store connection is
 * closed, and every watch with it. What back ends have mapped stays the dead
 * domain's: nothing of it reaches the new one. But what they write meanwhile
 * may be in the new memory in part, as on Xen: an answer without its data.
 * References that were granted before are the caller's still;
 * local_grant_end() takes each of them back, and it never is -EBUSY. -EINVAL,
 * -EEXIST: nothing has happened; after any other error only local_close() is
 * left. */
int local_domain_restore(struct local *local, uint32_t domid);

/* --- back-end side -------------------------------------------------------- */

/* As platform_grant_map(): checked against the live table entry (domid,
 * GTF_permit_access, GTF_readonly, frame in range), the entry's in-use flags
 * set and kept for as long as anyone maps it, or until its process ends.
 * -EUSERS: 63 connections use that domain already. */
int local_grant_map(struct local *local, uint32_t domid, const uint32_t *grefs,
                    unsigned nr, bool writable, void **pages);
int local_grant_unmap(struct local *local, void *pages, unsigned nr);
/* One element of a grant copy; 0 or -errno (-EFAULT bad range, -EACCES bad
 * grant, -ESRCH no such domain). In process, no system call once the domain's
 * memory is known. */
int local_grant_copy(struct local *local, uint32_t domid, uint32_t gref,
                     uint16_t offset_bytes, uint16_t length_bytes,
                     void *ours, bool to_guest);

/* --- both ----------------------------------------------------------------- */

enum local_domain_state {
    LOCAL_DOMAIN_GONE, LOCAL_DOMAIN_RUNNING,
    LOCAL_DOMAIN_SUSPENDED, /* as after SHUTDOWN_suspend */
};
/* enum local_domain_state or -errno. */
int local_domain_state(struct local *local, uint32_t domid);
/* 1, 0 or -errno. */
int local_domain_is_alive(struct local *local, uint32_t domid);
/* Marks it suspended and fires @releaseDomain, which is all that others see
 * of a suspend; not to run is up to the guest. resume: the suspend is
 * cancelled, everything is as before, and no watch fires, as on Xen. For the
 * domain itself and for domain 0. 0, -EPERM, -ESRCH, -EINVAL (it is so
 * already). */
int local_domain_suspend(struct local *local, uint32_t domid);
int local_domain_resume(struct local *local, uint32_t domid);

/* One descriptor for all ports of this connection; readable when one fired. */
int local_event_fd(struct local *local);
int local_event_alloc_unbound(struct local *local, uint32_t remote_domid);
/* Binds an unbound port that was made for us (also one whose peer has died:
 * it is unbound again). Our port is pending at once. */
int local_event_bind(struct local *local, uint32_t remote_domid,
                     uint32_t remote_port);
int local_event_close(struct local *local, uint32_t port);
/* To an unbound port: dropped silently, as Xen does. */
int local_event_notify(struct local *local, uint32_t port);
/* Takes what has fired: ports written, number returned (0: none). One system
 * call. */
int local_event_take(struct local *local, uint32_t *ports, unsigned max);

struct local_held {
    unsigned ports, mapped_pages;
    uint64_t system_calls;
};
void local_get_held(const struct local *local, struct local_held *held);

/* --- faults, for tests ---------------------------------------------------- */

/* Makes the stand-in fail the nth next operation of this kind of this
 * connection with error (-errno); 0 clears. Client-side. */
enum local_fault { LOCAL_FAULT_MAP, LOCAL_FAULT_COPY, LOCAL_FAULT_BIND,
                   LOCAL_FAULT_COUNT };
void local_set_fault(struct local *local, enum local_fault fault, unsigned nth,
                     int error);

/* The store socket of domain domid in dir ("DIR/xenstored" for 0), for
 * XENSTORED_PATH. Writes at most bytes; -ENAMETOOLONG. */
int local_store_path(const char *dir, uint32_t domid, char *path,
                     unsigned bytes);

#endif
