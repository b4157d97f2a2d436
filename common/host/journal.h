/* SPDX-License-Identifier: MIT
 * Entries with fields for systemd's journal, in its native protocol
 * (systemd.io/JOURNAL_NATIVE_PROTOCOL). libsystemd could do it, and would bring
 * its compression and its 2 MiB into every worker. Any thread, once open. */
#ifndef VBDD_HOST_JOURNAL_H
#define VBDD_HOST_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Is standard error the stream that $JOURNAL_STREAM speaks of? */
bool journal_is_stderr(void);
/* Where entries go from now on: path (borrowed). False: nowhere. */
bool journal_open(const char *path);

/* An entry being made: NAME=VALUE lines. Begin with a zeroed length. */
struct journal_entry {
    char text[2560];
    size_t length;
};
/* Adds a field. What would end the line in value becomes '?'; a field that
 * does not fit is left out, whole. */
void journal_add(struct journal_entry *entry, const char *name,
                 const char *value, size_t length);
/* 0 or -errno: the journal has not got it. */
int journal_send(const struct journal_entry *entry);

#endif
