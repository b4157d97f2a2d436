/* SPDX-License-Identifier: MIT
 * What becomes of emulated clients. */
#include "backend/supervisor/emulated.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/supervisor/disk.h"
#include "backend/supervisor/text.h"

static const char *kind_text(enum message_nbd_kind kind)
{
    switch (kind) {
    case MESSAGE_NBD_CONNECTED: return "has connected";
    case MESSAGE_NBD_HANDOVER: return "has handed over";
    case MESSAGE_NBD_LEFT: return "has left";
    case MESSAGE_NBD_LOST: return "was lost";
    case MESSAGE_NBD_REFUSED: return "was refused";
    }
    return "?";
}

/* --- clients -------------------------------------------------------------- */

/* Its place, or nr_clients. */
static unsigned find(const struct emulated *emulated, uint32_t number)
{
    unsigned i = 0;

    while (i < emulated->nr_clients && emulated->clients[i].number != number)
        i++;
    return i;
}

const char *emulated_process(const struct emulated *emulated,
                             uint32_t number)
{
    unsigned i = find(emulated, number);

    return i < emulated->nr_clients ? emulated->clients[i].process : "";
}

/* A process names itself. It may have gone, and its number be another's. */
static void read_process(int32_t pid, char process[EMULATED_PROCESS_BYTES])
{
    char path[32], name[EMULATED_PROCESS_BYTES];
    FILE *file;
    size_t length;

    process[0] = '\0';
    if (pid <= 0)
        return;
    snprintf(path, sizeof path, "/proc/%" PRId32 "/comm", pid);
    file = fopen(path, "re");
    if (!file)
        return;
    length = fread(name, 1, sizeof name, file);
    fclose(file);
    if (length > 0 && name[length - 1] == '\n')
        length--;
    text_printable(name, (unsigned)length, process, EMULATED_PROCESS_BYTES);
}

static void remove_client(struct emulated *emulated, unsigned i)
{
    if (i < emulated->nr_clients)
        memmove(&emulated->clients[i], &emulated->clients[i + 1],
                (--emulated->nr_clients - i) * sizeof *emulated->clients);
}

/* A worker does not tell of every one that goes, so where there is no room
 * the one that has been here longest has gone. */
static void add(struct emulated *emulated, uint32_t number,
                const char *process)
{
    struct emulated_client *client;

    remove_client(emulated, find(emulated, number));
    if (emulated->nr_clients == MESSAGE_NBD_CLIENTS)
        remove_client(emulated, 0);
    client = &emulated->clients[emulated->nr_clients++];
    client->number = number;
    strcpy(client->process, process);
}

/* What is known of it, or can be found out now. */
static void find_process(const struct emulated *emulated, uint32_t number,
                         int32_t pid, char process[EMULATED_PROCESS_BYTES])
{
    strcpy(process, emulated_process(emulated, number));
    if (!process[0])
        read_process(pid, process);
}

void emulated_take_stats(struct emulated *emulated,
                         const struct message_nbd_stats *stats)
{
    struct emulated now = { .nr_clients = 0 };
    char process[EMULATED_PROCESS_BYTES];

    for (unsigned i = 0; i < stats->nr_clients && i < MESSAGE_NBD_CLIENTS;
         i++) {
        const struct message_nbd_client *client = &stats->clients[i];

        if (client->is_negotiating)
            continue;
        find_process(emulated, client->number, client->pid, process);
        add(&now, client->number, process);
    }
    memcpy(emulated->clients, now.clients, sizeof now.clients);
    emulated->nr_clients = now.nr_clients;
}

void emulated_forget(struct emulated *emulated, uint32_t disk)
{
    char name[24];

    snprintf(name, sizeof name, "disk %" PRIu32, disk);
    log_limit_end(&emulated->limit, name);
    emulated->nr_clients = 0;
}

/* --- events --------------------------------------------------------------- */

/* The worker's sentence, or ours for want of one, and whose client it is. */
static void describe(const struct message *message, const char *process,
                     char *text, unsigned size)
{
    const struct message_nbd_event *event = &message->nbd_event;
    unsigned used;

    if (message->text[0])
        snprintf(text, size, "%s", message->text);
    else
        snprintf(text, size, "emulated client %" PRIu32 " (pid %" PRId32
                 ") %s", event->client, event->pid,
                 kind_text((enum message_nbd_kind)event->kind));
    used = (unsigned)strlen(text);
    if (process[0])
        snprintf(text + used, size - used, " [%s]", process);
}

static enum log_level level_of(enum message_nbd_kind kind)
{
    return kind == MESSAGE_NBD_LOST || kind == MESSAGE_NBD_REFUSED
               ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
}

void emulated_take_event(struct disk *disk, const struct message *message)
{
    struct emulated *emulated = &disk->emulated;
    const struct message_nbd_event *event = &message->nbd_event;
    enum message_nbd_kind kind = (enum message_nbd_kind)event->kind;
    char process[EMULATED_PROCESS_BYTES];

    find_process(emulated, event->client, event->pid, process);
    describe(message, process, emulated->last, sizeof emulated->last);
    emulated->last_at = time(NULL);
    if (kind == MESSAGE_NBD_HANDOVER)
        emulated->handed_over_at = emulated->last_at;
    if (kind == MESSAGE_NBD_CONNECTED)
        add(emulated, event->client, process);
    else
        remove_client(emulated, find(emulated, event->client));
    log_limited(&emulated->limit, level_of(kind), "disk %" PRIu32 ": %s",
                disk->number, emulated->last);
}
