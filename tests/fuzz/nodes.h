/* SPDX-License-Identifier: MIT
 * A hostile XenStore in libFuzzer's bytes: NAME=VALUE;NAME=VALUE;... A name
 * that stands there twice has its first value when it is read first, and the
 * next at the next time: its owner changes it between. */
#ifndef VBDD_TESTS_FUZZ_NODES_H
#define VBDD_TESTS_FUZZ_NODES_H

#include <stdbool.h>

#include "tests/fuzz/fuzz.h"

enum { NODES_MOST = 64 };

struct nodes {
    unsigned nr;
    struct {
        const char *name, *value; /* in the input, not 0-terminated */
        size_t name_length, value_length;
        bool was_read;
    } nodes[NODES_MOST];
};

static inline void nodes_init(struct nodes *nodes, const uint8_t *data,
                              size_t size)
{
    const char *text = (const char *)data, *end = text + size;

    nodes->nr = 0;
    while (text && text < end && nodes->nr < NODES_MOST) {
        const char *stop = memchr(text, ';', (size_t)(end - text));
        const char *equals;

        stop = stop ? stop : end;
        equals = memchr(text, '=', (size_t)(stop - text));
        if (equals) {
            nodes->nodes[nodes->nr].name = text;
            nodes->nodes[nodes->nr].name_length = (size_t)(equals - text);
            nodes->nodes[nodes->nr].value = equals + 1;
            nodes->nodes[nodes->nr].value_length =
                (size_t)(stop - equals - 1);
            nodes->nodes[nodes->nr++].was_read = false;
        }
        text = stop + 1;
    }
}

/* The value of a node: its length, or -1 when there is none. */
static inline int nodes_read(struct nodes *nodes, const char *name,
                             const char **value)
{
    int length = -1;

    for (unsigned i = 0; i < nodes->nr; i++) {
        if (nodes->nodes[i].name_length != strlen(name) ||
            memcmp(nodes->nodes[i].name, name, strlen(name)) != 0)
            continue;
        *value = nodes->nodes[i].value;
        length = (int)nodes->nodes[i].value_length;
        if (!nodes->nodes[i].was_read) {
            nodes->nodes[i].was_read = true;
            break;
        }
    }
    return length;
}

#endif
