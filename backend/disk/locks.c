/* SPDX-License-Identifier: MIT
 * flock and QEMU's bytes. What a program does with an image, or minds others
 * doing, it says with OFD read locks: on byte 100 + i when it makes use of
 * right i, on byte 200 + i when nobody else may. Everybody locks first and
 * looks then, so of two that come at once one is refused, or both. */
#include "backend/disk/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum { USED_BYTE = 100, REFUSED_BYTE = 200 };
enum {
    RIGHT_READ = 1 << 0,
    RIGHT_WRITE = 1 << 1,
    RIGHT_REWRITE = 1 << 2, /* the same data again */
    RIGHT_RESIZE = 1 << 3,
    RIGHTS = 4,
};

/* A part's owner refuses the others of the whole nothing: they have parts of
 * their own. Who has the whole refuses him, because of what he uses. */
static const struct {
    unsigned used, refused;
    int flock;
} roles[] = {
    [LOCK_WRITER] = { RIGHT_READ | RIGHT_WRITE,
                      RIGHT_READ | RIGHT_WRITE | RIGHT_REWRITE | RIGHT_RESIZE,
                      LOCK_EX },
    [LOCK_READER] = { RIGHT_READ, RIGHT_WRITE | RIGHT_REWRITE | RIGHT_RESIZE,
                      LOCK_SH },
    [LOCK_PART_WRITER] = { RIGHT_READ | RIGHT_WRITE, 0, 0 },
    [LOCK_PART_READER] = { RIGHT_READ, 0, 0 },
};

enum { LOCK_TRIES = 60, LOCK_PAUSE_US = 50 * 1000 };

/* udev holds a shared lock on a block device for as long as it looks at it
 * (systemd.io/BLOCK_DEVICE_LOCKING), and it looks whenever a writer has closed
 * it: a detach followed by an attach. Whoever has it for longer uses it. */
static int lock_whole(int fd, int how, bool is_block)
{
    for (unsigned i = 0; flock(fd, how | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK)
            return -errno;
        if (!is_block || i == LOCK_TRIES)
            return -EBUSY;
        usleep(LOCK_PAUSE_US);
    }
    return 0;
}

static struct flock one_byte(short type, unsigned byte)
{
    return (struct flock){ .l_type = type, .l_whence = SEEK_SET,
                           .l_start = byte, .l_len = 1 };
}

/* Somebody's write lock, of whatever kind, is in the way just so. */
static int take_bytes(int fd, unsigned first, unsigned rights)
{
    for (unsigned i = 0; i < RIGHTS; i++) {
        struct flock lock = one_byte(F_RDLCK, first + i);

        if ((rights & 1u << i) && fcntl(fd, F_OFD_SETLK, &lock) < 0)
            return errno == EAGAIN || errno == EACCES ? -EBUSY : -errno;
    }
    return 0;
}

/* Whether others have locked any; one's own description never counts. */
static int test_bytes(int fd, unsigned first, unsigned rights)
{
    for (unsigned i = 0; i < RIGHTS; i++) {
        struct flock lock = one_byte(F_WRLCK, first + i);

        if (!(rights & 1u << i))
            continue;
        if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
            return -errno;
        if (lock.l_type != F_UNLCK)
            return -EBUSY;
    }
    return 0;
}

/* flock last, because it may wait for udev: another back end, or QEMU, is known
 * by its bytes at once. */
int locks_take(int fd, enum lock_role role, bool is_block, const char **how)
{
    unsigned used = roles[role].used, refused = roles[role].refused;
    int error;

    *how = "locked (as QEMU does)";
    error = take_bytes(fd, USED_BYTE, used);
    if (!error)
        error = take_bytes(fd, REFUSED_BYTE, refused);
    if (!error)
        error = test_bytes(fd, REFUSED_BYTE, used);
    if (!error)
        error = test_bytes(fd, USED_BYTE, refused);
    if (error || !roles[role].flock)
        return error;
    *how = "locked (flock)";
    return lock_whole(fd, roles[role].flock, is_block);
}
