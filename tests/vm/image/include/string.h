/* SPDX-License-Identifier: MIT
 * The four functions that a compiler may ask for anyway, where there is no
 * libc; tools/stamp uses them, too. */
#ifndef VBDD_VM_STRING_H
#define VBDD_VM_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *one, const void *other, size_t bytes);

#endif
