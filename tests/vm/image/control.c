/* SPDX-License-Identifier: MIT
 * Questions to the harness, through XenStore or COM1. */
#include "frontend/private.h"
#include "tests/vm/image/control.h"
#include "tests/vm/image/machine.h"
#include "tests/vm/image/pv.h"

#define ASK "data/vbd-test/ask"
#define ANSWER "data/vbd-test/answer"

enum { TEXT_BYTES = 512, HELLO_US = 20000000, TIMEOUT_US = 120000000 };

static char answer[TEXT_BYTES];
static unsigned nr_asked;
static const char *missing;

/* ---- two ways to ask ---------------------------------------------------- */

/* The text behind "NUMBER ", or NULL. */
static const char *behind_number(const char *text)
{
    char number[16];
    unsigned i = 0;

    front_text_format(number, sizeof(number), "%u ", nr_asked);
    for (; number[i]; i++) {
        if (text[i] != number[i])
            return NULL;
    }
    return text + i;
}

static const char *await_store(uint64_t end)
{
    while (!clock_is_past(end)) {
        if (pv_store_read(ANSWER, answer, sizeof(answer)) >= 0 &&
            behind_number(answer))
            return behind_number(answer);
        pv_wait(20000);
    }
    return NULL;
}

static bool receive_line(uint64_t end)
{
    unsigned bytes = 0;

    while (!clock_is_past(end)) {
        int byte = serial_receive();

        if (byte == '\n') {
            answer[bytes] = '\0';
            return true;
        }
        if (byte >= ' ' && bytes + 1 < sizeof(answer))
            answer[bytes++] = (char)byte;
    }
    return false;
}

static const char *await_line(uint64_t end)
{
    while (receive_line(end)) {
        if (behind_number(answer))
            return behind_number(answer);
    }
    return NULL;
}

static const char *ask_within(const char *words, uint32_t us)
{
    char question[TEXT_BYTES];
    uint64_t end = clock_in_us(us);

    nr_asked++;
    front_text_format(question, sizeof(question), "%u %s", nr_asked, words);
    if (pv_has_xen()) {
        pv_store_write(ASK, question);
        return await_store(end);
    }
    say("ask: %s", question);
    return await_line(end);
}

/* ---- questions ---------------------------------------------------------- */

void control_start(void)
{
    if (!ask_within("hello", HELLO_US))
        missing = "unknown nobody answers the VM's questions";
}

const char *control_ask(const char *format, ...)
{
    char words[TEXT_BYTES];
    const char *text;
    __builtin_va_list arguments;

    __builtin_va_start(arguments, format);
    front_text_vformat(words, sizeof(words), format, arguments);
    __builtin_va_end(arguments);
    if (missing)
        return missing;
    text = ask_within(words, TIMEOUT_US);
    return text ? text : "no answer";
}

bool control_is(const char *text, const char *word)
{
    while (*word && *text == *word) {
        text++;
        word++;
    }
    return !*word && (!*text || *text == ' ');
}

static enum verdict judge(const char *text, const char *wanted,
                          const char *where, uint64_t sector)
{
    if (control_is(text, "unknown"))
        return skipped("%s", text + sizeof("unknown"));
    MUST(control_is(text, wanted), "%s, sector %llu: %s instead of %s", where,
         (unsigned long long)sector, text, wanted);
    return PASS;
}

static enum verdict see_there(const char *word, const char *where,
                              uint64_t sector, uint32_t nr_sectors,
                              struct mark mark)
{
    char wanted[64];

    front_text_format(wanted, sizeof(wanted), "%u writer %u sequence %llu",
                      nr_sectors, mark.writer,
                      (unsigned long long)mark.sequence);
    return judge(control_ask("%s %llu %u", word, (unsigned long long)sector,
                             nr_sectors),
                 wanted, where, sector);
}

enum verdict control_see(uint64_t sector, uint32_t nr_sectors,
                         struct mark mark)
{
    return see_there("look", "on the device", sector, nr_sectors, mark);
}

enum verdict control_see_durable(uint64_t sector, uint32_t nr_sectors,
                                 struct mark mark)
{
    return see_there("durable", "after a power cut", sector, nr_sectors, mark);
}

enum verdict control_needs_durable(void)
{
    const char *text = control_ask("durable 0 1");

    NEEDS(!control_is(text, "unknown"), "%s", text + sizeof("unknown"));
    return PASS;
}
