/* SPDX-License-Identifier: MIT
 * Who has a block device or file in use, for the sentence of a refusal and for
 * `vbdctl doctor` (C12). Detection, not exclusion: what is found may be gone
 * a moment later. Not seen are processes of other pid namespaces, those of
 * other users unless root asks, those that have it mapped but not open (to ask
 * for that can hang with a process that hangs), and users inside the kernel
 * that leave no trace in sysfs (nbd, iSCSI targets, nfsd). Any thread; no
 * state. */
#ifndef VBDD_STORAGE_HOLDERS_H
#define VBDD_STORAGE_HOLDERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/storage/blockdev.h"

enum holder_kind {
    HOLDER_MOUNT,     /* what: the mount point; pid: who sees it, where it is
                         mounted in another mount namespace only; or, of a
                         btrfs nobody sees mounted, its devices' directory */
    HOLDER_SWAP,      /* what: the file or device, as /proc/swaps has it */
    HOLDER_DEVICE,    /* device-mapper, md, ...; what: its name, as
                         "dm-0 (vg-lv)" */
    HOLDER_LOOP,      /* a loop device over this; what: "/dev/loop3" */
    HOLDER_LOOP_FILE, /* this is a loop device over a file that somebody has;
                         what: the file, and how he has it */
    HOLDER_LOCK,      /* flock, POSIX or OFD lock; what: "flock" or
                         "OFD lock, bytes 100-101, 201, as QEMU's" */
    HOLDER_OPENER,    /* a process has it open; what: "read" or "write". Whether
                         exclusively (O_EXCL) the kernel tells nobody. */
};

/* Text is printable ASCII: all else, and the backslash, is an octal escape
 * ("\303"), as bash takes it in $'...'. */
struct holder {
    enum holder_kind kind;
    /* The device that is in use: the target itself, its whole disk, or one of
     * its partitions; "" for files. */
    char device[BLOCKDEV_NAME_BYTES];
    char what[BLOCKDEV_PATH_BYTES];
    pid_t pid; /* 0: not known or none */
    char process[32];
    /* Whether we do not attach beside it, because the kernel, a lock or we
     * ourselves (loop, swap) are against it: to write, and to read only. */
    bool excludes, excludes_reader;
};

/* Calls each() for every holder that can be found, in the order of enum
 * holder_kind. Processes in `except` (zero-terminated pids, NULL: none) are
 * passed over. each() returns false to stop. 0 or -errno (not: found none). */
int holders_find(const struct blockdev *device, const pid_t *except,
                 bool (*each)(void *context, const struct holder *holder),
                 void *context);

/* As holders_find(), but only those whom the kernel lets in beside everybody and
 * who ask for no lock: swap on it, and loop devices over it. No process is
 * looked at, however many there are. */
void holders_find_lockless(const struct blockdev *device,
                           bool (*each)(void *context,
                                        const struct holder *holder),
                           void *context);

/* The holder in a few words: "mounted on /srv (sda1)", "swap", "held by dm-0
 * (vg-lv)", "locked by qemu-img, pid 12 (OFD lock, bytes 100-103)", "open for
 * writing in dd, pid 7". Returns text. */
char *holder_describe(const struct holder *holder, char *text, unsigned size);

/* As holders_find(), but one sentence's part that names the first holder that
 * excludes, or else the first process that has it open and so may have it
 * exclusively; false: none can be named. */
bool holders_name(const struct blockdev *device, char *text, unsigned size);

#endif
