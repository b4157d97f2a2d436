/* SPDX-License-Identifier: MIT
 * Claim: answers come when they are there, in any order, except where the
 * protocol or the disk orders them; a FLUSH covers what was acknowledged on
 * the other path; errors say what happened to their request and to no other.
 * Source: C4, C5, C7, C8, C14, C15; proto.md "Ordering of messages and
 * writes", "Simple reply message", "Structured reply types".
 * Mechanism: a real vbdd-disk with NBD clients and a ring on engines that
 * delay, fail, and write down what was asked of them; the order of engine
 * operations is read from that record. */
#include "tests/unit/nbd-rig.h"

enum { MIB = 1 << 20, PIECE = 512 << 10 };

static uint8_t data[5 * MIB];
static struct nbd_client client, other;
static struct rig_guest guest;

static void close_client(struct nbd_client *c)
{
    CHECK(nbd_client_close(c));
}

static void detach(int error)
{
    CHECK(nbd_rig_has_clients(0));
    CHECK_EQ(rig_detach(&rig), error);
}

static uint32_t write_at(struct nbd_client *c, uint64_t offset,
                         uint32_t length, unsigned seed)
{
    nbd_stamp(data, offset, length, seed);
    return nbd_client_do(c, NBD_WIRE_CMD_WRITE, 0, offset, length, data);
}

static uint32_t read_at(struct nbd_client *c, uint64_t offset,
                        uint32_t length)
{
    return nbd_client_do(c, NBD_WIRE_CMD_READ, 0, offset, length, data);
}

/* --- order ---------------------------------------------------------------- */

static void check_out_of_order(void)
{
    struct nbd_client_answer answer;
    struct nbd_client_reply reply;

    nbd_rig_open("delay:read=500ms/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    CHECK_EQ(write_at(&client, 0, 8192, 1), 0);
    client.cookie = 0;
    nbd_client_ask(&client, NBD_WIRE_CMD_READ, 0, 0, 4096);
    nbd_client_ask(&client, NBD_WIRE_CMD_WRITE, 0, MIB, 4096);
    nbd_client_write(&client, data, 4096);
    nbd_client_ask(&client, NBD_WIRE_CMD_FLUSH, 0, 0, 0);
    nbd_stamp(data, 0, 4096, 2);
    nbd_client_ask(&client, NBD_WIRE_CMD_WRITE, 0, 0, 4096); /* C4 */
    nbd_client_write(&client, data, 4096);
    REQUIRE(nbd_client_next(&client, &reply));
    CHECK_EQ(reply.cookie, 2);
    CHECK(!nbd_client_take(&client, &reply, 0, NULL, 0, &answer));
    REQUIRE(nbd_client_next(&client, &reply));
    CHECK_EQ(reply.cookie, 3);
    CHECK(!nbd_client_take(&client, &reply, 0, NULL, 0, &answer));
    REQUIRE(nbd_client_next(&client, &reply));
    CHECK_EQ(reply.cookie, 1); /* what overlaps it had to wait */
    CHECK(!nbd_client_take(&client, &reply, 0, data, 4096, &answer));
    CHECK_EQ(nbd_differences(data, 0, 4096, 1), 0);
    REQUIRE(nbd_client_next(&client, &reply));
    CHECK_EQ(reply.cookie, 4);
    CHECK(!nbd_client_take(&client, &reply, 0, NULL, 0, &answer));
    CHECK_EQ(read_at(&client, 0, 4096), 0);
    CHECK_EQ(nbd_differences(data, 0, 4096, 2), 0);
    close_client(&client);
    detach(0);
}

/* Reads of all lengths at once, with simple replies: a header, then all of its
 * data, whatever else is ready. */
static void check_simple_replies(void)
{
    static const uint32_t lengths[] = { 4096, 2 * MIB, 512, PIECE + 1, 4096,
                                        PIECE, MIB, 1 };
    enum { NR = sizeof lengths / sizeof *lengths };
    bool is_answered[NR] = { false };

    nbd_rig_open("delay:read=2ms/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, false);
    CHECK_EQ(write_at(&client, 0, 4 * MIB, 1), 0);
    client.cookie = UINT64_MAX;
    for (unsigned i = 0; i < NR; i++)
        nbd_client_ask(&client, NBD_WIRE_CMD_READ, 0, 1000 * i, lengths[i]);
    for (unsigned i = 0; i < NR; i++) {
        struct nbd_client_reply reply;

        REQUIRE(nbd_client_next(&client, &reply) && reply.cookie < NR);
        CHECK_EQ(reply.error, 0);
        CHECK(!is_answered[reply.cookie]);
        is_answered[reply.cookie] = true;
        CHECK(nbd_client_read(&client, data, lengths[reply.cookie]));
        CHECK_EQ(nbd_differences(data, 1000 * reply.cookie,
                                 lengths[reply.cookie], 1), 0);
    }
    close_client(&client);
    detach(0);
}

/* --- FLUSH over both paths (C5) ------------------------------------------- */

struct event {
    bool is_submit;
    char op;         /* its first letter */
    bool is_fua;
    uint64_t offset;
};

static struct event events[4096];
static unsigned nr_events;

static void read_record(void)
{
    char kind, op[16], flags[16], line[256];
    unsigned long long offset;
    FILE *file = fopen(nbd_journal, "r");

    REQUIRE(file);
    nr_events = 0;
    while (fgets(line, sizeof line, file) && nr_events < 4096) {
        REQUIRE(sscanf(line, "%c %*u %*u %15s %llu %*u %15s", &kind, op,
                       &offset, flags) == 4);
        events[nr_events++] = (struct event){
            .is_submit = kind == 'S', .op = op[0], .offset = offset,
            .is_fua = strcmp(flags, "FUA") == 0,
        };
    }
    fclose(file);
}

/* The first one from there on; nr_events if there is none. */
static unsigned find(unsigned from, bool is_submit, char op, uint64_t offset)
{
    unsigned i = from;

    while (i < nr_events &&
           (events[i].is_submit != is_submit || events[i].op != op ||
            (op == 'W' && events[i].offset != offset)))
        i++;
    return i;
}

/* Each write was complete, then a flush began and ended, and all this before
 * the next write began (which was when the FLUSH had been answered). */
static void judge_record(unsigned rounds)
{
    unsigned right = 0;

    read_record();
    for (unsigned i = 0; i < rounds; i++) {
        unsigned at = find(0, false, 'W', (uint64_t)i * 8192);

        at = find(at, true, 'F', 0);
        at = find(at, false, 'F', 0);
        right += at < find(0, true, 'W', (uint64_t)(i + 1) * 8192);
    }
    CHECK_EQ(right, rounds);
}

static int ring_write(uint64_t sector)
{
    struct blkif_wire_request r = rig_request(&guest, BLKIF_OP_WRITE, sector, 1,
                                              true);
    int status = rig_do(&guest, r);

    rig_end_grants(&guest, &r);
    return status;
}

static int ring_flush(void)
{
    return rig_do(&guest, (struct blkif_wire_request){
        .operation = BLKIF_OP_FLUSH_DISKCACHE, .id = 7 });
}

/* A flush is running already whenever one of ours comes: another client sees
 * to that. One that joined it would cover nothing. */
static void flush_on(bool is_ring_flush)
{
    enum { ROUNDS = 20 };
    struct nbd_client_answer answer = { 0 };
    struct nbd_client_reply reply;
    char engine[256];

    nbd_rig_make_file(nbd_journal, 0);
    snprintf(engine, sizeof engine,
             "log:file='%s'/delay:flush=5ms/mem:size=8M", nbd_journal);
    nbd_rig_open(engine, NULL);
    nbd_client_open(&client, nbd_path, true);
    nbd_client_open(&other, nbd_path, true);
    rig_guest_open(&rig, &guest, RIG_DOMID, BLKIF_ABI_NATIVE);
    REQUIRE(rig_connect(&rig, &guest, RIG_DOMID, 1) == 0);
    for (unsigned i = 0; i <= ROUNDS; i++) {
        if (i < ROUNDS)
            nbd_client_ask(&other, NBD_WIRE_CMD_FLUSH, 0, 0, 0);
        if (is_ring_flush) {
            CHECK_EQ(write_at(&client, (uint64_t)i * 8192, 4096, i), 0);
            CHECK_EQ(ring_flush(), BLKIF_RSP_OKAY);
        } else {
            CHECK_EQ(ring_write((uint64_t)i * 16), BLKIF_RSP_OKAY);
            CHECK_EQ(nbd_client_flush(&client), 0);
        }
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        REQUIRE(nbd_client_next(&other, &reply));
        CHECK(!nbd_client_take(&other, &reply, 0, NULL, 0, &answer));
        CHECK_EQ(answer.error, 0);
    }
    CHECK_EQ(rig_disconnect(&rig, &guest, 1), 0);
    rig_guest_close(&guest);
    close_client(&client);
    close_client(&other);
    detach(0);
    judge_record(ROUNDS);
}

static void check_ring_flush(void)
{
    flush_on(true);
}

static void check_nbd_flush(void)
{
    flush_on(false);
}

static void open_logged_file(void)
{
    char engine[256];

    nbd_rig_make_file(nbd_journal, 0);
    snprintf(engine, sizeof engine, "log:file='%s'/aio", nbd_journal);
    nbd_rig_open_file(engine, 8 * MIB);
    nbd_client_open(&client, nbd_path, true);
}

static void check_fua(void)
{
    open_logged_file();
    nbd_client_do(&client, NBD_WIRE_CMD_WRITE, 0, 0, 4096, data);
    nbd_client_do(&client, NBD_WIRE_CMD_WRITE, NBD_WIRE_FLAG_FUA, MIB, 2 * MIB,
                  data);
    nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, NBD_WIRE_FLAG_FUA, 0,
                  4096, NULL);
    read_record();
    CHECK(!events[find(0, true, 'W', 0)].is_fua);
    for (unsigned i = 0; i < 2 * MIB / PIECE; i++)
        CHECK(events[find(0, true, 'W', MIB + i * PIECE)].is_fua);
    /* where the engine has no such thing, a flush after it */
    CHECK(find(find(0, false, 'Z', 0), true, 'F', 0) < nr_events);
    close_client(&client);
    detach(0);
}

static void check_zero_flags(void)
{
    static const struct {
        uint16_t flags;
        const char *said;
    } cases[] = {
        { 0, "-" },
        { NBD_WIRE_FLAG_NO_HOLE, "NO_HOLE" },
        { NBD_WIRE_FLAG_FAST_ZERO, "FAST" },
        { NBD_WIRE_FLAG_NO_HOLE | NBD_WIRE_FLAG_FAST_ZERO, "NO_HOLE+FAST" },
    };
    char line[64];

    open_logged_file();
    for (unsigned i = 0; i < 4; i++) {
        nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES, cases[i].flags,
                      i * 65536, 65536, NULL);
        snprintf(line, sizeof line, "ZERO %u 65536 %s -", i * 65536,
                 cases[i].said);
        CHECK_EQ(rig_occurrences(nbd_journal, line), 1);
    }
    close_client(&client);
    detach(0);
}

/* Data lies in memory as it lies on the disk: the blocks that are whole go from
 * where they are, and the edges alone are merged (C13). */
static void check_edges(void)
{
    open_logged_file();
    CHECK_EQ(write_at(&client, 1003, 100000, 1), 0);
    read_record();
    CHECK(find(0, true, 'W', 512) < nr_events);
    CHECK(find(0, true, 'W', 1024) < nr_events);
    CHECK_EQ(read_at(&client, 1003, 100000), 0);
    CHECK_EQ(nbd_differences(data, 1003, 100000, 1), 0);
    close_client(&client);
    detach(0);
}

/* --- errors --------------------------------------------------------------- */

static struct nbd_client_answer long_read(void)
{
    nbd_client_ask(&client, NBD_WIRE_CMD_READ, 0, 0, 4 * MIB);
    return nbd_client_answer(&client, 0, data, 4 * MIB);
}

static void check_read_errors(void)
{
    struct nbd_client_answer answer;

    nbd_rig_open("error:read=EIO,range=1M+4K/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    answer = long_read();
    CHECK_EQ(answer.error, NBD_WIRE_EIO);
    CHECK_EQ(answer.error_offset, MIB);
    CHECK_EQ(read_at(&client, MIB, 512), NBD_WIRE_EIO);
    CHECK_EQ(read_at(&client, 0, 4096), 0);
    nbd_client_open(&other, nbd_path, false);
    CHECK_EQ(read_at(&other, MIB, 2 * MIB), NBD_WIRE_EIO); /* at once */
    CHECK_EQ(read_at(&other, 0, 4096), 0);
    CHECK_EQ(read_at(&other, 0, 4 * MIB), UINT32_MAX); /* halfway */
    nbd_client_drop(&other);
    CHECK_EQ(nbd_rig_stats().lost, 1);
    CHECK_EQ(nbd_rig_stats().errors[NBD_WIRE_CMD_READ], 4);
    close_client(&client);
    detach(0);
}

static void check_first_error(void)
{
    struct nbd_client_answer answer;

    nbd_rig_open("error:read=EIO,range=4K+4K/"
                 "error:read=ENOMEM,range=1M+4K/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    answer = long_read();
    CHECK_EQ(answer.error, NBD_WIRE_EIO);
    CHECK_EQ(answer.error_offset, 0); /* of its piece */
    close_client(&client);
    detach(0);
}

static void check_write_errors(void)
{
    for (unsigned is_structured = 0; is_structured < 2; is_structured++) {
        nbd_rig_open("error:write=EIO,range=1M+4K/"
                     "error:write=ENOSPC,range=7M+4K/mem:size=8M", NULL);
        nbd_client_open(&client, nbd_path, is_structured);
        CHECK_EQ(write_at(&client, 0, 4 * MIB, 1), NBD_WIRE_EIO);
        CHECK_EQ(read_at(&client, 0, PIECE), 0);
        CHECK_EQ(nbd_differences(data, 0, PIECE, 1), 0);
        CHECK_EQ(write_at(&client, 7 * MIB, 512, 1), NBD_WIRE_ENOSPC);
        CHECK_EQ(write_at(&client, 5 * MIB, 512, 1), 0);
        CHECK_EQ(nbd_rig_stats().errors[NBD_WIRE_CMD_WRITE], 2);
        close_client(&client);
        detach(0);
    }
}

static void check_unsupported(void)
{
    nbd_rig_open("error:discard=EOPNOTSUPP,zero=EOPNOTSUPP/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    CHECK(client.flags & NBD_WIRE_SEND_TRIM);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_TRIM, 0, 0, 4096, NULL), 0);
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_WRITE_ZEROES,
                           NBD_WIRE_FLAG_FAST_ZERO, 0, 4096, NULL),
             NBD_WIRE_ENOTSUP);
    close_client(&client);
    detach(0);
}

static void check_fail_stop(void)
{
    nbd_rig_open("error:flush=EIO,retry=no,after=1/mem:size=8M", NULL);
    nbd_client_open(&client, nbd_path, true);
    nbd_client_open(&other, nbd_path, false);
    CHECK_EQ(write_at(&client, 0, 4096, 1), 0);
    CHECK_EQ(nbd_client_flush(&client), 0);
    CHECK_EQ(nbd_client_flush(&client), NBD_WIRE_EIO);
    rig.told.type = 0;
    CHECK(rig_is_told(&rig, MESSAGE_FAIL_STOP));
    for (unsigned i = 0; i < 2; i++) {
        struct nbd_client *c = i ? &other : &client;

        CHECK_EQ(read_at(c, 0, 4096), NBD_WIRE_EIO);
        CHECK_EQ(read_at(c, 0, 4 * MIB), NBD_WIRE_EIO);
        CHECK_EQ(write_at(c, 0, 4 * MIB, 1), NBD_WIRE_EIO);
        CHECK_EQ(nbd_client_flush(c), NBD_WIRE_EIO);
        CHECK_EQ(nbd_client_do(c, NBD_WIRE_CMD_TRIM, 0, 0, 4096, NULL),
                 NBD_WIRE_EIO);
    }
    CHECK_EQ(nbd_client_do(&client, NBD_WIRE_CMD_BLOCK_STATUS, 0, 0, 4096,
                           NULL), NBD_WIRE_EIO);
    close_client(&client);
    close_client(&other);
    detach(-EIO);
}

/* --- size (C14) ----------------------------------------------------------- */

static void check_resize(void)
{
    nbd_rig_open_file("aio", 4 * MIB);
    nbd_client_open(&client, nbd_path, true);
    REQUIRE(truncate(nbd_target, 8 * MIB) == 0);
    CHECK_EQ(rig_ask(&rig, (struct message){ .type = MESSAGE_RESIZE }).error,
             0);
    CHECK_EQ(write_at(&client, 4 * MIB, 512, 1), NBD_WIRE_ENOSPC);
    nbd_client_open(&other, nbd_path, true);
    CHECK_EQ(other.size_bytes, 8 * MIB);
    CHECK_EQ(write_at(&other, 4 * MIB, 512, 1), 0);
    close_client(&client);
    close_client(&other);
    detach(0);
}

int main(void)
{
    nbd_rig_files();
    TEST("answers come in the order in which they are there",
         check_out_of_order);
    TEST("nothing stands between the data of a simple reply",
         check_simple_replies);
    TEST("a FLUSH on the ring covers what NBD has acknowledged",
         check_ring_flush);
    TEST("a FLUSH on NBD covers what the ring has acknowledged",
         check_nbd_flush);
    TEST("FUA makes each piece of a write durable", check_fua);
    TEST("what may be done to zeros reaches the engine", check_zero_flags);
    TEST("of odd bytes the edges alone are merged", check_edges);
    TEST("a read that fails halfway says where, or ends the connection",
         check_read_errors);
    TEST("the first error of a request is its error", check_first_error);
    TEST("a write that fails halfway is read to its end", check_write_errors);
    TEST("advice that cannot be followed is answered OK, FAST is not",
         check_unsupported);
    TEST("in fail-stop every request is answered EIO", check_fail_stop);
    TEST("a disk that has grown has grown for those who connect later",
         check_resize);
    nbd_rig_remove_files();
    return tap_done();
}
