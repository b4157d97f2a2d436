/* SPDX-License-Identifier: MIT
 * A rig for the supervisor's tests: a stand-in hypervisor, a real vbdd with
 * workers that move no data, a store connection with which a test plays the
 * front end, and the control socket. One rig at a time.
 *
 * Nothing here is timed: what must come is waited for, for as long as a slow
 * machine may need, and then the test fails. */
#ifndef VBDD_TESTS_SUPERVISOR_RIG_H
#define VBDD_TESTS_SUPERVISOR_RIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <xenstore.h>

/* How long, and how often, to wait for what must come. */
enum { PATIENCE_MS = 60000, STEP_MS = 2 };

extern char rig_dir[64];
extern struct xs_handle *rig_xs;
extern const char *rig_log_level; /* of vbdd; "debug" */
extern const char *rig_worker;    /* the program; the fake one */

/* Starts everything, config being the text of vbdd.conf. Ends the program
 * when that is impossible. */
void rig_start(const char *config);
/* SIGTERM to vbdd; returns its exit status, or 128 + signal. */
int rig_stop_vbdd(void);
int rig_await_vbdd(void); /* the same of one that ends by itself */
void rig_kill_vbdd(void);
pid_t rig_vbdd_pid(void);
pid_t rig_hypervisor_pid(void);
/* Starts vbdd again in the same place; arguments: more of them, or NULL. */
void rig_start_vbdd(void);
void rig_start_vbdd_for_xen(void); /* without --local */
void rig_kill_hypervisor(void); /* and the store with it: last of all */
/* The rest; removes rig_dir. */
void rig_end(void);
const char *rig_builddir(void);
/* "DIR/name" in one of a few static buffers. */
const char *rig_path(const char *name);

/* Sends one line, returns the reply (borrowed until the next one), or NULL
 * when the other end has closed. */
json_t *rig_ask(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* The same in two halves: returns the socket; the reply is the caller's. */
int rig_send(const char *line);
json_t *rig_receive(int fd);
/* True when the last reply was "ok"; a failed one is shown. */
bool rig_ok(const json_t *reply);
/* True when it was not, and the sentence holds this text. */
bool rig_refused(const json_t *reply, const char *text);
/* The command list, and in it the disk of a target or a vbd, or NULL. */
json_t *rig_disk(const char *target);
json_t *rig_vbd(const char *name);
/* SIGKILL to the worker of a target that has one. */
void rig_kill_worker(const char *target);
bool rig_await_disk_state(const char *target, const char *state);

/* The store. */
void rig_write(const char *dir, const char *name, const char *value);
void rig_remove(const char *path);
bool rig_exists(const char *dir, const char *name);
bool rig_await(const char *dir, const char *name, const char *value);
bool rig_holds(const char *dir, const char *name, const char *part);

/* Is the text in the file (a worker's log, vbdd's)? Waits for it. */
bool rig_await_text(const char *path, const char *text);
unsigned rig_count_text(const char *path, const char *text);
/* A directory of the store's as the toolstack makes it: its owner's, and one
 * other domain may read it. */
void rig_make_dir(const char *path, unsigned owner, unsigned reader);
void rig_touch(const char *path);
void rig_unlink(const char *path);

/* A device, and its trees. */
struct rig_device {
    unsigned domid, devid;
    char vdev[16], name[32];
    char back[96], front[96];
    char target[128], log[136], go[136];
};
/* Makes a target of that name (64 MiB, sparse) and says where all will be. */
struct rig_device rig_device(unsigned domid, const char *vdev,
                             const char *target);
/* How long the file of the target's lease is; -1: there is none. */
off_t rig_lease_bytes(const struct rig_device *device);
/* Asks for it to be attached; the reply. */
json_t *rig_attach(const struct rig_device *device, const char *mode,
                   const char *engine);
/* Publishes a good ring and goes to that state. */
void rig_publish(const struct rig_device *device, const char *state);
void rig_front(const struct rig_device *device, const char *state);
bool rig_back_is(const struct rig_device *device, const char *state);
/* Front end Closed, then detached. */
bool rig_detach(const struct rig_device *device);

#endif
