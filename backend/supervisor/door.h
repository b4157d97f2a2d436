/* SPDX-License-Identifier: MIT
 * A disk's door for emulated disks and other NBD clients (C11): a
 * unix socket on which its worker listens. The supervisor makes it, names it
 * and says who may use it. Loop thread only.
 *
 *   STATE_DIR/disks/N/nbd   the socket, beside the worker's own
 *   STATE_DIR/nbd/5-hda     a hard link to it for each vbd, 5/hda here: the
 *                           name that is told
 *
 * A disk's number belongs to another target after vbdd was started again, and
 * QEMU connects again by path for as long as it lives. The name of a vbd never
 * leads it to another guest's disk: domain numbers are not soon used again.
 *
 * The socket is root's, mode 0600, or its owner's (nbd-owner), who gets no
 * right to anything else: for his sake STATE_DIR and STATE_DIR/nbd, otherwise
 * 0700, can be searched (not listed) from then on; what they hold keeps its
 * own mode. */
#ifndef VBDD_SUPERVISOR_DOOR_H
#define VBDD_SUPERVISOR_DOOR_H

#include <stdbool.h>
#include <sys/un.h>

struct supervisor;
struct vbd;

/* As long as a socket's path may be, so that whoever connects can say it. */
enum { DOOR_PATH_BYTES = sizeof ((struct sockaddr_un *)0)->sun_path,
       DOOR_URI_BYTES = 32 + 3 * DOOR_PATH_BYTES };

struct door {
    int fd;     /* listening; -1: it is closed. The worker's is a copy, so
                   that clients of one that has gone wait for the next */
    char path[DOOR_PATH_BYTES];
};

/* Makes STATE_DIR/nbd and removes what an earlier vbdd has left in it. 0 or
 * -errno, which was logged. */
int doors_begin(const char *state_dir);

/* Opens the door of the disk with this number. owner: a user, or "". 0 or
 * -errno with a sentence. */
int door_open(struct door *door, const struct supervisor *supervisor,
              unsigned disk, const char *owner, char *reason, unsigned size);
/* Allowed for one that is closed. No name may be left. */
void door_close(struct door *door);

/* Gives it the vbd's name. 0 or -errno with a sentence. */
int door_add_name(const struct door *door, const struct vbd *vbd,
                  char *reason, unsigned size);
/* Takes it away, if it has one. */
void door_remove_name(const struct vbd *vbd);
/* "nbd+unix:///?socket=STATE_DIR/nbd/5-hda"; every byte that could mean
 * something to whoever it is told (a comma: QEMU) is written as %XX. */
void door_print_uri(const struct vbd *vbd, char uri[DOOR_URI_BYTES]);

#endif
