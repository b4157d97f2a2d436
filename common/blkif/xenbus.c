/* SPDX-License-Identifier: MIT
 * The states of a PV device as tables. docs/PROTOCOL.md has the pictures and
 * the reasons. */
#include "common/blkif/xenbus.h"

#include "common/blkif/error.h"

static const char *const state_texts[XENBUS_STATE_COUNT] = {
    "Unknown", "Initialising", "InitWait", "Initialised", "Connected",
    "Closing", "Closed", "Reconfiguring", "Reconfigured",
};

const char *xenbus_state_text(enum xenbus_state state)
{
    return (unsigned)state < XENBUS_STATE_COUNT ? state_texts[state]
                                                : state_texts[XENBUS_UNKNOWN];
}

int xenbus_parse_number(const char *text, size_t length, uint64_t max,
                        uint64_t *value)
{
    uint64_t number = 0;

    if (length == 0 || length > 20)
        return -XEN_EINVAL;
    for (size_t i = 0; i < length; i++) {
        uint64_t digit = (uint64_t)text[i] - '0';

        if (digit > 9 || number > UINT64_MAX / 10 ||
            number * 10 > UINT64_MAX - digit)
            return -XEN_EINVAL;
        number = number * 10 + digit;
    }
    if (number > max)
        return -XEN_EINVAL;
    *value = number;
    return 0;
}

enum xenbus_state xenbus_parse_state(const char *text, size_t length)
{
    uint64_t value;

    if (xenbus_parse_number(text, length, XENBUS_STATE_COUNT - 1, &value))
        return XENBUS_UNKNOWN;
    return (enum xenbus_state)value;
}

#define TO(state) (1u << XENBUS_##state)

static const uint16_t back_transitions[XENBUS_STATE_COUNT] = {
    [XENBUS_INITIALISING] = TO(INIT_WAIT) | TO(CLOSING) | TO(CLOSED),
    [XENBUS_INIT_WAIT] = TO(CONNECTED) | TO(CLOSING) | TO(CLOSED),
    [XENBUS_CONNECTED] = TO(CONNECTED) | /* resize: written once more */
                         TO(INIT_WAIT) | TO(CLOSING) | TO(CLOSED),
    [XENBUS_CLOSING] = TO(INIT_WAIT) | TO(CLOSED),
    [XENBUS_CLOSED] = TO(INIT_WAIT),
};

static const uint16_t front_transitions[XENBUS_STATE_COUNT] = {
    [XENBUS_INITIALISING] = TO(INITIALISED) | TO(CLOSING) | TO(CLOSED),
    [XENBUS_INITIALISED] = TO(CONNECTED) | TO(CLOSING) | TO(CLOSED),
    [XENBUS_CONNECTED] = TO(CLOSING) | TO(CLOSED),
    [XENBUS_CLOSING] = TO(CLOSED),
    [XENBUS_CLOSED] = TO(INITIALISING),
};

static bool may_go(const uint16_t *transitions, enum xenbus_state from,
                   enum xenbus_state to)
{
    return (unsigned)from < XENBUS_STATE_COUNT &&
           (unsigned)to < XENBUS_STATE_COUNT &&
           (transitions[from] & (1u << to));
}

bool xenbus_back_may_go(enum xenbus_state from, enum xenbus_state to)
{
    return may_go(back_transitions, from, to);
}

bool xenbus_front_may_go(enum xenbus_state from, enum xenbus_state to)
{
    return may_go(front_transitions, from, to);
}

/* All that a back end wants to know of a front end's state. */
enum front_kind {
    FRONT_ODD,      /* says nothing to a blkif back end */
    FRONT_STARTING, /* has not published a ring yet */
    FRONT_READY,    /* has */
    FRONT_CLOSING,  /* is about to close, and may still be using the disk */
    FRONT_GONE,
    FRONT_KINDS
};

static const uint8_t front_kinds[XENBUS_STATE_COUNT] = {
    [XENBUS_UNKNOWN] = FRONT_GONE,
    [XENBUS_INITIALISING] = FRONT_STARTING,
    [XENBUS_INIT_WAIT] = FRONT_STARTING,
    [XENBUS_INITIALISED] = FRONT_READY,
    [XENBUS_CONNECTED] = FRONT_READY,
    [XENBUS_CLOSING] = FRONT_CLOSING,
    [XENBUS_CLOSED] = FRONT_GONE,
};

/* What is not named is NOTHING. */
static const uint8_t back_reactions[XENBUS_STATE_COUNT][FRONT_KINDS] = {
    [XENBUS_INITIALISING] = {
        [FRONT_STARTING] = XENBUS_BACK_ADVERTISE,
        [FRONT_READY] = XENBUS_BACK_ADVERTISE, /* then CONNECT */
        [FRONT_CLOSING] = XENBUS_BACK_CLOSE,
        [FRONT_GONE] = XENBUS_BACK_DISCONNECT,
    },
    [XENBUS_INIT_WAIT] = {
        [FRONT_READY] = XENBUS_BACK_CONNECT,
        [FRONT_CLOSING] = XENBUS_BACK_CLOSE,
        [FRONT_GONE] = XENBUS_BACK_DISCONNECT,
    },
    [XENBUS_CONNECTED] = {
        [FRONT_STARTING] = XENBUS_BACK_RESTART,
        [FRONT_CLOSING] = XENBUS_BACK_CLOSE,
        [FRONT_GONE] = XENBUS_BACK_DISCONNECT,
    },
    [XENBUS_CLOSING] = {
        [FRONT_STARTING] = XENBUS_BACK_RESTART,
        [FRONT_GONE] = XENBUS_BACK_DISCONNECT,
    },
    [XENBUS_CLOSED] = {
        [FRONT_STARTING] = XENBUS_BACK_ADVERTISE,
    },
};

enum xenbus_back_action xenbus_back_react(enum xenbus_state back,
                                          enum xenbus_state front,
                                          bool online)
{
    enum xenbus_back_action action;

    if ((unsigned)back >= XENBUS_STATE_COUNT ||
        (unsigned)front >= XENBUS_STATE_COUNT)
        return XENBUS_BACK_NOTHING;
    action = (enum xenbus_back_action)back_reactions[back][front_kinds[front]];
    if (online)
        return action;
    switch (action) { /* the toolstack takes the device away: start nothing */
    case XENBUS_BACK_ADVERTISE:
    case XENBUS_BACK_CONNECT:
        return XENBUS_BACK_NOTHING;
    case XENBUS_BACK_RESTART:
        return XENBUS_BACK_DISCONNECT;
    case XENBUS_BACK_NOTHING:
    case XENBUS_BACK_CLOSE:
    case XENBUS_BACK_DISCONNECT:
        break;
    }
    return action;
}
