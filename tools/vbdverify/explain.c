/* SPDX-License-Identifier: MIT
 * The checker: violations in sentences. Who wrote what when, who read it, and
 * which answers and invocations say that it cannot be. */
#include <stdarg.h>
#include <stdio.h>

#include "tools/vbdverify/private.h"

struct text {
    char sentence[CHECK_SENTENCE_BYTES];
    size_t length;
};

__attribute__((format(printf, 2, 3)))
static void say(struct text *text, const char *format, ...)
{
    size_t room = sizeof text->sentence - text->length;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(text->sentence + text->length, room, format, arguments);
    va_end(arguments);
    text->length += length < 0 ? 0
        : (size_t)length < room ? (size_t)length : room - 1;
}

static void report(struct check *check, enum violation violation,
                   uint64_t sector, const struct text *text)
{
    check->stats.nr_violations++;
    check->stats.violations[violation]++;
    check->config.report(check->config.context, violation, sector,
                         text->sentence);
}

/* --- words ---------------------------------------------------------------- */

const char *operation_name(enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_READ: return "read";
    case OPERATION_WRITE: return "write";
    case OPERATION_FUA: return "FUA write";
    case OPERATION_ZERO: return "write of zeros";
    case OPERATION_DISCARD: return "DISCARD";
    case OPERATION_FLUSH: return "FLUSH";
    case OPERATION_BARRIER: return "BARRIER";
    }
    return "operation";
}

static void say_time(struct text *text, uint64_t event, uint64_t at_us)
{
    say(text, "event %llu (%llu.%03u ms)", (unsigned long long)event,
        (unsigned long long)at_us / 1000, (unsigned)(at_us % 1000));
}

/* "nbd 2's write 40" */
static void say_act(struct text *text, const struct check *check,
                    const struct act *act)
{
    say(text, "%s's %s", check->config.names[act->path],
        operation_name(act->kind));
    if (act->sequence)
        say(text, " %llu", (unsigned long long)act->sequence);
}

static void say_value(struct text *text, struct check *check, uint64_t value)
{
    const struct written *written = check_written(check, value);
    struct act act;

    if (written) {
        act = act_of_written(value, written);
        say_act(text, check, &act);
    } else {
        say(text, "the zeros of the start");
    }
}

static bool is_same(const struct act *one, const struct act *other)
{
    return one->path == other->path && one->invoked == other->invoked;
}

/* One of a cluster's operations: the write itself, or a read that saw it. */
static void say_member(struct text *text, struct check *check, uint64_t value,
                       const struct act *member, const struct act *reader)
{
    if (is_same(member, reader)) {
        say(text, "this read");
    } else if (member->kind == OPERATION_READ && member->path != ACT_START) {
        say(text, "a read of ");
        say_value(text, check, value);
        say(text, " by %s", check->config.names[member->path]);
    } else {
        say_value(text, check, value);
    }
}

/* Which operation of a cluster was invoked or answered when. */
static void say_invoked(struct text *text, struct check *check,
                        const struct cluster *cluster,
                        const struct act *reader)
{
    say_member(text, check, cluster->value, &cluster->last, reader);
    say(text, " was invoked at ");
    say_time(text, cluster->last.invoked, cluster->last.invoked_us);
}

static void say_answered(struct text *text, struct check *check,
                         const struct cluster *cluster,
                         const struct act *reader)
{
    say_member(text, check, cluster->value, &cluster->first, reader);
    say(text, " had been answered at ");
    say_time(text, cluster->first.answered, cluster->first.answered_us);
}

/* Why `newer` is newer; that zeros came first need not be said. */
static bool has_order(const struct cluster *older,
                      const struct cluster *newer)
{
    return older->first.path != ACT_START && cluster_precedes(older, newer);
}

static void say_order(struct text *text, struct check *check,
                      const struct cluster *older, const struct cluster *newer,
                      const struct act *reader)
{
    say_invoked(text, check, newer, reader);
    say(text, ", after ");
    say_answered(text, check, older, reader);
}

/* --- C3 ------------------------------------------------------------------- */

/* "sector 7: ring 1 read" */
static void say_reader(struct text *text, const struct check *check,
                       const char *promise, uint64_t sector,
                       const struct act *reader)
{
    say(text, "%s: sector %llu: ", promise, (unsigned long long)sector);
    if (reader->path == ACT_IMAGE) {
        say(text, "the image holds ");
        return;
    }
    say(text, "%s read, from ", check->config.names[reader->path]);
    say_time(text, reader->invoked, reader->invoked_us);
    say(text, " to ");
    say_time(text, reader->answered, reader->answered_us);
    say(text, ", ");
}

void explain_stale(struct check *check, uint64_t sector,
                   const struct act *reader, const struct cluster *found,
                   const struct cluster *newer)
{
    struct text text = { .length = 0 };
    bool is_image = reader->path == ACT_IMAGE;

    say_reader(&text, check, "C3", sector, reader);
    say_value(&text, check, found->value);
    say(&text, ", which cannot have been there any more: ");
    if (newer->first.path != ACT_START) {
        say_answered(&text, check, newer, reader);
        if (!is_image) {
            say(&text, ", before ");
            say_invoked(&text, check, found, reader);
        }
        if (has_order(found, newer))
            say(&text, "; and it is newer, for ");
    }
    if (has_order(found, newer))
        say_order(&text, check, found, newer, reader);
    say(&text, ".");
    report(check, is_image ? VIOLATION_IMAGE : VIOLATION_STALE, sector,
           &text);
}

static void say_foreign(struct text *text, uint64_t value)
{
    unsigned long long sequence = value_sequence(value);

    switch (value_writer(value)) {
    case VALUE_TORN:
        say(text, "a torn sector: two writes, or half of one.");
        break;
    case VALUE_MISPLACED:
        say(text, "what belongs to sector %llu.", sequence);
        break;
    case VALUE_OTHER_RUN:
        say(text, "what another run has left: it was overwritten before this "
                  "run began.");
        break;
    case VALUE_FOREIGN:
        say(text, "neither zeros nor a whole stamp.");
        break;
    default:
        say(text, "the stamp of writer %u, sequence %llu, which nobody has "
                  "written there.", value_writer(value), sequence);
    }
}

void explain_unwritten(struct check *check, uint64_t sector,
                       const struct act *reader, uint64_t value)
{
    struct text text = { .length = 0 };

    say_reader(&text, check, "C3", sector, reader);
    say_foreign(&text, value);
    report(check, VIOLATION_UNWRITTEN, sector, &text);
}

/* --- C5 to C7 ------------------------------------------------------------- */

static enum violation broken_promise(const struct act *write,
                                     const struct act *why)
{
    if (is_same(write, why))
        return VIOLATION_FUA;
    return why->kind == OPERATION_BARRIER && why->path == write->path
               ? VIOLATION_BARRIER : VIOLATION_LOST;
}

static void say_durable(struct text *text, const struct check *check,
                        const struct act *write, const struct act *why)
{
    say_act(text, check, write);
    if (is_same(write, why)) {
        say(text, " is durable by itself, and was answered at ");
        say_time(text, write->answered, write->answered_us);
        return;
    }
    if (write->answered < why->invoked) {
        say(text, " had been answered at ");
        say_time(text, write->answered, write->answered_us);
    } else {
        say(text, " had been invoked at ");
        say_time(text, write->invoked, write->invoked_us);
    }
    say(text, ", before ");
    say_act(text, check, why);
    say(text, " was invoked at ");
    say_time(text, why->invoked, why->invoked_us);
    say(text, ", which was carried out");
}

void explain_lost(struct check *check, uint64_t sector,
                  const struct cluster *found, const struct cluster *newer,
                  const struct act *why)
{
    static const char *const promises[VIOLATION_KINDS] = {
        [VIOLATION_LOST] = "C5", [VIOLATION_BARRIER] = "C6",
        [VIOLATION_FUA] = "C7" };
    static const struct act image = { .path = ACT_IMAGE };
    struct text text = { .length = 0 };
    struct act write = act_of_written(newer->value,
                                      check_written(check, newer->value));
    enum violation violation = broken_promise(&write, why);

    say_reader(&text, check, promises[violation], sector, &image);
    say_value(&text, check, found->value);
    say(&text, ", older than what was durable: ");
    say_durable(&text, check, &write, why);
    if (has_order(found, newer)) {
        say(&text, "; and it is newer, for ");
        say_order(&text, check, found, newer, &image);
    }
    say(&text, ".");
    report(check, violation, sector, &text);
}
