/* SPDX-License-Identifier: MIT
 * Text from elsewhere, made fit to be shown. */
#include "backend/supervisor/text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *text_printable(const char *bytes, unsigned length, char *shown,
                           unsigned size)
{
    unsigned fits = length < size ? length : size - 1;

    for (unsigned i = 0; i < fits; i++)
        shown[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
    shown[fits] = '\0';
    if (fits < length)
        strcpy(shown + size - 4, "...");
    return shown;
}

void text_percent(const char *bytes, char *text, unsigned size)
{
    unsigned used = 0;

    text[0] = '\0';
    for (; *bytes && used + 4 <= size; bytes++) {
        unsigned char byte = (unsigned char)*bytes;
        bool is_plain = (byte < 0x80 && isalnum(byte)) ||
                        strchr("-._~/", byte);

        used += (unsigned)snprintf(text + used, size - used,
                                   is_plain ? "%c" : "%%%02X", byte);
    }
}
