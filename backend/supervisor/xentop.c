/* SPDX-License-Identifier: MIT
 * The directory that xentop looks in. */
#include "backend/supervisor/xentop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/control/xentop.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/vbd.h"
#include "common/host/log.h"

enum { DIR_BYTES = 512, FILE_BYTES = 40 };
#define FILE_PREFIX "vbd-"

/* --- the directory -------------------------------------------------------- */

static void print_dir(const struct supervisor *supervisor, pid_t pid,
                      char path[DIR_BYTES])
{
    const char *local = supervisor->options.local_dir;

    snprintf(path, DIR_BYTES, "%.480s/td3-%d", local ? local : "/dev/shm",
             (int)pid);
}

/* Opens a directory that nobody else can have put anything into. */
static int open_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && status.st_uid == geteuid() &&
        !(status.st_mode & (S_IWGRP | S_IWOTH)))
        return fd;
    close(fd);
    return -EPERM;
}

static void remove_dir(const char *path)
{
    int fd = open_dir(path);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (strncmp(entry->d_name, FILE_PREFIX, strlen(FILE_PREFIX)) == 0)
            unlinkat(fd, entry->d_name, 0);
    closedir(dir);
    rmdir(path);
}

/* True when there is a directory; made with the first file. */
static bool has_dir(struct supervisor *supervisor)
{
    struct xentop *xentop = &supervisor->xentop;
    char path[DIR_BYTES];

    if (xentop->dir >= 0 || xentop->is_off)
        return !xentop->is_off;
    print_dir(supervisor, getpid(), path);
    if (mkdir(path, 0755) < 0 && errno != EEXIST)
        xentop->dir = -errno;
    else
        xentop->dir = open_dir(path);
    if (xentop->dir >= 0 && fchmod(xentop->dir, 0755) == 0)
        return true;
    log_warning("xentop is shown nothing: %s: %s", path,
                xentop->dir < 0 ? strerror(-xentop->dir) : strerror(errno));
    xentop->is_off = true;
    return false;
}

void xentop_begin(struct supervisor *supervisor, pid_t predecessor)
{
    char path[DIR_BYTES];

    supervisor->xentop = (struct xentop){ .dir = -1 };
    print_dir(supervisor, predecessor, path);
    /* a process that has its number now may have the directory, too */
    if (predecessor > 0 && kill(predecessor, 0) < 0 && errno == ESRCH)
        remove_dir(path);
}

void xentop_end(struct supervisor *supervisor)
{
    char path[DIR_BYTES];

    if (supervisor->xentop.dir < 0)
        return;
    close(supervisor->xentop.dir);
    supervisor->xentop.dir = -1;
    print_dir(supervisor, getpid(), path);
    remove_dir(path);
}

/* --- files ---------------------------------------------------------------- */

static void print_file(const struct vbd *vbd, char name[FILE_BYTES])
{
    snprintf(name, FILE_BYTES, FILE_PREFIX "%" PRIu32 "-%" PRIu32, vbd->domid,
             vbd->devid);
}

/* Whole at once: a worker that wrote where the memory file system has no room
 * would be killed. Returns a descriptor or -errno. */
static int make_file(const struct vbd *vbd)
{
    struct xentop_stats stats = { .version = XENTOP_VERSION };
    int dir = vbd->supervisor->xentop.dir, fd, error;
    char name[FILE_BYTES];

    print_file(vbd, name);
    unlinkat(dir, name, 0);
    fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                0644);
    if (fd < 0)
        return -errno;
    error = -posix_fallocate(fd, 0, sizeof stats);
    if (!error && (pwrite(fd, &stats, sizeof stats, 0) != sizeof stats ||
                   fchmod(fd, 0644) < 0))
        error = -EIO;
    if (!error)
        return fd;
    close(fd);
    unlinkat(dir, name, 0);
    return error;
}

/* A node that has gone is not made again. */
static int write_body(struct store *store, void *context)
{
    const struct vbd *vbd = context;
    char state[STORE_VALUE_BYTES], pid[16];
    int error = store_read_in(store, vbd->path, "state", state, sizeof state,
                              NULL);

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    return error ? error
                 : store_write(store, vbd->path, "kthread-pid",
                               vbd->is_in_xentop ? pid : NULL);
}

static void write_node(struct vbd *vbd)
{
    store_transact(vbd->supervisor->store, write_body, vbd);
}

void xentop_adopt(struct vbd *vbd)
{
    write_node(vbd);
}

static void done(void *context, const struct message *reply)
{
    (void)context;
    if (reply && reply->error)
        log_info("xentop is shown nothing of a vbd: %s",
                 strerror(-reply->error));
}

void xentop_add(struct vbd *vbd)
{
    struct message request = { .type = MESSAGE_XENTOP, .vbd = vbd->number };
    int fd = has_dir(vbd->supervisor) ? make_file(vbd) : -1;

    if (fd < 0)
        return;
    vbd->is_in_xentop = true;
    write_node(vbd);
    worker_call_with(vbd->disk->worker, &request, fd, done, NULL);
}

void xentop_remove(struct vbd *vbd)
{
    char name[FILE_BYTES];

    if (!vbd->is_in_xentop)
        return;
    vbd->is_in_xentop = false;
    write_node(vbd);
    print_file(vbd, name);
    unlinkat(vbd->supervisor->xentop.dir, name, 0);
}
