/* SPDX-License-Identifier: MIT
 * Processes that have the target open. Any of them may vanish while it is
 * looked at. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "common/storage/search.h"
#include "common/storage/sysfs.h"

FILE *proc_open(pid_t pid, const char *name)
{
    char path[SEARCH_PATH_BYTES], of[16] = "";

    if (pid)
        snprintf(of, sizeof of, "%d/", (int)pid);
    snprintf(path, sizeof path, "%s/%s%s", storage_procfs, of, name);
    return fopen(path, "re");
}

void proc_name(struct holder *holder, pid_t pid)
{
    char path[SEARCH_PATH_BYTES], name[64];

    snprintf(path, sizeof path, "%s/%d/comm", storage_procfs, (int)pid);
    storage_read(path, name, sizeof name);
    text_escape(holder->process, sizeof holder->process, name);
    holder->pid = pid;
}

void proc_walk(struct search *search,
               void (*visit)(struct search *search, pid_t pid, void *context),
               void *context)
{
    DIR *all = opendir(storage_procfs);
    struct dirent *entry;

    while (all && !search->is_over && (entry = readdir(all)))
        if (isdigit((unsigned char)entry->d_name[0]))
            visit(search, (pid_t)atoi(entry->d_name), context);
    if (all)
        closedir(all);
}

static void visit_descriptor(const struct holder *holder, pid_t pid,
                             const char *fd,
                             void (*visit)(const struct holder *holder,
                                           FILE *info, void *context),
                             void *context)
{
    char name[SEARCH_PATH_BYTES];
    FILE *info;

    snprintf(name, sizeof name, "fdinfo/%s", fd);
    info = proc_open(pid, name);
    if (!info)
        return;
    visit(holder, info, context);
    fclose(info);
}

void proc_descriptors(struct search *search, pid_t pid,
                      void (*visit)(const struct holder *holder, FILE *info,
                                    void *context),
                      void *context)
{
    char path[SEARCH_PATH_BYTES];
    struct dirent *entry;
    DIR *all;

    snprintf(path, sizeof path, "%s/%d/fd", storage_procfs, (int)pid);
    all = opendir(path);
    while (all && !search->is_over && (entry = readdir(all))) {
        struct identity identity;
        struct holder holder;

        if (isdigit((unsigned char)entry->d_name[0]) &&
            identity_look(dirfd(all), entry->d_name, &identity) &&
            search_begin(search, &identity, HOLDER_OPENER, &holder))
            visit_descriptor(&holder, pid, entry->d_name, visit, context);
    }
    if (all)
        closedir(all);
}

/* --- openers -------------------------------------------------------------- */

struct opener {
    struct holder holder;
    bool is_open, can_write;
};

static void take_descriptor(const struct holder *holder, FILE *info,
                            void *context)
{
    struct opener *opener = context;
    char line[128];
    unsigned flags = O_PATH;

    while (fgets(line, sizeof line, info))
        sscanf(line, "flags: %o", &flags);
    if (flags & O_PATH)
        return;
    if (!opener->is_open)
        opener->holder = *holder;
    opener->is_open = true;
    opener->can_write |= (flags & O_ACCMODE) != O_RDONLY;
}

static void look_at_opener(struct search *search, pid_t pid, void *context)
{
    struct opener opener = { .is_open = false };

    (void)context;
    if (search_excepts(search, pid))
        return;
    proc_descriptors(search, pid, take_descriptor, &opener);
    if (!opener.is_open)
        return;
    snprintf(opener.holder.what, sizeof opener.holder.what, "%s",
             opener.can_write ? "write" : "read");
    proc_name(&opener.holder, pid);
    search_report(search, &opener.holder);
}

void search_openers(struct search *search)
{
    proc_walk(search, look_at_opener, NULL);
}
