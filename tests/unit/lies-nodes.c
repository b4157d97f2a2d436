/* SPDX-License-Identifier: MIT
 * Claim: whatever a back end writes into XenStore, leaves out or changes later,
 * and whatever states it goes through at whatever moment, costs the connection
 * at most, with a sentence. Source: docs/THREAT-MODEL.md, "Back ends that lie";
 * blkif.h. Mechanism: lies-rows.h. */
#include "tests/unit/lies-rows.h"

enum { STORM = 1000 };

static const struct wish plain, four_queues = { .queues = 4 };

/* --- nodes that make no sense --------------------------------------------- */

struct node {
    const char *leaf, *value; /* NULL: it is not there */
    const char *other, *other_value;
};

static void tell(const struct node *node)
{
    fake_set(&world, FAKE_BACKEND, node->leaf,
             node->value ? node->value : "\1");
    if (node->other)
        fake_set(&world, FAKE_BACKEND, node->other, node->other_value);
}

static int connect_to(const struct node *node)
{
    open_disk(four_queues);
    tell(node);
    return vbdfront_connect(front, SECOND);
}

static enum outcome offer(const void *with)
{
    return outcome_of_connect(connect_to(with));
}

/* An offer beyond measure, and what becomes of it. */
struct excess {
    struct node node;
    size_t field; /* of vbdfront_info */
    uint32_t value;
};

static enum outcome offer_much(const void *with)
{
    const struct excess *excess = with;
    int error = connect_to(&excess->node);
    uint32_t got;

    memcpy(&got, (const char *)vbdfront_info(front) + excess->field,
           sizeof got);
    CHECK_EQ(got, excess->value);
    return outcome_of_connect(error);
}

/* Our own directory: the toolstack's word. */
static enum outcome misdirect(const void *with)
{
    const struct node *node = with;

    open_disk(plain);
    fake_set(&world, FAKE_NODE, node->leaf, node->value);
    return outcome_of_connect(vbdfront_connect(front, SECOND));
}

/* --- nodes that change ---------------------------------------------------- */

static const struct node *next_lie; /* NULL: it has been told */

/* What is asked before the rings are there is not asked again. */
static void tells_when_asked(struct fake *fake)
{
    if (next_lie && fake_front_state(fake) == XENBUS_INITIALISED) {
        tell(next_lie);
        next_lie = NULL;
    }
    fake_live(fake);
}

static enum outcome change_when_asked(const void *with)
{
    next_lie = with;
    open_disk(four_queues);
    world.backend = tells_when_asked;
    return outcome_of_connect(vbdfront_connect(front, SECOND));
}

/* The back end says Connected once more, as after a resize. */
static void tell_again(const struct node *node)
{
    tell(node);
    fake_set_backend_state(&world, XENBUS_CONNECTED);
    turn();
}

static enum outcome change_in_flight(const void *with)
{
    enter_and_ask(plain);
    tell_again(with);
    return outcome_of_requests();
}

static enum outcome change_often(const void *with)
{
    static const struct node good = { .leaf = "sectors", .value = "16384" };

    enter_and_ask(plain);
    for (unsigned i = 0; i < STORM; i++) {
        tell_again(with);
        tell_again(&good);
    }
    CHECK_EQ(vbdfront_info(front)->nr_sectors, FAKE_DISK_SECTORS);
    return outcome_of_requests();
}

/* What was there in the connection before is none of this one's. */
static enum outcome change_next_time(const void *with)
{
    enter(plain);
    CHECK_EQ(vbdfront_disconnect(front, SECOND), 0);
    tell(with);
    return outcome_of_connect(vbdfront_connect(front, SECOND));
}

/* All that was in flight has failed, once. */
static enum outcome outcome_of_resume(void)
{
    int error = vbdfront_resume(front, SECOND);

    for (unsigned i = 0; i < nr_ios; i++)
        CHECK_EQ(results[i], -EIO);
    return outcome_of_connect(error);
}

static enum outcome change_in_restore(const void *with)
{
    enter_and_ask(plain);
    fake_restore(&world);
    tell(with);
    return outcome_of_resume();
}

/* They have been read, or it has. */
static enum outcome change_our_nodes(const void *with)
{
    static const char *const leaves[] = { "ring-ref", "event-channel",
                                          "protocol", "backend", "backend-id",
                                          "virtual-device", "trusted" };

    (void)with;
    enter_and_ask(plain);
    for (unsigned i = 0; i < sizeof leaves / sizeof *leaves; i++)
        fake_set(&world, FAKE_NODE, leaves[i], "rubbish");
    fake_set_backend_state(&world, XENBUS_CONNECTED);
    turn();
    return outcome_of_requests();
}

/* --- states --------------------------------------------------------------- */

/* Where the back end goes, and stays. */
static const char *next_state; /* NULL: it has gone there */

static void go(void)
{
    if (!next_state)
        return;
    if (strcmp(next_state, "6") == 0)
        world.has_ring = false; /* what it had mapped it has given back */
    fake_set(&world, FAKE_BACKEND, "state", next_state);
    world.follows_states = false;
    next_state = NULL;
}

static enum outcome go_first(const void *with)
{
    next_state = with;
    open_disk(plain);
    go();
    return outcome_of_connect(vbdfront_connect(front, SECOND));
}

static void goes_when_asked(struct fake *fake)
{
    if (fake_front_state(fake) == XENBUS_INITIALISED)
        go();
    fake_live(fake);
}

static enum outcome go_when_asked(const void *with)
{
    next_state = with;
    open_disk(plain);
    world.backend = goes_when_asked;
    return outcome_of_connect(vbdfront_connect(front, SECOND));
}

/* Between ring-ref and what is written next. */
static int goes_while_written(void *context, const char *path,
                              const char *value)
{
    int error = honest_port.store_write(context, path, value);

    if (strcmp(path, FAKE_NODE "/ring-ref") == 0)
        go();
    return error;
}

static enum outcome go_while_written(const void *with)
{
    next_state = with;
    open_disk(plain);
    world.port.store_write = goes_while_written;
    return outcome_of_connect(vbdfront_connect(front, SECOND));
}

static enum outcome go_in_flight(const void *with)
{
    next_state = with;
    enter_and_ask(plain);
    go();
    turn();
    return outcome_of_requests();
}

static void goes_at_once(struct fake *fake)
{
    if (next_state && strcmp(next_state, "6") != 0)
        keep_grant(ring_grant());
    go();
    fake_live(fake);
}

/* While we wait for answers that do not come. */
static enum outcome go_in_disconnect(const void *with)
{
    next_state = with;
    enter_and_ask(plain);
    world.backend = goes_at_once;
    return outcome_of_disconnect();
}

/* Each is an event, and no answer. */
static void says_connected(struct fake *fake)
{
    fake->now_us += 999;
    if (fake_front_state(fake) == XENBUS_CONNECTED)
        fake_set_backend_state(fake, XENBUS_CONNECTED);
    else
        fake_follow_states(fake);
}

static enum outcome answer_with_states(const void *with)
{
    enum outcome outcome;

    (void)with;
    enter_and_ask(plain);
    world.backend = says_connected;
    outcome = outcome_of_disconnect();
    CHECK(world.now_us >= SECOND && world.now_us < 2 * SECOND);
    return outcome;
}

static void goes_when_closed(struct fake *fake)
{
    if (fake_front_state(fake) == XENBUS_CLOSED)
        go();
    fake_live(fake);
}

/* When all is done; its ring is where it was. */
static enum outcome go_when_closed(const void *with)
{
    next_state = with;
    enter(plain);
    world.backend = goes_when_closed;
    keep_grant(ring_grant());
    return outcome_of_disconnect();
}

static enum outcome stay_in_restore(const void *with)
{
    next_state = with;
    enter_and_ask(plain);
    fake_restore(&world);
    go();
    return outcome_of_resume();
}

static enum outcome go_in_restore(const void *with)
{
    next_state = with;
    enter_and_ask(plain);
    fake_restore(&world);
    world.backend = goes_when_asked;
    return outcome_of_resume();
}

/* Each time is an event, of which we look again, and wait no longer for that:
 * first for Connected, then for Closing and Closed. */
static void says_init_wait(struct fake *fake)
{
    fake->now_us += 999;
    fake_set_backend_state(fake, XENBUS_INIT_WAIT);
}

static enum outcome stay_and_say_so(const void *with)
{
    int error;

    (void)with;
    open_disk(plain);
    world.backend = says_init_wait;
    error = vbdfront_connect(front, SECOND);
    CHECK(world.now_us >= 3 * SECOND && world.now_us < 4 * SECOND);
    return outcome_of_connect(error);
}

/* NetBSD's goes to Connected as soon as there is a device, and finds the ring
 * later. */
static void hasty(struct fake *fake)
{
    enum xenbus_state state = fake_front_state(fake);

    if (state >= XENBUS_CLOSING)
        fake_follow_states(fake);
    else if (!fake->has_ring && state >= XENBUS_INITIALISED) {
        fake_attach_ring(fake);
        fake_set_backend_state(fake, XENBUS_CONNECTED);
    }
    fake_serve(fake);
}

static enum outcome skip_states(const void *with)
{
    open_disk(plain);
    world.backend = hasty;
    fake_set(&world, FAKE_BACKEND, "state", with);
    return outcome_of_connect(vbdfront_connect(front, SECOND));
}

static enum outcome never_take_ring(const void *with)
{
    (void)with;
    open_disk(plain);
    world.backend = NULL;
    fake_set_backend_state(&world, XENBUS_CONNECTED);
    REQUIRE(vbdfront_connect(front, SECOND) == 0);
    ask(VBDFRONT_WRITE, 0, 0, 8, 0);
    world.backend = fake_follow_states;
    return outcome_of_disconnect();
}

/* Its whole directory, the state too. */
static enum outcome remove_directory(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    for (unsigned i = 0; i < world.nr_nodes; i++) {
        if (strncmp(world.nodes[i].path, FAKE_BACKEND, strlen(FAKE_BACKEND))
            == 0)
            strcpy(world.nodes[i].value, "\1");
    }
    world.store_events++;
    world.follows_states = false;
    turn();
    return outcome_of_requests();
}

static enum outcome repeat_state(const void *with)
{
    (void)with;
    enter_and_ask(plain);
    for (unsigned i = 0; i < STORM; i++) {
        fake_set_backend_state(&world, XENBUS_CONNECTED);
        turn();
    }
    return outcome_of_requests();
}

/* --- the table ------------------------------------------------------------ */

static char digits[FAKE_VALUE_BYTES];

#define NODES(leaf, value, other, other_value)                               \
    &(const struct node){ (leaf), (value), (other), (other_value) }
#define NODE(leaf, value) NODES((leaf), (value), NULL, NULL)
#define EXTENT(leaf, value)                                                  \
    NODES("discard-" leaf, (value), "feature-discard", "1")
#define MUCH(leaf, value, field, result)                                     \
    offer_much, &(const struct excess){ { (leaf), (value), NULL, NULL },     \
        offsetof(struct vbdfront_info, field), (result) }

static const struct lie lies[] = {
    { 58, "sectors missing", REFUSED, "/sectors is missing",
      offer, NODE("sectors", NULL) },
    { 59, "sectors 0", REFUSED, "/sectors is 0, expected 1 to 2^55",
      offer, NODE("sectors", "0") },
    { 60, "sectors 2^55 + 1", REFUSED,
      "/sectors is 36028797018963969, expected 1 to 2^55",
      offer, NODE("sectors", "36028797018963969") },
    { 61, "sectors 2^55", SERVED, NULL,
      offer, NODE("sectors", "36028797018963968") },
    { 62, "sectors 2^64", REFUSED,
      "/sectors is \"18446744073709551616\", expected a number of",
      offer, NODE("sectors", "18446744073709551616") },
    { 63, "sectors -1", REFUSED,
      "/sectors is \"-1\", expected a number of at most",
      offer, NODE("sectors", "-1") },
    { 64, "sectors empty", REFUSED,
      "/sectors is \"\", expected a number of at most",
      offer, NODE("sectors", "") },
    { 65, "sectors with blanks", REFUSED,
      "/sectors is \" 5 \", expected a number of at most",
      offer, NODE("sectors", " 5 ") },
    { 66, "sectors with terminal escapes", REFUSED,
      "/sectors is \"?[2J?\", expected a number of at most",
      offer, NODE("sectors", "\033[2J\n") },
    { 67, "sectors of 599 digits", REFUSED,
      "/sectors is longer than any number", offer, NODE("sectors", digits) },
    { 68, "sectors of half a sector of 4096", REFUSED,
      "expected a multiple of sector-size (in 512 bytes)",
      offer, NODES("sectors", "16383", "sector-size", "4096") },
    { 69, "sector-size missing", REFUSED, "/sector-size is missing",
      offer, NODE("sector-size", NULL) },
    { 70, "sector-size 0", REFUSED,
      "/sector-size is 0, expected a power of two from 512",
      offer, NODE("sector-size", "0") },
    { 71, "sector-size 1", REFUSED,
      "/sector-size is 1, expected a power of two from 512",
      offer, NODE("sector-size", "1") },
    { 72, "sector-size 513", REFUSED,
      "/sector-size is 513, expected a power of two from 512",
      offer, NODE("sector-size", "513") },
    { 73, "sector-size 8192", REFUSED,
      "/sector-size is 8192, expected a power of two from 512",
      offer, NODE("sector-size", "8192") },
    { 74, "sector-size 3 GiB", REFUSED,
      "/sector-size is 3221225472, expected a power of two",
      offer, NODE("sector-size", "3221225472") },
    { 75, "sector-size no number", REFUSED,
      "/sector-size is \"many\", expected a number of at most",
      offer, NODE("sector-size", "many") },
    { 76, "physical-sector-size below sector-size", REFUSED,
      "/physical-sector-size is 256, expected a multiple",
      offer, NODE("physical-sector-size", "256") },
    { 77, "physical-sector-size 0", REFUSED,
      "/physical-sector-size is 0, expected a multiple",
      offer, NODE("physical-sector-size", "0") },
    { 78, "physical-sector-size 1000", REFUSED,
      "/physical-sector-size is 1000, expected a multiple",
      offer, NODE("physical-sector-size", "1000") },
    { 79, "physical-sector-size 32 MiB", REFUSED,
      "/physical-sector-size is 33554432, expected a multiple",
      offer, NODE("physical-sector-size", "33554432") },
    { 80, "info no number", REFUSED,
      "/info is \"x\", expected a number of at most 4294967295",
      offer, NODE("info", "x") },
    { 81, "feature-flush-cache 2", REFUSED,
      "/feature-flush-cache is \"2\", expected a number of at most 1",
      offer, NODE("feature-flush-cache", "2") },
    { 82, "feature-barrier no number", REFUSED,
      "/feature-barrier is \"yes\", expected a number of at most 1",
      offer, NODE("feature-barrier", "yes") },
    { 83, "feature-persistent empty", REFUSED,
      "/feature-persistent is \"\", expected a number of at most 1",
      offer, NODE("feature-persistent", "") },
    { 84, "feature-discard -0", REFUSED,
      "/feature-discard is \"-0\", expected a number of at most 1",
      offer, NODE("feature-discard", "-0") },
    { 85, "discard-granularity 0", REFUSED,
      "/discard-granularity is 0, expected a multiple of sector-size",
      offer, EXTENT("granularity", "0") },
    { 86, "discard-granularity 513", REFUSED,
      "/discard-granularity is 513, expected a multiple of",
      offer, EXTENT("granularity", "513") },
    { 87, "discard-granularity 2^32", REFUSED,
      "/discard-granularity is \"4294967296\", expected a number",
      offer, EXTENT("granularity", "4294967296") },
    { 88, "discard-alignment 100", REFUSED,
      "/discard-alignment is 100, expected a multiple of sector-size",
      offer, EXTENT("alignment", "100") },
    { 89, "discard-alignment -1", REFUSED,
      "/discard-alignment is \"-1\", expected a number of at most",
      offer, EXTENT("alignment", "-1") },
    { 90, "discard-secure 2", REFUSED,
      "/discard-secure is \"2\", expected a number of at most 1",
      offer, EXTENT("secure", "2") },
    { 91, "discard-granularity of three sectors", SERVED, NULL,
      offer, EXTENT("granularity", "1536") },
    { 92, "discard-alignment past discard-granularity", SERVED, NULL,
      offer, EXTENT("alignment", "1048576") },
    { 93, "max-ring-page-order 4294967295", SERVED, NULL,
      MUCH("max-ring-page-order", "4294967295", ring_pages, 16) },
    { 94, "max-ring-page-order 2^32", REFUSED,
      "/max-ring-page-order is \"4294967296\", expected a number",
      offer, NODE("max-ring-page-order", "4294967296") },
    { 95, "max-ring-page-order no number", REFUSED,
      "/max-ring-page-order is \"x\", expected a number of at most",
      offer, NODE("max-ring-page-order", "x") },
    { 96, "multi-queue-max-queues 0", SERVED, NULL,
      MUCH("multi-queue-max-queues", "0", nr_queues, 1) },
    { 97, "multi-queue-max-queues 4294967295", SERVED, NULL,
      MUCH("multi-queue-max-queues", "4294967295", nr_queues, 4) },
    { 98, "multi-queue-max-queues no number", REFUSED,
      "/multi-queue-max-queues is \"x\", expected a number of at most",
      offer, NODE("multi-queue-max-queues", "x") },
    { 99, "feature-max-indirect-segments 4294967295", SERVED, NULL,
      MUCH("feature-max-indirect-segments", "4294967295", max_segments, 256) },
    { 100, "feature-max-indirect-segments 1", SERVED, NULL,
      MUCH("feature-max-indirect-segments", "1", max_segments, 11) },
    { 101, "feature-max-indirect-segments 99999999999", REFUSED,
      "/feature-max-indirect-segments is \"99999999999\", expected",
      offer, NODE("feature-max-indirect-segments", "99999999999") },
    { 102, "backend-id missing", REFUSED, "/backend-id is missing",
      misdirect, NODE("backend-id", "\1") },
    { 103, "backend-id 32752", REFUSED,
      "/backend-id is \"32752\", expected a number of at most 32751",
      misdirect, NODE("backend-id", "32752") },
    { 104, "backend-id no number", REFUSED,
      "/backend-id is \"dom0\", expected a number of at most",
      misdirect, NODE("backend-id", "dom0") },
    { 105, "backend of 599 bytes", REFUSED, "/backend is longer than any path",
      misdirect, NODE("backend", digits) },
    { 106, "backend where nothing is", TIMED_OUT,
      "/local/domain/7/nothing stays Unknown",
      misdirect, NODE("backend", "/local/domain/7/nothing") },
    { 107, "trusted no number", REFUSED,
      "/trusted is \"no\", expected a number of at most 1",
      misdirect, NODE("trusted", "no") },

    { 108, "sectors changed after InitWait", SERVED, NULL,
      change_when_asked, NODE("sectors", "8000") },
    { 109, "multi-queue-max-queues lowered after InitWait", SERVED, NULL,
      change_when_asked, NODE("multi-queue-max-queues", "1") },
    { 110, "max-ring-page-order no number after InitWait", SERVED, NULL,
      change_when_asked, NODE("max-ring-page-order", "x") },
    { 111, "sector-size changed to 513 after InitWait", REFUSED,
      "/sector-size is 513, expected a power of two from 512",
      change_when_asked, NODE("sector-size", "513") },
    { 112, "sectors 0 in flight", NOTED, "/sectors is 0, expected 1 to 2^55",
      change_in_flight, NODE("sectors", "0") },
    { 113, "sectors removed in flight", NOTED, "/sectors is missing",
      change_in_flight, NODE("sectors", NULL) },
    { 114, "sectors mad and well 1000 times", NOTED,
      "/sectors is \"many\", expected a number of at most",
      change_often, NODE("sectors", "many") },
    { 115, "sector-size changed in flight", SERVED, NULL,
      change_in_flight, NODE("sector-size", "4096") },
    { 116, "feature-flush-cache withdrawn in flight", SERVED, NULL,
      change_in_flight, NODE("feature-flush-cache", "0") },
    { 117, "our own nodes overwritten in flight", SERVED, NULL,
      change_our_nodes, NULL },
    { 118, "feature-barrier withdrawn before a reconnect", SERVED, NULL,
      change_next_time, NODE("feature-barrier", "0") },
    { 119, "info no number at a reconnect", REFUSED,
      "/info is \"x\", expected a number of at most",
      change_next_time, NODE("info", "x") },
    { 120, "sectors missing after a restore", REFUSED, "/sectors is missing",
      change_in_restore, NODE("sectors", NULL) },
    { 121, "sector-size 513 after a restore", REFUSED,
      "/sector-size is 513, expected a power of two from 512",
      change_in_restore, NODE("sector-size", "513") },

    { 122, "state stays Initialising", TIMED_OUT, "stays Initialising",
      go_first, "1" },
    { 123, "state stays InitWait", TIMED_OUT, "stays InitWait", go_first, "2" },
    { 124, "state stays Initialised", TIMED_OUT, "stays Initialised",
      go_first, "3" },
    { 125, "state stays Closing", TIMED_OUT, "stays Closing", go_first, "5" },
    { 126, "state stays Closed", TIMED_OUT, "stays Closed", go_first, "6" },
    { 127, "state stays 99", TIMED_OUT, "stays Unknown", go_first, "99" },
    { 128, "state is no number", TIMED_OUT, "stays Unknown",
      go_first, "rubbish" },
    { 129, "state InitWait, written again and again", TIMED_OUT,
      "stays InitWait", stay_and_say_so, NULL },
    { 130, "state Initialised instead of InitWait", SERVED, NULL,
      skip_states, "3" },
    { 131, "state Connected at once", SERVED, NULL, skip_states, "4" },
    { 132, "state Connected, and no ring is taken", ERROR, NULL,
      never_take_ring, NULL },
    { 133, "state Closing when the ring is offered", CLOSED, "went to Closing",
      go_when_asked, "5" },
    { 134, "state Closed when the ring is offered", CLOSED, "went to Closed",
      go_when_asked, "6" },
    { 135, "state 99 when the ring is offered", CLOSED, "went to Unknown",
      go_when_asked, "99" },
    { 136, "state of 599 digits when the ring is offered", CLOSED,
      "went to Unknown", go_when_asked, digits },
    { 137, "state goes back when the ring is offered", TIMED_OUT,
      "stays Initialising", go_when_asked, "1" },
    { 138, "state Closing while ring-ref is written", CLOSED, "went to Closing",
      go_while_written, "5" },
    { 139, "state Closed while ring-ref is written", CLOSED, "went to Closed",
      go_while_written, "6" },
    { 140, "state Closing in flight", BROKEN, "went to Closing",
      go_in_flight, "5" },
    { 141, "state Closed in flight", BROKEN, "went to Closed",
      go_in_flight, "6" },
    { 142, "state 99 in flight", BROKEN, "went to Unknown",
      go_in_flight, "99" },
    { 143, "state no number in flight", BROKEN, "went to Unknown",
      go_in_flight, "rubbish" },
    { 144, "state empty in flight", BROKEN, "went to Unknown",
      go_in_flight, "" },
    { 145, "directory removed in flight", BROKEN, "went to Unknown",
      remove_directory, NULL },
    { 146, "state Initialising in flight", SERVED, NULL, go_in_flight, "1" },
    { 147, "state InitWait in flight", SERVED, NULL, go_in_flight, "2" },
    { 148, "state Initialised in flight", SERVED, NULL, go_in_flight, "3" },
    { 149, "state Reconfiguring in flight", SERVED, NULL, go_in_flight, "7" },
    { 150, "state Reconfigured in flight", SERVED, NULL, go_in_flight, "8" },
    { 151, "state Connected 1000 times", SERVED, NULL, repeat_state, NULL },
    { 152, "state Closed while a disconnect waits", ERROR, NULL,
      go_in_disconnect, "6" },
    { 153, "state Connected for ever while a disconnect waits", ERROR, NULL,
      answer_with_states, NULL },
    { 154, "state Closing for ever at a disconnect", KEPT,
      "still maps the ring", go_in_disconnect, "5" },
    { 155, "state 99 at a disconnect, with the ring", KEPT,
      "still maps the ring", go_in_disconnect, "99" },
    { 156, "state Connected again after Closed", KEPT, "still maps the ring",
      go_when_closed, "4" },
    { 157, "state Closed after a restore", CLOSED, "went to Closed",
      go_in_restore, "6" },
    { 158, "state stays Initialising after a restore", TIMED_OUT,
      "stays Initialising", stay_in_restore, "1" },
    { 159, "state goes back after a restore", TIMED_OUT, "stays Initialising",
      go_in_restore, "1" },
};

int main(void)
{
    memset(digits, '9', sizeof digits - 1);
    run_lies(lies, sizeof lies / sizeof *lies);
    return tap_done();
}
