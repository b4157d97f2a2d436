/* SPDX-License-Identifier: MIT
 * What the files of the port share, and who does what.
 *
 *   start.c      the port as a whole: start, the table, suspend
 *   hypercall.c  Xen is found (CPUID) and called
 *   memory.c     pages of the guest's, and pages of Xen's in their places
 *   grants.c     the grant table
 *   events.c     event channels, and sleep until one fires
 *   upcall.c     another sleep, which ends by interrupt
 *   pic.c        the machine's interrupts, kept away meanwhile
 *   clock.c      Xen's clock
 *   store.c      XenStore, over its ring
 *   console.c    Xen's console
 *   libc.c       what a compiler may ask for
 *
 * There is one guest, so each file has one state. What has a start() is
 * started again when the guest has been restored. */
#ifndef VBDD_PORT_HVM_PRIVATE_H
#define VBDD_PORT_HVM_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040a00
#endif
#include <xen/errno.h>
#include <xen/xen.h>
#include <xen/event_channel.h>

enum { HVM_PAGE_BYTES = 4096 };

/* A sentence for who called port_hvm_start(). */
void hvm_log(const char *sentence);

/* --- hypercall.c --------------------------------------------------------- */

/* Is this a guest of Xen's? */
bool hvm_xen_find(void);
/* page: of the guest's, for good. */
void hvm_xen_start(void *page);
uint32_t hvm_xen_version(void);

/* What the hypercall returns, mostly 0 or -errno. */
long hvm_hypercall(unsigned number, uintptr_t first, uintptr_t second,
                   uintptr_t third);
/* HVM_PARAM_*; 0 also when there is none. */
uint64_t hvm_param_get(uint32_t index);
int hvm_param_set(uint32_t index, uint64_t value);

/* --- memory.c ------------------------------------------------------------ */

int hvm_memory_start(void *memory, size_t bytes);
void *hvm_page_alloc(unsigned nr); /* zeroed, contiguous; or NULL */
void hvm_page_free(void *pages, unsigned nr);
/* A page of Xen's (XENMAPSPACE_*) takes the place of one of ours. */
int hvm_page_replace(void *page, unsigned space, uint32_t index);

/* --- grants.c ------------------------------------------------------------ */

int hvm_grants_start(void);
int32_t hvm_grant_access(uint32_t domid, void *page, bool read_only);
int hvm_grant_end(uint32_t gref);

/* --- events.c ------------------------------------------------------------ */

/* Maps the shared info page, which clock.c needs too. No channel is open. */
int hvm_events_start(void);
volatile struct shared_info *hvm_shared_info(void);
int hvm_event_op(unsigned command, void *argument);

int32_t hvm_event_alloc(uint32_t domid);
/* A channel that Xen's tools have made is waited for like one of ours. */
void hvm_event_adopt(evtchn_port_t port);
void hvm_event_close(evtchn_port_t port);
void hvm_event_notify(evtchn_port_t port);

bool hvm_event_is_pending(evtchn_port_t port);
void hvm_event_mask(evtchn_port_t port, bool is_masked);
/* Acknowledges; had it fired? */
bool hvm_event_take(evtchn_port_t port);
bool hvm_events_take(void); /* all that are open; had one? */

/* Until it has fired, or 1 of all that are open; or timeout_us has passed. May
 * return early. What has fired is still to be taken. */
void hvm_event_sleep(evtchn_port_t port, uint64_t timeout_us);
void hvm_events_sleep(uint64_t timeout_us);

/* --- upcall.c ------------------------------------------------------------ */

int hvm_upcall_start(void);
bool hvm_upcall_is_used(void);
void hvm_upcall_sleep(const evtchn_port_t *ports, unsigned nr,
                      uint64_t deadline_ns);

/* --- pic.c --------------------------------------------------------------- */

uint16_t hvm_pic_mask(void); /* returns what was masked before */
void hvm_pic_unmask(uint16_t masks);

/* --- clock.c ------------------------------------------------------------- */

uint64_t hvm_clock_ns(void); /* Xen's own, which a restore sets back */
uint64_t hvm_clock_us(void); /* never goes back */
void hvm_clock_continue(uint64_t now_us); /* after a restore */

/* --- store.c ------------------------------------------------------------- */

int hvm_store_start(void);
int hvm_store_read(const char *path, char *value, size_t bytes);
int hvm_store_list(const char *path, char *names, size_t bytes);
int hvm_store_write(const char *path, const char *value);
int hvm_store_remove(const char *path);
int hvm_store_watch(const char *path, bool is_wanted);
/* Takes what watches have said, and its port's mark; had one said anything? */
bool hvm_store_take_events(void);
uint64_t hvm_store_events(void);

/* --- console.c ----------------------------------------------------------- */

/* 0, also when there is none. */
int hvm_console_start(void);

#endif
