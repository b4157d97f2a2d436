/* SPDX-License-Identifier: MIT
 * The load: kinds by their weights, places at random in the range. */
#include <string.h>

#include "common/host/log.h"
#include "tools/options/options.h"
#include "tools/vbdverify/vbdverify.h"

enum { MAX_WEIGHT = 1000000, MIX_BYTES = 256 };

static int kind_of_name(const char *name)
{
    static const char *const names[OPERATION_KINDS] = {
        [OPERATION_READ] = "read", [OPERATION_WRITE] = "write",
        [OPERATION_FUA] = "fua", [OPERATION_ZERO] = "zero",
        [OPERATION_DISCARD] = "discard", [OPERATION_FLUSH] = "flush",
        [OPERATION_BARRIER] = "barrier" };

    for (int i = 0; i < OPERATION_KINDS; i++) {
        if (strcmp(names[i], name) == 0)
            return i;
    }
    log_error("--mix has \"%s\", expected read, write, fua, zero, discard, "
              "flush or barrier", name);
    return -1;
}

bool load_parse_mix(struct load *load, const char *mix)
{
    char copy[MIX_BYTES], *rest = copy, *name;

    memset(load->weights, 0, sizeof load->weights);
    snprintf(copy, sizeof copy, "%s", mix);
    while ((name = strsep(&rest, ",")) != NULL) {
        char *number = name;
        uint64_t weight;
        int kind;

        strsep(&number, "=");
        kind = kind_of_name(name);
        if (kind < 0 ||
            !options_parse_number("a weight of --mix", number ? number : "",
                                  OPTION_NUMBER, 0, MAX_WEIGHT, &weight))
            return false;
        load->weights[kind] = (unsigned)weight;
    }
    return true;
}

static uint64_t below(struct load *load, uint64_t end)
{
    load->random = load->random * 6364136223846793005u + 1442695040888963407u;
    return (load->random >> 32) * end >> 32;
}

static enum operation_kind choose_kind(struct load *load,
                                       const struct path *path)
{
    unsigned total = 0, at;

    for (unsigned i = 0; i < OPERATION_KINDS; i++)
        total += path_can(path, i) ? load->weights[i] : 0;
    if (total == 0)
        return OPERATION_READ;
    at = (unsigned)below(load, total);
    for (unsigned i = 0;; i++) {
        unsigned weight = path_can(path, i) ? load->weights[i] : 0;

        if (at < weight)
            return i;
        at -= weight;
    }
}

/* Every other BARRIER is empty. */
static bool has_place(struct load *load, enum operation_kind kind)
{
    return kind != OPERATION_FLUSH &&
           (kind != OPERATION_BARRIER || below(load, 2));
}

void load_choose(struct load *load, const struct path *path,
                 struct operation *operation)
{
    uint64_t unit = path->unit_sectors, units = load->nr_sectors / unit;
    uint64_t most = load->most_sectors / unit;
    enum operation_kind kind = choose_kind(load, path);
    uint64_t count = 0, start = 0;

    if (path->most_sectors && most > path->most_sectors / unit)
        most = path->most_sectors / unit;
    if (has_place(load, kind)) {
        count = 1 + below(load, most < units ? most ? most : 1 : units);
        start = below(load, units - count + 1);
    }
    *operation = (struct operation){
        .kind = kind, .path = path->index,
        .sector = load->sector + start * unit,
        .nr_sectors = (uint32_t)(count * unit) };
}
