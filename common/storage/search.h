/* SPDX-License-Identifier: MIT
 * The parts of holders_find(): one search, and the places where it looks. */
#ifndef VBDD_STORAGE_SEARCH_H
#define VBDD_STORAGE_SEARCH_H

#include <stdio.h>

#include "common/storage/holders.h"

/* Of what a path in sysfs or procfs, or of a loop's file, has at most. */
enum { SEARCH_PATH_BYTES = 1024 };

/* What storage is, whatever its name. */
struct identity {
    bool is_block;
    dev_t device; /* block: st_rdev; file: st_dev */
    ino_t inode;  /* file */
};

struct search {
    struct identity target;
    dev_t whole;       /* of a block device */
    dev_t node_device; /* what locks of the target hang on, in /proc/locks */
    ino_t node_inode;
    dev_t skip_loop;   /* this loop device is known already; 0: none */
    const pid_t *except;
    bool (*each)(void *context, const struct holder *holder);
    void *context;
    bool is_over;      /* nobody wants to know more */
};

/* Of what path leads to, without asking a server for it (a dead one would let
 * us wait); false: neither block device nor file, or gone. */
bool identity_look(int directory, const char *path, struct identity *identity);

/* Whether using this is using the target: it is it, its whole disk or one of
 * its partitions. */
bool search_meets(const struct search *search, const struct identity *other);
/* As that; and if so, a holder of this kind begins with the device's name. */
bool search_begin(const struct search *search, const struct identity *other,
                  enum holder_kind kind, struct holder *holder);
void search_report(struct search *search, const struct holder *holder);
bool search_excepts(const struct search *search, pid_t pid);

/* The places, each in a file of its own. They report in the order of enum
 * holder_kind and stop when the search is over. */
void search_mounts(struct search *search);
void search_swaps(struct search *search);
void search_devices(struct search *search);
void search_loops(struct search *search);
void search_locks(struct search *search);
void search_openers(struct search *search);

/* --- text ----------------------------------------------------------------- */

/* Copies as struct holder wants it; what does not fit is left out. */
void text_escape(char *to, unsigned size, const char *from);
/* Turns "\040" as the kernel writes it into what it stands for, in place. */
void text_unescape(char *text);

/* --- processes ------------------------------------------------------------ */

/* A process's file, or with pid 0 one of storage_procfs itself, to read its
 * lines; NULL: not there. */
FILE *proc_open(pid_t pid, const char *name);
/* Calls visit() for every process that is there, until the search is over. */
void proc_walk(struct search *search,
               void (*visit)(struct search *search, pid_t pid, void *context),
               void *context);
/* Calls visit() for every descriptor of pid's that leads to the target, with
 * its fdinfo; holder has the device. */
void proc_descriptors(struct search *search, pid_t pid,
                      void (*visit)(const struct holder *holder, FILE *info,
                                    void *context),
                      void *context);
/* Sets pid and process, which is "" when it has gone. */
void proc_name(struct holder *holder, pid_t pid);

#endif
