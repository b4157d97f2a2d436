/* SPDX-License-Identifier: MIT
 * A dialogue with the NBD handshake, written down as what the client says and
 * what it has to hear, byte for byte; then held three times: in one piece, one
 * byte at a time, and in random pieces. */
#ifndef VBDD_TESTS_NBD_DIALOGUE_H
#define VBDD_TESTS_NBD_DIALOGUE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "backend/disk/nbd/handshake.h"
#include "backend/disk/nbd/wire.h"
#include "tests/unit/tap.h"

enum { FIXED = 1, NO_ZEROES = 2, REST_BYTES = 28 };

struct bytes {
    size_t nr;
    uint8_t data[1 << 17];
};

static struct bytes said, wanted, heard;
static struct nbd_export disk;
static struct nbd_handshake handshake; /* as the last dialogue left it */

static void put(struct bytes *bytes, const void *data, size_t nr)
{
    REQUIRE(nr + REST_BYTES <= sizeof bytes->data - bytes->nr);
    memcpy(bytes->data + bytes->nr, data, nr);
    bytes->nr += nr;
}

static void put_number(struct bytes *bytes, uint64_t number, unsigned nr)
{
    while (nr-- > 0)
        put(bytes, &(uint8_t){ (uint8_t)(number >> 8 * nr) }, 1);
}

/* 2, 4, 8: a number of so many bytes (8: a uint64_t); s: a string;
 * x: so many times 'x'; 0: so many zeros. */
static void put_format(struct bytes *bytes, const char *format, va_list list)
{
    for (; *format; format++) {
        if (*format == '8') {
            put_number(bytes, va_arg(list, uint64_t), 8);
        } else if (*format == 's') {
            const char *text = va_arg(list, const char *);

            put(bytes, text, strlen(text));
        } else if (*format == 'x' || *format == '0') {
            for (unsigned nr = va_arg(list, unsigned); nr > 0; nr--)
                put(bytes, *format == 'x' ? "x" : "", 1);
        } else {
            put_number(bytes, va_arg(list, unsigned), *format == '2' ? 2 : 4);
        }
    }
}

static void put_length(struct bytes *bytes, size_t start)
{
    size_t end = bytes->nr;

    bytes->nr = start - 4;
    put_number(bytes, end - start, 4);
    bytes->nr = end;
}

/* The client sends bytes that are no option. */
static void say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    put_format(&said, format, list);
    va_end(list);
}

/* The client sends an option; the length is counted. */
static void ask(uint32_t option, const char *format, ...)
{
    va_list list;
    size_t start;

    put_number(&said, UINT64_C(0x49484156454f5054), 8);
    put_number(&said, option, 4);
    put_number(&said, 0, 4);
    start = said.nr;
    va_start(list, format);
    put_format(&said, format, list);
    va_end(list);
    put_length(&said, start);
}

/* It hears bytes that are no reply. */
static void hear(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    put_format(&wanted, format, list);
    va_end(list);
}

/* It hears a reply; the length is counted. */
static void hear_reply(uint32_t option, uint32_t type, const char *format, ...)
{
    va_list list;
    size_t start;

    put_number(&wanted, UINT64_C(0x0003e889045565a9), 8);
    put_number(&wanted, option, 4);
    put_number(&wanted, type, 4);
    put_number(&wanted, 0, 4);
    start = wanted.nr;
    va_start(list, format);
    put_format(&wanted, format, list);
    va_end(list);
    put_length(&wanted, start);
}

/* A new dialogue with a plain disk: greeting, and the client's flags. */
static void begin(uint32_t flags)
{
    said.nr = wanted.nr = 0;
    disk = (struct nbd_export){
        .size_bytes = UINT64_C(0x123456789a),
        .preferred_bytes = 4096,
        .max_bytes = 32 << 20,
        .flags = 0x6d, /* HAS_FLAGS FLUSH FUA TRIM WRITE_ZEROES */
    };
    hear("ss2", "NBDMAGIC", "IHAVEOPT", 3);
    say("4", flags);
}

/* Feeds at most so many bytes at once, and after the end more than there is
 * to take. */
static void hold(size_t most_at_once, enum nbd_handshake_state end)
{
    static const uint32_t aborting = 2; /* that is no fault */
    static uint8_t answer[NBD_ANSWER_BYTES];
    bool is_end = end == NBD_HANDSHAKE_TRANSMISSION ||
                  end == NBD_HANDSHAKE_CLOSED;
    size_t offered = said.nr + (is_end ? REST_BYTES : 0);
    size_t taken = 0, took = 1, nr;

    heard.nr = 0;
    put(&heard, answer, nbd_handshake_begin(&handshake, answer));
    while (took > 0 && taken < offered) {
        size_t left = offered - taken;
        size_t piece = most_at_once >= left ? left
                       : 1 + (size_t)rand() % most_at_once;

        took = nbd_handshake_feed(&handshake, &disk, said.data + taken, piece,
                                  answer, &nr);
        REQUIRE(took <= piece && nr <= sizeof answer);
        put(&heard, answer, nr);
        taken += took;
    }
    CHECK_EQ(taken, said.nr);
    CHECK_EQ(handshake.state, end);
    CHECK_EQ(handshake.why != NULL,
             end == NBD_HANDSHAKE_CLOSED && handshake.option != aborting);
    if (CHECK_EQ(heard.nr, wanted.nr))
        CHECK(memcmp(heard.data, wanted.data, wanted.nr) == 0);
}

/* The dialogue ends like this; a request that follows is not touched. */
static void check_dialogue(enum nbd_handshake_state end)
{
    memset(said.data + said.nr, 0x25, REST_BYTES);
    hold(SIZE_MAX, end);
    hold(1, end);
    hold(64, end);
}

#endif
