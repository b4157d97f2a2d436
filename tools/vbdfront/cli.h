/* SPDX-License-Identifier: MIT
 * What the subcommands of vbdfront share. A run is one life of a domain on the
 * stand-in, or of a front end in this guest of Xen's: it is made, its disk
 * connected, one command done, all taken down. Errors are said
 * in one sentence where they are found; functions return an exit status
 * (EXIT_...) or, where said, -errno. */
#ifndef VBDD_VBDFRONT_CLI_H
#define VBDD_VBDFRONT_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/host/log.h"
#include "frontend/port.h"
#include "frontend/vbdfront.h"
#include "tools/options/options.h"
#include "tools/vbdfront/profile.h"

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
enum { SECTOR_BYTES = 512, PAGE_BYTES = 4096 };

struct cli {
    const char *local_dir, *vdev_name;
    const char *as; /* profiles, one after the other; NULL: none */
    uint64_t domid, timeout_s;
    bool has_json;
    uint32_t vdev;
    struct vbdfront_config config; /* where there is no profile */
    const struct vbdfront_port *port;
    struct vbdfront *front;
    const struct vbdfront_info *info;
};

/* --- platform.c ---------------------------------------------------------- */

/* Why this can be no guest of Xen's; NULL: it is one. */
const char *platform_lacks_xen(void);
/* The domain that we are: cli's port. False: it has been said why not. */
bool platform_open(struct cli *cli);
/* Is the disk nobody else's? */
bool platform_claim(const struct cli *cli);
void platform_close(void);

/* --- disk.c -------------------------------------------------------------- */

/* Makes the domain, waits for the device and connects; as each of the profiles
 * of --as in turn. EXIT_... */
int disk_open(struct cli *cli);
/* EXIT_FAILED when something was not given back in time. */
int disk_close(struct cli *cli);
/* nr_bytes that can be granted, or NULL and it has been said. */
void *disk_alloc(struct cli *cli, uint64_t nr_bytes);
/* Says which operation failed and how. */
int disk_say_failed(struct cli *cli, const char *operation, uint64_t sector,
                    int error);
/* Polls once, and sleeps when there is nothing to do until an event. */
void disk_wait(struct cli *cli);
/* A range that the disk has. */
bool disk_check_range(struct cli *cli, uint64_t sector, uint64_t nr_sectors);

/* --- stream.c ------------------------------------------------------------ */

struct stream {
    uint64_t sector, nr_sectors; /* nr_sectors: to the disk, at most */
    unsigned flags;              /* of the writes */
    const char *title;           /* of the progress bar; NULL: none */
    /* Called for each chunk, in order. From the disk: uses the data, 0 or
     * EXIT_... To the disk: fills it with up to max_bytes and returns how many
     * (0: the end), -1 when it has said what went wrong. */
    int (*take)(void *context, uint64_t sector, const uint8_t *data,
                uint32_t nr_sectors);
    int64_t (*give)(void *context, uint64_t sector, uint8_t *data,
                    uint32_t max_bytes);
    void *context;
    uint64_t done_sectors;       /* out: how far it went */
};

/* Several chunks are in flight at a time. EXIT_... */
int stream_from_disk(struct cli *cli, struct stream *stream);
int stream_to_disk(struct cli *cli, struct stream *stream);

/* --- file.c -------------------------------------------------------------- */

/* FILE or "-" (standard input or output). The descriptor, or -1 and it has
 * been said. */
int file_open(const char *name, bool writes);
/* False when what was written may not be there. */
bool file_close(int fd, const char *name);
/* Its size in bytes; UINT64_MAX when it cannot be known (a pipe). */
uint64_t file_size(int fd);
/* As much of bytes as there is; -1: said. */
int64_t file_read(int fd, const char *name, void *data, uint64_t bytes);
bool file_write(int fd, const char *name, const void *data, uint64_t bytes);
/* All the rest of fd to the disk, from sector on; refused as a whole when it
 * is known to be too long or not of whole sectors. EXIT_... */
int file_to_disk(struct cli *cli, int fd, const char *name, uint64_t sector,
                 unsigned flags, const char *title);
int file_from_disk(struct cli *cli, uint64_t sector, uint64_t nr_sectors,
                   int fd, const char *name, const char *title);

/* --- progress.c ---------------------------------------------------------- */

struct progress {
    const char *title;
    uint64_t total_bytes, start_us, shown_us;
    bool is_shown;
};
/* Nothing is shown when standard error is no terminal, or title is NULL. */
void progress_start(struct progress *progress, const char *title,
                    uint64_t total_bytes);
void progress_show(struct progress *progress, uint64_t done_bytes);
void progress_end(struct progress *progress, uint64_t done_bytes);

/* --- the subcommands: one file each -------------------------------------- */

struct command {
    const char *name, *words, *summary;
    const struct option *options;
    /* Judges its words and options before anything is opened. */
    bool (*check)(int argc, char **argv);
    int (*run)(struct cli *cli, int argc, char **argv);
};
extern const struct command command_info, command_read, command_write,
    command_flush, command_barrier, command_discard, command_copy,
    command_verify, command_bench;

#endif
