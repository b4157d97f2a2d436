/* SPDX-License-Identifier: MIT
 * Who has a target in use, and what to do about each. */
#include <stdio.h>
#include <string.h>

#include "common/storage/holders.h"
#include "tools/vbdctl/doctor.h"

enum { MAX_HOLDERS = 100, SAYS_BYTES = 512, ADVICE_BYTES = 384 };

static const char *kind_text(enum holder_kind kind)
{
    switch (kind) {
    case HOLDER_MOUNT: return "mount";
    case HOLDER_SWAP: return "swap";
    case HOLDER_DEVICE: return "device";
    case HOLDER_LOOP: return "loop";
    case HOLDER_LOOP_FILE: return "loop-file";
    case HOLDER_LOCK: return "lock";
    case HOLDER_OPENER: return "opener";
    }
    return "";
}

/* A word without single quotes, for the shell; struct holder's escapes are
 * bash's. */
static const char *quote(const char *word, char *text, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRS"
                                "TUVWXYZ0123456789/._-+:@%,=";

    if (word[0] && word[strspn(word, plain)] == 0)
        snprintf(text, size, "%s", word);
    else
        snprintf(text, size, strchr(word, '\\') ? "$'%s'" : "'%s'", word);
    return text;
}

static void advise_mount(const struct holder *holder, char *advice)
{
    char word[BLOCKDEV_PATH_BYTES + 8];

    if (strchr(holder->what, '\''))
        snprintf(word, sizeof word, "/dev/%s", holder->device);
    else
        quote(holder->what, word, sizeof word);
    if (strcmp(holder->what, "/") == 0 && !holder->pid)
        snprintf(advice, ADVICE_BYTES, "leave it: the system runs from it");
    else if (holder->pid)
        snprintf(advice, ADVICE_BYTES, "nsenter -t %d -m umount %s",
                 (int)holder->pid, word);
    else
        snprintf(advice, ADVICE_BYTES, "umount %s", word);
}

/* what is "dm-0 (vg-lv)" or "md0". */
static void advise_device(const struct holder *holder, char *advice)
{
    int length = (int)strcspn(holder->what, " ");
    const char *label = strchr(holder->what, '(');

    if (label)
        snprintf(advice, ADVICE_BYTES, "attach /dev/mapper/%.*s instead, or "
                 "take it down (dmsetup remove, lvchange -an)",
                 (int)strcspn(label + 1, ")"), label + 1);
    else
        snprintf(advice, ADVICE_BYTES, strncmp(holder->what, "md", 2)
                     ? "attach /dev/%.*s instead, or take it down"
                     : "attach /dev/%.*s instead, or stop it (mdadm --stop)",
                 length, holder->what);
}

static void advise_process(const struct holder *holder, char *advice)
{
    bool may_exclude = holder->kind == HOLDER_OPENER && holder->device[0];

    if (holder->pid <= 0)
        snprintf(advice, ADVICE_BYTES,
                 "look into containers, and with lslocks as root");
    else
        snprintf(advice, ADVICE_BYTES, "end pid %d (%s)%s", (int)holder->pid,
                 holder->process, may_exclude ? "; if it has it exclusively, "
                 "it keeps writers out" : "");
}

static void advise(const struct holder *holder, char *advice)
{
    switch (holder->kind) {
    case HOLDER_MOUNT:
        advise_mount(holder, advice);
        break;
    case HOLDER_SWAP:
        snprintf(advice, ADVICE_BYTES, "swapoff %s", holder->what);
        break;
    case HOLDER_DEVICE:
        advise_device(holder, advice);
        break;
    case HOLDER_LOOP:
        snprintf(advice, ADVICE_BYTES, "losetup -d %s, or attach that instead",
                 holder->what);
        break;
    case HOLDER_LOOP_FILE:
    case HOLDER_LOCK:
    case HOLDER_OPENER:
        advise_process(holder, advice);
        break;
    }
}

/* A loop device goes away only when nobody has it either. */
static void add_users_of_loop(const struct holder *holder, char *says)
{
    size_t length = strlen(says);
    struct blockdev loop;
    char who[BLOCKDEV_PATH_BYTES * 2];

    if (holder->kind == HOLDER_LOOP &&
        blockdev_look(holder->what, &loop) == 0 &&
        holders_name(&loop, who, sizeof who))
        snprintf(says + length, SAYS_BYTES - length, ", which is %.300s",
                 who);
}

static json_t *tell_holder(const struct holder *holder, const char *says)
{
    char advice[ADVICE_BYTES];

    advise(holder, advice);
    return json_pack("{s:s, s:s, s:s, s:i, s:s, s:b, s:b, s:s, s:s}",
                     "kind", kind_text(holder->kind),
                     "device", holder->device, "what", holder->what,
                     "pid", (int)holder->pid, "process", holder->process,
                     "excludes", holder->excludes,
                     "excludes_reader", holder->excludes_reader,
                     "says", says, "advice", advice);
}

/* Who keeps us out has it open as well, and is told once. */
static bool is_told(const json_t *holders, const struct holder *holder)
{
    json_t *told;
    size_t i;

    json_array_foreach(holders, i, told)
        if (holder->kind == HOLDER_OPENER &&
            json_integer_value(json_object_get(told, "pid")) == holder->pid &&
            json_is_true(json_object_get(told, "excludes")))
            return true;
    return false;
}

static bool take_holder(void *context, const struct holder *holder)
{
    struct examination *e = context;
    json_t *holders = json_object_get(e->report, "holders");
    char says[SAYS_BYTES];

    if (is_told(holders, holder))
        return true;
    holder_describe(holder, says, sizeof says);
    add_users_of_loop(holder, says);
    if (holder->excludes)
        forbid(e, holder->excludes_reader, "it is %s", says);
    if (json_array_size(holders) < MAX_HOLDERS)
        json_array_append_new(holders, tell_holder(holder, says));
    return true;
}

void doctor_find_holders(struct examination *e)
{
    json_object_set_new(e->report, "holders", json_array());
    holders_find(&e->device, e->ourselves, take_holder, e);
}
