/* SPDX-License-Identifier: MIT
 * Claim: the stand-in's event channels have Xen's port states
 * (xen/common/event_channel.c: free, unbound, interdomain; a port whose peer
 * goes becomes unbound and can be bound again) and lose no notification that
 * Xen would not drop. Mechanism: a guest and back ends in this process and in
 * children. */
#include "tests/unit/tap.h"

#include <poll.h>

#include "common/host/log.h"
#include "common/local/local.h"
#include "common/local/protocol.h"
#include "tests/unit/local-server.h"

enum { DOMID = 5 };

static struct local_server server;
static struct local *guest, *back;

static int take_one(struct local *local)
{
    uint32_t ports[8];
    int nr = local_event_take(local, ports, 8);

    return nr == 1 ? (int)ports[0] : -nr;
}

static unsigned ports_held(struct local *local)
{
    struct local_held held;

    local_get_held(local, &held);
    return held.ports;
}

/* A bound pair of ports, nothing pending. */
static void make_pair(uint32_t *theirs, uint32_t *ours)
{
    int port = local_event_alloc_unbound(guest, 0);

    REQUIRE(port > 0);
    *theirs = (uint32_t)port;
    port = local_event_bind(back, DOMID, *theirs);
    REQUIRE(port > 0);
    *ours = (uint32_t)port;
    REQUIRE(take_one(back) == port);
}

static void close_pair(uint32_t theirs, uint32_t ours)
{
    CHECK_EQ(local_event_close(back, ours), 0);
    CHECK_EQ(local_event_close(guest, theirs), 0);
    CHECK_EQ(ports_held(back), 0);
    CHECK_EQ(ports_held(guest), 0);
}

static void check_both_ways(void)
{
    uint32_t theirs, ours;

    make_pair(&theirs, &ours);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(local_event_notify(guest, theirs), 0);
        CHECK_EQ(take_one(back), ours);
        CHECK_EQ(take_one(back), 0);
        CHECK_EQ(local_event_notify(back, ours), 0);
        CHECK_EQ(take_one(guest), theirs);
        CHECK_EQ(take_one(guest), 0);
    }
    close_pair(theirs, ours);
}

static void check_coalesce(void)
{
    uint32_t theirs, ours;

    make_pair(&theirs, &ours);
    for (unsigned i = 0; i < 1000; i++)
        CHECK_EQ(local_event_notify(guest, theirs), 0);
    CHECK_EQ(take_one(back), ours);
    CHECK_EQ(take_one(back), 0);
    close_pair(theirs, ours);
}

static void check_fd(void)
{
    struct pollfd wait = { local_event_fd(back), POLLIN, 0 };
    uint32_t theirs, ours;

    make_pair(&theirs, &ours);
    CHECK_EQ(poll(&wait, 1, 0), 0);
    CHECK_EQ(local_event_notify(guest, theirs), 0);
    CHECK_EQ(poll(&wait, 1, 0), 1);
    CHECK_EQ(poll(&wait, 1, 0), 1); /* until it is taken */
    CHECK_EQ(take_one(back), ours);
    CHECK_EQ(poll(&wait, 1, 0), 0);
    close_pair(theirs, ours);
}

static void check_pending_at_bind(void)
{
    int theirs = local_event_alloc_unbound(guest, 0), ours;

    CHECK(theirs > 0);
    ours = local_event_bind(back, DOMID, (uint32_t)theirs);
    CHECK(ours > 0);
    CHECK_EQ(take_one(back), ours);
    CHECK_EQ(take_one(back), 0);
    CHECK_EQ(take_one(guest), 0);
    close_pair((uint32_t)theirs, (uint32_t)ours);
}

static void check_refusals(void)
{
    int theirs = local_event_alloc_unbound(guest, 0);
    int foreign = local_event_alloc_unbound(guest, 3);
    int ours;

    CHECK_EQ(local_event_bind(back, 99, 1), -ESRCH);
    CHECK_EQ(local_event_bind(back, DOMID, 0), -EINVAL);
    CHECK_EQ(local_event_bind(back, DOMID, 77), -EINVAL);
    CHECK_EQ(local_event_bind(back, DOMID, LOCAL_MAX_PORTS), -EINVAL);
    CHECK_EQ(local_event_bind(back, DOMID, (uint32_t)foreign), -EINVAL);
    CHECK_EQ(local_event_bind(guest, DOMID, (uint32_t)theirs), -EINVAL);
    CHECK_EQ(local_event_alloc_unbound(guest, 0x7ff0), -EINVAL);
    ours = local_event_bind(back, DOMID, (uint32_t)theirs);
    CHECK(ours > 0);
    CHECK_EQ(local_event_bind(back, DOMID, (uint32_t)theirs), -EINVAL);
    CHECK_EQ(local_event_notify(back, 0), -EINVAL);
    CHECK_EQ(local_event_notify(back, 77), -EINVAL);
    CHECK_EQ(local_event_close(back, 77), -EINVAL);
    CHECK_EQ(local_event_close(back, UINT32_MAX), -EINVAL);
    CHECK_EQ(local_event_close(guest, (uint32_t)foreign), 0);
    CHECK_EQ(take_one(back), ours);
    close_pair((uint32_t)theirs, (uint32_t)ours);
}

static void check_dropped(void)
{
    uint32_t theirs, ours;
    int again;

    make_pair(&theirs, &ours);
    CHECK_EQ(local_event_close(back, ours), 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(local_event_notify(guest, theirs), 0);
    CHECK_EQ(take_one(back), 0);
    again = local_event_bind(back, DOMID, theirs);
    CHECK(again > 0);
    CHECK_EQ(take_one(back), again); /* the bind itself */
    CHECK_EQ(take_one(back), 0);
    CHECK_EQ(local_event_notify(guest, theirs), 0);
    CHECK_EQ(take_one(back), again);
    close_pair(theirs, (uint32_t)again);
}

/* A back end in a process of its own that binds and is then killed. */
static void bind_and_die(uint32_t theirs)
{
    int ready[2];
    char byte;
    pid_t pid;

    REQUIRE(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        struct local *own;

        if (local_open(server.dir, &own) == 0 &&
            local_event_bind(own, DOMID, theirs) > 0 &&
            write(ready[1], "", 1) == 1)
            pause();
        _exit(1);
    }
    close(ready[1]);
    REQUIRE(read(ready[0], &byte, 1) == 1);
    close(ready[0]);
    CHECK_EQ(local_event_bind(back, DOMID, theirs), -EINVAL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void check_back_end_killed(void)
{
    int theirs = local_event_alloc_unbound(guest, 0), ours;

    for (unsigned i = 0; i < 3; i++) {
        bind_and_die((uint32_t)theirs);
        CHECK_EQ(local_event_notify(guest, (uint32_t)theirs), 0);
        while ((ours = local_event_bind(back, DOMID, (uint32_t)theirs)) < 0)
            usleep(100);
        CHECK_EQ(take_one(back), ours);
        CHECK_EQ(local_event_notify(back, (uint32_t)ours), 0);
        CHECK_EQ(take_one(guest), theirs);
        CHECK_EQ(local_event_close(back, (uint32_t)ours), 0);
    }
    CHECK_EQ(local_event_close(guest, (uint32_t)theirs), 0);
}

static void check_guest_dies(void)
{
    struct local *other;
    int theirs, ours, again;

    REQUIRE(local_open(server.dir, &other) == 0);
    REQUIRE(local_domain_create(other, 6, 32) == 0);
    theirs = local_event_alloc_unbound(other, 0);
    ours = local_event_bind(back, 6, (uint32_t)theirs);
    CHECK(ours > 0);
    local_close(other);
    while (local_domain_is_alive(back, 6) == 1)
        usleep(100);
    CHECK_EQ(local_event_notify(back, (uint32_t)ours), 0);
    CHECK_EQ(local_event_bind(back, 6, (uint32_t)theirs), -ESRCH);
    REQUIRE(local_open(server.dir, &other) == 0);
    REQUIRE(local_domain_create(other, 6, 32) == 0);
    CHECK_EQ(local_event_bind(back, 6, (uint32_t)theirs), -EINVAL);
    again = local_event_bind(other, 0, (uint32_t)ours); /* ours is unbound */
    CHECK(again > 0);
    CHECK_EQ(take_one(other), again);
    CHECK_EQ(take_one(back), ours); /* from our own bind */
    CHECK_EQ(local_event_notify(other, (uint32_t)again), 0);
    CHECK_EQ(take_one(back), ours);
    CHECK_EQ(local_event_close(back, (uint32_t)ours), 0);
    local_close(other);
    while (local_domain_is_alive(back, 6) == 1)
        usleep(100);
}

static void check_numbers(void)
{
    struct local *second;
    int one, two, three;

    REQUIRE(local_open(server.dir, &second) == 0);
    one = local_event_alloc_unbound(back, DOMID);
    two = local_event_alloc_unbound(second, DOMID);
    CHECK(one > 0 && two > 0 && one != two);
    CHECK_EQ(local_event_close(second, (uint32_t)one), -EINVAL);
    CHECK_EQ(local_event_notify(second, (uint32_t)one), -EINVAL);
    three = local_event_bind(guest, 0, (uint32_t)two);
    CHECK(three > 0);
    CHECK_EQ(take_one(guest), three);
    CHECK_EQ(local_event_notify(guest, (uint32_t)three), 0);
    CHECK_EQ(take_one(back), 0);
    CHECK_EQ(take_one(second), two);
    local_close(second);
    CHECK_EQ(local_event_close(guest, (uint32_t)three), 0);
    CHECK_EQ(local_event_close(back, (uint32_t)one), 0);
}

static void check_no_ghosts(void)
{
    uint32_t theirs, ours, ports[8];

    make_pair(&theirs, &ours);
    CHECK_EQ(local_event_notify(guest, theirs), 0);
    CHECK_EQ(local_event_close(back, ours), 0);
    CHECK_EQ(local_event_notify(guest, theirs), 0);
    CHECK_EQ(local_event_take(back, ports, 8), 0);
    CHECK_EQ(local_event_close(guest, theirs), 0);
}

static void check_many_ports(void)
{
    enum { NR = 150 };
    uint32_t theirs[NR], ours[NR], ports[NR];
    struct local_held before, after;
    unsigned seen = 0;
    int nr;

    for (unsigned i = 0; i < NR; i++)
        make_pair(&theirs[i], &ours[i]);
    for (unsigned i = 0; i < NR; i++)
        CHECK_EQ(local_event_notify(guest, theirs[i]), 0);
    CHECK_EQ(local_event_take(back, ports, 0), 0);
    CHECK_EQ(local_event_take(back, ports, 5), 5);
    seen = 5;
    local_get_held(back, &before);
    nr = local_event_take(back, ports, NR);
    local_get_held(back, &after);
    CHECK_EQ(after.system_calls - before.system_calls, 1);
    for (; nr > 0; nr = local_event_take(back, ports, NR))
        seen += (unsigned)nr;
    CHECK_EQ(seen, NR);
    for (unsigned i = 0; i < NR; i++) {
        CHECK_EQ(local_event_close(back, ours[i]), 0);
        CHECK_EQ(local_event_close(guest, theirs[i]), 0);
    }
    CHECK_EQ(ports_held(back), 0);
}

static void check_ports_exhausted(void)
{
    struct local *other;
    unsigned nr = 0;
    int port;

    REQUIRE(local_open(server.dir, &other) == 0);
    REQUIRE(local_domain_create(other, 6, 32) == 0);
    while ((port = local_event_alloc_unbound(other, 0)) > 0)
        nr++;
    /* Ports or descriptors, whichever this machine has fewer of. */
    CHECK(port == -ENOSPC || port == -EMFILE);
    NOTE("%u ports before %s", nr, strerror(-port));
    CHECK_EQ(ports_held(other), nr);
    local_close(other);
    while (local_domain_is_alive(back, 6) == 1)
        usleep(100);
}

static void check_fault(void)
{
    int theirs = local_event_alloc_unbound(guest, 0), ours;

    local_set_fault(back, LOCAL_FAULT_BIND, 1, -EPERM);
    CHECK_EQ(local_event_bind(back, DOMID, (uint32_t)theirs), -EPERM);
    ours = local_event_bind(back, DOMID, (uint32_t)theirs);
    CHECK(ours > 0);
    CHECK_EQ(take_one(back), ours);
    close_pair((uint32_t)theirs, (uint32_t)ours);
}

static void answer(struct local *local, int port, unsigned long rounds)
{
    struct pollfd wait = { local_event_fd(local), POLLIN, 0 };
    uint32_t ports[1];

    while (rounds > 0) {
        poll(&wait, 1, -1);
        if (local_event_take(local, ports, 1) == 1) {
            local_event_notify(local, (uint32_t)port);
            rounds--;
        }
    }
}

/* No notification may be lost, else this test does not end. */
static void check_ping_pong(void)
{
    struct pollfd wait = { local_event_fd(guest), POLLIN, 0 };
    int theirs = local_event_alloc_unbound(guest, 0), status;
    unsigned long rounds = tap_scaled(50000);
    uint32_t ports[1];
    uint64_t start_us;
    pid_t pid = fork();

    if (pid == 0) {
        struct local *own;
        int ours;

        if (local_open(server.dir, &own) < 0)
            _exit(1);
        ours = local_event_bind(own, DOMID, (uint32_t)theirs);
        if (ours < 0)
            _exit(2);
        answer(own, ours, rounds + 1); /* one for the bind itself */
        _exit(0);
    }
    poll(&wait, 1, -1);
    CHECK_EQ(local_event_take(guest, ports, 1), 1);
    start_us = host_now_us();
    for (unsigned long i = 0; i < rounds; i++) {
        local_event_notify(guest, (uint32_t)theirs);
        poll(&wait, 1, -1);
        if (local_event_take(guest, ports, 1) != 1)
            CHECK(!"woken for nothing");
    }
    NOTE("%.1f us for each round trip between two processes",
         (double)(host_now_us() - start_us) / (double)rounds);
    waitpid(pid, &status, 0);
    CHECK_EQ(status, 0);
    CHECK_EQ(local_event_close(guest, (uint32_t)theirs), 0);
}

int main(void)
{
    REQUIRE(local_server_start(&server) == 0);
    REQUIRE(local_open(server.dir, &guest) == 0);
    REQUIRE(local_domain_create(guest, DOMID, 32) == 0);
    REQUIRE(local_open(server.dir, &back) == 0);
    TEST("a notification arrives once, each time, both ways",
         check_both_ways);
    TEST("many notifications before a look are one event", check_coalesce);
    TEST("the descriptor is readable until the event is taken", check_fd);
    TEST("a freshly bound port is pending", check_pending_at_bind);
    TEST("only an unbound port that was made for us can be bound",
         check_refusals);
    TEST("what is sent to an unbound port is dropped", check_dropped);
    TEST("after a back end was killed the guest's port can be bound again",
         check_back_end_killed);
    TEST("after a guest's death its next life may bind our port",
         check_guest_dies);
    TEST("port numbers are unique in a domain, and each has one owner",
         check_numbers);
    TEST("a closed port does not fire", check_no_ghosts);
    TEST("150 ports fire, and a look is one system call", check_many_ports);
    TEST("running out of ports is an error and no more",
         check_ports_exhausted);
    TEST("a fault comes at the bind it was asked for", check_fault);
    TEST("two processes wake each other without losing an event",
         check_ping_pong);
    local_close(back);
    local_close(guest);
    REQUIRE(local_server_stop(&server) == 0);
    return tap_done();
}
