/* SPDX-License-Identifier: MIT
 * What both ends have agreed on and done. What was not negotiated was not
 * tested, so nothing of it may be missing without a word; and what the front
 * end says is compared with what the worker says (docs/CONTROL.md). */
#include "tests/conformance/conformance.h"

#include <string.h>

#include <jansson.h>
#include <xen/io/protocols.h>

#include "tests/unit/supervisor-rig.h"

static const char vbd[] = "5/xvda";

static uint64_t number_of(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static const char *check_number(const char *what, uint64_t got, uint64_t want)
{
    return got == want ? NULL
                       : say("%s: %llu, not %llu", what,
                             (unsigned long long)got,
                             (unsigned long long)want);
}

/* Every one of them is there, and has its value. */
struct number {
    const char *name;
    uint64_t want;
};

static const char *check_numbers(const json_t *object,
                                 const struct number *numbers, unsigned nr)
{
    const char *why = NULL;

    for (unsigned i = 0; i < nr && !why; i++) {
        const char *name = numbers[i].name;

        why = json_is_integer(json_object_get(object, name))
                  ? check_number(name, number_of(object, name),
                                 numbers[i].want)
                  : say("the worker does not tell %s", name);
    }
    return why;
}

static const char *check_text(const json_t *object, const char *name,
                              const char *want)
{
    const char *got = json_string_value(json_object_get(object, name));

    return got && strcmp(got, want) == 0
               ? NULL : say("%s: %s, not %s", name, got ? got : "?", want);
}

static bool has_persistent(const struct combination *combination)
{
    return strcmp(combination->grants, "persistent") == 0;
}

static uint32_t slots_of(const struct combination *combination)
{
    return 32u << combination->order; /* in every layout */
}

/* What the worker says of the disk since it was started. */
static const json_t *ask_stats(void)
{
    const json_t *reply = rig_ask("{\"command\":\"stats\",\"vbd\":\"%s\"}",
                                  vbd);

    return json_array_get(json_object_get(reply, "disks"), 0);
}

/* Nobody but the tested front end does these. */
static struct counts read_counts(const json_t *disk)
{
    const json_t *requests = json_object_get(disk, "requests");

    return (struct counts){
        .flushes = number_of(requests, "flush"),
        .barriers = number_of(requests, "barrier"),
        .discards = number_of(requests, "discard") };
}

/* --- what there is ------------------------------------------------------- */

static const char *check_info(const struct session *session)
{
    const struct combination *c = session->combination;
    const struct vbdfront_info *info = vbdfront_info(session->front);
    const struct {
        const char *what;
        uint64_t got, want;
    } rows[] = {
        { "sectors", info->nr_sectors, DISK_SECTORS },
        { "sector size", info->sector_bytes, c->sectors->sector_bytes },
        { "physical", info->physical_sector_bytes, c->sectors->block_bytes },
        { "segments", info->max_segments, c->is_indirect ? 256 : 11 },
        { "queues", info->nr_queues, c->queues },
        { "ring pages", info->ring_pages, 1u << c->order },
        { "slots", info->ring_slots, slots_of(c) },
        { "persistent", info->is_persistent, has_persistent(c) },
        { "untrusted", info->is_untrusted, false },
        { "flush", info->has_flush, true },
        { "barrier", info->has_barrier, true },
        { "discard", info->has_discard, true },
        { "secure discard", info->has_secure, true },
    };
    const char *why = NULL;

    for (unsigned i = 0; i < sizeof rows / sizeof *rows && !why; i++)
        why = check_number(rows[i].what, rows[i].got, rows[i].want);
    return why;
}

/* A layout goes over the store as a word, and there is none for "native". */
static const char *abi_text(enum vbdfront_abi abi)
{
    if (abi == VBDFRONT_ABI_X86_32)
        return "x86_32";
    return abi == VBDFRONT_ABI_X86_64 ||
           strcmp(XEN_IO_PROTO_ABI_NATIVE, XEN_IO_PROTO_ABI_X86_64) == 0
               ? "x86_64" : "native";
}

static const char *check_taken(const struct combination *c,
                               const json_t *taken)
{
    const struct number numbers[] = {
        { "queues", c->queues }, { "ring_pages", 1u << c->order },
        { "sector_bytes", c->sectors->sector_bytes },
        { "indirect_segments", 256 }, /* offered, used or not */
    };
    const char *why = check_numbers(taken, numbers,
                                    sizeof numbers / sizeof *numbers);

    if (!why)
        why = check_text(taken, "abi", abi_text(c->abi));
    return why ? why : check_text(taken, "grants", c->grants);
}

const char *agreed_check(struct session *session)
{
    const char *why = check_info(session);
    const json_t *reply;

    if (why)
        return why;
    session->before = read_counts(ask_stats());
    reply = rig_ask("{\"command\":\"features\",\"vbd\":\"%s\"}", vbd);
    return check_taken(session->combination, json_object_get(
        json_array_get(json_object_get(reply, "vbds"), 0), "taken"));
}

/* --- what was done ------------------------------------------------------- */

/* Of one queue: all was answered, and each slot was used more than once. Adds
 * to the sums. */
static const char *check_queue(const struct combination *c,
                               const json_t *queue, uint64_t *requests,
                               uint64_t *indirect)
{
    const struct number numbers[] = {
        { "ring_pages", 1u << c->order }, { "slots", slots_of(c) },
        { "in_flight", 0 }, { "responses", number_of(queue, "requests") },
    };
    const char *why = check_numbers(queue, numbers,
                                    sizeof numbers / sizeof *numbers);

    *requests += number_of(queue, "requests");
    *indirect += number_of(queue, "indirect_requests");
    if (!why && number_of(queue, "requests") <= 2 * slots_of(c))
        why = say("a queue had no more than %llu requests",
                  (unsigned long long)number_of(queue, "requests"));
    return why;
}

static const char *check_vbd(const struct session *session,
                             const json_t *json)
{
    const struct combination *c = session->combination;
    const json_t *queues = json_object_get(json, "queues");
    uint64_t requests = 0, indirect = 0,
             hits = number_of(json, "persistent_hits");
    struct vbdfront_stats stats;
    const char *why = check_number("queues", json_array_size(queues),
                                   c->queues);

    for (unsigned i = 0; i < c->queues && !why; i++)
        why = check_queue(c, json_array_get(queues, i), &requests, &indirect);
    vbdfront_get_stats(session->front, &stats);
    if (!why)
        why = check_number("requests", requests, stats.ring_requests);
    if (!why && (indirect > 0) != c->is_indirect)
        why = say("%llu indirect requests", (unsigned long long)indirect);
    if (!why && (hits > 0) != has_persistent(c))
        why = say("%llu uses of pages that stay mapped",
                  (unsigned long long)hits);
    return why;
}

/* The front end may make several requests of a BARRIER. */
static const char *check_operations(const struct session *session,
                                    const json_t *disk)
{
    static const struct number no_errors[] = {
        { "read", 0 }, { "write", 0 }, { "barrier", 0 }, { "flush", 0 },
        { "discard", 0 },
    };
    static const struct number unsupported = { "unsupported", 0 };
    const struct counts now = read_counts(disk), *before = &session->before,
                        *asked = &session->asked;
    const char *why = check_numbers(json_object_get(disk, "errors"),
                                    no_errors,
                                    sizeof no_errors / sizeof *no_errors);

    if (!why)
        why = check_numbers(disk, &unsupported, 1);
    if (!why)
        why = check_number("flushes", now.flushes - before->flushes,
                           asked->flushes);
    if (!why)
        why = check_number("discards", now.discards - before->discards,
                           asked->discards);
    if (!why && now.barriers - before->barriers < asked->barriers)
        why = say("a BARRIER was not one on the ring");
    return why;
}

const char *agreed_check_counts(const struct session *session)
{
    const json_t *disk = ask_stats();
    const char *why = check_operations(session, disk);

    return why ? why : check_vbd(session, json_array_get(
        json_object_get(disk, "vbds"), 0));
}
