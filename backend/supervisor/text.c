/* SPDX-License-Identifier: MIT
 * Text from elsewhere, made fit to be shown. */
#include "backend/supervisor/text.h"

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
