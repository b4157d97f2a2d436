/* SPDX-License-Identifier: MIT
 * Doors: sockets, their names and their permissions. */
#include "backend/supervisor/door.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/supervisor/text.h"
#include "backend/supervisor/vbd.h"
#include "backend/supervisor/worker.h"
#include "common/host/log.h"
#include "common/host/socket.h"

enum { LONG_PATH_BYTES = 512 };

static int fail(int error, const char *path, char *reason, unsigned size)
{
    if (error == -ENAMETOOLONG)
        snprintf(reason, size, "%.200s is longer than a unix socket's path "
                 "may be (%d bytes): expected a shorter --state-dir, or "
                 "nbd=no", path, DOOR_PATH_BYTES - 1);
    else
        snprintf(reason, size, "%.200s: %s", path, strerror(-error));
    return error;
}

/* --- names ---------------------------------------------------------------- */

/* 5/hda is 5-hda. May be longer than a socket's path. */
static void print_name(const struct vbd *vbd, char path[LONG_PATH_BYTES])
{
    const char *vdev = strchr(vbd->name, '/');

    snprintf(path, LONG_PATH_BYTES, "%.400s/nbd/%u-%s",
             vbd->supervisor->options.state_dir, (unsigned)vbd->domid,
             vdev + 1);
}

int door_add_name(const struct door *door, const struct vbd *vbd,
                  char *reason, unsigned size)
{
    char path[LONG_PATH_BYTES];

    assert(door->fd >= 0);
    print_name(vbd, path);
    if (strlen(path) >= DOOR_PATH_BYTES)
        return fail(-ENAMETOOLONG, path, reason, size);
    unlink(path);
    return link(door->path, path) < 0 ? fail(-errno, path, reason, size) : 0;
}

void door_remove_name(const struct vbd *vbd)
{
    char path[LONG_PATH_BYTES];

    print_name(vbd, path);
    unlink(path);
}

void door_print_uri(const struct vbd *vbd, char uri[DOOR_URI_BYTES])
{
    static const char scheme[] = "nbd+unix:///?socket=";
    char path[LONG_PATH_BYTES];

    print_name(vbd, path);
    strcpy(uri, scheme);
    text_percent(path, uri + sizeof scheme - 1,
                 DOOR_URI_BYTES - sizeof scheme + 1);
}

/* --- permissions ---------------------------------------------------------- */

/* Everybody may go through, and see nothing on his way. */
static int allow_search(const char *path)
{
    struct stat status;

    return stat(path, &status) < 0 ||
           chmod(path, (status.st_mode & 07777) | S_IXGRP | S_IXOTH) < 0
               ? -errno : 0;
}

static int set_owner(const struct door *door, const char *state_dir,
                     const char *owner, char *reason, unsigned size)
{
    const struct passwd *user = getpwnam(owner);
    char names[LONG_PATH_BYTES];
    int error;

    if (!user || chown(door->path, user->pw_uid, (gid_t)-1) < 0) {
        error = user ? -errno : -ENOENT;
        snprintf(reason, size, "%s cannot be given to nbd-owner %s: %s",
                 door->path, owner, user ? strerror(-error) : "no such user");
        return error;
    }
    snprintf(names, sizeof names, "%.500s/nbd", state_dir);
    error = allow_search(state_dir);
    if (error)
        return fail(error, state_dir, reason, size);
    error = allow_search(names);
    return error ? fail(error, names, reason, size) : 0;
}

/* --- life ----------------------------------------------------------------- */

int doors_begin(const char *state_dir)
{
    char path[LONG_PATH_BYTES];
    struct dirent *entry;
    DIR *names = NULL;
    int error = 0;

    snprintf(path, sizeof path, "%.500s/nbd", state_dir);
    if ((mkdir(path, 0700) < 0 && errno != EEXIST) ||
        chmod(path, 0700) < 0 || !(names = opendir(path))) {
        error = -errno;
        log_error("%s: %s", path, strerror(-error));
        return error;
    }
    while ((entry = readdir(names)))
        if (entry->d_name[0] != '.')
            unlinkat(dirfd(names), entry->d_name, 0);
    closedir(names);
    return 0;
}

/* Puts the descriptor above those that the worker is started with, so that
 * neither takes the other's place. */
static int move_up(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, WORKER_LEASE + 1);
    int error = moved < 0 ? -errno : moved;

    close(fd);
    return error;
}

/* The directory is the worker's as well: whoever comes first makes it. */
static int listen_at(const char *path)
{
    char dir[DOOR_PATH_BYTES];
    int fd;

    strcpy(dir, path);
    *strrchr(dir, '/') = '\0';
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = socket_listen(path, SOCK_STREAM);
    return fd < 0 ? fd : move_up(fd);
}

int door_open(struct door *door, const struct supervisor *supervisor,
              unsigned disk, const char *owner, char *reason, unsigned size)
{
    const char *state_dir = supervisor->options.state_dir;
    char path[LONG_PATH_BYTES];
    int fd, error = 0;

    assert(door->fd < 0);
    snprintf(path, sizeof path, "%.400s/disks/%u/nbd", state_dir, disk);
    if (strlen(path) >= sizeof door->path)
        return fail(-ENAMETOOLONG, path, reason, size);
    strcpy(door->path, path);
    fd = listen_at(door->path);
    if (fd < 0)
        return fail(fd, door->path, reason, size);
    door->fd = fd;
    if (owner[0])
        error = set_owner(door, state_dir, owner, reason, size);
    if (error)
        door_close(door);
    return error;
}

void door_close(struct door *door)
{
    if (door->fd < 0)
        return;
    close(door->fd);
    door->fd = -1;
    unlink(door->path);
    *strrchr(door->path, '/') = '\0';
    rmdir(door->path); /* unless the worker's socket is still there */
}
