/* SPDX-License-Identifier: MIT
 * For the tests of targets: files and loop devices of our own, and targets
 * that must be had, or must be refused with a sentence that names them. Needs
 * for a loop device: root, and losetup. */
#ifndef VBDD_TESTS_TARGET_RIG_H
#define VBDD_TESTS_TARGET_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/control/message.h"
#include "backend/disk/target.h"
#include "tests/unit/tap.h"

static char dir[] = "/var/tmp/vbdd-target.XXXXXX";
static char path[128], other[128]; /* two names in it */
static char reason[MESSAGE_TEXT_BYTES];

static inline void rig_open(void)
{
    REQUIRE(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/disk", dir);
    snprintf(other, sizeof other, "%s/other", dir);
}

/* The command's status; its first line of output in line, if that is wanted. */
static inline int run(char *line, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline int run(char *line, size_t bytes, const char *format, ...)
{
    char command[512];
    va_list arguments;
    FILE *pipe;
    char *got;

    va_start(arguments, format);
    vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    pipe = popen(command, "r");
    got = pipe && line ? fgets(line, (int)bytes, pipe) : NULL;
    if (got)
        line[strcspn(line, "\n")] = 0;
    return pipe ? pclose(pipe) : -1;
}

static inline void rig_close(void)
{
    run(NULL, 0, "rm -rf %s", dir);
}

static inline void make_file(const char *name, off_t bytes)
{
    int fd = open(name, O_CREAT | O_RDWR | O_TRUNC, 0600);

    REQUIRE(fd >= 0 && ftruncate(fd, bytes) == 0);
    close(fd);
}

/* A loop device over a file; false: there is none to be had. */
static inline bool make_loop(const char *file, char loop[64])
{
    return geteuid() == 0 &&
           run(loop, 64, "losetup --show -f %s 2>/dev/null", file) == 0;
}

static inline void free_loop(const char *loop)
{
    CHECK_EQ(run(NULL, 0, "losetup -d %s", loop), 0);
}

static inline unsigned open_fds(void)
{
    unsigned nr = 0;

    for (int fd = 0; fd < 256; fd++)
        nr += fcntl(fd, F_GETFD) >= 0;
    return nr;
}

static inline int try_open(const char *name, bool read_only,
                           struct target *target)
{
    reason[0] = 0;
    return target_open(name, read_only, false, target, reason, sizeof reason);
}

static inline void check_had(const char *name, bool read_only,
                             struct target *target)
{
    if (!CHECK_EQ(try_open(name, read_only, target), 0))
        printf("# said: %s\n", reason);
}

static inline void close_target(struct target *target)
{
    const char *step;

    CHECK_EQ(target_close(target, &step), 0);
}

/* Refused with a sentence that has both words in it, and nothing left open. */
static inline void check_refused(const char *name, bool read_only, int error,
                                 const char *says)
{
    struct target target;
    unsigned before = open_fds();

    CHECK_EQ(try_open(name, read_only, &target), error);
    CHECK(strncmp(reason, "target ", 7) == 0 && strstr(reason, name));
    if (!CHECK(strstr(reason, says) != NULL))
        printf("# said: %s\n", reason);
    CHECK_EQ(open_fds(), before);
    CHECK_EQ(target.claim.nr_fds, 0);
    CHECK_EQ(target.io_fd, -1);
}

#endif
