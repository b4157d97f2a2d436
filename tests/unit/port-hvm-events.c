/* SPDX-License-Identifier: MIT
 * Claim: of each event channel what has fired is taken once, and no other's
 * mark is touched; all are masked from the start; to sleep names the channels
 * that are open, no more than Xen takes, and an end that Xen's clock can say.
 * Source: xen/event_channel.h, xen/sched.h. Mechanism: the shared info page is
 * the test's, and so are Xen's answers. */
#include "frontend/port-hvm/private.h"

#include "tests/unit/tap.h"

#include <errno.h>

#include <xen/memory.h>
#include <xen/sched.h>

enum {
    WORD_BITS = 8 * sizeof(xen_ulong_t),
    NR_PORTS = WORD_BITS * WORD_BITS,
    MAX_PORTS = 128,
};

static struct shared_info *shared;
static evtchn_port_t next_port, closed, notified;
static int alloc_error;
static struct sched_poll polled;
static evtchn_port_t polled_ports[MAX_PORTS];
static uint64_t clock_ns;
static bool uses_upcall;
static unsigned nr_upcall_ports;
static uint64_t upcall_end;
static uint16_t pic_masks = 0x8eb8;

/* --- what events.c is linked with ----------------------------------------- */

void *hvm_page_alloc(unsigned nr)
{
    REQUIRE(nr == 1);
    shared = aligned_alloc(HVM_PAGE_BYTES, HVM_PAGE_BYTES);
    REQUIRE(sizeof *shared <= HVM_PAGE_BYTES);
    return shared;
}

int hvm_page_replace(void *page, unsigned space, uint32_t index)
{
    CHECK_EQ((uintptr_t)page, (uintptr_t)shared);
    CHECK_EQ(space, XENMAPSPACE_shared_info);
    CHECK_EQ(index, 0);
    memset(page, 0, HVM_PAGE_BYTES);
    return 0;
}

static long event_op(uintptr_t command, void *argument)
{
    struct evtchn_alloc_unbound *alloc = argument;

    if (command == EVTCHNOP_close) {
        closed = ((struct evtchn_close *)argument)->port;
    } else if (command == EVTCHNOP_send) {
        notified = ((struct evtchn_send *)argument)->port;
    } else {
        CHECK_EQ(command, EVTCHNOP_alloc_unbound);
        CHECK_EQ(alloc->dom, DOMID_SELF);
        CHECK_EQ(alloc->remote_dom, 5);
        alloc->port = next_port++;
        return alloc_error;
    }
    return 0;
}

long hvm_hypercall(unsigned number, uintptr_t first, uintptr_t second,
                   uintptr_t third)
{
    (void)third;
    if (number == __HYPERVISOR_event_channel_op)
        return event_op(first, (void *)second);
    CHECK_EQ(number, __HYPERVISOR_sched_op);
    CHECK_EQ(first, SCHEDOP_poll);
    CHECK_EQ(pic_masks, 0xffff);
    polled = *(struct sched_poll *)second;
    REQUIRE(polled.nr_ports <= MAX_PORTS);
    memcpy(polled_ports, polled.ports.p,
           polled.nr_ports * sizeof *polled_ports);
    return 0;
}

uint64_t hvm_clock_ns(void)
{
    return clock_ns;
}

bool hvm_upcall_is_used(void)
{
    return uses_upcall;
}

void hvm_upcall_sleep(const evtchn_port_t *ports, unsigned nr,
                      uint64_t deadline_ns)
{
    (void)ports;
    CHECK_EQ(pic_masks, 0xffff);
    nr_upcall_ports = nr;
    upcall_end = deadline_ns;
}

uint16_t hvm_pic_mask(void)
{
    uint16_t before = pic_masks;

    pic_masks = 0xffff;
    return before;
}

void hvm_pic_unmask(uint16_t masks)
{
    pic_masks = masks;
}

/* --- the tests ------------------------------------------------------------ */

static unsigned nr_marks(void)
{
    unsigned nr = 0;

    for (unsigned i = 0; i < NR_PORTS; i++)
        nr += hvm_event_is_pending(i);
    return nr;
}

static void check_masks(void)
{
    const unsigned char *masks = (const void *)shared->evtchn_mask;
    unsigned nr_open = 0;

    for (unsigned i = 0; i < sizeof shared->evtchn_mask; i++)
        CHECK_EQ(masks[i], 0xff);
    hvm_event_mask(70, false);
    for (unsigned i = 0; i < sizeof shared->evtchn_mask; i++)
        nr_open += masks[i] != 0xff;
    CHECK_EQ(nr_open, 1);
    CHECK_EQ(masks[70 / 8], 0xff & ~(1 << 70 % 8));
    hvm_event_mask(70, true);
    CHECK_EQ(masks[70 / 8], 0xff);
}

static void check_marks(void)
{
    memset((void *)shared->evtchn_pending, 0xff,
           sizeof shared->evtchn_pending);
    for (unsigned i = 0; i < NR_PORTS; i += 37) {
        unsigned before = nr_marks();

        CHECK(hvm_event_take(i));
        CHECK(!hvm_event_is_pending(i));
        CHECK(!hvm_event_take(i));
        CHECK_EQ(nr_marks(), before - 1);
    }
    memset((void *)shared->evtchn_pending, 0,
           sizeof shared->evtchn_pending);
}

static void fire(evtchn_port_t port)
{
    ((unsigned char *)shared->evtchn_pending)[port / 8] |=
        (unsigned char)(1 << port % 8);
}

static void check_taken(void)
{
    const evtchn_port_t ports[] = { 3, 63, 64, NR_PORTS - 1 };

    for (unsigned i = 0; i < 4; i++) {
        next_port = ports[i];
        CHECK_EQ(hvm_event_alloc(5), ports[i]);
    }
    CHECK(!hvm_events_take());
    for (unsigned i = 0; i < 4; i++) {
        fire(ports[i]);
        fire(ports[(i + 1) % 4]);
        CHECK(hvm_events_take());
        CHECK(!hvm_events_take());
    }
    fire(500); /* nobody's */
    CHECK(!hvm_events_take());
    CHECK_EQ(nr_marks(), 1);
    CHECK(hvm_event_take(500));
}

static void check_sleep(void)
{
    clock_ns = 1000;
    hvm_events_sleep(20);
    CHECK_EQ(polled.nr_ports, 4);
    CHECK_EQ(polled_ports[0], 3);
    CHECK_EQ(polled.timeout, 1000 + 20 * 1000);
    hvm_event_sleep(64, 1);
    CHECK_EQ(polled.nr_ports, 1);
    CHECK_EQ(polled_ports[0], 64);
    hvm_events_sleep(UINT64_MAX); /* no end that wraps: it may be early */
    CHECK(polled.timeout > clock_ns);
    CHECK(polled.timeout < UINT64_MAX / 2);
    uses_upcall = true;
    polled.nr_ports = 0;
    hvm_events_sleep(20);
    CHECK_EQ(nr_upcall_ports, 4);
    CHECK_EQ(upcall_end, 1000 + 20 * 1000);
    CHECK_EQ(polled.nr_ports, 0);
    uses_upcall = false;
    CHECK_EQ(pic_masks, 0x8eb8);
}

static void check_close(void)
{
    fire(63);
    hvm_event_close(63);
    CHECK_EQ(closed, 63);
    CHECK(!hvm_event_is_pending(63));
    hvm_events_sleep(1);
    CHECK_EQ(polled.nr_ports, 3);
    for (unsigned i = 0; i < 3; i++)
        CHECK(polled_ports[i] != 63);
    fire(63);
    CHECK(!hvm_events_take());
    hvm_event_notify(64);
    CHECK_EQ(notified, 64);
}

static void check_limits(void)
{
    unsigned nr = 3;

    next_port = 100;
    alloc_error = -ENOMEM;
    CHECK_EQ(hvm_event_alloc(5), -ENOMEM);
    alloc_error = 0;
    while (hvm_event_alloc(5) > 0)
        nr++;
    CHECK_EQ(nr, MAX_PORTS);
    CHECK_EQ(hvm_event_alloc(5), -ENOSPC);
    hvm_events_sleep(1);
    CHECK_EQ(polled.nr_ports, MAX_PORTS);
    CHECK_EQ(hvm_events_start(), 0);
    hvm_events_sleep(1);
    CHECK_EQ(polled.nr_ports, 0);
    CHECK(hvm_event_alloc(5) > 0);
}

int main(void)
{
    REQUIRE(hvm_events_start() == 0);
    TEST("all channels are masked, and one is unmasked alone", check_masks);
    TEST("a mark is taken once, and alone", check_marks);
    TEST("what has fired is taken, of open channels only", check_taken);
    TEST("who sleeps says for what, and how long", check_sleep);
    TEST("a channel that is closed is waited for no more", check_close);
    TEST("no more are open than Xen waits for; a restored guest has none",
         check_limits);
    return tap_done();
}
