/* SPDX-License-Identifier: MIT
 * Claim: whatever a front end writes into its rings, and whatever it takes
 * away or leaves while requests are in flight, comes to what docs/PROTOCOL.md
 * says: its ring at most, never what was judged before, never a neighbour.
 * Source: docs/PROTOCOL.md section 8; XSA-155, XSA-365.
 * Mechanism: misbehave-rows.h, on a disk whose requests take 10 ms. */
#include "tests/unit/misbehave-rows.h"

enum { SLOTS = 32, EVENTS = 50000 };

static const struct wish plain;

/* --- the ring ------------------------------------------------------------- */

static char *ring_page(unsigned queue)
{
    return rig_frame(&offender.guest,
                     RIG_RING_FRAME + queue * BLKIF_MAX_RING_PAGES);
}

static volatile uint32_t *ring_index(unsigned queue, size_t offset)
{
    return (volatile uint32_t *)(void *)(ring_page(queue) + offset);
}

#define INDEX(queue, field)                                                  \
    ring_index((queue), offsetof(struct blkif_sring, field))

static void set(volatile uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_SEQ_CST);
}

static uint32_t get(volatile uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_SEQ_CST);
}

static void notify(unsigned queue)
{
    local_event_notify(offender.guest.local, offender.guest.queues[queue].port);
}

/* A worker that has taken all there is asks for an event at the next. */
static bool is_taken(unsigned queue)
{
    uint32_t next = offender.guest.queues[queue].ring.req_prod + 1;
    uint64_t end = host_now_us() + 10000000;

    while (get(INDEX(queue, req_event)) != next && host_now_us() < end)
        usleep(100);
    return get(INDEX(queue, req_event)) == next;
}

static bool is_in_flight(void)
{
    return get(INDEX(0, rsp_prod)) != offender.guest.queues[0].ring.req_prod;
}

static void put(const struct blkif_wire_request *r)
{
    front_ring_put(&offender.guest.queues[0].ring, r);
    rig_push(&offender.guest);
}

/* The answer to the only request in flight. */
static enum outcome take_answer(uint64_t id)
{
    struct blkif_wire_response response = { .status = 99 };

    CHECK_EQ(rig_wait(&offender.guest, &response, 1, 10), 1);
    CHECK_EQ(response.id, id);
    return outcome_of(response.status);
}

/* Closed with a sentence, which the row has. */
static enum outcome outcome_of_break(void)
{
    return back_settles(offender.device, XENBUS_CLOSED, XENBUS_CLOSED) ==
                   XENBUS_CLOSED && rig_exists(offender.device->back, "error")
               ? BROKEN : NO_OUTCOME;
}

/* --- indices -------------------------------------------------------------- */

/* Ten requests have been answered; then the producer index is moved by so
 * much. */
static enum outcome move_producer(const void *with)
{
    const uint32_t *by = with;

    offender_join(PLAIN, plain);
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(outcome_of_io(), SERVED);
    set(INDEX(0, req_prod), get(INDEX(0, req_prod)) + *by);
    notify(0);
    return outcome_of_break();
}

static enum outcome break_second_queue(const void *with)
{
    (void)with;
    offender_join(PLAIN, (struct wish){ .more_queues = 1 });
    CHECK_EQ(outcome_of_io(), SERVED);
    set(INDEX(1, req_prod), SLOTS + 1);
    notify(1);
    return outcome_of_break();
}

/* Slots of zeros are READs of nothing. */
static enum outcome push_empty_slots(const void *with)
{
    struct blkif_wire_response responses[SLOTS];
    unsigned nr;

    (void)with;
    offender_join(PLAIN, plain);
    offender.guest.queues[0].ring.req_prod += SLOTS;
    rig_push(&offender.guest);
    nr = rig_wait(&offender.guest, responses, SLOTS, 10);
    CHECK_EQ(nr, SLOTS);
    for (unsigned i = 0; i < nr; i++) {
        CHECK_EQ(responses[i].status, BLKIF_RSP_ERROR);
        CHECK_EQ(responses[i].id, 0);
    }
    CHECK_EQ(outcome_of_io(), SERVED);
    return nr ? outcome_of(responses[0].status) : NO_OUTCOME;
}

/* The index goes back behind what is in flight, which is written. */
static enum outcome unpush(const void *with)
{
    struct blkif_wire_request r;
    enum outcome outcome;

    (void)with;
    offender_join(PLAIN, plain);
    r = rig_request(&offender.guest, BLKIF_OP_WRITE, ROW_SECTOR, 2, true);
    put(&r);
    CHECK(is_taken(0));
    set(INDEX(0, req_prod), 0);
    notify(0);
    outcome = outcome_of_break();
    rig_end_grants(&offender.guest, &r);
    offender.has_written = true;
    return outcome;
}

struct scribble {
    size_t offset;
    uint32_t value;
};

/* Before each of ten requests, which are looked for and not waited for. */
static enum outcome scribble(const void *with)
{
    const struct scribble *what = with;
    struct front_ring *ring = &offender.guest.queues[0].ring;
    struct blkif_wire_request r;

    offender_join(PLAIN, plain);
    r = rig_request(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 1, false);
    for (unsigned i = 0; i < 10; i++) {
        struct blkif_wire_response response = { .status = 99 };
        uint64_t end = host_now_us() + 10000000;
        int nr = 0;

        r.id = i;
        front_ring_put(ring, &r);
        set(ring_index(0, what->offset), what->value);
        front_ring_push(ring);
        notify(0);
        /* what is scribbled into rsp_prod is not an answer */
        while (host_now_us() < end && (nr != 1 || response.id != i)) {
            usleep(500);
            if (get(INDEX(0, rsp_prod)) == i + 1)
                nr = front_ring_take(ring, &response, 1);
        }
        CHECK_EQ(response.status, BLKIF_RSP_OKAY);
        CHECK_EQ(response.id, i);
    }
    rig_end_grants(&offender.guest, &r);
    front_ring_final_check(ring);
    return outcome_of_io();
}

/* --- slots ---------------------------------------------------------------- */

/* A WRITE that becomes one of other pages, to another place, once taken. */
static enum outcome rewrite_slot(const void *with)
{
    struct blkif_wire_request r, other;
    enum outcome outcome;

    (void)with;
    offender_join(PLAIN, plain);
    r = rig_request(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 1, false);
    r.id = 1;
    other = rig_request_at(&offender.guest, BLKIF_OP_WRITE, OWN_SECTOR,
                           RIG_DATA_FRAME + 1, 11, false);
    other.id = 2;
    put(&r);
    CHECK(is_taken(0));
    offender.guest.queues[0].ring.req_prod--;
    front_ring_put(&offender.guest.queues[0].ring, &other);
    CHECK(is_in_flight());
    outcome = take_answer(1);
    CHECK_EQ(rig_differences(&offender.guest, 1, 1), 0);
    CHECK_EQ(rig_frame(&offender.guest, RIG_DATA_FRAME + 1)[0], 0x5a);
    rig_end_grants(&offender.guest, &r);
    rig_end_grants(&offender.guest, &other);
    return outcome;
}

/* The disk's content becomes the ring's: its indices are 0x5a5a5a5a then. */
static enum outcome read_into_ring(const void *with)
{
    struct blkif_wire_request r;

    (void)with;
    offender_join(PLAIN, plain);
    r = rig_request(&offender.guest, BLKIF_OP_WRITE, ROW_SECTOR, 1, false);
    CHECK_EQ(rig_do(&offender.guest, r), BLKIF_RSP_OKAY);
    offender.has_written = true;
    rig_end_grants(&offender.guest, &r);
    r.operation = BLKIF_OP_READ;
    r.segments[0].gref = offender.guest.queues[0].grefs[0];
    put(&r);
    for (unsigned i = 0; i < 10000 && get(INDEX(0, req_event)) != 0x5a5a5a5a;
         i++)
        usleep(1000);
    notify(0);
    return outcome_of_break();
}

static enum outcome write_from_ring(const void *with)
{
    struct blkif_wire_request r;
    enum outcome outcome;

    (void)with;
    offender_join(PLAIN, plain);
    r = rig_request(&offender.guest, BLKIF_OP_WRITE, ROW_SECTOR, 1, false);
    rig_end_grants(&offender.guest, &r);
    r.segments[0].gref = offender.guest.queues[0].grefs[0];
    outcome = outcome_of(rig_do(&offender.guest, r));
    offender.has_written = true;
    CHECK_EQ(outcome_of_io(), SERVED);
    return outcome;
}

/* --- events --------------------------------------------------------------- */

/* Goes on until both neighbours have got on while it did. */
static enum outcome storm(const void *with)
{
    unsigned long before[2], sent = 0;
    uint64_t end;

    (void)with;
    offender_join(PLAIN, plain);
    for (unsigned i = 0; i < 2; i++)
        before[i] = rounds_of(i);
    end = host_now_us() + 10000000;
    while (sent < EVENTS || (host_now_us() < end &&
                             (rounds_of(0) < before[0] + 3 ||
                              rounds_of(1) < before[1] + 3))) {
        notify(0);
        sent++;
    }
    NOTE("%lu events; meanwhile the neighbours had %lu and %lu turns", sent,
         rounds_of(0) - before[0], rounds_of(1) - before[1]);
    for (unsigned i = 0; i < 2; i++)
        CHECK(rounds_of(i) >= before[i] + 3);
    return outcome_of_io();
}

/* --- what is taken away in mid-I/O ---------------------------------------- */

struct theft {
    uint8_t operation; /* INDIRECT: a READ, and its descriptors' page */
    bool rewrites;     /* the descriptors, rather than take them back */
};

/* Every descriptor speaks of the last page, up to sector 255. */
static void rewrite_descriptors(void)
{
    struct blkif_request_segment *segments = rig_descriptors(&offender.guest);

    for (unsigned i = 0; i < 15; i++) {
        segments[i].gref = segments[15].gref;
        segments[i].last_sect = 255;
    }
}

static int steal(const struct theft *theft,
                 const struct blkif_wire_request *r)
{
    if (theft->rewrites) {
        rewrite_descriptors();
        return 0;
    }
    return local_grant_end(offender.guest.local,
                           theft->operation == BLKIF_OP_INDIRECT
                               ? r->indirect_grefs[0] : r->segments[0].gref);
}

static struct blkif_wire_request request_of(const struct theft *theft,
                                            uint32_t *grefs)
{
    struct blkif_wire_request r;

    if (theft->operation != BLKIF_OP_INDIRECT)
        return rig_request(&offender.guest, theft->operation, ROW_SECTOR, 1,
                           false);
    r = rig_indirect(&offender.guest, BLKIF_OP_READ, OWN_SECTOR, 16, false);
    for (unsigned i = 0; i < 16; i++)
        grefs[i] = rig_descriptors(&offender.guest)[i].gref;
    return r;
}

/* Once more when the answer was faster than the theft. */
static enum outcome steal_in_flight(const void *with)
{
    const struct theft *theft = with;
    bool was_in_flight = false;
    enum outcome outcome = NO_OUTCOME;
    uint32_t grefs[16];

    offender_join(PLAIN, plain);
    for (unsigned i = 0; i < 20 && !was_in_flight; i++) {
        struct blkif_wire_request r = request_of(theft, grefs);

        fill_data();
        put(&r);
        CHECK(is_taken(0));
        CHECK_EQ(steal(theft, &r), 0);
        was_in_flight = is_in_flight();
        outcome = take_answer(r.id);
        if (theft->operation == BLKIF_OP_INDIRECT) {
            CHECK_EQ(rig_differences(&offender.guest, 16, 1), 0);
            for (unsigned n = 0; n < 16; n++)
                CHECK_EQ(local_grant_end(offender.guest.local, grefs[n]), 0);
        }
        if (theft->rewrites)
            CHECK_EQ(local_grant_end(offender.guest.local,
                                     r.indirect_grefs[0]), 0);
    }
    CHECK(was_in_flight);
    if (theft->operation != BLKIF_OP_INDIRECT)
        CHECK(data_is_untouched());
    offender.has_written = theft->operation == BLKIF_OP_WRITE;
    return outcome;
}

/* It cannot be taken back, and wiping its entry takes nothing back. */
static enum outcome wipe_ring_grant(const void *with)
{
    uint32_t gref;
    struct grant_entry_v1 *entry, was;
    enum outcome outcome;

    (void)with;
    offender_join(PLAIN, plain);
    gref = offender.guest.queues[0].grefs[0];
    CHECK_EQ(local_grant_end(offender.guest.local, gref), -EBUSY);
    entry = (struct grant_entry_v1 *)(void *)rig_frame(&offender.guest, 0) +
            gref;
    was = *entry;
    *entry = (struct grant_entry_v1){ .flags = 0 };
    outcome = outcome_of_io();
    *entry = was;
    return outcome;
}

/* --- leaving in mid-I/O --------------------------------------------------- */

static struct blkif_wire_request begin_write(void)
{
    struct blkif_wire_request r;

    offender_join(PLAIN, plain);
    r = rig_request(&offender.guest, BLKIF_OP_WRITE, ROW_SECTOR, 11, false);
    put(&r);
    CHECK(is_taken(0));
    offender.has_written = true;
    return r;
}

static enum outcome close_in_flight(const void *with)
{
    struct blkif_wire_request r = begin_write();
    enum outcome outcome;

    (void)with;
    rig_front(offender.device, "5");
    outcome = take_answer(r.id);
    CHECK(rig_back_is(offender.device, "5"));
    r.operation = BLKIF_OP_READ; /* and it goes on being served */
    memset(rig_frame(&offender.guest, RIG_DATA_FRAME), 0,
           11 * (size_t)LOCAL_PAGE_BYTES);
    CHECK_EQ(rig_do(&offender.guest, r), BLKIF_RSP_OKAY);
    CHECK(data_is_untouched()); /* as it was written */
    rig_end_grants(&offender.guest, &r);
    return outcome;
}

/* To a state; the request is finished first, whoever wants its answer. */
static enum outcome leave_in_flight(const void *with)
{
    const char *state = with;
    struct blkif_wire_request r = begin_write();
    enum outcome outcome;

    rig_front(offender.device, state);
    outcome = outcome_of_state(XENBUS_INIT_WAIT);
    rig_end_grants(&offender.guest, &r);
    return outcome;
}

static enum outcome delete_front_in_flight(const void *with)
{
    struct blkif_wire_request r = begin_write();
    enum outcome outcome;

    (void)with;
    rig_remove(offender.device->front);
    outcome = outcome_of_state(XENBUS_CLOSED);
    rig_end_grants(&offender.guest, &r);
    remake_nodes();
    return outcome;
}

/* And is made again by the same number. */
static enum outcome die_in_flight(const void *with)
{
    enum outcome outcome;

    (void)with;
    begin_write();
    local_close(offender.guest.local);
    outcome = outcome_of_state(XENBUS_CLOSED);
    open_guest(&offender.guest, OFFENDER);
    return outcome;
}

/* -------------------------------------------------------------------------- */

#define BY(n) move_producer, &(const uint32_t){ n }
#define SCRIBBLE(field, n)                                                   \
    scribble, &(const struct scribble){ offsetof(struct blkif_sring, field), n }
#define STEAL(op, rewrites)                                                  \
    steal_in_flight, &(const struct theft){ op, rewrites }
#define AHEAD "request producer index is further ahead than the ring is long"

static const struct row rows[] = {
    { 66, "producer index one further than the ring", BROKEN, AHEAD,
      BY(SLOTS + 1) },
    { 67, "producer index 2^31 ahead", BROKEN, AHEAD, BY(UINT32_C(1) << 31) },
    { 68, "producer index back by 1", BROKEN, AHEAD, BY(UINT32_MAX) },
    { 69, "producer index back by 11, to 2^32 - 1", BROKEN, AHEAD,
      BY(UINT32_MAX - 10) },
    { 70, "producer index back behind what is in flight", BROKEN, AHEAD,
      unpush, NULL },
    { 71, "producer index of one of two queues too far", BROKEN, AHEAD,
      break_second_queue, NULL },
    { 72, "producer index ahead over slots never written", ERROR, NULL,
      push_empty_slots, NULL },
    { 73, "rsp_prod written over with 0", SERVED, NULL,
      SCRIBBLE(rsp_prod, 0) },
    { 74, "rsp_prod written over with 2^32 - 1", SERVED, NULL,
      SCRIBBLE(rsp_prod, UINT32_MAX) },
    { 75, "req_event written over with 0", SERVED, NULL,
      SCRIBBLE(req_event, 0) },
    { 76, "req_event far ahead", SERVED, NULL,
      SCRIBBLE(req_event, 0x7fffffff) },
    { 77, "rsp_event written over with 0", SERVED, NULL,
      SCRIBBLE(rsp_event, 0) },
    { 78, "rsp_event far ahead", SERVED, NULL,
      SCRIBBLE(rsp_event, 0x7fffffff) },
    { 79, "slot rewritten after the push (XSA-155)", OKAY, NULL,
      rewrite_slot, NULL },
    { 80, "READ into the ring itself", BROKEN, AHEAD, read_into_ring, NULL },
    { 81, "WRITE out of the ring itself", OKAY, NULL,
      write_from_ring, NULL },
    { 82, "50000 events for nothing", SERVED, NULL,
      storm, NULL },

    { 83, "page of a READ taken back in flight (XSA-365)", ERROR, NULL,
      STEAL(BLKIF_OP_READ, false) },
    { 84, "page of a WRITE taken back in flight", OKAY, NULL,
      STEAL(BLKIF_OP_WRITE, false) },
    { 85, "indirect page taken back in flight", OKAY, NULL,
      STEAL(BLKIF_OP_INDIRECT, false) },
    { 86, "descriptors rewritten in flight (XSA-155)", OKAY, NULL,
      STEAL(BLKIF_OP_INDIRECT, true) },
    { 87, "grant of the ring wiped out while connected", SERVED, NULL,
      wipe_ring_grant, NULL },

    { 88, "Closing with a request in flight", OKAY, NULL,
      close_in_flight, NULL },
    { 89, "Closed with a request in flight", CLOSED, NULL,
      leave_in_flight, "6" },
    { 90, "Initialising with a request in flight", RESTARTED, NULL,
      leave_in_flight, "1" },
    { 91, "its directory deleted with a request in flight", CLOSED, NULL,
      delete_front_in_flight, NULL },
    { 92, "domain destroyed with a request in flight", CLOSED, NULL,
      die_in_flight, NULL },
};

int main(void)
{
    return run_rows(rows, sizeof rows / sizeof *rows,
                    "delay:read=10ms,write=10ms/mem:size=4M");
}
