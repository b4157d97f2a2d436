/* SPDX-License-Identifier: MIT
 * Hold records: DIR/hold/TREE-DOMID-DEVID, as the vbd's node is called. */
#include "backend/supervisor/hold.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/control/hold.h"
#include "backend/supervisor/disk.h"
#include "backend/supervisor/sharing.h"
#include "backend/supervisor/vbd.h"
#include "common/host/log.h"

enum { PATH_BYTES = 512 };

static void print_dir(const struct supervisor *supervisor,
                      char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%.400s/hold", supervisor->options.state_dir);
}

static void replace(char *text, char old, char new)
{
    while ((text = strchr(text, old)))
        *text = new;
}

static void print_path(const struct vbd *vbd, char path[PATH_BYTES])
{
    const struct supervisor *supervisor = vbd->supervisor;
    char *name;

    print_dir(supervisor, path);
    name = path + strlen(path) + 1;
    strcat(path, vbd->path + strlen(supervisor->backend_path));
    replace(name, '/', '-');
}

/* --- who the vbd is ------------------------------------------------------- */

/* Rings are copied one by one: what lies behind the last page is not theirs. */
static void identify(const struct vbd *vbd,
                     const struct message_connect *connect,
                     struct hold_identity *identity)
{
    memset(identity, 0, sizeof *identity);
    memcpy(identity->magic, HOLD_MAGIC, sizeof identity->magic);
    identity->bytes = sizeof(struct hold);
    identity->abi = connect->abi;
    identity->nr_queues = connect->nr_queues;
    for (unsigned i = 0; i < connect->nr_queues; i++) {
        const struct message_ring *ring = &connect->queues[i];

        identity->rings[i].event_port = ring->event_port;
        identity->rings[i].nr_pages = ring->nr_pages;
        memcpy(identity->rings[i].grefs, ring->grefs,
               ring->nr_pages * sizeof *ring->grefs);
    }
    snprintf(identity->backend, sizeof identity->backend, "%s", vbd->path);
    snprintf(identity->frontend, sizeof identity->frontend, "%s",
             vbd->frontend);
    sharing_read_vm(vbd->supervisor, vbd->domid, identity->vm);
    snprintf(identity->key, sizeof identity->key, "%s",
             vbd->disk->target.key);
}

#define SAME(member) \
    (memcmp(&is->member, &should_be->member, sizeof is->member) == 0)

/* What of it is another's, or NULL. */
static const char *find_difference(const struct hold_identity *is,
                                   const struct hold_identity *should_be)
{
    if (!SAME(magic) || !SAME(bytes))
        return "format";
    if (!SAME(backend) || !SAME(frontend))
        return "vbd";
    if (!SAME(vm))
        return "virtual machine";
    if (!SAME(key))
        return "target";
    if (!SAME(abi) || !SAME(nr_queues) || !SAME(rings))
        return "ring";
    return NULL;
}

/* --- where its rings stand ------------------------------------------------ */

/* What cannot be, or NULL. How far a ring has come only its worker can judge,
 * who has it mapped. */
static const char *find_nonsense(const struct message_standing *standing,
                                 unsigned nr_queues)
{
    if (standing->seal != MESSAGE_STANDING_SEAL)
        return "its ring was lost when its worker ended without holding it";
    if (standing->is_fail_stopped > 1 || standing->is_write_through > 1 ||
        standing->was_handed_over > 1)
        return "the hold record is damaged";
    for (unsigned i = 0; i < BLKIF_MAX_QUEUES; i++) {
        uint32_t held = standing->queues[i].req_cons -
                        standing->queues[i].rsp_prod;

        if (held > 0 && (!standing->is_fail_stopped || i >= nr_queues))
            return "the hold record is damaged";
    }
    return NULL;
}

/* Its descriptor, or -errno. */
static int open_record(int dir, const char *path, struct hold *hold)
{
    struct stat status;
    int fd = openat(dir, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        status.st_size == sizeof *hold &&
        pread(fd, hold, sizeof *hold, 0) == (ssize_t)sizeof *hold)
        return fd;
    close(fd);
    return -EINVAL;
}

int hold_resume(const struct vbd *vbd, struct message_connect *connect,
                char *reason, unsigned reason_size)
{
    struct hold_identity should_be;
    char path[PATH_BYTES];
    const char *what;
    struct hold hold;
    int fd;

    print_path(vbd, path);
    fd = open_record(AT_FDCWD, path, &hold);
    if (fd < 0) {
        snprintf(reason, reason_size, "its hold record cannot be read: %s",
                 fd == -EINVAL ? "it has the wrong size" : strerror(-fd));
        return fd;
    }
    identify(vbd, connect, &should_be);
    what = find_difference(&hold.identity, &should_be);
    if (what)
        snprintf(reason, reason_size, "its hold record is that of another %s",
                 what);
    else if ((what = find_nonsense(&hold.standing, connect->nr_queues)))
        snprintf(reason, reason_size, "%s", what);
    else if (hold.standing.is_fail_stopped && !vbd->disk->fail_stop[0])
        snprintf(reason, reason_size, "%s", what = "its disk was in fail-stop "
                 "and has been attached anew since");
    if (!what) {
        connect->standing = hold.standing;
        return fd;
    }
    close(fd);
    return -ESTALE;
}

/* The record names the target of that worker, unless it is damaged; the node
 * may name another one by now. */
bool hold_is_in_use(const struct vbd *vbd)
{
    struct supervisor *supervisor = vbd->supervisor;
    struct hold hold = { .standing.seal = 0 };
    char path[PATH_BYTES], key[TARGET_KEY_BYTES];
    int fd;

    print_path(vbd, path);
    fd = open_record(AT_FDCWD, path, &hold);
    if (fd >= 0)
        close(fd);
    snprintf(key, sizeof key, "%.*s", TARGET_KEY_BYTES - 1, hold.identity.key);
    return (key[0] && disk_has_old_worker(supervisor, key)) ||
           (vbd->disk &&
            disk_has_old_worker(supervisor, vbd->disk->target.key));
}

/* --- life ----------------------------------------------------------------- */

int hold_make(const struct vbd *vbd, const struct message_connect *connect)
{
    struct hold hold = { .standing.seal = 0 };
    char path[PATH_BYTES];
    int fd;

    print_path(vbd, path);
    identify(vbd, connect, &hold.identity);
    unlink(path); /* whoever may have that open does not have the new one */
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && write(fd, &hold, sizeof hold) == (ssize_t)sizeof hold)
        return fd;
    log_warning("%s: %s: %s; its ring will not outlive this vbdd", vbd->name,
                path, strerror(errno));
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    return -1;
}

bool hold_exists(const struct vbd *vbd)
{
    char path[PATH_BYTES];
    struct stat status;

    print_path(vbd, path);
    return lstat(path, &status) == 0;
}

void hold_drop(const struct vbd *vbd, const char *why)
{
    char path[PATH_BYTES];

    print_path(vbd, path);
    if (unlink(path) == 0 && why)
        log_info("%s: its hold record is removed: %s", vbd->name, why);
}

/* Is there a node that a record of this name may be of? A store that cannot
 * answer has not said that there is none; a name that it refuses is none. */
static bool has_node(const struct supervisor *supervisor, const char *name)
{
    char path[STORE_PATH_BYTES], value[STORE_VALUE_BYTES];
    int error;

    snprintf(path, sizeof path, "%s/%s", supervisor->backend_path, name);
    replace(path + strlen(supervisor->backend_path), '-', '/');
    error = store_read_in(supervisor->store, path, "state", value,
                          sizeof value, NULL);
    return error != -ENOENT && error != -EINVAL;
}

void holds_begin(const struct supervisor *supervisor)
{
    char path[PATH_BYTES];
    struct dirent *entry;
    DIR *names;

    print_dir(supervisor, path);
    names = opendir(path);
    if (!names) {
        log_error("%s: %s", path, strerror(errno));
        return;
    }
    while ((entry = readdir(names))) {
        if (entry->d_name[0] == '.' || has_node(supervisor, entry->d_name))
            continue;
        log_info("the hold record %s is removed: its vbd is gone",
                 entry->d_name);
        unlinkat(dirfd(names), entry->d_name, 0);
    }
    closedir(names);
}
