/* SPDX-License-Identifier: MIT
 * Memory of the stand-in's server. It ends when there is none: every guest
 * of it is a test, and half a hypervisor would only fail later. */
#ifndef VBDD_LOCAL_ALLOC_H
#define VBDD_LOCAL_ALLOC_H

#include <stdlib.h>
#include <string.h>

#include "common/host/log.h"

static inline void *alloc_check(void *memory)
{
    if (!memory) {
        log_error("out of memory: the stand-in ends");
        abort();
    }
    return memory;
}

/* Zeroed. */
static inline void *alloc_new(size_t bytes)
{
    return alloc_check(calloc(1, bytes));
}

static inline void *alloc_resize(void *memory, size_t bytes)
{
    return alloc_check(realloc(memory, bytes ? bytes : 1));
}

static inline void *alloc_copy(const void *from, size_t bytes)
{
    void *memory = alloc_check(malloc(bytes ? bytes : 1));

    return bytes ? memcpy(memory, from, bytes) : memory;
}

#endif
