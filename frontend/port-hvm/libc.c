/* SPDX-License-Identifier: MIT
 * What a compiler may ask for where there is no libc. */
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *left, const void *right, size_t bytes);
size_t strlen(const char *string);
int strcmp(const char *left, const char *right);

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    void *end = to;

    __asm__ volatile("rep movsb" : "+D"(end), "+S"(from), "+c"(bytes)
                     : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    char *last = (char *)to + bytes - 1;
    const char *last_from = (const char *)from + bytes - 1;

    if ((size_t)((char *)to - (const char *)from) >= bytes)
        return memcpy(to, from, bytes);
    __asm__ volatile("std; rep movsb; cld"
                     : "+D"(last), "+S"(last_from), "+c"(bytes)
                     : : "memory", "cc");
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    void *end = to;

    __asm__ volatile("rep stosb" : "+D"(end), "+c"(bytes) : "a"(value)
                     : "memory");
    return to;
}

int memcmp(const void *left, const void *right, size_t bytes)
{
    const unsigned char *a = left, *b = right;

    for (; bytes > 0; bytes--, a++, b++)
        if (*a != *b)
            return *a - *b;
    return 0;
}

/* volatile: else the compiler knows what this is, and calls strlen() */
size_t strlen(const char *string)
{
    const volatile char *end = string;

    while (*end)
        end++;
    return (size_t)(end - string);
}

int strcmp(const char *left, const char *right)
{
    while (*left && *left == *right) {
        left++;
        right++;
    }
    return (unsigned char)*left - (unsigned char)*right;
}
