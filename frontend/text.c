/* SPDX-License-Identifier: MIT
 * Sentences, paths and numbers without a libc. */
#include "frontend/private.h"

struct text {
    char *to;
    size_t bytes, used;
};

static void text_add(struct text *text, char character)
{
    if (text->used + 1 < text->bytes)
        text->to[text->used] = character;
    text->used++;
}

static uint64_t power_of_ten(unsigned exponent)
{
    uint64_t power = 1;

    while (exponent-- > 0)
        power *= 10;
    return power;
}

/* By subtraction: a division of 64 bits would need the compiler's library on
 * a 32-bit guest. */
static void text_add_number(struct text *text, uint64_t number)
{
    unsigned exponent = 0;

    while (exponent < 19 && power_of_ten(exponent + 1) <= number)
        exponent++;
    do {
        char digit = '0';

        for (; number >= power_of_ten(exponent); digit++)
            number -= power_of_ten(exponent);
        text_add(text, digit);
    } while (exponent-- > 0);
}

static void text_add_string(struct text *text, const char *string)
{
    while (*string)
        text_add(text, *string++);
}

bool front_text_vformat(char *to, size_t bytes, const char *format,
                        __builtin_va_list arguments)
{
    struct text text = { .to = to, .bytes = bytes };

    for (; *format; format++) {
        if (*format != '%') {
            text_add(&text, *format);
        } else if (*++format == 's') {
            text_add_string(&text, __builtin_va_arg(arguments, const char *));
        } else if (*format == 'u') {
            text_add_number(&text, __builtin_va_arg(arguments, unsigned));
        } else { /* llu */
            format += 2;
            text_add_number(&text,
                            __builtin_va_arg(arguments, unsigned long long));
        }
    }
    to[text.used < bytes ? text.used : bytes - 1] = '\0';
    return text.used < bytes;
}

bool front_text_format(char *to, size_t bytes, const char *format, ...)
{
    __builtin_va_list arguments;
    bool fits;

    __builtin_va_start(arguments, format);
    fits = front_text_vformat(to, bytes, format, arguments);
    __builtin_va_end(arguments);
    return fits;
}
