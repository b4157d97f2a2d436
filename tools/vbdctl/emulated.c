/* SPDX-License-Identifier: MIT
 * Emulated clients of a disk as people read of them: who is there, whether
 * there was a handover, and what was asked for. */
#include <stdio.h>
#include <string.h>

#include "tools/vbdctl/table.h"
#include "tools/vbdctl/vbdctl.h"

static void print_clients(const json_t *clients)
{
    static const char *const heads[] = {
        "EMULATED CLIENT", "PID", "PROCESS", "STATE", "MODE", "IN FLIGHT",
        "REQUESTS", "READ", "WRITTEN",
    };
    struct table table = { .nr_columns = 9 };
    json_t *client;
    size_t i;

    add_row(&table, heads);
    json_array_foreach(clients, i, client) {
        char number[VALUE_BYTES], pid[VALUE_BYTES], in_flight[VALUE_BYTES],
             requests[VALUE_BYTES], read[VALUE_BYTES], written[VALUE_BYTES];

        add_row(&table, (const char *[]){
            number_text(json_object_get(client, "client"), number),
            number_text(json_object_get(client, "pid"), pid),
            text_of(client, "process"), text_of(client, "state"),
            json_is_true(json_object_get(client, "read_only")) ? "r" : "w",
            number_text(json_object_get(client, "in_flight"), in_flight),
            number_text(json_object_get(client, "requests"), requests),
            bytes_text(json_object_get(client, "bytes_read"), read),
            bytes_text(json_object_get(client, "bytes_written"), written) });
    }
    finish_table(&table);
}

/* "-" while the worker has not said. */
static void print_handover(const json_t *nbd)
{
    const json_t *is_over = json_object_get(nbd, "handed_over");

    printf("%-17s%s\n", "handed_over",
           !is_over ? "-" : json_is_true(is_over) ? "yes" : "no");
}

static void print_owner(const json_t *nbd)
{
    const char *owner = text_of(nbd, "owner");

    printf("%-17s%s\n", "nbd_owner", strcmp(owner, "-") ? owner : "root only");
}

static void print_text(const json_t *nbd, const char *name)
{
    printf("%-17s%s\n", name, text_of(nbd, name));
}

static void print_number(const json_t *nbd, const char *name)
{
    char text[VALUE_BYTES];

    printf("%-17s%s\n", name, number_text(json_object_get(nbd, name), text));
}

void print_emulated(const json_t *nbd)
{
    const json_t *clients = json_object_get(nbd, "clients");

    if (json_object_get(nbd, "error"))
        print_text(nbd, "error");
    print_owner(nbd);
    print_text(nbd, "after_handover");
    print_handover(nbd);
    print_text(nbd, "handed_over_at");
    print_number(nbd, "accepted");
    print_number(nbd, "handovers");
    print_number(nbd, "lost");
    print_number(nbd, "refused");
    print_text(nbd, "last_event");
    print_text(nbd, "last_event_at");
    if (json_array_size(clients) > 0) {
        putchar('\n');
        print_clients(clients);
    }
}

void print_emulated_counts(const json_t *nbd)
{
    char text[VALUE_BYTES];

    if (json_object_get(nbd, "error")) {
        printf("  %-16s%s\n", "emulated", text_of(nbd, "error"));
        return;
    }
    print_counts("emulated", json_object_get(nbd, "requests"));
    print_counts("  errors", json_object_get(nbd, "errors"));
    printf("  %-16s%s\n", "  read",
           bytes_text(json_object_get(nbd, "bytes_read"), text));
    printf("  %-16s%s\n", "  written",
           bytes_text(json_object_get(nbd, "bytes_written"), text));
}
