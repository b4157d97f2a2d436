/* SPDX-License-Identifier: MIT
 * What a target is, whatever name it was reached by (C1): the device, or the
 * file system and inode. Supervisor and worker look at different moments and
 * compare. Fit for a file's name. */
#ifndef VBDD_CONTROL_KEY_H
#define VBDD_CONTROL_KEY_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { TARGET_KEY_BYTES = 40 };

/* "block-8-10" or "file-fd01-1234567", in hexadecimal and decimal; false for
 * what is neither block device nor file. */
static inline bool target_key(const struct stat *status,
                              char key[TARGET_KEY_BYTES])
{
    if (S_ISBLK(status->st_mode))
        snprintf(key, TARGET_KEY_BYTES, "block-%x-%x",
                 major(status->st_rdev), minor(status->st_rdev));
    else if (S_ISREG(status->st_mode))
        snprintf(key, TARGET_KEY_BYTES, "file-%llx-%llu",
                 (unsigned long long)status->st_dev,
                 (unsigned long long)status->st_ino);
    else
        return false;
    return true;
}

#endif
