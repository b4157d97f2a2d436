/* SPDX-License-Identifier: MIT
 * Sentences that refuse a target. */
#include "backend/disk/refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/storage/holders.h"

enum { MIN_PATH = 36, MAX_SENTENCE = 210, WHO_BYTES = 100 };

/* "PATH", or "...END" of one that is longer than room. */
static void shorten(const char *path, size_t room, char *text, size_t size)
{
    size_t length = strlen(path);

    if (length <= room)
        snprintf(text, size, "%s", path);
    else
        snprintf(text, size, "...%s", path + length - (room - 3));
}

int refusal_say(const struct refusal *refusal, int error, const char *format,
                ...)
{
    char why[MAX_SENTENCE], below[MIN_PATH + 24], path[256];
    size_t said = sizeof "target  ";
    int length = 0;
    va_list arguments;

    if (refusal->below) {
        shorten(refusal->below, MIN_PATH, path, sizeof path);
        length = snprintf(below, sizeof below, "lies on %s, which ", path);
    }
    va_start(arguments, format);
    vsnprintf(why, sizeof why - length, format, arguments);
    va_end(arguments);
    said += length + strlen(why);
    shorten(refusal->path, refusal->size > said + MIN_PATH ?
            refusal->size - said : MIN_PATH, path, sizeof path);
    snprintf(refusal->text, refusal->size, "target %s %s%s", path,
             length ? below : "", why);
    return error;
}

struct finding {
    bool read_only;
    bool is_found;
    struct holder holder;
};

/* The first that keeps us out, or else the first process that has it open.
 * Loop devices are passed over: they open what they like and lock nothing. */
static bool look_closer(void *context, const struct holder *holder)
{
    struct finding *finding = context;
    bool excludes = finding->read_only ? holder->excludes_reader
                                       : holder->excludes;

    if (holder->kind == HOLDER_LOOP || holder->kind == HOLDER_LOOP_FILE)
        return true;
    if (excludes || (holder->kind == HOLDER_OPENER && !finding->is_found)) {
        finding->holder = *holder;
        finding->is_found = true;
    }
    return !excludes;
}

static bool find_holder(const struct refusal *refusal, struct holder *holder)
{
    const char *path = refusal->below ? refusal->below : refusal->path;
    struct finding finding = { .read_only = refusal->read_only };
    const pid_t ourselves[] = { getpid(), 0 };
    struct blockdev device;

    if (blockdev_look(path, &device) < 0 ||
        holders_find(&device, ourselves, look_closer, &finding) < 0)
        return false;
    *holder = finding.holder;
    return finding.is_found;
}

static const char *way_out(enum holder_kind kind)
{
    switch (kind) {
    case HOLDER_MOUNT: return "unmount it first";
    case HOLDER_SWAP: return "swapoff it first";
    case HOLDER_DEVICE: return "attach that, or take it down first";
    case HOLDER_LOOP:
    case HOLDER_LOOP_FILE: return "attach that, or detach the loop device";
    case HOLDER_LOCK:
    case HOLDER_OPENER: return "end that first";
    }
    return "";
}

int refusal_say_holder(const struct refusal *refusal,
                       const struct holder *holder)
{
    char who[WHO_BYTES];

    return refusal_say(refusal, -EBUSY, "is in use: %s; %s",
                       holder_describe(holder, who, sizeof who),
                       way_out(holder->kind));
}

int refusal_say_held(const struct refusal *refusal, const char *how)
{
    struct holder holder;

    if (find_holder(refusal, &holder))
        return refusal_say_holder(refusal, &holder);
    return refusal_say(refusal, -EBUSY, "is %s by somebody who cannot be "
                       "named; see vbdctl doctor", how);
}

int refusal_say_cached(const struct refusal *refusal, uint64_t bytes)
{
    char who[WHO_BYTES] = "somebody has it mapped";
    struct holder holder;

    if (find_holder(refusal, &holder))
        holder_describe(&holder, who, sizeof who);
    return refusal_say(refusal, -EBUSY, "has %" PRIu64 " KiB in the page cache "
                       "that cannot be dropped: %s; end that first",
                       (bytes + 1023) / 1024, who);
}
