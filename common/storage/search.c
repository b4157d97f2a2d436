/* SPDX-License-Identifier: MIT
 * What the places of a search have in common. */
#include "common/storage/search.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "common/storage/sysfs.h"

bool identity_look(int directory, const char *path, struct identity *identity)
{
    struct statx status;

    if (statx(directory, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
              STATX_TYPE | STATX_INO, &status) < 0)
        return false;
    identity->is_block = S_ISBLK(status.stx_mode);
    identity->device =
        identity->is_block
            ? makedev(status.stx_rdev_major, status.stx_rdev_minor)
            : makedev(status.stx_dev_major, status.stx_dev_minor);
    identity->inode = identity->is_block ? 0 : status.stx_ino;
    return identity->is_block || S_ISREG(status.stx_mode);
}

/* Two partitions of one disk do not meet. */
bool search_meets(const struct search *search, const struct identity *other)
{
    dev_t target = search->target.device;

    if (other->is_block != search->target.is_block)
        return false;
    if (!other->is_block)
        return other->device == target && other->inode == search->target.inode;
    return other->device == target || other->device == search->whole ||
           sysfs_whole(other->device) == target;
}

bool search_begin(const struct search *search, const struct identity *other,
                  enum holder_kind kind, struct holder *holder)
{
    if (!search_meets(search, other))
        return false;
    *holder = (struct holder){ .kind = kind };
    if (other->is_block)
        sysfs_name(other->device, holder->device);
    return true;
}

void search_report(struct search *search, const struct holder *holder)
{
    if (!search->is_over && !search->each(search->context, holder))
        search->is_over = true;
}

bool search_excepts(const struct search *search, pid_t pid)
{
    for (const pid_t *one = search->except; one && *one; one++)
        if (*one == pid)
            return true;
    return false;
}

void text_escape(char *to, unsigned size, const char *from)
{
    unsigned at = 0;

    for (; *from; from++) {
        unsigned char c = (unsigned char)*from;
        bool is_plain = c >= ' ' && c <= '~' && c != '\\';
        unsigned length = is_plain ? 1 : 4;

        if (at + length >= size)
            break;
        snprintf(to + at, size - at, is_plain ? "%c" : "\\%03o", c);
        at += length;
    }
    to[at] = 0;
}

static bool is_octal(const char *text)
{
    return text[0] >= '0' && text[0] <= '3' && text[1] >= '0' &&
           text[1] <= '7' && text[2] >= '0' && text[2] <= '7';
}

void text_unescape(char *text)
{
    char *to = text;

    while (*text)
        if (*text == '\\' && is_octal(text + 1)) {
            *to++ = (char)((text[1] - '0') * 64 + (text[2] - '0') * 8 +
                           (text[3] - '0'));
            text += 4;
        } else {
            *to++ = *text++;
        }
    *to = 0;
}
