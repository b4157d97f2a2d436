/* SPDX-License-Identifier: MIT
 * Claim: FLUSH, answered OK, then DISC, and no write that it does not cover,
 * hands the disk over; anything else does not. After that, where the policy
 * says so and a front end is there, no emulated client comes in any more,
 * until the front end has gone. The supervisor hears of all this, but not more
 * than so often, and nobody waits until it does; a detach throws clients out
 * after what runs is answered; and nothing is left of a client that has gone.
 * Source: C11, C12; message.h (message_nbd_event, message_nbd_stats); nbd.h.
 * Mechanism: a real vbdd-disk; the test is QEMU, front end and supervisor. */
#include "tests/unit/nbd-rig.h"
#include "tests/unit/process.h"

enum { MIB = 1 << 20 };

static uint8_t data[MIB];
static struct nbd_client client;
static struct rig_guest guest;

static uint32_t write_block(uint64_t offset)
{
    return nbd_client_do(&client, NBD_WIRE_CMD_WRITE, 0, offset, 512, data);
}

static void open_client(void)
{
    nbd_client_open(&client, nbd_path, true);
    CHECK(nbd_rig_is_told(MESSAGE_NBD_CONNECTED));
    CHECK_EQ(rig.told.nbd_event.pid, getpid());
    CHECK_EQ(rig.told.nbd_event.client, nbd_rig_stats().accepted);
}

static void detach(void)
{
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_detach(&rig), 0);
}

/* --- which ends are a handover -------------------------------------------- */

static void ask_write(void)
{
    nbd_client_ask(&client, NBD_WIRE_CMD_WRITE, 0, 0, 512);
    nbd_client_write(&client, data, 512);
}

static void take_answers(unsigned nr)
{
    struct nbd_client_reply reply;
    struct nbd_client_answer answer = { 0 };

    for (unsigned i = 0; i < nr; i++) {
        REQUIRE(nbd_client_next(&client, &reply));
        CHECK(!nbd_client_take(&client, &reply, 0, NULL, 0, &answer));
        CHECK_EQ(answer.error, 0);
    }
}

/* One letter a step: Write, Flush, Read, Trim, Zero; w and f: without waiting
 * for the answer; a refused write (E); DISC (D) or EOF (-). */
static void play(const char *steps)
{
    unsigned unanswered = 0;

    for (; *steps; steps++) {
        switch (*steps) {
        case 'W': CHECK_EQ(write_block(0), 0); break;
        case 'F': CHECK_EQ(nbd_client_flush(&client), 0); break;
        case 'R':
            CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_READ, 0, 0, 512,
                                   data), 0);
            break;
        case 'T':
            CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_TRIM, 0, 0, 4096,
                                   NULL), 0);
            break;
        case 'Z':
            CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, 0, 0,
                                   4096, NULL), 0);
            break;
        case 'E': CHECK_EQ(write_block(1ull << 40), NBD_WIRE_ENOSPC); break;
        case 'w': ask_write(); unanswered++; break;
        case 'f':
            nbd_client_ask(&client, NBD_WIRE_CMD_FLUSH, 0, 0, 0);
            unanswered++;
            break;
        case 'a': take_answers(unanswered); unanswered = 0; break;
        case 'D': CHECK(nbd_client_close(&client)); break;
        case '-': nbd_client_drop(&client); break;
        }
    }
}

static void check_ends(void)
{
    static const struct {
        const char *steps;
        enum message_nbd_kind end;
    } cases[] = {
        { "FD", MESSAGE_NBD_HANDOVER },
        { "WFD", MESSAGE_NBD_HANDOVER },
        { "WFWFD", MESSAGE_NBD_HANDOVER },
        { "WFRD", MESSAGE_NBD_HANDOVER },
        { "WFED", MESSAGE_NBD_HANDOVER }, /* nothing was written */
        { "wwwaFRFD", MESSAGE_NBD_HANDOVER },
        { "D", MESSAGE_NBD_LEFT },
        { "WD", MESSAGE_NBD_LEFT },
        { "WRD", MESSAGE_NBD_LEFT },
        { "WFWD", MESSAGE_NBD_LEFT },
        { "FTD", MESSAGE_NBD_LEFT },
        { "FZD", MESSAGE_NBD_LEFT },
        { "wfaD", MESSAGE_NBD_LEFT }, /* the flush came too early */
        { "fwaD", MESSAGE_NBD_LEFT },
        { "-", MESSAGE_NBD_LOST },
        { "WF-", MESSAGE_NBD_LOST },
        { "w-", MESSAGE_NBD_LOST },
    };
    uint64_t handovers = 0, lost = 0;

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message_nbd_stats stats;

        nbd_rig_open("delay:write=20ms,flush=5ms/mem:size=8M", NULL);
        open_client();
        play(cases[i].steps);
        if (!nbd_rig_is_told(cases[i].end))
            NOTE("steps %s", cases[i].steps);
        stats = nbd_rig_stats();
        handovers = cases[i].end == MESSAGE_NBD_HANDOVER;
        lost = cases[i].end == MESSAGE_NBD_LOST;
        CHECK_EQ(stats.was_handed_over, handovers);
        CHECK_EQ(stats.handovers, handovers);
        CHECK_EQ(stats.lost, lost);
        detach();
    }
}

/* DISC while writes run: they end, are answered, and only then it is told. */
static void check_drain(void)
{
    nbd_rig_open("delay:write=50ms/mem:size=8M", NULL);
    open_client();
    ask_write();
    ask_write();
    nbd_client_ask(&client, NBD_WIRE_CMD_DISC, 0, 0, 0);
    take_answers(2);
    CHECK(nbd_client_is_hung_up_on(&client));
    nbd_client_drop(&client);
    CHECK(nbd_rig_is_told(MESSAGE_NBD_LEFT));
    detach();
}

/* A flush that fails hands nothing over. */
static void check_failed_flush(void)
{
    nbd_rig_open("error:flush=EIO,retry=no/mem:size=8M", NULL);
    open_client();
    CHECK_EQ(nbd_client_flush(&client), NBD_WIRE_EIO);
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    CHECK(nbd_client_close(&client));
    CHECK(nbd_rig_is_told(MESSAGE_NBD_LEFT));
    CHECK_EQ(nbd_rig_stats().was_handed_over, 0);
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_detach(&rig), -EIO);
}

/* --- who comes in after it ------------------------------------------------ */

static void hand_over(void)
{
    open_client();
    play("WFD");
    CHECK(nbd_rig_is_told(MESSAGE_NBD_HANDOVER));
    CHECK_EQ(nbd_rig_stats().was_handed_over, 1);
}

static void connect_front(void)
{
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
}

static void disconnect_front(void)
{
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    CHECK_EQ(nbd_rig_stats().was_handed_over, 0);
}

static const char *const refuse[] = { "--refuse-after-handover", NULL };

/* vbdd goes and comes again in between: so do the emulated clients, and what
 * they may do is not forgotten. */
static void check_held(void)
{
    struct message_standing standing;
    int record = rig_record_new();

    nbd_rig_open("mem:size=8M", refuse);
    hand_over();
    open_client(); /* before the front end is there */
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    rig_make_rings(&guest, 1, 1);
    CHECK_EQ(rig_connect_held(&rig, &guest, RIG_DOMID, 1, record,
                              NULL).error, 0);
    CHECK_EQ(write_block(512), 0);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_HOLD }).error, 0);
    rig_await_end(&rig, 0);
    CHECK(nbd_client_is_hung_up_on(&client));
    nbd_client_drop(&client);
    standing = rig_record_standing(record);
    CHECK_EQ(standing.was_handed_over, 1);
    unlink(nbd_path);
    nbd_rig_launch(rig_restart_worker, "mem:size=8M", refuse);
    CHECK_EQ(nbd_rig_stats().was_handed_over, 0);
    CHECK_EQ(rig_connect_held(&rig, &guest, RIG_DOMID, 1, record,
                              &standing).error, 0);
    CHECK_EQ(nbd_rig_stats().was_handed_over, 1);
    nbd_client_connect(&client, nbd_path);
    CHECK(nbd_client_greet(&client));
    CHECK_EQ(nbd_client_go(&client), NBD_WIRE_REP_ERR_POLICY);
    CHECK(nbd_rig_is_told(MESSAGE_NBD_REFUSED));
    nbd_client_drop(&client);
    disconnect_front();
    open_client();
    play("WD");
    detach();
    close(record);
}

static void check_refused(void)
{
    static const uint8_t nameless[6];

    nbd_rig_open("mem:size=8M", refuse);
    hand_over();
    hand_over(); /* no front end: it may still be the firmware's turn */
    connect_front();
    nbd_client_connect(&client, nbd_path);
    CHECK(nbd_client_greet(&client));
    CHECK_EQ(nbd_client_option(&client, NBD_WIRE_OPT_INFO, nameless,
                               sizeof nameless), NBD_WIRE_REP_ACK);
    CHECK_EQ(nbd_client_go(&client), NBD_WIRE_REP_ERR_POLICY);
    CHECK(nbd_rig_is_told(MESSAGE_NBD_REFUSED));
    CHECK_EQ(nbd_client_go(&client), NBD_WIRE_REP_ERR_POLICY);
    CHECK_EQ(nbd_rig_stats().refused, 1);
    nbd_client_drop(&client);
    nbd_client_connect(&client, nbd_path);
    CHECK(nbd_client_greet(&client));
    nbd_client_send_option(&client, NBD_WIRE_OPT_EXPORT_NAME, NULL, 0);
    CHECK(nbd_client_is_hung_up_on(&client));
    nbd_client_drop(&client);
    CHECK(nbd_rig_is_told(MESSAGE_NBD_REFUSED));
    CHECK_EQ(nbd_rig_stats().refused, 2);
    disconnect_front();
    open_client();
    play("WD");
    CHECK(nbd_rig_is_told(MESSAGE_NBD_LEFT));
    connect_front(); /* and without a handover a front end refuses nobody */
    open_client();
    play("WD");
    disconnect_front();
    detach();
}

static void check_allowed(void)
{
    nbd_rig_open("mem:size=8M", NULL);
    hand_over();
    connect_front();
    open_client();
    CHECK_EQ(write_block(0), 0);
    CHECK(nbd_client_close(&client));
    disconnect_front();
    detach();
}

/* --- many of them --------------------------------------------------------- */

/* Receives what there is of the worker's own accord; returns how many events
 * of the kind. */
static unsigned count_events(enum message_nbd_kind kind)
{
    struct pollfd wait = { .fd = rig.control, .events = POLLIN };
    unsigned nr = 0;

    while (poll(&wait, 1, 0) == 1) {
        unsigned before = rig.nr_told;

        rig_receive(&rig);
        nr += rig.nr_told > before && rig.told.nbd_event.kind == kind;
    }
    return nr;
}

static void check_many(void)
{
    unsigned nr = (unsigned)tap_scaled(1000), handovers = 0, fds, maps;
    uint64_t begin_us, windows;
    struct message_nbd_stats stats;
    long rss;

    nbd_rig_open("mem:size=8M", NULL);
    for (unsigned i = 0; i < 50; i++) {
        nbd_client_open(&client, nbd_path, i % 2);
        play(i % 3 ? "WFD" : "W-");
    }
    CHECK(nbd_rig_has_clients(0));
    fds = process_fds(rig.worker);
    maps = process_maps(rig.worker);
    rss = process_rss_kib(rig.worker);
    usleep(1100000); /* a second in which all may be told */
    begin_us = host_now_us();
    rig.nr_told = 0;
    for (unsigned i = 0; i < nr; i++) {
        nbd_client_open(&client, nbd_path, i % 2);
        play("WFD");
        handovers += count_events(MESSAGE_NBD_HANDOVER);
    }
    CHECK(nbd_rig_has_clients(0));
    count_events(MESSAGE_NBD_HANDOVER);
    windows = (host_now_us() - begin_us) / 1000000 + 2;
    NOTE("%u clients, %u events in less than %llu seconds", nr, rig.nr_told,
         (unsigned long long)windows);
    CHECK(rig.nr_told <= 16 * windows);
    CHECK(handovers > 0);
    stats = nbd_rig_stats();
    CHECK(stats.handovers >= nr);
    CHECK_EQ(stats.accepted, nr + 50);
    CHECK_EQ(process_fds(rig.worker), fds);
    if (!process_is_instrumented()) {
        CHECK_EQ(process_maps(rig.worker), maps);
        CHECK(process_rss_kib(rig.worker) <= rss + 64);
    }
    /* what was not told is not forgotten, and the next one says so */
    usleep(1100000);
    nbd_client_open(&client, nbd_path, true);
    CHECK(nbd_rig_is_told(MESSAGE_NBD_CONNECTED));
    if (nr > 100)
        CHECK(strstr(rig.told.text, "were not reported"));
    CHECK(nbd_client_close(&client));
    detach();
}

/* The first handover is told whatever has been told before it. */
static void check_important(void)
{
    nbd_rig_open("mem:size=8M", NULL);
    for (unsigned i = 0; i < 40; i++) {
        nbd_client_open(&client, nbd_path, true);
        play("W-");
    }
    nbd_client_open(&client, nbd_path, true);
    play("WFD");
    CHECK(nbd_rig_has_clients(0));
    count_events(MESSAGE_NBD_HANDOVER);
    CHECK_EQ(rig.told.nbd_event.kind, MESSAGE_NBD_HANDOVER);
    CHECK_EQ(rig.told.nbd_event.client, 41);
    CHECK(rig.nr_told < 80);
    detach();
}

/* Messages that a socket holds which nobody reads. */
static unsigned socket_holds(void)
{
    static const struct message message;
    unsigned nr = 0;
    int ends[2];

    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) == 0);
    while (packet_send(ends[0], &message, sizeof message, NULL, 0) == 0)
        nr++;
    close(ends[0]);
    close(ends[1]);
    return nr;
}

/* A supervisor that has asked and does not listen (the events alone would need
 * a few seconds more to fill the socket). */
static void check_deaf_supervisor(void)
{
    const unsigned most = socket_holds(), asked = most * 11 / 16;
    unsigned nr = 0, replies = 0, events = 0;
    struct message message;
    uint64_t until_us;

    nbd_rig_open("mem:size=8M", NULL);
    for (unsigned i = 0; i < asked; i++)
        rig_send(&rig, (struct message){ .type = MESSAGE_STATS });
    until_us = host_now_us() + 3000000;
    for (; host_now_us() < until_us; nr++) {
        nbd_client_open(&client, nbd_path, true);
        nbd_client_drop(&client);
    }
    NOTE("%u clients beside %u of %u messages", nr, asked, most);
    for (; replies < asked; replies += message.type == MESSAGE_REPLY) {
        REQUIRE(packet_receive(rig.control, &message, sizeof message, NULL, 0,
                               NULL) == 0);
        events += message.type == MESSAGE_NBD_EVENT;
    }
    CHECK(events <= most / 4 + 1);
    usleep(1000000); /* the next second's events */
    CHECK(nbd_rig_has_clients(0));
    open_client();
    CHECK(strstr(rig.told.text, "were not reported"));
    CHECK(nbd_client_close(&client));
    detach();
}

/* --- detach --------------------------------------------------------------- */

static void check_detach(void)
{
    struct nbd_client idle, silent, stalled, writing;
    uint32_t tag;

    nbd_rig_open("delay:write=200ms/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    nbd_client_open(&idle, nbd_path, true);
    nbd_client_connect(&silent, nbd_path);
    nbd_client_open(&stalled, nbd_path, true);
    for (unsigned i = 0; i < 20; i++)
        nbd_client_ask(&stalled, NBD_WIRE_CMD_READ, 0, 0, MIB);
    nbd_client_open(&writing, nbd_path, true);
    nbd_client_ask(&writing, NBD_WIRE_CMD_WRITE, 0, 0, MIB);
    nbd_client_write(&writing, data, 1000);
    ask_write();
    while (nbd_rig_stats().requests[NBD_WIRE_CMD_WRITE] < 2)
        usleep(1000);
    tag = rig_send(&rig, (struct message){ .type = MESSAGE_DETACH });
    take_answers(1);
    CHECK(nbd_client_is_hung_up_on(&client));
    CHECK(nbd_client_is_hung_up_on(&idle));
    CHECK_EQ(rig_reply(&rig, tag).error, 0);
    nbd_client_drop(&client);
    nbd_client_drop(&idle);
    nbd_client_drop(&silent);
    nbd_client_drop(&stalled);
    nbd_client_drop(&writing);
    CHECK_EQ(waitpid(rig.worker, NULL, 0), rig.worker);
    close(rig.control);
    CHECK_EQ(local_server_stop(&rig.server), 0);
}

/* Neither a detach nor a hold waits for a client who does not read: here the
 * disk has done all that he asked, and his socket takes no more. */
static void check_unread(enum message_type how, bool is_structured)
{
    struct nbd_client stalled;
    struct message_nbd_stats stats;

    nbd_rig_open("mem:size=8M", NULL);
    nbd_client_open(&stalled, nbd_path, is_structured);
    for (unsigned i = 0; i < 20; i++)
        nbd_client_ask(&stalled, NBD_WIRE_CMD_READ, 0, 0, MIB);
    nbd_client_ask(&stalled, NBD_WIRE_CMD_DISC, 0, 0, 0);
    do {
        stats = nbd_rig_stats();
    } while (stats.clients[0].in_flight == 0);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = how }).error, 0);
    nbd_client_drop(&stalled);
    CHECK_EQ(waitpid(rig.worker, NULL, 0), rig.worker);
    close(rig.control);
    CHECK_EQ(local_server_stop(&rig.server), 0);
}

static void check_all_unread(void)
{
    for (unsigned i = 0; i < 4; i++)
        check_unread(i % 2 ? MESSAGE_HOLD : MESSAGE_DETACH, i / 2);
}

/* The flush of a detach comes after the last write of a client. */
static void check_detach_order(void)
{
    char engine[256], line[256];
    unsigned n = 0, write = 0, flush = 0;
    FILE *file;

    nbd_rig_make_file(nbd_journal, 0);
    snprintf(engine, sizeof engine,
             "log:file='%s'/delay:write=100ms/mem:size=8M", nbd_journal);
    nbd_rig_open(engine, NULL);
    nbd_client_open(&client, nbd_path, true);
    ask_write();
    while (nbd_rig_stats().requests[NBD_WIRE_CMD_WRITE] < 1)
        usleep(1000);
    CHECK_EQ(rig_detach(&rig), 0);
    take_answers(1);
    nbd_client_drop(&client);
    file = fopen(nbd_journal, "r");
    REQUIRE(file);
    while (fgets(line, sizeof line, file)) {
        n++;
        if (line[0] == 'C' && strstr(line, "WRITE"))
            write = n;
        if (line[0] == 'S' && strstr(line, "FLUSH"))
            flush = n;
    }
    fclose(file);
    CHECK(write > 0 && flush > write);
}

/* What was asked of a long read but not begun is not answered, and nobody
 * takes the part for the whole. */
static void check_detach_reading(void)
{
    struct nbd_client_answer answer = { 0 };
    struct nbd_client_reply reply;
    static uint8_t all[8 * MIB];
    unsigned ends = 0;

    nbd_rig_open("delay:read=100ms/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    nbd_client_ask(&client, NBD_WIRE_CMD_READ, 0, 0, sizeof all);
    while (nbd_rig_stats().requests[NBD_WIRE_CMD_READ] < 1)
        usleep(1000);
    CHECK_EQ(rig_detach(&rig), 0);
    while (nbd_client_next(&client, &reply))
        ends += !nbd_client_take(&client, &reply, 0, all, sizeof all,
                                 &answer) &&
                answer.error != UINT32_MAX; /* cut off is no end */
    CHECK_EQ(ends, 0);
    nbd_client_drop(&client);
}

static void check_orphan(void)
{
    int status = -1;

    nbd_rig_open("delay:write=100ms/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    ask_write();
    close(rig.control);
    take_answers(1);
    CHECK(nbd_client_is_hung_up_on(&client));
    nbd_client_drop(&client);
    waitpid(rig.worker, &status, 0);
    CHECK_EQ(status, 0);
    CHECK_EQ(local_server_stop(&rig.server), 0);
}

static bool has_note(FILE *lease)
{
    struct stat status;

    REQUIRE(fstat(fileno(lease), &status) == 0);
    return status.st_size > 0;
}

/* C8: a flush fails, the last one or one before, and there may be nobody to be
 * told, now or later. */
static void check_note(const char *engine, bool flushes, bool is_noted)
{
    char number[16];
    const char *const arguments[] = { "--lease", number, NULL };
    FILE *lease = tmpfile();
    int fd;

    REQUIRE(lease);
    fd = fcntl(fileno(lease), F_DUPFD, 101); /* inherited */
    snprintf(number, sizeof number, "%d", fd);
    nbd_rig_open(engine, arguments);
    close(fd);
    nbd_client_open(&client, nbd_path, true);
    CHECK_EQ(write_block(0), 0);
    CHECK(!has_note(lease));
    if (flushes) {
        CHECK_EQ(nbd_client_flush(&client) != 0, is_noted);
        CHECK_EQ(has_note(lease), is_noted);
    }
    close(rig.control);
    CHECK(nbd_client_is_hung_up_on(&client));
    nbd_client_drop(&client);
    CHECK_EQ(waitpid(rig.worker, NULL, 0), rig.worker);
    CHECK_EQ(has_note(lease), is_noted);
    fclose(lease);
    CHECK_EQ(local_server_stop(&rig.server), 0);
}

static void check_notes(void)
{
    check_note("error:flush=EIO/mem:size=8M", true, true);
    check_note("error:flush=EIO/mem:size=8M", false, true);
    check_note("mem:size=8M", true, false);
}

int main(void)
{
    nbd_rig_files();
    TEST("a FLUSH that covers all, then DISC, is a handover; nothing else is",
         check_ends);
    TEST("what runs at DISC is answered first", check_drain);
    TEST("a flush that has failed hands nothing over", check_failed_flush);
    TEST("by policy nobody comes in between handover and the front end's end",
         check_refused);
    TEST("a handover outlives the worker, and the front end ends it",
         check_held);
    TEST("by default a late client comes in", check_allowed);
    TEST("a thousand clients leave nothing, and make few messages",
         check_many);
    TEST("the first handover is always told", check_important);
    TEST("no client waits for a supervisor that does not listen",
         check_deaf_supervisor);
    TEST("a detach throws everybody out, after what runs", check_detach);
    TEST("neither a detach nor a hold waits for who does not read",
         check_all_unread);
    TEST("a detach flushes after the last write", check_detach_order);
    TEST("a detach does not answer half of a read", check_detach_reading);
    TEST("a worker that loses its supervisor does the same", check_orphan);
    TEST("it leaves word of a flush that failed", check_notes);
    nbd_rig_remove_files();
    return tap_done();
}
