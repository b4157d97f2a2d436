/* SPDX-License-Identifier: MIT
 * Claim: the xenbus tables agree with xen/io/xenbus.h, with blkif.h's start-up
 * text ("a frontend may transition to Initialised without waiting", skipped
 * states must be tolerated), and with what Linux, mini-os and OVMF fronts do
 * (Closing with the disk still in use; Closing -> Closed -> Initialising for
 * the next driver; a start without a close after kexec). What a peer wrote
 * into a node is a number or is refused. Mechanism: all 9x9x2 combinations
 * against properties, and whole lives of a device against what peers wait
 * for. */
#include <errno.h>

#define xenbus_state xen_io_xenbus_state /* the same name in both headers */
#include <xen/io/xenbus.h>
#undef xenbus_state

#include "common/blkif/xenbus.h"
#include "tests/unit/tap.h"

static void check_values(void)
{
    CHECK_EQ(XENBUS_UNKNOWN, XenbusStateUnknown);
    CHECK_EQ(XENBUS_INITIALISING, XenbusStateInitialising);
    CHECK_EQ(XENBUS_INIT_WAIT, XenbusStateInitWait);
    CHECK_EQ(XENBUS_INITIALISED, XenbusStateInitialised);
    CHECK_EQ(XENBUS_CONNECTED, XenbusStateConnected);
    CHECK_EQ(XENBUS_CLOSING, XenbusStateClosing);
    CHECK_EQ(XENBUS_CLOSED, XenbusStateClosed);
    CHECK_EQ(XENBUS_RECONFIGURING, XenbusStateReconfiguring);
    CHECK_EQ(XENBUS_RECONFIGURED, XenbusStateReconfigured);
    CHECK_STR(xenbus_state_text(XENBUS_UNKNOWN), "Unknown");
    CHECK_STR(xenbus_state_text(XENBUS_INITIALISED), "Initialised");
    CHECK_STR(xenbus_state_text(XENBUS_CLOSED), "Closed");
    CHECK_STR(xenbus_state_text(XENBUS_RECONFIGURED), "Reconfigured");
    CHECK_STR(xenbus_state_text((enum xenbus_state)77), "Unknown");
}

static int parse(const char *text, uint64_t max, uint64_t *value)
{
    return xenbus_parse_number(text, strlen(text), max, value);
}

static void check_numbers(void)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "0x10", "1.0", "1e3", "a", "\xff\xff",
        "18446744073709551616", /* 2^64 */
        "99999999999999999999", "000000000000000000001", /* 21 digits */
    };
    uint64_t value = 42;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(parse(bad[i], UINT64_MAX, &value), -EINVAL);
        CHECK_EQ(value, 42);
    }
    CHECK_EQ(xenbus_parse_number("12\0", 3, 99, &value), -EINVAL);
    CHECK_EQ(xenbus_parse_number("123", 2, 99, &value), 0);
    CHECK_EQ(value, 12);
    CHECK_EQ(parse("18446744073709551615", UINT64_MAX, &value), 0);
    CHECK(value == UINT64_MAX);
    CHECK_EQ(parse("0", 0, &value), 0);
    CHECK_EQ(value, 0);
    CHECK_EQ(parse("1", 0, &value), -EINVAL);
    CHECK_EQ(parse("256", 255, &value), -EINVAL);
    CHECK_EQ(parse("255", 255, &value), 0);
    CHECK_EQ(value, 255);
    CHECK_EQ(parse("00000000000000000007", 7, &value), 0);
    CHECK_EQ(value, 7);
}

static void check_parsed_states(void)
{
    char text[8];

    for (int n = 0; n < 12; n++) {
        int length = snprintf(text, sizeof(text), "%d", n);

        CHECK_EQ(xenbus_parse_state(text, (size_t)length),
                 n < XENBUS_STATE_COUNT ? n : XENBUS_UNKNOWN);
    }
    CHECK_EQ(xenbus_parse_state("", 0), XENBUS_UNKNOWN);
    CHECK_EQ(xenbus_parse_state("4\n", 2), XENBUS_UNKNOWN);
}

/* The pictures of docs/PROTOCOL.md once more, as text. */
static void check_transitions(void)
{
    static const char *const back[] = { "12", "15", "16", "24", "25", "26",
        "44", "42", "45", "46", "52", "56", "62" };
    static const char *const front[] = { "13", "15", "16", "34", "35", "36",
        "45", "46", "56", "61" };
    unsigned allowed = 0;

    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++)
        CHECK(xenbus_back_may_go((enum xenbus_state)(back[i][0] - '0'),
                                 (enum xenbus_state)(back[i][1] - '0')));
    for (size_t i = 0; i < sizeof(front) / sizeof(front[0]); i++)
        CHECK(xenbus_front_may_go((enum xenbus_state)(front[i][0] - '0'),
                                  (enum xenbus_state)(front[i][1] - '0')));
    for (unsigned from = 0; from < 40; from++)
        for (unsigned to = 0; to < 40; to++) {
            allowed += xenbus_back_may_go(from, to);
            allowed += xenbus_front_may_go(from, to);
        }
    CHECK_EQ(allowed, sizeof(back) / sizeof(back[0]) +
                          sizeof(front) / sizeof(front[0]));
}

/* Where an action leads. */
static enum xenbus_state after(enum xenbus_back_action action,
                               enum xenbus_state back)
{
    switch (action) {
    case XENBUS_BACK_NOTHING:
        return back;
    case XENBUS_BACK_ADVERTISE:
    case XENBUS_BACK_RESTART:
        return XENBUS_INIT_WAIT;
    case XENBUS_BACK_CONNECT:
        return XENBUS_CONNECTED;
    case XENBUS_BACK_CLOSE:
        return XENBUS_CLOSING;
    case XENBUS_BACK_DISCONNECT:
        return XENBUS_CLOSED;
    }
    return XENBUS_UNKNOWN;
}

static int has_ring(enum xenbus_state front)
{
    return front == XENBUS_INITIALISED || front == XENBUS_CONNECTED;
}

static int is_gone(enum xenbus_state front)
{
    return front == XENBUS_CLOSED || front == XENBUS_UNKNOWN;
}

static int is_starting(enum xenbus_state front)
{
    return front == XENBUS_INITIALISING || front == XENBUS_INIT_WAIT;
}

static int is_ours(enum xenbus_state back)
{
    return back == XENBUS_INITIALISING || back == XENBUS_INIT_WAIT ||
           back == XENBUS_CONNECTED || back == XENBUS_CLOSING ||
           back == XENBUS_CLOSED;
}

/* Properties of one combination, none of them read off the table. */
static void check_combination(enum xenbus_state back, enum xenbus_state front,
                              bool online)
{
    enum xenbus_back_action action = xenbus_back_react(back, front, online);
    enum xenbus_state next = after(action, back);

    /* only transitions that exist, only from states that are ours */
    if (action != XENBUS_BACK_NOTHING)
        CHECK(is_ours(back) && xenbus_back_may_go(back, next));
    /* a ring is taken when there is one, and then from InitWait only */
    CHECK_EQ(action == XENBUS_BACK_CONNECT,
             back == XENBUS_INIT_WAIT && has_ring(front) && online);
    /* a front that may still use its disk is never cut off */
    if (has_ring(front) || front == XENBUS_CLOSING)
        CHECK(action != XENBUS_BACK_DISCONNECT &&
              action != XENBUS_BACK_RESTART);
    /* one that has gone is let go of, whatever it was */
    if (is_gone(front) && is_ours(back))
        CHECK_EQ(next, XENBUS_CLOSED);
    /* and one that wants to close sees that it was heard */
    if (front == XENBUS_CLOSING && is_ours(back))
        CHECK(next == XENBUS_CLOSING || next == XENBUS_CLOSED);
    /* a ring is never kept for a front that has started anew */
    if (is_starting(front) && is_ours(back))
        CHECK(next != XENBUS_CONNECTED && next != XENBUS_CLOSING);
    /* which is offered the features again exactly when online */
    if (is_starting(front) && is_ours(back) && online)
        CHECK_EQ(next, XENBUS_INIT_WAIT);
    if (!online)
        CHECK(action != XENBUS_BACK_ADVERTISE &&
              action != XENBUS_BACK_CONNECT && action != XENBUS_BACK_RESTART);
    CHECK_EQ(xenbus_back_react(back, XENBUS_UNKNOWN, online),
             xenbus_back_react(back, XENBUS_CLOSED, online));
    if (front == XENBUS_RECONFIGURING || front == XENBUS_RECONFIGURED)
        CHECK_EQ(action, XENBUS_BACK_NOTHING);
}

static void check_reactions(void)
{
    for (int back = 0; back < XENBUS_STATE_COUNT; back++)
        for (int front = 0; front < XENBUS_STATE_COUNT; front++)
            for (int online = 0; online < 2; online++)
                check_combination((enum xenbus_state)back,
                                  (enum xenbus_state)front, online);
    CHECK_EQ(xenbus_back_react(99, 1, true), XENBUS_BACK_NOTHING);
    CHECK_EQ(xenbus_back_react(1, 99, true), XENBUS_BACK_NOTHING);
}

/* Reacts until there is nothing more to do; must come to an end. */
static enum xenbus_state settle(enum xenbus_state back,
                                enum xenbus_state front, bool online)
{
    enum xenbus_back_action action;
    int steps = 0;

    while ((action = xenbus_back_react(back, front, online)) &&
           CHECK(steps++ < 3))
        back = after(action, back);
    return back;
}

static void check_settling(void)
{
    for (int back = 0; back < XENBUS_STATE_COUNT; back++)
        for (int front = 0; front < XENBUS_STATE_COUNT; front++)
            for (int online = 0; online < 2; online++)
                settle((enum xenbus_state)back, (enum xenbus_state)front,
                       online);
    CHECK(1);
}

/* A life: what the front says (a digit), what we settle on (a digit). */
static void check_life(const char *life, bool online)
{
    enum xenbus_state back = (enum xenbus_state)(life[0] - '0');

    for (life++; *life; life += 3) {
        back = settle(back, (enum xenbus_state)(life[1] - '0'), online);
        CHECK_EQ(back, life[2] - '0');
    }
}

static void check_lives(void)
{
    /* Linux: waits for InitWait, publishes, connects, closes */
    check_life("1 12 34 44 55 66", true);
    /* mini-os: straight to Connected; waits for Closing, Closed, InitWait */
    check_life("1 44 55 66 12 44", true);
    /* straight to Initialised */
    check_life("1 34 44", true);
    /* OVMF, then the OS: Closing, Closed, Initialising and once more */
    check_life("1 12 34 44 55 66 12 34 44 55 66", true);
    /* kexec: Initialising without a close; crash and the watch came late */
    check_life("4 12 34 44", true);
    check_life("5 12 34 44", true);
    /* the domain's directory has gone */
    check_life("4 06", true);
    check_life("2 06", true);
    /* after a broken ring (we closed) its front must start anew */
    check_life("6 46 56 66 12 34", true);
}

static void check_detach(void)
{
    /* libxl writes online=0 and state=5; front in use, then done with it */
    check_life("5 45 55 66 16 36", false);
    /* an HVM guest that never had a PV driver */
    check_life("5 16", false);
    /* the front closes by itself in the same moment */
    check_life("4 44 55 66 16", false);
}

int main(void)
{
    TEST("the states have the values and names of xen/io/xenbus.h",
         check_values);
    TEST("a number in a node is digits within its range, or refused",
         check_numbers);
    TEST("a state that does not exist is Unknown", check_parsed_states);
    TEST("the transitions are those of the pictures and no others",
         check_transitions);
    TEST("every combination of states has a lawful reaction",
         check_reactions);
    TEST("reacting comes to an end", check_settling);
    TEST("each kind of front end is led through its life", check_lives);
    TEST("a device that is taken away is closed and starts nothing",
         check_detach);
    return tap_done();
}
