/* SPDX-License-Identifier: MIT
 * What the flush-correctness VM says: TAP, to COM1 and to Xen's console. Each
 * case is one line: its number, what it claims, where that is written
 * (C-numbers: docs/COHERENCY.md), and the verdict. */
#ifndef VBDD_VM_TAP_H
#define VBDD_VM_TAP_H

#include <stdbool.h>

#include "tests/vm/image/path.h"

enum verdict { PASS, FAIL, SKIP };

struct vm_case {
    const char *claim, *source;
    enum verdict (*judge)(const struct vm_case *this);
    /* What it is about; NULL: nothing but what judge() asks for itself. */
    struct path *writer, *reader;
};

/* Says a line; front_text_format()'s %s, %u and %llu. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A sentence and the verdict that it explains. */
enum verdict failed(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
enum verdict skipped(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* A case ends with the first step that does not pass. */
#define STEP(step)                       \
    do {                                 \
        enum verdict verdict_ = (step);  \
        if (verdict_ != PASS)            \
            return verdict_;             \
    } while (0)
/* And with the first thing that is not as it should be. */
#define MUST(condition, ...) STEP((condition) ? PASS : failed(__VA_ARGS__))
#define NEEDS(condition, ...) STEP((condition) ? PASS : skipped(__VA_ARGS__))

/* Judges each, unless a path is missing: then it is skipped. */
void tap_judge(const struct vm_case *cases, unsigned nr_cases);
/* From now on only the cases whose claims begin so; "": all. Copied. */
void tap_only(const char *claim);
bool tap_judges_all(void);
/* The plan; and what it came to, in a sentence. */
void tap_end(void);

#endif
