/* SPDX-License-Identifier: MIT
 * Claim: what is written to the console arrives whole and in order, however
 * slowly it is read; a reader that is not there, or lies, costs a second and
 * nothing else. Source: xen/io/console.h. Mechanism: the reader is the test's,
 * and moves whenever the port sleeps; so does the clock. */
#include "frontend/port-hvm/private.h"

#include "tests/unit/tap.h"

#include <xen/hvm/params.h>
#include <xen/io/console.h>

#include "frontend/port-hvm/port-hvm.h"

enum { PORT = 9 };

static struct xencons_interface *ring;
static uint64_t frame, now_us;
static unsigned piece;
static char heard[32768];
static size_t nr_heard;
static bool is_awake, is_marked;

uint64_t hvm_param_get(uint32_t index)
{
    return index == HVM_PARAM_CONSOLE_PFN ? frame : PORT;
}

uint64_t hvm_clock_us(void)
{
    return now_us;
}

bool hvm_event_take(evtchn_port_t port)
{
    CHECK_EQ(port, PORT);
    is_marked = false;
    return false;
}

void hvm_event_notify(evtchn_port_t port)
{
    CHECK_EQ(port, PORT);
    is_awake = true;
}

static void hear(void)
{
    for (unsigned i = 0;
         i < piece && is_awake && ring->out_cons != ring->out_prod; i++)
        heard[nr_heard++] =
            ring->out[MASK_XENCONS_IDX(ring->out_cons++, ring->out)];
    is_awake = ring->out_cons != ring->out_prod;
    is_marked = true;
}

void hvm_event_sleep(evtchn_port_t port, uint64_t timeout_us)
{
    CHECK_EQ(port, PORT);
    CHECK(!is_marked); /* else Xen does not let it sleep */
    now_us += piece ? 1 : timeout_us;
    hear();
}

static void start(unsigned bytes)
{
    memset(ring, 0, sizeof *ring);
    ring->out_cons = ring->out_prod = UINT32_MAX - 100;
    frame = (uintptr_t)ring / HVM_PAGE_BYTES;
    piece = bytes;
    is_awake = is_marked = false;
    nr_heard = 0;
    CHECK_EQ(hvm_console_start(), 0);
}

static void check_text(void)
{
    static char text[20000];

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (char)(i % 251);
    for (unsigned bytes = 1; bytes < 5000; bytes = 3 * bytes + 1) {
        start(bytes);
        CHECK(port_hvm_console(text, sizeof text));
        while (is_awake)
            hear();
        CHECK_EQ(nr_heard, sizeof text);
        CHECK(memcmp(heard, text, sizeof text) == 0);
    }
}

static void check_nobody(void)
{
    static char text[3000];
    uint64_t before;

    start(0);
    before = now_us;
    CHECK(port_hvm_console(text, sizeof text));
    CHECK_EQ(ring->out_prod - ring->out_cons, sizeof ring->out);
    CHECK_EQ(now_us - before, 1000000);
    ring->out_cons = ring->out_prod + 1; /* has read what was not there */
    before = now_us;
    CHECK(port_hvm_console(text, sizeof text));
    CHECK_EQ(now_us - before, 1000000);
    frame = 0;
    CHECK_EQ(hvm_console_start(), 0);
    CHECK(!port_hvm_console(text, sizeof text));
}

int main(void)
{
    ring = aligned_alloc(HVM_PAGE_BYTES, HVM_PAGE_BYTES);
    REQUIRE(ring);
    TEST("a text arrives whole, in pieces of any size", check_text);
    TEST("nobody there, or a liar: it takes a second", check_nobody);
    free(ring);
    return tap_done();
}
