/* SPDX-License-Identifier: MIT
 * Claim: whatever a client says before its first request, it hears what the
 * NBD protocol says, to the byte and however its bytes are cut; no byte of its
 * first request is taken; only the export with the empty name can be had, with
 * a minimum block size of 1 (C13), and not when it is refused (C11).
 * Source: proto.md, "Newstyle negotiation", "Fixed newstyle negotiation",
 * "Option types", "Option reply types", "Metadata querying".
 * Mechanism: dialogues (nbd-dialogue.h) for each option and each way to get it
 * wrong; numbers are written out here, so that wire.h is judged, too. */
#include "tests/unit/nbd-dialogue.h"

enum {
    EXPORT_NAME = 1, ABORT, LIST, PEEK_EXPORT, STARTTLS, INFO, GO,
    STRUCTURED_REPLY, LIST_META, SET_META, EXTENDED_HEADERS,
};
enum { ACK = 1, SERVER, REP_INFO, META_CONTEXT };
static const uint32_t UNSUP = 0x80000001, POLICY = 0x80000002,
                      INVALID = 0x80000003, UNKNOWN = 0x80000006,
                      TOO_BIG = 0x80000009;

static const char description[] = "a disk served by vbdd";

static void hear_refusal(uint32_t option, uint32_t type)
{
    hear_reply(option, type, "s",
               type == UNSUP     ? "the option is not supported"
               : type == UNKNOWN ? "there is one export, and its name is empty"
               : type == TOO_BIG ? "the option is too long"
               : type == INVALID
                   ? "the option's length and its data do not agree"
                   : disk.refusal);
}

/* What INFO and GO are answered with when nothing is asked for. */
static void hear_export(uint32_t option, unsigned flags)
{
    hear_reply(option, REP_INFO, "282", 0, disk.size_bytes, flags);
}

static void hear_sizes(uint32_t option)
{
    hear_reply(option, REP_INFO, "2444", 3, 1, disk.preferred_bytes,
               disk.max_bytes);
    hear_reply(option, ACK, "");
}

static void agree_on_structured(void)
{
    ask(STRUCTURED_REPLY, "");
    hear_reply(STRUCTURED_REPLY, ACK, "");
}

/* Nothing here comes from put_format(). */
static void check_transcript(void)
{
    static const uint8_t client[] = {
        0, 0, 0, 3,
        'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 0, 0, 8, 0, 0, 0, 0,
        'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 0, 0, 7, 0, 0, 0, 6,
        0, 0, 0, 0, 0, 0,
    }, server[] = {
        'N', 'B', 'D', 'M', 'A', 'G', 'I', 'C',
        'I', 'H', 'A', 'V', 'E', 'O', 'P', 'T', 0, 3,
        0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9, 0, 0, 0, 8,
        0, 0, 0, 1, 0, 0, 0, 0,
        0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9, 0, 0, 0, 7,
        0, 0, 0, 3, 0, 0, 0, 12,
        0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0, 0xed,
        0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9, 0, 0, 0, 7,
        0, 0, 0, 3, 0, 0, 0, 14,
        0, 3, 0, 0, 0, 1, 0, 0, 16, 0, 2, 0, 0, 0,
        0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9, 0, 0, 0, 7,
        0, 0, 0, 1, 0, 0, 0, 0,
    };

    begin(0);
    said.nr = wanted.nr = 0;
    put(&said, client, sizeof client);
    put(&wanted, server, sizeof server);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);
    CHECK(handshake.has_structured && handshake.has_no_zeroes);
    CHECK(!handshake.has_allocation_context);
}

static void check_client_flags(void)
{
    for (uint32_t flags = 0; flags <= 3; flags++) {
        begin(flags);
        check_dialogue(NBD_HANDSHAKE_OPTION);
        CHECK_EQ(handshake.has_no_zeroes, flags >= 2);
    }
    for (unsigned bit = 2; bit < 32; bit++) {
        begin(FIXED | UINT32_C(1) << bit);
        check_dialogue(NBD_HANDSHAKE_CLOSED);
    }
}

static void check_export_name(void)
{
    begin(FIXED);
    ask(EXPORT_NAME, "");
    hear("820", disk.size_bytes, 0x6d, 124);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);

    begin(NO_ZEROES); /* not even fixed: may ask for nothing else */
    ask(EXPORT_NAME, "");
    hear("82", disk.size_bytes, 0x6d);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);

    begin(FIXED);
    ask(EXPORT_NAME, "s", "disk");
    check_dialogue(NBD_HANDSHAKE_CLOSED);
    begin(FIXED);
    ask(EXPORT_NAME, "x", 8193);
    check_dialogue(NBD_HANDSHAKE_CLOSED);

    begin(FIXED);
    disk.refusal = "the disk has been handed over";
    ask(EXPORT_NAME, "");
    check_dialogue(NBD_HANDSHAKE_CLOSED);
    CHECK_STR(handshake.why, disk.refusal);

    begin(FIXED | NO_ZEROES);
    agree_on_structured();
    ask(EXPORT_NAME, "");
    hear("82", disk.size_bytes, 0xed);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);
}

static void check_abort(void)
{
    for (unsigned bytes = 0; bytes < 9000; bytes += 4250) {
        begin(FIXED);
        ask(ABORT, "x", bytes);
        hear_reply(ABORT, ACK, "");
        check_dialogue(NBD_HANDSHAKE_CLOSED);
    }
}

static void check_list(void)
{
    begin(FIXED);
    disk.refusal = "the disk has been handed over"; /* does not count here */
    ask(LIST, "");
    hear_reply(LIST, SERVER, "4s", 0, description);
    hear_reply(LIST, ACK, "");
    ask(LIST, "x", 1);
    hear_refusal(LIST, INVALID);
    check_dialogue(NBD_HANDSHAKE_OPTION);
}

static void check_information(void)
{
    begin(FIXED);
    ask(INFO, "42", 0, 0);
    hear_export(INFO, 0x6d);
    hear_sizes(INFO);
    /* twice the same, and types that there are not */
    ask(INFO, "42222222", 0, 6, 2, 1, 3, 4, 32, 0xffff);
    hear_export(INFO, 0x6d);
    hear_reply(INFO, REP_INFO, "2", 1);
    hear_reply(INFO, REP_INFO, "2s", 2, description);
    hear_sizes(INFO);
    ask(INFO, "42222", 0, 3, 1, 1, 1);
    hear_export(INFO, 0x6d);
    hear_reply(INFO, REP_INFO, "2", 1);
    hear_sizes(INFO);
    agree_on_structured();
    ask(INFO, "422", 0, 1, 0);
    hear_export(INFO, 0xed);
    hear_sizes(INFO);
    ask(GO, "422", 0, 1, 2);
    hear_export(GO, 0xed);
    hear_reply(GO, REP_INFO, "2s", 2, description);
    hear_sizes(GO);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);
}

static void check_read_only(void)
{
    begin(FIXED);
    disk.flags = 2; /* READ_ONLY; HAS_FLAGS is nobody's to leave out */
    disk.size_bytes = UINT64_MAX;
    ask(GO, "42", 0, 0);
    hear_export(GO, 3);
    hear_sizes(GO);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);
}

static void check_refused(void)
{
    static char sentence[5000];

    begin(FIXED);
    disk.refusal = "the disk has been handed over";
    ask(INFO, "42", 0, 0);
    hear_export(INFO, 0x6d);
    hear_sizes(INFO);
    ask(GO, "42", 0, 0);
    hear_refusal(GO, POLICY);
    ask(GO, "4s2", 1, "x", 0);
    hear_refusal(GO, UNKNOWN);
    ask(GO, "4", 0);
    hear_refusal(GO, INVALID);
    check_dialogue(NBD_HANDSHAKE_OPTION);

    begin(FIXED);
    memset(sentence, 'x', sizeof sentence - 1);
    disk.refusal = sentence;
    ask(GO, "42", 0, 0);
    hear_reply(GO, POLICY, "x", 4096);
    check_dialogue(NBD_HANDSHAKE_OPTION);
}

/* Every way in which the data of INFO and GO cannot be what it says. */
static void check_bad_information(void)
{
    for (uint32_t option = INFO; option <= GO; option++) {
        begin(FIXED);
        for (unsigned bytes = 0; bytes < 6; bytes++) {
            ask(option, "0", bytes);
            hear_refusal(option, INVALID);
        }
        ask(option, "42", 1, 0);
        hear_refusal(option, INVALID);
        ask(option, "42", UINT32_MAX, 0);
        hear_refusal(option, INVALID);
        ask(option, "42", 0, 1);
        hear_refusal(option, INVALID);
        ask(option, "422", 0, 2, 3);
        hear_refusal(option, INVALID);
        ask(option, "422", 0, 0xffff, 3);
        hear_refusal(option, INVALID);
        ask(option, "422", 0, 0, 3);
        hear_refusal(option, INVALID);
        ask(option, "4220", 0, 1, 3, 1);
        hear_refusal(option, INVALID);
        ask(option, "4x2", 4097, 4097, 0); /* "String": 4096 at most */
        hear_refusal(option, INVALID);
        check_dialogue(NBD_HANDSHAKE_OPTION);
    }
}

static void check_names(void)
{
    begin(FIXED);
    agree_on_structured();
    for (uint32_t option = INFO; option <= GO; option++) {
        ask(option, "4s22", 1, "a", 1, 3);
        hear_refusal(option, UNKNOWN);
        ask(option, "402", 1, 1, 0);
        hear_refusal(option, UNKNOWN);
        ask(option, "4x2", 4096, 4096, 0);
        hear_refusal(option, UNKNOWN);
    }
    for (uint32_t option = LIST_META; option <= SET_META; option++) {
        ask(option, "4s4", 1, "a", 0);
        hear_refusal(option, UNKNOWN);
        ask(option, "4s44s", 4, "disk", 1, 15, "base:allocation");
        hear_refusal(option, UNKNOWN);
    }
    check_dialogue(NBD_HANDSHAKE_OPTION);
}

static void check_structured(void)
{
    begin(FIXED);
    ask(STRUCTURED_REPLY, "x", 1);
    hear_refusal(STRUCTURED_REPLY, INVALID);
    check_dialogue(NBD_HANDSHAKE_OPTION);
    CHECK(!handshake.has_structured);
    agree_on_structured();
    agree_on_structured();
    check_dialogue(NBD_HANDSHAKE_OPTION);
    CHECK(handshake.has_structured);
}

static void hear_context(uint32_t option, uint32_t id)
{
    hear_reply(option, META_CONTEXT, "4s", id, "base:allocation");
    hear_reply(option, ACK, "");
}

static void check_listed_contexts(void)
{
    begin(FIXED);
    agree_on_structured();
    ask(LIST_META, "44", 0, 0);
    hear_context(LIST_META, 0);
    ask(LIST_META, "444s", 0, 1, 5, "base:");
    hear_context(LIST_META, 0);
    ask(LIST_META, "444s", 0, 1, 15, "base:allocation");
    hear_context(LIST_META, 0);
    ask(LIST_META, "444s4s", 0, 2, 15, "base:allocation", 5, "base:");
    hear_context(LIST_META, 0);
    ask(LIST_META, "444s4s", 0, 2, 4, "base", 16, "base:allocation2");
    hear_reply(LIST_META, ACK, "");
    ask(LIST_META, "444s4", 0, 2, 10, "qemu:dirty", 0);
    hear_reply(LIST_META, ACK, "");
    check_dialogue(NBD_HANDSHAKE_OPTION);
    CHECK(!handshake.has_allocation_context);
}

static void select_allocation(void)
{
    ask(SET_META, "444s", 0, 1, 15, "base:allocation");
    hear_context(SET_META, NBD_ALLOCATION_CONTEXT);
}

static void check_set_contexts(void)
{
    begin(FIXED);
    agree_on_structured();
    ask(SET_META, "444s4s4s", 0, 3, 5, "base:", 6, "x-y:zz", 14,
        "base:allocatio");
    hear_reply(SET_META, ACK, "");
    check_dialogue(NBD_HANDSHAKE_OPTION);
    CHECK(!handshake.has_allocation_context);
    ask(SET_META, "444s4s", 0, 2, 6, "x-y:zz", 15, "base:allocation");
    hear_context(SET_META, NBD_ALLOCATION_CONTEXT);
    ask(LIST_META, "44", 0, 0); /* selects nothing, and drops nothing */
    hear_context(LIST_META, 0);
    check_dialogue(NBD_HANDSHAKE_OPTION);
    CHECK(handshake.has_allocation_context);
    ask(GO, "42", 0, 0);
    hear_export(GO, 0xed);
    hear_sizes(GO);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);
    CHECK(handshake.has_allocation_context);
}

/* However a SET ends, what was selected before is gone. */
static void check_replaced_contexts(void)
{
    for (unsigned way = 0; way < 5; way++) {
        begin(FIXED);
        agree_on_structured();
        select_allocation();
        if (way == 0) {
            ask(SET_META, "44", 0, 0);
            hear_reply(SET_META, ACK, "");
        } else if (way == 1) {
            ask(SET_META, "444s", 0, 1, 5, "base:");
            hear_reply(SET_META, ACK, "");
        } else if (way == 2) {
            ask(SET_META, "4s44s", 1, "a", 1, 15, "base:allocation");
            hear_refusal(SET_META, UNKNOWN);
        } else if (way == 3) {
            ask(SET_META, "444s", 0, 2, 15, "base:allocation");
            hear_refusal(SET_META, INVALID);
        } else {
            ask(SET_META, "444sx", 0, 1, 15, "base:allocation", 9000);
            hear_refusal(SET_META, TOO_BIG);
        }
        check_dialogue(NBD_HANDSHAKE_OPTION);
        CHECK(!handshake.has_allocation_context);
    }
}

static void check_bad_contexts(void)
{
    for (uint32_t option = LIST_META; option <= SET_META; option++) {
        begin(FIXED);
        ask(option, "444s", 0, 1, 15, "base:allocation");
        hear_reply(option, INVALID, "s",
                   "structured replies have to be agreed on first");
        agree_on_structured();
        for (unsigned bytes = 0; bytes < 8; bytes++) {
            ask(option, "0", bytes);
            hear_refusal(option, INVALID);
        }
        ask(option, "444s", 0, 1, 16, "base:allocation");
        hear_refusal(option, INVALID);
        ask(option, "444s", 0, 1, 15, "base:allocatio");
        hear_refusal(option, INVALID);
        ask(option, "444s", 0, 1, 14, "base:allocation");
        hear_refusal(option, INVALID);
        ask(option, "444s", 0, 2, 15, "base:allocation");
        hear_refusal(option, INVALID);
        ask(option, "444s", 0, UINT32_MAX, 15, "base:allocation");
        hear_refusal(option, INVALID);
        ask(option, "444s", 0, 1, UINT32_MAX, "base:allocation");
        hear_refusal(option, INVALID);
        ask(option, "44s", UINT32_MAX, 1, "base:allocation");
        hear_refusal(option, INVALID);
        ask(option, "440", 0, 0, 1);
        hear_refusal(option, INVALID);
        ask(option, "444x", 0, 1, 4097, 4097);
        hear_refusal(option, INVALID);
        check_dialogue(NBD_HANDSHAKE_OPTION);
        CHECK(!handshake.has_allocation_context);
    }
}

static void check_unsupported(void)
{
    static const uint32_t options[] = { 0, PEEK_EXPORT, STARTTLS,
                                        EXTENDED_HEADERS, 12, 0x10000,
                                        UINT32_MAX };

    begin(FIXED);
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++)
        for (unsigned bytes = 0; bytes <= 8193; bytes += 2731) {
            ask(options[i], "x", bytes);
            hear_refusal(options[i], UNSUP);
        }
    ask(LIST, "");
    hear_reply(LIST, SERVER, "4s", 0, description);
    hear_reply(LIST, ACK, "");
    check_dialogue(NBD_HANDSHAKE_OPTION);
}

static void check_too_big(void)
{
    static const uint32_t options[] = { LIST, INFO, GO, STRUCTURED_REPLY,
                                        LIST_META, SET_META };

    begin(FIXED);
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
        ask(options[i], "x", 8193);
        hear_refusal(options[i], TOO_BIG);
    }
    check_dialogue(NBD_HANDSHAKE_OPTION);
    /* the longest is looked at */
    begin(FIXED);
    ask(INFO, "420", 0, 4093, 2 * 4093);
    hear_export(INFO, 0x6d);
    hear_sizes(INFO);
    ask(INFO, "4x20", 4096, 4096, 2045, 2 * 2045);
    hear_refusal(INFO, UNKNOWN);
    check_dialogue(NBD_HANDSHAKE_OPTION);
}

/* The longest that can be said, without a buffer as long. */
static void check_4_gib(void)
{
    static uint8_t answer[NBD_ANSWER_BYTES], zeros[1 << 16];
    uint64_t taken = 0;
    size_t nr = 0;

    begin(FIXED);
    say("844", UINT64_C(0x49484156454f5054), GO, UINT32_MAX);
    check_dialogue(NBD_HANDSHAKE_OPTION);
    while (nr == 0 && taken <= UINT32_MAX)
        taken += nbd_handshake_feed(&handshake, &disk, zeros, sizeof zeros,
                                    answer, &nr);
    CHECK_EQ(taken, UINT32_MAX);
    wanted.nr = 0;
    hear_refusal(GO, TOO_BIG);
    CHECK_EQ(nr, wanted.nr);
    CHECK(memcmp(answer, wanted.data, wanted.nr) == 0);
    CHECK_EQ(handshake.state, NBD_HANDSHAKE_OPTION);
}

static void check_magic(void)
{
    for (unsigned bit = 0; bit < 64; bit++) {
        begin(FIXED);
        say("844", UINT64_C(0x49484156454f5054) ^ UINT64_C(1) << bit, LIST, 0);
        check_dialogue(NBD_HANDSHAKE_CLOSED);
    }
}

static void check_endless(void)
{
    begin(FIXED);
    for (unsigned i = 0; i < 255; i++) {
        ask(LIST, "x", i % 2);
        if (i % 2) {
            hear_refusal(LIST, INVALID);
        } else {
            hear_reply(LIST, SERVER, "4s", 0, description);
            hear_reply(LIST, ACK, "");
        }
    }
    check_dialogue(NBD_HANDSHAKE_OPTION);
    ask(GO, "42", 0, 0);
    hear_export(GO, 0x6d);
    hear_sizes(GO);
    check_dialogue(NBD_HANDSHAKE_TRANSMISSION);

    begin(FIXED);
    for (unsigned i = 0; i < 256; i++) {
        ask(STARTTLS, "");
        hear_refusal(STARTTLS, UNSUP);
    }
    check_dialogue(NBD_HANDSHAKE_CLOSED);
}

/* A client that goes away in the middle has heard what was due so far. */
static void check_truncated(void)
{
    static uint8_t answer[NBD_ANSWER_BYTES];

    begin(FIXED);
    agree_on_structured();
    select_allocation();
    ask(GO, "422", 0, 1, 1);
    for (size_t length = 0; length < said.nr; length++) {
        size_t nr, taken = 0, answers = 0;

        nbd_handshake_begin(&handshake, answer);
        while (taken < length) {
            taken += nbd_handshake_feed(&handshake, &disk, said.data + taken,
                                        length - taken, answer, &nr);
            answers += nr > 0;
        }
        CHECK_EQ(taken, length);
        CHECK_EQ(answers, (length >= 20) + (length >= 63));
        CHECK_EQ(handshake.state, length < 4 ? NBD_HANDSHAKE_FLAGS
                                             : NBD_HANDSHAKE_OPTION);
    }
}

/* It is asked for when it is needed (C14). */
static void check_resized(void)
{
    static uint8_t answer[NBD_ANSWER_BYTES];
    size_t nr, start;

    begin(FIXED);
    ask(INFO, "42", 0, 0);
    hear_export(INFO, 0x6d);
    hear_sizes(INFO);
    check_dialogue(NBD_HANDSHAKE_OPTION);
    disk.size_bytes *= 2;
    start = said.nr;
    ask(GO, "42", 0, 0);
    wanted.nr = 0;
    hear_export(GO, 0x6d);
    hear_sizes(GO);
    nbd_handshake_feed(&handshake, &disk, said.data + start, said.nr - start,
                       answer, &nr);
    CHECK_EQ(nr, wanted.nr);
    CHECK(memcmp(answer, wanted.data, wanted.nr) == 0);
}

int main(void)
{
    srand((unsigned)tap_seed());
    TEST("a negotiation goes as it is written in bytes", check_transcript);
    TEST("a handshake flag that is not known is the end", check_client_flags);
    TEST("EXPORT_NAME has one answer, or none and is the end",
         check_export_name);
    TEST("ABORT is acknowledged whatever comes with it", check_abort);
    TEST("LIST names the one export, and takes no data", check_list);
    TEST("INFO and GO tell what there is and what was asked for",
         check_information);
    TEST("a read-only disk of any size says so", check_read_only);
    TEST("a refusal keeps GO out, not INFO", check_refused);
    TEST("INFO and GO with wrong lengths are invalid", check_bad_information);
    TEST("every name but the empty one is unknown", check_names);
    TEST("structured replies are agreed on without data", check_structured);
    TEST("contexts are listed as the queries say", check_listed_contexts);
    TEST("base:allocation is selected by its whole name", check_set_contexts);
    TEST("SET replaces what was selected, also when it fails",
         check_replaced_contexts);
    TEST("contexts with wrong lengths, or too early, are invalid",
         check_bad_contexts);
    TEST("TLS, extended headers and unknown options are unsupported",
         check_unsupported);
    TEST("an option that is too long is read past and refused",
         check_too_big);
    TEST("an option of 4 GiB is read past", check_4_gib);
    TEST("what does not begin like an option is the end", check_magic);
    TEST("the 256th option without a GO is the last one", check_endless);
    TEST("no answer comes before its option is complete", check_truncated);
    TEST("a GO tells the size of now", check_resized);
    return tap_done();
}
