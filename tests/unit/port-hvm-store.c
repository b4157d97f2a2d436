/* SPDX-License-Identifier: MIT
 * Claim: XenStore's ring is spoken as its other end does, in whatever pieces
 * messages come and go; watch events are counted, and none is lost when it
 * comes before an answer; and whatever an end that lies puts into the ring,
 * every request comes to an end, and nothing is asked any more. Source:
 * xen/io/xs_wire.h, docs/misc/xenstore.txt. Mechanism: the other end is a
 * script of the test's; it moves while the port sleeps, if it has been told to. */
#include "frontend/port-hvm/private.h"

#include "tests/unit/tap.h"

#include <errno.h>

#include <xen/hvm/params.h>
#include <xen/io/xs_wire.h>

enum { PORT = 7, PAGE_BYTES = 4096, ANY = 1 << 30, MAX_SLEEPS = 100000 };
/* Indices that are about to begin anew. */
static const uint32_t first_request = UINT32_MAX - 19,
                      first_answer = UINT32_MAX - 31;

static struct xenstore_domain_interface *ring;

/* --- the other end -------------------------------------------------------- */

struct message {
    uint32_t type;     /* 0: that of the request */
    const char *text;
    size_t bytes;      /* 0: of text, without its end */
    uint32_t wrong_id; /* how far off */
};

static struct {
    struct message script[4]; /* what each request is answered; types end it */
    unsigned nr_messages;
    uint32_t piece; /* it takes and gives no more bytes at a time */
    char taken[8192], given[16384];
    size_t nr_taken, nr_given, nr_sent; /* nr_given: still to come */
    void (*lie)(void); /* instead of all that */
    unsigned nr_sleeps, nr_sentences;
    uint32_t last_id;
    bool is_awake;  /* it has been notified, and has something to do */
    bool is_marked; /* the port has been */
    bool is_quick;  /* it moves just before the port sleeps */
} end;

static void queue(const void *data, size_t bytes)
{
    REQUIRE(end.nr_given + bytes <= sizeof end.given);
    memcpy(end.given + end.nr_given, data, bytes);
    end.nr_given += bytes;
}

static void say(const struct message *message,
                const struct xsd_sockmsg *request)
{
    size_t bytes = message->bytes ? message->bytes : strlen(message->text);
    struct xsd_sockmsg header = {
        .type = message->type ? message->type : request->type,
        .req_id = request->req_id + message->wrong_id,
        .len = (uint32_t)bytes,
    };

    queue(&header, sizeof header);
    for (size_t i = 0; i < bytes; i++)
        queue(message->bytes ? "x" : &message->text[i], 1);
}

static void take(void)
{
    struct xsd_sockmsg request;
    size_t before = end.nr_taken;

    for (uint32_t i = 0; i < end.piece && ring->req_cons != ring->req_prod;
         i++) {
        REQUIRE(end.nr_taken < sizeof end.taken);
        end.taken[end.nr_taken++] =
            ring->req[MASK_XENSTORE_IDX(ring->req_cons++)];
    }
    memcpy(&request, end.taken, sizeof request);
    if (end.nr_taken == before || end.nr_taken < sizeof request ||
        end.nr_taken < sizeof request + request.len)
        return;
    REQUIRE(end.nr_taken == sizeof request + request.len);
    CHECK(request.req_id != end.last_id);
    end.last_id = request.req_id;
    for (unsigned i = 0; i < end.nr_messages; i++)
        say(&end.script[i], &request);
    end.nr_messages = 0;
}

static void give(void)
{
    uint32_t room = XENSTORE_RING_SIZE - (ring->rsp_prod - ring->rsp_cons);

    for (uint32_t i = 0; i < end.piece && i < room &&
                         end.nr_sent < end.nr_given; i++)
        ring->rsp[MASK_XENSTORE_IDX(ring->rsp_prod++)] =
            end.given[end.nr_sent++];
}

/* It goes on at the next sleep, unless there is nothing to do, or no room. */
static void move(void)
{
    uint32_t taken = ring->req_cons, given = ring->rsp_prod;

    if (!end.is_awake)
        return;
    take();
    give();
    end.is_marked = ring->req_cons != taken || ring->rsp_prod != given;
    end.is_awake = end.is_marked && ring->rsp_prod - ring->rsp_cons <
                                        XENSTORE_RING_SIZE;
}

/* --- what store.c is linked with ------------------------------------------ */

void hvm_log(const char *sentence)
{
    (void)sentence;
    end.nr_sentences++;
}

static uint32_t missing_param = UINT32_MAX;

uint64_t hvm_param_get(uint32_t index)
{
    if (index == missing_param)
        return 0;
    return index == HVM_PARAM_STORE_PFN ? (uintptr_t)ring / PAGE_BYTES : PORT;
}

void hvm_event_adopt(evtchn_port_t port)
{
    CHECK_EQ(port, PORT);
}

bool hvm_event_take(evtchn_port_t port)
{
    bool was_marked = end.is_marked;

    CHECK_EQ(port, PORT);
    end.is_marked = false;
    if (end.is_quick)
        move();
    return was_marked;
}

void hvm_event_notify(evtchn_port_t port)
{
    CHECK_EQ(port, PORT);
    end.is_awake = true;
}

void hvm_event_sleep(evtchn_port_t port, uint64_t timeout_us)
{
    CHECK_EQ(port, PORT);
    CHECK(timeout_us > 0);
    CHECK(!end.is_marked); /* else Xen does not let it sleep */
    REQUIRE(++end.nr_sleeps < MAX_SLEEPS);
    if (end.lie)
        end.lie();
    else
        move();
}

/* --- the tests ------------------------------------------------------------ */

static void start(void)
{
    memset(ring, 0, sizeof *ring);
    ring->req_prod = ring->req_cons = first_request;
    ring->rsp_prod = ring->rsp_cons = first_answer;
    memset(&end, 0, sizeof end);
    end.piece = ANY;
    CHECK_EQ(hvm_store_start(), 0);
}

static void check_missing(void)
{
    missing_param = HVM_PARAM_STORE_PFN;
    CHECK_EQ(hvm_store_start(), -ENODEV);
    missing_param = HVM_PARAM_STORE_EVTCHN;
    CHECK_EQ(hvm_store_start(), -ENODEV);
    missing_param = UINT32_MAX;
}

static void script(struct message message)
{
    end.script[end.nr_messages++] = message;
    end.nr_taken = 0;
}

static void check_request(uint32_t type, const char *payload, size_t bytes)
{
    struct xsd_sockmsg request;

    memcpy(&request, end.taken, sizeof request);
    CHECK_EQ(end.nr_taken, sizeof request + bytes);
    CHECK_EQ(request.type, type);
    CHECK_EQ(request.tx_id, 0);
    CHECK_EQ(request.len, bytes);
    CHECK(memcmp(end.taken + sizeof request, payload, bytes) == 0);
}
#define CHECK_REQUEST(type, payload)                                         \
    check_request((type), (payload), sizeof(payload) - 1)

static void check_requests(void)
{
    char value[32];

    start();
    script((struct message){ .text = "4" });
    CHECK_EQ(hvm_store_read("a/state", value, sizeof value), 1);
    CHECK_STR(value, "4");
    CHECK_REQUEST(XS_READ, "a/state\0");
    script((struct message){ .text = "OK", .bytes = 3 });
    CHECK_EQ(hvm_store_write("a/state", "3"), 0);
    CHECK_REQUEST(XS_WRITE, "a/state\0" "3");
    script((struct message){ .text = "OK" });
    CHECK_EQ(hvm_store_remove("a"), 0);
    CHECK_REQUEST(XS_RM, "a\0");
    script((struct message){ .text = "OK" });
    CHECK_EQ(hvm_store_watch("a", true), 0);
    CHECK_REQUEST(XS_WATCH, "a\0port\0");
    script((struct message){ .text = "OK" });
    CHECK_EQ(hvm_store_watch("a", false), 0);
    CHECK_REQUEST(XS_UNWATCH, "a\0port\0");
    script((struct message){ .text = "51712" });
    CHECK_EQ(hvm_store_list("device/vbd", value, sizeof value), 5);
    CHECK_REQUEST(XS_DIRECTORY, "device/vbd\0");
    CHECK_EQ(end.nr_sentences, 0);
}

static void check_pieces(void)
{
    static char value[4097], wanted[3000];

    memset(wanted, 'x', sizeof wanted);
    for (uint32_t piece = 1; piece < 40; piece++) {
        start();
        end.piece = piece;
        script((struct message){ .type = XS_WATCH_EVENT, .text = "a" });
        script((struct message){ .text = "", .bytes = sizeof wanted });
        CHECK_EQ(hvm_store_read("the/path", value, sizeof value),
                 sizeof wanted);
        CHECK(memcmp(value, wanted, sizeof wanted) == 0);
        CHECK_REQUEST(XS_READ, "the/path\0");
        CHECK_EQ(end.nr_given, end.nr_sent);
    }
}

static void check_quick_answer(void)
{
    char value[8];

    start();
    end.is_quick = true;
    script((struct message){ .text = "1" });
    CHECK_EQ(hvm_store_read("a", value, sizeof value), 1);
    CHECK_EQ(end.nr_sleeps, 0);
}

static void check_long_request(void)
{
    static char path[3000], value[1200];

    start();
    memset(path, 'p', sizeof path - 1);
    memset(value, 'v', 1000);
    script((struct message){ .text = "OK" });
    CHECK_EQ(hvm_store_write(path, value), 0);
    CHECK_EQ(end.nr_taken, sizeof(struct xsd_sockmsg) + sizeof path + 1000);
    memset(value, 'v', sizeof value - 1);
    CHECK_EQ(hvm_store_write(path, value), -E2BIG);
    CHECK_EQ(ring->req_prod, ring->req_cons);
}

static void check_watches(void)
{
    uint64_t before;
    char value[8];

    start();
    hvm_store_take_events();
    before = hvm_store_events();
    end.is_marked = true; /* by an answer */
    CHECK(!hvm_store_take_events());
    CHECK(!end.is_marked);
    for (int i = 0; i < 3; i++)
        script((struct message){ .type = XS_WATCH_EVENT, .text = "a" });
    script((struct message){ .text = "v" });
    CHECK_EQ(hvm_store_read("a", value, sizeof value), 1);
    CHECK_EQ(hvm_store_events(), before); /* wait() has not been called */
    CHECK(hvm_store_take_events());
    CHECK_EQ(hvm_store_events(), before + 3);
    CHECK(!hvm_store_take_events());

    /* and of its own accord, in two pieces */
    say(&(struct message){ .type = XS_WATCH_EVENT, .text = "path" },
        &(struct xsd_sockmsg){ 0 });
    end.piece = 18;
    give();
    CHECK(hvm_store_take_events());
    CHECK_EQ(hvm_store_events(), before + 4);
}

static void check_values_that_do_not_fit(void)
{
    char value[5];

    start();
    script((struct message){ .text = "1234" });
    CHECK_EQ(hvm_store_read("a", value, sizeof value), 4);
    CHECK_STR(value, "1234");
    script((struct message){ .text = "12345" });
    CHECK_EQ(hvm_store_read("a", value, sizeof value), -E2BIG);
    script((struct message){ .text = "", .bytes = XENSTORE_PAYLOAD_MAX });
    CHECK_EQ(hvm_store_read("a", value, sizeof value), -E2BIG);
    script((struct message){ .text = "" });
    CHECK_EQ(hvm_store_read("a", value, sizeof value), 0);
    CHECK_STR(value, "");
    CHECK_EQ(end.nr_sentences, 0);
}

static int answered(const char *text, size_t bytes)
{
    char value[8];

    script((struct message){ .type = XS_ERROR, .text = text,
                             .bytes = bytes });
    return hvm_store_read("a", value, sizeof value);
}

static void check_errors(void)
{
    start();
    CHECK_EQ(answered("ENOENT", 0), -ENOENT);
    CHECK_EQ(answered("EAGAIN", 0), -EAGAIN);
    CHECK_EQ(answered("EACCES", 0), -EACCES);
    CHECK_EQ(answered("E2BIG", 0), -E2BIG);
    CHECK_EQ(answered("ENOENTE", 0), -EIO);
    CHECK_EQ(answered("", 0), -EIO);
    CHECK_EQ(answered("", 3000), -EIO);
    CHECK_EQ(answered("EINVAL", 0), -EINVAL);
    CHECK_EQ(end.nr_sentences, 0);
}

/* The end has lied: -EIO, one sentence, and it is not asked again; until the
 * guest has been restored. */
static void check_is_left(void)
{
    uint32_t produced = ring->req_prod;
    char value[8];

    CHECK_EQ(end.nr_sentences, 1);
    CHECK_EQ(hvm_store_read("a", value, sizeof value), -EIO);
    CHECK_EQ(hvm_store_write("a", "b"), -EIO);
    CHECK(!hvm_store_take_events());
    CHECK_EQ(ring->req_prod, produced);
    CHECK_EQ(end.nr_sentences, 1);
    start();
    script((struct message){ .text = "1" });
    CHECK_EQ(hvm_store_read("a", value, sizeof value), 1);
}

/* The answer is there, and more. */
static void read_after(void (*lie)(void))
{
    char value[8];

    start();
    script((struct message){ .text = "1" });
    end.lie = lie;
    CHECK_EQ(hvm_store_read("a", value, sizeof value), -EIO);
    check_is_left();
}

static void write_too_much(void)
{
    take();
    give();
    ring->rsp_prod = ring->rsp_cons + XENSTORE_RING_SIZE + 1;
}

static void go_back(void)
{
    take();
    give();
    ring->rsp_prod = ring->rsp_cons - 1;
}

static void check_answer_index(void)
{
    read_after(write_too_much);
    read_after(go_back);
}

static void check_request_index(void)
{
    char value[8];

    start();
    ring->req_cons = ring->req_prod + 1;
    CHECK_EQ(hvm_store_read("a", value, sizeof value), -EIO);
    check_is_left();
    start();
    ring->req_cons = ring->req_prod - XENSTORE_RING_SIZE - 1;
    CHECK_EQ(hvm_store_read("a", value, sizeof value), -EIO);
    check_is_left();
}

static void check_answer(struct message message)
{
    char value[8];

    start();
    script(message);
    CHECK_EQ(hvm_store_read("a", value, sizeof value), -EIO);
    check_is_left();
}

static void check_wrong_answers(void)
{
    check_answer((struct message){ .text = "1", .wrong_id = 1 });
    check_answer((struct message){ .text = "1", .wrong_id = UINT32_MAX });
    check_answer((struct message){ .text = "1", .type = XS_WRITE });
    check_answer((struct message){ .text = "1", .type = XS_INVALID });
    check_answer((struct message){ .text = "ENOENT", .type = XS_ERROR,
                                   .wrong_id = 1 });
    check_answer((struct message){ .text = "",
                                   .bytes = XENSTORE_PAYLOAD_MAX + 1 });
    check_answer((struct message){ .text = "", .type = XS_WATCH_EVENT,
                                   .bytes = XENSTORE_PAYLOAD_MAX + 1 });
}

static void give_unasked(struct message message)
{
    start();
    say(&message, &(struct xsd_sockmsg){ .type = XS_READ });
    give();
    CHECK(!hvm_store_take_events());
    check_is_left();
}

static void check_unasked(void)
{
    give_unasked((struct message){ .text = "1" });
    give_unasked((struct message){ .text = "",
                                   .bytes = XENSTORE_PAYLOAD_MAX + 1 });
    give_unasked((struct message){ .text = "", .type = XS_WATCH_EVENT,
                                   .bytes = XENSTORE_PAYLOAD_MAX + 1 });
    start();
    write_too_much();
    CHECK(!hvm_store_take_events());
    check_is_left();
}

/* In the ring what could be types, lengths and the request's number; in the
 * indices small steps and large. */
static void rave(void)
{
    uint32_t *words = (void *)ring->rsp, *request = (void *)ring->req;

    for (unsigned i = 0; i < 64; i++) {
        const uint32_t likely[] = {
            XS_READ, XS_ERROR, XS_WATCH_EVENT, (uint32_t)rand() % 80,
            request[MASK_XENSTORE_IDX(first_request) / 4 + 1],
        };

        words[rand() % (XENSTORE_RING_SIZE / 4)] = likely[rand() % 5];
    }
    ring->req_cons = rand() % 50 ? ring->req_prod : (uint32_t)rand();
    ring->rsp_prod += (uint32_t)(rand() % (rand() % 50 ? 60 : 5000));
}

static void check_raving(void)
{
    unsigned nr_lies = 0;
    char value[64];

    srand((unsigned)tap_seed());
    for (unsigned long i = 0; i < tap_scaled(20000); i++) {
        int length;

        start();
        end.lie = rave;
        length = hvm_store_read("a/longer/path", value, sizeof value);
        CHECK(length < (int)sizeof value);
        hvm_store_take_events();
        CHECK(end.nr_sentences <= 1);
        nr_lies += end.nr_sentences;
    }
    NOTE("%u of %lu were found to lie", nr_lies, tap_scaled(20000));
}

int main(void)
{
    ring = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
    REQUIRE(ring);
    TEST("that there is no XenStore is an error", check_missing);
    TEST("each request is what the protocol wants", check_requests);
    TEST("messages come and go in pieces of any size", check_pieces);
    TEST("what comes before the sleep ends it", check_quick_answer);
    TEST("a request may be larger than the ring, not than a message",
         check_long_request);
    TEST("watch events are counted when they are waited for",
         check_watches);
    TEST("what does not fit is -E2BIG, and the next answer is the next",
         check_values_that_do_not_fit);
    TEST("errors have the numbers of their names", check_errors);
    TEST("an answer's index that cannot be ends it", check_answer_index);
    TEST("a request's index that cannot be ends it", check_request_index);
    TEST("an answer to something else, or too long, ends it",
         check_wrong_answers);
    TEST("so does one that nobody asked for", check_unasked);
    TEST("an end that raves is survived", check_raving);
    free(ring);
    return tap_done();
}
