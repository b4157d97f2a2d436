/* SPDX-License-Identifier: MIT
 * TAP. */
#include <stdbool.h>
#include <stddef.h>

#include "frontend/private.h"
#include "tests/vm/image/machine.h"
#include "tests/vm/image/pv.h"
#include "tests/vm/image/tap.h"

static char reason[256], only[64];
static unsigned nr_of[3], nr_judged;

static void put_line(char *line)
{
    size_t bytes = __builtin_strlen(line);

    line[bytes] = '\r';
    line[bytes + 1] = '\n';
    serial_send(line, bytes + 2);
    pv_console(line, bytes + 2);
}

void say(const char *format, ...)
{
    static char line[512];
    __builtin_va_list arguments;

    __builtin_va_start(arguments, format);
    front_text_vformat(line, sizeof(line) - 2, format, arguments);
    __builtin_va_end(arguments);
    put_line(line);
}

enum verdict failed(const char *format, ...)
{
    __builtin_va_list arguments;

    __builtin_va_start(arguments, format);
    front_text_vformat(reason, sizeof(reason), format, arguments);
    __builtin_va_end(arguments);
    return FAIL;
}

enum verdict skipped(const char *format, ...)
{
    __builtin_va_list arguments;

    __builtin_va_start(arguments, format);
    front_text_vformat(reason, sizeof(reason), format, arguments);
    __builtin_va_end(arguments);
    return SKIP;
}

void tap_only(const char *claim)
{
    front_text_format(only, sizeof(only), "%s", claim);
}

bool tap_judges_all(void)
{
    return !only[0];
}

static bool is_wanted(const struct vm_case *this)
{
    const char *claim = this->claim;

    for (const char *c = only; *c; c++) {
        if (*c != *claim++)
            return false;
    }
    return true;
}

static enum verdict judge(const struct vm_case *this)
{
    if (this->writer && this->writer->missing)
        return skipped("%s", this->writer->missing);
    if (this->reader && this->reader->missing)
        return skipped("%s", this->reader->missing);
    return this->judge(this);
}

void tap_judge(const struct vm_case *cases, unsigned nr_cases)
{
    for (const struct vm_case *this = cases; this < cases + nr_cases; this++) {
        enum verdict verdict;

        if (!is_wanted(this))
            continue;
        verdict = judge(this);
        nr_of[verdict]++;
        nr_judged++;
        if (verdict == FAIL)
            say("# %s", reason);
        say("%s %u - %s [%s]%s%s", verdict == FAIL ? "not ok" : "ok",
            nr_judged, this->claim, this->source,
            verdict == SKIP ? " # SKIP " : "", verdict == SKIP ? reason : "");
    }
}

void tap_end(void)
{
    say("1..%u", nr_judged);
    say("# %u kept, %u broken, %u not judged", nr_of[PASS], nr_of[FAIL],
        nr_of[SKIP]);
}
