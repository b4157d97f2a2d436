/* SPDX-License-Identifier: MIT
 * Claim: whatever a front end writes into XenStore, or leaves out, costs it the
 * connection that it asks for at most, and `error` says what was wrong; what it
 * writes later than it should changes nothing; and whatever states it goes
 * through, it is where docs/PROTOCOL.md says, and can start anew.
 * Source: docs/PROTOCOL.md sections 3 and 8; XSA-349, XSA-350, XSA-371.
 * Mechanism: misbehave-rows.h. */
#include <signal.h>

#include "tests/unit/misbehave-rows.h"

enum { FLIPS = 1000, NO_GRANT = LOCAL_MAX_GRANTS - 1, NO_PORT = 4000 };

static const struct wish plain;

/* --- nodes ---------------------------------------------------------------- */

/* What becomes of a node before Initialised. */
struct node {
    const char *name, *value; /* NULL: it is not there */
    size_t bytes;             /* of the value, unless it is a string */
    struct wish wish;         /* of a front end that is otherwise in order */
};

static enum outcome connect_now(void)
{
    enum outcome outcome;

    rig_front(offender.device, "3");
    outcome = outcome_of_state(XENBUS_CONNECTED);
    return outcome == SERVED ? outcome_of_io() : outcome;
}

static enum outcome change(const void *with)
{
    const struct node *node = with;

    offender_enter(PLAIN, node->wish);
    if (node->value)
        node_bytes(offender.device, node->name, node->value,
                   node->bytes ? node->bytes : strlen(node->value));
    else
        node_remove(offender.device, node->name);
    return connect_now();
}

/* A number that only the test knows. */
enum bad { GRANT_READ_ONLY, GRANT_FOREIGN, GRANT_OF_OTHER_PAGE, PORT_FOREIGN,
           PORT_OF_OTHER_QUEUE };
struct number {
    const char *name;
    enum bad bad;
    struct wish wish;
};

static int32_t make_bad(enum bad bad)
{
    struct rig_guest *guest = &offender.guest;

    switch (bad) {
    case GRANT_READ_ONLY:
        return local_grant_access(guest->local, 0, RIG_DATA_FRAME, true);
    case GRANT_FOREIGN:
        return local_grant_access(guest->local, NEIGHBOUR, RIG_DATA_FRAME,
                                  false);
    case GRANT_OF_OTHER_PAGE:
        return (int32_t)guest->queues[0].grefs[0];
    case PORT_FOREIGN:
        return local_event_alloc_unbound(guest->local, NEIGHBOUR);
    case PORT_OF_OTHER_QUEUE:
        return (int32_t)guest->queues[0].port;
    }
    return 0;
}

static enum outcome change_number(const void *with)
{
    const struct number *number = with;
    struct local *local = offender.guest.local;
    enum outcome outcome;
    int32_t made;

    offender_enter(PLAIN, number->wish);
    made = make_bad(number->bad);
    REQUIRE(made > 0);
    node_number(offender.device, number->name, (uint32_t)made);
    outcome = connect_now();
    if (number->bad == GRANT_READ_ONLY || number->bad == GRANT_FOREIGN)
        CHECK_EQ(local_grant_end(local, (uint32_t)made), 0);
    if (number->bad == PORT_FOREIGN)
        local_event_close(local, (uint32_t)made);
    return outcome;
}

static enum outcome remove_queue(const void *with)
{
    (void)with;
    offender_enter(PLAIN, (struct wish){ .more_queues = 1 });
    node_remove(offender.device, "queue-1");
    return connect_now();
}

/* The half of it that was in order is usable afterwards, as it stands. */
static enum outcome fail_half_way(const void *with)
{
    struct rig_guest *guest = &offender.guest;
    enum outcome outcome;

    (void)with;
    offender_enter(PLAIN, (struct wish){ .more_queues = 3, .order = 2 });
    node_number(offender.device, "queue-3/event-channel", NO_PORT);
    outcome = connect_now();
    for (unsigned n = 0; n < 4; n++)
        for (unsigned i = 0; i < 4; i++)
            CHECK_EQ(local_grant_end(guest->local, guest->queues[n].grefs[i]),
                     0);
    for (unsigned n = 0; n < 4; n++)
        guest->queues[n].nr_pages = 0; /* they are ended */
    return outcome;
}

/* --- nodes that change later ---------------------------------------------- */

static enum outcome change_connected(const void *with)
{
    static const char *const names[] = {
        "ring-ref", "event-channel", "protocol", "feature-persistent",
        "multi-queue-num-queues", "ring-page-order", "backend",
        "backend-id", "queue-0/ring-ref" };

    (void)with;
    offender_join(PLAIN, plain);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        node_bytes(offender.device, names[i], "rubbish", 7);
    rig_front(offender.device, "4");
    rig_ask("{\"command\":\"show\",\"vbd\":\"5/xvda\"}");
    remake_nodes();
    return outcome_of_io();
}

/* As the guest itself, of whom it is not. */
static enum outcome write_back_end(const void *with)
{
    const char *names[] = { "state", "params", "mode", "frontend", "online",
                            "sectors", "error" };
    char path[160], *was = getenv("XENSTORED_PATH");
    struct xs_handle *own;

    (void)with;
    offender_join(READ_ONLY, plain);
    REQUIRE(local_store_path(rig_dir, OFFENDER, path, sizeof path) == 0);
    was = strdup(was);
    setenv("XENSTORED_PATH", path, 1);
    own = xs_open(0);
    setenv("XENSTORED_PATH", was, 1);
    free(was);
    REQUIRE(own);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", offender.device->back, names[i]);
        CHECK(!xs_write(own, XBT_NULL, path, "1", 1) && errno == EACCES);
        CHECK(!xs_rm(own, XBT_NULL, path) && errno == EACCES);
    }
    xs_close(own);
    return outcome_of_io();
}

/* --- states --------------------------------------------------------------- */

/* From Connected. */
static enum outcome go_to(const void *with)
{
    const struct node *state = with;

    offender_join(PLAIN, plain);
    node_bytes(offender.device, "state", state->value,
               state->bytes ? state->bytes : strlen(state->value));
    return outcome_of_state(XENBUS_INIT_WAIT);
}

/* What is not acted on cannot be waited for: something later is. */
static enum outcome go_nowhere(const void *with)
{
    const char *state = with;

    offender_join(PLAIN, plain);
    rig_front(offender.device, state);
    rig_ask("{\"command\":\"show\",\"vbd\":\"5/xvda\"}");
    return outcome_of_io();
}

static enum outcome skip_initialised(const void *with)
{
    (void)with;
    offender_enter(PLAIN, plain);
    rig_front(offender.device, "4");
    return outcome_of_state(XENBUS_CONNECTED) == SERVED ? outcome_of_io()
                                                        : NO_OUTCOME;
}

/* The back end has closed; a ring is not taken without Initialising. */
static enum outcome skip_initialising(const void *with)
{
    const char *state = with;

    offender_enter(PLAIN, plain);
    rig_front(offender.device, "6");
    CHECK(rig_back_is(offender.device, "6"));
    rig_front(offender.device, state);
    for (unsigned i = 0; i < 20; i++) { /* it has all the time it wants */
        rig_ask("{\"command\":\"show\",\"vbd\":\"5/xvda\"}");
        usleep(1000);
    }
    return back_state(offender.device) == XENBUS_CLOSED ? IGNORED : NO_OUTCOME;
}

/* Ends where it began; whatever was in between is left behind. */
static enum outcome flap(const void *with)
{
    static const char *const states[] = { "1", "3", "4", "5", "6", "0", "2" };

    (void)with;
    offender_join(PLAIN, plain);
    for (unsigned i = 0; i < tap_scaled(FLIPS); i++)
        rig_front(offender.device, states[i * 31 % 7]);
    rig_front(offender.device, "6");
    return outcome_of_state(XENBUS_CLOSED);
}

static unsigned long waits_of(pid_t pid)
{
    FILE *file = process_open(pid, "status");
    unsigned long waits = 0;
    char line[256];

    while (fgets(line, sizeof line, file))
        sscanf(line, "voluntary_ctxt_switches: %lu", &waits);
    fclose(file);
    return waits;
}

/* While vbdd is not looking. However often it has been told of the node, it
 * looks once: each look is several waits for the store. */
static enum outcome flap_unseen(const void *with)
{
    pid_t vbdd = rig_vbdd_pid();
    unsigned long before;

    (void)with;
    offender_join(PLAIN, plain);
    REQUIRE(vbdd > 1 && kill(vbdd, SIGSTOP) == 0);
    before = waits_of(vbdd);
    for (unsigned i = 0; i < FLIPS; i++)
        rig_front(offender.device, i % 2 ? "6" : "1");
    rig_front(offender.device, "4");
    kill(vbdd, SIGCONT);
    rig_ask("{\"command\":\"show\",\"vbd\":\"5/xvda\"}");
    NOTE("%u changes of state: %lu waits", FLIPS, waits_of(vbdd) - before);
    CHECK(waits_of(vbdd) - before < FLIPS);
    return outcome_of_io();
}

static enum outcome delete_front(const void *with)
{
    enum outcome outcome;

    (void)with;
    offender_join(PLAIN, plain);
    rig_remove(offender.device->front);
    outcome = outcome_of_state(XENBUS_CLOSED);
    remake_nodes();
    return outcome;
}

/* -------------------------------------------------------------------------- */

static char huge[4000]; /* as long as a value of a node may be, about */

#define NODE(which, text, ...)                                               \
    change, &(const struct node){ .name = which, .value = text, __VA_ARGS__ }
#define BAD(which, how, ...)                                                 \
    change_number, &(const struct number){ .name = which, .bad = how,        \
                                           __VA_ARGS__ }
#define STATE(text, ...)                                                     \
    go_to, &(const struct node){ .value = text, __VA_ARGS__ }
#define LARGE .wish = { .order = 1 }
#define TWO .wish = { .more_queues = 1 }

static const struct row rows[] = {
    { 93, "ring-ref absent", REFUSED,
      "the front end's ring-ref is missing: expected a grant reference",
      NODE("ring-ref", NULL) },
    { 94, "ring-ref empty", REFUSED,
      "the front end's ring-ref is '': expected a grant reference",
      NODE("ring-ref", "") },
    { 95, "ring-ref of 4000 bytes", REFUSED,
      "the front end's ring-ref is longer than 255 bytes",
      NODE("ring-ref", huge, .bytes = sizeof huge) },
    { 96, "ring-ref negative", REFUSED,
      "the front end's ring-ref is '-1': expected a grant reference",
      NODE("ring-ref", "-1") },
    { 97, "ring-ref in hexadecimal", REFUSED,
      "the front end's ring-ref is '0x8': expected a grant reference",
      NODE("ring-ref", "0x8") },
    { 98, "ring-ref with a NUL in it", REFUSED,
      "the front end's ring-ref is '8?8': expected a grant reference",
      NODE("ring-ref", "8\0008", .bytes = 3) },
    { 99, "ring-ref with spaces", REFUSED,
      "the front end's ring-ref is ' 8 ': expected a grant reference",
      NODE("ring-ref", " 8 ") },
    { 100, "ring-ref with terminal escapes", REFUSED,
      "the front end's ring-ref is '?[2J?': expected a grant reference",
      NODE("ring-ref", "\033[2J\n") },
    { 101, "ring-ref 2^32", REFUSED,
      "the front end's ring-ref is '4294967296': expected a grant reference",
      NODE("ring-ref", "4294967296") },
    { 102, "ring-ref not granted", REFUSED,
      "cannot map the ring of domain 5: Permission denied",
      NODE("ring-ref", "8191") },
    { 103, "ring-ref granted for reading only", REFUSED,
      "cannot map the ring of domain 5: Permission denied",
      BAD("ring-ref", GRANT_READ_ONLY) },
    { 104, "ring-ref granted to another domain", REFUSED,
      "cannot map the ring of domain 5: Permission denied",
      BAD("ring-ref", GRANT_FOREIGN) },
    { 105, "ring-ref1 of two missing", REFUSED,
      "the front end's ring-ref1 is missing: expected a grant reference",
      NODE("ring-ref1", NULL, LARGE) },
    { 106, "ring-ref1 the same as ring-ref0", REFUSED,
      "expected a grant that is no other page's",
      BAD("ring-ref1", GRANT_OF_OTHER_PAGE, LARGE) },
    { 107, "ring-page-order 5", REFUSED,
      "the front end's ring-page-order is '5': expected 0 to 4, as offered",
      NODE("ring-page-order", "5") },
    { 108, "ring-page-order 99", REFUSED,
      "the front end's ring-page-order is '99': expected 0 to 4, as offered",
      NODE("ring-page-order", "99") },
    { 109, "num-ring-pages 3", REFUSED,
      "the front end's num-ring-pages is '3': expected a power of two",
      NODE("num-ring-pages", "3") },
    { 110, "num-ring-pages against ring-page-order", REFUSED,
      "the front end's num-ring-pages is '4': expected 2 as ring-page-order",
      NODE("num-ring-pages", "4", LARGE) },
    { 111, "multi-queue-num-queues 0", REFUSED,
      "the front end's multi-queue-num-queues is '0': expected 1 to 4",
      NODE("multi-queue-num-queues", "0") },
    { 112, "multi-queue-num-queues 5", REFUSED,
      "the front end's multi-queue-num-queues is '5': expected 1 to 4",
      NODE("multi-queue-num-queues", "5") },
    { 113, "multi-queue-num-queues 2^64", REFUSED,
      "the front end's multi-queue-num-queues is '18446744073709551616'",
      NODE("multi-queue-num-queues", "18446744073709551616") },
    { 114, "queue-1 missing", REFUSED,
      "the front end's queue-1/ring-ref is missing", remove_queue, NULL },
    { 115, "one ring page in two queues", REFUSED,
      "expected a grant that is no other page's",
      BAD("queue-1/ring-ref", GRANT_OF_OTHER_PAGE, TWO) },
    { 116, "one event channel in two queues", REFUSED,
      "expected a port that is no other queue's",
      BAD("queue-1/event-channel", PORT_OF_OTHER_QUEUE, TWO) },
    { 117, "last of four queues has no event channel (XSA-350)", REFUSED,
      "cannot bind the event channel of domain 5: Invalid argument",
      fail_half_way, NULL },
    { 118, "event-channel absent", REFUSED,
      "the front end's event-channel is missing: expected an event-channel",
      NODE("event-channel", NULL) },
    { 119, "event-channel 0", REFUSED,
      "the front end's event-channel is '0': expected an event-channel port",
      NODE("event-channel", "0") },
    { 120, "event-channel 131072", REFUSED,
      "the front end's event-channel is '131072': expected an event-channel",
      NODE("event-channel", "131072") },
    { 121, "event-channel not allocated (XSA-371)", REFUSED,
      "cannot bind the event channel of domain 5: Invalid argument",
      NODE("event-channel", "4000") },
    { 122, "event-channel for another domain (XSA-371)", REFUSED,
      "cannot bind the event channel of domain 5: Invalid argument",
      BAD("event-channel", PORT_FOREIGN) },
    { 123, "protocol unknown", REFUSED,
      "the front end's protocol is 'rubbish': expected x86_32-abi, x86_64-abi",
      NODE("protocol", "rubbish") },
    { 124, "protocol of another machine", REFUSED,
      "the front end's protocol is 'arm-abi': expected x86_32-abi, x86_64-abi",
      NODE("protocol", "arm-abi") },
    { 125, "feature-persistent no boolean", REFUSED,
      "the front end's feature-persistent is 'yes': expected 0 or 1",
      NODE("feature-persistent", "yes") },

    { 126, "all nodes rewritten while connected", SERVED, NULL,
      change_connected, NULL },
    { 127, "nodes of the back end written by the guest", SERVED, NULL,
      write_back_end, NULL },
    { 128, "state Connected at once", SERVED, NULL, skip_initialised, NULL },
    { 129, "state Initialised to a closed back end", IGNORED, NULL,
      skip_initialising, "3" },
    { 130, "state Connected to a closed back end", IGNORED, NULL,
      skip_initialising, "4" },
    { 131, "state Initialising while connected", RESTARTED, NULL,
      STATE("1") },
    { 132, "state 0", CLOSED, NULL, STATE("0") },
    { 133, "state 7", SERVED, NULL,
      go_nowhere, "7" },
    { 134, "state 8", SERVED, NULL,
      go_nowhere, "8" },
    { 135, "state 9", CLOSED, NULL, STATE("9") },
    { 136, "state no number", CLOSED, NULL, STATE("rubbish") },
    { 137, "state empty", CLOSED, NULL, STATE("") },
    { 138, "state of 4000 bytes", CLOSED, NULL,
      STATE(huge, .bytes = sizeof huge) },
    { 139, "state that changes 1000 times", CLOSED, NULL, flap, NULL },
    { 140, "state changed 1000 times before a look (XSA-349)", SERVED, NULL,
      flap_unseen, NULL },
    { 141, "its directory deleted while connected", CLOSED, NULL,
      delete_front, NULL },
};

int main(void)
{
    memset(huge, '1', sizeof huge);
    return run_rows(rows, sizeof rows / sizeof *rows, "mem:size=4M");
}
