/* SPDX-License-Identifier: MIT
 * A target is claimed from the top down: itself exclusively, or shared by
 * readers; then, step by step, what it lies on. One that claims what lies
 * below, or beside it, meets these locks there. */
#include "backend/disk/claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/control/key.h"
#include "backend/disk/locks.h"
#include "backend/disk/node.h"
#include "common/storage/holders.h"

struct claiming {
    struct claim *claim;
    struct refusal refusal;
    enum lock_role role; /* with what comes next */
    char below[BLOCKDEV_PATH_BYTES]; /* for refusal.below */
};

/* --- one thing ------------------------------------------------------------ */

static int refuse_open(const struct claiming *c, int error)
{
    if (error == EBUSY)
        return refusal_say_held(&c->refusal, "claimed exclusively");
    if (!c->refusal.below && (error == EROFS || error == EACCES))
        return refusal_say(&c->refusal, -error, "cannot be written: %s; attach "
                           "it with mode r", strerror(error));
    return refusal_say(&c->refusal, -error, "cannot be opened: %s",
                       strerror(error));
}

/* Opens path, which must be what key says, and locks it. */
static int take(struct claiming *c, const char *path, int flags,
                const char *key)
{
    int fd, error;
    const char *how;
    char found[TARGET_KEY_BYTES];
    struct stat status;

    if (c->claim->nr_fds == CLAIM_FDS)
        return refusal_say(&c->refusal, -ELOOP, "lies on too much else");
    fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return refuse_open(c, errno);
    c->claim->fds[c->claim->nr_fds++] = fd;
    if (fstat(fd, &status) < 0 || !target_key(&status, found) ||
        strcmp(found, key) != 0)
        return refusal_say(&c->refusal, -ESTALE, "has been replaced by "
                           "something else; try again");
    error = locks_take(fd, c->role, S_ISBLK(status.st_mode), &how);
    if (error == -EBUSY)
        return refusal_say_held(&c->refusal, how);
    if (error)
        return refusal_say(&c->refusal, error, "cannot be locked: %s",
                           strerror(-error));
    return 0;
}

/* Of a device the kernel's own node, because locks are on nodes. */
static const char *meeting_place(const char *path, char node[NODE_PATH_BYTES])
{
    struct stat status;

    if (stat(path, &status) == 0 && S_ISBLK(status.st_mode) &&
        node_path(status.st_rdev, node))
        return node;
    return path;
}

/* --- users that the kernel lets in beside us ------------------------------ */

struct user_search {
    const char *above; /* our own loop device, or NULL */
    bool read_only;
    bool is_found;
    struct holder holder;
};

/* A loop device keeps pages of its own of what it is over, and the kernel
 * writes to a swap file past everybody; neither asks for a lock. Who only reads
 * may do so beside a loop device that only reads. */
static bool match_user(void *context, const struct holder *holder)
{
    struct user_search *search = context;
    struct blockdev loop;

    if (holder->kind == HOLDER_LOOP &&
        !(search->above && strcmp(holder->what, search->above) == 0))
        search->is_found = !(search->read_only &&
                             blockdev_look(holder->what, &loop) == 0 &&
                             loop.is_read_only);
    if (holder->kind == HOLDER_SWAP)
        search->is_found = true;
    search->holder = *holder;
    return !search->is_found;
}

static int check_users(const struct claiming *c, const struct blockdev *what,
                       const char *above)
{
    struct user_search search = { .above = above,
                                  .read_only = c->refusal.read_only };

    holders_find_lockless(what, match_user, &search);
    if (!search.is_found)
        return 0;
    return refusal_say_holder(&c->refusal, &search.holder);
}

/* --- what a target lies on ------------------------------------------------ */

static int look(const struct claiming *c, struct blockdev *device)
{
    char self[64];
    int error;

    snprintf(self, sizeof self, "/proc/self/fd/%d",
             c->claim->fds[c->claim->nr_fds - 1]);
    error = blockdev_look(self, device);
    if (error)
        refusal_say(&c->refusal, error, "does not tell what it is: %s",
                    strerror(-error));
    return error;
}

/* From here on sentences are about path. */
static void descend(struct claiming *c, const char *path)
{
    snprintf(c->below, sizeof c->below, "%s", path);
    c->refusal.below = c->below;
}

/* The whole disk of a partition. */
static int claim_whole(struct claiming *c, const struct blockdev *part)
{
    char node[NODE_PATH_BYTES], key[TARGET_KEY_BYTES];
    struct stat whole = { .st_mode = S_IFBLK, .st_rdev = part->whole };

    c->role = c->refusal.read_only ? LOCK_PART_READER : LOCK_PART_WRITER;
    target_key(&whole, key);
    if (!node_path(part->whole, node))
        return refusal_say(&c->refusal, -ENOENT, "is a partition of a disk "
                           "that has no node in /dev to claim it by");
    descend(c, node);
    return take(c, node, O_RDONLY, key);
}

/* A file without a name is nobody's who does not have it already. */
static bool is_gone(const char *path)
{
    static const char gone[] = " (deleted)";
    size_t length = strlen(path);

    return length > strlen(gone) &&
        strcmp(path + length - strlen(gone), gone) == 0;
}

/* What is behind a loop device: a file, or another device. Its path may lead
 * to something else by now, or in our mount namespace. */
static int claim_backing(struct claiming *c, const struct blockdev *loop)
{
    bool is_block = loop->loop_inode == 0;
    char node[NODE_PATH_BYTES], key[TARGET_KEY_BYTES], above[NODE_PATH_BYTES];
    const char *path = meeting_place(loop->loop_file, node);
    struct stat backing = { .st_mode = is_block ? S_IFBLK : S_IFREG,
                            .st_dev = loop->loop_device,
                            .st_rdev = loop->loop_device,
                            .st_ino = loop->loop_inode };
    struct blockdev device;
    int flags = O_RDONLY, error;

    target_key(&backing, key);
    if (is_block && c->role == LOCK_WRITER)
        flags |= O_EXCL;
    descend(c, path);
    error = take(c, path, flags, key);
    if (!error)
        error = look(c, &device);
    snprintf(above, sizeof above, "/dev/%s", loop->name);
    if (!error)
        error = check_users(c, &device, above);
    return error;
}

static bool is_partition(const struct blockdev *device)
{
    return device->is_block && device->whole != device->device;
}

static int claim_below(struct claiming *c)
{
    struct blockdev device;
    int error = look(c, &device);

    while (!error) {
        if (is_partition(&device))
            error = claim_whole(c, &device);
        else if (device.loop_file[0] && !is_gone(device.loop_file))
            error = claim_backing(c, &device);
        else
            break;
        if (!error)
            error = look(c, &device);
    }
    return error;
}

/* --- the target ----------------------------------------------------------- */

static int claim_target(struct claiming *c, const char *key)
{
    char node[NODE_PATH_BYTES];
    const char *path = meeting_place(c->refusal.path, node);
    bool is_block = strncmp(key, "block", 5) == 0;
    bool read_only = c->refusal.read_only;
    int flags = read_only ? O_RDONLY : O_RDWR;
    struct blockdev device;
    int error;

    if (is_block && !read_only)
        flags |= O_EXCL;
    c->role = read_only ? LOCK_READER : LOCK_WRITER;
    error = take(c, path, flags, key);
    if (!error)
        error = look(c, &device);
    if (!error)
        error = check_users(c, &device, NULL);
    return error;
}

int claim_take(struct claim *claim, const char *key,
               const struct refusal *refusal)
{
    struct claiming c = { .claim = claim, .refusal = *refusal };
    int error;

    claim->nr_fds = 0;
    error = claim_target(&c, key);
    if (!error)
        error = claim_below(&c);
    if (error)
        claim_release(claim);
    return error;
}

void claim_release(struct claim *claim)
{
    while (claim->nr_fds > 0)
        close(claim->fds[--claim->nr_fds]);
}
