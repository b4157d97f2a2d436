/* SPDX-License-Identifier: MIT
 * vbdd, the supervisor: the control plane of all disks of a host. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "backend/supervisor/backend.h"
#include "backend/supervisor/control.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/domain.h"
#include "backend/supervisor/door.h"
#include "backend/supervisor/hold.h"
#include "backend/supervisor/vbd.h"
#include "common/host/log.h"

enum { PATH_BYTES = 512 };

/* --- stopping ------------------------------------------------------------- */

void supervisor_check_stopped(struct supervisor *supervisor)
{
    const struct vbd *vbd;

    if (!supervisor->is_stopping || !TAILQ_EMPTY(&supervisor->disks))
        return;
    TAILQ_FOREACH(vbd, &supervisor->vbds, link)
        if (vbd->is_dirty)
            return;
    ev_break(supervisor->loop, EVBREAK_ALL);
}

void supervisor_stop(struct supervisor *supervisor)
{
    struct disk *disk = TAILQ_FIRST(&supervisor->disks), *next;

    if (supervisor->is_stopping)
        return;
    log_info("stopping: every disk is drained and flushed first, and guests "
             "that run wait for the next vbdd");
    sd_notify(0, "STOPPING=1");
    supervisor->is_stopping = true;
    for (; disk; disk = next) {
        next = TAILQ_NEXT(disk, link);
        disk_stop(disk);
    }
    backend_wake(supervisor);
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int revents)
{
    (void)loop;
    (void)revents;
    supervisor_stop(watcher->data);
}

static void on_watchdog(struct ev_loop *loop, ev_timer *watcher, int revents)
{
    (void)loop;
    (void)watcher;
    (void)revents;
    sd_notify(0, "WATCHDOG=1");
}

/* --- starting ------------------------------------------------------------- */

static int make_dir(const char *base, const char *name)
{
    char path[PATH_BYTES];

    if (snprintf(path, sizeof path, "%s%s", base, name) >= (int)sizeof path) {
        log_error("%s: too long", base);
        return -ENAMETOOLONG;
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        log_error("%s: %s", path, strerror(errno));
        return -errno;
    }
    return 0;
}

/* Whoever can write to it can put his own socket in the place of ours, and a
 * link of his can lead anywhere. */
static int check_dir(const char *dir)
{
    struct stat status;

    if (lstat(dir, &status) == 0 && S_ISDIR(status.st_mode) &&
        status.st_uid == geteuid() && !(status.st_mode & (S_IWGRP | S_IWOTH)))
        return 0;
    log_error("%s: expected a directory that is ours and that nobody else can "
              "write to", dir);
    return -EPERM;
}

/* Sockets are told to others, which have working directories of their own. */
static int make_absolute(const char **dir)
{
    static char path[PATH_MAX];

    if (*dir[0] == '/')
        return 0;
    if (!realpath(*dir, path)) {
        log_error("%s: %s", *dir, strerror(errno));
        return -errno;
    }
    *dir = path;
    return 0;
}

/* Who held the lock before us, or 0. */
static pid_t read_predecessor(int lock)
{
    char text[16] = "";

    return pread(lock, text, sizeof text - 1, 0) > 0 ? atoi(text) : 0;
}

/* Makes the state directory and takes its lock, which is held as long as the
 * process lives. Returns the lock's descriptor or -errno. */
static int take_state_dir(struct options *options, pid_t *predecessor)
{
    const char *dir = options->state_dir;
    char path[PATH_BYTES];
    int fd;

    if (make_dir(dir, "") || check_dir(dir) || make_dir(dir, "/disks") ||
        make_dir(dir, "/fail-stop") || make_dir(dir, "/hold") ||
        make_dir(dir, "/leases") || make_absolute(&options->state_dir))
        return -EIO;
    snprintf(path, sizeof path, "%s/lock", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int error = -errno;

        if (error == -EWOULDBLOCK)
            log_error("%s is in use by another vbdd", dir);
        else
            log_error("%s: %s", path, strerror(-error));
        if (fd >= 0)
            close(fd);
        return error;
    }
    if (doors_begin(dir) < 0) {
        close(fd);
        return -EIO;
    }
    *predecessor = read_predecessor(fd);
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
        log_warning("%s: %s", path, strerror(errno));
    return fd;
}

/* The stand-in's store instead of Xen's: libxenstore takes it from there. */
static int set_store(const char *local_dir)
{
    char path[PATH_BYTES];

    if (!local_dir)
        return 0;
    if (snprintf(path, sizeof path, "%s/xenstored", local_dir) >=
        (int)sizeof path)
        return -ENAMETOOLONG;
    return setenv("XENSTORED_PATH", path, 1) < 0 ? -errno : 0;
}

static int read_config(struct supervisor *supervisor)
{
    struct options *options = &supervisor->options;
    struct config *config = &supervisor->config;

    config_init(config);
    if (options->has_config_path || access(options->config_path, F_OK) == 0) {
        int error = config_load(config, options->config_path);

        if (error)
            return error;
    }
    if (!options->has_log_level)
        options->log_level = config->log_level;
    log_set_level(options->log_level);
    return 0;
}

static int start(struct supervisor *supervisor, struct control **control)
{
    int error = store_open(&supervisor->store);

    if (error) {
        log_error("the XenStore cannot be reached: %s", strerror(-error));
        return error;
    }
    cgroups_begin(&supervisor->cgroups);
    error = domain_start(supervisor);
    if (error) {
        log_error("domains cannot be watched: %s", strerror(-error));
        return error;
    }
    error = backend_start(supervisor);
    if (error) {
        log_error("%s cannot be watched: %s", supervisor->backend_path,
                  strerror(-error));
        return error;
    }
    holds_begin(supervisor);
    error = control_start(supervisor, control);
    if (error)
        log_error("%s/control: %s", supervisor->options.state_dir,
                  strerror(-error));
    return error;
}

static void run(struct supervisor *supervisor)
{
    ev_signal terminate, interrupt;
    ev_timer watchdog;
    uint64_t interval_us;

    ev_signal_init(&terminate, on_signal, SIGTERM);
    ev_signal_init(&interrupt, on_signal, SIGINT);
    terminate.data = interrupt.data = supervisor;
    ev_signal_start(supervisor->loop, &terminate);
    ev_signal_start(supervisor->loop, &interrupt);
    ev_init(&watchdog, on_watchdog);
    if (sd_watchdog_enabled(0, &interval_us) > 0) {
        double half = (double)interval_us / 2e6;

        ev_timer_set(&watchdog, half, half);
        ev_timer_start(supervisor->loop, &watchdog);
    }
    ev_run(supervisor->loop, 0);
    ev_signal_stop(supervisor->loop, &terminate);
    ev_signal_stop(supervisor->loop, &interrupt);
    ev_timer_stop(supervisor->loop, &watchdog);
}

static void free_all(struct supervisor *supervisor)
{
    struct vbd *vbd;

    while ((vbd = TAILQ_FIRST(&supervisor->vbds))) {
        TAILQ_REMOVE(&supervisor->vbds, vbd, link);
        free(vbd);
    }
    xentop_end(supervisor);
    backend_stop(supervisor);
    domain_stop(supervisor);
    store_close(supervisor->store);
    config_free(&supervisor->config);
    ev_loop_destroy(supervisor->loop);
}

/* Serves until told to end. ready_fd: gets one byte once it is serving, or
 * -1. Returns the exit status. */
static int serve(struct supervisor *supervisor, int ready_fd)
{
    struct control *control = NULL;
    pid_t predecessor = 0;
    int lock = take_state_dir(&supervisor->options, &predecessor),
        error = lock;

    xentop_begin(supervisor, predecessor);
    supervisor->loop = ev_default_loop(0);
    if (lock >= 0)
        error = start(supervisor, &control);
    if (!error) {
        log_info("serving");
        sd_notify(0, "READY=1");
        if (ready_fd >= 0 && write(ready_fd, "", 1) == 1)
            close(ready_fd);
        run(supervisor);
    }
    control_stop(control);
    free_all(supervisor);
    if (lock >= 0)
        close(lock);
    log_info("ended");
    return error || supervisor->is_unable ? 1 : 0;
}

/* The parent waits until its child serves, or has failed and said why. */
static int serve_in_background(struct supervisor *supervisor)
{
    int ready[2], null;
    char byte;
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        log_error("cannot go to the background: %s", strerror(errno));
        return 1;
    }
    if (pid > 0) {
        close(ready[1]);
        return read(ready[0], &byte, 1) == 1 ? 0 : 1;
    }
    close(ready[0]);
    setsid();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) { /* the log goes where standard error goes */
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        close(null);
    }
    return serve(supervisor, ready[1]);
}

int main(int argc, char **argv)
{
    struct supervisor supervisor = { 0 };
    int status = options_parse(&supervisor.options, argc, argv);

    if (status >= 0)
        return status;
    log_init("vbdd", supervisor.options.log_level);
    TAILQ_INIT(&supervisor.vbds);
    TAILQ_INIT(&supervisor.disks);
    signal(SIGPIPE, SIG_IGN);
    if (read_config(&supervisor) || set_store(supervisor.options.local_dir)) {
        config_free(&supervisor.config);
        return 2;
    }
    if (supervisor.options.is_background)
        return serve_in_background(&supervisor);
    return serve(&supervisor, -1);
}
