/* SPDX-License-Identifier: MIT
 * What the harnesses share: libFuzzer's entry, the bytes it gives taken one
 * after the other (zeros when there are no more), and what must hold. */
#ifndef VBDD_TESTS_FUZZ_H
#define VBDD_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A violation: both libFuzzer and the replay tell the input. */
#define MUST(cond)                                                           \
    do {                                                                     \
        if (!(cond)) {                                                       \
            fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__,     \
                    #cond);                                                  \
            abort();                                                         \
        }                                                                    \
    } while (0)

struct fuzz_input {
    const uint8_t *data;
    size_t left;
};

static inline uint64_t fuzz_number(struct fuzz_input *input, unsigned bytes)
{
    uint64_t number = 0;

    for (unsigned i = 0; i < bytes && input->left > 0; i++, input->left--)
        number |= (uint64_t)*input->data++ << 8 * i;
    return number;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    return (uint8_t)fuzz_number(input, 1);
}

/* A number that is short when it is small or just below 2^64, as the
 * interesting ones are. */
static inline uint64_t fuzz_varied(struct fuzz_input *input)
{
    uint8_t first = fuzz_byte(input);

    if (first < 0xe0)
        return first;
    if (first < 0xf0)
        return 0 - (uint64_t)(first & 15);
    return fuzz_number(input, first & 7 ? (first & 7) + 1u : 8);
}

#endif
