/* SPDX-License-Identifier: MIT
 * Dropping root. */
#include "backend/disk/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int become(const struct passwd *entry)
{
    if (setgroups(0, NULL) < 0 ||
        setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) < 0 ||
        setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
        return -errno;
    return 0;
}

int privileges_drop(const char *user, char *reason, unsigned reason_size)
{
    const struct passwd *entry;
    int error;

    if (!user || geteuid() != 0)
        return 0;
    errno = 0;
    entry = getpwnam(user);
    if (!entry || entry->pw_uid == 0) {
        snprintf(reason, reason_size, "user %s %s; expected an existing user "
                 "other than root", user, entry ? "is root" : "is unknown");
        return -EINVAL;
    }
    error = become(entry);
    if (!error && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        error = -errno;
    if (error)
        snprintf(reason, reason_size, "cannot become user %s: %s", user,
                 strerror(-error));
    return error;
}
